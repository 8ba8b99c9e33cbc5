//! What an answer says besides its body, the same for both clients.
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, StatusCode, header};
use zeroize::Zeroizing;

use rigpost_core::provider::wire::Response;

/// The answer without its body.
pub(super) fn head(status: StatusCode, headers: &HeaderMap) -> Response {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_ascii_lowercase);
    let seconds = |name: &str| text(name).and_then(|t| t.trim().parse().ok()).map(Duration::from_secs);
    let window = || text("x-ratelimit-window").and_then(|t| t.trim().parse().ok()).map(Duration::from_millis);
    let status = status.as_u16();
    Response {
        status,
        content_type: text("content-type").unwrap_or_default(),
        retry_after: seconds("retry-after")
            .or_else(|| (status == 429).then(window).flatten())
            .map(|wait| wait.min(Duration::from_secs(3600))),
        etag: headers
            .get(header::ETAG)
            .and_then(|v| v.to_str().ok())
            .map(|t| t.chars().take(128).collect())
            .unwrap_or_default(),
        date: headers
            .get(header::DATE)
            .and_then(|v| httpdate::parse_http_date(v.to_str().ok()?).ok()?.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_secs()).ok()),
        body: Zeroizing::new(Vec::new()),
    }
}
