//! A game on a rig whose score goes to the player's own account: what a program needs that uses the rig's pairing for an
//! API of its own. To be copied.
//!
//! ```text
//! leaderboard API SCORE
//! ```
//!
//! Pairs the rig if it is not paired, posts SCORE to the API, and prints the leaderboard. The daemon has the device flow,
//! the refresh token and the network's moods; this program only ever sees an access token. It needs `allow = true`
//! in `[tokens]`, and a user in the groups `rigpost-ui` (codes) and `rigpost-token` (access tokens).
#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]
use std::collections::HashMap;

use futures_util::StreamExt as _;
use zbus::{Connection, MessageStream, Variant};

type Failure = Box<dyn std::error::Error>;
/// Every method takes some.
type Options<'a> = HashMap<&'a str, Variant<'a>>;

#[zbus::proxy(
    interface = "org.rigpost.Rigpost1.Pairing",
    default_service = "org.rigpost.Rigpost1",
    default_path = "/org/rigpost/Rigpost1"
)]
trait Pairing {
    fn start(&self, options: Options<'_>) -> zbus::Result<()>;
    fn qr_code(&self, format: &str, options: Options<'_>) -> zbus::Result<Vec<u8>>;
    // Codes are not in signals, so nothing is cached: a signal is only the reason to look again.
    #[zbus(property(emits_changed_signal = "false"))]
    fn state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn reason(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn user_code(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn verification_uri(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn project_name(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn authorized_by(&self) -> zbus::Result<String>;
}

#[zbus::proxy(
    interface = "org.rigpost.Rigpost1.Tokens",
    default_service = "org.rigpost.Rigpost1",
    default_path = "/org/rigpost/Rigpost1"
)]
trait Tokens {
    /// The token, and the microsecond of `CLOCK_BOOTTIME` at which it ends.
    fn get_access_token(&self, options: Options<'_>) -> zbus::Result<(String, u64)>;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [api, score] = words.as_slice() else { return Err("usage: leaderboard API SCORE".into()) };
    // What https needs; one of several libraries that can do it.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let bus = Connection::system().await?;
    log_in(&bus).await?;
    post_score(&bus, api, score.parse()?).await?;
    print_leaderboard(api).await
}

/// Shows codes until somebody approved one. At once if the rig is paired.
async fn log_in(bus: &Connection) -> Result<(), Failure> {
    let pairing = PairingProxy::new(bus).await?;
    // Before the first look, so that no change is missed after it.
    let mut changes = changes(bus).await?;
    if pairing.state().await? != "paired" {
        pairing.start(Options::new()).await?;
    }
    let mut shown = String::new();
    loop {
        match pairing.state().await?.as_str() {
            // Who it was is known a moment later, or why it is not.
            "paired" if pairing.reason().await? != "none" => break,
            "paired" if !pairing.project_name().await?.is_empty() => break,
            "paired" => {}
            // A code that ran out is replaced by itself.
            "requesting-code" => {}
            "waiting-for-user" => {
                let code = pairing.user_code().await?;
                if !code.is_empty() && code != shown {
                    let qr = pairing.qr_code("text", Options::new()).await?;
                    let place = pairing.verification_uri().await?;
                    println!("{}\nScan, or open {place} and enter {code}", String::from_utf8_lossy(&qr));
                    shown = code;
                }
            }
            _ => return Err(format!("not paired: {}", pairing.reason().await?).into()),
        }
        changes.next().await.ok_or("the bus is gone")??;
    }
    println!("Hello {}!", pairing.authorized_by().await?);
    Ok(())
}

/// Says when something about the rig changed.
async fn changes(bus: &Connection) -> zbus::Result<MessageStream> {
    let rule = zbus::MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .sender("org.rigpost.Rigpost1")
        .interface("org.freedesktop.DBus.Properties")
        .build()?;
    MessageStream::for_match_rule(rule, bus, None).await
}

/// A token that the API refuses (its keys changed, somebody revoked it) is given back for a fresh one, once.
async fn post_score(bus: &Connection, api: &str, score: u32) -> Result<(), Failure> {
    let tokens = TokensProxy::new(bus).await?;
    let (token, _) = tokens.get_access_token(Options::from([("min_validity", 10u32.into())])).await?;
    let mut answer = send(api, &token, score).await?;
    if answer.status() == reqwest::StatusCode::UNAUTHORIZED {
        let (token, _) = tokens.get_access_token(Options::from([("refused", token.as_str().into())])).await?;
        answer = send(api, &token, score).await?;
    }
    answer.error_for_status()?;
    Ok(())
}

async fn send(api: &str, token: &str, score: u32) -> reqwest::Result<reqwest::Response> {
    let request = reqwest::Client::new().post(format!("{api}/scores")).bearer_auth(token);
    request.header("content-type", "application/json").body(format!(r#"{{"score":{score}}}"#)).send().await
}

async fn print_leaderboard(api: &str) -> Result<(), Failure> {
    #[derive(serde::Deserialize)]
    struct Player {
        name: String,
        score: u32,
    }
    let answer = reqwest::Client::new().get(api).header("accept", "application/json").send().await?;
    let players: Vec<Player> = serde_json::from_str(&answer.error_for_status()?.text().await?)?;
    for (place, Player { name, score }) in players.iter().enumerate() {
        println!("{:>3}. {name:<30} {score:>9}", place + 1);
    }
    Ok(())
}
