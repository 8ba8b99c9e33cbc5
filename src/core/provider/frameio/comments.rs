//! What is said of a clip at a frame of it (contract §8b).
use serde_json::json;
use zeroize::Zeroizing;

use super::{FrameIo, expect};
use crate::oauth::AccessToken;
use crate::provider::wire::{Request, Response};
use crate::queue::upload::CreateError;

impl FrameIo {
    /// Says `text` of an asset, `frames` from its beginning.
    pub fn comment_request(&self, token: &AccessToken, asset_id: &str, text: &str, frames: u32) -> Request {
        let json = Zeroizing::new(json!({ "text": text, "timestamp": frames }).to_string().into_bytes());
        let url = self.beneath(&["v2", "devices", "assets", asset_id, "comments"]);
        self.api("comment", url, token, Some(json))
    }

    /// What came of it.
    pub fn read_comment(&self, response: &Response) -> Result<(), CreateError> {
        expect(response)
    }
}
