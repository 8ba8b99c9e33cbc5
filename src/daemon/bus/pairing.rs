//! `org.rigpost.Rigpost1.Pairing`.
use std::time::Duration;

use crate::bus::error::BusError;
use crate::bus::options::{self, Options};
use crate::bus::queue::Dict;
use crate::bus::{ending, qr};
use crate::link::Handle;
use rigpost_contract::option::OptionKey;
use rigpost_core::command::{Refusal, RigCommand};
use rigpost_core::view::RigView;

/// Answers for the interface.
#[derive(Debug)]
pub struct Pairing {
    handle: Handle,
}

impl Pairing {
    /// All it needs is the handle.
    pub fn new(handle: Handle) -> Pairing {
        Pairing { handle }
    }

    fn view<T>(&self, read: impl FnOnce(&RigView) -> T) -> T {
        read(&self.handle.rig_view.borrow())
    }
}

#[zbus::interface(name = "org.rigpost.Rigpost1.Pairing", introspection_docs = false)]
impl Pairing {
    async fn start(&self, options: Options) -> Result<(), BusError> {
        let mut options = options;
        let limit: Option<u32> = options.take(OptionKey::Limit)?;
        options.finish()?;
        if limit == Some(0) {
            return Err(Refusal::InvalidArgs("option \"limit\" must be at least 1".to_owned()).into());
        }
        let limit = limit.map(|s| Duration::from_secs(s.into()));
        Ok(self.handle.ask_rig(RigCommand::Start { limit }).await?)
    }

    async fn cancel(&self, options: Options) -> Result<(), BusError> {
        options::none(options)?;
        Ok(self.handle.ask_rig(RigCommand::Cancel).await?)
    }

    #[zbus(out_args("ended"))]
    async fn unpair(&self, options: Options) -> Result<Dict, BusError> {
        let asking = ending::asking(options)?;
        Ok(ending::dict(self.handle.end(RigCommand::Unpair(asking)).await?))
    }

    #[zbus(out_args("image"))]
    fn qr_code(&self, format: &str, options: Options) -> Result<Vec<u8>, BusError> {
        let mut options = options;
        let scale: Option<u32> = options.take(OptionKey::Scale)?;
        let fit: Option<u32> = options.take(OptionKey::Fit)?;
        options.finish()?;
        if fit.is_some() && scale.is_some() {
            let why = "options \"scale\" and \"fit\" exclude each other".to_owned();
            return Err(Refusal::InvalidArgs(why).into());
        }
        let text = self.view(|v| {
            let uri = v.verification_uri_complete.as_ref().map(|u| u.expose().to_owned());
            uri.or_else(|| v.verification_uri.clone())
                .or_else(|| v.user_code.as_ref().map(|c| c.expose().to_owned()))
        });
        let text = text.ok_or_else(|| Refusal::NotFound("no code is on offer".to_owned()))?;
        Ok(qr::draw(&text, format, fit.map_or(qr::Size::Scale(scale.unwrap_or(8)), qr::Size::Fit))?)
    }

    #[zbus(property)]
    fn state(&self) -> &str {
        self.view(|v| v.state.as_str())
    }

    #[zbus(property)]
    fn reason(&self) -> &str {
        self.view(|v| v.reason.as_str())
    }

    //= https://www.rfc-editor.org/rfc/rfc8628#section-5.7
    //# it is RECOMMENDED that any chosen communication channel only be accessible by people in close
    //# proximity
    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn user_code(&self) -> String {
        self.view(|v| v.user_code.as_ref().map(|c| c.expose().to_owned())).unwrap_or_default()
    }

    #[zbus(property)]
    fn verification_uri(&self) -> String {
        self.view(|v| v.verification_uri.clone()).unwrap_or_default()
    }

    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn verification_uri_complete(&self) -> String {
        self.view(|v| v.verification_uri_complete.as_ref().map(|u| u.expose().to_owned())).unwrap_or_default()
    }

    #[zbus(property)]
    fn code_expires_at(&self) -> u64 {
        self.view(|v| v.code_expires_at).map_or(0, |t| t.as_micros())
    }

    #[zbus(property)]
    fn device_name(&self) -> String {
        self.view(|v| v.device_name.clone())
    }

    #[zbus(property)]
    fn project_id(&self) -> String {
        self.view(|v| v.device.as_ref().map(|d| d.project_id.clone())).unwrap_or_default()
    }

    #[zbus(property)]
    fn project_name(&self) -> String {
        self.view(|v| v.device.as_ref().map(|d| d.project_name.clone())).unwrap_or_default()
    }

    #[zbus(property)]
    fn authorized_by(&self) -> String {
        self.view(|v| v.device.as_ref().map(|d| d.authorized_by.clone())).unwrap_or_default()
    }

    //= frameio-c2c#4.1
    //# An authorization that has an end shows it.
    #[zbus(property)]
    fn authorization_expires(&self) -> i64 {
        self.view(|v| v.device.as_ref().and_then(|d| d.authorization_expires)).unwrap_or(0)
    }

    #[zbus(property)]
    fn access_expires_at(&self) -> u64 {
        self.view(|v| v.access_expires_at).map_or(0, |t| t.as_micros())
    }

    #[zbus(property)]
    fn refreshed_at(&self) -> i64 {
        self.view(|v| v.refreshed_at).map_or(0, |t| t.0)
    }

    #[zbus(property)]
    fn revocations_pending(&self) -> u32 {
        self.view(|v| v.revocations_pending)
    }
}
