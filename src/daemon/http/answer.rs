//! What an answer says besides its body, the same for both clients.
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, StatusCode, header};
use zeroize::Zeroizing;

use rigpost_core::provider::wire::{KEPT_HEADERS, Response};
use rigpost_core::time::WallTime;

/// The answer without its body.
pub(super) fn head(status: StatusCode, headers: &HeaderMap, now: WallTime) -> Response {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_ascii_lowercase);
    let written = |name: &str, most: usize| -> String {
        let text = headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        text.chars().take(most).collect()
    };
    let moment = |name: header::HeaderName| {
        let text = headers.get(name)?.to_str().ok()?;
        let since = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    };
    let date = moment(header::DATE);
    // RFC 9110 §10.2.3: seconds, or a moment by the server's own clock.
    let until = || {
        let wait = moment(header::RETRY_AFTER)?.saturating_sub(date.unwrap_or(now.0));
        Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
    };
    let seconds = |name: &str| text(name).and_then(|t| t.trim().parse().ok()).map(Duration::from_secs);
    let window = || text("x-ratelimit-window").and_then(|t| t.trim().parse().ok()).map(Duration::from_millis);
    let status = status.as_u16();
    Response {
        status,
        content_type: text("content-type").unwrap_or_default(),
        retry_after: seconds("retry-after")
            .or_else(until)
            .or_else(|| (status == 429).then(window).flatten())
            .map(|wait| wait.min(Duration::from_secs(3600))),
        etag: written(header::ETAG.as_str(), 128),
        kept: KEPT_HEADERS
            .into_iter()
            .filter(|name| headers.contains_key(*name))
            .map(|name| (name, written(name, 256)))
            .collect(),
        // From a cache it is the time of another question (RFC 9111 §5.1).
        date: date.filter(|_| !headers.contains_key(header::AGE)),
        location: written(header::LOCATION.as_str(), 2048),
        dpop_nonce: written("dpop-nonce", 2048),
        proven: None,
        body: Zeroizing::new(Vec::new()),
        secrets: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of these lines, at 08:49:37 of that day by our clock.
    fn read(status: u16, lines: &[(&'static str, &'static str)]) -> Response {
        let headers = lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), header::HeaderValue::from_static(value)));
        head(StatusCode::from_u16(status).unwrap(), &headers.collect(), WallTime(784_111_777))
    }

    #[test]
    fn a_wait_is_a_number_or_a_moment_by_the_servers_clock() {
        const LATER: (&str, &str) = ("retry-after", "Sun, 06 Nov 1994 08:49:49 GMT");
        for (lines, expected) in [
            (&[("retry-after", "12")][..], Some(12)),
            (&[("retry-after", " 12 ")], Some(12)),
            (&[LATER, ("date", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(12)),
            // Its clock is an hour behind ours, and its moment as well.
            (&[LATER, ("date", "Sun, 06 Nov 1994 08:49:09 GMT")], Some(40)),
            (&[LATER], Some(12)),
            (&[("retry-after", "Sunday, 06-Nov-94 08:49:49 GMT")], Some(12)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0)),
            (&[("retry-after", "Sat, 06 Nov 2094 08:00:00 GMT")], Some(3600)),
            (&[("retry-after", "999999999999")], Some(3600)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-5")], None),
            (&[], None),
        ] {
            let wait = read(503, lines).retry_after;
            assert_eq!(wait, expected.map(Duration::from_secs), "{lines:?}");
        }
    }

    #[test]
    fn a_date_from_a_cache_is_none() {
        let now = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read(200, &[now]).date, Some(784_111_777));
        assert_eq!(read(200, &[now, ("age", "0")]).date, None);
        assert_eq!(read(200, &[now, ("age", "7200")]).date, None);
        assert_eq!(read(200, &[("date", "yesterday")]).date, None);
    }
}
