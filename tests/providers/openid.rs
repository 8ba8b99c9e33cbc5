//! The dialect of RFC 8628 and OpenID Connect, against oidc-provider (tests/oidc), as each kind of client.
use std::collections::HashSet;
use std::marker::PhantomData;

use serde_json::{Value, json};

use crate::cloud::{Answer, Cloud, LONG, Lives, Place, SHORT, Trouble, pair, paired};
use crate::common::*;

/// With everything in it that has to be encoded on the way, and the marker by which secrets are searched for.
pub(crate) const CLIENT_SECRET: &str = "SIMSECRET:50%+a/b=c&d";
/// Who approves, and the name in the ID token.
pub(crate) const PERSON: (&str, &str) = ("ada.lovelace", "Ada Lovelace");

/// A kind of client.
pub(crate) trait Client {
    const ID: &'static str;
    const AUTH: &'static str;
    const SECRET: Option<&'static str>;
    /// The provider binds tokens to keys, and wants its nonces in the proofs.
    const BOUND: bool = false;
}

/// A client without a secret, whose tokens are bound to the rig's key.
pub(crate) struct KeyBound;

impl Client for KeyBound {
    const ID: &'static str = NoSecret::ID;
    const AUTH: &'static str = NoSecret::AUTH;
    const SECRET: Option<&'static str> = None;
    const BOUND: bool = true;
}

macro_rules! clients {
    ($($name:ident = $id:literal, $auth:literal, $secret:expr;)+) => {$(
        pub(crate) struct $name;
        impl Client for $name {
            const ID: &'static str = $id;
            const AUTH: &'static str = $auth;
            const SECRET: Option<&'static str> = $secret;
        }
    )+};
}

clients! {
    NoSecret = "public", "none", None;
    InBody = "post", "client_secret_post", Some(CLIENT_SECRET);
    InHeader = "basic", "client_secret_basic", Some(CLIENT_SECRET);
}

pub(crate) type Public = Provider<NoSecret>;
pub(crate) type Post = Provider<InBody>;
pub(crate) type Basic = Provider<InHeader>;
pub(crate) type Bound = Provider<KeyBound>;

/// The provider, and what the rig is to it.
pub(crate) struct Provider<C> {
    pub(crate) oidc: Oidc,
    client: PhantomData<C>,
}

impl<C: Client> Provider<C> {
    /// Polled every second, which the provider itself does not say.
    pub(crate) async fn start(lives: Lives) -> Self {
        Self::start_with(lives, json!({})).await
    }

    /// With more options.
    pub(crate) async fn start_with(lives: Lives, more: Value) -> Self {
        let Lives { access, code } = lives;
        let mut options = json!({ "access": access, "code": code, "secret": CLIENT_SECRET });
        (options["dpop"], options["nonce"]) = (C::BOUND.into(), C::BOUND.into());
        options["edits"] = json!({ "device-code": { "interval": 1 } });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Provider { oidc: Oidc::start(options).await, client: PhantomData }
    }

    /// The section of the configuration, with `more` lines.
    pub(crate) fn section(&self, more: &str) -> String {
        let (issuer, id, auth) = (self.oidc.issuer(), C::ID, C::AUTH);
        format!("kind = \"oauth\"\nissuer = {issuer:?}\nclient_id = {id:?}\nclient_auth = {auth:?}\n{more}")
    }

    pub(crate) fn rig(&self, more: &str) -> Setup {
        Setup { provider: Some(self.section(more)), ..Setup::new() }
    }
}

fn endpoint(place: Place) -> &'static str {
    match place {
        Place::Code => "device-code",
        Place::Poll => "token-poll",
        Place::Refresh => "refresh",
        Place::Revoke => "revoke",
    }
}

/// Not one that only wants the same once more with its nonce.
fn is_of_the_flow(asked: &Asked) -> bool {
    asked.error.as_deref() != Some("use_dpop_nonce")
}

fn answer(asked: Asked) -> Answer {
    let Asked { n, ms, status, error, .. } = asked;
    Answer { n, ms, status, error }
}

impl<C: Client> Cloud for Provider<C> {
    const SECRET: Option<&'static str> = C::SECRET;

    async fn setup(lives: Lives) -> (Setup, Self) {
        let cloud = Self::start(lives).await;
        (cloud.rig(""), cloud)
    }

    fn project(&self) -> String {
        self.oidc.host()
    }

    async fn live(&self, _rig: &Rig, lives: Lives) {
        self.oidc.change(json!({ "access": lives.access, "code": lives.code })).await;
    }

    async fn approve(&self, _rig: &Rig, code: &str) {
        self.oidc.approve(code, PERSON.0).await;
    }

    async fn deny(&self, _rig: &Rig, code: &str) {
        self.oidc.deny(code).await;
    }

    async fn expire(&self, _rig: &Rig, code: &str) {
        self.oidc.expire(code).await;
    }

    async fn revoke(&self, _rig: &Rig) {
        self.oidc.revoke().await;
    }

    async fn steal(&self, _rig: &Rig) {
        self.oidc.steal().await;
    }

    async fn trouble(&self, _rig: &Rig, place: Place, trouble: Trouble) {
        let kind = match trouble {
            Trouble::SlowDown => "slow_down",
            Trouble::Unavailable => "503",
            Trouble::Page => "html",
            Trouble::Portal => "portal",
            Trouble::LostAnswer => "lost",
        };
        self.oidc.fault(endpoint(place), kind, 1).await;
    }

    async fn rejected() -> (Rig, Self) {
        let cloud = Self::start(LONG).await;
        let mut setup = cloud.rig("");
        if C::SECRET.is_none() {
            // All that such a client shows.
            setup.provider = Some(cloud.section("").replace(C::ID, "nobody-knows-it"));
        }
        let rig = setup.start().await;
        if C::SECRET.is_some() {
            rig.provision("not-the-secret").await.unwrap();
        }
        (rig, cloud)
    }

    async fn accepted(&self, rig: &mut Rig) {
        match C::SECRET {
            Some(secret) => rig.provision(secret).await.unwrap(),
            None => {
                rig.setup.provider = Some(self.section(""));
                rig.write_config();
                rig.restart().await;
            }
        }
    }

    async fn answers(&self, _rig: &Rig, place: Place) -> Vec<Answer> {
        self.oidc.asked(endpoint(place)).await.into_iter().filter(is_of_the_flow).map(answer).collect()
    }

    async fn next(&self, _rig: &Rig, place: Place, after: u64) -> Answer {
        let wanted = |asked: &Asked| asked.endpoint == endpoint(place) && is_of_the_flow(asked);
        answer(self.oidc.wait(after, endpoint(place), wanted).await)
    }

    async fn authorized(&self, _rig: &Rig) -> bool {
        self.oidc.grants().await > 0
    }
}

async fn shows_itself_as_configured<C: Client>() {
    let (rig, Provider { oidc, .. }) = paired::<Provider<C>>(LONG).await;
    rig.unpair().await.unwrap();
    oidc.next(0, "revoke").await;
    for asked in oidc.log().await {
        if ["device-code", "token-poll", "revoke"].contains(&&*asked.endpoint) {
            assert_eq!(asked.auth, C::AUTH, "{asked:?}");
            let named = asked.field("client_id");
            assert!(named == C::ID || (named.is_empty() && C::AUTH == "client_secret_basic"), "{asked:?}");
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-2.3
//= type=test
//# The client MUST NOT use more than one authentication method in each request.
//= https://www.rfc-editor.org/rfc/rfc6749#section-3.2.1
//= type=test
//# Confidential clients or other clients issued client credentials MUST authenticate
#[tokio::test]
async fn each_kind_of_client_shows_itself_as_configured_and_in_no_other_way() {
    tokio::join!(
        shows_itself_as_configured::<NoSecret>(),
        shows_itself_as_configured::<InBody>(),
        shows_itself_as_configured::<InHeader>()
    );
}

#[tokio::test]
async fn a_client_with_a_secret_waits_for_it_and_the_secret_stays_inside() {
    let (setup, cloud) = Post::setup(LONG).await;
    let mut rig = setup.start().await;
    assert_eq!(rig.state().await, "unprovisioned");
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "NotProvisioned");
    assert_eq!(cloud.oidc.now().await, 0);
    rig.provision(CLIENT_SECRET).await.unwrap();
    pair(&rig, &cloud).await;
    rig.stop().await;
    let database = std::fs::read(rig.state_dir().join("rigpost.db")).unwrap();
    assert!(!rig.log.all().iter().any(|line| line.contains(MARKER)));
    assert!(!database.windows(MARKER.len()).any(|part| part == MARKER.as_bytes()));
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-6
//= type=test
//# the client MUST discard the old refresh token and replace it with the new refresh token
#[tokio::test]
async fn each_refresh_token_is_used_once_where_they_rotate_and_again_where_they_do_not() {
    for rotate in [true, false] {
        let cloud = Public::start_with(SHORT, json!({ "rotate": rotate })).await;
        let rig = cloud.rig("").start().await;
        pair(&rig, &cloud).await;
        let mut last = 0;
        for _ in 0..3 {
            last = cloud.next(&rig, Place::Refresh, last).await.n;
        }
        let refreshes = cloud.oidc.asked("refresh").await;
        let tokens: HashSet<&str> = refreshes.iter().map(|asked| asked.field("refresh_token")).collect();
        assert_eq!(tokens.len(), if rotate { refreshes.len() } else { 1 }, "{refreshes:#?}");
        assert_eq!(rig.state().await, "paired");
    }
}

#[tokio::test]
async fn a_token_that_is_used_twice_costs_the_whole_family() {
    let (rig, cloud) = paired::<Public>(SHORT).await;
    assert_eq!(cloud.oidc.grants().await, 1);
    cloud.oidc.steal().await;
    rig.wait_state("needs-pairing").await;
    assert_eq!(cloud.oidc.grants().await, 0, "the thief has nothing either");
}

#[tokio::test]
async fn nothing_can_be_uploaded() {
    let (rig, _cloud) = paired::<Public>(LONG).await;
    let clip = rig.clip("clip.mp4", 100);
    assert_eq!(rig.add(&clip).await.unwrap_err().name, "NotSupported");
    assert_eq!(rig.add_many(&[clip.to_str().unwrap()]).await.unwrap_err().name, "NotSupported");
    assert_eq!(rig.items().await.len(), 0);
}
