//! Parts of a clip that grows: what a device may register, and where it may send it.
//!
//! # Decisions
//! Frame.io documents numbers, sizes and the last part. Assumed here, the strictest reading where there is a choice:
//! - A call is taken as a whole or not at all.
//! - The final part has the highest number: only the last part of an object may be small. And it has a byte at least.
//! - Nothing new after the final part. A part that is registered already may be registered again, as it was, for a fresh
//!   address: without that, whoever is off the network for a day could never finish. Nothing is documented of it, so the fault
//!   `refuse-again` says no.
//! - A clip of which the size was told has no real-time upload (404), and neither has that of another device or project.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::asset::Asset;
use super::assets::{LARGEST, MOST_PARTS};
use super::growth::{Growth, Wanted};
use super::world::World;
use crate::clock::Moment;
use crate::reply::Reply;

/// 5 MiB, the smallest part but the last.
const SMALLEST_PART: u64 = 5 << 20;
/// 5 GiB, the largest body that the storage takes in one PUT.
const LARGEST_PART: u64 = 5 << 30;

/// The numbers that a body names, as far as it can be read.
pub(crate) fn numbers(body: &Value) -> Vec<u64> {
    let parts = body.get("parts").and_then(Value::as_array);
    parts.into_iter().flatten().filter_map(|part| part.get("number")?.as_u64()).collect()
}

fn wanted(part: &Value) -> Result<Wanted, String> {
    let number = part.get("number").and_then(Value::as_u64).filter(|n| (1..=MOST_PARTS).contains(n));
    let number = number.ok_or("a part's number is none from 1 to 10000")?;
    let size = part.get("size").and_then(Value::as_u64).ok_or(format!("part {number} has no size"))?;
    let is_final = match part.get("is_final") {
        None => false,
        Some(value) => value.as_bool().ok_or(format!("is_final of part {number} is no boolean"))?,
    };
    let smallest = if is_final { 1 } else { SMALLEST_PART };
    if !(smallest..=LARGEST_PART).contains(&size) {
        return Err(format!("part {number} is {size} bytes, and not {smallest} to {LARGEST_PART}"));
    }
    Ok(Wanted { number, size, is_final })
}

/// The parts of a body, each right in itself.
fn all_wanted(body: &Value) -> Result<Vec<Wanted>, String> {
    let parts = body.get("parts").and_then(Value::as_array).filter(|parts| !parts.is_empty());
    parts.ok_or("there is no list of parts")?.iter().map(wanted).collect()
}

/// What is wrong with the parts together, and with what is said of the whole.
fn judge(growth: &Growth, parts: &[Wanted], filesize: Option<&Value>) -> Result<(), String> {
    let before = growth.numbers().filter_map(|n| growth.known(n));
    let mut all: BTreeMap<u64, Wanted> = before.map(|part| (part.number, part)).collect();
    let mut named = Vec::new();
    for part in parts {
        let number = part.number;
        if named.contains(&number) {
            return Err(format!("part {number} is named twice"));
        }
        named.push(number);
        match all.insert(number, *part) {
            Some(known) if known != *part => return Err(format!("part {number} was registered otherwise")),
            None if growth.ended() => return Err(format!("part {number} comes after the final one")),
            Some(_) | None => {}
        }
    }
    let ends: Vec<u64> = all.values().filter(|part| part.is_final).map(|part| part.number).collect();
    let last = all.keys().next_back().copied();
    if ends.len() > 1 || ends.iter().any(|end| Some(*end) != last) {
        return Err("the final part is not the one with the highest number".to_owned());
    }
    let size: u64 = all.values().map(|part| part.size).sum();
    if size > LARGEST.cast_unsigned() {
        return Err("the file is larger than 5 TiB".to_owned());
    }
    let said = filesize.map(|said| said.as_u64().ok_or("asset_filesize is no whole number")).transpose()?;
    match said {
        None if parts.iter().any(|part| part.is_final) => {
            Err("asset_filesize is missing beside the final part".to_owned())
        }
        Some(said) if !ends.is_empty() && said != size => {
            Err(format!("asset_filesize is {said}, and the parts have {size} bytes"))
        }
        Some(_) | None => Ok(()),
    }
}

fn new_name(body: &Value) -> Result<Option<&str>, String> {
    let Some(name) = body.get("asset_name").filter(|name| !name.is_null()) else { return Ok(None) };
    let name = name.as_str().map(str::trim).unwrap_or_default();
    let fits = !name.is_empty() && name.len() <= 1024 && !name.chars().any(char::is_control);
    fits.then_some(Some(name)).ok_or_else(|| "asset_name is invalid".to_owned())
}

impl World {
    /// Whether a call of the device registers a part again.
    pub(crate) fn registers_again(&self, asset: &str, numbers: &[u64]) -> bool {
        let growth = self.assets.get(asset).and_then(Asset::growth);
        growth.is_some_and(|growth| numbers.iter().any(|n| growth.known(*n).is_some()))
    }

    /// Registers parts of a clip that grows. `address` makes the address of a part; `body` is `None` where it was no JSON.
    pub(crate) fn register_parts(
        &mut self,
        client_id: &str,
        id: &str,
        body: Option<&Value>,
        address: impl Fn(&Asset, u64, &str) -> String,
        now: Moment,
    ) -> Result<Value, Reply> {
        let (life, marker) = (self.rules.lives.url_expires_in, self.rules.marker.clone());
        let asset = self.own_asset(client_id, id)?;
        let Some(growth) = asset.growth() else {
            self.violation(format!("parts registered of a clip that does not grow: asset {id}"));
            return Err(Reply::not_found("There is no real-time upload of that asset"));
        };
        let judged = body.ok_or_else(|| "the body is no JSON".to_owned()).and_then(|body| {
            let parts = all_wanted(body)?;
            judge(growth, &parts, body.get("asset_filesize").filter(|size| !size.is_null()))?;
            Ok((parts, new_name(body)?))
        });
        let (parts, name) = match judged {
            Ok(judged) => judged,
            Err(wrong) => {
                self.violation(format!("parts registered against the rules: asset {id}: {wrong}"));
                return Err(Reply::bad_request(&wrong));
            }
        };
        if let Some(name) = name.filter(|_| growth.unnamed && !asset.closed()) {
            name.clone_into(&mut asset.name);
        }
        asset.url_life = life;
        let end = asset.end_of_life(now.ms);
        if let Some(growth) = asset.growth_mut() {
            parts.iter().for_each(|part| growth.register(*part, end));
        }
        let urls: Vec<String> = parts.iter().map(|part| address(asset, part.number, &marker)).collect();
        Ok(json!({ "upload_urls": urls }))
    }
}
