//! The way to the provider, step by step: clock, name, encryption, answer.
//!
//! # Decisions
//!
//! - Asked with the daemon's own client: its look-ups, its trust, its proxy, no redirects. What works here works there,
//!   and what fails is told in the same words.
//! - Who answered is judged by the rules that the daemon reads answers with.
//! - A name that resolves and a connection that fails are told apart by resolving first.

use std::env;
use std::time::Duration;

use super::config::{Expected, Facts};
use super::proxy;
use super::report::{Check, Report, Verdict};
use crate::exit::Failure;
use crate::{clock, text};
use rigpost_core::oauth::Cause;
use rigpost_core::provider::wire::{Method, Request, Response};
use rigpost_core::provider::{Sorted, sort};
use rigpost_core::time::WallTime;
use rigpost_daemon::clock::Clock;
use rigpost_daemon::egress::Egress;
use rigpost_daemon::http::{AskError, Dates, Http, TlsError};

const PATIENCE: Duration = Duration::from_secs(10);
/// As long as the daemon waits.
const NAME_PATIENCE: Duration = Duration::from_secs(20);
/// A nameserver that is not there costs five seconds.
const SLOW_NAME: u64 = 4;
/// Seconds by which the clock may differ from the provider's before a person is told, and before it is a fault.
const DRIFT_WARN: u64 = 10;
const DRIFT_FAIL: u64 = 300;

const SET_CLOCK: &str =
    "sudo timedatectl set-ntp true; without a network: sudo timedatectl set-time 'YYYY-MM-DD HH:MM'";
const ASK_NETWORK: &str = "check cable, Wi-Fi or modem, and that the network lets port 443 through";
const ASK_SERVER: &str = "whoever runs the server has to give it another certificate";
const LOG_IN: &str = "log in to this network with a browser behind it, or use another one";

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

/// What OpenSSL goes by, and so do we: of whoever runs the program.
const AUTHORITIES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Checks the way to the provider, up to the first step that fails. Comes with the client that it was asked with.
pub(super) async fn provider(
    facts: &Facts,
    built: WallTime,
    report: &mut Report<'_>,
) -> Result<Http, Failure> {
    let found = proxy::find(&facts.proxy).await;
    report.add_all(found.checks)?;
    let egress = Egress { ca_file: facts.ca_file.clone(), proxies: found.proxies, built };
    let http = Http::new(egress, env!("CARGO_PKG_VERSION"), Clock::system());
    http.open();
    way(facts, &http, found.says, report).await.map(|()| http)
}

async fn way(facts: &Facts, http: &Http, says: &str, report: &mut Report<'_>) -> Result<(), Failure> {
    let host = facts.probe.host_str().unwrap_or_default().to_owned();
    let through = http.proxy(&facts.probe);
    let resolved = match &through {
        Some(proxy) => {
            report.add(Check::ok("proxy", format!("{proxy} leads to {host}, says {says}")))?;
            Check::skipped("name", "the proxy looks it up")
        }
        None => resolve(http, &host).await,
    };
    // Where the direct way is closed, somebody may know another.
    let hint = || if through.is_none() { proxy::hint(&facts.probe) } else { None };
    let goes_on = resolved.verdict != Verdict::Fail;
    report.add(match hint().filter(|_| !goes_on) {
        Some(hint) => Check { next: hint, ..resolved },
        None => resolved,
    })?;
    if !goes_on {
        return report.add_all(
            ["encryption", "provider", "clock drift"]
                .map(|name| Check::skipped(name, "the provider's name could not be resolved")),
        );
    }
    if let Some(name) = AUTHORITIES.into_iter().find(|name| env::var_os(name).is_some()) {
        report.add(Check::ok(
            "authorities",
            format!("{name} of this shell says whom to trust; the daemon goes by its unit's"),
        ))?;
    }
    if let Err(trouble) = http.trust() {
        report.add(Check::fail(
            "encryption",
            trouble.why,
            "check `provider.ca_file`, or install ca-certificates",
        ))?;
        return report.add_all(["provider", "clock drift"].map(|name| Check::skipped(name, "no encryption")));
    }
    match http.ask(question(facts)).await {
        Ok(response) => {
            report.add(encryption(facts))?;
            report.add(answer(&response, facts.expected))?;
            report.add(drift(response.date, clock::wall_seconds()))
        }
        Err(error) => {
            let [encryption, provider] = unreachable(&error, &host);
            let provider = match hint().filter(|_| error.tls.is_none()) {
                Some(hint) => Check { next: hint, ..provider },
                None => provider,
            };
            report.add_all([encryption, provider])?;
            report.add(Check::skipped("clock drift", "the provider did not answer"))
        }
    }
}

async fn resolve(http: &Http, host: &str) -> Check {
    const NAME: &str = "name";
    // The brackets of a literal IPv6 address belong to the URL.
    let bare = host.trim_matches(['[', ']']);
    let next = "check the network and its DNS server: resolvectl status";
    let begun = clock::boot_micros();
    let resolved = tokio::time::timeout(NAME_PATIENCE, http.resolve(bare)).await;
    let took = clock::boot_micros().saturating_sub(begun) / 1_000_000;
    match resolved {
        Ok(Ok(0)) => Check::fail(NAME, format!("{host} has no address"), next),
        Ok(Ok(_)) if took >= SLOW_NAME => {
            let slow = format!("{host} took {took} seconds to resolve: a DNS server does not answer");
            Check::warn(NAME, slow, next)
        }
        Ok(Ok(n)) => Check::ok(NAME, format!("{host} has {n} address{}", if n == 1 { "" } else { "es" })),
        Ok(Err(error)) => Check::fail(NAME, format!("{host} can't be resolved: {error}"), next),
        Err(_) => Check::fail(NAME, format!("{host} can't be resolved: no answer within 20 seconds"), next),
    }
}

//= frameio-c2c#2
//# x-client-version, a semantic version, goes with every HTTPS call.
fn question(facts: &Facts) -> Request {
    let headers = facts.client_version.iter().map(|v| ("x-client-version", v.clone())).collect();
    Request { headers, ..Request::plain("health", Method::Get, facts.probe.clone(), PATIENCE) }
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
fn unreachable(error: &AskError, host: &str) -> [Check; 2] {
    const NAME: &str = "encryption";
    match &error.tls {
        Some(tls) => [
            Check::fail(NAME, format!("{host}: {tls}"), next_for(tls)),
            Check::skipped("provider", "there is no trusted connection"),
        ],
        None if error.trouble.cause == Cause::Proxy => [
            Check::skipped(NAME, "there is no connection"),
            Check::fail("provider", error.trouble.why.clone(), proxy::LOG_IN),
        ],
        None => [
            Check::skipped(NAME, "there is no connection"),
            Check::fail("provider", format!("{host} can't be reached: {}", error.root), ASK_NETWORK),
        ],
    }
}

fn next_for(error: &TlsError) -> &'static str {
    match error {
        TlsError::Expired(Some(Dates { is_sure: true, .. })) | TlsError::Unsupported(_) => ASK_SERVER,
        TlsError::NotYetValid(_) | TlsError::Expired(_) => SET_CLOCK,
        TlsError::UnknownIssuer(_) => {
            "use another network, or give the issuer's certificate in `provider.ca_file`; also: install ca-certificates"
        }
        TlsError::MissingIntermediate(_) => {
            "have the server send its whole chain, or give the issuer's certificate in `provider.ca_file`; also: install ca-certificates"
        }
        TlsError::SelfSigned(_) => {
            "use another network, or give the server's certificate in `provider.ca_file`, if you know it to be the right one"
        }
        TlsError::OtherName(_) => LOG_IN,
        TlsError::Refused(_) | TlsError::Handshake(_) => ASK_NETWORK,
    }
}

/// Was it the provider who answered?
fn answer(response: &Response, expected: Expected) -> Check {
    const NAME: &str = "provider";
    let status = response.status;
    match sort(response) {
        Sorted::Trouble(trouble) if trouble.cause == Cause::Proxy => {
            Check::fail(NAME, trouble.why, "use another network, or have the rig let through")
        }
        _ if expected == Expected::Any && (400..=499).contains(&status) => {
            Check::ok(NAME, format!("answers (status {status}, as it may to a stranger)"))
        }
        _ if expected == Expected::HealthIfKnown && matches!(status, 401 | 404 | 405) => Check::warn(
            NAME,
            format!("a server answers, but not to /health, as Frame.io does (status {status})"),
            "nothing, if the rig pairs and sends; else check `provider.base_url`",
        ),
        Sorted::Trouble(trouble) if trouble.cause == Cause::CaptivePortal => portal(&trouble.why),
        Sorted::Trouble(trouble) if status >= 500 || trouble.cause == Cause::RateLimited => Check::warn(
            NAME,
            format!("has trouble of its own (status {status})"),
            "wait; its status page may say more. Nothing is lost meanwhile",
        ),
        Sorted::Success if response.json::<serde_json::Map<String, serde_json::Value>>().is_some() => {
            Check::ok(NAME, "answers, and it is the provider itself")
        }
        Sorted::Success => portal("something came that is not JSON"),
        Sorted::Word(_) | Sorted::Detailed(_) | Sorted::Trouble(_) => Check::fail(
            NAME,
            format!("does not know the question (status {status})"),
            "check the provider's address in the configuration",
        ),
    }
}

fn portal(why: &str) -> Check {
    let finding = format!("a log-in page of this network answered in place of the provider: {why}");
    Check::fail("provider", finding, LOG_IN)
}

fn drift(date: Option<i64>, now: i64) -> Check {
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
    use std::io;

    use rigpost_daemon::config::Settings;
    use rustls::{AlertDescription, CertificateError};

    use super::*;

    //= frameio-c2c#2
    //= type=test
    //# x-client-version, a semantic version, goes with every HTTPS call.
    #[test]
    fn frame_io_is_told_the_version() {
        let asked = question(&Facts::from(Settings::default()));
        assert_eq!(asked.headers, [("x-client-version", env!("CARGO_PKG_VERSION").to_owned())]);
    }

    #[test]
    fn drift_is_judged() {
        let verdict = |now| drift(Some(1_790_000_000), now).verdict;
        assert_eq!(verdict(1_790_000_009), Verdict::Ok);
        assert_eq!(verdict(1_790_000_010), Verdict::Warn);
        assert_eq!(verdict(1_790_000_300), Verdict::Warn);
        assert_eq!(verdict(1_790_000_301), Verdict::Fail);
        assert_eq!(verdict(0), Verdict::Fail);
        assert!(drift(Some(100), 40).finding.starts_with("1 min behind"));
        assert_eq!(drift(None, 0).verdict, Verdict::Skipped);
    }

    #[test]
    fn a_clock_before_the_build_is_wrong() {
        assert_eq!(judge_clock(0, 1_790_000_000).verdict, Verdict::Fail);
        assert_eq!(judge_clock(1_790_000_000, 1_790_000_000).verdict, Verdict::Ok);
    }

    #[test]
    fn answers_are_judged() {
        let response = |status, kind: &str, body: &str| Response {
            status,
            content_type: kind.to_owned(),
            body: body.as_bytes().to_vec().into(),
            ..Response::default()
        };
        let verdict = |status, kind, body| {
            let check = answer(&response(status, kind, body), Expected::Health);
            (check.verdict, check.finding.contains("log-in page"))
        };
        assert_eq!(verdict(200, "application/json", r#"{"status":"ok"}"#), (Verdict::Ok, false));
        assert_eq!(verdict(200, "text/html; charset=utf-8", r#"{"status":"ok"}"#), (Verdict::Ok, false));
        assert_eq!(verdict(200, "text/html; charset=utf-8", "Welcome"), (Verdict::Fail, true));
        assert_eq!(verdict(200, "application/json", "<html>"), (Verdict::Fail, true));
        assert_eq!(verdict(200, "text/plain", "Welcome"), (Verdict::Fail, true));
        assert_eq!(verdict(302, "", ""), (Verdict::Fail, true));
        assert_eq!(verdict(511, "", ""), (Verdict::Fail, true));
        assert_eq!(verdict(403, "text/html", "<html>"), (Verdict::Fail, true));
        assert_eq!(verdict(503, "text/html", "<html>"), (Verdict::Warn, false));
        assert_eq!(verdict(429, "", ""), (Verdict::Warn, false));
        assert_eq!(verdict(404, "application/json", "{}"), (Verdict::Fail, false));
        assert_eq!(verdict(407, "text/html", "<html>"), (Verdict::Fail, false));
        let endpoint = |status, kind| answer(&response(status, kind, ""), Expected::Any).verdict;
        assert_eq!((endpoint(405, ""), endpoint(404, "text/html")), (Verdict::Ok, Verdict::Ok));
        assert_eq!((endpoint(200, "text/html"), endpoint(302, "")), (Verdict::Fail, Verdict::Fail));
        assert_eq!(endpoint(407, ""), Verdict::Fail);
    }

    #[test]
    fn a_server_in_frame_io_s_place_need_not_say_that_it_is_well() {
        for (status, kind, body, verdict, word) in [
            (404, "application/json", "{}", Verdict::Warn, "not to /health, as Frame.io does (status 404)"),
            (404, "text/html", "<html>Cannot GET /health", Verdict::Warn, "(status 404)"),
            (404, "", "", Verdict::Warn, "(status 404)"),
            (401, "application/json", "{}", Verdict::Warn, "(status 401)"),
            (200, "application/json", "{}", Verdict::Ok, "it is the provider itself"),
            (200, "text/html", "<html>Welcome", Verdict::Fail, "log-in page"),
            (302, "", "", Verdict::Fail, "log-in page"),
            (403, "text/html", "<html>", Verdict::Fail, "log-in page"),
            (503, "", "", Verdict::Warn, "trouble of its own"),
        ] {
            let body = body.as_bytes().to_vec().into();
            let response = Response { status, content_type: kind.to_owned(), body, ..Response::default() };
            let check = answer(&response, Expected::HealthIfKnown);
            assert_eq!(check.verdict, verdict, "{status} {kind}: {}", check.finding);
            assert!(check.finding.contains(word), "{status} {kind}: {}", check.finding);
        }
    }

    #[test]
    fn what_is_wrong_with_the_encryption_is_told_as_the_daemon_tells_it() {
        const TRUST: &str = "ca_file";
        let other = CertificateError::BadSignature;
        for (error, cause, next) in [
            (CertificateError::NotValidYet.into(), Cause::Clock, "timedatectl"),
            (CertificateError::Expired.into(), Cause::Clock, "timedatectl"),
            (CertificateError::UnknownIssuer.into(), Cause::Certificate, TRUST),
            (CertificateError::NotValidForName.into(), Cause::Certificate, "browser"),
            (other.into(), Cause::Certificate, "port 443"),
            (rustls::Error::HandshakeNotComplete, Cause::Network, "port 443"),
            (rustls::Error::AlertReceived(AlertDescription::HandshakeFailure), Cause::Network, "port 443"),
        ] {
            let error: rustls::Error = error;
            let shown = format!("{error:?}");
            // As deep as it comes out of a socket.
            let error = AskError::new(&io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error)));
            assert_eq!(error.trouble.cause, cause, "{shown}");
            let [encryption, provider] = unreachable(&error, "api.example.com");
            assert_eq!((encryption.verdict, provider.verdict), (Verdict::Fail, Verdict::Skipped), "{shown}");
            assert_eq!(encryption.finding, format!("api.example.com: {}", error.trouble.why), "{shown}");
            assert!(encryption.next.contains(next), "{shown}: {}", encryption.next);
        }
        let cut = AskError::new(&io::Error::from(io::ErrorKind::ConnectionReset));
        let [encryption, provider] = unreachable(&cut, "api.example.com");
        assert_eq!((encryption.verdict, provider.verdict), (Verdict::Skipped, Verdict::Fail));
        assert_eq!(cut.trouble.cause, Cause::Network);
    }
}
