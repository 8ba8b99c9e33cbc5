//! Every refusal as a D-Bus error; one exhaustive table.
use crate::domain::command::Refusal;

/// `org.rigpost.Rigpost1.Error.*`, and the standard names where they fit.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.rigpost.Rigpost1.Error")]
pub enum BusError {
    #[zbus(error)]
    ZBus(zbus::Error),
    NotProvisioned(String),
    NotPaired(String),
    AlreadyPaired(String),
    InProgress(String),
    NetworkUnavailable(String),
    CaptivePortal(String),
    ClockUntrusted(String),
    ClientRejected(String),
    ProviderError(String),
    RateLimited(String),
    SecretUnavailable(String),
    StorageFull(String),
    NotFound(String),
    OutsideMediaDirs(String),
    NotAllowed(String),
    Cancelled(String),
    #[zbus(name = "org.freedesktop.DBus.Error.InvalidArgs")]
    InvalidArgs(String),
    #[zbus(name = "org.freedesktop.DBus.Error.AccessDenied")]
    AccessDenied(String),
    #[zbus(name = "org.freedesktop.DBus.Error.LimitsExceeded")]
    LimitsExceeded(String),
    #[zbus(name = "org.freedesktop.DBus.Error.IOError")]
    IoError(String),
    #[zbus(name = "org.freedesktop.DBus.Error.NoReply")]
    NoReply(String),
}

impl From<Refusal> for BusError {
    fn from(refusal: Refusal) -> BusError {
        let text = refusal.to_string();
        match refusal {
            Refusal::NotProvisioned => BusError::NotProvisioned(text),
            Refusal::NotPaired => BusError::NotPaired(text),
            Refusal::AlreadyPaired => BusError::AlreadyPaired(text),
            Refusal::InProgress => BusError::InProgress(text),
            Refusal::NetworkUnavailable(_) => BusError::NetworkUnavailable(text),
            Refusal::CaptivePortal(_) => BusError::CaptivePortal(text),
            Refusal::ClockUntrusted(_) => BusError::ClockUntrusted(text),
            Refusal::ClientRejected => BusError::ClientRejected(text),
            Refusal::ProviderError(_) => BusError::ProviderError(text),
            Refusal::RateLimited => BusError::RateLimited(text),
            Refusal::SecretUnavailable(_) => BusError::SecretUnavailable(text),
            Refusal::StorageFull => BusError::StorageFull(text),
            Refusal::NotFound(_) => BusError::NotFound(text),
            Refusal::OutsideMediaDirs(_) => BusError::OutsideMediaDirs(text),
            Refusal::NotAllowed(_) => BusError::NotAllowed(text),
            Refusal::Cancelled | Refusal::Expired | Refusal::Denied => BusError::Cancelled(text),
            Refusal::InvalidArgs(_) => BusError::InvalidArgs(text),
            Refusal::LimitsExceeded(_) => BusError::LimitsExceeded(text),
            Refusal::AccessDenied => BusError::AccessDenied(text),
            Refusal::StorageFailed(_) => BusError::IoError(text),
            Refusal::Stopping => BusError::NoReply(text),
        }
    }
}
