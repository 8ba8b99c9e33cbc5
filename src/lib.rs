//! rigpost

pub mod sim;
