//! Tokens that are bound to a key of the rig's (RFC 9449). Every proof is judged by oidc-provider.
use std::collections::HashMap;
use std::fs;

use rigpost_core::oauth::TokenSet;
use rigpost_daemon::store::Store;
use rigpost_daemon::vault::{KeySource, Vault};
use serde_json::{Value, json};
use zbus::Variant;

use crate::cloud::{LONG, SHORT, pair, paired};
use crate::common::*;
use crate::openid::{Bound, Client, InBody, InHeader, NoSecret, Provider};

const TOKENS: &str = "org.rigpost.Rigpost1.Tokens";
const KEY: &str = "dpop.key";

/// A paired rig at a provider that binds tokens; its wall clock is what libfaketime makes of `time`.
async fn bound<C: Client>(
    time: Option<&str>,
    nonce: bool,
    more: &str,
) -> (Rig, Provider<C>, Option<tempfile::NamedTempFile>) {
    let cloud = Provider::<C>::start_with(SHORT, json!({ "dpop": true, "nonce": nonce })).await;
    let mut setup = cloud.rig(more);
    let clock = time.map(|time| clock_of(&mut setup, time));
    let rig = setup.start().await;
    if let Some(secret) = C::SECRET {
        rig.provision(secret).await.unwrap();
    }
    pair(&rig, &cloud).await;
    (rig, cloud, clock)
}

/// Waits for a renewal that the provider granted.
async fn renewed<C: Client>(cloud: &Provider<C>, after: u64) -> Asked {
    let granted = |asked: &Asked| asked.endpoint == "refresh" && asked.status == Some(200);
    cloud.oidc.wait(after, "a renewal", granted).await
}

/// The words by which requests of these kinds were refused, but for "not yet".
async fn refusals<C: Client>(cloud: &Provider<C>, after: u64) -> Vec<String> {
    let log = cloud.oidc.log().await.into_iter().filter(|asked| asked.n > after);
    let proven = log.filter(|asked| ["token-poll", "refresh"].contains(&asked.endpoint.as_str()));
    proven.filter_map(|asked| asked.error).filter(|word| word != "authorization_pending").collect()
}

async fn stays_paired<C: Client>(time: Option<&str>, nonce: bool) {
    let (mut rig, cloud, _clock) = bound::<C>(time, nonce, "").await;
    // The answer with the code has shown the provider's clock, and no nonce.
    let first = if nonce { vec!["use_dpop_nonce"] } else { vec![] };
    assert_eq!(refusals(&cloud, 0).await, first, "{time:?}");
    let mut last = renewed(&cloud, 0).await;
    last = renewed(&cloud, last.n).await;
    assert_eq!(refusals(&cloud, 0).await, first, "{time:?}");
    rig.stop().await;
    let before = cloud.oidc.now().await;
    rig.start().await;
    // Another process knows neither a nonce nor the provider's clock: it is told, once.
    let again = renewed(&cloud, before.max(last.n)).await;
    let told = match (time, nonce) {
        (_, true) => vec!["use_dpop_nonce"],
        (Some(_), false) => vec!["invalid_dpop_proof"],
        (None, false) => vec![],
    };
    assert_eq!(refusals(&cloud, before).await, told, "{time:?}");
    assert_eq!(rig.state().await, "paired");
    let (early, late) = (last.proof.unwrap(), again.proof.unwrap());
    assert_eq!(early["key"], late["key"], "one key for as long as the rig lives");
    assert_ne!(early["jti"], late["jti"]);
    assert_eq!(late["htu"], format!("{}/token", cloud.oidc.issuer()));
}

async fn each_client_stays_paired(time: Option<&str>, nonce: bool) {
    tokio::join!(
        Box::pin(stays_paired::<NoSecret>(time, nonce)),
        Box::pin(stays_paired::<InBody>(time, nonce)),
        Box::pin(stays_paired::<InHeader>(time, nonce))
    );
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# The value MUST be assigned such that there is a negligible probability that the same value will be
//# assigned
//= https://www.rfc-editor.org/rfc/rfc9449#section-5
//= type=test
//# the client MUST provide a valid DPoP proof JWT in a DPoP header
//= https://www.rfc-editor.org/rfc/rfc9449#section-5
//= type=test
//# The DPoP HTTP header field MUST contain a valid DPoP proof JWT.
#[tokio::test]
async fn each_kind_of_client_stays_paired() {
    each_client_stays_paired(None, false).await;
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-5
//= type=test
//# The DPoP HTTP header field MUST contain a valid DPoP proof JWT.
#[tokio::test]
async fn each_kind_of_client_stays_paired_in_1970() {
    each_client_stays_paired(Some(EARLY), false).await;
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-5
//= type=test
//# The DPoP HTTP header field MUST contain a valid DPoP proof JWT.
#[tokio::test]
async fn each_kind_of_client_stays_paired_thirty_years_ahead() {
    each_client_stays_paired(Some("+30y"), false).await;
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# provides a DPoP-Nonce HTTP header in a response
//= https://www.rfc-editor.org/rfc/rfc9449#section-7.3
//= type=test
//# It is RECOMMENDED that clients generate a unique DPoP proof
#[tokio::test]
async fn each_kind_of_client_stays_paired_where_a_nonce_is_wanted() {
    each_client_stays_paired(None, true).await;
}

/// The card is gone and so is its key.
async fn goes_on_with_another_key<C: Client>() {
    let (mut rig, cloud, _) = bound::<C>(None, false, "").await;
    let before = renewed(&cloud, 0).await;
    rig.stop().await;
    fs::remove_file(rig.state_dir().join(KEY)).unwrap();
    let last = cloud.oidc.now().await;
    rig.start().await;
    let after = renewed(&cloud, last).await;
    assert_ne!(before.proof.unwrap()["key"], after.proof.unwrap()["key"]);
    assert_eq!((rig.state().await, refusals(&cloud, last).await), ("paired".to_owned(), vec![]));
}

#[tokio::test]
async fn a_client_with_a_secret_goes_on_with_another_key_when_its_own_is_lost() {
    tokio::join!(goes_on_with_another_key::<InBody>(), goes_on_with_another_key::<InHeader>());
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-5
//= type=test
//# such a client MUST present a DPoP proof for the same key that was used to obtain the refresh token
#[tokio::test]
async fn a_client_without_a_secret_needs_its_key_and_is_paired_anew_without_it() {
    let (mut rig, cloud, _) = bound::<NoSecret>(None, false, "").await;
    let before = renewed(&cloud, 0).await;
    rig.stop().await;
    let kept = fs::read(rig.state_dir().join(KEY)).unwrap();
    fs::remove_file(rig.state_dir().join(KEY)).unwrap();
    let last = cloud.oidc.now().await;
    rig.announce_error("the key is lost that the tokens are bound to");
    rig.start().await;
    rig.wait_state("needs-pairing").await;
    // Back in its place before anybody paired: nothing was given up.
    rig.stop().await;
    assert_eq!(cloud.oidc.asked("refresh").await.iter().filter(|asked| asked.n > last).count(), 0);
    fs::write(rig.state_dir().join(KEY), &kept).unwrap();
    rig.start().await;
    renewed(&cloud, last).await;
    // Lost for good.
    rig.stop().await;
    fs::remove_file(rig.state_dir().join(KEY)).unwrap();
    rig.start().await;
    rig.wait_state("needs-pairing").await;
    let last = cloud.oidc.now().await;
    pair(&rig, &cloud).await;
    let after = renewed(&cloud, last).await;
    assert_ne!(before.proof.unwrap()["key"], after.proof.unwrap()["key"]);
}

/// The tokens in force, by whoever has the database and the root key.
async fn opened(rig: &Rig) -> TokenSet {
    let store = Store::open(&rig.state_dir()).unwrap();
    let key = KeySource::File { path: rig.path("root.key") };
    store.attach(Some(Vault::open(&key, false).unwrap())).await.unwrap();
    store.grants().await.unwrap().tokens.unwrap().0
}

#[tokio::test]
async fn who_has_the_database_and_the_root_key_can_not_renew_the_tokens() {
    let (mut rig, cloud) = paired::<Bound>(LONG).await;
    rig.stop().await;
    let tokens = opened(&rig).await;
    let form = |token: &str| {
        let fields = [("client_id", NoSecret::ID), ("grant_type", "refresh_token"), ("refresh_token", token)];
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |body: String| {
        let request = http.post(format!("{}/token", cloud.oidc.issuer())).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap())
    };
    let (status, answer) = ask(form(tokens.refresh.as_ref().unwrap().expose())).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "{answer}");
    // Whoever has the key as well is the rig, which goes on.
    assert!(rig.state_dir().join(KEY).exists());
    let sealed = fs::read(rig.state_dir().join(KEY)).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(rig.state_dir().join(KEY)).unwrap().permissions(),
    );
    assert_eq!(mode & 0o7777, 0o600);
    assert!(!sealed.windows(9).any(|part| part == b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"), "it is sealed");
    rig.start().await;
    assert_eq!(rig.state().await, "paired");
}

/// What the rig gives to a program of the API at `/me`, which is the provider's own.
async fn ask_as_a_program<C: Client>(rig: &Rig, cloud: &Provider<C>) {
    let me = format!("{}/me?a=query", cloud.oidc.issuer());
    let plain = rig.call(TOKENS, "GetAccessToken", &(none(),)).await.unwrap_err();
    assert_eq!(plain.name, "NotSupported");
    let options = HashMap::from([("dpop", Variant::from(true))]);
    let answer = rig.call(TOKENS, "GetAccessToken", &(options,)).await.unwrap();
    let (token, _): (String, u64) = answer.body().deserialize().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |proof: Option<&str>, scheme: &str| {
        let request = http.get(&me).header("authorization", format!("{scheme} {token}"));
        let request = proof.iter().fold(request, |request, proof| request.header("dpop", *proof));
        let answer = request.send().await.unwrap();
        let nonce = answer.headers().get("dpop-nonce").map(|nonce| nonce.to_str().unwrap().to_owned());
        (answer.status().as_u16(), nonce)
    };
    let proof = async |method: &str, url: &str, nonce: &str| -> Result<String, Refused> {
        let answer = rig.call(TOKENS, "GetDPoPProof", &(method, url, nonce, none())).await?;
        Ok(answer.body().deserialize().unwrap())
    };
    assert_eq!(get(None, "Bearer").await.0, 401);
    let mut nonce = String::new();
    let (status, told) = get(Some(&proof("GET", &me, &nonce).await.unwrap()), "DPoP").await;
    if status == 401 {
        nonce = told.expect("a nonce is wanted");
        assert_eq!(get(Some(&proof("GET", &me, &nonce).await.unwrap()), "DPoP").await.0, 200);
    } else {
        assert_eq!(status, 200);
    }
    let other = [("POST", me.as_str()), ("GET", "https://elsewhere.example/me")];
    for (method, url) in other {
        let proof = proof(method, url, &nonce).await.unwrap();
        assert_ne!(get(Some(&proof), "DPoP").await.0, 200, "{method} {url}");
    }
    for (method, url, nonce) in [
        ("", me.as_str(), ""),
        ("GET\r\n", &me, ""),
        (&"G".repeat(33), &me, ""),
        ("GET", "no url", ""),
        ("GET", "file:///etc/passwd", ""),
        ("GET", &me, "a \"nonce\""),
        ("GET", &format!("https://api.example/{}", "x".repeat(4096)), ""),
    ] {
        assert_eq!(
            proof(method, url, nonce).await.unwrap_err().name,
            "InvalidArgs",
            "{method} {url} {nonce}"
        );
    }
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# When the DPoP proof is used in conjunction with the presentation of an access token
#[tokio::test]
async fn a_program_uses_a_bound_token_with_proofs_of_the_rigs() {
    for nonce in [false, true] {
        let cloud = Provider::<NoSecret>::start_with(LONG, json!({ "dpop": true, "nonce": nonce })).await;
        let setup = Setup { drop_in: "[tokens]\nallow = true\n".to_owned(), ..cloud.rig("") };
        let rig = setup.start().await;
        let refused = rig.call(TOKENS, "GetDPoPProof", &("GET", "https://a.example", "", none())).await;
        assert_eq!(refused.unwrap_err().name, "NotPaired");
        pair(&rig, &cloud).await;
        ask_as_a_program(&rig, &cloud).await;
    }
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-7
//= type=test
//# Requests to DPoP-protected resources MUST include both a DPoP proof
#[tokio::test]
async fn who_signed_in_is_asked_with_a_proof() {
    let options = json!({ "dpop": true, "nonce": true, "conform": true });
    let cloud = Provider::<NoSecret>::start_with(LONG, options).await;
    let rig = cloud.rig("").start().await;
    pair(&rig, &cloud).await;
    let shown = rig.wait(PAIRING, "a name", |p| !text(p, "AuthorizedBy").is_empty()).await;
    assert_eq!(text(&shown, "AuthorizedBy"), crate::openid::PERSON.1);
}

#[tokio::test]
async fn nothing_is_bound_where_nobody_offers_it_or_the_configuration_forbids_it() {
    let (rig, cloud) = paired::<crate::openid::Public>(SHORT).await;
    let renewal = renewed(&cloud, 0).await;
    assert!(renewal.proof.is_none() && !rig.state_dir().join(KEY).exists());
    let (rig, cloud, _) = bound::<NoSecret>(None, false, "dpop = \"never\"\n").await;
    let renewal = renewed(&cloud, 0).await;
    assert!(renewal.proof.is_none() && !rig.state_dir().join(KEY).exists());
}

/// A grant stays what it was made: the provider has changed, or the configuration.
#[tokio::test]
async fn a_grant_is_renewed_as_it_was_made() {
    let (mut rig, cloud, _) = bound::<NoSecret>(None, false, "dpop = \"never\"\n").await;
    rig.setup.provider = Some(cloud.section(""));
    rig.write_config();
    let last = cloud.oidc.now().await;
    rig.restart().await;
    assert!(renewed(&cloud, last).await.proof.is_none());
    let (mut rig, cloud, _) = bound::<NoSecret>(None, false, "").await;
    rig.setup.provider = Some(cloud.section("dpop = \"never\"\n"));
    rig.write_config();
    let last = cloud.oidc.now().await;
    rig.restart().await;
    assert!(renewed(&cloud, last).await.proof.is_some());
    assert_eq!(rig.state().await, "paired");
}

#[tokio::test]
async fn a_rig_that_is_given_back_leaves_no_key() {
    let (mut rig, cloud) = paired::<Bound>(LONG).await;
    let former = fs::read(rig.state_dir().join(KEY)).unwrap();
    rig.call(DEVICE, "Forget", &(none(),)).await.unwrap();
    assert!(!rig.state_dir().join(KEY).exists());
    // The next one has a key of its own, on disk before anything is bound to it.
    pair(&rig, &cloud).await;
    assert_ne!(fs::read(rig.state_dir().join(KEY)).unwrap(), former);
    rig.kill_and_start().await;
    assert_eq!(rig.state().await, "paired");
    let polls = cloud.oidc.asked("token-poll").await.into_iter().filter(|asked| asked.status == Some(200));
    let keys: Vec<Value> = polls.map(|asked| asked.proof.unwrap()["key"].clone()).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
}
