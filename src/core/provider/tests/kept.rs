//! What an issuer said before a start, used after it.
use serde_json::{Value, json as value};

use super::id_token::{Signer, ask, claims, openid};
use super::oauth::*;
use super::*;
use crate::provider::exchange::Step;
use crate::provider::kept::{Document, KeptDocument, MOST};
use crate::time::{BootId, BootTime, WallTime};

const PLACE: &str = "/.well-known/openid-configuration";
const DAY: u64 = 86_400;

/// So many seconds after the first start, in the run of that number.
fn at(run: u128, seconds: u64) -> Now {
    let boot = BootTime(Duration::from_secs(seconds));
    Now { boot_id: BootId(run), boot, wall: WallTime(1_790_000_000 + seconds.cast_signed()) }
}

/// As the issuer answers: its document, and at each other place what the case says.
fn issuer<'a>(
    document: &'a Value,
    elsewhere: impl Fn(&str) -> Response + 'a,
) -> impl FnMut(&str) -> Response + 'a {
    move |url| match url.strip_prefix(ISSUER).unwrap() {
        PLACE => json(200, &document.to_string()),
        other => elsewhere(other),
    }
}

/// Everything but its tokens is in trouble.
fn silent(path: &str) -> Response {
    if path.ends_with("/token") { json(200, TOKENS) } else { json(503, "") }
}

const TOKENS: &str = r#"{"access_token":"at","token_type":"Bearer"}"#;

fn refresh(p: &Provider) -> Step<TokenResponse> {
    p.refresh(&app(false), &renewal("rt"))
}

/// What a rig keeps that has heard this document, in its first run.
fn kept(document: &Value) -> Vec<KeptDocument> {
    let p = openid();
    assert!(play(refresh(&p), issuer(document, silent)).1.is_ok());
    p.news(at(1, 0))
}

/// The rig after a start, with what it has kept.
fn started(kept: &[KeptDocument], now: Now) -> Provider {
    let p = openid();
    p.remember(kept.to_vec(), now);
    p
}

/// Which places it asks, without the issuer.
fn paths(asked: &[String]) -> Vec<&str> {
    asked.iter().map(|url| url.strip_prefix(ISSUER).unwrap()).collect()
}

fn moved() -> Value {
    let mut document = metadata(ISSUER);
    for name in ["device_authorization_endpoint", "token_endpoint", "jwks_uri"] {
        let old = document[name].as_str().unwrap().replace("/found/", "/moved/");
        document[name] = old.into();
    }
    document
}

#[test]
fn what_is_kept_is_what_is_read_and_nothing_else() {
    let mut document = metadata(ISSUER);
    document["revocation_endpoint"] = format!("{ISSUER}/found/revoke").into();
    document["userinfo_endpoint"] = format!("{ISSUER}/found/who").into();
    document["dpop_signing_alg_values_supported"] = value!(["RS256", "ES256"]);
    let kept = kept(&document);
    let [KeptDocument { document: Document::Metadata, from, text: Some(text), said }] = &kept[..] else {
        panic!("{kept:?}")
    };
    assert_eq!((from.as_str(), *said), ("https://login.example/", at(1, 0)));
    document.as_object_mut().unwrap().remove("grant_types_supported");
    document["dpop_signing_alg_values_supported"] = value!(["ES256"]);
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), document);
}

#[test]
fn an_issuer_that_is_silent_at_a_start_is_not_waited_for() {
    let p = started(&kept(&metadata(ISSUER)), at(2, 60));
    let (asked, tokens) = play(refresh(&p), silent_everywhere);
    assert_eq!((paths(&asked), tokens.is_ok()), (vec!["/found/token"], true));
    // After trouble it is asked, and still not needed.
    p.doubt();
    let (asked, tokens) = play(refresh(&p), silent_everywhere);
    assert_eq!((asked.len(), tokens.is_ok()), (3, true), "{asked:?}");
    assert!(asked[2].ends_with("/found/token"));
}

fn silent_everywhere(url: &str) -> Response {
    silent(url.strip_prefix(ISSUER).unwrap())
}

#[test]
fn it_is_asked_beside_the_first_use_and_then_what_it_says_is_used() {
    let p = started(&kept(&metadata(ISSUER)), at(2, 60));
    let renewal = p.renewal(at(2, 60)).expect("it is time");
    assert!(p.renewal(at(2, 359)).is_none(), "not twice at a time, and not at each poll");
    let (asked, outcome) = play(renewal, silent_everywhere);
    assert_eq!((asked.len(), outcome.is_err()), (2, true), "both places");
    assert!(p.news(at(2, 100)).is_empty());
    let renewal = p.renewal(at(2, 360)).expect("it did not answer");
    let (asked, outcome) = play(renewal, issuer(&moved(), silent));
    assert_eq!((paths(&asked), outcome.is_ok()), (vec![PLACE], true), "there are no keys to ask for");
    assert_eq!(paths(&play(refresh(&p), silent_everywhere).0), ["/moved/token"]);
    let news = p.news(at(2, 361));
    assert!(
        news.len() == 1 && news[0].text.as_ref().is_some_and(|text| text.contains("/moved/")),
        "{news:?}"
    );
    assert!(p.news(at(2, 361)).is_empty() && p.renewal(at(2, 361 + DAY - 1)).is_none());
    let next_day = p.renewal(at(2, 361 + DAY)).expect("a rig that runs on asks each day");
    assert!(play(next_day, issuer(&moved(), silent)).1.is_ok());
    assert_eq!(p.news(at(2, 362 + DAY)).len(), 1, "the same, and younger");
}

#[test]
fn what_is_heard_again_within_a_day_is_not_written_again() {
    let p = openid();
    for (seconds, written) in [(0, 1), (60, 0), (DAY - 1, 0), (DAY, 1), (DAY + 60, 0)] {
        p.doubt();
        assert!(play(refresh(&p), issuer(&metadata(ISSUER), silent)).1.is_ok());
        assert_eq!(p.news(at(1, seconds)).len(), written, "{seconds}");
    }
    p.doubt();
    assert!(play(refresh(&p), issuer(&moved(), silent)).1.is_ok());
    assert_eq!(p.news(at(1, DAY + 61)).len(), 1, "something else is");
}

#[test]
fn a_place_that_is_gone_is_looked_for_before_anything_is_said() {
    for (status, heard_now) in [(404, false), (405, false), (410, false), (404, true), (405, true)] {
        let p = started(&kept(&metadata(ISSUER)), at(2, 60));
        if heard_now {
            assert!(play(p.renewal(at(2, 60)).unwrap(), issuer(&metadata(ISSUER), silent)).1.is_ok());
        }
        let elsewhere =
            move |path: &str| if path.starts_with("/moved/") { silent(path) } else { html(status) };
        let (asked, tokens) = play(refresh(&p), issuer(&moved(), elsewhere));
        assert_eq!(
            (paths(&asked), tokens.is_ok()),
            (vec!["/found/token", PLACE, "/moved/token"], true),
            "{status}"
        );
        assert_eq!(paths(&play(refresh(&p), silent_everywhere).0), ["/moved/token"], "from now on");
    }
    // Where the issuer says the same, or nothing, what came is what came.
    for document in [metadata(ISSUER), value!([])] {
        let p = started(&kept(&metadata(ISSUER)), at(2, 60));
        let (asked, outcome) = play(refresh(&p), issuer(&document, |_| html(404)));
        assert_eq!(cause(&outcome.unwrap_err()), Some(Cause::CaptivePortal));
        assert_eq!(paths(&asked)[..2], ["/found/token", PLACE]);
    }
}

#[test]
fn no_grant_ends_by_the_word_of_a_place_that_the_issuer_has_left() {
    let refused = json(400, r#"{"error":"invalid_grant"}"#);
    let elsewhere = |path: &str| if path.starts_with("/moved/") { silent(path) } else { refused.clone() };
    let kept = kept(&metadata(ISSUER));
    let (asked, tokens) = play(refresh(&started(&kept, at(2, 60))), issuer(&moved(), elsewhere));
    assert_eq!((paths(&asked), tokens.is_ok()), (vec!["/found/token", PLACE, "/moved/token"], true));
    // It is still there: then it is the provider's word.
    let document = metadata(ISSUER);
    let (asked, outcome) = play(refresh(&started(&kept, at(2, 60))), issuer(&document, elsewhere));
    assert_eq!(outcome, Err(TokenError::InvalidGrant("invalid_grant".to_owned())), "{asked:?}");
    assert!(asked.len() > 1);
    // The issuer says nothing: nobody knows whose word it is, however often it is said.
    let p = started(&kept, at(2, 60));
    for _ in 0..3 {
        let (asked, outcome) = play(refresh(&p), issuer(&value!([]), elsewhere));
        assert!(matches!(outcome, Err(TokenError::Transient(_))), "{asked:?}: {outcome:?}");
        p.doubt();
    }
    // What was heard in this run is not asked for first.
    let p = started(&kept, at(2, 60));
    assert!(play(p.renewal(at(2, 60)).unwrap(), issuer(&metadata(ISSUER), silent)).1.is_ok());
    assert_eq!(paths(&play(refresh(&p), issuer(&moved(), elsewhere)).0), ["/found/token"]);
}

#[test]
fn that_a_grant_can_t_be_revoked_is_asked_first() {
    let kept = kept(&metadata(ISSUER));
    let token = Revocable::Refresh(RefreshToken(Secret::new("rt")));
    let mut offered = metadata(ISSUER);
    offered["revocation_endpoint"] = format!("{ISSUER}/found/revoke").into();
    let (asked, outcome) =
        play(started(&kept, at(2, 60)).revoke(&app(false), &token), issuer(&offered, |_| json(200, "")));
    assert_eq!((paths(&asked), outcome), (vec![PLACE, "/found/revoke"], Ok(Revoked::Confirmed)));
    let (_, outcome) =
        play(started(&kept, at(2, 60)).revoke(&app(false), &token), issuer(&metadata(ISSUER), silent));
    assert_eq!(outcome, Ok(Revoked::NotOffered));
}

#[test]
fn what_is_too_old_or_another_s_is_not_used() {
    let kept = kept(&metadata(ISSUER));
    let asks_first =
        |p: &Provider| paths(&play(refresh(p), issuer(&moved(), silent)).0) == [PLACE, "/moved/token"];
    assert!(!asks_first(&started(&kept, at(2, 30 * DAY))));
    assert!(asks_first(&started(&kept, at(2, 30 * DAY + 1))), "a month");
    let unset = Now { wall: WallTime(0), ..at(2, 60) };
    assert!(!asks_first(&started(&kept, unset)), "a clock that was never set says nothing of its age");
    let with = |change: &dyn Fn(&mut KeptDocument)| {
        let mut kept = kept.clone();
        change(&mut kept[0]);
        asks_first(&started(&kept, at(2, 60)))
    };
    assert!(with(&|kept| kept.from = "https://login.example/realms/b".to_owned()));
    assert!(with(&|kept| kept.text = Some(metadata("https://evil.example").to_string())));
    assert!(with(&|kept| kept.text = Some("{".to_owned())));
    assert!(with(&|kept| kept.text = None));
    let plain =
        metadata(ISSUER).to_string().replace("https://login.example/found", "http://login.example/found");
    assert!(with(&|kept| kept.text = Some(plain.clone())), "read as an answer is");
    // Whoever was asked meanwhile knows better.
    let p = openid();
    assert!(play(refresh(&p), issuer(&moved(), silent)).1.is_ok());
    p.remember(kept.clone(), at(2, 60));
    assert_eq!(paths(&play(refresh(&p), silent_everywhere).0), ["/moved/token"]);
}

#[test]
fn an_issuer_that_is_another_now_is_the_end_of_what_it_said() {
    let p = started(&kept(&metadata(ISSUER)), at(2, 60));
    let other = metadata("https://evil.example");
    assert!(play(p.renewal(at(2, 60)).unwrap(), issuer(&other, silent)).1.is_err());
    let news = p.news(at(2, 61));
    assert!(news.len() == 1 && news[0].text.is_none(), "the disk forgets it, too: {news:?}");
    assert!(matches!(play(refresh(&p), issuer(&other, silent)).1, Err(TokenError::Rejected(_))));
    assert_eq!(cause(&play(refresh(&p), |_| json(503, "")).1.unwrap_err()), Some(Cause::Provider));
}

#[test]
fn what_is_too_large_is_not_kept() {
    let mut large = metadata(ISSUER);
    large["userinfo_endpoint"] = format!("{ISSUER}/{}", "x".repeat(MOST)).into();
    let kept = kept(&large);
    assert!(kept.len() == 1 && kept[0].text.is_none(), "nor what was kept before");
}

#[test]
fn keys_are_kept_and_are_those_of_their_place() {
    let signer = Signer::new("k1");
    let p = openid();
    assert_eq!(ask(&p, signer.token(&claims()), &[signer.jwk()], None).0, 1);
    let kept = p.news(at(1, 0));
    assert_eq!(
        kept.iter().map(|kept| kept.document).collect::<Vec<_>>(),
        [Document::Metadata, Document::Keys]
    );
    assert_eq!(kept[1].from, "https://login.example/found/keys");
    let named = |p: &Provider, document: &Value| {
        let question =
            Identify { id_token: Some(signer.token(&claims())), ..question(&AccessToken(Secret::new("at"))) };
        let keys = value!({"keys": [signer.jwk()]}).to_string();
        let elsewhere = move |path: &str| if path == "/moved/keys" { json(200, &keys) } else { html(404) };
        let (asked, outcome) = play(p.identify(question), issuer(document, elsewhere));
        (asked.len(), outcome.unwrap().authorized_by)
    };
    let name = "Jess Temporal".to_owned();
    assert_eq!(named(&started(&kept, at(2, 60)), &moved()), (0, name.clone()), "nobody is asked");
    // Without keys they are asked for where they were, and then where they are.
    assert_eq!(named(&started(&kept[..1], at(2, 60)), &moved()), (3, name.clone()));
    // Keys from elsewhere are not those of the issuer of now.
    let mut other = kept.clone();
    other[1].from = "https://login.example/other/keys".to_owned();
    assert_eq!(named(&started(&other, at(2, 60)), &moved()), (3, name));
    // Once the issuer answers, keys of before are asked for like any.
    let p = started(&kept, at(2, 60));
    assert!(play(p.renewal(at(2, 60)).unwrap(), issuer(&moved(), silent)).1.is_ok());
    let (asked, _) = named(&p, &moved());
    assert_eq!(asked, 1);
    let news = p.news(at(2, 61));
    assert_eq!(
        news.iter().map(|kept| kept.document).collect::<Vec<_>>(),
        [Document::Metadata, Document::Keys]
    );
    assert_eq!(news[1].from, "https://login.example/moved/keys");
}
