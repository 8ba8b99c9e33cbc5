//! rigpost
