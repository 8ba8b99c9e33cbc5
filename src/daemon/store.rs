//! What the rig knows, on disk: identity, grant, pairing and queue, in one SQLite file.
//!
//! [`Store::at`] blocks and belongs before the runtime is busy. Every other method is one IMMEDIATE transaction on a
//! blocking thread: when it answers `Ok`, the change is synced; when it answers an error, nothing has changed. A future
//! that is dropped does not undo its transaction, it only stops anyone from hearing of the outcome.
//!
//! # Decisions
//! - SQLite, bundled (`rusqlite`): the one embedded store whose behaviour at a power cut is written down and tested by
//!   others, and whose version does not depend on the board's distribution. LMDB and sled lose on one of the two.
//! - Only this folder knows SQL; everything that leaves it is a domain type.
//! - Tokens, codes and upload URLs are sealed one by one, each under its own name, so that a damaged or lost key or
//!   record takes with it only what it held: the queue and the identity stay readable.
mod answer;
mod asset;
mod boots;
mod channels;
mod comments;
mod counters;
mod device;
mod error;
mod files;
mod grant;
mod handle;
mod identity;
mod issuer;
mod jobs;
mod keys;
mod location;
mod migrate;
mod open;
mod pairing;
mod projects;
mod proof_key;
mod providers;
mod queue;
mod receipt;
mod revocation;
mod rig;
mod rows;
mod sealed;
mod slot;
mod space;
mod storage_key;
mod tx;

pub use asset::NOTHING;
pub use channels::SubDevice;
pub use comments::Comment;
pub use counters::{QueueSummary, Tally, Totals};
pub use error::{Limit, StoreError};
pub use files::FILE;
pub use grant::Grants;
pub use handle::Store;
pub use identity::Identity;
pub use keys::VaultState;
pub use location::{ClientKind, Location};
pub use queue::{Discovery, Limits, Recording, RecordingEnd};
pub use rig::Known;
