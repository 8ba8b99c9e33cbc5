//! The cloud as a model: codes, devices, tokens, assets, and the rules between them.
//!
//! Nothing here does input or output: every operation takes the [`Moment`] it happens at and answers with data,
//! or with the refusal to send. A client that breaks the protocol is not only refused, it is written down in
//! `violations`, so that a test can fail for it at the end.
//!
//! # Decisions
//! A model with rules instead of a list of canned answers: canned answers confirm whatever the client does,
//! a model contradicts it. State lives in memory only; a restarted simulator is a new cloud.
//!
//! Each thing has a file (`asset`, `code`, `device`, `part`, `token`, `project`), `world` holds all of them, and the
//! files in the plural, with `pairing`, hold the rules: what the world does when it is asked.
pub(crate) mod asset;
mod assets;
pub(crate) mod channel;
mod channels;
pub(crate) mod code;
pub(crate) mod comment;
mod comments;
pub(crate) mod device;
mod devices;
pub(crate) mod growth;
mod pairing;
pub(crate) mod part;
mod parts;
mod project;
pub(crate) mod rate;
mod registrations;
pub(crate) mod socket;
pub(crate) mod sockets;
mod token;
mod tokens;
mod versions;
mod world;

pub use project::ProjectView;
pub(crate) use registrations::numbers as registered_numbers;
pub(crate) use world::World;
