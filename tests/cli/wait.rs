//! What a script waits for: `rigpost wait`.
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Child;

use super::fake::{self, Bus, Fake};
use super::{PATIENCE, rigpost, run, shown, unpaired};

/// Not paired, offline, and a clip is being sent.
fn nothing_holds(bus: &Bus) -> Fake {
    let fake = unpaired(vec![]);
    fake.world().offline = true;
    fake.world().items = vec![fake::item(1, &bus.path("A001.mov"), "uploading", "")];
    fake
}

fn wait(bus: &Bus, args: &[&str]) -> Child {
    let mut command = rigpost(bus, &[&["wait"], args].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn end(child: Child) -> (i32, String, String) {
    shown(&tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap())
}

type Change = fn(&Fake);

const NOTHING: (i32, String, String) = (0, String::new(), String::new());

#[tokio::test]
async fn what_holds_already_ends_the_waiting_at_once() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    fake.world().state = "paired".into();
    let _service = fake.serve(&bus).await;
    let all = ["wait", "--paired", "--online", "--empty", "--safe-to-power-off"];
    assert_eq!(run(&bus, &all).await, NOTHING);
    assert_eq!(run(&bus, &[&all[..], &["--timeout", "0"]].concat()).await, NOTHING);
    fake.world().held = 2;
    let (status, output, errors) = run(&bus, &all).await;
    assert_eq!((status, output.as_str()), (0, ""));
    assert_eq!(errors, "rigpost: nothing is left to send, but not all is sent: 2 held\n");
}

#[tokio::test]
async fn each_condition_is_waited_for() {
    let becomes: [(&str, Change); 4] = [
        ("--paired", |fake| fake.world().state = "paired".into()),
        ("--online", |fake| fake.world().offline = false),
        ("--empty", |fake| fake.world().items.clear()),
        ("--safe-to-power-off", |fake| fake.world().items.clear()),
    ];
    for (option, change) in becomes {
        let bus = Bus::new();
        let fake = nothing_holds(&bus);
        let service = fake.serve(&bus).await;
        let mut waiting = wait(&bus, &[option]);
        fake.looked_at().await;
        fake.tell(&service).await;
        fake.looked_at().await;
        assert!(waiting.try_wait().unwrap().is_none(), "{option}");
        change(&fake);
        fake.tell(&service).await;
        assert_eq!(end(waiting).await, NOTHING, "{option}");
        assert_eq!(fake.world().calls, Vec::<String>::new(), "{option}");
    }
}

#[tokio::test]
async fn all_conditions_must_hold_at_the_same_time() {
    let bus = Bus::new();
    let fake = nothing_holds(&bus);
    let service = fake.serve(&bus).await;
    let mut waiting = wait(&bus, &["--online", "--empty"]);
    fake.looked_at().await;
    for (offline, is_empty) in [(false, false), (true, true)] {
        fake.world().offline = offline;
        if is_empty {
            fake.world().items.clear();
        }
        fake.tell(&service).await;
        fake.looked_at().await;
        assert!(waiting.try_wait().unwrap().is_none(), "offline: {offline}, empty: {is_empty}");
    }
    fake.world().offline = false;
    fake.tell(&service).await;
    assert_eq!(end(waiting).await, NOTHING);
}

#[tokio::test]
async fn a_restart_of_the_daemon_is_waited_through() {
    let bus = Bus::new();
    let fake = nothing_holds(&bus);
    let service = fake.serve(&bus).await;
    let waiting = wait(&bus, &["--paired"]);
    fake.looked_at().await;
    let later = wait(&bus, &["--empty"]);
    fake.looked_at().await;
    service.close().await.unwrap();
    // One holds as soon as it is back, the other only after that.
    fake.world().state = "paired".into();
    let service = fake.serve(&bus).await;
    assert_eq!(end(waiting).await, NOTHING);
    fake.world().items.clear();
    fake.tell(&service).await;
    assert_eq!(end(later).await, NOTHING);
}

#[tokio::test]
async fn when_the_time_is_up_it_says_what_is_missing_and_why() {
    let bus = Bus::new();
    let fake = nothing_holds(&bus);
    let _service = fake.serve(&bus).await;
    fake.world().reason = "expired".into();
    fake.world().blockers = vec![
        ("unpaired".into(), "This rig is not paired with a project. Pair it.".into(), String::new()),
        ("expired".into(), "Nobody entered the code in time.".into(), String::new()),
    ];
    let (status, output, errors) =
        run(&bus, &["wait", "--paired", "--online", "--empty", "--safe-to-power-off", "--timeout", "1"])
            .await;
    assert_eq!((status, output.as_str()), (10, ""));
    let (what, next) = errors.split_once('\n').unwrap();
    assert_eq!(
        what,
        "rigpost: not within 1 s: this rig is not paired with a project; the provider was not reached at the last \
         attempt; 1 clip is left to send, 3.00 GB; something is on its way (but no clip would be lost). \
         What stands in the way: Nobody entered the code in time"
    );
    assert_eq!(next, "  next: start again: rigpost pair\n");
    let (status, _, errors) = run(&bus, &["wait", "--online", "--timeout", "0"]).await;
    assert_eq!((status, errors.starts_with("rigpost: not now: the provider was not reached")), (10, true));
}

#[tokio::test]
async fn a_daemon_that_does_not_come_back_in_time_is_what_is_missing() {
    let bus = Bus::new();
    let fake = nothing_holds(&bus);
    let service = fake.serve(&bus).await;
    let waiting = wait(&bus, &["--paired", "--timeout", "5", "--json"]);
    fake.looked_at().await;
    service.close().await.unwrap();
    let (status, output, errors) = end(waiting).await;
    let json: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &json["holds"], &json["status"]), (10, &Value::from(false), &Value::Null));
    assert!(errors.contains("the daemon is not running") && errors.contains("journalctl"), "{errors}");
}

#[tokio::test]
async fn the_end_of_the_waiting_as_one_object() {
    let bus = Bus::new();
    let fake = nothing_holds(&bus);
    let _service = fake.serve(&bus).await;
    fake.world().code = "042137".into();
    let args = ["wait", "--paired", "--empty", "--json", "--timeout", "0"];
    let (status, output, errors) = run(&bus, &args).await;
    let json: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &json["holds"]), (10, &Value::from(false)));
    assert_eq!(json["waiting_for"], Value::from(vec!["paired", "empty"]));
    assert_eq!(json["status"]["pairing"]["state"], "unpaired");
    assert!(!output.contains("042137") && errors.starts_with("rigpost: not now: "), "{output}{errors}");
    fake.world().state = "paired".into();
    fake.world().items.clear();
    let (status, output, errors) = run(&bus, &args).await;
    let json: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, errors.as_str(), &json["holds"]), (0, "", &Value::from(true)));
    assert_eq!(json["waiting_for"], Value::Array(vec![]));
}

#[tokio::test]
async fn what_can_not_be_waited_for_is_told_at_once() {
    let bus = Bus::new();
    let (status, _, errors) = run(&bus, &["wait", "--online", "--timeout", "600"]).await;
    assert_eq!((status, errors.contains("the daemon is not running")), (3, true), "{errors}");
    for args in [&["wait"][..], &["wait", "--timeout", "5"], &["wait", "--online", "--timeout", "5s"]] {
        assert_eq!(run(&bus, args).await.0, 2, "{args:?}");
    }
}

#[tokio::test]
async fn leaving_ends_the_waiting_and_nothing_else() {
    let bus = Bus::new();
    let fake = nothing_holds(&bus);
    let _service = fake.serve(&bus).await;
    let mut waiting = wait(&bus, &["--paired"]);
    fake.looked_at().await;
    kill_process(Pid::from_raw(waiting.id().unwrap() as i32).unwrap(), Signal::INT).unwrap();
    let ended = tokio::time::timeout(PATIENCE, waiting.wait()).await;
    let status = ended.expect("it ends, unless this test was started with SIGINT ignored").unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::INT.as_raw()));
    assert_eq!(fake.world().calls, Vec::<String>::new());
}
