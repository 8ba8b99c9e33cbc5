//! The way to the provider, step by step: clock, name, encryption, answer.
//!
//! # Decisions
//!
//! - reqwest over rustls with ring, as the daemon uses them: what works here works there.
//! - No redirects and no proxies, as in the daemon. A redirect from the provider's API can only be a log-in page.
//! - A name that resolves and a connection that fails are told apart by resolving first, on our own.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE};
use reqwest::{Client, Response, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::config::Facts;
use super::{Check, Report};

use crate::exit::Failure;
use crate::{clock, text};
use rigpost_core::time::WallTime;

const PATIENCE: Duration = Duration::from_secs(10);
/// More than this much of an answer is not read, in bytes.
const LARGEST: usize = 64 << 10;
/// Seconds by which the clock may differ from the provider's before a person is told, and before it is a fault.
const DRIFT_WARN: u64 = 10;
const DRIFT_FAIL: u64 = 300;

const SET_CLOCK: &str =
    "sudo timedatectl set-ntp true; without a network: sudo timedatectl set-time 'YYYY-MM-DD HH:MM'";
const ASK_NETWORK: &str = "check cable, Wi-Fi or modem, and that the network lets port 443 through";

/// Checks the clock without the network: no correct clock is before the day this program was built.
pub(super) fn clock_alone(built: WallTime) -> Check {
    judge_clock(clock::wall_seconds(), built.0)
}

fn judge_clock(now: i64, built: i64) -> Check {
    const NAME: &str = "clock";
    match now >= built {
        true => Check::ok(NAME, format!("{} is possible", text::date(now))),
        false => Check::fail(
            NAME,
            format!("{} can't be right: this program was built on {}", text::date(now), text::date(built)),
            SET_CLOCK,
        ),
    }
}

/// Checks the way to the provider, up to the first step that fails.
pub(super) async fn provider(facts: &Facts, report: &mut Report<'_>) -> Result<(), Failure> {
    let host = facts.probe.host_str().unwrap_or_default().to_owned();
    let resolved = resolve(facts, &host).await;
    let goes_on = resolved.next.is_empty();
    report.add(resolved)?;
    if !goes_on {
        return report.add_all(
            ["encryption", "provider", "clock drift"]
                .map(|name| Check::skipped(name, "the provider's name could not be resolved")),
        );
    }
    let client = match client(facts.ca_file.as_deref()) {
        Ok(client) => client,
        Err(why) => {
            report.add(Check::fail(
                "encryption",
                why,
                "check `provider.ca_file`, or install ca-certificates",
            ))?;
            return report
                .add_all(["provider", "clock drift"].map(|name| Check::skipped(name, "no encryption")));
        }
    };
    match client.get(facts.probe.clone()).send().await {
        Ok(response) => {
            report.add(encryption(facts))?;
            let drift = drift(&response, clock::wall_seconds());
            report.add(answer(response, facts.any_answer).await)?;
            report.add(drift)
        }
        Err(error) => {
            report.add_all(unreachable(&error.without_url(), &host))?;
            report.add(Check::skipped("clock drift", "the provider did not answer"))
        }
    }
}

async fn resolve(facts: &Facts, host: &str) -> Check {
    const NAME: &str = "name";
    let port = facts.probe.port_or_known_default().unwrap_or(443);
    // The brackets of a literal IPv6 address belong to the URL.
    let bare = host.trim_matches(['[', ']']);
    let next = "check the network and its DNS server: resolvectl status";
    match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((bare, port))).await {
        Ok(Ok(found)) => match found.count() {
            0 => Check::fail(NAME, format!("{host} has no address"), next),
            n => Check::ok(NAME, format!("{host} has {n} address{}", if n == 1 { "" } else { "es" })),
        },
        Ok(Err(error)) => Check::fail(NAME, format!("{host} can't be resolved: {error}"), next),
        Err(_) => Check::fail(NAME, format!("{host} can't be resolved: no answer within 10 seconds"), next),
    }
}

fn client(ca_file: Option<&Path>) -> Result<Client, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let why = |error: &dyn Error| format!("{}: {error}", path.display());
        for cert in CertificateDer::pem_file_iter(path).map_err(|error| why(&error))? {
            roots.add(cert.map_err(|error| why(&error))?).map_err(|error| why(&error))?;
        }
    }
    if roots.is_empty() {
        return Err("this system trusts no certificate at all".to_owned());
    }
    let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .user_agent(concat!("rigpost-doctor/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| chain(&error.without_url()))
}

fn encryption(facts: &Facts) -> Check {
    const NAME: &str = "encryption";
    match facts.probe.scheme() {
        "https" => Check::ok(NAME, "the provider's certificate is trusted"),
        _ => Check::warn(
            NAME,
            "none: the provider's address is not https",
            "fit for a simulator on this desk, nowhere else",
        ),
    }
}

/// Sorts an error of the connection: of the encryption, or before it.
fn unreachable(error: &reqwest::Error, host: &str) -> [Check; 2] {
    const NAME: &str = "encryption";
    match tls_error(error) {
        Some(tls) => [certificate(tls, host), Check::skipped("provider", "there is no trusted connection")],
        None => {
            let why = match error.is_timeout() {
                true => "no answer within 10 seconds".to_owned(),
                false => chain(error),
            };
            [
                Check::skipped(NAME, "there is no connection"),
                Check::fail("provider", format!("{host} can't be reached: {why}"), ASK_NETWORK),
            ]
        }
    }
}

fn certificate(error: &rustls::Error, host: &str) -> Check {
    const NAME: &str = "encryption";
    let rustls::Error::InvalidCertificate(what) = error else {
        return Check::fail(NAME, format!("{host}: {error}"), ASK_NETWORK);
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is for specialists and shown as it is")]
    let (why, next) = match what {
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not yet valid: the clock of this rig is behind".to_owned(), SET_CLOCK)
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired, or the clock of this rig is ahead".to_owned(), SET_CLOCK)
        }
        CertificateError::UnknownIssuer => (
            "is from an issuer that this rig does not trust: something on the network looks into the traffic"
                .to_owned(),
            "use another network, or give the issuer's certificate in `provider.ca_file`; also: install ca-certificates",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "belongs to somebody else: a log-in page or a filter answers in place of the provider".to_owned(),
            "log in to this network with a browser behind it, or use another one",
        ),
        other => (format!("is not accepted: {other}"), ASK_NETWORK),
    };
    Check::fail(NAME, format!("the certificate of {host} {why}"), next)
}

/// The error of the encryption, if there is one among the causes.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An I/O error skips what it was made of in its `source`; they come nested.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The last cause, which is the one that says something.
fn chain(error: &dyn Error) -> String {
    let mut last = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        last = error.to_string();
        cause = error.source();
    }
    last
}

/// Was it the provider who answered?
async fn answer(mut response: Response, any: bool) -> Check {
    let status = response.status();
    let kind = header(&response, &CONTENT_TYPE).unwrap_or_default();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST => body.extend_from_slice(&chunk),
            Ok(Some(_)) => break body.clear(),
            Ok(None) => break,
            Err(error) => {
                let why = chain(&error.without_url());
                return Check::fail("provider", format!("the answer broke off: {why}"), ASK_NETWORK);
            }
        }
    }
    judge_answer(status.as_u16(), &kind, &body, any)
}

fn judge_answer(status: u16, kind: &str, body: &[u8], any: bool) -> Check {
    const NAME: &str = "provider";
    let is_json = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok();
    let portal = |how: &str| {
        Check::fail(
            NAME,
            format!(
                "something else answered in place of the provider, with {how}: a log-in page of this network"
            ),
            "log in to this network with a browser behind it, or use another one",
        )
    };
    match status {
        300..=399 => portal("a redirect"),
        511 => portal("the request to log in"),
        // Before the kind: gateways of the provider complain in HTML too.
        500..=599 => Check::warn(
            NAME,
            format!("has trouble of its own (status {status})"),
            "wait; its status page may say more. Nothing is lost meanwhile",
        ),
        400..=499 if any => Check::ok(NAME, format!("answers (status {status}, as it may to a stranger)")),
        _ if kind.to_ascii_lowercase().contains("html") => portal("a web page"),
        200..=299 if is_json => Check::ok(NAME, "answers, and it is the provider itself"),
        200..=299 => portal("something that is not JSON"),
        _ => Check::fail(
            NAME,
            format!("does not know the question (status {status})"),
            "check the provider's address in the configuration",
        ),
    }
}

fn header(response: &Response, name: &reqwest::header::HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn drift(response: &Response, now: i64) -> Check {
    let date = header(response, &DATE)
        .and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(&date).ok())
        .map(jiff::Timestamp::as_second);
    judge_drift(date, now)
}

fn judge_drift(date: Option<i64>, now: i64) -> Check {
    const NAME: &str = "clock drift";
    let Some(date) = date else { return Check::skipped(NAME, "the provider gave no date") };
    let seconds = date.abs_diff(now);
    let side = if now < date { "behind" } else { "ahead of" };
    let finding = format!("{} {side} the provider", text::duration(seconds));
    match seconds {
        DRIFT_WARN..=DRIFT_FAIL => Check::warn(NAME, finding, SET_CLOCK),
        0..DRIFT_WARN => Check::ok(NAME, "agrees with the provider"),
        _ => Check::fail(NAME, finding, SET_CLOCK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn drift_is_judged() {
        let verdict = |now| judge_drift(Some(1_790_000_000), now).verdict;
        assert_eq!(verdict(1_790_000_009), Verdict::Ok);
        assert_eq!(verdict(1_790_000_010), Verdict::Warn);
        assert_eq!(verdict(1_790_000_300), Verdict::Warn);
        assert_eq!(verdict(1_790_000_301), Verdict::Fail);
        assert_eq!(verdict(0), Verdict::Fail);
        assert!(judge_drift(Some(100), 40).finding.starts_with("1 min behind"));
        assert_eq!(judge_drift(None, 0).verdict, Verdict::Skipped);
    }

    #[test]
    fn a_clock_before_the_build_is_wrong() {
        assert_eq!(judge_clock(0, 1_790_000_000).verdict, Verdict::Fail);
        assert_eq!(judge_clock(1_790_000_000, 1_790_000_000).verdict, Verdict::Ok);
    }

    #[test]
    fn answers_are_judged() {
        let verdict = |status, kind: &str, body: &str| {
            let check = judge_answer(status, kind, body.as_bytes(), false);
            (check.verdict, check.finding.contains("log-in page"))
        };
        assert_eq!(verdict(200, "application/json", r#"{"status":"ok"}"#), (Verdict::Ok, false));
        assert_eq!(verdict(200, "text/html; charset=utf-8", r#"{"status":"ok"}"#), (Verdict::Fail, true));
        assert_eq!(verdict(200, "application/json", "<html>"), (Verdict::Fail, true));
        assert_eq!(verdict(302, "", ""), (Verdict::Fail, true));
        assert_eq!(verdict(511, "", ""), (Verdict::Fail, true));
        assert_eq!(verdict(503, "text/html", "<html>"), (Verdict::Warn, false));
        assert_eq!(verdict(404, "application/json", "{}"), (Verdict::Fail, false));
        let endpoint = |status, kind| judge_answer(status, kind, b"", true).verdict;
        assert_eq!((endpoint(405, ""), endpoint(404, "text/html")), (Verdict::Ok, Verdict::Ok));
        assert_eq!((endpoint(200, "text/html"), endpoint(302, "")), (Verdict::Fail, Verdict::Fail));
    }

    #[test]
    fn certificates_that_are_not_yet_valid_blame_the_clock() {
        let check = |what| certificate(&rustls::Error::InvalidCertificate(what), "api.example.com");
        let early = check(CertificateError::NotValidYet);
        assert!(early.finding.contains("clock of this rig is behind") && early.next.contains("timedatectl"));
        assert!(check(CertificateError::UnknownIssuer).finding.contains("does not trust"));
        assert!(check(CertificateError::NotValidForName).next.contains("browser"));
    }
}
