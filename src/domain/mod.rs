//! The pure core: what the words mean and what follows from what. No clock, no socket, no file, no runtime.
pub mod backoff;
pub mod command;
pub mod heartbeat;
pub mod item;
pub mod ledger;
pub mod oauth;
pub mod pace;
pub mod pairing;
pub mod rig;
pub mod secret;
pub mod seq;
pub mod time;
pub mod token;
pub mod upload;
pub mod view;
pub mod whoami;
