//! The screen that the package has as an example (`tests/screen/screen.py`): a person sees on it what there is, and what is
//! over is gone.
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::common::*;

/// The program as somebody's of the group, and what it draws: each line once when it comes.
fn screen(rig: &Rig, args: &[&str]) -> (Child, Lines) {
    let program = rig.bus.dir().join("screen.py");
    install(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/screen/screen.py"), &program);
    // Debian's own Python: the library is installed for that.
    let mut command = rig.bus.as_user("nobody", "rigpost-ui", "/usr/bin/python3");
    let mut child = command.arg(program).args(args).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let drawn = Lines::new();
    let heard = drawn.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = said.next_line().await {
            heard.push(line);
        }
    });
    (child, drawn)
}

#[tokio::test]
async fn the_smallest_screen_shows_code_and_clips_and_survives_the_daemon() {
    let mut rig = Setup::cloud(|o| o.chunk_size = 100_000).provisioned().await;
    let (mut program, drawn) = screen(&rig, &["--pair"]);
    drawn.wait(0, "Code: ").await;
    let code = rig.code().await;
    drawn.wait(0, &format!("Code: {code}")).await;
    drawn.wait(0, &rig.device_id().await).await;
    drawn.wait(0, "█").await;
    drawn.wait(0, "a new code in 1:").await;

    let before = drawn.len();
    rig.sim.approve(&code, PROJECT).unwrap();
    drawn.wait(before, &format!("Paired with {PROJECT}")).await;

    // A part hangs after the first two: the bar stands at what is there.
    let before = drawn.len();
    rig.sim.inject("part:stall:forever:2".parse().unwrap());
    let clip = rig.clip("A001.mp4", 1_000_000);
    let id = rig.add(&clip).await.unwrap();
    let bar = drawn.wait(before, "% A001.mp4").await;
    assert!(bar.starts_with('['), "{bar}");
    drawn.wait(before, "all: 1 left").await;
    drawn.wait(before, "Do not power off").await;

    let before = drawn.len();
    rig.kill().await;
    drawn.wait(before, "rigpost does not run").await;
    rig.sim.clear_faults();
    let before = drawn.len();
    rig.start().await;
    drawn.wait(before, &format!("Paired with {PROJECT}")).await;
    rig.wait_item(id, "done").await;
    drawn.wait(before, "Safe to power off").await;
    rig.assert_arrived(&clip, PROJECT);

    let before = drawn.len();
    rig.call(QUEUE, "Pause", &(none(),)).await.unwrap();
    rig.add(rig.clip("A002.mp4", 1_000)).await.unwrap();
    drawn.wait(before, "(queue-paused)").await;
    assert!(program.try_wait().unwrap().is_none(), "it runs on");
}
