//! rigpost
pub mod domain;
