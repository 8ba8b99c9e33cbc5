//! Pairing as a program follows it: `rigpost pair --json`.
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::Notify;

use super::fake::{Bus, Error, Fake, Step};
use super::{PATIENCE, Pairing as Program, run, unpaired};

/// Five bytes, so that their text is padded.
const PICTURE: (&[u8], &str) = (b"\x89PNG?", "data:image/png;base64,iVBORz8=");

fn with_link(script: Vec<Step>) -> Fake {
    let fake = unpaired(script);
    {
        let mut world = fake.world();
        world.uri = "https://example.com/device".into();
        world.uri_complete = "https://example.com/device?user_code=042137".into();
        world.png = PICTURE.0.to_vec();
    }
    fake
}

async fn line(program: &mut Program) -> Value {
    serde_json::from_str(&program.line().await).unwrap()
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_else(|| panic!("{key} in {line}"))
}

/// What nobody may type any more.
fn assert_no_code(line: &Value) {
    for key in ["user_code", "verification_uri", "verification_host", "verification_uri_complete"] {
        assert_eq!(text(line, key), "", "{key} in {line}");
    }
    assert_eq!((&line["qr"], &line["code_expires_in"]), (&Value::Null, &Value::Null), "{line}");
}

#[tokio::test]
async fn each_change_is_a_line_and_the_last_says_how_it_ended() {
    let script = vec![Step::Code("042137"), Step::Code("999999"), Step::Grant("Moonrise")];
    let (bus, fake) = (Bus::new(), with_link(script));
    let service = fake.serve(&bus).await;
    let mut pairing = Program::start(&bus, &["pair", "--json", "--limit", "900"]);
    let first = line(&mut pairing).await;
    assert_eq!((text(&first, "state"), text(&first, "reason")), ("waiting-for-user", "none"));
    assert_eq!((text(&first, "user_code"), text(&first, "qr")), ("042137", PICTURE.1));
    assert_eq!(text(&first, "verification_uri"), "https://example.com/device");
    assert!(text(&first, "verification_uri_complete").ends_with("=042137"), "{first}");
    assert_eq!(text(&first, "verification_host"), "example.com");
    assert_eq!(text(&first, "device_name"), "CAM A");
    assert_eq!(text(&first, "device_id"), "3f0c9a5e-0000-4000-8000-00000000c0de");
    assert!((290..=300).contains(&first["code_expires_in"].as_u64().unwrap()), "{first}");
    assert_eq!(text(&first, "summary"), "Waiting for somebody to enter the code");
    assert_eq!((&first["exit_status"], &first["next"]), (&Value::Null, &Value::Null));
    // Nothing changed, and nothing is said.
    fake.tell(&service).await;
    fake.step(&service).await;
    assert_eq!(text(&line(&mut pairing).await, "user_code"), "999999");
    fake.step(&service).await;
    let last = line(&mut pairing).await;
    assert_eq!((text(&last, "state"), text(&last, "project_name")), ("paired", "Moonrise"));
    assert_eq!((text(&last, "summary"), &last["exit_status"]), ("Paired with Moonrise", &Value::from(0)));
    assert_no_code(&last);
    assert_eq!(pairing.end().await, (0, String::new()));
    assert_eq!(fake.world().limit, Some(900));
}

#[tokio::test]
async fn what_keeps_the_first_code_is_a_line() {
    let (bus, fake) = (Bus::new(), with_link(vec![Step::Code("042137")]));
    let hold = Arc::new(Notify::new());
    fake.world().hold_start = Some(hold.clone());
    let _service = fake.serve(&bus).await;
    let mut pairing = Program::start(&bus, &["pair", "--json"]);
    let asking = line(&mut pairing).await;
    assert_eq!((text(&asking, "state"), text(&asking, "reason")), ("requesting-code", "network"));
    assert_eq!((text(&asking, "user_code"), &asking["qr"]), ("", &Value::Null));
    hold.notify_one();
    assert_eq!(text(&line(&mut pairing).await, "user_code"), "042137");
}

#[tokio::test]
async fn trouble_while_a_code_is_on_offer_is_a_change() {
    let (bus, fake) = (Bus::new(), with_link(vec![Step::Code("042137"), Step::Grant("Moonrise")]));
    let service = fake.serve(&bus).await;
    let mut pairing = Program::start(&bus, &["pair", "--json"]);
    line(&mut pairing).await;
    fake.world().reason = "network".into();
    fake.tell(&service).await;
    let trouble = line(&mut pairing).await;
    assert_eq!((text(&trouble, "reason"), text(&trouble, "user_code")), ("network", "042137"));
    assert_eq!(text(&trouble, "qr"), PICTURE.1);
    assert!(text(&trouble, "summary").ends_with("the provider can't be reached"), "{trouble}");
    fake.step(&service).await;
    assert_eq!(line(&mut pairing).await["exit_status"], 0);
}

#[tokio::test]
async fn a_project_whose_name_comes_later_is_a_line_of_its_own() {
    let (bus, fake) = (Bus::new(), with_link(vec![Step::Code("042137"), Step::Grant("")]));
    let service = fake.serve(&bus).await;
    let mut pairing = Program::start(&bus, &["pair", "--json"]);
    line(&mut pairing).await;
    fake.step(&service).await;
    let paired = line(&mut pairing).await;
    assert_eq!((text(&paired, "state"), &paired["exit_status"]), ("paired", &Value::Null));
    assert_eq!(paired["qr"], Value::Null, "{paired}");
    fake.world().project = "Moonrise".into();
    fake.tell(&service).await;
    assert_eq!(text(&line(&mut pairing).await, "summary"), "Paired with Moonrise");
    assert_eq!(pairing.end().await, (0, String::new()));
}

#[tokio::test]
async fn a_code_without_a_link_or_without_the_wish_has_no_picture() {
    for (uri, args) in
        [("", &["pair", "--json"][..]), ("https://example.com/device", &["pair", "--json", "--no-qr"])]
    {
        let (bus, fake) = (Bus::new(), unpaired(vec![Step::Code("042137"), Step::Grant("M")]));
        (fake.world().uri, fake.world().png) = (uri.into(), PICTURE.0.to_vec());
        let service = fake.serve(&bus).await;
        let mut pairing = Program::start(&bus, args);
        let first = line(&mut pairing).await;
        assert_eq!((text(&first, "user_code"), &first["qr"]), ("042137", &Value::Null));
        fake.step(&service).await;
        assert_eq!(line(&mut pairing).await["exit_status"], 0);
    }
}

#[tokio::test]
async fn whatever_ends_it_is_on_the_last_line_and_in_the_exit_code() {
    for (reason, code, words) in
        [("denied", 5, "The pairing was denied"), ("expired", 6, "Nobody entered"), ("none", 6, "cancelled")]
    {
        let script = vec![Step::Code("042137"), Step::End { state: "unpaired", reason }];
        let (bus, fake) = (Bus::new(), with_link(script));
        let service = fake.serve(&bus).await;
        let mut pairing = Program::start(&bus, &["pair", "--json"]);
        line(&mut pairing).await;
        fake.step(&service).await;
        let last = line(&mut pairing).await;
        assert_eq!((text(&last, "state"), text(&last, "reason")), ("unpaired", reason));
        assert_eq!(last["exit_status"], code, "{last}");
        assert!(text(&last, "summary").contains(words), "{last}");
        assert!(text(&last, "next").contains("rigpost pair"), "{last}");
        assert_no_code(&last);
        let (status, errors) = pairing.end().await;
        assert_eq!((status, errors.contains("\n  next: ")), (code, true), "{errors}");
    }
}

#[tokio::test]
async fn a_pairing_that_never_begins_is_one_line() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let (status, output, _) = run(&bus, &["pair", "--json"]).await;
    let nobody: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &nobody["exit_status"], text(&nobody, "state")), (3, &Value::from(3), ""));
    let _service = fake.serve(&bus).await;
    fake.world().state = "unprovisioned".into();
    fake.world().refuse_start = Some(Error::NotProvisioned);
    let (status, output, errors) = run(&bus, &["pair", "--json"]).await;
    let refused: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &refused["exit_status"]), (7, &Value::from(7)));
    assert_eq!(
        (text(&refused, "state"), text(&refused, "next")),
        ("unprovisioned", "sudo rigpost provision")
    );
    assert!(errors.starts_with("rigpost: this rig has no client secret yet"), "{errors}");
}

#[tokio::test]
async fn a_program_that_leaves_or_reads_no_more_cancels_the_pairing() {
    let script = || vec![Step::Code("042137"), Step::Code("999999")];
    let (bus, fake) = (Bus::new(), with_link(script()));
    let _service = fake.serve(&bus).await;
    let mut pairing = Program::start(&bus, &["pair", "--json"]);
    line(&mut pairing).await;
    kill_process(Pid::from_raw(pairing.child.id().unwrap() as i32).unwrap(), Signal::INT).unwrap();
    let last = line(&mut pairing).await;
    assert_eq!((text(&last, "state"), &last["exit_status"]), ("unpaired", &Value::from(6)));
    assert_no_code(&last);
    assert_eq!(pairing.end().await.0, 6);
    assert_eq!(fake.world().calls, ["Start", "Cancel"]);

    // Without another line that could not be written.
    let (bus, fake) = (Bus::new(), with_link(script()));
    let _service = fake.serve(&bus).await;
    let mut pairing = Program::start(&bus, &["pair", "--json"]);
    line(&mut pairing).await;
    let Program { mut child, lines } = pairing;
    drop(lines);
    assert!(tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap().success());
    assert_eq!(fake.world().calls, ["Start", "Cancel"]);
}

#[tokio::test]
async fn a_daemon_that_stops_leaves_no_code_behind() {
    let (bus, fake) = (Bus::new(), with_link(vec![Step::Code("042137")]));
    let service = fake.serve(&bus).await;
    let mut pairing = Program::start(&bus, &["pair", "--json"]);
    line(&mut pairing).await;
    service.close().await.unwrap();
    let last = line(&mut pairing).await;
    assert_eq!(last["exit_status"], 3, "{last}");
    assert_no_code(&last);
    assert_eq!(pairing.end().await.0, 3);
}
