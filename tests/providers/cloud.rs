//! What a row of the table is made of.
use crate::common::*;

/// How long things live, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) access: u64,
    pub(crate) code: u64,
}

pub(crate) const LONG: Lives = Lives { access: 3600, code: 600 };
/// Access tokens that are renewed within a test.
pub(crate) const SHORT: Lives = Lives { access: 3, ..LONG };

/// Endpoints that every dialect has.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Code,
    Poll,
    Refresh,
    Revoke,
}

/// What befalls the next request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    SlowDown,
    /// 503.
    Unavailable,
    /// 200 with HTML.
    Page,
    /// A redirect to a page.
    Portal,
    /// The server acts, and the connection breaks.
    LostAnswer,
}

/// An answer that a server gave, or lost.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Number in the server's log.
    pub(crate) n: u64,
    /// By the server's clock.
    pub(crate) ms: u64,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
}

/// A server that speaks a dialect, and what can be done at it.
pub(crate) trait Cloud: Sized {
    /// Scenarios that this server can't play, and why.
    const NOT_PLAYED: &'static [(&'static str, &'static str)] = &[];
    /// What a rig is provisioned with, where the dialect has a secret.
    const SECRET: Option<&'static str>;

    /// The server, and a rig that is configured for it.
    async fn setup(lives: Lives) -> (Setup, Self);
    /// The name that the rig shows once it is paired.
    fn project(&self) -> String;
    /// Lifetimes of what is given out from now on.
    async fn live(&self, rig: &Rig, lives: Lives);

    async fn approve(&self, rig: &Rig, code: &str);
    async fn deny(&self, rig: &Rig, code: &str);
    /// The code's time is over at the server.
    async fn expire(&self, rig: &Rig, code: &str);
    /// An administrator ends the authorization.
    async fn revoke(&self, rig: &Rig);
    /// Somebody else used the refresh token.
    async fn steal(&self, rig: &Rig);
    /// Befalls one request.
    async fn trouble(&self, rig: &Rig, place: Place, trouble: Trouble);

    /// A rig that is running and whose application the server rejects.
    async fn rejected() -> (Rig, Self);
    /// Puts that right.
    async fn accepted(&self, rig: &mut Rig);

    /// The answers of an endpoint, until now.
    async fn answers(&self, rig: &Rig, place: Place) -> Vec<Answer>;
    /// The next answer of an endpoint after number `after`, once it is given.
    async fn next(&self, rig: &Rig, place: Place, after: u64) -> Answer;
    /// The server knows an authorization of this rig.
    async fn authorized(&self, rig: &Rig) -> bool;
}

/// A rig that is running, and provisioned where that is needed.
pub(crate) async fn started<C: Cloud>(lives: Lives) -> (Rig, C) {
    let (setup, cloud) = C::setup(lives).await;
    let rig = setup.start().await;
    if let Some(secret) = C::SECRET {
        rig.provision(secret).await.unwrap();
    }
    (rig, cloud)
}

/// The same, paired.
pub(crate) async fn paired<C: Cloud>(lives: Lives) -> (Rig, C) {
    let (rig, cloud) = started::<C>(lives).await;
    pair(&rig, &cloud).await;
    (rig, cloud)
}

/// The whole pairing; answers with the code.
pub(crate) async fn pair<C: Cloud>(rig: &Rig, cloud: &C) -> String {
    let code = rig.start_pairing().await;
    cloud.approve(rig, &code).await;
    rig.wait_project(&cloud.project()).await;
    code
}

/// Waits for a code that is not `old`.
pub(crate) async fn another_code(rig: &Rig, old: &str) -> String {
    let other = |p: &Dict| !text(p, "UserCode").is_empty() && text(p, "UserCode") != old;
    let shown = rig.wait(PAIRING, "another code", other).await;
    assert_eq!(text(&shown, "State"), "waiting-for-user");
    text(&shown, "UserCode")
}

/// Plays a scenario, or says why not.
pub(crate) async fn play<C: Cloud>(name: &str, scenario: impl Future<Output = ()>) {
    match C::NOT_PLAYED.iter().find(|(other, _)| *other == name) {
        Some((_, why)) => eprintln!("not played: {why}"),
        None => scenario.await,
    }
}
