//! What a value has to look like, one function for each kind of text: the value in its own type, or a sentence about
//! why not.
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::rule::Form;
use rigpost_core::provider::wire::is_private;

/// The longest name of a `[[section]]`.
const MAX_LABEL: usize = 64;

/// As the table names them. What classes there are the table can't know, and templates are the core's.
pub(super) fn text(form: Form, text: &str) -> Result<String, String> {
    match form {
        Form::RigName => rig_name(text),
        Form::ClientId => client_id(text),
        Form::Scope => scope(text),
        Form::Line => line(text),
        Form::Version => semantic_version(text),
        Form::Label => label(text),
        Form::Bucket => bucket(text),
        Form::Region => region(text),
        Form::Class | Form::ClipName | Form::ObjectName => Ok(text.to_owned()),
    }
}

/// As AWS has it, which everybody else takes too.
fn bucket(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    let is_open = text.starts_with(['-', '.']) || text.ends_with(['-', '.']) || text.contains("..");
    match is_plain && !is_open && (3..=63).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(format!("must be 3 to 63 small letters, digits, \"-\" and \".\", not {text:?}")),
    }
}

fn region(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match is_plain && (1..=64).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(format!("must be letters, digits and \"-\", not {text:?}")),
    }
}

/// A name that the cloud keeps for the life of the rig.
//= frameio-c2c#2
//# The client_id is no mail address and no MAC address.
pub(super) fn rig_name(text: &str) -> Result<String, String> {
    let wrong = |reason: &str| Err(format!("{text:?} {reason}"));
    if text.is_empty() || text.len() > 128 {
        return Err(format!("must have 1 to 128 characters, not {}", text.chars().count()));
    }
    if !text.chars().all(|c| c.is_ascii_graphic() || c == ' ') || text.trim() != text {
        return wrong("must be printable ASCII without blanks around it");
    }
    if text.contains('@') {
        return wrong("looks like a mail address: the name of a rig must not be a person's");
    }
    if is_mac_address(text) {
        return wrong(
            "is a MAC address: it changes with the network card and lets others track the rig; use a serial number, or leave it out for a random name",
        );
    }
    Ok(text.to_owned())
}

/// Twelve hexadecimal digits in twos or fours, or without marks when there is a letter: twelve digits are a serial number.
fn is_mac_address(text: &str) -> bool {
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let marks = text.len() - hex.len();
    let grouped = |mark: char, len: usize| {
        text.split(mark).all(|group| group.len() == len && group.chars().all(|c| c.is_ascii_hexdigit()))
    };
    hex.len() == 12
        && match marks {
            0 => hex.chars().any(|c| c.is_ascii_alphabetic()),
            5 => grouped(':', 2) || grouped('-', 2),
            2 => grouped('.', 4),
            _ => false,
        }
}

pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err(format!("must be an absolute path, not {text:?}"));
    }
    if text.contains('\0') || path.components().any(|c| c == Component::ParentDir) {
        return Err(format!("must be a path without \"..\", not {text:?}"));
    }
    Ok(path.components().collect())
}

/// RFC 6749 appendix A.1.
fn client_id(text: &str) -> Result<String, String> {
    match (1..=512).contains(&text.len()) && text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
        true => Ok(text.to_owned()),
        false => Err(format!("must be 1 to 512 printable ASCII characters, not {text:?}")),
    }
}

/// RFC 6749 appendix A.4; empty: none is asked for.
fn scope(text: &str) -> Result<String, String> {
    let token = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    match text.len() <= 1024 && text.bytes().all(token) {
        true => Ok(text.to_owned()),
        false => {
            Err(format!("must be words of printable ASCII with single blanks between them, not {text:?}"))
        }
    }
}

fn line(text: &str) -> Result<String, String> {
    match (1..=1024).contains(&text.len()) && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(format!("must be 1 to 1024 characters in one line, not {text:?}")),
    }
}

pub(super) fn parameter(text: &str) -> Result<(String, String), String> {
    const OURS: [&str; 4] = ["client_id", "client_secret", "scope", "audience"];
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("must be \"name=value\", not {text:?}"))?;
    if OURS.contains(&name) {
        return Err(format!("{name:?} has a key of its own, or is not for a file"));
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        return Err(format!("{name:?} is no name of a parameter"));
    }
    Ok((name.to_owned(), line(value)?))
}

/// A length of time as people write it, between these numbers of seconds.
pub(super) fn span(text: &str, least: u64, most: u64) -> Result<Duration, String> {
    let span = humantime::parse_duration(text)
        .map_err(|_| format!("must be a time such as \"10min\", not {text:?}"))?;
    let written = |seconds| humantime::format_duration(Duration::from_secs(seconds));
    match (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&span) {
        true => Ok(span),
        false => Err(format!("must be between {} and {}, not {text:?}", written(least), written(most))),
    }
}

/// What tells one `[[section]]` from another.
pub(super) fn label(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    if (1..=MAX_LABEL).contains(&text.len()) && text.chars().all(good) && text.trim() == text {
        return Ok(text.to_owned());
    }
    Err(format!("must have 1 to {MAX_LABEL} letters, digits, \"-\", \"_\", \".\" or blanks, not {text:?}"))
}

/// The id of a device model, in lower case.
pub(super) fn uuid(text: &str) -> Result<String, String> {
    let read = uuid::Uuid::parse_str(text).ok().filter(|_| text.len() == 36);
    read.map(|id| id.to_string()).ok_or_else(|| {
        format!(
            "model must be the id of a device model, like 7b2b68e5-5ac0-4d3a-b9a3-6dd2a2a1d9b0, not {text:?}"
        )
    })
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//# All requests from the device MUST use the Transport Layer Security (TLS) protocol
pub(super) fn url(text: &str) -> Result<Url, String> {
    if text.contains('@') {
        // Not repeated: it may be a real password.
        return Err("must not contain a user or a password".into());
    }
    let url = Url::parse(text).map_err(|e| format!("{text:?} is not a URL: {e}"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not contain a query or a fragment".into());
    }
    match url.scheme() {
        _ if is_private(&url) => Ok(url),
        "http" => Err(format!("must begin with https:// unless the host is this machine, not {text:?}")),
        _ => Err(format!("must begin with https://, not {text:?}")),
    }
}

/// Semantic Versioning 2.0.0.
fn semantic_version(text: &str) -> Result<String, String> {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let number =
        |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) && (n == "0" || !n.starts_with('0'));
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let pre_word = |w: &str| word(w) && (!w.bytes().all(|b| b.is_ascii_digit()) || number(w));
    let good = core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| pre.split('.').all(pre_word))
        && build.is_none_or(|build| build.split('.').all(word));
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("must be a semantic version such as \"1.2.3\", not {text:?}"))
    }
}
