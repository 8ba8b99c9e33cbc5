//! Assets: creation, upload addresses, parts, completion.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::clock::Moment;
use super::super::reply::Reply;
use super::super::secret;
use super::{Device, World};

const MOST_PARTS: u64 = 10_000;
/// 5 TiB, the largest object the storage takes.
const LARGEST: i64 = 5 << 40;
const RATE_LIMIT: usize = 5;
const RATE_WINDOW_MS: u64 = 1000;

/// A part that arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct PartState {
    pub(crate) times: u32,
}

/// One clip, from its creation on.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) filetype: String,
    pub(crate) size: u64,
    pub(crate) device: String,
    pub(crate) project: String,
    pub(crate) parts: u64,
    pub(crate) done: BTreeMap<u64, PartState>,
    /// The parts are being put together; later parts are refused as for any finished upload.
    pub(crate) assembling: bool,
    pub(crate) sha256: Option<String>,
    serial: u64,
    created: String,
    created_ms: u64,
    url_life: u64,
    key: String,
}

impl Asset {
    /// Bytes of part `n` (from 1): every part is `ceil(size / parts)` long, the last ones take what is left.
    pub(crate) fn part_size(&self, n: u64) -> u64 {
        let chunk = self.size.div_ceil(self.parts);
        self.size.saturating_sub(chunk.saturating_mul(n.saturating_sub(1))).min(chunk)
    }

    fn signature(&self, n: u64, marker: &str) -> String {
        let hash = secret::sha256_hex(&format!("{}/{n}", self.key));
        format!("{marker}{hash}")
    }

    /// Path and query of the upload address of part `n`.
    pub(crate) fn upload_path(&self, n: u64, marker: &str, now: Moment) -> String {
        let date = now.wall.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
        query.append_pair("X-Amz-Expires", &self.url_life.to_string());
        query.append_pair("X-Amz-Date", &date);
        query.append_pair("X-Amz-SignedHeaders", "content-type;host;x-amz-acl");
        query.append_pair("x-amz-meta-part_number", &n.to_string());
        query.append_pair("X-Amz-Signature", &self.signature(n, marker));
        format!("/s3/parts/{}/{n}?{}", self.id, query.finish())
    }
}

/// A clip, as tests and the page see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssetView {
    /// Identifier the cloud gave it.
    pub id: String,
    /// The name the device gave it.
    pub name: String,
    /// MIME type.
    pub filetype: String,
    /// Bytes of the whole file.
    pub size: u64,
    /// Name of the project it belongs to.
    pub project: String,
    /// Client identifier of the device that made it.
    pub device: String,
    /// Parts that arrived.
    pub parts_done: u64,
    /// Parts there are.
    pub parts_total: u64,
    /// Times a part arrived that was there already.
    pub resent: u64,
    /// All parts arrived and were put together.
    pub complete: bool,
    /// SHA-256 of the whole file, hexadecimal, once complete.
    pub sha256: Option<String>,
    /// When it was created, RFC 3339.
    pub created: String,
}

/// What a part that may be uploaded must look like.
#[derive(Clone, Debug)]
pub(crate) struct PartTicket {
    pub(crate) asset: String,
    pub(crate) n: u64,
    pub(crate) size: u64,
}

/// What a PUT shows of itself before its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartRequest<'a> {
    pub(crate) asset: &'a str,
    pub(crate) n: u64,
    pub(crate) signature: &'a str,
    pub(crate) has_bearer: bool,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) acl: Option<&'a str>,
    pub(crate) content_length: Option<u64>,
}

/// Integers arrive as numbers or as numeric strings.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn optional_integer(body: &Value, name: &str, low: i64, high: i64) -> Result<Option<i64>, Reply> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let fits = integer(value).filter(|number| (low..=high).contains(number));
            fits.map(Some).ok_or_else(|| Reply::invalid(&format!("{name} is invalid")))
        }
    }
}

fn text<'a>(body: &'a Value, name: &str, longest: usize) -> Result<&'a str, Reply> {
    let value = body.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let fits = !value.is_empty() && value.len() <= longest && !value.chars().any(char::is_control);
    fits.then_some(value).ok_or_else(|| Reply::invalid(&format!("{name} is invalid")))
}

/// Whether a file made at `made` (milliseconds on the simulator's clock, possibly before its start) falls into a
/// pause.
fn in_pause(device: &Device, made: i64) -> bool {
    device.pauses.iter().any(|(start, end)| *start <= made && end.is_none_or(|end| made < end))
}

impl World {
    /// Creates an asset. `base` is the address the device called.
    pub(crate) fn create_asset(
        &mut self,
        client_id: &str,
        body: &Value,
        base: &str,
        now: Moment,
    ) -> Result<Value, Reply> {
        let name = text(body, "name", 1024)?.to_owned();
        let filetype = text(body, "filetype", 255)?.to_owned();
        if !filetype.contains('/') {
            return Err(Reply::invalid("filetype is invalid"));
        }
        if body.get("is_realtime_upload").is_some_and(|value| *value == json!(true)) {
            return Err(Reply::invalid("is_realtime_upload is not simulated"));
        }
        let Some(size) = optional_integer(body, "filesize", 0, LARGEST)? else {
            return Err(Reply::invalid("filesize is required"));
        };
        let size = size.cast_unsigned();
        let offset = optional_integer(body, "offset", i64::MIN, i64::MAX)?.unwrap_or(0);
        optional_integer(body, "channel", 0, 100)?;
        let asked = optional_integer(body, "parts", 1, MOST_PARTS.cast_signed())?.map(i64::cast_unsigned);
        let default = size.div_ceil(self.rules.chunk_size).clamp(1, MOST_PARTS);
        let parts = asked.unwrap_or(default);

        let device = self.device_mut(client_id).map_err(|_| Reply::unauthorized())?;
        if in_pause(device, now.ms.cast_signed().saturating_sub(offset.saturating_mul(1000))) {
            return Err(Reply::paused());
        }
        let project = device.project.name.clone();
        let serial = self.next_serial();
        let asset = Asset {
            id: secret::id(),
            name,
            filetype,
            size,
            device: client_id.to_owned(),
            project,
            parts,
            done: BTreeMap::new(),
            assembling: false,
            sha256: None,
            serial,
            created: now.wall.to_string(),
            created_ms: now.ms,
            url_life: self.rules.lives.url_expires_in,
            key: secret::id(),
        };
        let marker = &self.rules.marker;
        let urls: Vec<String> =
            (1..=parts).map(|n| format!("{base}{}", asset.upload_path(n, marker, now))).collect();
        let answer = json!({
            "_type": "file",
            "id": asset.id,
            "name": asset.name,
            "filetype": asset.filetype,
            "filesize": asset.size,
            "inserted_at": asset.created,
            "upload_urls": urls,
        });
        self.assets.insert(asset.id.clone(), asset);
        Ok(answer)
    }

    /// Counts a creation against the device's bucket. Returns what is left, or `None` if nothing was.
    pub(crate) fn count_creation(&mut self, client_id: &str, now: Moment) -> Option<usize> {
        let enforce = self.rules.enforce_rate_limit;
        let device = self.devices.get_mut(client_id)?;
        device.creations.retain(|at| now.ms.saturating_sub(*at) < RATE_WINDOW_MS);
        if device.creations.len() >= RATE_LIMIT {
            return if enforce { None } else { Some(0) };
        }
        device.creations.push(now.ms);
        Some(RATE_LIMIT - device.creations.len())
    }

    /// Judges a PUT by everything but its body.
    pub(crate) fn check_part(&mut self, put: &PartRequest<'_>, now: Moment) -> Result<PartTicket, Reply> {
        let forbidden = |code: &str, message: &str| Err(Reply::xml(StatusCode::FORBIDDEN, code, message));
        let bad = |code: &str, message: &str| Err(Reply::xml(StatusCode::BAD_REQUEST, code, message));
        if put.has_bearer {
            self.violation("sent a bearer token to the storage".to_owned());
            return bad("InvalidArgument", "Only one auth mechanism allowed");
        }
        let signed = "The request signature we calculated does not match the signature you provided";
        let Some(asset) = self.assets.get(put.asset) else {
            return forbidden("SignatureDoesNotMatch", signed);
        };
        let known = (1..=asset.parts).contains(&put.n);
        if !known || put.signature != asset.signature(put.n, &self.rules.marker) {
            return forbidden("SignatureDoesNotMatch", signed);
        }
        if now.ms >= asset.created_ms.saturating_add(asset.url_life.saturating_mul(1000)) {
            return forbidden("AccessDenied", "Request has expired");
        }
        if put.content_type != Some(asset.filetype.as_str()) || put.acl != Some("private") {
            let which = format!("part sent without the signed headers: asset {}, part {}", asset.id, put.n);
            self.violation(which);
            return forbidden("SignatureDoesNotMatch", signed);
        }
        let size = asset.part_size(put.n);
        let Some(length) = put.content_length else {
            let status = StatusCode::LENGTH_REQUIRED;
            return Err(Reply::xml(
                status,
                "MissingContentLength",
                "You must provide the Content-Length HTTP header",
            ));
        };
        if length != size {
            let which = format!(
                "part of the wrong size: asset {}, part {}, {length} bytes instead of {size}",
                asset.id, put.n
            );
            self.violation(which);
            let code = if length < size { "EntityTooSmall" } else { "EntityTooLarge" };
            return bad(code, "The part does not have the size its place in the file demands");
        }
        Ok(PartTicket { asset: asset.id.clone(), n: put.n, size })
    }

    /// Whether the parts of this asset are still to be put together.
    pub(crate) fn wants_part(&self, asset: &str) -> bool {
        self.assets.get(asset).is_some_and(|asset| !asset.assembling && asset.sha256.is_none())
    }

    /// A part arrived whole. Returns how often it has arrived by now, and whether it was the last one missing.
    pub(crate) fn part_done(&mut self, ticket: &PartTicket) -> (u32, bool) {
        let Some(asset) = self.assets.get_mut(&ticket.asset) else { return (0, false) };
        let part = asset.done.entry(ticket.n).or_insert(PartState { times: 0 });
        part.times += 1;
        let times = part.times;
        let last = asset.done.len() as u64 == asset.parts && !asset.assembling && asset.sha256.is_none();
        asset.assembling |= last;
        (times, last)
    }

    /// The parts were put together. A failure to do so leaves the asset open, so that a part can be sent again.
    pub(crate) fn assembled(&mut self, id: &str, sha256: Option<String>) {
        if let Some(asset) = self.assets.get_mut(id) {
            asset.assembling = false;
            asset.sha256 = sha256;
        }
    }

    /// Every asset, oldest first.
    pub(crate) fn asset_views(&self) -> Vec<AssetView> {
        let mut assets: Vec<&Asset> = self.assets.values().collect();
        assets.sort_by_key(|asset| asset.serial);
        let view = |asset: &Asset| AssetView {
            id: asset.id.clone(),
            name: asset.name.clone(),
            filetype: asset.filetype.clone(),
            size: asset.size,
            project: asset.project.clone(),
            device: asset.device.clone(),
            parts_done: asset.done.len() as u64,
            parts_total: asset.parts,
            resent: asset.done.values().map(|part| u64::from(part.times.saturating_sub(1))).sum(),
            complete: asset.sha256.is_some(),
            sha256: asset.sha256.clone(),
            created: asset.created.clone(),
        };
        assets.into_iter().map(view).collect()
    }
}
