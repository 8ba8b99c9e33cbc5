//! What a storage's answers say, the same for objects, uploads and keys.
//!
//! # Decisions
//! - Read leniently: where the elements stand, and in which namespace, differs; their names don't.
use std::time::Duration;

use roxmltree::Document;

use crate::oauth::{Cause, Trouble};
use crate::provider::wire::{Response, named, trouble, web_page};

/// Completing a large upload takes a storage its time.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// The text of an answer's body as XML, if it is that.
pub(super) fn xml(text: &str) -> Option<Document<'_>> {
    Document::parse(text.trim_start()).ok()
}

/// What the first element of this name says that says anything.
pub(super) fn element<'a>(document: &'a Document<'_>, name: &str) -> Option<&'a str> {
    let mut found = document.descendants().filter(|node| node.tag_name().name() == name);
    found.find_map(|node| node.text()).map(str::trim).filter(|text| !text.is_empty())
}

/// The storage's own word, shortened; `None`: it is not the storage that speaks.
pub fn code(response: &Response) -> Option<String> {
    let text = String::from_utf8_lossy(&response.body);
    let document = xml(&text)?;
    Some(response.text(element(&document, "Code")?)).filter(|code| !code.is_empty())
}

/// What the storage says of it for people; empty where it is not the storage that speaks.
pub(super) fn message(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.body);
    let message = xml(&text).and_then(|document| element(&document, "Message").map(str::to_owned));
    message.map_or_else(String::new, |message| response.text(&message))
}

/// An address that is signed is over: the keys are, or the clock is wrong that it was signed by. Every storage has a name of
/// its own for it.
pub fn is_over(response: &Response) -> bool {
    const NAMES: [&str; 6] = [
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "TokenRefreshRequired",
        "RequestTimeTooSkewed",
        "RequestExpired",
    ];
    let text = String::from_utf8_lossy(&response.body);
    let Some(document) = xml(&text) else { return false };
    let member = |name: &str| element(&document, name).unwrap_or_default();
    let code = member("Code");
    NAMES.contains(&code)
        || (code == "AccessDenied" && member("Message").to_ascii_lowercase().contains("expired"))
}

/// A request was larger than something there takes, whoever says so and however it looks.
pub const TOO_LARGE: u16 = 413;

/// A web page, and no storage.
pub fn is_page(response: &Response) -> bool {
    let begins = response.body.trim_ascii_start();
    let begins = String::from_utf8_lossy(&begins[..begins.len().min(256)]).to_ascii_lowercase();
    let is_html = begins.starts_with("<!doctype html") || begins.contains("<html");
    is_html || (response.content_type.starts_with("text/html") && !begins.is_empty())
}

/// For a person: why a request of so many bytes is not taken.
pub(super) fn too_large(response: &Response, len: u64) -> String {
    let named = named(response.status, code(response).as_deref());
    format!("{named}: the storage, or something before it, takes no requests of {len} bytes")
}

/// What may be otherwise in a while.
pub fn passing(response: &Response) -> Trouble {
    let named = || named(response.status, code(response).as_deref());
    match response.status {
        407 => trouble(Cause::Proxy, named(), None),
        429 => trouble(Cause::RateLimited, named(), response.retry_after.or(Some(Duration::from_secs(1)))),
        300..=399 | 511 => trouble(Cause::CaptivePortal, named(), None),
        _ if is_page(response) && response.status < 500 => web_page(),
        _ => trouble(Cause::Provider, named(), response.retry_after),
    }
}
