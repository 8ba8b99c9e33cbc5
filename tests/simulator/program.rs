//! The program as a person starts it.

use std::path::Path;
use std::process::Stdio;

use rigpost_core::queue::container::{Check, Step, Wholeness};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::client::{PATIENCE, http, pass};

fn start(args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rigpost-sim"));
    command.args(["--listen", "127.0.0.1:0"]).args(args).kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn read_when_there(path: &Path) -> String {
    let appears = async {
        while !path.exists() {
            pass(10).await;
        }
    };
    timeout(PATIENCE, appears).await.unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn it_says_where_it_is_and_ends_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let (ready, ca) = (file("ready"), file("ca.pem"));
    let (ready_arg, ca_arg) = (ready.to_str().unwrap(), ca.to_str().unwrap());
    let program = start(&["--tls", "--ca-out", ca_arg, "--ready-file", ready_arg, "--fault", "health:503"]);
    let url = read_when_there(&ready).await.trim().to_owned();
    assert!(url.starts_with("https://localhost:"), "{url}");
    let authority = reqwest::Certificate::from_pem(&std::fs::read(&ca).unwrap()).unwrap();
    let trusting = http().tls_certs_only([authority]).build().unwrap();
    for status in [503, 200] {
        assert_eq!(trusting.get(format!("{url}/health")).send().await.unwrap().status(), status);
    }
    // The second answer may be here before the simulator has noted that it is out.
    let noted = async {
        loop {
            let log =
                trusting.get(format!("{url}/_sim/log?since=0")).send().await.unwrap().text().await.unwrap();
            if log.matches("replied").count() >= 2 {
                return;
            }
            pass(10).await;
        }
    };
    timeout(PATIENCE, noted).await.unwrap();
    let pid = Pid::from_raw(i32::try_from(program.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let ended = timeout(PATIENCE, program.wait_with_output()).await.unwrap().unwrap();
    assert!(ended.status.success());
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(said.contains(&format!("listens at {url}")), "{said}");
    assert!(said.contains("GET /health -> 503 (fault 503)") && said.contains("GET /health -> 200"), "{said}");
}

#[tokio::test]
async fn mistakes_on_the_command_line_are_named() {
    for (args, word) in [
        (&["--fault", "me:explode"][..], "explode is no kind of fault"),
        (&["--storage-dir", "/dev/null/x"], "cannot start"),
        (&["--interval", "soon"], "not a number"),
        (&["--s3", "clips"], "--s3 clips"),
        (&["--s3", "ftp://clips"], "neither http"),
        (&["--device-model", "mic"], "mic is no uuid"),
        (&["--sockets", "maybe"], "maybe"),
        (&["--s3-bucket", "clips"], "--s3 <URL>"),
        (&["--ca-out", "/tmp/ca"], "--tls"),
        (&["--tls", "--ca-out", "/dev/null/ca"], "cannot read /dev/null/ca.key"),
        (&["--write-clip", "/tmp/clip.mov"], "--write-clip"),
    ] {
        let ended = timeout(PATIENCE, start(args).wait_with_output()).await.unwrap().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && said.contains(word), "{args:?}: {said}");
    }
}

/// And the daemon takes it for a whole clip.
#[tokio::test]
async fn it_writes_a_clip_to_try_with() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("A001.mov");
    let mut program = Command::new(env!("CARGO_BIN_EXE_rigpost-sim"));
    assert!(program.arg("--write-clip").arg(&clip).status().await.unwrap().success());
    let bytes = std::fs::read(clip).unwrap();
    assert_eq!(bytes.len(), 8_640_583);
    let mut check = Check::new(bytes.len() as u64);
    let mut step = check.start();
    while let Step::Read { offset, length } = step {
        step = check.read(&bytes[offset as usize..][..length]);
    }
    assert_eq!(step, Step::Done(Wholeness::Whole));
}
