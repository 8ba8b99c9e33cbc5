//! The program `rigpost` as a person or a script runs it, against a daemon that does what the test says.
#![expect(clippy::unwrap_used, reason = "a test ends there")]

mod bundle;
mod ending;
mod fake;
#[path = "../common/introspected.rs"]
mod introspected;
#[path = "../common/junk.rs"]
mod junk;
mod lines;
mod pages;
mod programs;
mod queue;
mod start;
mod storage;
mod terminal;
mod wait;

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use fake::{Bus, Fake, Step};

/// Longer than anything here takes, except when something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

fn rigpost(bus: &Bus, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rigpost"));
    command.args(args).env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address).env("TZ", "UTC").env("USER", "ana");
    command.env("LC_ALL", "C.UTF-8");
    command.env_remove("SUDO_USER").stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn run(bus: &Bus, args: &[&str]) -> (i32, String, String) {
    let output = tokio::time::timeout(PATIENCE, rigpost(bus, args).output()).await.expect("it ends").unwrap();
    shown(&output)
}

fn shown(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A command whose lines are read one by one.
struct Pairing {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Pairing {
    fn start(bus: &Bus, args: &[&str]) -> Self {
        let mut command = rigpost(bus, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("a line in time");
        line.unwrap().expect("one more line")
    }

    async fn until(&mut self, start: &str) -> String {
        loop {
            let line = self.line().await;
            if line.starts_with(start) {
                return line;
            }
        }
    }

    async fn end(mut self) -> (i32, String) {
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        tokio::time::timeout(PATIENCE, stderr.read_to_string(&mut errors)).await.expect("it ends").unwrap();
        (self.child.wait().await.unwrap().code().unwrap(), errors)
    }
}

fn unpaired(script: Vec<Step>) -> Fake {
    let fake = Fake::default();
    {
        let mut world = fake.world();
        (world.state, world.reason, world.script) = ("unpaired".into(), "none".into(), script);
    }
    fake
}

//= frameio-c2c#4.1
//= type=test
//# After the pairing the name of the project is shown.
#[tokio::test]
async fn pairing_ends_with_the_projects_name() {
    let (bus, fake) = (Bus::new(), unpaired(vec![Step::Code("042137"), Step::Grant("Moonrise S01")]));
    fake.world().uri = "https://example.com/device".into();
    let service = fake.serve(&bus).await;
    let mut pairing = Pairing::start(&bus, &["pair", "--limit", "900"]);
    assert_eq!(pairing.line().await, "code: 042137");
    assert_eq!(pairing.line().await, "open: https://example.com/device");
    assert_eq!(pairing.line().await, "host: example.com");
    assert_eq!(pairing.line().await, "rig: CAM A (3f0c9a5e-0000-4000-8000-00000000c0de)");
    assert!(pairing.line().await.starts_with("valid for: "));
    fake.step(&service).await;
    assert_eq!(pairing.line().await, "paired: Moonrise S01");
    assert_eq!(pairing.end().await, (0, String::new()));
    assert_eq!(fake.world().limit, Some(900));
    assert_eq!(fake.world().calls, ["Start"]);
}

#[tokio::test]
async fn at_a_provider_of_accounts_no_command_speaks_of_a_project() {
    let script = || vec![Step::Code("WDJB-MJHT"), Step::Grant("login.example")];
    let (bus, fake) = (Bus::new(), unpaired(script()));
    {
        let mut world = fake.world();
        world.provider = "oauth".into();
        world.blockers = vec![(
            "unpaired".into(),
            "This rig is not paired with an account. Pair it.".into(),
            String::new(),
        )];
        world.revocation = ("revoked", "", false);
    }
    let service = fake.serve(&bus).await;
    let mut said = Vec::new();
    let mut tell = async |args: &[&str]| {
        let (code, output, errors) = run(&bus, args).await;
        let text = format!("{output}{errors}");
        assert!(!text.is_empty() && !text.contains("project"), "{args:?}: {text}");
        said.push(text);
        code
    };
    assert_eq!(tell(&["status"]).await, 0);
    assert_ne!(tell(&["wait", "--paired", "--timeout", "0"]).await, 0);
    tell(&["unpair", "--yes"]).await;
    for refuse in [fake::Error::NotProvisioned, fake::Error::AlreadyPaired, fake::Error::NetworkUnavailable] {
        fake.world().refuse_start = Some(refuse);
        assert_ne!(tell(&["pair"]).await, 0);
    }
    fake.world().refuse_start = None;
    let mut pairing = Pairing::start(&bus, &["pair"]);
    pairing.until("valid for: ").await;
    fake.step(&service).await;
    assert_eq!(pairing.until("paired: ").await, "paired: login.example");
    assert_eq!(pairing.end().await, (0, String::new()));
    assert_eq!(tell(&["status"]).await, 0);
    tell(&["unpair", "--yes"]).await;
    tell(&["forget", "--yes"]).await;
    let found =
        doctor_with(&bus, "kind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://rigpost.invalid\"", &[])
            .await;
    assert!(!found.to_string().contains("project"), "{found}");
    let all = said.join("\n");
    for part in [
        "this rig is not paired with an account",
        "`rigpost status` shows with what",
        "account at login.example",
        "Unpaired from login.example",
    ] {
        assert!(all.contains(part), "{part:?} in {all}");
    }
}

#[tokio::test]
async fn a_renewed_code_is_shown() {
    let (bus, fake) =
        (Bus::new(), unpaired(vec![Step::Code("111111"), Step::Code("022222"), Step::Grant("M")]));
    let service = fake.serve(&bus).await;
    let mut pairing = Pairing::start(&bus, &["pair"]);
    assert_eq!(pairing.until("code: ").await, "code: 111111");
    fake.step(&service).await;
    assert_eq!(pairing.until("code: ").await, "code: 022222");
    fake.step(&service).await;
    assert_eq!(pairing.until("paired: ").await, "paired: M");
    assert_eq!(pairing.end().await.0, 0);
}

#[tokio::test]
async fn a_pairing_that_fails_says_how() {
    for (reason, code, words) in [
        ("denied", 5, "the pairing was denied in the cloud"),
        ("expired", 6, "nobody entered the code in time"),
        ("captive-portal", 8, "log-in page"),
    ] {
        let script = vec![Step::Code("042137"), Step::End { state: "unpaired", reason }];
        let (bus, fake) = (Bus::new(), unpaired(script));
        let service = fake.serve(&bus).await;
        let mut pairing = Pairing::start(&bus, &["pair"]);
        pairing.until("valid for: ").await;
        fake.step(&service).await;
        let (status, errors) = pairing.end().await;
        assert_eq!(status, code, "{reason}");
        assert!(errors.contains(words) && errors.contains("\n  next: "), "{errors}");
        assert!(!errors.contains("042137"), "{errors}");
    }
}

#[tokio::test]
async fn a_pairing_that_can_not_start_says_why() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let _service = fake.serve(&bus).await;
    fake.world().refuse_start = Some(fake::Error::NotProvisioned);
    let (status, _, errors) = run(&bus, &["pair"]).await;
    assert_eq!(status, 7);
    assert_eq!(
        errors,
        "rigpost: this rig has no client secret yet: said the test\n  next: sudo rigpost provision\n"
    );
    fake.world().refuse_start = Some(fake::Error::NetworkUnavailable);
    assert_eq!(run(&bus, &["pair"]).await.0, 8);
    fake.world().refuse_start = Some(fake::Error::AlreadyPaired);
    assert_eq!(run(&bus, &["pair"]).await.0, 1);
}

#[tokio::test]
async fn leaving_cancels_the_pairing() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM, rustix::process::Signal::HUP]
    {
        let (bus, fake) = (Bus::new(), unpaired(vec![Step::Code("042137")]));
        let _service = fake.serve(&bus).await;
        let mut pairing = Pairing::start(&bus, &["pair"]);
        pairing.until("valid for: ").await;
        let pid = rustix::process::Pid::from_raw(pairing.child.id().unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let (status, errors) = pairing.end().await;
        assert_eq!(status, 6);
        assert!(errors.contains("the pairing is cancelled"), "{errors}");
        assert_eq!(fake.world().calls, ["Start", "Cancel"]);
    }
}

#[tokio::test]
async fn a_daemon_that_stops_ends_the_pairing() {
    let (bus, fake) = (Bus::new(), unpaired(vec![Step::Code("042137")]));
    let service = fake.serve(&bus).await;
    let mut pairing = Pairing::start(&bus, &["pair"]);
    pairing.until("valid for: ").await;
    service.close().await.unwrap();
    let (status, errors) = pairing.end().await;
    assert_eq!((status, errors.contains("the daemon stopped")), (3, true), "{errors}");
}

#[tokio::test]
async fn a_secret_goes_through_standard_input() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let _service = fake.serve(&bus).await;
    let mut command = rigpost(&bus, &["provision"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"s3cret-words\n").await.unwrap();
    let (status, output, errors) = shown(&child.wait_with_output().await.unwrap());
    assert_eq!((status, errors.as_str()), (0, ""));
    assert!(!output.contains("s3cret") && output.contains("rigpost pair"), "{output}");
    assert_eq!(fake.world().secret, b"s3cret-words");
}

#[tokio::test]
async fn a_secret_as_an_argument_is_refused() {
    let bus = Bus::new();
    for args in [&["provision", "s3cret"][..], &["provision", "--secret=s3cret"]] {
        let (status, output, errors) = run(&bus, args).await;
        assert_eq!((status, output.as_str()), (2, ""));
        assert!(
            errors.contains("never taken from the command line") && !errors.contains("s3cret"),
            "{errors}"
        );
    }
}

#[tokio::test]
async fn no_bus_and_no_daemon_are_told_apart() {
    let bus = Bus::new();
    let (status, _, errors) = run(&bus, &["status"]).await;
    assert_eq!(status, 3);
    assert!(
        errors.contains("the daemon is not running") && errors.contains("systemctl enable --now rigpost")
    );
    let nowhere = "unix:path=/nonexistent/bus";
    let output = rigpost(&bus, &["status"]).env("DBUS_SYSTEM_BUS_ADDRESS", nowhere).output().await.unwrap();
    let (status, _, errors) = shown(&output);
    assert_eq!(status, 3);
    assert!(errors.contains("the system bus can't be reached"), "{errors}");
}

#[tokio::test]
async fn a_refusal_names_the_way_in() {
    let bus = Bus::with_policy(
        r#"<allow own="*"/><allow send_destination="*"/><deny send_destination="org.rigpost.Rigpost1"/>"#,
    );
    let fake = unpaired(vec![]);
    let _service = fake.serve(&bus).await;
    let (status, _, errors) = run(&bus, &["status"]).await;
    assert_eq!(status, 4);
    let expected = match rustix::process::geteuid().is_root() {
        true => "refused even root",
        false => "sudo usermod -aG rigpost-ui ana, then log out and log in again",
    };
    assert!(errors.contains(expected), "{errors}");
}

#[tokio::test]
async fn status_as_json_keeps_the_code_to_itself() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let _service = fake.serve(&bus).await;
    {
        let mut world = fake.world();
        (world.state, world.code) = ("waiting-for-user".into(), "042137".into());
        world.uri_complete = "https://example.com/device?user_code=042137".into();
        world.code_expires_at = fake::boot_micros() + 300_000_000;
        world.items = vec![fake::item(1, &bus.path("A001.mov"), "uploading", "")];
        world.blockers = vec![("network".into(), "No network.".into(), "no route".into())];
        world.orphans = 3;
        world.missing_sources = vec!["/media/card".into()];
        world.channels = vec![
            ("A".into(), "connected".into(), 1, String::new()),
            ("B".into(), "model-not-allowed".into(), 0, "no".into()),
        ];
    }
    let (status, output, _) = run(&bus, &["status", "--json"]).await;
    assert_eq!(status, 0);
    assert!(!output.contains("042137"), "{output}");
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(json["pairing"]["state"], "waiting-for-user");
    assert!((290..=300).contains(&json["pairing"]["code_expires_in"].as_u64().unwrap()));
    assert_eq!(json["pairing"]["authorization_expires"], serde_json::Value::Null);
    assert_eq!(json["device"]["version"], "9.8.7");
    let blocker = serde_json::json!({"code": "network", "text": "No network.", "detail": "no route"});
    assert_eq!(json["device"]["blockers"][0], blocker);
    assert_eq!(json["queue"]["current"][0]["size"], 3_000_000_000_u64);
    assert_eq!(json["queue"]["orphans"], 3);
    assert_eq!(json["queue"]["missing_sources"][0], "/media/card");
    assert_eq!(
        (&json["queue"]["channels"][0]["channel"], &json["queue"]["channels"][1]["detail"]),
        (&1.into(), &"no".into())
    );
    let (_, output, _) = run(&bus, &["status", "--json", "--show-code"]).await;
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(json["pairing"]["user_code"], "042137");
    let (_, output, _) = run(&bus, &["status"]).await;
    assert!(
        output.contains("042137")
            && output.contains("- No network.")
            && output.contains("/media/card is not there")
            && output.contains("B is not connected: its model is not allowed")
            && !output.contains('\u{1b}'),
        "{output}"
    );
}

#[tokio::test]
async fn clips_are_added_by_absolute_paths() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let _service = fake.serve(&bus).await;
    for name in ["a.mov", "b.mov"] {
        std::fs::write(bus.path(name), b"clip").unwrap();
    }
    std::os::unix::fs::symlink("a.mov", bus.path("link.mov")).unwrap();
    let add = |args: &[&str]| {
        let args = [&["add"], args].concat();
        let mut command = rigpost(&bus, &args);
        command.current_dir(bus.dir.path());
        async move { shown(&command.output().await.unwrap()) }
    };
    let absolute = |name: &str| bus.path(name).to_str().unwrap().to_owned();
    let (status, output, _) = add(&["link.mov", "--priority", "-3"]).await;
    assert_eq!((status, output), (0, format!("1  {}\n", absolute("link.mov"))));
    let (status, output, _) = add(&["./b.mov", "a.mov"]).await;
    assert_eq!(status, 0);
    assert!(output.ends_with("Queued 2 clips, 8 B.\n"), "{output}");
    let expected =
        vec![(vec![absolute("link.mov")], Some(-3)), (vec![absolute("b.mov"), absolute("a.mov")], None)];
    assert_eq!(fake.world().added, expected);
    let (status, _, errors) = add(&["."]).await;
    assert_eq!((status, errors.contains("--recursive")), (1, true), "{errors}");
    fake.world().refuse_add = Some(fake::Error::OutsideMediaDirs);
    let (status, _, errors) = add(&["a.mov"]).await;
    assert_eq!(status, 1);
    assert!(errors.contains("not beneath a media directory: /") && errors.contains("media_dirs"), "{errors}");
}

#[tokio::test]
async fn the_queue_is_listed_and_steered() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let _service = fake.serve(&bus).await;
    fake.world().items = vec![
        fake::item(1, &bus.path("done.mov"), "done", ""),
        fake::item(2, &bus.path("sending.mov"), "uploading", ""),
        fake::item(3, &bus.path("broken.mov"), "failed", "The file is gone."),
    ];
    let (status, output, _) = run(&bus, &["queue"]).await;
    assert_eq!(status, 0);
    assert!(
        output.contains("sending.mov")
            && output.contains("The file is gone.")
            && !output.contains("done.mov")
    );
    let (_, output, _) = run(&bus, &["queue", "--all", "--json", "--limit", "2"]).await;
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((json["total"].as_u64(), json["items"].as_array().unwrap().len()), (Some(3), 2));
    let (_, output, _) = run(&bus, &["queue", "--state", "held"]).await;
    assert_eq!(output, "No clip is held.\n");
    assert_eq!(run(&bus, &["queue", "retry", "3"]).await.0, 0);
    let (status, _, errors) = run(&bus, &["queue", "cancel", "404"]).await;
    assert_eq!((status, errors.contains("item 404")), (1, true), "{errors}");
    assert_eq!(run(&bus, &["pause"]).await.0, 0);
    assert!(fake.world().paused);
    assert_eq!(run(&bus, &["resume"]).await.0, 0);
    assert!(!fake.world().paused);
    assert_eq!(fake.world().calls, ["Retry [3]", "Cancel [404]"]);
}

#[tokio::test]
async fn destructive_commands_ask_first() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    fake.world().revocation.0 = "nothing";
    let _service = fake.serve(&bus).await;
    for command in ["unpair", "forget"] {
        let (status, _, errors) = run(&bus, &[command]).await;
        assert_eq!((status, errors.contains("--yes")), (2, true), "{errors}");
        assert_eq!(run(&bus, &[command, "--yes"]).await.0, 0);
    }
    assert_eq!(fake.world().calls, ["Unpair", "Forget"]);
}

#[tokio::test]
async fn version_asks_without_starting_the_daemon() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let (status, output, _) = run(&bus, &["version"]).await;
    assert_eq!((status, output.lines().last()), (0, Some("rigpostd is not running")));
    let _service = fake.serve(&bus).await;
    let (_, output, _) = run(&bus, &["version"]).await;
    assert_eq!(output, format!("rigpost {}\nrigpostd 9.8.7\n", env!("CARGO_PKG_VERSION")));
}

//= frameio-c2c#7
//= type=test
//# Shown are how many files and bytes are left, how far the current file is, and what became of each.
#[tokio::test]
async fn watching_prints_events_and_stops_nothing() {
    let (bus, fake) = (Bus::new(), unpaired(vec![Step::Grant("Moonrise")]));
    let service = fake.serve(&bus).await;
    let mut watch = Pairing::start(&bus, &["watch"]);
    assert!(watch.line().await.ends_with(" Not paired"));
    assert!(watch.line().await.ends_with(" Nothing left to send"));
    fake.step(&service).await;
    assert!(watch.line().await.ends_with(" Paired with Moonrise"));
    let item = fake::item(7, &bus.path("A001.mov"), "failed", "The file is gone.");
    let emitter = zbus::object_server::SignalEmitter::new(&service, fake::PATH).unwrap();
    fake::Queue::item_changed(&emitter, 7, item).await.unwrap();
    assert!(watch.line().await.ends_with(" failed A001.mov: The file is gone."));
    service.close().await.unwrap();
    assert!(watch.line().await.ends_with(" the daemon stopped"));
    let _service = fake.serve(&bus).await;
    assert!(watch.line().await.ends_with(" the daemon is running"));
    let pid = rustix::process::Pid::from_raw(watch.child.id().unwrap() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(watch.end().await, (0, String::new()));
    assert!(fake.world().calls.is_empty());
}

/// A provider, or what stands in its place, that gives everybody the same answer.
async fn answering(answer: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let n = stream.read(&mut request).await.unwrap();
            assert!(request[..n].starts_with(b"GET /health HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

fn http(status: &str, kind: &str, extra: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{extra}Connection: close\r\n\r\n{body}"
    )
}

/// What doctor finds with this provider: (verdict, finding, next) of each check.
async fn doctor(bus: &Bus, base_url: &str) -> impl Fn(&str) -> (String, String, String) + use<> {
    doctor_trusting(bus, base_url, None).await
}

async fn doctor_trusting(
    bus: &Bus,
    base_url: &str,
    ca: Option<&std::path::Path>,
) -> impl Fn(&str) -> (String, String, String) + use<> {
    let ca = ca.map(|ca| format!("ca_file = {ca:?}\n")).unwrap_or_default();
    let config = bus.path("rigpost.toml");
    let state = bus.path("state");
    std::fs::create_dir_all(&state).unwrap();
    let text = format!("[provider]\nbase_url = \"{base_url}\"\n{ca}[state]\ndir = {state:?}\n");
    std::fs::write(&config, text).unwrap();
    let (_, output, errors) = run(bus, &["doctor", "--json", "--config", config.to_str().unwrap()]).await;
    assert_eq!(errors, "");
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    move |name| {
        let all = json["checks"].as_array().unwrap();
        let check =
            all.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no check {name}"));
        ["verdict", "finding", "next"].map(|key| check[key].as_str().unwrap().to_owned()).into()
    }
}

#[tokio::test]
async fn doctor_knows_the_provider_from_a_log_in_page() {
    let bus = Bus::new();
    let fake = unpaired(vec![]);
    let _service = fake.serve(&bus).await;
    let now = jiff::Timestamp::now();
    let date = |at: jiff::Timestamp| {
        format!(
            "Date: {}\r\n",
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap()
        )
    };
    let good = answering(http("200 OK", "application/json", &date(now), r#"{"status":"ok"}"#)).await;
    let found = doctor(&bus, &good).await;
    assert_eq!(found("configuration").0, "ok");
    assert_eq!(found("name").0, "ok");
    assert_eq!(found("encryption").0, "warn");
    assert_eq!(found("provider").0, "ok");
    assert_eq!(found("clock drift").0, "ok");
    assert_eq!(found("bus").0, "ok");
    assert_eq!(found("daemon").0, "warn", "another version runs");
    assert_eq!(found("access").0, "ok");
    assert_eq!(found("protection").0, "ok");
    assert_eq!(found("free space").0, "ok");

    let late = date(now - jiff::SignedDuration::from_hours(9));
    let html = answering(http("200 OK", "text/html", &late, "<html>Welcome to the hotel</html>")).await;
    let found = doctor(&bus, &html).await;
    let (verdict, finding, next) = found("provider");
    assert_eq!(verdict, "fail");
    assert!(finding.contains("log-in page") && next.contains("browser"), "{finding} {next}");
    assert_eq!(found("clock drift").0, "fail");

    let away = http("302 Found", "text/plain", "Location: http://login.example/?token=abc\r\n", "");
    let found = doctor(&bus, &answering(away).await).await;
    assert_eq!(found("provider").0, "fail");
    assert!(!found("provider").1.contains("token"));
}

#[tokio::test]
async fn doctor_works_without_network_bus_and_daemon() {
    let bus = Bus::new();
    let found = doctor(&bus, "https://rigpost.invalid").await;
    assert_eq!(found("name").0, "fail");
    assert_eq!(found("provider").0, "skipped");
    assert_eq!(found("daemon").0, "fail");
    assert_eq!(found("access").0, "skipped");
    assert_eq!(found("state").0, "fail", "the directory of the test is open to others");

    // Nobody listens on this port any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let found = doctor(&bus, &format!("https://127.0.0.1:{port}")).await;
    let (verdict, finding, _) = found("provider");
    assert_eq!(verdict, "fail");
    assert!(finding.contains("can't be reached"), "{finding}");
    let found = doctor(&bus, "https://127.0.0.1/?secret=abc").await;
    let (verdict, finding, _) = found("configuration");
    assert_eq!(verdict, "fail", "a provider's address has no query");
    assert!(!finding.contains("abc"), "{finding}");

    let mut command = rigpost(&bus, &["doctor", "--config", "/nonexistent/rigpost.toml"]);
    let output = command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus").output().await.unwrap();
    let (status, output, errors) = shown(&output);
    assert_eq!((status, errors.as_str()), (1, ""));
    for line in ["FAIL  configuration", "FAIL  bus ", "--    protection"] {
        assert!(output.contains(line), "{line}: {output}");
    }
}

/// A provider whose certificate is valid from this year on. Gives its URL, and writes the certificate to the file.
async fn encrypted(from: i32, file: &std::path::Path) -> String {
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(2200, 1, 1);
    let cert = params.self_signed(&key).unwrap();
    std::fs::write(file, cert.pem()).unwrap();
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The handshake fails where the test says so.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let answer = http("200 OK", "application/json", "", r#"{"status":"ok"}"#);
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    url
}

#[tokio::test]
async fn doctor_names_what_is_wrong_with_a_certificate() {
    let bus = Bus::new();
    let ca = bus.path("ca.pem");
    let url = encrypted(2020, &ca).await;
    let found = doctor_trusting(&bus, &url, Some(&ca)).await;
    assert_eq!((found("encryption").0, found("provider").0), ("ok".to_owned(), "ok".to_owned()));
    let (verdict, finding, _) = doctor(&bus, &url).await("encryption");
    assert_eq!(verdict, "fail");
    assert!(finding.contains("is self-signed and not in `provider.ca_file`"), "{finding}");
    let url = encrypted(2199, &ca).await;
    let (verdict, finding, next) = doctor_trusting(&bus, &url, Some(&ca)).await("encryption");
    assert_eq!(verdict, "fail");
    assert!(finding.contains("the clock of this rig is behind") && next.contains("timedatectl"), "{finding}");
}

/// What doctor finds with these lines in `[provider]` and this environment.
async fn doctor_with(bus: &Bus, lines: &str, env: &[(&str, &str)]) -> serde_json::Value {
    let config = bus.path("rigpost.toml");
    std::fs::write(&config, format!("[provider]\n{lines}\n")).unwrap();
    let mut command = rigpost(bus, &["doctor", "--json", "--config", config.to_str().unwrap()]);
    for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "no_proxy", "NO_PROXY"]
    {
        command.env_remove(name);
    }
    let output = command.envs(env.iter().copied()).output().await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!json.to_string().contains("hunter2"), "{json}");
    json["checks"].clone()
}

fn check<'a>(checks: &'a serde_json::Value, name: &str, key: &str) -> &'a str {
    let all = checks.as_array().unwrap();
    all.iter().find(|check| check["check"] == name).map_or("", |check| check[key].as_str().unwrap())
}

#[tokio::test]
async fn doctor_names_the_proxy_and_whether_one_may_be_needed() {
    let bus = Bus::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = format!("http://{address}");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let n = stream.read(&mut [0; 4096]).await.unwrap();
            assert!(n > 0);
            let answer = http("407 Proxy Authentication Required", "text/html", "", "");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let line = format!("base_url = \"https://c2c.example\"\nproxy = \"http://anna:hunter2@{address}\"");
    let found = doctor_with(&bus, &line, &[]).await;
    assert_eq!(
        check(&found, "proxy", "finding"),
        format!("{proxy} leads to c2c.example, says `provider.proxy`")
    );
    assert_eq!((check(&found, "name", "verdict"), check(&found, "provider", "verdict")), ("skipped", "fail"));
    assert!(check(&found, "provider", "finding").contains("407"), "{found}");
    assert!(check(&found, "provider", "next").contains("user:password@host:port"), "{found}");

    // This shell has a proxy, and the rig has none.
    let shell = [("https_proxy", format!("http://anna:hunter2@{address}"))];
    let shell: Vec<(&str, &str)> = shell.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (line, step) in [
        ("base_url = \"https://rigpost.invalid\"".to_owned(), "name"),
        (format!("base_url = \"https://127.0.0.1:{port}\""), "provider"),
        (format!("base_url = \"https://127.0.0.1:{port}\"\nproxy = \"none\""), "provider"),
    ] {
        let found = doctor_with(&bus, &line, &shell).await;
        assert_eq!(check(&found, "proxy", "finding"), "", "{found}");
        assert_eq!(check(&found, step, "verdict"), "fail", "{found}");
        let hint = format!("the rig may need a proxy: this shell has {proxy};");
        assert!(check(&found, step, "next").starts_with(&hint), "{found}");
    }
    let found = doctor_with(&bus, "base_url = \"https://rigpost.invalid\"", &[]).await;
    assert!(!check(&found, "name", "next").contains("proxy"), "{found}");
}

#[tokio::test]
async fn the_daemon_that_these_tests_pretend_to_have_is_the_real_one_s_like() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let service = fake.serve(&bus).await;
    let introspectable = Some("org.freedesktop.DBus.Introspectable");
    let caller = zbus::connection::Builder::address(bus.address.as_str()).build().await.unwrap();
    let answer = caller.call_method(Some(fake::NAME), fake::PATH, introspectable, "Introspect", &()).await;
    introspected::hold_against_contract(
        &answer.unwrap().body().deserialize::<String>().unwrap(),
        "tests/cli/fake.rs",
    );
    drop(service);
}

#[tokio::test]
async fn a_token_is_printed_and_nothing_else() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let _service = fake.serve(&bus).await;
    assert_eq!(run(&bus, &["token"]).await, (0, "access-token\n".to_owned(), String::new()));
    assert_eq!(run(&bus, &["token", "--min-validity", "900"]).await.0, 0);
    assert_eq!(run(&bus, &["token", "--dpop"]).await, (0, "access-token\n".to_owned(), String::new()));
    let proof = ["token", "--proof", "GET", "https://api.example/me"];
    assert_eq!(run(&bus, &proof).await, (0, "a.proof\n".to_owned(), String::new()));
    assert_eq!(run(&bus, &[&proof[..], &["--nonce", "n1"]].concat()).await.0, 0);
    for wrong in
        [&["token", "--proof", "GET"][..], &["token", "--nonce", "n"], &[&proof[..], &["--dpop"]].concat()]
    {
        assert_eq!(run(&bus, wrong).await.0, 2, "{wrong:?}");
    }
    assert_eq!(
        fake.world().calls,
        [
            "GetAccessToken 60",
            "GetAccessToken 900",
            "GetAccessToken 60 with proofs",
            "GetDPoPProof GET https://api.example/me ",
            "GetDPoPProof GET https://api.example/me n1",
        ]
    );
}
