//! The command line as a script or a program on the rig uses it: it follows a pairing, and it waits.
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use rigpost_sim::{Endpoint, EventKind, HoldPoint};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use zbus::MessageStream;
use zbus::fdo::MonitoringProxy;
use zbus::message::Type;

use crate::common::*;

fn rigpost(rig: &Rig, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rigpost"));
    command.args(args).env("DBUS_SYSTEM_BUS_ADDRESS", &rig.bus.address).kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `rigpost wait`, as soon as it has looked at the rig once.
async fn waiting(rig: &Rig, args: &[&str]) -> Child {
    let connection = rig.bus.connect().await;
    let mut messages = MessageStream::from(&connection);
    MonitoringProxy::new(&connection).await.unwrap().become_monitor(&[], 0).await.unwrap();
    let child = rigpost(rig, &[&["wait"], args].concat()).spawn().unwrap();
    let mut asked = None;
    let looked = async {
        while let Some(Ok(message)) = messages.next().await {
            let is_of_queue = || message.body().deserialize::<&str>().is_ok_and(|of| of == QUEUE);
            let header = message.header();
            match message.message_type() {
                Type::MethodCall if header.member().is_some_and(|m| m == "GetAll") && is_of_queue() => {
                    asked = Some(message.primary_header().serial_num());
                }
                Type::MethodReturn if asked.is_some() && header.reply_serial() == asked => return,
                Type::MethodCall | Type::MethodReturn | Type::Error | Type::Signal => {}
            }
        }
    };
    soon("the first look", looked).await;
    child
}

async fn end(child: Child) -> Output {
    soon("the end of the waiting", child.wait_with_output()).await.unwrap()
}

#[tokio::test]
async fn a_program_follows_the_pairing_and_another_waits_for_it() {
    let rig = Setup::new().provisioned().await;
    let waiter = waiting(&rig, &["--paired", "--online", "--empty", "--safe-to-power-off"]).await;
    let mut pairing = rigpost(&rig, &["pair", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(pairing.stdout.take().unwrap()).lines();
    let mut next = async || -> Value {
        let line = soon("a line", lines.next_line()).await.unwrap().expect("one more line");
        serde_json::from_str(&line).unwrap()
    };
    let offered = loop {
        let line = next().await;
        assert_eq!(line["exit_status"], Value::Null, "{line}");
        if line["state"] == "waiting-for-user" {
            break line;
        }
        assert_eq!(line["state"], "requesting-code", "{line}");
    };
    assert_eq!(offered["user_code"], rig.code().await);
    let picture: Vec<u8> =
        rig.call(PAIRING, "QrCode", &("png", none())).await.unwrap().body().deserialize().unwrap();
    let url = offered["qr"].as_str().unwrap();
    assert_eq!(STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap(), picture);
    rig.sim.approve(offered["user_code"].as_str().unwrap(), PROJECT).unwrap();
    let last = loop {
        let line = next().await;
        if line["exit_status"] != Value::Null {
            break line;
        }
    };
    assert_eq!((&last["exit_status"], &last["state"]), (&Value::from(0), &Value::from("paired")));
    assert_eq!((&last["project_name"], &last["user_code"]), (&Value::from(PROJECT), &Value::from("")));
    assert!(soon("the end of the pairing", pairing.wait()).await.unwrap().success());
    let waited = end(waiter).await;
    assert!(waited.status.success() && waited.stdout.is_empty() && waited.stderr.is_empty(), "{waited:?}");
}

#[tokio::test]
async fn whoever_waits_for_the_queue_waits_through_a_kill_of_the_daemon() {
    let mut rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let clip = rig.clip("A001.mp4", 5000);
    let id = rig.add(&clip).await.unwrap();
    let waiter = waiting(&rig, &["--empty", "--safe-to-power-off"]).await;
    rig.kill_and_start().await;
    let now = soon("a look", rigpost(&rig, &["wait", "--empty", "--timeout", "0"]).output()).await.unwrap();
    let said = String::from_utf8(now.stderr).unwrap();
    assert_eq!(now.status.code(), Some(10), "{said}");
    assert!(said.contains("1 clip is left to send") && said.contains("Sending is paused"), "{said}");
    rig.queue("Resume").await.unwrap();
    let waited = end(waiter).await;
    assert!(waited.status.success() && waited.stdout.is_empty() && waited.stderr.is_empty(), "{waited:?}");
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

#[tokio::test]
async fn whatever_is_shown_can_be_cancelled_by_program_and_command() {
    let mut rig = Setup::new().provisioned().await;
    for by_command in [true, false] {
        for how in ["a code", "a poll under way", "trouble with a poll", "a restart"] {
            rig.start_pairing().await;
            match how {
                "a poll under way" => {
                    rig.sim.hold(HoldPoint::Next(Endpoint::TokenPoll, EventKind::Received));
                    rig.held().await;
                }
                "trouble with a poll" => {
                    rig.sim.inject("token-poll:500:forever".parse().unwrap());
                    rig.wait_reason("provider").await;
                }
                "a restart" => {
                    rig.kill_and_start().await;
                    rig.wait_state("waiting-for-user").await;
                }
                _ => {}
            }
            assert_ne!(rig.code().await, "", "{how}");
            if by_command {
                let output = rigpost(&rig, &["cancel"]).output().await.unwrap();
                assert!(output.status.success(), "{how}: {output:?}");
            } else {
                rig.cancel_pairing().await.unwrap();
            }
            assert_eq!((rig.state().await.as_str(), rig.code().await.as_str()), ("unpaired", ""), "{how}");
            rig.sim.release();
            rig.sim.clear_faults();
        }
    }
}

#[tokio::test]
async fn the_rig_s_name_and_serial_and_the_host_of_the_link_stand_beside_the_code() {
    let rig = Setup { client_id: Some("SN-0042".to_owned()), ..Setup::new() }.provisioned().await;
    let mut pairing = rigpost(&rig, &["pair"]).spawn().unwrap();
    let mut lines = BufReader::new(pairing.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    while !said.last().is_some_and(|line: &String| line.starts_with("valid for: ")) {
        said.push(soon("a line", lines.next_line()).await.unwrap().expect("one more line"));
    }
    let name = rig.text(PAIRING, "DeviceName").await;
    assert_eq!(name, rig.sim.codes().last().unwrap().name, "as the page has it that asks for consent");
    assert_eq!(rig.device_id().await, "SN-0042");
    let beside = said.iter().find_map(|line| line.strip_prefix("rig: ")).expect("the rig");
    assert!(beside.contains(&name) && beside.contains("SN-0042"), "{beside}");
    assert!(said.contains(&"host: 127.0.0.1".to_owned()), "{said:?}");
    rig.cancel_pairing().await.unwrap();
    assert!(!end(pairing).await.status.success());
}
