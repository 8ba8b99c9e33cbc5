//! The pure core: what the words mean and what follows from what. No clock, no socket, no file, no runtime.
//!
//! # Architecture invariants
//!
//! - Time is an argument: nothing here asks what time it is.
//! - A machine takes events and answers with actions; a task of the daemon performs them.
/// How long to wait before the next try.
pub mod backoff;
/// What the bus asks of the machines, and what it is refused.
pub mod command;
/// Where clips go.
pub mod delivery;
/// Why the disk takes nothing.
pub mod disk;
/// A few things in order.
pub mod few;
/// Who the rig is: pairing, tokens, presence.
pub mod identity;
/// The words of RFC 6749 and RFC 8628.
pub mod oauth;
/// What to say to a provider, and what its answers mean.
pub mod provider;
/// Which clip goes, when, and how.
pub mod queue;
/// Texts that print as `[redacted]`.
pub mod secret;
/// Numbers that only grow.
pub mod seq;
/// Boot time, wall time, and both at once.
pub mod time;
/// What the screen sees.
pub mod view;
