//! Faults: what can go wrong on purpose, how it is written down, and when it strikes.
//!
//! The written form is `ENDPOINT[#PART][@NAME]:KIND[=VALUE][:TIMES[:SKIP]]`, for example `refresh:lost-answer:1`,
//! `create@A001.mov:403:3`, `part#2:reset-after=65536`, `any:delay=500:forever` or `token-poll:slow_down:1:2` (skip
//! two polls, then one `slow_down`). TIMES defaults to 1.
//!
//! # Decisions
//! Faults fall into two groups. Those that stand for trouble *before* the cloud (error words, 5xx, proxies)
//! answer instead of the model, so nothing changes. Those that spoil the *answer* (lost-answer, garbage, ...)
//! strike after the model did its work: the state has moved, and the client does not know. That second group
//! is where pairings and clips get lost in practice.

mod kind;

use serde::Serialize;

use super::error::SimError;
use super::event::Endpoint;

pub use kind::{FaultKind, StorageError};

/// A kind of failure, where it strikes, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The endpoint, or `None` for any.
    pub endpoint: Option<Endpoint>,
    /// Only this part of an asset, from 1, sent or registered; `None` for any part and for calls that are about no part.
    pub part: Option<u64>,
    /// Only creations, registrations, parts and comments of clips of this name; `None` for any, and for calls about no clip.
    pub item: Option<String>,
    /// What goes wrong.
    pub kind: FaultKind,
    /// Calls it strikes, or `None` for ever.
    pub times: Option<u32>,
    /// Calls that pass unharmed first.
    pub skip: u32,
}

impl Fault {
    /// A fault that strikes the next call of `endpoint`, once.
    pub fn once(endpoint: Endpoint, kind: FaultKind) -> Self {
        Self { endpoint: Some(endpoint), part: None, item: None, kind, times: Some(1), skip: 0 }
    }

    /// A fault that strikes every call of `endpoint`.
    pub fn forever(endpoint: Endpoint, kind: FaultKind) -> Self {
        Self { times: None, ..Self::once(endpoint, kind) }
    }

    /// The same fault, for this part only. Parts count from 1.
    #[must_use]
    pub fn for_part(self, part: u64) -> Self {
        Self { part: Some(part), ..self }
    }

    /// The same fault, for the clip of this name only.
    #[must_use]
    pub fn for_item(self, name: &str) -> Self {
        Self { item: Some(name.to_owned()), ..self }
    }

    /// The endpoint's word, or "any".
    ///
    /// # Errors
    /// [`SimError::BadFault`] for other words.
    pub fn parse_endpoint(word: &str) -> Result<Option<Endpoint>, SimError> {
        if word == "any" {
            return Ok(None);
        }
        let endpoint = Endpoint::parse(word).filter(|endpoint| *endpoint != Endpoint::Person);
        endpoint.map(Some).ok_or_else(|| SimError::BadFault(format!("{word} is no endpoint")))
    }

    /// Refuses what could never strike: a part number or a name where calls have none.
    ///
    /// # Errors
    /// [`SimError::BadFault`] with a sentence.
    pub fn checked(self) -> Result<Self, SimError> {
        let wrong = |text: &str| Err(SimError::BadFault(text.to_owned()));
        let about_parts = matches!(self.endpoint, Some(Endpoint::Part | Endpoint::Register) | None);
        let about_clips = about_parts || matches!(self.endpoint, Some(Endpoint::Create | Endpoint::Comment));
        let registers = matches!(self.endpoint, Some(Endpoint::Register) | None);
        match (self.part, &self.item) {
            (Some(0), _) => wrong("parts count from 1"),
            (Some(_), _) if !about_parts => wrong("only calls of part and register have a part number"),
            (_, Some(_)) if !about_clips => {
                wrong("only calls of create, register, part and comment have a clip's name")
            }
            _ if self.kind == FaultKind::RefuseAgain && !registers => {
                wrong("only calls of register register again")
            }
            _ => Ok(self),
        }
    }

    fn parse_times(text: &str) -> Result<Option<u32>, SimError> {
        if text == "forever" {
            return Ok(None);
        }
        let times = text.parse().map_err(|_| SimError::BadFault(format!("{text} is no number of times")));
        times.map(Some)
    }

    fn fits(&self, target: &Target<'_>) -> bool {
        self.endpoint.is_none_or(|wanted| wanted == target.endpoint)
            && self.part.is_none_or(|wanted| target.parts.contains(&wanted))
            && self.item.as_deref().is_none_or(|wanted| target.item == Some(wanted))
            && (self.kind != FaultKind::RefuseAgain || target.again)
    }

    /// Where it strikes, as it is written.
    fn place(&self) -> String {
        let mut place = self.endpoint.map_or("any", Endpoint::word).to_owned();
        if let Some(part) = self.part {
            place.push_str(&format!("#{part}"));
        }
        if let Some(name) = &self.item {
            place.push_str(&format!("@{name}"));
        }
        place
    }
}

impl std::str::FromStr for Fault {
    type Err = SimError;

    fn from_str(spec: &str) -> Result<Self, SimError> {
        let mut words = spec.split(':');
        let place = words.next().unwrap_or_default();
        let (place, item) = place.split_once('@').map_or((place, None), |(p, name)| (p, Some(name)));
        let (endpoint, part) = place.split_once('#').map_or((place, None), |(p, n)| (p, Some(n)));
        let endpoint = Self::parse_endpoint(endpoint)?;
        let part = part.map(|text| {
            text.parse::<u64>().map_err(|_| SimError::BadFault(format!("{text} is no number of a part")))
        });
        let kind =
            words.next().ok_or_else(|| SimError::BadFault(format!("{spec}: no kind of fault named")))?;
        let (word, value) = kind.split_once('=').map_or((kind, None), |(word, value)| (word, Some(value)));
        let kind = FaultKind::parse(word, value)?;
        let times = words.next().map_or(Ok(Some(1)), Self::parse_times)?;
        let skip = words.next().map_or(Ok(0), |text| {
            text.parse().map_err(|_| SimError::BadFault(format!("{text} is no number of calls to skip")))
        })?;
        match words.next() {
            None => {
                let (part, item) = (part.transpose()?, item.map(str::to_owned));
                Self { endpoint, part, item, kind, times, skip }.checked()
            }
            Some(rest) => Err(SimError::BadFault(format!("{rest}: one word too many"))),
        }
    }
}

/// What a call is about, as far as faults can choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) parts: &'a [u64],
    pub(crate) item: Option<&'a str>,
    /// A part is registered that was registered before.
    pub(crate) again: bool,
}

/// A fault in force, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultView {
    /// Endpoint word or "any", with part number and name where it has them: `part#2@A001.mov`.
    pub endpoint: String,
    /// Kind, with its value.
    pub kind: String,
    /// Strikes left; `null` for ever.
    pub times: Option<u32>,
    /// Calls still to be skipped.
    pub skip: u32,
}

/// The faults in force, in the order they were injected.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        if fault.times != Some(0) {
            self.list.push(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// The fault that strikes this call: the first that fits and has nothing left to skip. A fault with
    /// something to skip counts this call even if an earlier one strikes it.
    pub(crate) fn strike(&mut self, target: &Target<'_>) -> Option<FaultKind> {
        let mut struck = None;
        for fault in &mut self.list {
            if !fault.fits(target) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if struck.is_none() {
                fault.times = fault.times.map(|left| left.saturating_sub(1));
                struck = Some(fault.kind.clone());
            }
        }
        self.list.retain(|fault| fault.times != Some(0));
        struck
    }

    pub(crate) fn views(&self) -> Vec<FaultView> {
        let view = |fault: &Fault| FaultView {
            endpoint: fault.place(),
            kind: fault.kind.word(),
            times: fault.times,
            skip: fault.skip,
        };
        self.list.iter().map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(spec: &str) -> Result<Fault, SimError> {
        spec.parse()
    }

    #[test]
    fn written_faults_mean_what_the_help_says() {
        let expected = Fault::once(Endpoint::Refresh, FaultKind::LostAnswer);
        assert_eq!(parse("refresh:lost-answer").unwrap(), expected);
        assert_eq!(parse("refresh:lost-answer:1").unwrap(), expected);
        let fault = parse("any:delay=500:forever").unwrap();
        assert_eq!((fault.endpoint, fault.kind, fault.times), (None, FaultKind::Delay(500), None));
        let fault = parse("token-poll:slow_down:1:2").unwrap();
        assert_eq!((fault.kind, fault.skip), (FaultKind::OAuth("slow_down".to_owned()), 2));
        for (spec, kind) in [
            ("create:429:3", FaultKind::RateLimited(1)),
            ("create:503", FaultKind::Status(503)),
            ("create:404", FaultKind::Detailed(404)),
            ("create:bare=404", FaultKind::Bare(404)),
            ("create:html-502", FaultKind::Html(502)),
            ("part:expired", FaultKind::Storage(StorageError::Expired)),
            ("part:s3=SlowDown", FaultKind::Storage(StorageError::SlowDown)),
            ("part:reject-early", FaultKind::RejectEarly(StorageError::Expired)),
            ("part:slow=1000", FaultKind::Slow(1000)),
        ] {
            assert_eq!(parse(spec).unwrap().kind, kind, "{spec}");
        }
        let expected = Fault::once(Endpoint::Part, FaultKind::Reset).for_part(3).for_item("A #1 @ noon.mov");
        assert_eq!(parse("part#3@A #1 @ noon.mov:reset").unwrap(), expected);
    }

    #[test]
    fn every_kind_is_read_back_from_its_word() {
        for spec in "bare=404 html-502 captive-portal redirect s3=SlowDown s3=Expired reject-early=AccessDenied stall \
                     reset reset-after=5 stall-after=5 slow=5 wrong-etag opaque-etag reset-mid-body lost-answer trickle=5 \
                     garbage oversized wrong-types negative-numbers huge-numbers missing-fields paused detailed=403 delay=9 503"
            .split_whitespace()
        {
            assert_eq!(parse(&format!("part:{spec}")).unwrap().kind.word(), spec);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (spec, word) in [
            ("nowhere:reset", "nowhere"),
            ("refresh", "no kind"),
            ("refresh:explode", "explode"),
            ("part:reset-after", "needs a number"),
            ("part:delay=soon", "not a number"),
            ("part:trickle", "needs a number"),
            ("part:slow=0", "stall"),
            ("part:s3=Explode", "Explode"),
            ("part#two:reset", "two is no number"),
            ("part#0:reset", "count from 1"),
            ("me#1:reset", "part number"),
            ("refresh@a.mov:reset", "clip's name"),
            ("create:refuse-again", "register again"),
            ("me:999", "no HTTP status"),
            ("me:bare", "no HTTP status"),
            ("me:reset:often", "often"),
            ("me:reset:1:2:3", "too many"),
        ] {
            let said = parse(spec).unwrap_err().to_string();
            assert!(said.contains(word), "{spec}: {said}");
        }
    }

    #[test]
    fn skip_counts_calls_and_times_counts_strikes() {
        let mut faults = Faults::default();
        faults.inject(parse("me:reset:2:1").unwrap());
        let me = Target { endpoint: Endpoint::Me, parts: &[], item: None, again: false };
        let mut strike = || faults.strike(&me).is_some();
        assert_eq!([strike(), strike(), strike(), strike()], [false, true, true, false]);
        assert!(faults.views().is_empty());
    }

    #[test]
    fn a_part_and_a_name_choose_their_calls() {
        let mut faults = Faults::default();
        faults.inject(parse("part#2@a.mov:reset:2").unwrap());
        assert_eq!(faults.views()[0].endpoint, "part#2@a.mov");
        let mut strike = |parts: &[u64], item| {
            faults.strike(&Target { endpoint: Endpoint::Part, parts, item, again: false }).is_some()
        };
        assert!(!strike(&[1], Some("a.mov")));
        assert!(!strike(&[2], Some("b.mov")));
        assert!(!strike(&[2], None));
        assert!(strike(&[2], Some("a.mov")));
    }

    #[test]
    fn a_registration_can_be_chosen_by_any_of_its_parts() {
        let mut faults = Faults::default();
        faults.inject(parse("register#2:429").unwrap());
        faults.inject(parse("register:refuse-again:forever").unwrap());
        let mut strike = |parts: &[u64], again| {
            faults.strike(&Target { endpoint: Endpoint::Register, parts, item: None, again })
        };
        assert_eq!(strike(&[1, 3], false), None);
        assert_eq!(strike(&[1, 2], false), Some(FaultKind::RateLimited(1)));
        assert_eq!(strike(&[1, 2], false), None);
        assert_eq!(strike(&[1], true), Some(FaultKind::RefuseAgain));
    }
}
