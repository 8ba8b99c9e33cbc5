//! Clips that are sent while they are recorded (contract §5.4).
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{FrameIo, asset_id, expect, unusable, usable_url};
use crate::oauth::{AccessToken, Cause};
use crate::provider::wire::{Request, Response, trouble};
use crate::queue::growing::NewPart;
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
    /// The id of an asset that was asked for without a size, which has no addresses yet.
    pub fn read_growing_asset(&self, response: &Response) -> Result<(String, Vec<Secret>), CreateError> {
        expect(response)?;
        let Created { id } = response.json().ok_or_else(unusable)?;
        asset_id(id).map(|id| (id, Vec::new())).ok_or_else(unusable)
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
        let url = self.beneath(&["v2", "devices", "assets", asset_id, "realtime_upload", "parts"]);
        self.api("part registration", url, token, Some(json))
    }

    /// The addresses of `count` parts, in the order in which they were registered.
    pub fn read_registered(&self, response: &Response, count: usize) -> Result<Vec<Secret>, CreateError> {
        let bad = || CreateError::Transient(trouble(Cause::Provider, "parts without a usable address", None));
        expect(response)?;
        let Registered { upload_urls } = response.json().ok_or_else(bad)?;
        if upload_urls.len() != count || !upload_urls.iter().all(|url| usable_url(&self.base_url, url)) {
            return Err(bad());
        }
        Ok(upload_urls.into_iter().map(Secret::new).collect())
    }
}
