//! Pairing, RFC 8628 §3: from the person's wish to a grant, one code after another.
//!
//! # Decisions
//! A stranger may start a pairing of their own and have somebody approve its code
//! (draft-ietf-oauth-cross-device-security §4). What a rig can do against that; each sentence is the name of a test:
//! - A code ends fifteen minutes after somebody looked at it last.
//! - The host of a link stands there in plain letters, and by itself beside the code. A link that hides its host, or has one
//!   in letters that are taken for others, is refused by name; and so is one without encryption, where the provider has it.
//! - The rig's name and serial stand beside the code: the page that asks for consent shows them, where a provider has such
//!   a page (Frame.io's names both).
//! - Whatever is shown can be cancelled.
//! - An organisation that allows no sign-in by code is a reason of its own, and what to ask its administrator is said.
mod event;
mod hurry;
mod machine;
mod stored;

pub use event::{Action, Event, Outcome};
pub use machine::{FIRST_CODE_PATIENCE, Pairing};
pub use stored::{CodeOnOffer, Running, TimeLimit};
