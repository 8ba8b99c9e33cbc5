//! The pure core: what the words mean and what follows from what. No clock, no socket, no file, no runtime.
//!
//! # Architecture invariants
//!
//! - Time is an argument: nothing here asks what time it is.
//! - A machine takes events and answers with actions; a task of the daemon performs them.
pub mod backoff;
pub mod command;
pub mod disk;
pub mod identity;
pub mod provider;
pub mod queue;
pub mod secret;
pub mod seq;
pub mod time;
pub mod view;
