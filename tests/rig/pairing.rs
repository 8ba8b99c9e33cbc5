//! Pairing, from the wish to the grant, on a whole rig: what the person sees, and what the cloud and the network do.
use std::time::Duration;

use futures_util::future::join_all;
use rigpost_sim::{Endpoint, EventKind, Fault, HoldPoint, TlsValidity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::common::*;

fn fault(spec: &str) -> Fault {
    spec.parse().unwrap()
}

#[tokio::test]
async fn a_person_types_the_code_and_the_rig_is_paired() {
    let rig = Setup::new().provisioned().await;
    assert_eq!(rig.state().await, "unpaired");
    let code = rig.start_pairing().await;
    assert_eq!(rig.state().await, "waiting-for-user");
    // The person takes longer than one poll.
    let first = rig.event(0, Endpoint::TokenPoll, EventKind::Replied).await;
    assert_eq!(first.error.as_deref(), Some("authorization_pending"));
    assert_eq!((rig.code().await, rig.reason().await), (code.clone(), "none".to_owned()));
    rig.sim.approve(&code, PROJECT).unwrap();
    let shown = rig.wait_state("paired").await;
    assert_eq!(text(&shown, "UserCode"), "");
    rig.wait_project(PROJECT).await;
    let shown = rig.properties(PAIRING).await;
    assert_ne!(text(&shown, "AuthorizedBy"), "");
    assert_ne!(text(&shown, "DeviceName"), "");
    assert_eq!(rig.sim.devices().len(), 1);
    assert_eq!(rig.sim.devices()[0].client_id, rig.device_id().await);
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "AlreadyPaired");
}

#[tokio::test]
async fn nobody_pairs_a_rig_that_has_no_secret() {
    let rig = Setup::new().start().await;
    assert_eq!(rig.state().await, "unprovisioned");
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "NotProvisioned");
    assert_eq!(rig.called(Endpoint::DeviceCode), 0);
}

#[tokio::test]
async fn a_second_start_shows_the_code_that_is_there() {
    let rig = Setup::new().provisioned().await;
    let code = rig.start_pairing().await;
    assert_eq!(rig.start_pairing().await, code);
    assert_eq!(rig.called(Endpoint::DeviceCode), 1);
}

//= frameio-c2c#3.1
//= type=test
//# Each request for a code has a TCP connection of its own.
//= frameio-c2c#3.2
//= type=test
//# expired_token: another code is asked for on a new connection, and shown.
#[tokio::test]
async fn a_code_that_runs_out_is_replaced_by_a_new_one_on_a_fresh_connection() {
    let rig = Setup::cloud(|c| c.code_expires_in = 2.0).provisioned().await;
    let first = rig.start_pairing().await;
    let replaced = |p: &Dict| !text(p, "UserCode").is_empty() && text(p, "UserCode") != first;
    let shown = rig.wait(PAIRING, "another code", replaced).await;
    assert_eq!(text(&shown, "State"), "waiting-for-user");
    rig.sim.approve(&text(&shown, "UserCode"), PROJECT).unwrap();
    rig.wait_project(PROJECT).await;
    let asked: Vec<_> = rig.sim.log().into_iter().filter(|e| e.endpoint == Endpoint::DeviceCode).collect();
    assert!(asked.iter().all(|e| e.request == 1), "each is the first on its connection: {asked:#?}");
}

#[tokio::test]
async fn a_person_refuses_and_the_rig_says_so() {
    let rig = Setup::new().provisioned().await;
    let code = rig.start_pairing().await;
    rig.sim.deny(&code).unwrap();
    rig.wait_reason("denied").await;
    assert_eq!(rig.state().await, "unpaired");
    // And it can be tried again.
    rig.pair().await;
    assert_eq!(rig.reason().await, "none");
}

#[tokio::test]
async fn slow_down_adds_five_seconds_to_every_later_wait() {
    let rig = Setup::cloud(|c| c.faults.push(fault("token-poll:slow_down"))).provisioned().await;
    let code = rig.start_pairing().await;
    let slowed = rig.event(0, Endpoint::TokenPoll, EventKind::Replied).await;
    assert_eq!(rig.code().await, code);
    let second = rig.event(slowed.n, Endpoint::TokenPoll, EventKind::Received).await;
    assert!(second.ms - slowed.ms >= 6000, "{} ms after slow_down", second.ms - slowed.ms);
    rig.sim.approve(&code, PROJECT).unwrap();
    rig.wait_project(PROJECT).await;
    let third = rig.event(second.n, Endpoint::TokenPoll, EventKind::Received).await;
    assert!(third.ms - second.ms >= 6000, "{} ms later", third.ms - second.ms);
}

//= frameio-c2c#3.2
//= type=test
//# expired_token: another code is asked for on a new connection, and shown.
#[tokio::test]
async fn a_code_that_the_server_calls_dead_is_replaced() {
    let dead = ["token-poll:expired_token", "token-poll:invalid_grant:2"].map(async |spec| {
        let rig = Setup::cloud(|c| c.faults.push(fault(spec))).provisioned().await;
        let first = rig.start_pairing().await;
        let other = |p: &Dict| !text(p, "UserCode").is_empty() && text(p, "UserCode") != first;
        let shown = rig.wait(PAIRING, "another code", other).await;
        rig.sim.approve(&text(&shown, "UserCode"), PROJECT).unwrap();
        rig.wait_project(PROJECT).await;
    });
    join_all(dead).await;
}

#[tokio::test]
async fn a_wrong_secret_is_named_and_a_right_one_mends_it() {
    let rig = Setup::new().start().await;
    rig.provision("not-the-secret").await.unwrap();
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "ClientRejected");
    assert_eq!(
        (rig.state().await, rig.reason().await),
        ("unpaired".to_owned(), "client-rejected".to_owned())
    );
    assert!(rig.blockers().await.contains(&"client-rejected".to_owned()));
    rig.provision(SECRET).await.unwrap();
    assert_eq!(rig.reason().await, "none");
    rig.pair().await;
}

/// What the answer to the code request may be, and what the person is told when it stays so.
#[tokio::test]
async fn every_bad_answer_to_the_code_request_has_its_name() {
    let cases = [
        ("reset", "NetworkUnavailable", "network"),
        ("lost-answer", "NetworkUnavailable", "network"),
        ("reset-mid-body", "NetworkUnavailable", "network"),
        ("stall", "NetworkUnavailable", "network"),
        ("500", "ProviderError", "provider"),
        ("503", "ProviderError", "provider"),
        ("429", "RateLimited", "provider"),
        ("html-404", "CaptivePortal", "captive-portal"),
        ("captive-portal", "CaptivePortal", "captive-portal"),
        ("redirect", "CaptivePortal", "captive-portal"),
        ("garbage", "ProviderError", "provider"),
        ("oversized", "ProviderError", "provider"),
        ("wrong-types", "ProviderError", "provider"),
        ("missing-fields", "ProviderError", "provider"),
        ("bad_request", "Configuration", "configuration"),
        ("slow_down", "RateLimited", "provider"),
    ];
    let tried = cases.map(async |(kind, error, reason)| {
        let spec = format!("device-code:{kind}:forever");
        let rig = Setup::cloud(|c| c.faults.push(fault(&spec))).provisioned().await;
        let asked = tokio::time::timeout(Duration::from_secs(25), rig.ask_to_pair());
        let refused = asked.await.unwrap_or_else(|_| panic!("{kind}: no answer in 25 s")).unwrap_err();
        assert_eq!(refused.name, error, "{kind}: {}", refused.text);
        assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("unpaired", reason), "{kind}");
        // The cloud comes back.
        rig.sim.clear_faults();
        rig.pair().await;
        assert_eq!(rig.reason().await, "none");
    });
    join_all(tried).await;
}

#[tokio::test]
async fn numbers_beyond_reason_do_not_confuse_a_rig() {
    let tried = ["device-code:negative-numbers", "device-code:huge-numbers"].map(async |spec| {
        let rig = Setup::cloud(|c| c.faults.push(fault(spec))).provisioned().await;
        // Refused and asked again, or taken within bounds: there is a code, and the next is an ordinary one.
        rig.ask_to_pair().await.unwrap();
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec.unsigned_abs();
        let until: u64 = rig.get(PAIRING, "CodeExpiresAt").await;
        assert!(until / 1_000_000 <= now + 3600, "{spec}: no code is good for longer than an hour");
        rig.cancel_pairing().await.unwrap();
        rig.pair().await;
    });
    join_all(tried).await;
}

//= frameio-c2c#3.2
//= type=test
//# Trouble with the network ends no pairing: polls come less often, and go on until the code has run out.
#[tokio::test]
async fn trouble_with_one_poll_never_ends_a_pairing() {
    let cases = [
        ("reset", "network"),
        ("500", "provider"),
        ("503", "provider"),
        ("429", "provider"),
        ("html-404", "captive-portal"),
        ("captive-portal", "captive-portal"),
        ("redirect", "captive-portal"),
        ("garbage", "provider"),
        ("oversized", "provider"),
        ("detailed=403", "provider"),
        ("missing-fields", "provider"),
    ];
    let tried = cases.map(async |(kind, reason)| {
        let spec = format!("token-poll:{kind}");
        let rig = Setup::cloud(|c| c.faults.push(fault(&spec))).provisioned().await;
        let code = rig.start_pairing().await;
        let shown = rig.wait_reason(reason).await;
        assert_eq!(
            (text(&shown, "State").as_str(), text(&shown, "UserCode")),
            ("waiting-for-user", code.clone())
        );
        rig.sim.approve(&code, PROJECT).unwrap();
        rig.wait_project(PROJECT).await;
        assert_eq!(rig.reason().await, "none", "{kind}");
    });
    join_all(tried).await;
}

#[tokio::test]
async fn a_stalled_poll_is_given_up_and_the_pairing_goes_on() {
    let rig = Setup::cloud(|c| c.faults.push(fault("token-poll:stall"))).provisioned().await;
    let code = rig.start_pairing().await;
    rig.sim.approve(&code, PROJECT).unwrap();
    rig.wait_project(PROJECT).await;
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# If the client receives an error response with any other error code, it MUST stop polling
//= frameio-c2c#3.2
//= type=test
//# invalid_client to a poll is a mistake of the configuration and ends the pairing.
#[tokio::test]
async fn final_words_to_a_poll_end_the_pairing_with_their_reason() {
    let cases = [
        ("access_denied", "denied"),
        ("invalid_client", "client-rejected"),
        ("bad_request", "configuration"),
        ("invalid_request", "configuration"),
    ];
    let tried = cases.map(async |(word, reason)| {
        let spec = format!("token-poll:{word}");
        let rig = Setup::cloud(|c| c.faults.push(fault(&spec))).provisioned().await;
        rig.ask_to_pair().await.unwrap();
        let shown = rig.wait_reason(reason).await;
        assert_eq!(
            (text(&shown, "State").as_str(), text(&shown, "UserCode").as_str()),
            ("unpaired", ""),
            "{word}"
        );
        rig.pair().await;
    });
    join_all(tried).await;
}

#[tokio::test]
async fn a_grant_whose_answer_is_lost_leads_to_a_new_code() {
    let rig = Setup::new().provisioned().await;
    let code = rig.start_pairing().await;
    rig.sim.inject(fault("token-poll:lost-answer"));
    rig.sim.approve(&code, PROJECT).unwrap();
    let other = |p: &Dict| !text(p, "UserCode").is_empty() && text(p, "UserCode") != code;
    let shown = rig.wait(PAIRING, "another code", other).await;
    rig.sim.approve(&text(&shown, "UserCode"), PROJECT).unwrap();
    rig.wait_project(PROJECT).await;
}

//= frameio-c2c#7
//= type=test
//# An authorization can be cancelled at every step.
#[tokio::test]
async fn a_pairing_can_be_cancelled_at_every_step() {
    let rig = Setup::new().provisioned().await;
    // Nothing runs.
    rig.cancel_pairing().await.unwrap();
    // The code is on its way.
    rig.sim.hold(HoldPoint::Next(Endpoint::DeviceCode, EventKind::Effect));
    let (asked, ()) = tokio::join!(rig.ask_to_pair(), async {
        rig.held().await;
        assert_eq!(rig.state().await, "requesting-code");
        rig.cancel_pairing().await.unwrap();
    });
    assert_eq!(asked.unwrap_err().name, "Cancelled");
    assert_eq!(rig.state().await, "unpaired");
    rig.sim.release();
    // A code is on the screen.
    rig.start_pairing().await;
    rig.cancel_pairing().await.unwrap();
    assert_eq!((rig.state().await.as_str(), rig.code().await.as_str()), ("unpaired", ""));
    // A poll is under way that brings the grant.
    let code = rig.start_pairing().await;
    rig.sim.approve(&code, PROJECT).unwrap();
    rig.sim.hold(HoldPoint::Next(Endpoint::TokenPoll, EventKind::Effect));
    rig.held().await;
    rig.cancel_pairing().await.unwrap();
    rig.sim.release();
    assert_eq!(rig.state().await, "unpaired");
    // The next request is due after trouble.
    rig.sim.inject(fault("device-code:500:forever"));
    let (asked, ()) = tokio::join!(rig.ask_to_pair(), async {
        rig.wait_reason("provider").await;
        rig.cancel_pairing().await.unwrap();
    });
    assert_eq!(asked.unwrap_err().name, "Cancelled");
    rig.sim.clear_faults();
    rig.pair().await;
}

//= frameio-c2c#3.1
//= type=test
//# A user_code is a text of six digits, which may begin with zeros.
#[tokio::test]
async fn leading_zeros_of_a_code_are_kept() {
    let rig = Setup::new().provisioned().await;
    // Half of this cloud's codes begin with one.
    for _ in 0..60 {
        let code = rig.start_pairing().await;
        assert_eq!(rig.sim.codes().last().unwrap().user_code, code);
        if code.starts_with('0') {
            rig.sim.approve(&code, PROJECT).unwrap();
            rig.wait_project(PROJECT).await;
            return;
        }
        rig.cancel_pairing().await.unwrap();
    }
    panic!("no code began with a zero");
}

#[tokio::test]
async fn a_killed_daemon_goes_on_with_the_same_code_and_collects_the_grant() {
    let mut rig = Setup::new().provisioned().await;
    let code = rig.start_pairing().await;
    rig.kill_and_start().await;
    assert_eq!((rig.state().await, rig.code().await), ("waiting-for-user".to_owned(), code.clone()));
    rig.kill().await;
    rig.sim.approve(&code, PROJECT).unwrap();
    rig.start().await;
    rig.wait_project(PROJECT).await;
    assert_eq!(rig.called(Endpoint::DeviceCode), 1);
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//= type=test
//# the client SHOULD only commence a device authorization request when prompted by the user and not
//# automatically
#[tokio::test]
async fn a_cancelled_pairing_stays_cancelled_after_a_kill() {
    let mut rig = Setup::new().provisioned().await;
    rig.start_pairing().await;
    rig.cancel_pairing().await.unwrap();
    // The erasure of the code is on its way to the disk, in order before this.
    rig.provision(SECRET).await.unwrap();
    rig.kill_and_start().await;
    assert_eq!(rig.state().await, "unpaired");
    assert_eq!(rig.called(Endpoint::DeviceCode), 1);
}

//= frameio-c2c#7
//= type=test
//# The state of the network is shown.
#[tokio::test]
async fn without_a_network_the_person_is_told_in_time() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let rig = Setup { base_url: Some(closed), ..Setup::new() }.provisioned().await;
    let asked = tokio::time::timeout(Duration::from_secs(25), rig.ask_to_pair()).await;
    assert_eq!(asked.expect("an answer within 25 s").unwrap_err().name, "NetworkUnavailable");
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("unpaired", "network"));
    assert!(!rig.get::<bool>(DEVICE, "Online").await);
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//= type=test
//# All requests from the device MUST use the Transport Layer Security (TLS) protocol
#[tokio::test]
async fn https_works_with_the_certificates_named_in_the_configuration() {
    let rig = Setup::cloud(|c| c.tls = true).provisioned().await;
    assert_eq!(rig.sim.url().scheme(), "https");
    rig.pair().await;
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.9
//= type=test
//# The client MUST validate the authorization server's TLS certificate
#[tokio::test]
async fn a_certificate_of_an_authority_that_nobody_named_is_no_matter_of_the_network() {
    let rig = Setup::cloud(|c| c.tls = true).provisioned().await;
    let config = std::fs::read_to_string(rig.config()).unwrap();
    let without: Vec<&str> = config.lines().filter(|l| !l.starts_with("ca_file")).collect();
    std::fs::write(rig.config(), without.join("\n")).unwrap();
    let mut rig = rig;
    rig.restart().await;
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "NetworkUnavailable");
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("unpaired", "certificate"));
}

#[tokio::test]
async fn a_proxy_that_wants_a_log_in_is_named() {
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = Some(format!("http://{}", proxy.local_addr().unwrap()));
    let door = tokio::spawn(async move {
        loop {
            let (mut stream, _) = proxy.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\
                          Content-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let rig = Setup { base_url, ..Setup::new() }.provisioned().await;
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "NetworkUnavailable");
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("unpaired", "proxy"));
    door.abort();
}

#[tokio::test]
async fn a_certificate_of_another_time_is_a_matter_of_the_clock() {
    let tried = [TlsValidity::Expired, TlsValidity::NotYetValid].map(async |validity| {
        let rig = Setup::cloud(|c| {
            c.tls = true;
            c.tls_validity = validity;
        });
        let rig = rig.provisioned().await;
        assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "ClockUntrusted", "{validity:?}");
        assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("unpaired", "clock"));
    });
    join_all(tried).await;
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.3.1
//= type=test
//# it is RECOMMENDED for clients to still display the textual verification URI ("verification_uri")
#[tokio::test]
async fn a_web_page_for_the_code_is_offered_only_where_it_is_asked_for() {
    let with = Setup::new().provisioned().await;
    let code = with.start_pairing().await;
    let complete = with.text(PAIRING, "VerificationUriComplete").await;
    assert!(complete.contains(&code), "{complete}");
    assert_ne!(with.text(PAIRING, "VerificationUri").await, "");
    let without = Setup { url_pairing: false, ..Setup::new() }.provisioned().await;
    without.start_pairing().await;
    assert_eq!(without.text(PAIRING, "VerificationUriComplete").await, "");
    assert_eq!(without.text(PAIRING, "VerificationUri").await, "");
    without.sim.approve(&without.code().await, PROJECT).unwrap();
    without.wait_project(PROJECT).await;
}

#[tokio::test]
async fn a_time_limit_ends_a_pairing_as_expired() {
    let rig = Setup::new().provisioned().await;
    assert_eq!(rig.ask_to_pair_for(0).await.unwrap_err().name, "InvalidArgs");
    rig.ask_to_pair_for(2).await.unwrap();
    let shown = rig.wait_reason("expired").await;
    assert_eq!((text(&shown, "State").as_str(), text(&shown, "UserCode").as_str()), ("unpaired", ""));
    // The last limit is not the next one's.
    rig.pair().await;
}

//= frameio-c2c#3.2
//= type=test
//# Polls leave the secret out, as all examples do, and a setting sends it, as the reference has it.
#[tokio::test]
async fn the_secret_goes_with_the_polls_where_the_configuration_says_so() {
    let mut setup = Setup::cloud(|c| c.secret_on_poll = rigpost_sim::SecretOnPoll::Require);
    setup.secret_on_poll = true;
    setup.provisioned().await.pair().await;
    Setup::cloud(|c| c.secret_on_poll = rigpost_sim::SecretOnPoll::Refuse).provisioned().await.pair().await;
}
