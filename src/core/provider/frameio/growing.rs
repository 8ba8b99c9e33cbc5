//! Clips that are sent while they are recorded (contract §5.4).
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{FrameIo, asset_id, expect, usable_url};
use crate::oauth::{AccessToken, Cause};
use crate::provider::wire::{Request, Response, trouble};
use crate::queue::growing::{NewPart, RegisterError};
use crate::queue::upload::CreateError;
use crate::secret::Secret;

#[derive(Deserialize)]
struct Registered {
    upload_urls: Vec<String>,
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

impl FrameIo {
    /// The id of an asset that was asked for without a size.
    pub fn read_growing_asset(&self, response: &Response) -> Result<String, CreateError> {
        let bad = || CreateError::Transient(trouble(Cause::Provider, "an asset that can't be used", None));
        expect(response)?;
        let Created { id } = response.json().ok_or_else(bad)?;
        asset_id(id).ok_or_else(bad)
    }

    /// Registers parts. `size`: of the whole clip, where the last part is among them.
    pub fn register_parts_request(
        &self,
        token: &AccessToken,
        asset_id: &str,
        parts: &[NewPart],
        size: Option<u64>,
    ) -> Request {
        // Numbers begin at 1 in the cloud.
        let part = |p: &NewPart| json!({ "number": p.n + 1, "size": p.len, "is_final": p.is_final });
        let mut body = json!({ "parts": parts.iter().map(part).collect::<Vec<Value>>() });
        if let Some(size) = size {
            body["asset_filesize"] = size.into();
        }
        let json = Zeroizing::new(body.to_string().into_bytes());
        let path = ["v2", "devices", "assets", asset_id, "realtime_upload", "parts"];
        Request { url: self.beneath(&path), ..self.api("part registration", "", token, Some(json)) }
    }

    /// The addresses of `count` parts, in the order in which they were registered.
    pub fn read_registered(&self, response: &Response, count: usize) -> Result<Vec<Secret>, RegisterError> {
        let bad = || RegisterError::Transient("parts without a usable address".to_owned(), None);
        expect(response).map_err(RegisterError::from)?;
        let Registered { upload_urls } = response.json().ok_or_else(bad)?;
        if upload_urls.len() != count || !upload_urls.iter().all(|url| usable_url(&self.base_url, url)) {
            return Err(bad());
        }
        Ok(upload_urls.into_iter().map(Secret::new).collect())
    }
}

impl From<CreateError> for RegisterError {
    fn from(e: CreateError) -> RegisterError {
        match e {
            CreateError::Unauthorized => RegisterError::Unauthorized,
            CreateError::Transient(t) => RegisterError::Transient(t.why, t.retry_after),
            CreateError::Storage => RegisterError::Transient(String::new(), None),
            CreateError::RecordedWhilePaused => {
                RegisterError::Refused("the device is paused in the project".to_owned())
            }
            CreateError::Refused(why) | CreateError::Conflict(why) | CreateError::Forbidden(why) => {
                RegisterError::Refused(why)
            }
        }
    }
}
