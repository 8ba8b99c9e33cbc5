//! The life of one grant's tokens, from the person's yes to the day the server ends it.
mod event;
mod look;
mod machine;

pub use event::{Action, Ending, Event, Trouble};
pub use machine::TokenLife;
