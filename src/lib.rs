//! rigpost

pub mod cli;
