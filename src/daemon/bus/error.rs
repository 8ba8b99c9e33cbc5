//! Every refusal as a D-Bus error; one exhaustive table.
//!
//! # Decisions
//! - Written out, and not derived: the derive puts its one prefix before every name, and the standard names have another.
use zbus::message::Header;
use zbus::names::ErrorName;
use zbus::{DBusError, Message};

use rigpost_core::command::Refusal;

/// One error reply: `org.rigpost.Rigpost1.Error.*`, or a standard name where one fits.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {text}")]
pub struct BusError {
    name: &'static str,
    text: String,
}

impl DBusError for BusError {
    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(self.name)
    }

    fn description(&self) -> Option<&str> {
        Some(&self.text)
    }

    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name()).build(&self.text)
    }
}

impl From<Refusal> for BusError {
    fn from(refusal: Refusal) -> BusError {
        let name = match &refusal {
            Refusal::NotProvisioned => "org.rigpost.Rigpost1.Error.NotProvisioned",
            Refusal::NotPaired | Refusal::RanOut => "org.rigpost.Rigpost1.Error.NotPaired",
            Refusal::AlreadyPaired => "org.rigpost.Rigpost1.Error.AlreadyPaired",
            Refusal::InProgress => "org.rigpost.Rigpost1.Error.InProgress",
            Refusal::NetworkUnavailable(_) => "org.rigpost.Rigpost1.Error.NetworkUnavailable",
            Refusal::CaptivePortal(_) => "org.rigpost.Rigpost1.Error.CaptivePortal",
            Refusal::ClockUntrusted(_) => "org.rigpost.Rigpost1.Error.ClockUntrusted",
            Refusal::ClientRejected => "org.rigpost.Rigpost1.Error.ClientRejected",
            Refusal::ProviderError(_) => "org.rigpost.Rigpost1.Error.ProviderError",
            Refusal::RateLimited => "org.rigpost.Rigpost1.Error.RateLimited",
            Refusal::SecretUnavailable(_) => "org.rigpost.Rigpost1.Error.SecretUnavailable",
            Refusal::StorageFull => "org.rigpost.Rigpost1.Error.StorageFull",
            Refusal::NotFound(_) => "org.rigpost.Rigpost1.Error.NotFound",
            Refusal::OutsideMediaDirs(_) => "org.rigpost.Rigpost1.Error.OutsideMediaDirs",
            Refusal::NotAllowed(_) => "org.rigpost.Rigpost1.Error.NotAllowed",
            Refusal::Cancelled | Refusal::Expired | Refusal::Denied => "org.rigpost.Rigpost1.Error.Cancelled",
            Refusal::InvalidArgs(_) => "org.freedesktop.DBus.Error.InvalidArgs",
            Refusal::NotSupported(_) => "org.freedesktop.DBus.Error.NotSupported",
            Refusal::LimitsExceeded(_) => "org.freedesktop.DBus.Error.LimitsExceeded",
            Refusal::AccessDenied => "org.freedesktop.DBus.Error.AccessDenied",
            Refusal::StorageFailed(_) => "org.freedesktop.DBus.Error.IOError",
            Refusal::Stopping => "org.freedesktop.DBus.Error.NoReply",
        };
        BusError { name, text: refusal.to_string() }
    }
}

/// The bus itself failed while a call was being answered.
impl From<zbus::Error> for BusError {
    fn from(e: zbus::Error) -> BusError {
        BusError { name: "org.freedesktop.DBus.Error.Failed", text: e.to_string() }
    }
}
