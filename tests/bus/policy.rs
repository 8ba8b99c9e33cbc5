//! Who may do what, under the shipped policy, tried by processes of other users. Needs root, to become them.
use std::process::Output;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::common::*;

const UI: &str = "rigpost-ui";
const TOKEN: &str = "rigpost-token";
const TOKENS: &str = "org.rigpost.Rigpost1.Tokens";
const BUS: &str = "org.freedesktop.DBus";

/// Another user's process.
struct Person<'a> {
    rig: &'a Rig,
    groups: &'a str,
}

impl Person<'_> {
    async fn run(&self, program: &str, args: &[&str]) -> Output {
        let mut command = self.rig.bus.as_user("nobody", self.groups, program);
        command.args(args);
        soon(program, command.output()).await.unwrap()
    }

    /// The error name of a call, or an empty text.
    async fn send(&self, destination: &str, path: &str, method: &str, args: &[&str]) -> String {
        let bus = format!("--bus={}", self.rig.bus.address);
        let to = format!("--dest={destination}");
        let output =
            self.run("dbus-send", &[&[&*bus, "--print-reply", &to, path, method], args].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let name =
            said.strip_prefix("Error ").and_then(|s| s.split(':').next()).unwrap_or_default().to_owned();
        assert_eq!(name.is_empty(), output.status.success(), "{said}");
        name
    }

    async fn get(&self, interface: &str, property: &str) -> String {
        let args = [format!("string:{interface}"), format!("string:{property}")];
        self.send(NAME, PATH, "org.freedesktop.DBus.Properties.Get", &[&args[0], &args[1]]).await
    }

    /// Any call, arguments in the notation of busctl; what it says when it fails.
    async fn call(&self, interface: &str, method: &str, args: &[&str]) -> Result<(), String> {
        let address = format!("--address={}", self.rig.bus.address);
        let fixed = [&*address, "call", NAME, PATH, interface, method];
        let output = self.run("busctl", &[&fixed, args].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }
}

const DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";

//= https://www.rfc-editor.org/rfc/rfc8628#section-5.7
//= type=test
//# it is RECOMMENDED that any chosen communication channel only be accessible by people in close proximity
#[tokio::test]
async fn an_outsider_may_look_at_the_interface_and_no_more() {
    let rig = Setup::new().paired().await;
    let outsider = Person { rig: &rig, groups: "" };
    assert_eq!(outsider.send(NAME, PATH, "org.freedesktop.DBus.Introspectable.Introspect", &[]).await, "");
    assert_eq!(outsider.send(NAME, PATH, "org.freedesktop.DBus.Peer.Ping", &[]).await, "");
    for (interface, property) in
        [(PAIRING, "State"), (PAIRING, "UserCode"), (DEVICE, "DeviceId"), (QUEUE, "Current")]
    {
        assert_eq!(outsider.get(interface, property).await, DENIED, "{property}");
    }
    let all = format!("string:{PAIRING}");
    assert_eq!(outsider.send(NAME, PATH, "org.freedesktop.DBus.Properties.GetAll", &[&all]).await, DENIED);
    for (interface, methods) in [
        (PAIRING, &["Start", "Cancel", "Unpair", "QrCode"][..]),
        (
            QUEUE,
            &[
                "Add",
                "AddMany",
                "AddFiles",
                "AddFd",
                "List",
                "GetItem",
                "GetReceipt",
                "Cancel",
                "Retry",
                "Release",
            ][..],
        ),
        (QUEUE, &["SetPriority", "Comment", "Clear", "Pause", "Resume"][..]),
        (DEVICE, &["Provision", "Forget"][..]),
    ] {
        for method in methods {
            assert_eq!(
                outsider.send(NAME, PATH, &format!("{interface}.{method}"), &[]).await,
                DENIED,
                "{method}"
            );
        }
    }
    let limit =
        [format!("string:{QUEUE}"), "string:BandwidthLimit".to_owned(), "variant:uint64:20000".to_owned()];
    let limit: Vec<&str> = limit.iter().map(String::as_str).collect();
    assert_eq!(outsider.send(NAME, PATH, "org.freedesktop.DBus.Properties.Set", &limit).await, DENIED);
    // Not by leaving the interface out either.
    let said = outsider.call(QUEUE, "Pause", &["a{sv}", "0"]).await.unwrap_err();
    assert!(said.to_lowercase().contains("denied"), "{said}");
    assert!(!rig.get::<bool>(QUEUE, "Paused").await);
}

#[tokio::test]
async fn a_member_of_the_group_may_pair_and_steer_and_not_touch_the_identity() {
    let rig = Setup::new().provisioned().await;
    let member = Person { rig: &rig, groups: UI };
    assert_eq!(member.get(PAIRING, "State").await, "");
    member.call(PAIRING, "Start", &["a{sv}", "0"]).await.unwrap();
    assert_eq!(member.get(PAIRING, "UserCode").await, "");
    rig.sim.approve(&rig.code().await, PROJECT).unwrap();
    rig.wait_project(PROJECT).await;
    member.call(QUEUE, "Pause", &["a{sv}", "0"]).await.unwrap();
    assert!(rig.get::<bool>(QUEUE, "Paused").await);
    let id = rig.device_id().await;
    let refused = member.call(DEVICE, "Forget", &["a{sv}", "0"]).await.unwrap_err();
    assert!(refused.to_lowercase().contains("denied"), "{refused}");
    // The command line, where this user can reach it.
    let program = rig.bus.dir().join("rigpost");
    install(env!("CARGO_BIN_EXE_rigpost"), &program);
    let secret = std::fs::File::open("/etc/hostname").unwrap();
    let mut provision = rig.bus.as_user("nobody", UI, program.to_str().unwrap());
    let output = soon("the command", provision.arg("provision").stdin(secret).output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("root"), "{said}");
    assert_eq!((rig.state().await, rig.device_id().await), ("paired".to_owned(), id));
}

#[tokio::test]
async fn only_the_token_group_may_ask_for_tokens_and_it_may_nothing_else() {
    let drop_in = "[tokens]\nallow = true\nallow_frameio = true\n".to_owned();
    let setup = Setup { drop_in, ..Setup::new() };
    let rig = setup.paired().await;
    let get = ["a{sv}", "0"];
    for groups in ["", UI] {
        let person = Person { rig: &rig, groups };
        let said = person.call(TOKENS, "GetAccessToken", &get).await.unwrap_err();
        assert!(said.to_lowercase().contains("denied"), "{groups}: {said}");
    }
    let program = Person { rig: &rig, groups: TOKEN };
    let before = rig.log.len();
    program.call(TOKENS, "GetAccessToken", &get).await.unwrap();
    let line = rig.log.wait(before, "gave out the access token").await;
    assert!(line.contains("caller_uid=65534 caller_pid=") && !line.contains(MARKER), "{line}");
    assert_eq!(program.get(PAIRING, "UserCode").await, DENIED);
    for (interface, method) in [(PAIRING, "Unpair"), (QUEUE, "Pause"), (DEVICE, "Forget")] {
        let said = program.call(interface, method, &get).await.unwrap_err();
        assert!(said.to_lowercase().contains("denied"), "{method}: {said}");
    }
    // The command line, where this user can reach it.
    let command = rig.bus.dir().join("rigpost");
    install(env!("CARGO_BIN_EXE_rigpost"), &command);
    let mut fetch = rig.bus.as_user("nobody", TOKEN, command.to_str().unwrap());
    let output = soon("the command", fetch.arg("token").output()).await.unwrap();
    let token = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && token.trim_end().contains(MARKER), "the marker of what is secret");
    let mut fetch = rig.bus.as_user("nobody", UI, command.to_str().unwrap());
    let output = soon("the command", fetch.arg("token").output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && said.contains("group rigpost-token"), "{said}");
    for both in [format!("{UI},{TOKEN}"), format!("{TOKEN},{UI}")] {
        let person = Person { rig: &rig, groups: &both };
        person.call(TOKENS, "GetAccessToken", &get).await.unwrap();
        assert_eq!(person.get(PAIRING, "State").await, "");
    }
}

#[tokio::test]
async fn tokens_stay_inside_unless_the_configuration_lets_them_out() {
    let rig = Setup::new().paired().await;
    let program = Person { rig: &rig, groups: TOKEN };
    let said = program.call(TOKENS, "GetAccessToken", &["a{sv}", "0"]).await.unwrap_err();
    assert!(said.contains("tokens.allow"), "{said}");
}

#[tokio::test]
async fn nobody_else_owns_the_name() {
    let mut rig = Setup::new().start().await;
    let args = [format!("string:{NAME}"), "uint32:7".to_owned()];
    let args = [&*args[0], &args[1]];
    for groups in ["", UI] {
        let person = Person { rig: &rig, groups };
        let answer =
            person.send(BUS, "/org/freedesktop/DBus", "org.freedesktop.DBus.RequestName", &args).await;
        assert_eq!(answer, DENIED);
    }
    rig.stop().await;
    let person = Person { rig: &rig, groups: UI };
    let answer = person.send(BUS, "/org/freedesktop/DBus", "org.freedesktop.DBus.RequestName", &args).await;
    assert_eq!(answer, DENIED, "not even while it is free");
}

#[tokio::test]
async fn signals_reach_members_and_not_outsiders() {
    let rig = Setup::new().paired().await;
    let mut listeners = Vec::new();
    for groups in ["", UI] {
        let mut command = rig.bus.as_user("nobody", groups, "dbus-monitor");
        command.args(["--address", &rig.bus.address, "type='signal'"]);
        let mut child =
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let lines = Lines::new();
        let (heard, mut out) = (lines.clone(), BufReader::new(child.stdout.take().unwrap()).lines());
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = out.next_line().await {
                heard.push(line);
            }
        });
        listeners.push((lines, child, reader));
    }
    for (lines, ..) in &listeners {
        // Its own name is the first thing a listener hears; then it listens.
        lines.wait(0, "NameAcquired").await;
    }
    // It listens to all signals only once it has said so: everybody hears of newcomers.
    let mut probes = Vec::new();
    for (lines, ..) in &listeners {
        while !lines.all().iter().any(|l| l.contains("NameOwnerChanged")) {
            probes.push(rig.bus.connect().await);
            let name = probes.last().unwrap().unique_name().unwrap().to_string();
            let heard = lines.wait(0, &name);
            let _ = tokio::time::timeout(std::time::Duration::from_millis(300), heard).await;
        }
    }
    rig.queue("Pause").await.unwrap();
    let clip = rig.clip("clip.mp4", 100);
    rig.add(&clip).await.unwrap();
    rig.queue("Resume").await.unwrap();
    listeners[1].0.wait(0, "ItemChanged").await;
    listeners[1].0.wait(0, "PropertiesChanged").await;
    // What comes after on the same bus has arrived, so what came before has too.
    let last = rig.bus.connect().await;
    let name = last.unique_name().unwrap().to_string();
    listeners[0].0.wait(0, &name).await;
    let heard = listeners[0].0.all();
    let ours = |l: &&String| l.contains(PATH) || l.contains("ItemChanged") || l.contains("PropertiesChanged");
    assert_eq!(heard.iter().filter(ours).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test]
async fn a_member_hands_over_what_only_they_can_read_and_an_outsider_nothing() {
    let rig = Setup::new().paired().await;
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    let own = rig.path("media/nobody");
    std::fs::create_dir(&own).unwrap();
    let (theirs, other) = (own.join("A001.mov"), rig.clip("other.mov", 5000));
    fill(&theirs, 70_000, 3);
    mode(&other, 0o600);
    for path in [&own, &theirs] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    mode(&theirs, 0o600);
    mode(&own, 0o700);
    let mut above = own.parent();
    while let Some(dir) = above.filter(|dir| *dir != std::env::temp_dir()) {
        mode(dir, 0o711);
        above = dir.parent();
    }
    let command = rig.bus.dir().join("rigpost");
    install(env!("CARGO_BIN_EXE_rigpost"), &command);
    let add = async |groups: &str, path: &std::path::Path| {
        let mut add = rig.bus.as_user("nobody", groups, command.to_str().unwrap());
        add.args(["add", "--json", path.to_str().unwrap()]);
        let output = soon("the command", add.output()).await.unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        (output.status.success(), said)
    };
    let (done, [_, errors]) = add("", &theirs).await;
    assert!(!done && errors.contains("rigpost-ui"), "{errors}");
    let (done, [output, errors]) = add(UI, &theirs).await;
    assert!(done && errors.contains("handed over 1 clip open"), "{errors}");
    assert!(output.contains("\"id\": 1") && output.contains("\"new\""), "{output}");
    let item = rig.wait_item(1, "done").await;
    rig.assert_arrived(&theirs, PROJECT);
    assert_eq!(item["uid"].downcast_ref::<&u32>().unwrap(), &65534);
    let line = rig.log.wait(0, "handed over as an open file").await;
    assert!(line.contains("caller_uid=65534"), "{line}");
    // What they can't open they can't hand over.
    let (done, [_, errors]) = add(UI, &other).await;
    assert!(!done && errors.contains("can't read it themselves"), "{errors}");
}

/// A list of rights as desktops give a card's directory to one person: the owner, the person, and nobody else.
fn for_nobody_too() -> Vec<u8> {
    let nobody = 65534u32;
    let all = u32::MAX;
    let entries = [(1u16, 7u16, all), (2, 5, nobody), (4, 0, all), (0x10, 5, all), (0x20, 0, all)];
    let entry = |(tag, rights, id): (u16, u16, u32)| {
        [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    [2u32.to_le_bytes().to_vec(), entries.into_iter().flat_map(entry).collect()].concat()
}

#[tokio::test]
async fn what_is_sent_for_somebody_they_can_read_themselves() {
    let rig = Setup::new().start().await;
    let ui = Person { rig: &rig, groups: UI };
    let theirs = rig.clip("theirs.mov", 5000);
    let card = theirs.parent().unwrap().join("card");
    std::fs::create_dir(&card).unwrap();
    let on_card = card.join("A001.mov");
    std::fs::write(&on_card, [7; 5000]).unwrap();
    let link = theirs.with_file_name("link.mov");
    std::os::unix::fs::symlink("card/A001.mov", &link).unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    let mut above = theirs.parent();
    while let Some(dir) = above.filter(|dir| *dir != std::env::temp_dir()) {
        mode(dir, 0o711);
        above = dir.parent();
    }
    let add =
        async |path: &std::path::Path| ui.call(QUEUE, "Add", &["sa{sv}", path.to_str().unwrap(), "0"]).await;

    mode(&theirs, 0o640);
    for path in [&theirs, &on_card] {
        mode(&on_card, 0o600);
        let said = add(path).await.unwrap_err();
        assert!(said.contains("can't read it themselves"), "{said}");
    }
    mode(&theirs, 0o644);
    add(&theirs).await.unwrap();

    // Beneath a directory that lets them not pass, nothing is told apart.
    mode(&on_card, 0o644);
    mode(&card, 0o700);
    let missing = card.join("B001.mov");
    let dangling = theirs.with_file_name("dangling.mov");
    std::os::unix::fs::symlink("card/B001.mov", &dangling).unwrap();
    for path in [&on_card, &link, &missing, &dangling] {
        let said = add(path).await.unwrap_err();
        assert!(said.contains("can't read it themselves"), "{path:?}: {said}");
    }
    rustix::fs::setxattr(
        &card,
        "system.posix_acl_access",
        &for_nobody_too(),
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    add(&link).await.unwrap();
    let said = add(&missing).await.unwrap_err();
    assert!(said.contains("B001.mov") && !said.contains("themselves"), "{said}");
    // What stands in the group's place is the most that the list gives.
    mode(&card, 0o700);
    assert!(add(&link).await.is_err());
    rig.add(on_card.clone()).await.unwrap();
}

#[tokio::test]
async fn what_is_written_is_roots_to_choose_and_until_the_next_start() {
    let rig = Setup::new().provisioned().await;
    let (path, interface) = ("/org/freedesktop/LogControl1", "org.freedesktop.LogControl1");
    let ui = Person { rig: &rig, groups: UI };
    let level = ["string:org.freedesktop.LogControl1", "string:LogLevel", "variant:string:debug"];
    assert_eq!(ui.send(NAME, path, "org.freedesktop.DBus.Properties.Set", &level).await, DENIED);
    let root = rig.bus.connect().await;
    let properties = zbus::fdo::PropertiesProxy::builder(&root).destination(NAME).path(path);
    let properties = properties.build().await.unwrap();
    let of = interface.try_into().unwrap();
    let all = properties.get_all(of).await.unwrap();
    let told = |key: &str| String::try_from(all[key].clone()).unwrap();
    assert_eq!(
        ["LogLevel", "LogTarget", "SyslogIdentifier"].map(told),
        ["info", "console", "rigpostd"],
        "it runs with debug of ours"
    );
    let set = async |level: &'static str| {
        properties.set(interface.try_into().unwrap(), "LogLevel", &zbus::Variant::from(level)).await
    };
    let no = set("loud").await.unwrap_err();
    assert!(no.to_string().contains("no such level"), "{no}");
    for (level, debug) in [("info", true), ("notice", false), ("crit", false), ("debug", true)] {
        set(level).await.unwrap();
        let before = rig.log.len();
        rig.call(QUEUE, "Pause", &(none(),)).await.unwrap();
        rig.call(QUEUE, "Resume", &(none(),)).await.unwrap();
        let now = properties.get(interface.try_into().unwrap(), "LogLevel").await.unwrap();
        let wanted = if level == "crit" { "err" } else { level };
        assert_eq!(String::try_from(now).unwrap(), wanted);
        let lines = rig.log.all().split_off(before);
        let told = |word: &str| lines.iter().any(|line| line.contains(word));
        assert!(level == "crit" || told("called Queue.Pause"), "{level}: {lines:?}");
        assert!(level != "crit" || lines.is_empty(), "{lines:?}");
        assert!(debug || !told("DEBUG"), "{level}: {lines:?}");
    }
}
