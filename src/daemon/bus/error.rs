//! Refusals as D-Bus errors.
//!
//! # Decisions
//! - Written out, and not derived: the derive puts its one prefix before every name, and the standard names have another.
use tracing::info;
use zbus::message::Header;
use zbus::{DBusError, Message, names};

use crate::bus::call::called;
use rigpost_contract::error::ErrorName;
use rigpost_core::command::Refusal;

/// One error reply: `org.rigpost.Rigpost1.Error.*`, or a standard name where one fits.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {text}")]
pub struct BusError {
    name: ErrorName,
    text: String,
}

impl DBusError for BusError {
    fn name(&self) -> names::ErrorName<'_> {
        names::ErrorName::from_static_str_unchecked(self.name.as_str())
    }

    fn description(&self) -> Option<&str> {
        Some(&self.text)
    }

    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        // A flood is no news for the journal.
        if let Some(method) =
            called(call).filter(|method| method.changes() && self.name != ErrorName::LimitsExceeded)
        {
            info!("refused {}: {}", method.name, self.text);
        }
        Message::error(call, self.name()).build(&self.text)
    }
}

impl From<Refusal> for BusError {
    fn from(refusal: Refusal) -> BusError {
        BusError { name: refusal.error_name(), text: refusal.to_string() }
    }
}

/// The bus itself failed while a call was being answered.
impl From<zbus::Error> for BusError {
    fn from(e: zbus::Error) -> BusError {
        BusError { name: ErrorName::Failed, text: e.to_string() }
    }
}
