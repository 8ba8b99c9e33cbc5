//! Frame.io Camera to Cloud, the hardware-device flow.
//!
//! # Decisions
//! - `multipart/form-data` on the auth endpoints: it is what the guide's own commands send, and JSON is refused there.
//! - Every auth request gets a connection of its own. Only code requests need it (a second one on a reused connection
//!   is answered `slow_down`), but the others are so rare that an idle connection would only wake the board.
//! - `humantime` for the one date in an answer: a time zone database is nothing that the daemon needs.
//! - The secret is left out of polls, as in every example of the guide; the API reference marks it as required, so the
//!   configuration can turn it on.
mod channels;
mod comments;
mod growing;

use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use crate::oauth::{AccessToken, Cause, ClientAuth, DeviceInfo, DeviceStatus, TokenError, Wanting};
use crate::provider::answer::{Detailed, Sorted, Word, sort, unexpected};
use crate::provider::dialect::{Dialect, Endpoints, Form, MAX_TEXT, TIMEOUT, expect_success};
use crate::provider::socket::SocketRequest;
use crate::provider::text::short;
use crate::provider::wire::{
    Authorization, Body, Connection, Method, PartRequest, Request, Response, named, trouble, web_page,
};
use crate::provider::words::Asked;
use crate::queue::upload::{AssetRequest, CreateError, PartError};
use crate::secret::Secret;

const MAX_PARTS: usize = 10_000;
/// In place of a project's name.
const NAMELESS: &str = "the provider names no project";

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
struct AssetAnswer {
    id: String,
    upload_urls: Vec<String>,
}

impl FrameIo {
    /// The page of data.
    pub(super) fn dialect(&self) -> Dialect {
        Dialect {
            //= frameio-c2c#3
            //# The auth endpoints take forms only, and no JSON; the others take JSON.
            form: Form::Multipart,
            client_auth: if self.secret_on_poll { ClientAuth::Post } else { ClientAuth::PostButPolls },
            //= https://www.rfc-editor.org/rfc/rfc6749#section-10.3
            //# The client SHOULD request access tokens with the minimal scope necessary.
            //= frameio-c2c#2
            //# The scopes of a hardware device are asset_create and offline, with a blank between them.
            scope: "asset_create offline".to_owned(),
            //= frameio-c2c#2
            //# x-client-version, a semantic version, goes with every HTTPS call.
            headers: vec![("x-client-version", self.client_version.clone())],
            code_headers: match self.url_pairing {
                true => vec![("x-client-platypus-enabled", "true".to_owned())],
                false => vec![],
            },
            code_fields: vec![],
            code_life: 120.0,
            interval: 5.0,
            // Frame.io's word for a refresh token that was used before.
            //= frameio-c2c#3.3
            //# A refresh token that was used before is answered with invalid_request: the grant is over.
            spent: &["invalid_request"],
            //= frameio-c2c#3.3
            //# A 401 to a refresh: the grant is over, and a person pairs the device anew.
            unauthorized_ends: true,
        }
    }

    pub(super) fn endpoints(&self) -> Endpoints {
        Endpoints {
            device_authorization: self.at("/v2/auth/device/code"),
            token: self.at("/v2/auth/token"),
            revocation: Some(self.at("/v2/auth/revoke")),
            binds: false,
        }
    }

    pub(super) fn identify_request(&self, token: &AccessToken) -> Request {
        self.api("device identity", self.at("/v2/devices/me"), token, None)
    }

    /// Each member is read apart: an odd one must not hide the project. Where none is named (compatible servers), clips
    /// are bound to whoever answers at this address.
    pub(super) fn read_identity(&self, response: &Response) -> Result<DeviceInfo, TokenError> {
        expect_success(Asked::Other, response)?;
        let a: Map<String, Value> = response.json().ok_or_else(unexpected)?;
        let project = a.get("project");
        let named = |name: &str| text(project.and_then(|project| project.get(name)));
        let authorization = a.get("authorization");
        let of = |name: &str| authorization.and_then(|authorization| authorization.get(name));
        let origin = || (self.base_url.origin().ascii_serialization(), NAMELESS.to_owned(), true);
        //= frameio-c2c#7
        //# A project that gets another name is the same project: it is known by its id.
        let (project_id, project_name, nameless) = match text(a.get("project_id")).or(named("id")) {
            Some(id) if id != response.text(id) => return Err(unexpected()),
            Some(id) => (id.to_owned(), response.text(named("name").unwrap_or_default()), false),
            None => origin(),
        };
        Ok(DeviceInfo {
            device_name: response.text(text(a.get("name")).unwrap_or_default()),
            wanting: Wanting::Nothing,
            note: if nameless { NAMELESS.to_owned() } else { String::new() },
            nameless,
            names: names(response, &a),
            project_id,
            project_name,
            authorized_by: response.text(text(of("creator").and_then(|c| c.get("name"))).unwrap_or_default()),
            authorization_expires: of("expires_at").and_then(moment),
            status: match a.get("status").and_then(Value::as_str) {
                Some("paused") => DeviceStatus::Paused,
                Some("offline") => DeviceStatus::Offline,
                Some(_) | None => DeviceStatus::Online,
            },
        })
    }

    pub(super) fn socket_request(&self, token: &AccessToken) -> SocketRequest {
        SocketRequest::at(&self.base_url, token, &self.client_version)
    }

    pub(super) fn heartbeat_request(&self, token: &AccessToken) -> Request {
        Request {
            method: Method::Post,
            ..self.api("heartbeat", self.at("/v2/devices/heartbeat"), token, None)
        }
    }

    /// Ask for an asset to put a clip in.
    pub fn create_asset_request(&self, token: &AccessToken, asset: &AssetRequest) -> Request {
        let mut body = serde_json::json!({
            "name": asset.name,
            "filetype": asset.filetype,
            "offset": asset.offset.as_secs(),
        });
        match asset.size {
            Some(size) => body["filesize"] = size.into(),
            None => body["is_realtime_upload"] = true.into(),
        }
        if asset.channel != 0 {
            body["channel"] = asset.channel.into();
        }
        if let Some(id) = &asset.version_of {
            body["auto_version_id"] = id.as_str().into();
        }
        let json = Zeroizing::new(body.to_string().into_bytes());
        self.api("asset creation", self.at("/v2/devices/assets"), token, Some(json))
    }

    /// The asset's id and the URLs for its parts, in byte order.
    pub fn read_asset(&self, response: &Response) -> Result<(String, Vec<Secret>), CreateError> {
        expect(response)?;
        let a: AssetAnswer = response.json().ok_or_else(unusable)?;
        let fits = (1..=MAX_PARTS).contains(&a.upload_urls.len());
        let id = asset_id(a.id).filter(|_| fits).ok_or_else(unusable)?;
        if !a.upload_urls.iter().all(|url| usable_url(&self.base_url, url)) {
            return Err(unusable());
        }
        Ok((id, a.upload_urls.into_iter().map(Secret::new).collect()))
    }

    /// Where a part goes, and the headers that it must carry.
    //= frameio-c2c#5.2
    //# A part carries the content-type that its asset was created with, and x-amz-acl: private.
    pub fn part(&self, address: &Secret, filetype: &str) -> PartRequest {
        // Both are signed into the URL: another value fails the signature.
        let headers = vec![("content-type", filetype.to_owned()), ("x-amz-acl", "private".to_owned())];
        PartRequest { method: Method::Put, url: address.clone(), headers, bearer: None }
    }

    /// What the storage's answer to a part means.
    pub fn read_part(&self, response: &Response) -> Result<(), PartError> {
        let body = String::from_utf8_lossy(&response.body);
        let code =
            body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
        let word = code.map(|code| response.text(code)).filter(|code| !code.is_empty());
        let named = || named(response.status, word.as_deref());
        let is_s3 = code.is_some();
        match response.status {
            200..=299 if !response.is_html() => Ok(()),
            407 => Err(PartError::Transient(trouble(Cause::Proxy, named(), None))),
            // Its time is over, or that of the keys that signed it, or there is nothing to put it to any more.
            //= frameio-c2c#6.3
            //# A storage that says that an address has expired: another asset.
            403 if is_s3 && body.contains("expired") => Err(PartError::UrlDead(named())),
            404 if is_s3 => Err(PartError::UrlDead(named())),
            404 | 410 if !is_s3 && !response.is_html() => Err(PartError::Unfound(named(), false)),
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
            200..=399 | 511 => Err(PartError::Transient(web_page())),
            _ => Err(PartError::Transient(trouble(Cause::Provider, named(), response.retry_after))),
        }
    }

    fn api(
        &self,
        name: &'static str,
        url: Url,
        token: &AccessToken,
        json: Option<Zeroizing<Vec<u8>>>,
    ) -> Request {
        Request {
            name,
            method: if json.is_some() { Method::Post } else { Method::Get },
            url,
            signed: None,
            //= frameio-c2c#2
            //# x-client-version, a semantic version, goes with every HTTPS call.
            headers: vec![("x-client-version", self.client_version.clone())],
            authorization: Some(Authorization::Bearer(token.clone())),
            proof: None,
            body: json.map_or(Body::Empty, Body::Json),
            timeout: TIMEOUT,
            connection: Connection::Fresh,
        }
    }

    /// At this path, of which each step may be any text.
    fn beneath(&self, path: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        // Its scheme has paths.
        if let Ok(mut steps) = url.path_segments_mut() {
            steps.clear().extend(path);
        }
        url
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(path);
        url
    }
}

/// The answer is a yes, or what its no to an asset means.
fn expect(response: &Response) -> Result<(), CreateError> {
    match sort(response) {
        Sorted::Success => Ok(()),
        // Whoever answers so in JSON has read what was asked, in a shape of its own: another clip may be taken.
        Sorted::Trouble(t)
            if matches!(response.status, 400 | 422)
                && response.json::<Value>().is_some_and(|body| is_judged(&body)) =>
        {
            Err(CreateError::Conflict(t.why))
        }
        Sorted::Trouble(t) => Err(CreateError::Transient(t)),
        Sorted::Word(word) if word.is_of_now() => Err(CreateError::Transient(word.trouble())),
        Sorted::Word(Word { status, word, description, .. }) => {
            Err(refused_asset(&Detailed { status, title: word, detail: description }))
        }
        Sorted::Detailed(d) => Err(refused_asset(&d)),
    }
}

/// A message alone is how gateways speak.
fn is_judged(body: &Value) -> bool {
    body.as_object().is_some_and(|body| body.keys().any(|name| name != "message"))
}

/// A yes that is of no use.
fn unusable() -> CreateError {
    CreateError::Transient(trouble(Cause::Provider, "an asset that can't be used", None))
}

/// The cloud's id of an asset, as far as it is one.
fn asset_id(id: String) -> Option<String> {
    Some(id).filter(|id| !id.is_empty() && *id == short(id))
}

/// An address that a part may be put to.
fn usable_url(base: &Url, url: &str) -> bool {
    url.len() <= MAX_TEXT
        && Url::parse(url).is_ok_and(|url| url.scheme() == "https" || url.scheme() == base.scheme())
}

/// What the provider's no to an asset means.
fn refused_asset(d: &Detailed) -> CreateError {
    match d.status {
        _ if d.is_unauthorized() || d.title == "invalid_token" => CreateError::Unauthorized,
        //= frameio-c2c#4.5
        //# What was recorded during a pause (409 Channel Paused) is not sent by itself.
        409 if d.title == "Channel Paused" || d.detail.to_ascii_lowercase().contains("paused") => {
            CreateError::RecordedWhilePaused
        }
        //= frameio-c2c#6.3
        //# 400 and 422 to a creation: that clip has failed, and the others go on.
        400 | 422 => CreateError::Refused(d.to_string()),
        // The plan's limit, permission, the project gone: no clip will be taken before a person has acted.
        //= frameio-c2c#6.3
        //# 402, 403 and 404 to a creation: no clip will be taken, and a person has to act in the project.
        402..=404 => CreateError::Forbidden(d.to_string()),
        // Maybe this clip's own.
        _ => CreateError::Conflict(d.to_string()),
    }
}

/// What may name this device where it holds a socket.
fn names(response: &Response, a: &Map<String, Value>) -> Vec<String> {
    let named = ["device_id", "id"].into_iter().filter_map(|name| text(a.get(name)));
    let mut names: Vec<String> =
        named.filter(|name| *name == response.text(name)).map(str::to_owned).collect();
    names.dedup();
    names
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A moment in either of the ways APIs write one: RFC 3339, or Unix seconds.
fn moment(value: &Value) -> Option<i64> {
    let written = || humantime::parse_rfc3339(value.as_str()?).ok()?.duration_since(UNIX_EPOCH).ok();
    value.as_i64().or_else(|| i64::try_from(written()?.as_secs()).ok())
}
