//! Comments: what a device may say of its clips.
//!
//! # Decisions
//! Frame.io documents `text` and `timestamp` (frames from 0), and the answer's members. Assumed here:
//! - A device comments on clips that it made itself, in the project that it belongs to, complete or not; any other is 404.
//! - `timestamp_microseconds` is made with 25 frames a second: nothing here reads a clip's own rate.
//! - No comment comes from a button of a channel: `device_channel_input_id` is null.
use serde_json::{Value, json};

use super::comment::CommentView;
use super::world::World;
use crate::clock::Moment;
use crate::reply::Reply;
use crate::secret;

const MICROSECONDS_A_FRAME: f64 = 40_000.0;
const LONGEST: usize = 10_000;

fn read(body: Option<&Value>) -> Result<(&str, Option<f64>), &'static str> {
    let body = body.filter(|body| body.is_object()).ok_or("the body is no JSON object")?;
    let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() || text.len() > LONGEST {
        return Err("text is missing or too long");
    }
    let timestamp = match body.get("timestamp") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_f64().filter(|frames| *frames >= 0.0).ok_or("timestamp is no frame")?),
    };
    Ok((text, timestamp))
}

#[expect(clippy::cast_possible_truncation, reason = "saturates far beyond any clip's length")]
fn microseconds(frames: f64) -> i64 {
    (frames * MICROSECONDS_A_FRAME).round() as i64
}

impl World {
    /// Takes in a comment on an asset. `body` is `None` where it was no JSON.
    pub(crate) fn comment(
        &mut self,
        client_id: &str,
        id: &str,
        body: Option<&Value>,
        now: Moment,
    ) -> Result<Value, Reply> {
        let asset = self.own_asset(client_id, id)?;
        let (text, timestamp) = match read(body) {
            Ok(read) => read,
            Err(wrong) => {
                self.violation(format!("comment against the rules: asset {id}: {wrong}"));
                return Err(Reply::bad_request(wrong));
            }
        };
        let comment =
            CommentView { id: secret::id(), text: text.to_owned(), timestamp, created: now.wall.to_string() };
        let answer = json!({
            "_type": "comment",
            "id": comment.id,
            "asset_id": id,
            "text": comment.text,
            "frame": comment.timestamp,
            "timestamp": comment.timestamp,
            "timestamp_microseconds": comment.timestamp.map(microseconds),
            "device_channel_input_id": null,
            "completed": false,
            "private": false,
            "has_replies": false,
            "inserted_at": comment.created,
            "updated_at": comment.created,
        });
        asset.comments.push(comment);
        Ok(answer)
    }
}
