//! Access tokens for other programs on the rig.
use std::collections::HashMap;
use std::process::Output;
use std::time::Duration;

use futures_util::future::join_all;
use rigpost_core::time::BootTime;
use rigpost_daemon::clock::Clock;
use serde_json::json;
use zbus::Variant;

use crate::cloud::{Cloud as _, LONG, Lives, Place, pair};
use crate::common::*;
use crate::openid::Public;

const TOKENS: &str = "org.rigpost.Rigpost1.Tokens";

type Options<'a> = HashMap<&'a str, Variant<'a>>;

async fn access(rig: &Rig, options: Options<'_>) -> Result<(String, u64), Refused> {
    let answer = rig.call(TOKENS, "GetAccessToken", &(options,)).await?;
    Ok(answer.body().deserialize().unwrap())
}

fn for_seconds(seconds: u32) -> Options<'static> {
    Options::from([("min_validity", seconds.into())])
}

fn instead_of(token: &str) -> Options<'_> {
    Options::from([("refused", token.into())])
}

fn now() -> u64 {
    Clock::system().now().boot.as_micros()
}

/// A rig that gives tokens out, not paired.
async fn open(lives: Lives) -> (Rig, Public) {
    let cloud = Public::start(lives).await;
    let setup = cloud.rig("audience = \"https://scores.example/\"\n");
    let rig = Setup { drop_in: "[tokens]\nallow = true\n".to_owned(), ..setup }.start().await;
    (rig, cloud)
}

/// Waits until the token in force is half a minute old: a younger one is as fresh as it gets, and nobody's word that it is
/// refused costs a renewal.
pub(crate) async fn aged(rig: &Rig) {
    let until: u64 = rig.get(PAIRING, "AccessExpiresAt").await;
    let then = BootTime::from_micros(until).0 - Duration::from_secs(LONG.access - 31);
    Clock::system().sleep_until(BootTime(then)).await;
}

async fn open_and_paired(lives: Lives) -> (Rig, Public) {
    let (rig, cloud) = open(lives).await;
    pair(&rig, &cloud).await;
    (rig, cloud)
}

#[tokio::test]
async fn a_token_comes_with_its_end() {
    let (rig, cloud) = open_and_paired(LONG).await;
    let (token, until) = access(&rig, none()).await.unwrap();
    assert_eq!(token.split('.').count(), 3, "an access token for an API is signed");
    let left = (until - now()) / 1_000_000;
    assert!((3500..=3600).contains(&left), "{left} s left");
    assert_eq!(access(&rig, for_seconds(60)).await.unwrap(), (token.clone(), until));
    assert_eq!(cloud.answers(&rig, Place::Refresh).await.len(), 0);
    assert!(!rig.log.all().iter().any(|line| line.contains(&token)), "it stays out of the journal");
}

#[tokio::test]
async fn nobody_gets_a_token_unless_the_configuration_says_so() {
    let cloud = Public::start(LONG).await;
    let rig = cloud.rig("").start().await;
    assert_eq!(access(&rig, none()).await.unwrap_err().name, "NotAllowed");
    pair(&rig, &cloud).await;
    assert_eq!(access(&rig, none()).await.unwrap_err().name, "NotAllowed");
}

//= frameio-c2c#2
//= type=test
//# client_secret, access token and refresh token are not within the user's reach.
#[tokio::test]
async fn frame_io_s_tokens_need_two_words() {
    let rig = Setup::new().paired().await;
    assert_eq!(access(&rig, none()).await.unwrap_err().name, "NotAllowed");
    let both = "[tokens]\nallow = true\nallow_frameio = true\n".to_owned();
    let rig = Setup { drop_in: both, ..Setup::new() }.paired().await;
    assert_ne!(access(&rig, none()).await.unwrap().0, "");
}

#[tokio::test]
async fn a_rig_that_is_not_paired_has_no_token() {
    let (rig, cloud) = open(LONG).await;
    assert_eq!(access(&rig, none()).await.unwrap_err().name, "NotPaired");
    rig.start_pairing().await;
    assert_eq!(access(&rig, none()).await.unwrap_err().name, "NotPaired");
    cloud.approve(&rig, &rig.code().await).await;
    rig.wait_project(&cloud.project()).await;
    access(&rig, none()).await.unwrap();
    rig.unpair().await.unwrap();
    assert_eq!(access(&rig, none()).await.unwrap_err().name, "NotPaired");
}

#[tokio::test]
async fn who_needs_longer_gets_a_fresh_one_and_all_callers_share_it() {
    let (rig, cloud) = open_and_paired(LONG).await;
    let (old, _) = access(&rig, none()).await.unwrap();
    assert_eq!(access(&rig, for_seconds(3600)).await.unwrap().0, old);
    aged(&rig).await;
    assert_eq!(access(&rig, for_seconds(3000)).await.unwrap().0, old);
    let all = join_all((0..8).map(|_| access(&rig, for_seconds(3590)))).await;
    let (new, until) = all[0].clone().unwrap();
    assert_ne!(new, old);
    assert!(until > now() + 3_590_000_000);
    assert!(all.iter().all(|one| one.as_ref() == Ok(&(new.clone(), until))), "{all:?}");
    assert_eq!(cloud.answers(&rig, Place::Refresh).await.len(), 1);
}

#[tokio::test]
async fn longer_than_tokens_live_is_too_much() {
    let (rig, cloud) = open_and_paired(Lives { access: 60, ..LONG }).await;
    for _ in 0..3 {
        assert_eq!(access(&rig, for_seconds(600)).await.unwrap_err().name, "LimitsExceeded");
    }
    let renewed = cloud.answers(&rig, Place::Refresh).await.len();
    assert!(renewed <= 1, "{renewed} renewals for nothing");
    access(&rig, for_seconds(10)).await.unwrap();
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_for_all_who_hold_it() {
    let (rig, cloud) = open_and_paired(LONG).await;
    let (old, _) = access(&rig, none()).await.unwrap();
    assert_eq!(access(&rig, instead_of(&old)).await.unwrap_err().name, "RateLimited");
    aged(&rig).await;
    let all = join_all((0..8).map(|_| access(&rig, instead_of(&old)))).await;
    let new = all[0].clone().unwrap().0;
    assert_ne!(new, old);
    assert!(all.iter().all(|one| one.as_ref().is_ok_and(|(token, _)| *token == new)), "{all:?}");
    // Somebody who comes late with the old one, or with none of ours, costs nothing.
    for token in [&old[..], "nothing.of.ours"] {
        assert_eq!(access(&rig, instead_of(token)).await.unwrap().0, new);
    }
    assert_eq!(cloud.answers(&rig, Place::Refresh).await.len(), 1);
}

#[tokio::test]
async fn trouble_has_its_name_and_costs_nothing() {
    let cases = [("reset", "NetworkUnavailable"), ("503", "ProviderError"), ("html", "CaptivePortal")];
    let tried = cases.map(async |(fault, error)| {
        let (rig, cloud) = open_and_paired(LONG).await;
        let (old, _) = access(&rig, none()).await.unwrap();
        aged(&rig).await;
        cloud.oidc.fault("refresh", fault, 1000).await;
        let asked = tokio::time::timeout(Duration::from_secs(25), access(&rig, instead_of(&old)));
        let refused = asked.await.expect("an answer within 25 s").unwrap_err();
        assert_eq!(refused.name, error, "{}", refused.text);
        assert_eq!(rig.state().await, "paired");
        // Who can use it may have it.
        assert_eq!(access(&rig, none()).await.unwrap().0, old);
        cloud.oidc.mend().await;
        rig.wait_reason("none").await;
        assert_ne!(access(&rig, instead_of(&old)).await.unwrap().0, old);
    });
    join_all(tried).await;
}

#[tokio::test]
async fn an_end_upstream_is_noticed_by_who_asks() {
    let (rig, cloud) = open_and_paired(LONG).await;
    let (old, _) = access(&rig, none()).await.unwrap();
    aged(&rig).await;
    cloud.revoke(&rig).await;
    assert_eq!(access(&rig, instead_of(&old)).await.unwrap_err().name, "NotPaired");
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("needs-pairing", "revoked"));
}

#[tokio::test]
async fn nonsense_is_refused_by_name() {
    let (rig, _cloud) = open_and_paired(LONG).await;
    let bad = [
        Options::from([("min_validity", Variant::from("long"))]),
        Options::from([("refused", Variant::from(""))]),
        Options::from([("scope", Variant::from("more"))]),
    ];
    for options in bad {
        assert_eq!(access(&rig, options).await.unwrap_err().name, "InvalidArgs");
    }
}

#[tokio::test]
async fn a_provider_without_refresh_tokens_and_without_lifetimes_serves_too() {
    let cloud = Public::start(LONG).await;
    let bare = json!({ "refresh_token": null, "expires_in": null });
    cloud.oidc.edit(json!({ "device-code": { "interval": 1 }, "token-poll": bare })).await;
    let setup = Setup { drop_in: "[tokens]\nallow = true\n".to_owned(), ..cloud.rig("") };
    let mut rig = setup.start().await;
    pair(&rig, &cloud).await;
    let (token, _) = access(&rig, none()).await.unwrap();
    rig.kill_and_start().await;
    rig.wait_project(&cloud.project()).await;
    assert_eq!(access(&rig, none()).await.unwrap().0, token);
    assert_eq!(cloud.answers(&rig, Place::Refresh).await.len(), 0);
    // Nothing else is there to revoke.
    rig.unpair().await.unwrap();
    let revoked = cloud.oidc.next(0, "revoke").await;
    assert_eq!((revoked.status, revoked.field("token_type_hint")), (Some(200), "access_token"));
}

#[tokio::test]
async fn a_provider_that_keeps_its_refresh_token_forgives_a_lost_answer() {
    let (rig, cloud) = open_and_paired(LONG).await;
    cloud.oidc.change(json!({ "rotate": false })).await;
    let (old, _) = access(&rig, none()).await.unwrap();
    aged(&rig).await;
    cloud.oidc.fault("refresh", "lost", 1).await;
    let _ = access(&rig, instead_of(&old)).await;
    let good = |a: &Asked| a.endpoint == "refresh" && a.fault.is_none() && a.status == Some(200);
    cloud.oidc.wait(0, "a second renewal", good).await;
    rig.wait_reason("none").await;
    assert_ne!(access(&rig, none()).await.unwrap().0, old);
    assert_eq!(rig.state().await, "paired");
}

/// Calls the method as a user who is in these groups.
async fn as_member(rig: &Rig, groups: &str) -> (u32, Output) {
    let mut command = rig.bus.as_user("nobody", groups, "busctl");
    command.arg(format!("--address={}", rig.bus.address));
    command.args(["call", NAME, PATH, TOKENS, "GetAccessToken", "a{sv}", "0"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id().unwrap();
    (pid, soon("busctl", child.wait_with_output()).await.unwrap())
}

#[tokio::test]
async fn only_members_of_the_group_get_a_token_and_the_journal_says_who() {
    let (rig, _cloud) = open_and_paired(LONG).await;
    let (token, _) = access(&rig, none()).await.unwrap();
    for groups in ["", "rigpost-ui"] {
        let (_, denied) = as_member(&rig, groups).await;
        let said = String::from_utf8_lossy(&denied.stderr).to_lowercase();
        assert!(!denied.status.success() && said.contains("denied"), "{groups}: {said}");
    }
    let before = rig.log.len();
    let (pid, given) = as_member(&rig, "rigpost-token").await;
    assert!(given.status.success(), "{given:?}");
    assert!(String::from_utf8_lossy(&given.stdout).contains(&token));
    let line = rig.log.wait(before, &pid.to_string()).await;
    let uid = std::process::Command::new("id").args(["-u", "nobody"]).output().unwrap().stdout;
    assert!(line.contains(String::from_utf8(uid).unwrap().trim()), "{line}");
    assert!(!rig.log.all().iter().any(|line| line.contains(&token)));
}
