//! rigpost
pub mod bus;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod http;
pub mod link;
pub mod media;
pub mod provider;
pub mod sim;
pub mod store;
pub mod tasks;
pub mod vault;
