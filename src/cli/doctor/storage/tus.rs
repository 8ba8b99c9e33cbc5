//! A tus server: whether one answers where uploads are created, and what it can.

use url::Url;

use super::seen::{Seen, is_well, untold};
use super::told::{ASK_NETWORK, PATIENCE, WAIT, is_between, said};
use crate::doctor::report::{Check, Verdict};
use rigpost_core::delivery::answer;
use rigpost_core::delivery::dialect::{Dialect as _, Habits};
use rigpost_core::delivery::tus::Tus;
use rigpost_core::provider::wire::{Request, Response};
use rigpost_core::queue::upload::CreateError;
use rigpost_daemon::http::Http;

const NAME: &str = "uploads";
const KEY: &str = "delivery.endpoint";
const ASK_ENDPOINT: &str = "check that uploads are created at `delivery.endpoint`";

pub(super) async fn check(endpoint: &Url, http: &Http, seen: Option<&Seen>) -> Check {
    let host = endpoint.host_str().unwrap_or_default();
    let asked = Tus::new(endpoint.clone()).question();
    match http.ask(Request { timeout: PATIENCE, ..asked }).await {
        Ok(response) => uploads(endpoint, &response, seen),
        // It was reached, and may take clips all the same.
        Err(error) if error.trouble.maybe_applied && is_well(seen) => {
            let finding = format!("{host} breaks off when it is asked what it can ({})", error.root);
            untold(NAME, &finding, KEY, seen)
        }
        Err(error) if error.trouble.maybe_applied => {
            Check::fail(NAME, format!("{host} gave no whole answer: {}", error.root), ASK_NETWORK)
        }
        Err(error) => Check::fail(NAME, format!("{host} can't be reached: {}", error.root), ASK_NETWORK),
    }
}

fn uploads(endpoint: &Url, response: &Response, seen: Option<&Seen>) -> Check {
    match Tus::new(endpoint.clone()).read_discovery(response) {
        Ok(Some(habits)) => told(habits),
        Ok(None) => tells_nothing(endpoint, response, seen),
        Err(CreateError::Transient(trouble)) => {
            Check::fail(NAME, format!("no tus server answers there: {}", trouble.why), ASK_NETWORK)
        }
        Err(CreateError::Forbidden(why) | CreateError::Conflict(why) | CreateError::Refused(why)) => {
            Check::fail(NAME, why, ASK_ENDPOINT)
        }
        Err(CreateError::Unauthorized | CreateError::RecordedWhilePaused | CreateError::Storage) => {
            Check::fail(NAME, "the server tells strangers nothing", ASK_ENDPOINT)
        }
    }
}

fn told(habits: Habits) -> Check {
    let checks = habits.checksum.map_or_else(
        || "checks no checksum".to_owned(),
        |algorithm| format!("checks what arrives by {}", algorithm.as_str()),
    );
    let gives_up = if habits.gives_up { "lets uploads be given up" } else { "keeps what is given up" };
    Check::ok(NAME, format!("a tus server answers; it {checks} and {gives_up}"))
}

/// Of an answer that says nothing of tus: some servers answer this question to web browsers only, some in their own way, and
/// some nobody who has not signed in.
fn tells_nothing(endpoint: &Url, response: &Response, seen: Option<&Seen>) -> Check {
    let said = said(response);
    match (response.status, onwards(endpoint, response)) {
        (300..=399, Some(path)) => {
            Check::warn(NAME, format!("the server sends on to {path} ({said})"), ASK_ENDPOINT)
        }
        _ if is_between(response) => Check::fail(
            NAME,
            format!("something else answered in place of a tus server ({said})"),
            ASK_NETWORK,
        ),
        // Nothing else was asked, and that is as it may be; a page may be a filter's.
        (status @ (401 | 403), _) if status == 401 || !answer::is_page(response) => {
            let finding = format!("a sign-in is asked for, as it may be ({said})");
            Check { verdict: Verdict::Ok, ..untold(NAME, &finding, KEY, seen) }
        }
        (429 | 500 | 502..=599, _) => {
            Check::warn(NAME, format!("the server has trouble of its own ({said})"), WAIT)
        }
        (404 | 410, _) if !is_well(seen) => Check::warn(
            NAME,
            format!("nobody there says to strangers that he speaks tus ({said})"),
            ASK_ENDPOINT,
        ),
        _ => {
            let finding = format!("what the server can do can't be told from outside ({said})");
            untold(NAME, &finding, KEY, seen)
        }
    }
}

/// Another place of the same server, where it names one.
fn onwards(endpoint: &Url, response: &Response) -> Option<String> {
    let location = response.location.trim();
    let there = endpoint.join(location).ok().filter(|_| !location.is_empty())?;
    (there.host() == endpoint.host()).then(|| there.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::seen;
    use super::*;

    fn endpoint() -> Url {
        "https://tus.example/files/".parse().unwrap()
    }

    fn bare(status: u16) -> Response {
        Response { status, ..Response::default() }
    }

    #[test]
    fn a_tus_server_is_one_that_says_so() {
        for (status, extensions, verdict, word) in [
            (204, "creation,termination", Verdict::Ok, "no checksum and lets"),
            (200, "creation,checksum", Verdict::Ok, "by sha1 and keeps"),
            (204, "expiration", Verdict::Fail, "lets nobody create uploads"),
        ] {
            let kept =
                vec![("tus-extension", extensions.to_owned()), ("tus-checksum-algorithm", "sha1".to_owned())];
            let check = uploads(&endpoint(), &Response { kept, ..bare(status) }, None);
            assert_eq!(check.verdict, verdict, "{status} {extensions}: {}", check.finding);
            assert!(check.finding.contains(word), "{}", check.finding);
        }
    }

    #[test]
    fn one_that_does_not_say_so_may_be_one() {
        const FIRST: &str = "whether `delivery.endpoint` is right shows with the first clip";
        let (well, nothing, waits) =
            (seen(Some(""), None), seen(None, None), seen(Some(""), Some("HTTP 403")));
        for (status, seen, verdict, word, next) in [
            (401, &well, Verdict::Ok, "a sign-in is asked for", ""),
            (401, &nothing, Verdict::Ok, "a sign-in is asked for", FIRST),
            (403, &nothing, Verdict::Ok, "as it may be (status 403)", FIRST),
            (405, &well, Verdict::Ok, "can't be told from outside (status 405); but the last clip", ""),
            (405, &nothing, Verdict::Warn, "can't be told from outside (status 405)", FIRST),
            (
                405,
                &waits,
                Verdict::Warn,
                "can't be told from outside (status 405)",
                "what the daemon was told",
            ),
            (200, &well, Verdict::Ok, "can't be told from outside (status 200)", ""),
            (204, &nothing, Verdict::Warn, "can't be told from outside (status 204)", FIRST),
            (501, &nothing, Verdict::Warn, "can't be told from outside (status 501)", FIRST),
            (404, &well, Verdict::Ok, "can't be told from outside (status 404)", ""),
            (404, &nothing, Verdict::Warn, "speaks tus (status 404)", ASK_ENDPOINT),
            (503, &well, Verdict::Warn, "trouble of its own (status 503)", WAIT),
            (302, &well, Verdict::Fail, "in place of a tus server (status 302)", ASK_NETWORK),
            (511, &well, Verdict::Fail, "in place of a tus server (status 511)", ASK_NETWORK),
        ] {
            let check = uploads(&endpoint(), &bare(status), Some(seen));
            assert_eq!(check.verdict, verdict, "{status}: {}", check.finding);
            assert!(check.finding.contains(word), "{status}: {}", check.finding);
            assert!(
                check.next.starts_with(next) && check.next.is_empty() == next.is_empty(),
                "{}",
                check.next
            );
        }
    }

    #[test]
    fn a_page_is_a_portal_s_only_where_it_does_not_refuse() {
        let nothing = seen(None, None);
        for (status, verdict) in [
            (200, Verdict::Fail),
            (302, Verdict::Fail),
            (401, Verdict::Ok),
            (403, Verdict::Warn),
            (405, Verdict::Warn),
        ] {
            let page = Response { body: b"<html>no".to_vec().into(), ..bare(status) };
            let check = uploads(&endpoint(), &page, Some(&nothing));
            assert_eq!(check.verdict, verdict, "{status}: {}", check.finding);
        }
    }

    #[test]
    fn another_place_of_the_same_server_is_named_without_its_query() {
        for (location, verdict, word) in [
            ("/files/new?token=abc", Verdict::Warn, "sends on to /files/new (status 307)"),
            ("https://login.example/?token=abc", Verdict::Fail, "in place of a tus server"),
            ("", Verdict::Fail, "in place of a tus server"),
        ] {
            let sent_on = Response { location: location.to_owned(), ..bare(307) };
            let check = uploads(&endpoint(), &sent_on, None);
            assert_eq!(check.verdict, verdict, "{location}: {}", check.finding);
            assert!(check.finding.contains(word) && !check.finding.contains("abc"), "{}", check.finding);
        }
    }
}
