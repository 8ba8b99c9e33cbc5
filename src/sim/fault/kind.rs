//! The ways a call can fail, and the words for them.

use serde_json::Value;

use crate::error::SimError;

/// What object storage refuses a part with, in its XML shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// 403 `AccessDenied`, "Request has expired": an upload address older than it may be.
    Expired,
    /// 403 `AccessDenied`.
    AccessDenied,
    /// 403 `SignatureDoesNotMatch`.
    SignatureDoesNotMatch,
    /// 403 `RequestTimeTooSkewed`.
    RequestTimeTooSkewed,
    /// 404 `NoSuchUpload`.
    NoSuchUpload,
    /// 400 `RequestTimeout`: the body came too slowly.
    RequestTimeout,
    /// 400 `BadDigest`.
    BadDigest,
    /// 500 `InternalError`.
    InternalError,
    /// 503 `SlowDown`.
    SlowDown,
    /// 503 `ServiceUnavailable`.
    ServiceUnavailable,
}

impl StorageError {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::Expired,
        Self::AccessDenied,
        Self::SignatureDoesNotMatch,
        Self::RequestTimeTooSkewed,
        Self::NoSuchUpload,
        Self::RequestTimeout,
        Self::BadDigest,
        Self::InternalError,
        Self::SlowDown,
        Self::ServiceUnavailable,
    ];

    /// HTTP status, the storage's code, and its sentence.
    pub fn answer(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Expired => (403, "AccessDenied", "Request has expired"),
            Self::AccessDenied => (403, "AccessDenied", "Access Denied"),
            Self::SignatureDoesNotMatch => (
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided",
            ),
            Self::RequestTimeTooSkewed => (
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large",
            ),
            Self::NoSuchUpload => (404, "NoSuchUpload", "The specified upload does not exist"),
            Self::RequestTimeout => (
                400,
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to in time",
            ),
            Self::BadDigest => (400, "BadDigest", "The Content-MD5 you specified did not match"),
            Self::InternalError => {
                (500, "InternalError", "We encountered an internal error. Please try again")
            }
            Self::SlowDown => (503, "SlowDown", "Please reduce your request rate"),
            Self::ServiceUnavailable => (503, "ServiceUnavailable", "Service is unable to handle request"),
        }
    }

    /// The word in a written fault: the storage's code, or `Expired`.
    pub fn word(self) -> &'static str {
        if self == Self::Expired { "Expired" } else { self.answer().1 }
    }

    fn parse(word: &str) -> Result<Self, SimError> {
        let found = Self::ALL.into_iter().find(|error| error.word() == word);
        found.ok_or_else(|| SimError::BadFault(format!("{word} is no error of the storage")))
    }
}

/// The ways a call can fail.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// 400 with this error word, in the simple shape.
    OAuth(String),
    /// 429 with rate-limit headers; the value is `Retry-After` in seconds.
    RateLimited(u64),
    /// 500 or 503 or any other status with a plain text body; for parts in the storage's XML shape.
    Status(u16),
    /// This status with a plain text body everywhere: not the cloud speaking.
    Bare(u16),
    /// This status with an HTML page, as made by a box on the way.
    Html(u16),
    /// 200 with an HTML page: a captive portal.
    CaptivePortal,
    /// 302 to a log-in page.
    Redirect,
    /// The storage's own error, in XML.
    Storage(StorageError),
    /// The storage's own error, said at once; then the connection is closed with the body unread. A client that
    /// is busy sending sees a reset or a broken pipe, unless it looks for the answer. (Parts only.)
    RejectEarly(StorageError),
    /// The request is taken and never answered.
    Stall,
    /// The connection is reset before anything happened.
    Reset,
    /// The connection is reset after this many body bytes were read (parts only; others reset at once).
    ResetAfter(u64),
    /// After this many body bytes nothing more is read (parts only; others stall at once).
    StallAfter(u64),
    /// The body is read at this many bytes a second (parts only).
    Slow(u64),
    /// One byte of the body is stored wrong, and the `ETag` says so. The part does not count as arrived until it
    /// arrives sound, so whoever does not look at the `ETag` leaves the asset incomplete. (Parts only.)
    WrongEtag,
    /// The body is stored right, and the `ETag` is no MD5, as with keys of a key service. (Parts only.)
    OpaqueEtag,
    /// The effect happens, half of the answer is sent, then the connection is reset.
    ResetMidBody,
    /// The effect happens, then the connection ends without an answer.
    LostAnswer,
    /// The effect happens, the answer comes a byte at a time, so many milliseconds apart, and has no end that anybody waits
    /// for.
    Trickle(u64),
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
    /// 400: the part is registered already. Strikes only registrations of a part that is.
    RefuseAgain,
    /// This status (401, 402, 403, 404, 409, ...) in the detailed shape; for parts in the storage's XML shape.
    Detailed(u16),
    /// This status and JSON body.
    Raw(u16, Value),
    /// The call takes this many milliseconds longer and then goes its normal way.
    Delay(u64),
}

impl FaultKind {
    /// The word of the written form, without its value where that says nothing.
    pub fn word(&self) -> String {
        match self {
            Self::OAuth(word) => word.clone(),
            Self::RateLimited(_) => "429".to_owned(),
            Self::Status(status) => status.to_string(),
            Self::Bare(status) => format!("bare={status}"),
            Self::Html(status) => format!("html-{status}"),
            Self::CaptivePortal => "captive-portal".to_owned(),
            Self::Redirect => "redirect".to_owned(),
            Self::Storage(error) => format!("s3={}", error.word()),
            Self::RejectEarly(error) => format!("reject-early={}", error.word()),
            Self::Stall => "stall".to_owned(),
            Self::Reset => "reset".to_owned(),
            Self::ResetAfter(bytes) => format!("reset-after={bytes}"),
            Self::StallAfter(bytes) => format!("stall-after={bytes}"),
            Self::Slow(bytes) => format!("slow={bytes}"),
            Self::WrongEtag => "wrong-etag".to_owned(),
            Self::OpaqueEtag => "opaque-etag".to_owned(),
            Self::ResetMidBody => "reset-mid-body".to_owned(),
            Self::LostAnswer => "lost-answer".to_owned(),
            Self::Trickle(ms) => format!("trickle={ms}"),
            Self::Garbage => "garbage".to_owned(),
            Self::Oversized => "oversized".to_owned(),
            Self::WrongTypes => "wrong-types".to_owned(),
            Self::NegativeNumbers => "negative-numbers".to_owned(),
            Self::HugeNumbers => "huge-numbers".to_owned(),
            Self::MissingFields => "missing-fields".to_owned(),
            Self::ChannelPaused => "paused".to_owned(),
            Self::RefuseAgain => "refuse-again".to_owned(),
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
            "401" | "402" | "403" | "404" | "409" | "422" => Self::Detailed(status(word)?),
            "bare" => Self::Bare(status(value.unwrap_or_default())?),
            "captive-portal" | "html-200" => Self::CaptivePortal,
            "redirect" | "302" => Self::Redirect,
            "s3" => Self::Storage(StorageError::parse(value.unwrap_or_default())?),
            "expired" => Self::Storage(StorageError::Expired),
            "reject-early" => Self::RejectEarly(StorageError::parse(value.unwrap_or("Expired"))?),
            "stall" => Self::Stall,
            "reset" => Self::Reset,
            "reset-after" => Self::ResetAfter(number(None)?),
            "stall-after" => Self::StallAfter(number(None)?),
            "slow" => match number(None)? {
                0 => return Err(SimError::BadFault("slow=0 never ends; use stall".to_owned())),
                bytes => Self::Slow(bytes),
            },
            "wrong-etag" => Self::WrongEtag,
            "opaque-etag" => Self::OpaqueEtag,
            "reset-mid-body" => Self::ResetMidBody,
            "lost-answer" => Self::LostAnswer,
            "trickle" => Self::Trickle(number(None)?),
            "garbage" => Self::Garbage,
            "oversized" => Self::Oversized,
            "wrong-types" => Self::WrongTypes,
            "negative-numbers" => Self::NegativeNumbers,
            "huge-numbers" => Self::HugeNumbers,
            "missing-fields" => Self::MissingFields,
            "paused" => Self::ChannelPaused,
            "refuse-again" => Self::RefuseAgain,
            "detailed" => Self::Detailed(status(value.unwrap_or_default())?),
            "raw" => Self::Raw(status(value.unwrap_or("200"))?, Value::Null),
            "delay" => Self::Delay(number(None)?),
            "error" => Self::OAuth(value.unwrap_or("invalid_request").to_owned()),
            word if word.strip_prefix("html-").is_some_and(|rest| rest.parse::<u16>().is_ok()) => {
                Self::Html(status(word.trim_start_matches("html-"))?)
            }
            word if word.parse::<u16>().is_ok() => Self::Status(status(word)?),
            word if word.contains('_') && word.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()) => {
                Self::OAuth(word.to_owned())
            }
            _ => return Err(SimError::BadFault(format!("{word} is no kind of fault"))),
        })
    }
}
