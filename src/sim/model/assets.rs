//! Assets: creation, upload addresses, completion.
//!
//! # Decisions
//! A real-time upload is created with `name` or with `extension`, not with both: Frame.io documents the one for the case
//! that the other is not known yet.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::asset::{Asset, AssetView, Plan};
use super::growth::Growth;
use super::versions;
use super::world::World;
use crate::clock::Moment;
use crate::reply::Reply;
use crate::secret;

pub(super) const MOST_PARTS: u64 = 10_000;
/// 5 TiB, the largest object the storage takes.
pub(super) const LARGEST: i64 = 5 << 40;

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

/// Whether the size is still to be known. `true` takes JSON: a form has no booleans.
fn realtime(body: &Value) -> Result<bool, Reply> {
    match body.get("is_realtime_upload") {
        None | Some(Value::Null | Value::Bool(false)) => Ok(false),
        Some(Value::Bool(true)) => Ok(true),
        Some(Value::String(word)) if word == "false" => Ok(false),
        Some(Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Reply::invalid("is_realtime_upload is no boolean"))
        }
    }
}

fn is_extension(text: &str) -> bool {
    let letters = text.strip_prefix('.').unwrap_or_default();
    !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn has_extension(name: &str) -> bool {
    name.rfind('.').is_some_and(|at| at > 0 && is_extension(&name[at..]))
}

impl World {
    /// Creates an asset. `address` makes the address of a part, given the asset, the part's number and the marker.
    pub(crate) fn create_asset(
        &mut self,
        client_id: &str,
        body: &Value,
        address: impl Fn(&Asset, u64, &str) -> String,
        now: Moment,
    ) -> Result<Value, Reply> {
        let filetype = text(body, "filetype", 255)?.to_owned();
        if !filetype.contains('/') {
            return Err(Reply::invalid("filetype is invalid"));
        }
        let (name, plan) =
            if realtime(body)? { self.growing(client_id, body, now)? } else { self.whole(body)? };
        let offset = optional_integer(body, "offset", i64::MIN, i64::MAX)?.unwrap_or(0);
        let channel = optional_integer(body, "channel", 0, 100)?.unwrap_or(0).cast_unsigned();
        let version_of = versions::asked(body)?;

        // An account without models has no channels that could be connected.
        let has_models = !self.rules.device_models.is_empty();
        let device = self.device_mut(client_id).map_err(|_| Reply::unauthorized())?;
        if device.in_pause(now.ms.cast_signed().saturating_sub(offset.saturating_mul(1000))) {
            return Err(Reply::paused());
        }
        if has_models && !device.has_channel(channel) {
            return Err(Reply::invalid("channel is not connected"));
        }
        let project = device.project.clone();
        let id = secret::id();
        let version = self.version(&id, version_of, &project.id)?;
        let serial = self.next_serial();
        let asset = Asset {
            id,
            name,
            filetype,
            plan,
            device: client_id.to_owned(),
            project,
            channel,
            offset,
            version,
            received: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            comments: Vec::new(),
            assembling: false,
            sha256: None,
            serial,
            created: now.wall.to_string(),
            created_ms: now.ms,
            url_life: self.rules.lives.url_expires_in,
            key: secret::id(),
        };
        let answer = match &asset.plan {
            Plan::Growing(_) => json!({ "id": asset.id, "name": asset.name }),
            Plan::Whole { size, .. } => {
                let marker = &self.rules.marker;
                let urls: Vec<String> =
                    asset.numbers().into_iter().map(|n| address(&asset, n, marker)).collect();
                json!({
                    "_type": "file",
                    "id": asset.id,
                    "name": asset.name,
                    "filetype": asset.filetype,
                    "filesize": size,
                    "inserted_at": asset.created,
                    "autoversion_id": asset.version.of,
                    "upload_urls": urls,
                })
            }
        };
        self.assets.insert(asset.id.clone(), asset);
        Ok(answer)
    }

    /// An asset that the device made itself, in the project that it belongs to.
    pub(super) fn own_asset(&mut self, client_id: &str, id: &str) -> Result<&mut Asset, Reply> {
        let project = self.device_mut(client_id).map_err(|_| Reply::unauthorized())?.project.id.clone();
        let own = |asset: &&mut Asset| asset.device == client_id && asset.project.id == project;
        let asset = self.assets.get_mut(id).filter(own);
        asset.ok_or_else(|| Reply::not_found("There is no such asset"))
    }

    /// A clip whose size is known.
    fn whole(&self, body: &Value) -> Result<(String, Plan), Reply> {
        let name = text(body, "name", 1024)?.to_owned();
        let Some(size) = optional_integer(body, "filesize", 0, LARGEST)? else {
            return Err(Reply::invalid("filesize is required"));
        };
        let size = size.cast_unsigned();
        let asked = optional_integer(body, "parts", 1, MOST_PARTS.cast_signed())?.map(i64::cast_unsigned);
        let default = size.div_ceil(self.rules.chunk_size).clamp(1, MOST_PARTS);
        Ok((name, Plan::Whole { size, parts: asked.unwrap_or(default) }))
    }

    /// A clip that will grow while it is sent: under its name, or under one made up here until the device knows it.
    fn growing(&mut self, client_id: &str, body: &Value, now: Moment) -> Result<(String, Plan), Reply> {
        let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
        let wrong = if given("filesize") {
            Some("filesize is not known of a real-time upload")
        } else if given("name") == given("extension") {
            Some("a real-time upload has a name or an extension")
        } else if given("name") && !text(body, "name", 1024).is_ok_and(has_extension) {
            Some("name has no extension")
        } else if given("extension") && !text(body, "extension", 17).is_ok_and(is_extension) {
            Some("extension is invalid")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.violation(format!("real-time upload created against the rules: {client_id}: {wrong}"));
            return Err(Reply::invalid(wrong));
        }
        if given("name") {
            return Ok((text(body, "name", 1024)?.to_owned(), Plan::Growing(Growth::new(false))));
        }
        let device = self.device_mut(client_id).map_err(|_| Reply::unauthorized())?;
        let stamp = now.wall.strftime("%Y-%m-%d %H.%M.%S");
        let name = format!("{} {stamp}{}", device.name, text(body, "extension", 17)?);
        Ok((name, Plan::Growing(Growth::new(true))))
    }

    /// The parts were put together. A failure to do so leaves the asset open, so that a part can be sent again.
    pub(crate) fn assembled(&mut self, id: &str, sha256: Option<String>) {
        if let Some(asset) = self.assets.get_mut(id) {
            asset.assembling = false;
            asset.sha256 = sha256;
        }
    }

    /// Every asset, oldest first.
    pub(super) fn assets_by_age(&self) -> Vec<&Asset> {
        let mut assets: Vec<&Asset> = self.assets.values().collect();
        assets.sort_by_key(|asset| asset.serial);
        assets
    }

    /// Every asset, oldest first.
    pub(crate) fn asset_views(&self) -> Vec<AssetView> {
        let view = |asset: &Asset| AssetView {
            id: asset.id.clone(),
            name: asset.name.clone(),
            filetype: asset.filetype.clone(),
            size: asset.size(),
            project: asset.project.name.clone(),
            project_id: asset.project.id.clone(),
            device: asset.device.clone(),
            channel: asset.channel,
            offset: asset.offset,
            version_of: asset.version.of.clone(),
            version: asset.version.number,
            clip: asset.version.clip.clone(),
            bytes_done: asset.done().map(|part| part.size).sum::<u64>()
                + asset.in_flight.values().sum::<u64>(),
            parts_done: asset.done().count() as u64,
            parts_total: asset.count(),
            resent: asset.received.values().map(|part| u64::from(part.finished.saturating_sub(1))).sum(),
            complete: asset.sha256.is_some(),
            sha256: asset.sha256.clone(),
            created: asset.created.clone(),
            realtime: asset.growth().map(Growth::view),
            comments: asset.comments.clone(),
        };
        self.assets_by_age().into_iter().map(view).collect()
    }
}
