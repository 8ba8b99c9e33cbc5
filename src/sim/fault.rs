//! Faults: what can go wrong on purpose, how it is written down, and when it strikes.
//!
//! The written form is `ENDPOINT:KIND[=VALUE][:TIMES[:SKIP]]`, for example `refresh:lost-answer:1`,
//! `create:429:3`, `part:reset-after=65536`, `any:delay=500:forever` or `token-poll:slow_down:1:2` (skip two
//! polls, then one `slow_down`). TIMES defaults to 1.
//!
//! # Decisions
//! Faults fall into two groups. Those that stand for trouble *before* the cloud (error words, 5xx, proxies)
//! answer instead of the model, so nothing changes. Those that spoil the *answer* (lost-answer, garbage, ...)
//! strike after the model did its work: the state has moved, and the client does not know. That second group
//! is where pairings and clips get lost in practice.

use serde::Serialize;
use serde_json::Value;

use super::event::Endpoint;
use super::model::SimError;

/// The ways a call can fail.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// 400 with this error word, in the simple shape.
    OAuth(String),
    /// 429 with rate-limit headers; the value is `Retry-After` in seconds.
    RateLimited(u64),
    /// 500 or 503 or any other bare status with a plain text body; for parts in the storage's XML shape.
    Status(u16),
    /// 404 with an HTML page, as made by a box on the way.
    Html404,
    /// 200 with an HTML page: a captive portal.
    CaptivePortal,
    /// 302 to a log-in page.
    Redirect,
    /// The request is taken and never answered.
    Stall,
    /// The connection is reset before anything happened.
    Reset,
    /// The connection is reset after this many body bytes were read (parts only; others reset at once).
    ResetAfter(u64),
    /// After this many body bytes nothing more is read (parts only; others stall at once).
    StallAfter(u64),
    /// The effect happens, half of the answer is sent, then the connection is reset.
    ResetMidBody,
    /// The effect happens, then the connection ends without an answer.
    LostAnswer,
    /// The effect happens, the answer's JSON is cut in half.
    Garbage,
    /// The effect happens, the answer is 64 MiB of JSON.
    Oversized,
    /// The effect happens, every value of the answer has another type.
    WrongTypes,
    /// The effect happens, every number of the answer is negative.
    NegativeNumbers,
    /// The effect happens, every number of the answer is 1e300.
    HugeNumbers,
    /// The effect happens, the answer is an empty object.
    MissingFields,
    /// 409 "Channel Paused" in the detailed shape.
    ChannelPaused,
    /// This status (402, 403, 404, 409, ...) in the detailed shape; for parts in the storage's XML shape.
    Detailed(u16),
    /// This status and JSON body.
    Raw(u16, Value),
    /// The call takes this many milliseconds longer and then goes its normal way.
    Delay(u64),
}

impl FaultKind {
    /// The word of the written form, without its value.
    pub fn word(&self) -> String {
        match self {
            Self::OAuth(word) => word.clone(),
            Self::RateLimited(_) => "429".to_owned(),
            Self::Status(status) => status.to_string(),
            Self::Html404 => "html-404".to_owned(),
            Self::CaptivePortal => "captive-portal".to_owned(),
            Self::Redirect => "redirect".to_owned(),
            Self::Stall => "stall".to_owned(),
            Self::Reset => "reset".to_owned(),
            Self::ResetAfter(bytes) => format!("reset-after={bytes}"),
            Self::StallAfter(bytes) => format!("stall-after={bytes}"),
            Self::ResetMidBody => "reset-mid-body".to_owned(),
            Self::LostAnswer => "lost-answer".to_owned(),
            Self::Garbage => "garbage".to_owned(),
            Self::Oversized => "oversized".to_owned(),
            Self::WrongTypes => "wrong-types".to_owned(),
            Self::NegativeNumbers => "negative-numbers".to_owned(),
            Self::HugeNumbers => "huge-numbers".to_owned(),
            Self::MissingFields => "missing-fields".to_owned(),
            Self::ChannelPaused => "paused".to_owned(),
            Self::Detailed(status) => format!("detailed={status}"),
            Self::Raw(status, _) => format!("raw={status}"),
            Self::Delay(ms) => format!("delay={ms}"),
        }
    }

    /// Reads a kind and its value.
    ///
    /// # Errors
    /// [`SimError::BadFault`] with a sentence about the first mistake.
    pub fn parse(word: &str, value: Option<&str>) -> Result<Self, SimError> {
        let number = |default: Option<u64>| match value {
            Some(text) => {
                text.parse().map_err(|_| SimError::BadFault(format!("{word}={text}: not a number")))
            }
            None => default.ok_or_else(|| SimError::BadFault(format!("{word} needs a number: {word}=N"))),
        };
        let status = |text: &str| {
            let parsed = text.parse().ok().filter(|status| (200..=599).contains(status));
            parsed.ok_or_else(|| SimError::BadFault(format!("{text} is no HTTP status")))
        };
        Ok(match word {
            "429" => Self::RateLimited(number(Some(1))?),
            "402" | "403" | "404" | "409" | "422" => Self::Detailed(status(word)?),
            "html-404" => Self::Html404,
            "captive-portal" | "html-200" => Self::CaptivePortal,
            "redirect" | "302" => Self::Redirect,
            "stall" => Self::Stall,
            "reset" => Self::Reset,
            "reset-after" => Self::ResetAfter(number(None)?),
            "stall-after" => Self::StallAfter(number(None)?),
            "reset-mid-body" => Self::ResetMidBody,
            "lost-answer" => Self::LostAnswer,
            "garbage" => Self::Garbage,
            "oversized" => Self::Oversized,
            "wrong-types" => Self::WrongTypes,
            "negative-numbers" => Self::NegativeNumbers,
            "huge-numbers" => Self::HugeNumbers,
            "missing-fields" => Self::MissingFields,
            "paused" => Self::ChannelPaused,
            "detailed" => Self::Detailed(status(value.unwrap_or_default())?),
            "raw" => Self::Raw(status(value.unwrap_or("200"))?, Value::Null),
            "delay" => Self::Delay(number(None)?),
            "error" => Self::OAuth(value.unwrap_or("invalid_request").to_owned()),
            word if word.parse::<u16>().is_ok() => Self::Status(status(word)?),
            word if word.contains('_') && word.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()) => {
                Self::OAuth(word.to_owned())
            }
            _ => return Err(SimError::BadFault(format!("{word} is no kind of fault"))),
        })
    }
}

/// A kind of failure, where it strikes, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The endpoint, or `None` for any.
    pub endpoint: Option<Endpoint>,
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
        Self { endpoint: Some(endpoint), kind, times: Some(1), skip: 0 }
    }

    /// A fault that strikes every call of `endpoint`.
    pub fn forever(endpoint: Endpoint, kind: FaultKind) -> Self {
        Self { endpoint: Some(endpoint), kind, times: None, skip: 0 }
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

    fn parse_times(text: &str) -> Result<Option<u32>, SimError> {
        if text == "forever" {
            return Ok(None);
        }
        let times = text.parse().map_err(|_| SimError::BadFault(format!("{text} is no number of times")));
        times.map(Some)
    }
}

impl std::str::FromStr for Fault {
    type Err = SimError;

    fn from_str(spec: &str) -> Result<Self, SimError> {
        let mut words = spec.split(':');
        let endpoint = Self::parse_endpoint(words.next().unwrap_or_default())?;
        let kind =
            words.next().ok_or_else(|| SimError::BadFault(format!("{spec}: no kind of fault named")))?;
        let (word, value) = kind.split_once('=').map_or((kind, None), |(word, value)| (word, Some(value)));
        let kind = FaultKind::parse(word, value)?;
        let times = words.next().map_or(Ok(Some(1)), Self::parse_times)?;
        let skip = words.next().map_or(Ok(0), |text| {
            text.parse().map_err(|_| SimError::BadFault(format!("{text} is no number of calls to skip")))
        })?;
        match words.next() {
            None => Ok(Self { endpoint, kind, times, skip }),
            Some(rest) => Err(SimError::BadFault(format!("{rest}: one word too many"))),
        }
    }
}

/// A fault in force, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultView {
    /// Endpoint word or "any".
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
    pub(crate) fn strike(&mut self, endpoint: Endpoint) -> Option<FaultKind> {
        let mut struck = None;
        for fault in &mut self.list {
            if fault.endpoint.is_some_and(|wanted| wanted != endpoint) {
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
            endpoint: fault.endpoint.map_or("any", Endpoint::word).to_owned(),
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
        assert_eq!(parse("create:429:3").unwrap().kind, FaultKind::RateLimited(1));
        assert_eq!(parse("create:503").unwrap().kind, FaultKind::Status(503));
        assert_eq!(parse("create:404").unwrap().kind, FaultKind::Detailed(404));
    }

    #[test]
    fn mistakes_are_named() {
        for (spec, word) in [
            ("nowhere:reset", "nowhere"),
            ("refresh", "no kind"),
            ("refresh:explode", "explode"),
            ("part:reset-after", "needs a number"),
            ("part:delay=soon", "not a number"),
            ("me:999", "no HTTP status"),
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
        let mut strike = || faults.strike(Endpoint::Me).is_some();
        assert_eq!([strike(), strike(), strike(), strike()], [false, true, true, false]);
        assert!(faults.views().is_empty());
    }
}
