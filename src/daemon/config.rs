//! From the configuration's files to [`Settings`], in three steps: each file becomes a fragment of entries that know
//! their line, the fragments are merged, later ones winning key by key, and what is left is validated. All three go by
//! one table of keys, in [`keys`].
//!
//! Order: `/usr/lib/rigpost/conf.d/*.toml` (the maker), the main file, then `conf.d/*.toml` beside the main file (the
//! site), each directory in the order of names. What can be there several times (`[[source]]`) has a name, and a later
//! file that says the name again changes what it says anew.
//!
//! # Decisions
//! - TOML (`toml`): comments, and one way to write each thing. Its spanned tree and a table of our keys, not serde:
//!   serde stops at the first mistake and forgets the line of a value before we can judge it, and a person without a
//!   keyboard should have to come back once.
//! - Every mistake is an error, also an unknown key: a misspelt key that is ignored is found on set.
//! - What the core decides by (classes, sources) is read into the core's own types: two spellings of one thing drift.
//! - No secret of the rig is configured here: the client secret comes by provisioning. A proxy's address may hold a
//!   password; it is kept as a secret, and no message repeats it.
mod check;
mod delivery;
mod effective;
mod forms;
mod fragment;
pub mod keys;
mod lists;
mod load;
mod merge;
mod near;
mod problem;
mod provider;
mod roots;
pub mod rule;
mod settings;
mod validate;

pub use effective::{Effective, Held, effective};
pub use load::{load, load_installed};
pub use problem::{ConfigError, Problem};
pub use roots::Roots;
pub use settings::{
    Bucket, ClientIdSource, Delivery, Device, Level, Log, OAuth, Provider, Queue, Settings, State, Tokens,
    Vault,
};
