//! Frame.io Camera to Cloud, the hardware-device flow.
//!
//! # Decisions
//! - `multipart/form-data` on the auth endpoints: it is what the guide's own commands send, and JSON is refused there.
//! - Every auth request gets a connection of its own. Only code requests need it (a second one on a reused connection
//!   is answered `slow_down`), but the others are so rare that an idle connection would only wake the board.
//! - `humantime` for the one date in an answer: a time zone database is nothing that the daemon needs.
//! - The API's own heartbeat, and not its websocket: that wants to be spoken to every quarter of a minute, which no idle
//!   board should have to, and what it would bring sooner, a pause, is asked for with the beats.
//! - The secret is left out of polls, as in every example of the guide; the API reference marks it as required, so the
//!   configuration can turn it on.
use crate::domain::{
    oauth::{
        AccessToken, Cause, DeviceAuthorization, DeviceCode, DeviceInfo, DeviceStatus, RefreshToken,
        TokenError, TokenResponse, UserCode, VerificationUriComplete,
    },
    secret::Secret,
    upload::{AssetRequest, CreateError, PartError},
};
use crate::provider::{
    Client,
    answer::{Detailed, Sorted, short, sort, token_error, unexpected},
    wire::{Body, Connection, Request, Response, trouble},
};
use serde::Deserialize;
use std::time::{Duration, UNIX_EPOCH};
use url::Url;
use zeroize::Zeroizing;

/// The guide's life of a code, where the answer does not say.
const CODE_LIFE: f64 = 120.0;
const INTERVAL: f64 = 5.0;
/// A person waits for the code.
const CODE_TIMEOUT: Duration = Duration::from_secs(8);
const TIMEOUT: Duration = Duration::from_secs(20);
const MAX_PARTS: usize = 10_000;
const MAX_TEXT: usize = 16 * 1024;

/// Settings of the dialect.
#[derive(Clone, Debug)]
pub struct FrameIo {
    /// Scheme and host; no path.
    pub base_url: Url,
    /// Semantic version of the rig's firmware, sent with every call.
    pub client_version: String,
    /// Ask for a verification URL, which the QR code needs.
    pub url_pairing: bool,
    /// Send the client secret with every poll.
    pub secret_on_poll: bool,
}

#[derive(Deserialize)]
struct CodeAnswer {
    device_code: Zeroizing<String>,
    user_code: Zeroizing<String>,
    expires_in: Option<f64>,
    interval: Option<f64>,
    name: Option<String>,
    verification_uri: Option<String>,
    verification_uri_complete: Option<Zeroizing<String>>,
    /// The checklist's spelling.
    verification_url_complete: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Zeroizing<String>,
    refresh_token: Option<Zeroizing<String>>,
}

/// Read apart from the tokens: an odd number, even one that is no number, must not cost us the only ones there are.
#[derive(Deserialize)]
struct TokenLife {
    expires_in: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct MeAnswer {
    name: Option<String>,
    project_id: Option<String>,
    project: Option<Project>,
    authorization: Option<Authorization>,
    /// Read apart, like a token's life: an odd one must not hide the project.
    status: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Project {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Authorization {
    creator: Option<Creator>,
    expires_at: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Creator {
    name: Option<String>,
}

#[derive(Deserialize)]
struct AssetAnswer {
    id: String,
    upload_urls: Vec<String>,
}

impl FrameIo {
    pub(super) fn device_authorization_request(&self, client: &Client) -> Request {
        let fields = vec![
            ("client_id", Secret::new(client.id.0.clone())),
            ("client_secret", client.secret.0.clone()),
            ("scope", Secret::new("asset_create offline")),
        ];
        let mut request = self.auth("device code", "/v2/auth/device/code", fields);
        request.timeout = CODE_TIMEOUT;
        if self.url_pairing {
            request.headers.push(("x-client-platypus-enabled", "true".to_owned()));
        }
        request
    }

    pub(super) fn read_device_authorization(
        &self,
        response: &Response,
    ) -> Result<DeviceAuthorization, TokenError> {
        expect_success(response)?;
        let a: CodeAnswer = response.json().ok_or_else(unexpected)?;
        let code_ok =
            (1..=64).contains(&a.user_code.chars().count()) && !a.user_code.chars().any(char::is_control);
        let device_ok = (1..=MAX_TEXT).contains(&a.device_code.len());
        let expires_in = seconds(a.expires_in.unwrap_or(CODE_LIFE), 1.0, 3600.0);
        let interval = seconds(a.interval.unwrap_or(INTERVAL), 1.0, 60.0);
        let (true, true, Some(expires_in), Some(interval)) = (code_ok, device_ok, expires_in, interval)
        else {
            return Err(unexpected());
        };
        let shown = |text: &String| {
            text.len() <= 2048 && Url::parse(text).is_ok_and(|u| matches!(u.scheme(), "http" | "https"))
        };
        Ok(DeviceAuthorization {
            device_code: DeviceCode(Secret::from(a.device_code)),
            user_code: UserCode(Secret::from(a.user_code)),
            verification_uri: a.verification_uri.filter(shown).and_then(|u| Url::parse(&u).ok()),
            verification_uri_complete: a
                .verification_uri_complete
                .or(a.verification_url_complete)
                .filter(|u| shown(u))
                .map(|u| VerificationUriComplete(Secret::from(u))),
            expires_in,
            interval,
            device_name: a.name.map(|n| short(&n)),
        })
    }

    pub(super) fn device_token_request(&self, client: &Client, code: &DeviceCode) -> Request {
        let mut fields = vec![
            ("client_id", Secret::new(client.id.0.clone())),
            ("device_code", code.0.clone()),
            ("grant_type", Secret::new("urn:ietf:params:oauth:grant-type:device_code")),
        ];
        if self.secret_on_poll {
            fields.push(("client_secret", client.secret.0.clone()));
        }
        self.auth("token poll", "/v2/auth/token", fields)
    }

    pub(super) fn read_device_token(&self, response: &Response) -> Result<TokenResponse, TokenError> {
        expect_success(response)?;
        read_tokens(response)
    }

    pub(super) fn refresh_request(&self, client: &Client, token: &RefreshToken) -> Request {
        let fields = vec![
            ("client_id", Secret::new(client.id.0.clone())),
            ("client_secret", client.secret.0.clone()),
            ("grant_type", Secret::new("refresh_token")),
            ("refresh_token", token.0.clone()),
        ];
        self.auth("token refresh", "/v2/auth/token", fields)
    }

    pub(super) fn read_refresh(&self, response: &Response) -> Result<TokenResponse, TokenError> {
        match expect_success(response) {
            Ok(()) => read_tokens(response),
            // Frame.io's word for a refresh token that was used before.
            Err(TokenError::Rejected(word)) if word == "invalid_request" => {
                Err(TokenError::InvalidGrant(word))
            }
            Err(e) => Err(e),
        }
    }

    pub(super) fn revoke_request(&self, client: &Client, token: &RefreshToken) -> Request {
        let fields = vec![
            ("client_id", Secret::new(client.id.0.clone())),
            ("client_secret", client.secret.0.clone()),
            ("token", token.0.clone()),
        ];
        self.auth("token revocation", "/v2/auth/revoke", fields)
    }

    pub(super) fn identify_request(&self, token: &AccessToken) -> Request {
        self.api("device identity", "/v2/devices/me", token, None)
    }

    pub(super) fn read_identity(&self, response: &Response) -> Result<DeviceInfo, TokenError> {
        expect_success(response)?;
        let a: MeAnswer = response.json().ok_or_else(unexpected)?;
        let project = a.project.unwrap_or(Project { id: None, name: None });
        let project_id = a
            .project_id
            .or(project.id)
            .filter(|id| !id.is_empty() && *id == short(id))
            .ok_or_else(unexpected)?;
        let (creator, expires) = a.authorization.map_or((None, None), |a| (a.creator, a.expires_at));
        Ok(DeviceInfo {
            device_name: short(&a.name.unwrap_or_default()),
            project_id,
            project_name: short(&project.name.unwrap_or_default()),
            authorized_by: short(&creator.and_then(|c| c.name).unwrap_or_default()),
            authorization_expires: expires.as_ref().and_then(moment),
            status: match a.status.as_ref().and_then(serde_json::Value::as_str) {
                Some("paused") => DeviceStatus::Paused,
                Some("offline") => DeviceStatus::Offline,
                Some(_) | None => DeviceStatus::Online,
            },
        })
    }

    pub(super) fn heartbeat_request(&self, token: &AccessToken) -> Request {
        Request { post: true, ..self.api("heartbeat", "/v2/devices/heartbeat", token, None) }
    }

    pub(super) fn read_heartbeat(&self, response: &Response) -> Result<(), TokenError> {
        expect_success(response)
    }

    pub(super) fn create_asset_request(&self, token: &AccessToken, asset: &AssetRequest) -> Request {
        let mut body = serde_json::json!({
            "name": asset.name,
            "filetype": asset.filetype,
            "filesize": asset.size,
            "offset": asset.offset.as_secs(),
        });
        if asset.channel != 0 {
            body["channel"] = asset.channel.into();
        }
        let json = Zeroizing::new(body.to_string().into_bytes());
        self.api("asset creation", "/v2/devices/assets", token, Some(json))
    }

    pub(super) fn read_asset(&self, response: &Response) -> Result<(String, Vec<Secret>), CreateError> {
        let bad = || CreateError::Transient(trouble(Cause::Provider, "an asset that can't be used", None));
        match sort(response) {
            Sorted::Success => {}
            Sorted::Trouble(t) => return Err(CreateError::Transient(t)),
            Sorted::Word(status, word) => {
                return Err(refused_asset(&Detailed { status, title: word, detail: String::new() }));
            }
            Sorted::Detailed(d) => return Err(refused_asset(&d)),
        }
        let a: AssetAnswer = response.json().ok_or_else(bad)?;
        let usable = |u: &String| {
            u.len() <= MAX_TEXT
                && Url::parse(u).is_ok_and(|u| u.scheme() == "https" || u.scheme() == self.base_url.scheme())
        };
        let fits = (1..=MAX_PARTS).contains(&a.upload_urls.len()) && !a.id.is_empty() && a.id == short(&a.id);
        if !fits || !a.upload_urls.iter().all(usable) {
            return Err(bad());
        }
        Ok((a.id, a.upload_urls.into_iter().map(Secret::new).collect()))
    }

    pub(super) fn part_headers(&self, filetype: &str) -> Vec<(&'static str, String)> {
        // Both are signed into the URL: another value fails the signature.
        vec![("content-type", filetype.to_owned()), ("x-amz-acl", "private".to_owned())]
    }

    pub(super) fn read_part(&self, response: &Response) -> Result<(), PartError> {
        let body = String::from_utf8_lossy(&response.body);
        let code =
            body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
        let named = || format!("HTTP {} {}", response.status, short(code.unwrap_or_default()));
        let is_s3 = code.is_some();
        match response.status {
            200..=299 if !response.is_html() => Ok(()),
            // Its time is over, or that of the keys that signed it, or there is nothing to put it to any more.
            403 if is_s3 && body.contains("expired") => Err(PartError::UrlDead(named())),
            404 if is_s3 => Err(PartError::UrlDead(named())),
            400 | 403 if code == Some("ExpiredToken") => Err(PartError::UrlDead(named())),
            403 if is_s3 => Err(PartError::UrlRefused(named())),
            // The storage's own no; these three only ask for patience.
            400..=499
                if is_s3 && !matches!(code, Some("RequestTimeout" | "SlowDown" | "TooManyRequests")) =>
            {
                Err(PartError::Refused(named()))
            }
            400..=499 if !is_s3 && response.is_html() => {
                Err(PartError::Transient(trouble(Cause::CaptivePortal, named(), None)))
            }
            200..=399 | 511 => Err(PartError::Transient(trouble(
                Cause::CaptivePortal,
                "a web page came instead of an answer",
                None,
            ))),
            _ => Err(PartError::Transient(trouble(Cause::Provider, named(), response.retry_after))),
        }
    }

    fn auth(&self, name: &'static str, path: &str, fields: Vec<(&'static str, Secret)>) -> Request {
        Request {
            name,
            post: true,
            url: self.at(path),
            headers: vec![("x-client-version", self.client_version.clone())],
            bearer: None,
            body: Body::Multipart(fields),
            timeout: TIMEOUT,
            connection: Connection::Fresh,
        }
    }

    fn api(
        &self,
        name: &'static str,
        path: &str,
        token: &AccessToken,
        json: Option<Zeroizing<Vec<u8>>>,
    ) -> Request {
        Request {
            name,
            post: json.is_some(),
            url: self.at(path),
            headers: vec![("x-client-version", self.client_version.clone())],
            bearer: Some(token.clone()),
            body: json.map_or(Body::Empty, Body::Json),
            timeout: TIMEOUT,
            connection: Connection::Fresh,
        }
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(path);
        url
    }
}

fn expect_success(response: &Response) -> Result<(), TokenError> {
    match sort(response) {
        Sorted::Success => Ok(()),
        other @ (Sorted::Word(..) | Sorted::Detailed(_) | Sorted::Trouble(_)) => Err(token_error(other)),
    }
}

fn read_tokens(response: &Response) -> Result<TokenResponse, TokenError> {
    let a: TokenAnswer = response.json().ok_or_else(unexpected)?;
    let fits = |t: &str| (1..=MAX_TEXT).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic());
    if !fits(&a.access_token) || !a.refresh_token.as_ref().is_none_or(|t| fits(t)) {
        return Err(unexpected());
    }
    let life = response.json::<TokenLife>().and_then(|a| a.expires_in);
    let life = life.and_then(|v| v.as_f64().or_else(|| v.as_str()?.parse().ok()));
    Ok(TokenResponse {
        access_token: AccessToken(Secret::from(a.access_token)),
        refresh_token: a.refresh_token.map(|t| RefreshToken(Secret::from(t))),
        expires_in: life.and_then(|s| seconds(s, 1.0, 366.0 * 86_400.0)),
    })
}

/// What the provider's no to an asset means.
fn refused_asset(d: &Detailed) -> CreateError {
    match d.status {
        _ if d.is_unauthorized() || d.title == "invalid_token" => CreateError::Unauthorized,
        409 if d.title == "Channel Paused" || d.detail.to_ascii_lowercase().contains("paused") => {
            CreateError::RecordedWhilePaused
        }
        400 | 422 => CreateError::Refused(d.to_string()),
        // The plan's limit, permission, the project gone: no clip will be taken before a person has acted.
        402..=404 => CreateError::Forbidden(d.to_string()),
        // Maybe this clip's own.
        _ => CreateError::Conflict(d.to_string()),
    }
}

/// A server's number of seconds, kept within bounds; `None` for a number that can't be one.
fn seconds(value: f64, least: f64, most: f64) -> Option<Duration> {
    (value.is_finite() && value >= 0.0).then(|| Duration::from_secs_f64(value.clamp(least, most)))
}

/// A moment in either of the ways APIs write one: RFC 3339, or Unix seconds.
fn moment(value: &serde_json::Value) -> Option<i64> {
    let written = || humantime::parse_rfc3339(value.as_str()?).ok()?.duration_since(UNIX_EPOCH).ok();
    value.as_i64().or_else(|| i64::try_from(written()?.as_secs()).ok())
}
