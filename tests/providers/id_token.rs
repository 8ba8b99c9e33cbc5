//! Whom a rig believes to have paired it.
use futures_util::future::join_all;
use serde_json::json;

use crate::cloud::{Cloud as _, LONG, Lives, Place, SHORT, pair, paired, started};
use crate::common::*;
use crate::openid::{PERSON, Public};

#[tokio::test]
async fn the_id_token_names_the_person_and_the_issuer_is_the_project() {
    let (rig, cloud) = paired::<Public>(LONG).await;
    let shown = rig.properties(PAIRING).await;
    assert_eq!(text(&shown, "AuthorizedBy"), PERSON.1);
    assert_eq!(text(&shown, "ProjectId"), cloud.oidc.issuer());
    assert_eq!(text(&shown, "ProjectName"), "127.0.0.1");
    assert_eq!(rig.text(DEVICE, "Provider").await, "oauth");
    assert_eq!(cloud.oidc.asked("keys").await.len(), 1);
}

#[tokio::test]
async fn without_names_in_the_id_token_the_userinfo_endpoint_is_asked() {
    // As OpenID Connect has it: names are to be had there, with the access token.
    let cloud = Public::start_with(LONG, json!({ "conform": true })).await;
    let rig = cloud.rig("").start().await;
    pair(&rig, &cloud).await;
    assert_eq!(rig.text(PAIRING, "AuthorizedBy").await, PERSON.1);
}

#[tokio::test]
async fn without_an_id_token_there_is_a_pairing_and_no_name() {
    let cloud = Public::start(LONG).await;
    let rig = cloud.rig("scope = \"offline_access\"\n").start().await;
    pair(&rig, &cloud).await;
    assert_eq!(rig.text(PAIRING, "AuthorizedBy").await, "");
    assert_eq!(cloud.oidc.asked("keys").await.len(), 0);
}

#[tokio::test]
async fn keys_are_fetched_anew_once_when_the_provider_changed_them() {
    let (rig, cloud) = paired::<Public>(LONG).await;
    for rotations in 1..=2 {
        rig.unpair().await.unwrap();
        cloud.oidc.rotate_keys().await;
        pair(&rig, &cloud).await;
        assert_eq!(rig.text(PAIRING, "AuthorizedBy").await, PERSON.1);
        assert_eq!(cloud.oidc.asked("keys").await.len(), 1 + rotations);
    }
}

#[tokio::test]
async fn a_renewal_after_a_change_of_keys_is_an_ordinary_one() {
    let (rig, cloud) = paired::<Public>(SHORT).await;
    cloud.oidc.rotate_keys().await;
    let first = cloud.next(&rig, Place::Refresh, 0).await;
    cloud.next(&rig, Place::Refresh, first.n).await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
    assert_eq!(rig.text(PAIRING, "AuthorizedBy").await, PERSON.1);
    assert!(cloud.oidc.asked("keys").await.len() <= 2);
}

/// With no names in the ID token, all three documents are needed.
async fn conforming() -> (Rig, Public) {
    let cloud = Public::start_with(LONG, json!({ "conform": true })).await;
    let rig = cloud.rig("").start().await;
    (rig, cloud)
}

#[tokio::test]
async fn a_hiccup_while_keys_or_a_name_are_fetched_does_not_cost_the_name() {
    let tried = ["keys", "userinfo"].into_iter().flat_map(|place| ["reset", "503"].map(|kind| (place, kind)));
    join_all(tried.map(async |(place, kind)| {
        let (rig, cloud) = conforming().await;
        cloud.oidc.fault(place, kind, 2).await;
        pair(&rig, &cloud).await;
        let named = |p: &Dict| text(p, "AuthorizedBy") == PERSON.1;
        let shown = rig.wait(PAIRING, &format!("the name after {kind} of {place}"), named).await;
        assert_eq!((text(&shown, "State").as_str(), text(&shown, "Reason").as_str()), ("paired", "none"));
        assert_eq!(cloud.oidc.asked(place).await.len(), 3, "{place}: and no more");
        rig.log.wait(0, "who this rig is to the provider").await;
    }))
    .await;
}

#[tokio::test]
async fn a_name_that_did_not_come_before_a_restart_comes_after_it_and_the_id_token_goes() {
    let (mut rig, cloud) = conforming().await;
    cloud.oidc.fault("keys", "503", 1000).await;
    pair(&rig, &cloud).await;
    cloud.oidc.wait(0, "keys", |a| a.endpoint == "keys").await;
    rig.wait(PAIRING, "the host", |p| !text(p, "ProjectName").is_empty()).await;
    rig.kill().await;
    let kept = "SELECT name FROM sealed WHERE name = 'id_token'";
    assert_eq!(rig.column(kept), ["id_token"], "sealed");
    cloud.oidc.mend().await;
    rig.start().await;
    rig.wait(PAIRING, "the name", |p| text(p, "AuthorizedBy") == PERSON.1).await;
    rig.stop().await;
    assert_eq!(rig.column(kept), Vec::<String>::new());
}

const FORGERIES: [&str; 7] = [
    "forged-audience",
    "forged-issuer",
    "forged-expiry",
    "forged-key",
    "forged-claims",
    "forged-unsigned",
    "forged-symmetric",
];

//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# MUST exactly match the value of the iss (issuer) Claim
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The Client MUST validate that the aud (audience) Claim contains its client_id value
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The Client MUST validate the signature of all other ID Tokens
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The current time MUST be before the time represented by the exp Claim.
#[tokio::test]
async fn a_forged_id_token_is_not_believed_at_the_pairing() {
    let tried = FORGERIES.map(async |kind| {
        let (rig, cloud) = started::<Public>(LONG).await;
        // Answers without tokens stay as they are.
        cloud.oidc.fault("token-poll", kind, 1000).await;
        let code = rig.start_pairing().await;
        cloud.approve(&rig, &code).await;
        let told = |p: &Dict| !text(p, "ProjectName").is_empty();
        let shown = rig.wait(PAIRING, kind, told).await;
        assert_eq!(
            (text(&shown, "State").as_str(), text(&shown, "Reason").as_str()),
            ("paired", "none"),
            "{kind}"
        );
        assert_eq!(text(&shown, "AuthorizedBy"), "", "{kind}");
        let line = rig.log.wait(0, "who this rig is to the provider").await;
        assert!(line.contains("WARN") && line.contains("not believed"), "{line}");
    });
    join_all(tried).await;
}

#[tokio::test]
async fn a_forged_id_token_is_not_believed_at_a_renewal() {
    let tried = FORGERIES.map(async |kind| {
        let (rig, cloud) = paired::<Public>(Lives { access: 3, ..LONG }).await;
        cloud.oidc.fault("refresh", kind, 1).await;
        let first = cloud.oidc.wait(0, kind, |a| a.fault.as_deref() == Some(kind)).await;
        cloud.next(&rig, Place::Refresh, first.n).await;
        assert_eq!(rig.state().await, "paired", "{kind}");
        assert_eq!(rig.text(PAIRING, "AuthorizedBy").await, PERSON.1, "{kind}");
    });
    join_all(tried).await;
}
