//! A start at which the issuer does not answer, or says something else than before.
use crate::common::*;
use crate::scripted::*;

const PLACE: &str = "/.well-known/openid-configuration";
const MOVED: &str = "/moved/token";

/// Paired by what the issuer publishes, which is on disk; off, with tokens that have to be renewed.
async fn off(cloud: &Scripted) -> Rig {
    cloud.says(PLACE, [json(200, &cloud.metadata())]);
    cloud.says(POLL, [tokens(1, 3600)]);
    let mut rig = cloud.found().start().await;
    rig.ask_to_pair().await.unwrap();
    rig.wait_state("paired").await;
    rig.log.wait(0, "says of itself is kept").await;
    assert!(rig.stop().await.success());
    assert_eq!((cloud.asked(PLACE).len(), cloud.asked(REFRESH).len()), (1, 0));
    rig.database().execute("UPDATE grant_state SET expires_in_ms = 1", []).unwrap();
    rig
}

/// What the issuer says when it has moved its token endpoint.
fn moved(cloud: &Scripted) -> String {
    json(200, &cloud.metadata().replace("/token\"", &format!("{MOVED}\"")))
}

/// What the journal says from that line on that somebody would have to look at.
fn warnings(rig: &Rig, from: usize) -> Vec<String> {
    rig.log.all().split_off(from).into_iter().filter(|line| line.contains("WARN")).collect()
}

#[tokio::test]
async fn tokens_are_renewed_after_a_start_at_which_the_issuer_is_of_no_use() {
    let cases = [SILENCE, raw(500, "", ""), raw(404, "", ""), json(200, "[]")].map(async |answer| {
        let cloud = Scripted::start().await;
        let mut rig = off(&cloud).await;
        cloud.says(PLACE, [answer.clone()]);
        cloud.says(REFRESH, [tokens(2, 3600)]);
        let before = rig.log.len();
        rig.start().await;
        cloud.wait_asked(REFRESH, 1).await;
        // Asked beside it, and what comes of that is nobody's trouble.
        cloud.wait_asked(PLACE, 2).await;
        rig.log.wait(before, "request=\"token refresh\" status=200").await;
        assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"), "{answer}");
        assert_eq!(warnings(&rig, before), [""; 0], "{answer}");
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn a_code_needs_no_issuer_that_answers() {
    let cloud = Scripted::start().await;
    let mut rig = off(&cloud).await;
    cloud.says(PLACE, [SILENCE]);
    rig.start().await;
    rig.unpair().await.unwrap();
    rig.start_pairing().await;
    rig.wait_state("paired").await;
}

#[tokio::test]
async fn an_issuer_that_has_moved_meanwhile_is_followed_before_anything_is_said() {
    let gone = [404, 405].map(|status| raw(status, "content-type: text/html\r\n", "<html>gone</html>"));
    let word = json(400, r#"{"error":"invalid_grant","error_description":"who is that"}"#);
    let cases = gone.into_iter().chain([word]).map(async |answer| {
        let cloud = Scripted::start().await;
        let mut rig = off(&cloud).await;
        // What is asked beside has no answer yet when it matters.
        cloud.says(PLACE, [SILENCE, moved(&cloud)]);
        cloud.says(REFRESH, [answer.clone()]);
        cloud.says(MOVED, [tokens(2, 2), tokens(3, 3600)]);
        let before = rig.log.len();
        rig.start().await;
        cloud.wait_asked(MOVED, 2).await;
        assert_eq!(rig.state().await, "paired", "{answer}");
        assert_eq!((cloud.asked(REFRESH).len(), warnings(&rig, before)), (1, vec![]), "{answer}");
        // From now on it is that place, also after a start at which the issuer says nothing.
        rig.log.wait(before, "says of itself is kept").await;
        cloud.says(PLACE, [SILENCE]);
        cloud.says(MOVED, [tokens(4, 3600)]);
        assert!(rig.stop().await.success());
        rig.database().execute("UPDATE grant_state SET expires_in_ms = 1", []).unwrap();
        rig.start().await;
        cloud.wait_asked(MOVED, 3).await;
        assert_eq!(cloud.asked(REFRESH).len(), 1, "{answer}");
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn the_word_of_a_place_where_the_issuer_still_is_counts() {
    let cloud = Scripted::start().await;
    let mut rig = off(&cloud).await;
    cloud.says(REFRESH, [json(400, r#"{"error":"invalid_grant"}"#)]);
    rig.start().await;
    rig.wait_state("needs-pairing").await;
    assert_eq!(cloud.asked(REFRESH).len(), 1);
}

#[tokio::test]
async fn what_one_application_was_told_is_not_another_s() {
    let cloud = Scripted::start().await;
    let mut rig = off(&cloud).await;
    cloud.says(PLACE, [raw(503, "", "")]);
    let provider = rig.setup.provider.take().unwrap();
    rig.setup.provider = Some(provider.replace("app-1", "app-2"));
    rig.write_config();
    rig.start().await;
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "ProviderError");
    assert_eq!(
        (cloud.asked(CODE).len(), cloud.asked(REFRESH).len()),
        (1, 0),
        "the one of the other application"
    );
}

#[tokio::test]
async fn an_issuer_that_says_it_is_another_one_now_is_asked_first_at_the_next_start() {
    let cloud = Scripted::start().await;
    let mut rig = off(&cloud).await;
    cloud.says(PLACE, [json(200, &cloud.metadata().replacen(&cloud.url, "https://issuer.example", 1))]);
    cloud.says(REFRESH, [tokens(2, 3600)]);
    let before = rig.log.len();
    rig.start().await;
    rig.log.wait(before, "says of itself is kept").await;
    assert_eq!(rig.column("SELECT document FROM issuer"), [""; 0]);
    assert!(rig.stop().await.success());
    rig.start().await;
    rig.unpair().await.unwrap();
    let refused = rig.ask_to_pair().await.unwrap_err();
    assert!(refused.name == "Configuration" && refused.text.contains("issuer.example"), "{}", refused.text);
}
