//! The store on real files: what survives, what is refused, and what it never does.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall end")]

mod damage;
mod disk;
mod grant;
mod identity;
mod intake;
mod issuer;
mod migration;
mod model;
mod orphans;
mod queue;
mod revocation;
mod steer;
mod support;
mod vault;
