//! How often a device may call.
//!
//! # Decisions
//! Of the limits that Frame.io publishes, two say something of these calls: five creations of assets a second, and a hundred
//! a minute for whatever else makes data. Beyond them a device is told so only where the limits are enforced.
use super::world::World;
use crate::clock::Moment;
use crate::reply::Reply;

/// So many calls of a kind within so many milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    kind: &'static str,
    limit: usize,
    window_ms: u64,
}

pub(crate) const CREATIONS: Rate = Rate { kind: "creations", limit: 5, window_ms: 1000 };
pub(crate) const REGISTRATIONS: Rate = Rate { kind: "registrations", limit: 100, window_ms: 60_000 };
pub(crate) const COMMENTS: Rate = Rate { kind: "comments", ..REGISTRATIONS };

impl Rate {
    /// The answer, with what it says of the limit.
    pub(crate) fn on(self, mut reply: Reply, left: usize) -> Reply {
        reply.headers.retain(|(name, _)| !name.starts_with("x-ratelimit"));
        reply
            .header("x-ratelimit-limit", self.limit)
            .header("x-ratelimit-window", self.window_ms)
            .header("x-ratelimit-remaining", left)
    }
}

impl World {
    /// Counts a call against the device's bucket. Returns what is left, or the refusal if nothing was.
    pub(crate) fn count_call(&mut self, client_id: &str, rate: Rate, now: Moment) -> Result<usize, Reply> {
        let enforce = self.rules.enforce_rate_limit;
        let device = self.devices.get_mut(client_id).ok_or_else(Reply::unauthorized)?;
        let calls = device.calls.entry(rate.kind).or_default();
        calls.retain(|at| now.ms.saturating_sub(*at) < rate.window_ms);
        if calls.len() >= rate.limit {
            return if enforce { Err(rate.on(Reply::rate_limited(), 0)) } else { Ok(0) };
        }
        calls.push(now.ms);
        Ok(rate.limit - calls.len())
    }
}
