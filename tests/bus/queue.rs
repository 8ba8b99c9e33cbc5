//! The Queue interface by itself: the daemon's own code on a real bus under the shipped policy, and in place of the queue a
//! test that reads what it is asked.
#![allow(clippy::wildcard_enum_match_arm, reason = "what a test does not expect fails it")]
use std::collections::HashMap;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use rigpost_contract::steered::Steered;
use rigpost_core::command::{AddOptions, AddOutcome, Added, Answers, QueueCommand, Refusal};
use rigpost_core::queue::clip::Wanted;
use rigpost_core::queue::item::{Clip, Item, ItemId, ItemReason, ItemState, Receipt};
use rigpost_core::time::{BootTime, Now, WallTime};
use rigpost_core::view::{QueueView, RigView, Sending};
use rigpost_daemon::clock::Clock;
use rigpost_daemon::link::{DEPTH, Handle, ItemNow, Page, Reply, ToQueue};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use zbus::{Connection, Variant};

use crate::common::*;

type Options = HashMap<&'static str, Variant<'static>>;
type Refuse = Arc<Mutex<Option<Refusal>>>;

/// The interface, and the test in the queue's place.
/// Writes nothing.
struct Quiet;

impl rigpost_daemon::bus::Log for Quiet {
    fn level(&self) -> &'static str {
        "notice"
    }

    fn set_level(&self, _: &str) -> bool {
        false
    }

    fn target(&self) -> &'static str {
        "console"
    }
}

struct Bench {
    bus: Bus,
    ui: Connection,
    asked: mpsc::UnboundedReceiver<Heard>,
    view: watch::Sender<QueueView>,
    refuse: Refuse,
    _stop: DropGuard,
}

fn item(path: &Path) -> Item {
    let clip = Clip {
        path: path.into(),
        name: "A001.mov".to_owned(),
        class: "proxy".to_owned(),
        channel: 2,
        uid: 1000,
        priority: 5,
        ..Clip::default()
    };
    Item {
        id: ItemId(7),
        clip,
        state: ItemState::Done,
        reason: ItemReason::None,
        detail: String::new(),
        attempts: 1,
        sent: 0,
        asset_id: "a-7".to_owned(),
        project_name: "Moonrise".to_owned(),
    }
}

/// What has come to the queue.
#[derive(Debug)]
enum Heard {
    Do(QueueCommand),
    Add(Vec<PathBuf>, AddOptions),
    /// What its file holds.
    AddFd(String, AddOptions),
    List,
    Item(ItemId),
    Receipt(ItemId),
    Clear(Vec<ItemState>, Vec<ItemId>),
}

fn page() -> Page {
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"/media/clip\xff.mov"));
    Page { items: vec![item(Path::new("/media/A001.mov")), item(odd)], total: 2 }
}

fn receipt() -> Receipt {
    Receipt {
        item: item(Path::new("/media/A001.mov")),
        delivered: Now { wall: WallTime(1_790_000_000), ..Now::default() },
        chunk_size: 5_000_000,
        parts: vec![0xabc, u64::MAX],
        digest: Some(1),
        vouched: "crc64nvme:rosUhgp5mIg=".to_owned(),
    }
}

/// One of each kind, over and over.
fn added(count: usize) -> Vec<Added> {
    let outcomes = [
        AddOutcome::New,
        AddOutcome::Waiting,
        AddOutcome::Delivered,
        AddOutcome::DeliveredTo("p-2".to_owned()),
    ];
    let numbered = (1..=count as u64).zip(outcomes.into_iter().cycle());
    numbered.map(|(id, outcome)| Added { id: ItemId(id), outcome }).collect()
}

fn steered() -> Answers {
    vec![(ItemId(7), Steered::Changed), (ItemId(3), Steered::Delivered)]
}

/// Answers as the queue would, unless it is to refuse.
fn hear(message: ToQueue, refused: Option<Refusal>) -> Heard {
    fn tell<R: std::fmt::Debug>(reply: Reply<R>, refused: Option<Refusal>, answer: R) {
        reply.send(refused.map_or(Ok(answer), Err)).unwrap();
    }
    match message {
        ToQueue::Do(command, reply) => {
            tell(reply, refused, steered());
            Heard::Do(command)
        }
        ToQueue::Add { paths, options, reply } => {
            tell(reply, refused, added(paths.len()));
            Heard::Add(paths, options)
        }
        ToQueue::AddFd { file, options, reply } => {
            tell(reply, refused, added(4).pop().unwrap());
            let mut content = String::new();
            let mut file = std::fs::File::from(file.into_fd().unwrap());
            file.read_to_string(&mut content).unwrap();
            Heard::AddFd(content, options)
        }
        ToQueue::List { reply, .. } => {
            tell(reply, refused, page());
            Heard::List
        }
        ToQueue::Item(id, reply) => {
            let mut item = item(Path::new("/media/A001.mov"));
            (item.clip.version_of, item.clip.as_is) = ("a-1".to_owned(), true);
            tell(reply, refused, ItemNow { item, next_try: Some(BootTime::from_micros(9_000_000)) });
            Heard::Item(id)
        }
        ToQueue::Receipt(id, reply) => {
            tell(reply, refused, receipt());
            Heard::Receipt(id)
        }
        ToQueue::Clear { states, ids, reply } => {
            tell(reply, refused, (12, steered()));
            Heard::Clear(states, ids)
        }
        other => panic!("{other:?}"),
    }
}

impl Bench {
    async fn new() -> Bench {
        let bus = Bus::start(None);
        let (to_rig, _) = mpsc::channel(1);
        let (to_queue, mut inbox) = mpsc::channel(DEPTH);
        let (rig_out, rig_view) = watch::channel(RigView::unread());
        let (view, queue_view) = watch::channel(QueueView::default());
        let (news, _) = broadcast::channel(DEPTH);
        let handle = Handle { to_rig, to_queue, rig_view, queue_view, news };
        let (commands, asked) = mpsc::unbounded_channel();
        let (shown, refuse) = (view.clone(), Refuse::default());
        let refusing = refuse.clone();
        tokio::spawn(async move {
            let _rig = rig_out;
            while let Some(message) = inbox.recv().await {
                let refused = refusing.lock().unwrap().clone();
                let done = refused.is_none();
                let heard = hear(message, refused);
                // Seen only after the answer is out, as with the real one.
                match heard {
                    Heard::Do(QueueCommand::SetRecording(on)) if done => {
                        shown.send_modify(|v| v.recording = on);
                    }
                    Heard::Do(QueueCommand::SetBandwidthLimit(n)) if done => {
                        shown.send_modify(|v| v.bandwidth_limit = n);
                    }
                    _ => {}
                }
                let _ = commands.send(heard);
            }
        });
        let to: zbus::Address = bus.address.parse().unwrap();
        let about = rigpost_daemon::bus::About { version: "1.2.3", provider: "frameio", gives_tokens: false };
        let served = rigpost_daemon::bus::Bus::serve(&to, handle, Clock::system(), about, Arc::new(Quiet))
            .await
            .unwrap();
        served.own_name().await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(served.run(stop.clone()));
        let ui = bus.connect().await;
        Bench { bus, ui, asked, view, refuse, _stop: stop.drop_guard() }
    }

    async fn call<B>(&self, from: &Connection, method: &str, body: &B) -> Result<zbus::Message, Refused>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let call = from.call_method(Some(NAME), PATH, Some(QUEUE), method, body);
        Ok(soon(&format!("an answer to {method}"), call).await?)
    }

    async fn asked(&mut self) -> Heard {
        soon("a command", self.asked.recv()).await.unwrap()
    }

    /// Adds with these options; the command if one came.
    async fn add(&mut self, method: &str, options: Options) -> Result<(Vec<PathBuf>, AddOptions), Refused> {
        let nothing: [Vec<u8>; 0] = [];
        match method {
            "Add" => self.call(&self.ui, method, &("/media/a", options)).await?,
            "AddMany" => self.call(&self.ui, method, &(&["/media/a"][..], options)).await?,
            _ => self.call(&self.ui, method, &(&["/media/a"][..], &nothing[..], options)).await?,
        };
        match self.asked().await {
            Heard::Add(paths, options) => Ok((paths, options)),
            other => panic!("{other:?}"),
        }
    }

    async fn hold(&self, from: &Connection, method: &str) -> Result<(), Refused> {
        self.call(from, method, &(while_recording(),)).await.map(drop)
    }

    async fn expect_recording(&mut self, wanted: bool) {
        assert!(
            matches!(self.asked().await, Heard::Do(QueueCommand::SetRecording(on)) if on == wanted),
            "{wanted}"
        );
    }
}

fn while_recording() -> Options {
    HashMap::from([("while_recording", Variant::from(true))])
}

#[tokio::test]
async fn what_is_said_with_a_path_arrives() {
    let mut bench = Bench::new().await;
    let uid = rustix::process::geteuid().as_raw();
    let (paths, options) = bench.add("Add", none()).await.unwrap();
    assert_eq!(paths, [PathBuf::from("/media/a")]);
    let user = options.user.clone();
    assert_eq!(user.uid, uid);
    assert_eq!(options, AddOptions { user: user.clone(), ..AddOptions::default() });
    let all = || {
        HashMap::from([
            ("priority", Variant::from(-3)),
            ("name", Variant::from("scene 4")),
            ("closed", Variant::from(true)),
            ("channel", Variant::from(255u8)),
            ("again", Variant::from(true)),
            ("to_this_project", Variant::from(true)),
        ])
    };
    let expected = AddOptions {
        priority: Some(-3),
        name: Some("scene 4".to_owned()),
        closed: true,
        channel: 255,
        user,
        wanted: Wanted { again: true, to_this_project: true },
    };
    for method in ["Add", "AddMany", "AddFiles"] {
        assert_eq!(bench.add(method, all()).await.unwrap().1, expected, "{method}");
    }
}

#[tokio::test]
async fn names_that_are_not_utf_8_travel_as_bytes() {
    let mut bench = Bench::new().await;
    let odd = vec![b"/media/\xff\xfe".to_vec(), b"/media/b\0".to_vec()];
    let bytes = |list: Vec<Vec<u8>>| HashMap::from([("paths_bytes", Variant::from(list))]);
    let (paths, _) = bench.add("AddMany", bytes(odd.clone())).await.unwrap();
    let shown: Vec<&[u8]> = paths.iter().map(|p| p.as_os_str().as_bytes()).collect();
    assert_eq!(shown, [&b"/media/a"[..], b"/media/\xff\xfe", b"/media/b"]);
    let refused = bench.add("Add", bytes(odd)).await.unwrap_err();
    assert_eq!(refused.name, "InvalidArgs", "one path needs no list");
    let refused = bench.add("AddMany", bytes(vec![b"/a\0b".to_vec()])).await.unwrap_err();
    assert!(refused.name == "InvalidArgs" && refused.text.contains("NUL"), "{refused:?}");
    let many = bytes(vec![b"/media/x".to_vec(); 10_000]);
    assert_eq!(bench.add("AddMany", many).await.unwrap_err().name, "LimitsExceeded");
    // And back.
    let answer = bench.call(&bench.ui, "List", &(none(), 0u32, 10u32)).await.unwrap();
    let (items, _): (Vec<Dict>, u32) = answer.body().deserialize().unwrap();
    assert!(!items[0].contains_key("path_bytes"));
    assert_eq!(text(&items[1], "path"), "/media/clip\u{fffd}.mov");
    let whole: Vec<u8> = items[1]["path_bytes"].try_clone().unwrap().try_into().unwrap();
    assert_eq!(whole, b"/media/clip\xff.mov");
}

#[tokio::test]
async fn each_file_is_answered_with_its_number_and_what_it_was() {
    let mut bench = Bench::new().await;
    let odd = vec![b"/media/\xff".to_vec(), b"/media/d\0".to_vec()];
    let answer =
        bench.call(&bench.ui, "AddFiles", &(&["/media/a", "/media/b"][..], &odd, none())).await.unwrap();
    let found: Vec<(u64, String)> = answer.body().deserialize().unwrap();
    let words = ["new", "waiting", "delivered", "delivered-elsewhere"].map(str::to_owned);
    assert_eq!(found, (1..).zip(words).collect::<Vec<_>>());
    let Heard::Add(paths, _) = bench.asked().await else { panic!("not added") };
    let paths: Vec<&[u8]> = paths.iter().map(|p| p.as_os_str().as_bytes()).collect();
    assert_eq!(paths, [&b"/media/a"[..], b"/media/b", b"/media/\xff", b"/media/d"]);
    let too_many = vec![b"/m".to_vec(); 10_000];
    let refused = bench.call(&bench.ui, "AddFiles", &(&["/m"][..], &too_many, none())).await.unwrap_err();
    assert_eq!(refused.name, "LimitsExceeded", "of both together");
    let elsewhere = HashMap::from([("paths_bytes", Variant::from(odd))]);
    let refused = bench.add("AddFiles", elsewhere).await.unwrap_err();
    assert!(refused.name == "InvalidArgs" && refused.text.contains("paths_bytes"), "{refused:?}");
    let nul = vec![b"/a\0b".to_vec()];
    let refused = bench.call(&bench.ui, "AddFiles", &(&["/m"][..], &nul, none())).await.unwrap_err();
    assert!(refused.name == "InvalidArgs" && refused.text.contains("NUL"), "{refused:?}");
    assert!(bench.asked.try_recv().is_err(), "nothing of this reached the queue");
}

#[tokio::test]
async fn an_open_file_is_handed_over_with_what_is_said_of_it() {
    let mut bench = Bench::new().await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"a clip").unwrap();
    let fd = |file: &mut std::fs::File| {
        file.rewind().unwrap();
        zbus::OwnedFd::from(std::os::fd::OwnedFd::from(file.try_clone().unwrap()))
    };
    for (name, wanted) in [("scene 4.mov", Some("scene 4.mov".to_owned())), ("", None)] {
        let options = HashMap::from([("channel", Variant::from(3u8)), ("again", Variant::from(true))]);
        let answer = bench.call(&bench.ui, "AddFd", &(fd(&mut file), name, options)).await.unwrap();
        let added: (u64, String) = answer.body().deserialize().unwrap();
        assert_eq!(added, (4, "delivered-elsewhere".to_owned()));
        let Heard::AddFd(content, options) = bench.asked().await else { panic!("not handed over") };
        assert_eq!((content.as_str(), options.name, options.channel), ("a clip", wanted, 3));
        assert!(options.wanted.again && options.user.uid == rustix::process::geteuid().as_raw());
    }
    for name in ["a/b.mov", "a\nb.mov", &"x".repeat(256)] {
        let refused = bench.call(&bench.ui, "AddFd", &(fd(&mut file), name, none())).await.unwrap_err();
        assert!(refused.name == "InvalidArgs" && refused.text.contains("255 bytes"), "{refused:?}");
    }
    let named = HashMap::from([("name", Variant::from("b.mov"))]);
    let refused = bench.call(&bench.ui, "AddFd", &(fd(&mut file), "a.mov", named)).await.unwrap_err();
    assert!(refused.text.contains("unknown option \"name\""), "it is said once: {refused:?}");
    // What others carry is nobody's.
    let refused = bench.call(&bench.ui, "Add", &(fd(&mut file), none())).await.unwrap_err();
    assert_eq!(refused.name, "InvalidArgs");
    assert!(bench.asked.try_recv().is_err(), "nothing of this reached the queue");
}

#[tokio::test]
async fn one_item_says_more_than_the_list() {
    let mut bench = Bench::new().await;
    let answer = bench.call(&bench.ui, "GetItem", &(7u64, none())).await.unwrap();
    assert!(matches!(bench.asked().await, Heard::Item(ItemId(7))));
    let item: Dict = answer.body().deserialize().unwrap();
    assert_eq!((text(&item, "version_of"), text(&item, "path")), ("a-1".into(), "/media/A001.mov".into()));
    assert!(item["as_is"].downcast_ref::<bool>().unwrap());
    assert_eq!(item["next_try"].downcast_ref::<u64>().unwrap(), 9_000_000);
    *bench.refuse.lock().unwrap() = Some(Refusal::NotFound("item 8".to_owned()));
    assert_eq!(bench.call(&bench.ui, "GetItem", &(8u64, none())).await.unwrap_err().name, "NotFound");
}

#[tokio::test]
async fn an_option_that_makes_no_sense_is_named() {
    let mut bench = Bench::new().await;
    for (key, value) in [
        ("priority", Variant::from("high")),
        ("name", Variant::from("")),
        ("name", Variant::from("a/b")),
        ("name", Variant::from("a\nb")),
        ("closed", Variant::from(1u32)),
        ("channel", Variant::from(256i32)),
        ("paths_bytes", Variant::from("x")),
        ("again", Variant::from("yes")),
        ("to_this_project", Variant::from(1u32)),
    ] {
        let refused = bench.add("AddMany", HashMap::from([(key, value)])).await.unwrap_err();
        assert!(refused.name == "InvalidArgs" && refused.text.contains(key), "{key}: {refused:?}");
    }
    for (key, value) in [
        ("states", Variant::from(vec!["queued"])),
        ("states", Variant::from(vec!["done", "lost"])),
        ("states", Variant::from("done")),
        ("ids", Variant::from(vec!["1"])),
    ] {
        let refused = bench.call(&bench.ui, "Clear", &(HashMap::from([(key, value)]),)).await.unwrap_err();
        assert!(refused.name == "InvalidArgs" && refused.text.contains(key), "{key}: {refused:?}");
    }
    for method in ["Pause", "Resume"] {
        let wrong = HashMap::from([("while_recording", Variant::from("yes"))]);
        assert_eq!(bench.call(&bench.ui, method, &(wrong,)).await.unwrap_err().name, "InvalidArgs");
    }
    assert!(bench.asked.try_recv().is_err(), "nothing of this reached the queue");
}

#[tokio::test]
async fn the_item_remembers_who_asked() {
    let mut bench = Bench::new().await;
    let address = format!("--address={}", bench.bus.address);
    let mut command = bench.bus.as_user("nobody", "rigpost-ui", "busctl");
    command.args([&address, "call", NAME, PATH, QUEUE, "Add", "sa{sv}", "/media/a", "0"]);
    let output = soon("busctl", command.output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Heard::Add(_, options) = bench.asked().await else { panic!("not added") };
    assert_eq!(options.user.uid, 65534);
    let groups = &options.user.groups;
    assert!(
        groups.contains(&65534) && groups.len() == 2,
        "of the process, and not of the account: {groups:?}"
    );
    let (_, options) = bench.add("Add", none()).await.unwrap();
    assert_eq!(options.user.uid, 0, "and not the one before");
}

#[tokio::test]
async fn each_method_is_its_command() {
    let mut bench = Bench::new().await;
    let ids = &[3u64, 4][..];
    let answer = bench.call(&bench.ui, "Release", &(ids, none())).await.unwrap();
    let found: Vec<(u64, String)> = answer.body().deserialize().unwrap();
    let expected = [(7, "changed".to_owned()), (3, "delivered".to_owned())];
    assert_eq!(found, expected, "what the queue said");
    assert!(
        matches!(bench.asked().await, Heard::Do(QueueCommand::Release(i)) if i == [ItemId(3), ItemId(4)])
    );
    bench.call(&bench.ui, "SetPriority", &(ids, -7i32, none())).await.unwrap();
    assert!(matches!(bench.asked().await, Heard::Do(QueueCommand::SetPriority(i, -7)) if i.len() == 2));
    for (options, wanted_states, wanted_ids) in [
        (none(), &[ItemState::Done, ItemState::Cancelled][..], 0),
        (HashMap::from([("states", Variant::from(vec!["failed"]))]), &[ItemState::Failed], 0),
        (HashMap::from([("ids", Variant::from(vec![1u64, 2]))]), &[], 2),
        (HashMap::from([("states", Variant::from(Vec::<&str>::new()))]), &[], 0),
    ] {
        let answer = bench.call(&bench.ui, "Clear", &(options,)).await.unwrap();
        let body = answer.body().deserialize::<(u64, Vec<(u64, String)>)>().unwrap();
        assert_eq!(body, (12, expected.to_vec()));
        let Heard::Clear(states, ids) = bench.asked().await else { panic!("not cleared") };
        assert_eq!((states.as_slice(), ids.len()), (wanted_states, wanted_ids));
    }
    let many = vec![1u64; 10_001];
    assert_eq!(bench.call(&bench.ui, "Release", &(&many, none())).await.unwrap_err().name, "LimitsExceeded");
    let many = HashMap::from([("ids", Variant::from(many))]);
    assert_eq!(bench.call(&bench.ui, "Clear", &(many,)).await.unwrap_err().name, "LimitsExceeded");
}

#[tokio::test]
async fn a_receipt_says_how_to_check_the_file() {
    let mut bench = Bench::new().await;
    let answer = bench.call(&bench.ui, "GetReceipt", &(7u64, none())).await.unwrap();
    assert!(matches!(bench.asked().await, Heard::Receipt(ItemId(7))));
    let receipt: Dict = answer.body().deserialize().unwrap();
    let keys = "added algorithm asset_id attempts channel chunk_size class delivered detail digest handed_over id name parts path \
                priority project_id project_name reason sent size source state uid vouched";
    let mut has: Vec<&str> = receipt.keys().map(String::as_str).collect();
    has.sort_unstable();
    assert_eq!(has.join(" "), keys);
    let parts: Vec<String> = receipt["parts"].try_clone().unwrap().try_into().unwrap();
    assert_eq!(parts, ["0000000000000abc", "ffffffffffffffff"]);
    assert_eq!(
        (text(&receipt, "digest"), text(&receipt, "algorithm"), text(&receipt, "vouched")),
        ("0000000000000001".into(), "xxh64".into(), "crc64nvme:rosUhgp5mIg=".into())
    );
    assert_eq!(receipt["delivered"].downcast_ref::<i64>().unwrap(), 1_790_000_000);
    *bench.refuse.lock().unwrap() = Some(Refusal::NotFound("item 8".to_owned()));
    assert_eq!(bench.call(&bench.ui, "GetReceipt", &(8u64, none())).await.unwrap_err().name, "NotFound");
}

#[tokio::test]
async fn the_bandwidth_limit_is_set_and_seen() {
    let mut bench = Bench::new().await;
    let mut signals = bench.bus.signals(&bench.ui).await;
    let set = async |ui: &Connection, value: Variant<'static>| {
        let body = (QUEUE, "BandwidthLimit", value);
        let call = ui.call_method(Some(NAME), PATH, Some("org.freedesktop.DBus.Properties"), "Set", &body);
        soon("an answer to Set", call).await.map(drop).map_err(Refused::from)
    };
    for bad in [Variant::from(1u64), Variant::from(9_999u64), Variant::from("fast"), Variant::from(-1i64)] {
        assert_eq!(set(&bench.ui, bad).await.unwrap_err().name, "InvalidArgs");
    }
    assert!(bench.asked.try_recv().is_err());
    for limit in [10_000u64, 5_000_000, 0] {
        set(&bench.ui, Variant::from(limit)).await.unwrap();
        assert!(matches!(bench.asked().await, Heard::Do(QueueCommand::SetBandwidthLimit(n)) if n == limit));
        let get = (QUEUE, "BandwidthLimit");
        let got = bench
            .ui
            .call_method(Some(NAME), PATH, Some("org.freedesktop.DBus.Properties"), "Get", &get)
            .await
            .unwrap();
        let got: zbus::OwnedVariant = got.body().deserialize().unwrap();
        assert_eq!(u64::try_from(got).unwrap(), limit, "at once");
    }
    // Both the library and the announcer may say one; neither ever says the one before.
    let mut said: Vec<u64> = Vec::new();
    while said.last() != Some(&0) {
        let signal = soon("a signal", signals.next()).await.unwrap().unwrap();
        let (_, changed, _): (String, Dict, Vec<String>) = signal.body().deserialize().unwrap();
        said.push(changed["BandwidthLimit"].downcast_ref::<u64>().unwrap());
    }
    said.dedup();
    assert_eq!(said, [10_000, 5_000_000, 0]);
    *bench.refuse.lock().unwrap() = Some(Refusal::StorageFull);
    assert_eq!(set(&bench.ui, Variant::from(20_000u64)).await.unwrap_err().name, "StorageFull");
}

#[tokio::test]
async fn the_first_hold_begins_and_the_last_one_ends_it() {
    let mut bench = Bench::new().await;
    let (a, b, person) = (bench.bus.connect().await, bench.bus.connect().await, bench.bus.connect().await);
    bench.hold(&a, "Pause").await.unwrap();
    bench.expect_recording(true).await;
    bench.hold(&a, "Pause").await.unwrap();
    bench.hold(&b, "Pause").await.unwrap();
    bench.hold(&a, "Resume").await.unwrap();
    // Not theirs to end.
    bench.hold(&person, "Resume").await.unwrap();
    bench.call(&person, "Resume", &(none(),)).await.unwrap();
    assert!(matches!(bench.asked().await, Heard::Do(QueueCommand::SetPaused(false))));
    assert!(bench.view.borrow().recording);
    bench.hold(&b, "Resume").await.unwrap();
    bench.expect_recording(false).await;
    // A person's pause is another thing.
    bench.call(&a, "Pause", &(none(),)).await.unwrap();
    assert!(matches!(bench.asked().await, Heard::Do(QueueCommand::SetPaused(true))));
    a.close().await.unwrap();
    bench.hold(&b, "Pause").await.unwrap();
    bench.expect_recording(true).await;
}

#[tokio::test]
async fn a_hold_ends_with_its_connection() {
    let mut bench = Bench::new().await;
    let (a, b) = (bench.bus.connect().await, bench.bus.connect().await);
    bench.hold(&a, "Pause").await.unwrap();
    bench.expect_recording(true).await;
    bench.hold(&b, "Pause").await.unwrap();
    a.close().await.unwrap();
    b.close().await.unwrap();
    bench.expect_recording(false).await;
    let recording = bench.view.subscribe().wait_for(|v| !v.recording).await.is_ok();
    assert!(recording, "and it is seen");
    // A program that is killed, again and again: nobody is remembered.
    for _ in 0..40 {
        let program = bench.bus.connect().await;
        bench.hold(&program, "Pause").await.unwrap();
        bench.expect_recording(true).await;
        drop(program);
        bench.expect_recording(false).await;
    }
}

#[tokio::test]
async fn a_caller_that_does_not_wait_for_the_answer_leaves_nothing_behind() {
    let mut bench = Bench::new().await;
    for _ in 0..20 {
        let hasty = bench.bus.connect().await;
        let call = zbus::Message::method_call(PATH, "Pause");
        let call = call.destination(NAME).interface(QUEUE);
        hasty.send(&call.build(&(while_recording(),)).unwrap()).await.unwrap();
        hasty.close().await.unwrap();
    }
    // What they sent is dealt with before what comes now.
    bench.hold(&bench.ui, "Pause").await.unwrap();
    bench.hold(&bench.ui, "Resume").await.unwrap();
    let mut last = None;
    let mut begun = 0;
    loop {
        let command = match last {
            // The two that come for certain.
            _ if begun == 0 || last == Some(true) => bench.asked().await,
            _ => match bench.asked.try_recv() {
                Ok(command) => command,
                Err(_) => break,
            },
        };
        let Heard::Do(QueueCommand::SetRecording(on)) = command else { panic!("{command:?}") };
        assert_ne!(last, Some(on), "told only when it changes");
        begun += u32::from(on);
        last = Some(on);
    }
    assert_eq!(last, Some(false));
}

#[tokio::test]
async fn holders_are_bounded_and_a_refused_hold_is_none() {
    let mut bench = Bench::new().await;
    *bench.refuse.lock().unwrap() = Some(Refusal::NotAllowed("not now".to_owned()));
    assert_eq!(bench.hold(&bench.ui, "Pause").await.unwrap_err().name, "NotAllowed");
    assert!(matches!(bench.asked().await, Heard::Do(QueueCommand::SetRecording(true))));
    *bench.refuse.lock().unwrap() = None;
    let mut all = Vec::new();
    for _ in 0..32 {
        all.push(bench.bus.connect().await);
        bench.hold(all.last().unwrap(), "Pause").await.unwrap();
    }
    bench.expect_recording(true).await;
    assert_eq!(bench.hold(&bench.ui, "Pause").await.unwrap_err().name, "LimitsExceeded");
    bench.hold(&all[5], "Pause").await.unwrap();
    all.remove(5).close().await.unwrap();
    // The place is free as soon as the daemon has heard of it.
    let mut tries = 0;
    while bench.hold(&bench.ui, "Pause").await.is_err() {
        tries += 1;
        assert!(tries < 10_000, "the place of a program that left stays taken");
    }
}

#[tokio::test]
async fn many_files_in_flight_are_one_change_and_two_a_second() {
    let bench = Bench::new().await;
    let mut signals = bench.bus.signals(&bench.ui).await;
    let begun = tokio::time::Instant::now();
    let (mut sent, mut changes) = (0u64, 0u128);
    while changes < 4 {
        sent += 1;
        bench.view.send_modify(|v| {
            let one = |id| Sending {
                id: ItemId(id),
                name: format!("A{id:03}.mov"),
                size: 1 << 40,
                sent: sent * id,
                on_the_way: 0,
            };
            (v.current, v.rate) = ((1..=16).map(one).collect(), sent);
            (v.counters.files_left, v.counters.bytes_left) = (16, (1 << 44) - sent);
        });
        // As much time as a question takes.
        let get = (QUEUE, "Rate");
        let properties = "org.freedesktop.DBus.Properties";
        soon("Get", bench.ui.call_method(Some(NAME), PATH, Some(properties), "Get", &get)).await.unwrap();
        while let Some(Some(signal)) = futures_util::FutureExt::now_or_never(signals.next()) {
            let (interface, changed, _): (String, Dict, Vec<String>) =
                signal.unwrap().body().deserialize().unwrap();
            if interface == QUEUE {
                changes += 1;
                assert!(changed.contains_key("Rate") && changed.contains_key("Current"), "one for all");
            } else {
                assert!(changed.contains_key("SafeToPowerOff"), "{interface}: {changed:?}");
            }
        }
    }
    let halves = begun.elapsed().as_millis() / 500;
    assert!(changes <= halves + 1, "{changes} changes in {halves} half seconds");
    assert!(sent > 50, "{sent} changes of the snapshot are no test of a bound");
}
