//! What scripts and programs read: JSON of every command that prints, the configuration, help.
use serde_json::{Value, json};
use zbus::object_server::SignalEmitter;

use super::fake::{self, Bus, Fake, PATH};
use super::{Pairing as Program, run, unpaired};

fn paired() -> Fake {
    let fake = unpaired(vec![]);
    {
        let mut world = fake.world();
        (world.state, world.reason, world.project) = ("paired".into(), "none".into(), "Moonrise".into());
        world.revocation = ("revoked", "", false);
    }
    fake
}

async fn read(bus: &Bus, args: &[&str]) -> Value {
    let (status, output, errors) = run(bus, &[args, &["--json"]].concat()).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{args:?}");
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{args:?}: {error}: {output}"))
}

#[tokio::test]
async fn every_command_that_prints_speaks_json() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    fake.world().items = vec![fake::item(1, &bus.path("a.mov"), "queued", "")];
    assert_eq!(read(&bus, &["cancel"]).await, json!({"cancelled": false}));
    assert_eq!(read(&bus, &["pause"]).await, json!({"paused": true}));
    let resumed =
        json!({"paused": false, "recording": false, "files_left": 1, "bytes_left": 3_000_000_000_u64});
    assert_eq!(read(&bus, &["resume"]).await, resumed);
    assert_eq!(read(&bus, &["limit", "5MB"]).await, json!({"bandwidth_limit": 5_000_000}));
    assert_eq!(read(&bus, &["limit", "off"]).await, json!({"bandwidth_limit": null}));
    let token = read(&bus, &["token"]).await;
    assert!(token["token"] == "access-token" && token["expires_in"].as_u64().unwrap() > 1000, "{token}");
    let version = json!({"rigpost": env!("CARGO_PKG_VERSION"), "rigpostd": "9.8.7"});
    assert_eq!(read(&bus, &["version"]).await, version);
    fake.world().state = "paired".into();
    let ended = read(&bus, &["unpair", "--yes"]).await;
    assert_eq!((&ended["revocation"], &ended["was_paired"]), (&json!("revoked"), &json!(true)));
    let receipt = read(&bus, &["forget", "--yes"]).await;
    assert_eq!((&receipt["revocation"], &receipt["project_name"]), (&json!("revoked"), &json!("Moonrise")));
    assert!(read(&bus, &["queue", "show", "1"]).await["id"] == 1);
    // What failed is a failure in either way.
    fake.world().revocation = ("refused", "no", false);
    let (status, output, errors) = run(&bus, &["unpair", "--yes", "--json"]).await;
    let ended: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &ended["detail"]), (11, &json!("no")), "{errors}");
}

#[tokio::test]
async fn watching_is_a_line_of_json_for_each_change() {
    let (bus, fake) = (Bus::new(), paired());
    let service = fake.serve(&bus).await;
    let mut watch = Program::start(&bus, &["watch", "--json"]);
    let mut next = async || -> Value { serde_json::from_str(&watch.line().await).unwrap() };
    let first = next().await;
    assert_eq!((&first["event"], &first["status"]["pairing"]["state"]), (&json!("status"), &json!("paired")));
    assert!(first["time"].as_i64().unwrap() > 1_700_000_000 && first["item"].is_null());
    let emitter = SignalEmitter::new(&service, PATH).unwrap();
    let item = fake::item(7, &bus.path("A001.mov"), "failed", "The file is gone.");
    fake::Queue::item_changed(&emitter, 7, item).await.unwrap();
    let told = next().await;
    assert_eq!(told["event"], "item");
    let item = json!({"id": 7, "name": "A001.mov", "size": 3_000_000_000_u64, "sent": 2_100_000_000_u64,
        "state": "failed", "reason": "", "detail": "The file is gone."});
    assert_eq!(told["item"], item);
    fake.world().reason = "network".into();
    fake.tell(&service).await;
    assert_eq!(next().await["status"]["pairing"]["reason"], "network");
    service.close().await.unwrap();
    assert_eq!(next().await["event"], "stopped");
}

#[tokio::test]
async fn waiting_for_clips_is_told_in_lines_of_json() {
    let (bus, fake) = (Bus::new(), paired());
    let service = fake.serve(&bus).await;
    let path = bus.path("a.mov");
    std::fs::write(&path, b"clip").unwrap();
    fake.world().items = vec![fake::item(1, &path, "queued", "")];
    let mut add = Program::start(&bus, &["add", "--wait", "--json", path.to_str().unwrap()]);
    let first: Value = serde_json::from_str(&add.line().await).unwrap();
    assert_eq!((&first["files"][0]["id"], &first["files"][0]["found"]), (&json!(1), &json!("new")));
    let done = fake::item(1, &path, "done", "");
    fake.world().items = vec![fake::clone_item(&done)];
    fake::Queue::item_changed(&SignalEmitter::new(&service, PATH).unwrap(), 1, done).await.unwrap();
    // The list may have been read before the signal came.
    let (status, errors) = add.end().await;
    assert_eq!((status, errors.as_str()), (0, ""));
}

#[tokio::test]
async fn the_configuration_is_checked_and_shown_with_who_says_so() {
    let bus = Bus::new();
    let main = bus.path("rigpost.toml");
    std::fs::create_dir(bus.path("conf.d")).unwrap();
    std::fs::write(&main, "[queue]\nmax_items = 7\n").unwrap();
    std::fs::write(bus.path("conf.d/site.toml"), "[queue]\nmax_items = 8\n").unwrap();
    std::fs::set_permissions(bus.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let args = |words: &[&'static str]| -> Vec<String> {
        let named = ["--config", main.to_str().unwrap()].map(str::to_owned);
        words.iter().map(|word| (*word).to_owned()).chain(named).collect()
    };
    let call = async |words: &[&'static str]| {
        let args = args(words);
        run(&bus, &args.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let (status, output, errors) = call(&["check-config"]).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{output}");
    assert!(output.ends_with("site.toml\nThe configuration in these files is good.\n"), "{output}");
    let (status, output, _) = call(&["config", "show"]).await;
    assert_eq!(status, 0);
    let site = format!("max_items = 8  # {}:2\n", bus.path("conf.d/site.toml").display());
    assert!(output.contains(&site) && output.contains("level = \"info\"  # default\n"), "{output}");
    let (_, output, _) = call(&["config", "show", "--json"]).await;
    let shown: Value = serde_json::from_str(&output).unwrap();
    let values = shown["values"].as_array().unwrap();
    let of = |key: &str| values.iter().find(|value| value["key"] == key).unwrap();
    assert_eq!((&of("queue.max_items")["value"], &of("queue.max_items")["line"]), (&json!("8"), &json!(2)));
    assert_eq!((&of("log.level")["file"], &of("provider.ca_file")["value"]), (&Value::Null, &Value::Null));

    std::fs::write(&main, "[queue]\nmax_itmes = 7\n[log]\nlevel = 3\n").unwrap();
    let (status, output, errors) = call(&["check-config"]).await;
    assert_eq!((status, output.lines().count()), (1, 2), "{output}");
    assert!(output.contains("rigpost.toml:2: ") && output.contains("max_itmes"), "{output}");
    assert!(errors.contains("2 mistakes"), "{errors}");
    let (status, output, _) = call(&["check-config", "--json"]).await;
    let checked: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &checked["ok"], &checked["problems"][1]["line"]), (1, &json!(false), &json!(4)));
    assert_eq!(call(&["config", "show"]).await.0, 1);

    // As sites are told to keep a file with a proxy's password: it is the daemon's, and not everybody's.
    std::fs::write(&main, "[queue]\nmax_items = 7\n").unwrap();
    std::fs::set_permissions(&main, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let program = bus.path("rigpost");
    std::fs::copy(env!("CARGO_BIN_EXE_rigpost"), &program).unwrap();
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(&program);
    let output = command.args(args(&["check-config"])).current_dir("/").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && errors.contains("can't be told"), "{errors}");
    assert!(errors.contains("sudo rigpost check-config") && !errors.contains("mistake"), "{errors}");
}

#[tokio::test]
async fn help_is_a_command_and_names_only_what_is_taken() {
    let bus = Bus::new();
    let (status, output, _) = run(&bus, &["help", "queue", "release"]).await;
    assert_eq!(status, 0);
    assert!(
        output.contains("held:") && output.contains("incomplete:") && !output.contains("done:"),
        "{output}"
    );
    let (_, output, _) = run(&bus, &["queue", "clear", "--help"]).await;
    assert!(output.contains("cancelled:") && !output.contains("uploading:"), "{output}");
    let (status, output, _) = run(&bus, &["help"]).await;
    assert!(status == 0 && output.contains("check-config") && output.contains("  log "), "{output}");
}
