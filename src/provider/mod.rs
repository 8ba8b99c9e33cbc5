//! What to say to a provider and how to read its answers. Builds requests, reads responses, sends nothing.
//!
//! # Decisions
//! - An enum and not a trait: the set is closed and chosen in the configuration, every difference is visible side by
//!   side, and a new provider makes the compiler list each decision.
mod answer;
mod frameio;
pub mod wire;

pub use answer::short;
pub use frameio::FrameIo;

use crate::domain::{
    oauth::{
        AccessToken, ClientId, ClientSecret, DeviceAuthorization, DeviceCode, DeviceInfo, RefreshToken,
        TokenError, TokenResponse,
    },
    upload::{AssetRequest, CreateError, PartError},
};
use wire::{Request, Response};

/// Who we are to the provider.
#[derive(Clone, Debug)]
pub struct Client {
    /// RFC 6749 §2.2.
    pub id: ClientId,
    /// RFC 6749 §2.3.1.
    pub secret: ClientSecret,
}

/// A provider's dialect.
#[derive(Clone, Debug)]
pub enum Provider {
    /// Frame.io Camera to Cloud, hardware devices.
    FrameIo(FrameIo),
}

impl Provider {
    /// RFC 8628 §3.1.
    pub fn device_authorization_request(&self, client: &Client) -> Request {
        match self {
            Provider::FrameIo(p) => p.device_authorization_request(client),
        }
    }

    /// RFC 8628 §3.2. `SlowDown` here means: ask for the code again later.
    pub fn read_device_authorization(&self, response: &Response) -> Result<DeviceAuthorization, TokenError> {
        match self {
            Provider::FrameIo(p) => p.read_device_authorization(response),
        }
    }

    /// RFC 8628 §3.4.
    pub fn device_token_request(&self, client: &Client, code: &DeviceCode) -> Request {
        match self {
            Provider::FrameIo(p) => p.device_token_request(client, code),
        }
    }

    /// RFC 8628 §3.5.
    pub fn read_device_token(&self, response: &Response) -> Result<TokenResponse, TokenError> {
        match self {
            Provider::FrameIo(p) => p.read_device_token(response),
        }
    }

    /// RFC 6749 §6.
    pub fn refresh_request(&self, client: &Client, token: &RefreshToken) -> Request {
        match self {
            Provider::FrameIo(p) => p.refresh_request(client, token),
        }
    }

    /// Only answers that end the grant for good come back as `InvalidGrant`, `Unauthorized` or `ClientRejected`.
    pub fn read_refresh(&self, response: &Response) -> Result<TokenResponse, TokenError> {
        match self {
            Provider::FrameIo(p) => p.read_refresh(response),
        }
    }

    /// RFC 7009 §2.1.
    pub fn revoke_request(&self, client: &Client, token: &RefreshToken) -> Request {
        match self {
            Provider::FrameIo(p) => p.revoke_request(client, token),
        }
    }

    /// Who are we to the provider?
    pub fn identify_request(&self, token: &AccessToken) -> Request {
        match self {
            Provider::FrameIo(p) => p.identify_request(token),
        }
    }

    /// The answer to that.
    pub fn read_identity(&self, response: &Response) -> Result<DeviceInfo, TokenError> {
        match self {
            Provider::FrameIo(p) => p.read_identity(response),
        }
    }

    /// The rig is there.
    pub fn heartbeat_request(&self, token: &AccessToken) -> Request {
        match self {
            Provider::FrameIo(p) => p.heartbeat_request(token),
        }
    }

    /// The answer to that.
    pub fn read_heartbeat(&self, response: &Response) -> Result<(), TokenError> {
        match self {
            Provider::FrameIo(p) => p.read_heartbeat(response),
        }
    }

    /// Ask for an asset to put a clip in.
    pub fn create_asset_request(&self, token: &AccessToken, asset: &AssetRequest) -> Request {
        match self {
            Provider::FrameIo(p) => p.create_asset_request(token, asset),
        }
    }

    /// The asset's id and the URLs for its parts, in byte order.
    pub fn read_asset(
        &self,
        response: &Response,
    ) -> Result<(String, Vec<crate::domain::secret::Secret>), CreateError> {
        match self {
            Provider::FrameIo(p) => p.read_asset(response),
        }
    }

    /// The headers that every part must carry, besides its length.
    pub fn part_headers(&self, filetype: &str) -> Vec<(&'static str, String)> {
        match self {
            Provider::FrameIo(p) => p.part_headers(filetype),
        }
    }

    /// What the storage's answer to a part means.
    pub fn read_part(&self, response: &Response) -> Result<(), PartError> {
        match self {
            Provider::FrameIo(p) => p.read_part(response),
        }
    }
}

#[cfg(test)]
mod tests;
