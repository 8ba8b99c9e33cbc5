//! What a storage's answers say, the same for objects, uploads and keys.
use std::time::Duration;

use roxmltree::Document;

use crate::oauth::{Cause, Trouble};
use crate::provider::wire::{Response, trouble};

/// Completing a large upload takes a storage its time.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// The storage's own word, shortened; `None`: it is not the storage that speaks.
pub fn code(response: &Response) -> Option<String> {
    let text = String::from_utf8_lossy(&response.body);
    let document = Document::parse(text.trim_start()).ok()?;
    let code = document.descendants().find(|node| node.tag_name().name() == "Code")?;
    Some(response.text(code.text().unwrap_or_default().trim())).filter(|code| !code.is_empty())
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
    let Ok(document) = Document::parse(text.trim_start()) else { return false };
    let member = |name: &str| {
        let node = document.descendants().find(|node| node.tag_name().name() == name);
        node.and_then(|node| node.text()).unwrap_or_default().trim().to_owned()
    };
    let code = member("Code");
    NAMES.contains(&code.as_str())
        || (code == "AccessDenied" && member("Message").to_ascii_lowercase().contains("expired"))
}

/// A web page, and no storage.
pub fn is_page(response: &Response) -> bool {
    let begins = response.body.trim_ascii_start();
    let begins = String::from_utf8_lossy(&begins[..begins.len().min(256)]).to_ascii_lowercase();
    let is_html = begins.starts_with("<!doctype html") || begins.contains("<html");
    is_html || (response.content_type.starts_with("text/html") && !begins.is_empty())
}

/// A log-in page answers in the storage's place.
pub fn portal() -> Trouble {
    trouble(Cause::CaptivePortal, "a web page came instead of an answer", None)
}

/// What may be otherwise in a while.
pub fn passing(response: &Response) -> Trouble {
    let named = || match code(response) {
        Some(code) => format!("HTTP {} {code}", response.status),
        None => format!("HTTP {}", response.status),
    };
    match response.status {
        407 => trouble(Cause::Proxy, named(), None),
        429 => trouble(Cause::RateLimited, named(), response.retry_after.or(Some(Duration::from_secs(1)))),
        300..=399 | 511 => trouble(Cause::CaptivePortal, named(), None),
        _ if is_page(response) && response.status < 500 => portal(),
        _ => trouble(Cause::Provider, named(), response.retry_after),
    }
}
