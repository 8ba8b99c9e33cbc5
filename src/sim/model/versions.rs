//! Versions: several assets that are one clip.
//!
//! # Decisions
//! Frame.io documents the field `auto_version_id` ("make this a new version of that asset") and nothing else of it.
//! Assumed here, the strictest reading where there is a choice:
//! - It is a uuid, or `null` for none; anything else is refused as other invalid arguments are (422).
//! - It names an asset of the project that the device belongs to now, of whatever device, finished or not. Any other
//!   is not there (404): a device may neither version nor learn of what is in another project.
//! - Whichever version of a clip is named, the new one comes after the newest.
//! - The answer has it back as `autoversion_id`; that member is seen in recorded answers, its meaning is not told.
use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::asset::{AssetView, Version};
use super::world::World;
use crate::reply::Reply;

/// The asset of which a new version is asked for.
pub(super) fn asked(body: &Value) -> Result<Option<String>, Reply> {
    match body.get("auto_version_id") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let text = value.as_str().filter(|text| text.len() == uuid::fmt::Hyphenated::LENGTH);
            let id = text.and_then(|text| Uuid::parse_str(text).ok());
            id.map(|id| Some(id.to_string())).ok_or_else(|| Reply::invalid("auto_version_id is invalid"))
        }
    }
}

impl World {
    /// Where the new asset `id` of a project stands, as a version of the asset `of`.
    pub(super) fn version(&self, id: &str, of: Option<String>, project_id: &str) -> Result<Version, Reply> {
        let Some(of) = of else {
            return Ok(Version { of: None, clip: id.to_owned(), number: 1 });
        };
        let named = self.assets.get(&of).filter(|asset| asset.project.id == project_id);
        let named = named.ok_or_else(|| Reply::not_found("There is no asset to make a version of"))?;
        let clip = named.version.clip.clone();
        let before = self.assets.values().filter(|asset| asset.version.clip == clip);
        let number = before.map(|asset| asset.version.number).max().unwrap_or(0) + 1;
        Ok(Version { of: Some(of), clip, number })
    }

    /// Every clip, in the order of their first versions: each with all its versions, first to last.
    pub(crate) fn clip_views(&self) -> Vec<Vec<AssetView>> {
        let mut clips: Vec<Vec<AssetView>> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        // By age: a first version is there before the others.
        for asset in self.asset_views() {
            match places.get(&asset.clip).and_then(|place| clips.get_mut(*place)) {
                Some(versions) => versions.push(asset),
                None => {
                    places.insert(asset.clip.clone(), clips.len());
                    clips.push(vec![asset]);
                }
            }
        }
        clips
    }
}
