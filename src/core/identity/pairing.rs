//! Pairing, RFC 8628 §3: from the person's wish to a grant, one code after another.
mod event;
mod hurry;
mod machine;
mod stored;

pub use event::{Action, Event, Outcome};
pub use machine::{FIRST_CODE_PATIENCE, Pairing};
pub use stored::{CodeOnOffer, Running, TimeLimit};
