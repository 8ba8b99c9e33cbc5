//! Where an OpenID provider is asked, and for what.
use serde_json::json;

use crate::cloud::{Cloud as _, LONG, Place, pair, paired};
use crate::common::*;
use crate::openid::{PERSON, Post, Public};

const AUDIENCE: &str = "https://scores.example/";

#[tokio::test]
async fn the_request_for_a_code_says_what_is_configured() {
    let cloud = Public::start(LONG).await;
    let more = "scope = \"openid email offline_access\"\naudience = \"https://scores.example/\"\n\
                parameters = [\"prompt=consent\", \"acr_values=a=b c\"]\n";
    let rig = cloud.rig(more).start().await;
    pair(&rig, &cloud).await;
    let asked = &cloud.oidc.asked("device-code").await[0];
    let mut sent: Vec<(&str, &str)> = asked.form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    sent.sort_unstable();
    let wanted = [
        ("acr_values", "a=b c"),
        ("audience", AUDIENCE),
        ("client_id", "public"),
        ("prompt", "consent"),
        ("scope", "openid email offline_access"),
    ];
    assert_eq!(sent, wanted);
    for poll in cloud.oidc.asked("token-poll").await {
        assert_eq!((poll.field("audience"), poll.field("prompt")), ("", ""), "{poll:?}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.3
//= type=test
//# The client SHOULD request access tokens with the minimal scope necessary.
#[tokio::test]
async fn by_default_a_rig_asks_who_it_is_and_for_a_refresh_token() {
    let (_rig, cloud) = paired::<Public>(LONG).await;
    let asked = &cloud.oidc.asked("device-code").await[0];
    assert_eq!(asked.field("scope"), "openid profile offline_access");
    assert_eq!(asked.form.len(), 2, "client_id and scope: {asked:?}");
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.2
//= type=test
//# If no value is provided, clients MUST use 5 as the default.
#[tokio::test]
async fn without_an_interval_a_poll_waits_five_seconds() {
    let cloud = Public::start(LONG).await;
    cloud.oidc.edit(json!({})).await;
    let rig = cloud.rig("").start().await;
    rig.start_pairing().await;
    let code = cloud.next(&rig, Place::Code, 0).await;
    let first = cloud.next(&rig, Place::Poll, 0).await;
    let second = cloud.next(&rig, Place::Poll, first.n).await;
    assert!(first.ms - code.ms >= 5000, "{} ms", first.ms - code.ms);
    assert!((5000..8000).contains(&(second.ms - first.ms)), "{} ms", second.ms - first.ms);
}

#[tokio::test]
async fn the_metadata_is_asked_for_once() {
    let (rig, cloud) = paired::<Public>(LONG).await;
    rig.unpair().await.unwrap();
    pair(&rig, &cloud).await;
    assert_eq!(cloud.oidc.asked("discovery").await.len(), 1);
}

#[tokio::test]
async fn metadata_of_rfc_8414_does_where_there_is_none_of_openid() {
    let cloud = Public::start(LONG).await;
    cloud.oidc.fault("discovery", "404", 1).await;
    let rig = cloud.rig("").start().await;
    pair(&rig, &cloud).await;
    let asked = cloud.oidc.asked("discovery").await;
    let paths: Vec<&str> = asked.iter().map(|a| a.path.as_str()).collect();
    assert_eq!(paths, ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]);
    assert_eq!(rig.text(PAIRING, "AuthorizedBy").await, PERSON.1);
}

#[tokio::test]
async fn endpoints_by_hand_need_no_metadata() {
    let cloud = Post::start(LONG).await;
    cloud.oidc.fault("discovery", "404", 1000).await;
    let at = cloud.oidc.issuer();
    let section = format!(
        "kind = \"oauth\"\nclient_id = \"post\"\nclient_auth = \"client_secret_post\"\n\
         device_authorization_endpoint = \"{at}/device/auth\"\ntoken_endpoint = \"{at}/token\"\n\
         revocation_endpoint = \"{at}/token/revocation\"\n"
    );
    let rig = Setup { provider: Some(section), ..Setup::new() }.start().await;
    rig.provision(Post::SECRET.unwrap()).await.unwrap();
    pair(&rig, &cloud).await;
    rig.unpair().await.unwrap();
    assert_eq!(cloud.next(&rig, Place::Revoke, 0).await.status, Some(200));
    assert_eq!(cloud.oidc.asked("discovery").await.len(), 0);
}

#[tokio::test]
async fn a_provider_that_offers_no_revocation_is_not_said_to_have_revoked_anything() {
    let cloud = Post::start(LONG).await;
    let at = cloud.oidc.issuer();
    let section = format!(
        "kind = \"oauth\"\nclient_id = \"post\"\nclient_auth = \"client_secret_post\"\n\
         device_authorization_endpoint = \"{at}/device/auth\"\ntoken_endpoint = \"{at}/token\"\n"
    );
    let rig = Setup { provider: Some(section), ..Setup::new() }.start().await;
    rig.provision(Post::SECRET.unwrap()).await.unwrap();
    pair(&rig, &cloud).await;
    assert_eq!(rig.unpair_and_hear().await, "not-offered");
    assert_eq!(cloud.oidc.asked("revoke").await.len(), 0);
    assert_eq!(rig.unpair_and_hear().await, "nothing");
}

//= https://www.rfc-editor.org/rfc/rfc8414#section-3.3
//= type=test
//# The "issuer" value returned MUST be identical
//= https://www.rfc-editor.org/rfc/rfc8414#section-3.3
//= type=test
//# If these values are not identical, the data contained in the response MUST NOT be used.
#[tokio::test]
async fn the_metadata_of_another_issuer_are_not_followed() {
    let cloud = Public::start(LONG).await;
    cloud.oidc.edit(json!({ "discovery": { "issuer": "https://issuer.example" } })).await;
    let rig = cloud.rig("").start().await;
    let refused = rig.ask_to_pair().await.unwrap_err();
    assert_eq!(refused.name, "Configuration", "{}", refused.text);
    assert!(refused.text.contains("issuer.example"), "{}", refused.text);
    assert_eq!(cloud.oidc.asked("device-code").await.len(), 0);
}

#[tokio::test]
async fn metadata_that_do_not_come_are_named_and_asked_for_again() {
    let cases = [("503", "ProviderError"), ("html", "CaptivePortal"), ("reset", "NetworkUnavailable")];
    let tried = cases.map(async |(fault, error)| {
        let cloud = Public::start(LONG).await;
        cloud.oidc.fault("discovery", fault, 1000).await;
        let rig = cloud.rig("").start().await;
        assert_eq!(rig.ask_to_pair().await.unwrap_err().name, error, "{fault}");
        cloud.oidc.mend().await;
        pair(&rig, &cloud).await;
    });
    futures_util::future::join_all(tried).await;
}
