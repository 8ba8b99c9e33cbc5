//! The talk, end to end: a provider, a rig, a game on it (tests/leaderboard), and the game's API (tests/oidc/api.mjs).
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::cloud::{LONG, pair};
use crate::common::*;
use crate::openid::{PERSON, Public};
use crate::tokens::aged;

const AUDIENCE: &str = "https://scores.example/";

struct Stage {
    rig: Rig,
    cloud: Public,
    api: Script,
}

impl Stage {
    async fn set() -> Stage {
        Stage::asking(&format!("audience = {AUDIENCE:?}\n")).await
    }

    /// The rig asks for a token for the API in these words.
    async fn asking(words: &str) -> Stage {
        let cloud = Public::start(LONG).await;
        let setup = cloud.rig(words);
        let rig = Setup { drop_in: "[tokens]\nallow = true\n".to_owned(), ..setup }.start().await;
        let api = api(&cloud, AUDIENCE).await;
        Stage { rig, cloud, api }
    }

    /// A program on the rig.
    fn run(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env("DBUS_SYSTEM_BUS_ADDRESS", &self.rig.bus.address);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn game(&self, score: u32) -> Command {
        let tests = std::env::current_exe().unwrap();
        let game = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples/leaderboard");
        assert!(game.exists(), "cargo test builds it, or: cargo build --example leaderboard");
        self.run(game.to_str().unwrap(), &[&self.api.url, &score.to_string()])
    }

    async fn play(&self, score: u32) -> Result<String, String> {
        let output = soon("the game", self.game(score).output()).await.unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
    }
}

async fn api(cloud: &Public, audience: &str) -> Script {
    Script::start("api.mjs", &[], &[("ISSUER", cloud.oidc.issuer()), ("AUDIENCE", audience)]).await
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    soon("the API", request.send()).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_score_goes_to_whoever_paired_the_rig() {
    let stage = Stage::set().await;
    let pairing = stage.run(env!("CARGO_BIN_EXE_rigpost"), &["pair"]).spawn().unwrap();
    let shown = stage.rig.wait(PAIRING, "a code", |p| !text(p, "UserCode").is_empty()).await;
    stage.cloud.oidc.approve(&text(&shown, "UserCode"), PERSON.0).await;
    let paired = soon("rigpost pair", pairing.wait_with_output()).await.unwrap();
    let said = String::from_utf8_lossy(&paired.stdout);
    assert!(paired.status.success() && said.contains("paired: 127.0.0.1"), "{said}");

    let said = stage.play(42).await.unwrap();
    assert!(said.starts_with("Hello Ada Lovelace!\n"), "{said}");
    assert!(said.contains("1. Ada Lovelace") && said.trim_end().ends_with("42"), "{said}");
    // A worse one changes nothing.
    assert_eq!(stage.play(7).await.unwrap(), said);
}

#[tokio::test]
async fn the_game_pairs_the_rig_by_itself() {
    let stage = Stage::set().await;
    pair(&stage.rig, &stage.cloud).await;
    stage.play(42).await.unwrap();
    stage.rig.unpair().await.unwrap();

    let mut game = stage.game(1000).spawn().unwrap();
    let mut lines = BufReader::new(game.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let code = loop {
        let line = soon("a code", lines.next_line()).await.unwrap().expect("it shows a code");
        if let Some((_, code)) = line.split_once(" and enter ") {
            break code.to_owned();
        }
        said.push(line);
    };
    assert!(said.iter().any(|line| line.contains('█')), "a QR code comes first: {said:?}");
    stage.cloud.oidc.approve(&code, "grace.hopper").await;
    let mut rest = String::new();
    while let Some(line) = soon("the leaderboard", lines.next_line()).await.unwrap() {
        rest += &line;
    }
    assert!(soon("the game", game.wait()).await.unwrap().success());
    let places = ["Hello Grace Hopper!", "1. Grace Hopper", "1000", "2. Ada Lovelace", "42"];
    let found: Vec<usize> = places.iter().map(|words| rest.find(words).expect(&rest)).collect();
    assert!(found.is_sorted(), "{rest}");

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = http.get(&stage.api.url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<li>Grace Hopper: 1000</li><li>Ada Lovelace: 42</li>"), "{page}");
}

#[tokio::test]
async fn an_api_may_be_asked_for_as_rfc_8707_has_it() {
    let stage = Stage::asking(&format!("parameters = [\"resource={AUDIENCE}\"]\n")).await;
    pair(&stage.rig, &stage.cloud).await;
    stage.play(42).await.unwrap();
}

#[tokio::test]
async fn a_token_that_the_api_refuses_is_exchanged() {
    let mut stage = Stage::set().await;
    pair(&stage.rig, &stage.cloud).await;
    // Of the token that the rig holds, nobody knows the key any more.
    stage.cloud.oidc.rotate_keys().await;
    aged(&stage.rig).await;
    stage.api = api(&stage.cloud, AUDIENCE).await;
    stage.play(42).await.unwrap();
    assert_eq!(stage.cloud.oidc.asked("refresh").await.len(), 1);
}

#[tokio::test]
async fn the_api_believes_only_tokens_that_are_for_it() {
    let mut stage = Stage::set().await;
    pair(&stage.rig, &stage.cloud).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = || http.post(format!("{}/scores", stage.api.url)).body(r#"{"score":1}"#);
    assert_eq!(status(post()).await, 401);
    assert_eq!(status(post().bearer_auth("not.a.token")).await, 401);
    stage.api = api(&stage.cloud, "https://another.example/").await;
    aged(&stage.rig).await;
    let said = stage.play(42).await.unwrap_err();
    assert!(said.contains("401"), "{said}");
    // Once, and not for ever.
    assert_eq!(stage.cloud.oidc.asked("refresh").await.len(), 1);
}
