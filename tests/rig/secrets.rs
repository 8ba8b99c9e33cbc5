//! Every secret of the cloud carries a word. It must be found nowhere but in the requests.
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rigpost_sim::{Endpoint, EventKind};
use rustix::process::Signal;
use zbus::message::Type;

use crate::common::*;

/// Every way things go well and badly, at the level that says most. Answers with the codes that were shown.
async fn a_long_day(rig: &mut Rig) -> Vec<String> {
    let mut codes = Vec::new();
    rig.provision("SIMSECRET-but-not-the-right-one").await.unwrap();
    rig.ask_to_pair().await.unwrap_err();
    rig.provision(SECRET).await.unwrap();
    for fault in [
        "device-code:garbage",
        "device-code:wrong-types",
        "token-poll:captive-portal",
        "me:wrong-types",
        "me:500",
    ] {
        rig.sim.inject(fault.parse().unwrap());
    }
    codes.push(rig.start_pairing().await);
    rig.sim.deny(&codes[0]).unwrap();
    rig.wait_reason("denied").await;
    codes.push(rig.pair().await);
    for fault in [
        "create:500",
        "create:garbage:1:1",
        "part:reset-after=9000",
        "part:403",
        "part:500:1:2",
        "refresh:503",
    ] {
        rig.sim.inject(fault.parse().unwrap());
    }
    let clips = [rig.clip("one.mp4", 200_000), rig.clip("two.mp4", 3000)];
    for clip in &clips {
        rig.add(clip).await.unwrap();
    }
    rig.kill_and_start().await;
    for clip in &clips {
        let id = rig.add(clip).await.unwrap();
        rig.wait_item(id, "done").await;
    }
    let renewed = |e: &rigpost_sim::Event| {
        e.endpoint == Endpoint::Refresh && e.kind == EventKind::Replied && e.status == Some(200)
    };
    rig.sim.wait_for(renewed, PATIENCE).await.expect("a refresh");
    rig.sim.inject("part:stall:1:1".parse().unwrap());
    rig.add(rig.clip("three.mp4", 200_000)).await.unwrap();
    let stalled = |e: &rigpost_sim::Event| e.fault.as_deref() == Some("stall");
    rig.sim.wait_for(stalled, PATIENCE).await.expect("a part under way");
    codes
}

/// Files beneath `dir` that hold these bytes.
fn holding(dir: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, needle));
        } else if path.is_file() && count(&fs::read(&path).unwrap(), needle) > 0 {
            found.push(path.display().to_string());
        }
    }
    found
}

fn count(bytes: &[u8], needle: &str) -> usize {
    bytes.windows(needle.len()).filter(|w| *w == needle.as_bytes()).count()
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.3
//= type=test
//# MUST be kept confidential in transit and storage
//= frameio-c2c#2
//= type=test
//# client_secret, access token and refresh token are not within the user's reach.
//= frameio-c2c#3.1
//= type=test
//# The device_code is not shown to the user.
#[tokio::test]
async fn no_secret_is_found_in_journal_bus_disk_or_process_table() {
    let mut setup = Setup::cloud(|c| {
        c.chunk_size = 64 * 1024;
        c.access_expires_in = 6;
    });
    setup.level = "trace";
    let mut rig = setup.start().await;
    let monitor = rig.bus.monitor().await;
    let codes = a_long_day(&mut rig).await;
    // While tokens are in use and upload addresses are stored.
    let proc = Path::new("/proc").join(rig.pid().as_raw_nonzero().to_string());
    for name in ["cmdline", "environ", "comm", "status"] {
        assert_eq!(count(&fs::read(proc.join(name)).unwrap(), MARKER), 0, "{name}");
    }
    let state = rig.state_dir();
    assert_eq!(holding(&state, MARKER), Vec::<String>::new());
    assert!(!holding(&state, &rig.device_id().await).is_empty(), "the search finds what is there");
    for name in codes.iter().map(String::as_str) {
        assert_eq!(holding(&state, name), Vec::<String>::new(), "codes are sealed, too");
    }
    assert_eq!(fs::metadata(state.join("rigpost.db")).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    rig.unpair().await.unwrap();
    rig.event(0, Endpoint::Revoke, EventKind::Replied).await;
    assert!(rig.stop().await.success());
    assert_eq!(holding(&state, MARKER), Vec::<String>::new());
    let said = rig.log.all().join("\n");
    assert!(said.len() > 2000, "trace says much: {said}");
    assert_eq!(count(said.as_bytes(), MARKER), 0);
    for code in &codes {
        assert_eq!(count(said.as_bytes(), code), 0, "the code is for the screen, not for the journal");
    }
    assert_eq!(monitor.find(None, MARKER.as_bytes()), Vec::<String>::new());
    assert!(monitor.count(Type::Error) > 0 && monitor.count(Type::Signal) > 10, "the monitor saw all kinds");
    let told = rig.notes.all().join("\n");
    assert!(!told.contains(MARKER) && codes.iter().all(|c| !told.contains(c)), "{told}");
}

#[tokio::test]
async fn a_crash_leaves_no_core_and_memory_is_for_root_alone() {
    let mut setup = Setup::new();
    setup.user = Some("nobody");
    // Whoever starts it may have allowed cores of any size.
    setup.wrapper = vec!["prlimit", "--core=unlimited:unlimited", "--"];
    let mut rig = setup.paired().await;
    let pid = rig.pid().as_raw_nonzero().to_string();
    let proc = Path::new("/proc").join(&pid);
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
    let numbers: Vec<&str> = core.split_whitespace().filter(|w| w.parse::<u64>().is_ok()).collect();
    assert_eq!(numbers, ["0", "0"], "{core}");
    assert_ne!(fs::metadata(rig.path("state")).unwrap().uid(), 0, "it runs as somebody else");
    for name in ["mem", "environ", "maps"] {
        assert_eq!(fs::metadata(proc.join(name)).unwrap().uid(), 0, "{name} belongs to root");
        let mut other = rig.bus.as_user("nobody", "", "cat");
        let read = other.arg(proc.join(name)).stderr(std::process::Stdio::null()).output().await.unwrap();
        assert!(!read.status.success() || read.stdout.is_empty(), "{name} can't be read by the same user");
    }
    for signal in [Signal::SEGV, Signal::ABORT] {
        // The runtime's own handler, which looks for stack overflows, lets the first SIGSEGV from outside pass.
        let daemon = rig.daemon.as_mut().unwrap();
        loop {
            daemon.signal(signal);
            if tokio::time::timeout(Duration::from_millis(200), daemon.exit()).await.is_ok() {
                break;
            }
        }
        let status = rig.ended().await;
        assert!(status.signal().is_some() && !status.core_dumped(), "{status}");
        rig.start().await;
        assert_eq!(rig.state().await, "paired");
    }
}

/// Not a promise but a measurement: what a debugger with root's power finds after the tokens were given up.
#[tokio::test]
async fn what_is_left_in_memory_after_unpairing_is_counted() {
    let rig = Setup::new().paired().await;
    let clip = rig.clip("clip.mp4", 50_000);
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    rig.unpair().await.unwrap();
    rig.event(0, Endpoint::Revoke, EventKind::Replied).await;
    let prefix = rig.path("core");
    let pid = rig.pid().as_raw_nonzero().to_string();
    let made = Command::new("gcore").arg("-o").arg(&prefix).arg(&pid).output().expect("gdb is installed");
    let core = rig.path(&format!("core.{pid}"));
    assert!(core.exists(), "{}", String::from_utf8_lossy(&made.stderr));
    let bytes = fs::read(core).unwrap();
    let kinds = [
        ("client secret", SECRET),
        ("access tokens", "sim-access-"),
        ("refresh tokens", "sim-refresh-"),
        ("device codes", "sim-device-"),
        ("upload signatures", "X-Amz-Signature=SIMSECRET"),
        ("secrets in all", MARKER),
    ];
    for (what, needle) in kinds {
        println!("in memory after unpairing: {} copies of {what}", count(&bytes, needle));
    }
    // The rig is still provisioned.
    assert!(count(&bytes, SECRET) >= 1, "the search finds what must be there");
}
