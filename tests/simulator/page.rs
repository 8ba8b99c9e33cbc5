//! The simulator's page in a real browser of phone size. Needs Chromium and its driver.

use std::process::Stdio;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rigpost_sim::{Sim, SimOptions};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const INSTALL: &str = "the page tests need a browser: apt-get install chromium chromium-driver";
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser of its own, closed with the test.
struct Phone {
    client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Phone {
    async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; {INSTALL}"));
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
            panic!("chromedriver did not say its port; {INSTALL}")
        });
        let port = port.await.expect("chromedriver does not start");
        let profile = tempfile::tempdir().unwrap();
        let mut args: Vec<String> = [
            "headless",
            "no-sandbox",
            "disable-gpu",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "disable-quic",
            "disable-dev-shm-usage",
        ]
        .map(|flag| format!("--{flag}"))
        .to_vec();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let options = json!({
            "args": args,
            "mobileEmulation": { "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0 } },
        });
        let Value::Object(capabilities) = json!({ "goog:chromeOptions": options }) else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("{error}; {INSTALL}"));
        Self { client, driver, _profile: profile }
    }

    async fn text(&self, css: &str) -> String {
        let wait = self.client.wait().at_most(PATIENCE);
        wait.for_element(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    /// Waits until the element says something; the page's own script has to bring it there.
    async fn says(&self, css: &str, wanted: &str) {
        let script = "const e = document.querySelector(arguments[0]); return !!e && e.innerText.includes(arguments[1])";
        // A page that is just being left answers with an error; the next one is asked again.
        let seen = async {
            while self.client.execute(script, vec![json!(css), json!(wanted)]).await.ok() != Some(json!(true))
            {
                tokio::task::yield_now().await;
            }
        };
        if timeout(PATIENCE, seen).await.is_err() {
            panic!("{css} never says {wanted:?}, but {:?}", self.text(css).await);
        }
    }

    async fn click(&self, css: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().click().await.unwrap();
    }

    async fn type_code(&self, code: &str) {
        let input = self.client.find(Locator::Css("#code")).await.unwrap();
        input.clear().await.unwrap();
        input.send_keys(code).await.unwrap();
        self.click("#continue").await;
    }

    /// Keeps a picture if `RIGPOST_SCREENSHOTS` names a directory.
    async fn picture(&self, name: &str) {
        if let Some(dir) = std::env::var_os("RIGPOST_SCREENSHOTS") {
            let png = self.client.screenshot().await.unwrap();
            std::fs::write(std::path::Path::new(&dir).join(format!("{name}.png")), png).unwrap();
        }
    }

    /// Nothing sticks out sideways, and everything to be pressed is big enough for a thumb.
    async fn fits(&self) {
        let script = "const small = [...document.querySelectorAll('button, input:not([type=hidden]), .choice')] \
            .filter(e => !e.closest('.choice') || e.matches('.choice')) \
            .filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML); \
            return [innerWidth, document.documentElement.scrollWidth, small]";
        let found = self.client.execute(script, vec![]).await.unwrap();
        assert_eq!(found, json!([390, 390, []]));
    }

    async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // The driver alone would leave the browser of a failed test behind.
        let group = self.driver.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let _gone = group.map(|group| kill_process_group(group, Signal::KILL));
    }
}

fn http() -> reqwest::Client {
    // Another test of this process may have been first; any ring provider will do.
    let _first = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

async fn post(sim: &Sim, path: &str, fields: &[(&str, &str)]) -> Value {
    let request = http().post(sim.url().join(path).unwrap()).form(fields);
    let request = request.header("x-client-version", "1.2.3").header("x-client-platypus-enabled", "true");
    let answer = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

async fn request_code(sim: &Sim, client_id: &str) -> Value {
    let fields =
        [("client_id", client_id), ("client_secret", "sim-client-secret"), ("scope", "asset_create offline")];
    post(sim, "/v2/auth/device/code", &fields).await
}

async fn poll(sim: &Sim, client_id: &str, code: &Value) -> Value {
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let code = code["device_code"].as_str().unwrap();
    post(sim, "/v2/auth/token", &[("client_id", client_id), ("device_code", code), ("grant_type", grant)])
        .await
}

async fn sim() -> Sim {
    Sim::start(SimOptions { interval: 0.0, ..SimOptions::default() }).await.unwrap()
}

#[tokio::test]
async fn a_person_approves_by_code_and_manages_the_device() {
    let (sim, phone) = (sim().await, Phone::start().await);
    phone.client.goto(sim.url().as_str()).await.unwrap();
    phone.says("#devices", "No device is connected yet.").await;
    phone.picture("1-start").await;
    phone.fits().await;

    let code = request_code(&sim, "rig <1>").await;
    phone.says("#waiting", "MyDevice-rig <1>").await;
    let digits = code["user_code"].as_str().unwrap();
    // People copy the digits in groups.
    phone.type_code(&format!("{} {}", &digits[..3], &digits[3..])).await;
    phone.says("#device", "MyDevice-rig <1>").await;
    phone.picture("2-choose").await;
    phone.fits().await;
    phone.click("input[value='Second Unit']").await;
    phone.click("#approve").await;
    phone.says("[role=status]", "Approved").await;
    phone.says("#devices", "connecting").await;
    assert!(poll(&sim, "rig <1>", &code).await["access_token"].is_string());
    phone.says("#devices", "online").await;
    phone.says("#devices", "Second Unit").await;
    phone.picture("3-approved").await;
    phone.fits().await;

    for (action, state) in [("pause", "paused"), ("resume", "online")] {
        phone.click(&format!("#devices button[value={action}]")).await;
        phone.says("#devices .state", state).await;
        assert_eq!(sim.devices()[0].status, state);
    }
    let pause = sim.devices()[0].pauses[0].clone();
    let day = |stamp: &str| stamp.split_once('T').unwrap().0.to_owned();
    phone.says("#devices .pause", &format!("paused {}", day(&pause.from))).await;
    phone.says("#devices .pause", &format!("to {}", day(&pause.until.unwrap()))).await;
    // A button that has the focus keeps the lists as they are.
    phone.client.goto(sim.url().as_str()).await.unwrap();
    phone.says("#devices", "last call just now").await;
    sim.advance(290);
    phone.says("#devices", "last call 4 min ago").await;
    phone.says("#devices .state", "online").await;
    sim.advance(20);
    phone.says("#devices .state", "offline").await;
    phone.picture("3b-offline").await;
    phone.fits().await;
    phone.click("#devices button[value=forget]").await;
    phone.says("#devices .state", "forgotten").await;
    assert_eq!(sim.devices()[0].status, "forgotten");
    phone.close().await;
}

#[tokio::test]
async fn a_person_denies_and_mistypes() {
    let (sim, phone) = (sim().await, Phone::start().await);
    let code = request_code(&sim, "rig-1").await;
    let digits = code["user_code"].as_str().unwrap().to_owned();
    let wrong = if digits == "123456" { "654321" } else { "123456" };
    phone.client.goto(sim.url().as_str()).await.unwrap();
    phone.type_code(wrong).await;
    let sentence = format!("No device shows the code {wrong}. Check the digits on its screen.");
    phone.says("[role=alert]", &sentence).await;
    phone.picture("4-wrong").await;
    phone.fits().await;

    // As the QR code's link does it.
    phone.client.goto(code["verification_uri_complete"].as_str().unwrap()).await.unwrap();
    phone.click("#deny").await;
    phone.says("[role=status]", "Denied").await;
    assert_eq!(poll(&sim, "rig-1", &code).await["error"], "access_denied");
    phone.type_code(&digits).await;
    phone.says("[role=alert]", "answered already").await;

    sim.set_lifetimes(rigpost_sim::Lifetimes { code_expires_in: 0.0, ..sim.lifetimes() });
    let late = request_code(&sim, "rig-1").await;
    phone.type_code(late["user_code"].as_str().unwrap()).await;
    phone.says("[role=alert]", "has expired. The device shows a new one").await;
    phone.close().await;
}

#[tokio::test]
async fn a_clip_appears_with_its_hash() {
    let (sim, phone) = (sim().await, Phone::start().await);
    let code = request_code(&sim, "rig-1").await;
    sim.approve(code["user_code"].as_str().unwrap(), "Testbed").unwrap();
    let tokens = poll(&sim, "rig-1", &code).await;
    phone.client.goto(sim.url().as_str()).await.unwrap();
    phone.says("#clips", "No clip has arrived yet.").await;

    let clip = vec![7_u8; 2_400_000];
    let fields = [
        ("name", "A001C003_260822_R1AB.mov"),
        ("filetype", "video/quicktime"),
        ("parts", "2"),
        ("filesize", "2400000"),
    ];
    let create = http().post(sim.url().join("/v2/devices/assets").unwrap()).form(&fields);
    let create = create.bearer_auth(tokens["access_token"].as_str().unwrap());
    let asset: Value = serde_json::from_str(&create.send().await.unwrap().text().await.unwrap()).unwrap();
    for (n, half) in clip.chunks(1_200_000).enumerate() {
        let put = http().put(asset["upload_urls"][n].as_str().unwrap()).body(half.to_vec());
        let put = put.header("content-type", "video/quicktime").header("x-amz-acl", "private");
        assert_eq!(put.send().await.unwrap().status(), 200);
        if n == 0 {
            phone.says("#clips", "1.2 MB of 2.4 MB, 1 of 2 parts").await;
            let progress = "const p = document.querySelector('#clips progress'); return [p.value, p.max]";
            let shown = phone.client.execute(progress, vec![]).await.unwrap();
            assert_eq!(shown, json!([1_200_000, 2_400_000]));
            phone.picture("5-arriving").await;
        }
    }
    let hash = sim.assets()[0].sha256.clone().unwrap();
    phone.says("#clips code", &hash).await;
    for wanted in ["A001C003_260822_R1AB.mov", "Testbed", "2.4 MB", "2 parts", "arrived"] {
        phone.says("#clips", wanted).await;
    }
    phone.picture("6-arrived").await;
    assert!(!phone.text("#clips").await.contains("version"), "a first version is not told as one");
    let fields = fields.into_iter().chain([("auto_version_id", asset["id"].as_str().unwrap())]);
    let create = http().post(sim.url().join("/v2/devices/assets").unwrap());
    let create =
        create.form(&fields.collect::<Vec<_>>()).bearer_auth(tokens["access_token"].as_str().unwrap());
    assert_eq!(create.send().await.unwrap().status(), 201);
    phone.says("#clips", "Testbed, 2.4 MB, version 2").await;
    phone.fits().await;
    phone.close().await;
}

#[tokio::test]
async fn other_sites_cannot_press_our_buttons() {
    let sim = sim().await;
    let code = request_code(&sim, "rig-1").await;
    let digits = code["user_code"].as_str().unwrap();
    let fields = [("code", digits), ("project", "Testbed"), ("decision", "approve")];
    let press = |name: &'static str, value: String| {
        http().post(sim.url().join("/answer").unwrap()).form(&fields).header(name, value)
    };
    let own = sim.url().origin().ascii_serialization();
    for (name, value) in
        [("origin", "http://elsewhere.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
    {
        assert_eq!(press(name, value.to_owned()).send().await.unwrap().status(), 403, "{name}: {value}");
    }
    assert_eq!(sim.codes().len(), 1);
    press("origin", own).send().await.unwrap();
    assert!(sim.codes().is_empty());
}
