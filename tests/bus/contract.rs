//! The running object is the one that `dbus/*.xml` describes, and it bears whatever callers send it.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use futures_util::StreamExt as _;
use rigpost_contract::interface::Interface;
use rigpost_contract::item::{ItemKey, KeyOf, TOLD};
use rigpost_contract::property::{Access, Changes, Property};
use rigpost_sim::{DeviceModel, Event};
use zbus::message::Type;
use zbus::{MessageStream, OwnedVariant, Variant};

use crate::common::*;
use crate::introspected::hold_against_contract;

const EMITS: &str = "org.freedesktop.DBus.Property.EmitsChangedSignal";

/// Read by generators, from the files: the running object has no use for it.
const QT: &str = "org.qtproject.QtDBus.";

/// Everything our interfaces have, one line for each member, comparable.
fn members(xml: &str) -> BTreeSet<String> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(xml, options).unwrap();
    let mut out = BTreeSet::new();
    let ours = |n: &roxmltree::Node<'_, '_>| {
        n.has_tag_name("interface") && n.attribute("name").is_some_and(|name| name.starts_with(NAME))
    };
    for interface in document.descendants().filter(ours) {
        for member in interface.children().filter(roxmltree::Node::is_element) {
            let word = |n: &roxmltree::Node<'_, '_>, key| n.attribute(key).unwrap_or("-").to_owned();
            let kind = member.tag_name().name();
            let mut line = format!("{} {kind} {}", word(&interface, "name"), word(&member, "name"));
            let mut annotations = BTreeSet::new();
            for child in member.children().filter(roxmltree::Node::is_element) {
                if child.has_tag_name("arg") {
                    // The arguments of a signal only go out.
                    let direction =
                        child.attribute("direction").filter(|_| kind == "method").unwrap_or("out");
                    line += &format!(" ({direction} {} {})", word(&child, "type"), word(&child, "name"));
                } else if !word(&child, "name").starts_with(QT) {
                    annotations.insert(format!("{}={}", word(&child, "name"), word(&child, "value")));
                }
            }
            if kind == "property" {
                line += &format!(" {} {}", word(&member, "type"), word(&member, "access"));
                // The default of the specification.
                annotations.remove(&format!("{EMITS}=true"));
            }
            out.insert(format!("{line} {annotations:?}"));
        }
    }
    out
}

#[tokio::test]
async fn the_running_object_is_what_the_files_say() {
    let rig = Setup::new().start().await;
    let answer = rig.call("org.freedesktop.DBus.Introspectable", "Introspect", &()).await.unwrap();
    let running = members(&answer.body().deserialize::<String>().unwrap());
    let written: BTreeSet<String> = Interface::ALL.iter().flat_map(|i| members(i.xml())).collect();
    assert!(written.len() > 35, "{written:#?}");
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!(only(&written, &running), Vec::<String>::new(), "src/daemon/bus does not say this of itself");
    assert_eq!(only(&running, &written), Vec::<String>::new(), "dbus/*.xml does not say this");
}

#[tokio::test]
async fn the_daemon_has_what_the_contract_has() {
    let rig = Setup::new().start().await;
    let answer = rig.call("org.freedesktop.DBus.Introspectable", "Introspect", &()).await.unwrap();
    hold_against_contract(&answer.body().deserialize::<String>().unwrap(), "src/daemon/bus");
}

/// Every property as `GetAll` has it, which is every property of the contract.
async fn answered(rig: &Rig) -> BTreeMap<Property, OwnedVariant> {
    let mut answered = BTreeMap::new();
    for interface in Interface::ALL {
        let mut all = rig.properties(interface.as_str()).await;
        for property in Property::of(*interface) {
            let value = all.remove(property.as_str());
            let value =
                value.unwrap_or_else(|| panic!("src/daemon/bus has no handler for {interface}.{property}"));
            assert_eq!(value.value_signature().to_string(), property.signature(), "{interface}.{property}");
            answered.insert(property, value);
        }
        assert!(all.is_empty(), "src/contract/property.rs lacks these of {interface}: {:?}", all.keys());
    }
    answered
}

/// What `PropertiesChanged` has said so far.
struct Announced {
    signals: MessageStream,
    /// At first what was answered before anything was said.
    last: BTreeMap<Property, OwnedVariant>,
    heard_of: BTreeSet<Property>,
}

impl Announced {
    async fn hear_one(&mut self) {
        let signal = self.signals.next().await.expect("the bus is there").unwrap();
        if signal.header().member().unwrap() != "PropertiesChanged" {
            return;
        }
        let (interface, told, named): (String, Dict, Vec<String>) = signal.body().deserialize().unwrap();
        let known = |name: &str, changes: Changes| -> Property {
            let known = name.parse::<Property>().ok().filter(|p| p.interface().as_str() == interface);
            let property =
                known.unwrap_or_else(|| panic!("src/contract/property.rs lacks {interface}.{name}"));
            assert_eq!(property.changes(), changes, "how {interface}.{name} is announced");
            property
        };
        let told = told.into_iter().map(|(name, value)| (known(&name, Changes::Told), value));
        for (property, value) in told.collect::<BTreeMap<_, _>>() {
            self.heard_of.insert(property);
            self.last.insert(property, value);
        }
        self.heard_of.extend(named.iter().map(|name| known(name, Changes::Named)));
    }

    /// Listens until this was told; what comes and goes within half a second is told as it is then.
    async fn until(&mut self, property: Property, value: Variant<'_>) {
        let told = async {
            while *self.last[&property] != value {
                self.hear_one().await;
            }
        };
        soon(&format!("an announcement of {property}"), told).await;
    }

    /// The properties whose last word is not what is answered now.
    fn stale(&self, now: &BTreeMap<Property, OwnedVariant>) -> Vec<Property> {
        let told = Property::ALL.iter().copied().filter(|property| property.changes() == Changes::Told);
        told.filter(|property| self.last[property] != now[property]).collect()
    }
}

/// What the steps below do not change. A test in src/daemon/bus/announce.rs sees to these too.
const STAYS: [Property; 4] =
    [Property::Protection, Property::ClockTrusted, Property::VerificationUri, Property::AuthorizationExpires];

#[tokio::test]
async fn what_is_announced_is_what_is_answered() {
    let model = DeviceModel::default().id;
    let source = "[[source]]\nname = \"card\"\npath = \"{dir}/media/slot/card\"\n";
    let drop_in = format!("{source}channel = {{ model = \"{model}\" }}\n");
    let rig = Setup { drop_in, ..Setup::new() }.start().await;
    rig.log.wait(0, "a media source is not there").await;
    let signals = rig.bus.signals(&rig.ui).await;
    let mut heard = Announced { signals, last: answered(&rig).await, heard_of: BTreeSet::new() };

    std::fs::create_dir_all(rig.path("media/slot/card")).unwrap();
    heard.until(Property::MissingSources, Vec::<String>::new().into()).await;
    rig.provision(SECRET).await.unwrap();
    let code = rig.start_pairing().await;
    rig.sim.deny(&code).unwrap();
    rig.wait_reason("denied").await;
    rig.pair().await;
    rig.queue("Pause").await.unwrap();
    let limit = (QUEUE, "BandwidthLimit", Variant::from(20_000u64));
    rig.call("org.freedesktop.DBus.Properties", "Set", &limit).await.unwrap();
    let clips = ["whole.mp4", "gone.mp4", "hidden.mp4"].map(|name| rig.clip(name, 30_000));
    let mut ids = Vec::new();
    for clip in &clips {
        ids.push(rig.add(clip).await.unwrap());
    }
    std::fs::remove_file(&clips[1]).unwrap();
    std::fs::set_permissions(&clips[2], std::fs::Permissions::from_mode(0o000)).unwrap();
    // A movie of which only the first box is there, and the beginning of the next.
    let cut = rig.path("media/cut.mov");
    std::fs::write(&cut, b"\0\0\0\x14ftypqt  \0\0\0\0qt  \0\0\xff\xffmdat there is no more").unwrap();
    ids.push(rig.add(&cut).await.unwrap());
    let hold = || HashMap::from([("while_recording", Variant::from(true))]);
    rig.call(QUEUE, "Pause", &(hold(),)).await.unwrap();
    heard.until(Property::Recording, true.into()).await;
    rig.call(QUEUE, "Resume", &(hold(),)).await.unwrap();
    rig.queue("Resume").await.unwrap();
    rig.wait_item(ids[0], "done").await;
    for (id, state) in [(ids[1], "away"), (ids[2], "failed"), (ids[3], "incomplete")] {
        rig.wait_item(id, state).await;
    }
    rig.sim.inject("part@begun.mp4:stall".parse().unwrap());
    let begun = rig.add(rig.clip("begun.mp4", 100)).await.unwrap();
    let stalled = |event: &Event| event.fault.as_deref() == Some("stall");
    rig.sim.wait_for(stalled, PATIENCE).await.expect("its part is under way");
    rig.queue_items("Cancel", &[begun]).await.unwrap();
    heard.until(Property::Orphans, 1u32.into()).await;
    rig.queue("Pause").await.unwrap();
    let held = rig.add(rig.clip("held.mp4", 100)).await.unwrap();
    rig.unpair().await.unwrap();
    rig.pair_with("Second Unit").await;
    rig.wait_item(held, "held").await;
    rig.forget().await.unwrap();

    let mut stale = Vec::new();
    let agree = async {
        loop {
            stale = heard.stale(&answered(&rig).await);
            if stale.is_empty() {
                return;
            }
            heard.hear_one().await;
        }
    };
    let agreed = tokio::time::timeout(PATIENCE, agree).await;
    let where_to = "it belongs into `value` in src/daemon/bus/announce.rs";
    assert!(agreed.is_ok(), "{stale:?} changed and nobody was told the last value: {where_to}");
    let missed: Vec<_> = Property::ALL
        .iter()
        .filter(|p| p.changes() != Changes::Never && !heard.heard_of.contains(p) && !STAYS.contains(p))
        .collect();
    assert!(missed.is_empty(), "{missed:?} changed and nobody was told: {where_to}");
}

#[tokio::test]
async fn items_and_receipts_have_the_keys_of_the_contract() {
    let rig = Setup::new().paired().await;
    let id = rig.add(rig.clip("clip.mp4", 100)).await.unwrap();
    rig.wait_item(id, "done").await;
    let odd = rig.path("media").join(std::ffi::OsStr::from_bytes(b"odd\xff.mp4"));
    std::fs::copy(rig.path("media/clip.mp4"), &odd).unwrap();
    let options = HashMap::from([("paths_bytes", Variant::from(vec![odd.as_os_str().as_bytes().to_vec()]))]);
    rig.call(QUEUE, "AddMany", &([""; 0].as_slice(), options)).await.unwrap();
    let items = rig.items().await;
    let answer = rig.call(QUEUE, "GetReceipt", &(id, none())).await.unwrap();
    let receipt: Dict = answer.body().deserialize().unwrap();
    let answer = rig.call(QUEUE, "GetItem", &(id, none())).await.unwrap();
    let one: Dict = answer.body().deserialize().unwrap();
    for (what, dict, kinds) in [
        ("an item", &items[0], &[KeyOf::Item][..]),
        ("an item whose path is not UTF-8", &items[1], &[KeyOf::Item, KeyOf::OddItem]),
        ("one item", &one, &[KeyOf::Item, KeyOf::OneItem]),
        ("a receipt", &receipt, &[KeyOf::Item, KeyOf::Receipt]),
    ] {
        let has: BTreeSet<_> = dict.iter().map(|(k, v)| format!("{k} {}", v.value_signature())).collect();
        let contract = ItemKey::ALL.iter().filter(|key| kinds.contains(&key.of()));
        let contract: BTreeSet<_> = contract.map(|key| format!("{key} {}", key.signature())).collect();
        assert_eq!(has, contract, "{what}: src/daemon/bus/queue/shape.rs and src/contract/item.rs");
    }
}

#[tokio::test]
async fn an_unknown_option_is_refused_everywhere() {
    let rig = Setup::new().provisioned().await;
    let odd = || HashMap::from([("colour", Variant::from("red"))]);
    for method in ["Start", "Cancel", "Unpair"] {
        let refused = rig.call(PAIRING, method, &(odd(),)).await.expect_err(method);
        assert_eq!(refused.name, "InvalidArgs", "{method}");
        assert!(refused.text.contains("colour"), "{}", refused.text);
    }
    assert_eq!(rig.call(PAIRING, "QrCode", &("png", odd())).await.unwrap_err().name, "InvalidArgs");
    for method in ["Pause", "Resume"] {
        assert_eq!(rig.call(QUEUE, method, &(odd(),)).await.unwrap_err().name, "InvalidArgs", "{method}");
    }
    let nobody = [0u64; 0];
    for method in ["Cancel", "Retry", "Release"] {
        let refused = rig.call(QUEUE, method, &(&nobody[..], odd())).await.unwrap_err();
        assert_eq!(refused.name, "InvalidArgs", "{method}");
    }
    assert_eq!(
        rig.call(QUEUE, "SetPriority", &(&nobody[..], 1i32, odd())).await.unwrap_err().name,
        "InvalidArgs"
    );
    assert_eq!(rig.call(QUEUE, "Clear", &(odd(),)).await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.call(QUEUE, "GetReceipt", &(1u64, odd())).await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.call(QUEUE, "GetItem", &(1u64, odd())).await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.call(QUEUE, "Add", &("/x", odd())).await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.call(QUEUE, "AddMany", &(["/x"], odd())).await.unwrap_err().name, "InvalidArgs");
    let bytes = [b"/y".to_vec()];
    assert_eq!(rig.call(QUEUE, "AddFiles", &(["/x"], bytes, odd())).await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.call(QUEUE, "List", &(odd(), 0u32, 1u32)).await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.call(DEVICE, "Forget", &(odd(),)).await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.state().await, "unpaired");
}

#[tokio::test]
async fn an_option_of_the_wrong_type_is_named() {
    let rig = Setup::new().provisioned().await;
    let wrong = HashMap::from([("limit", Variant::from("soon"))]);
    let refused = rig.call(PAIRING, "Start", &(wrong,)).await.unwrap_err();
    assert_eq!(refused.name, "InvalidArgs");
    assert!(refused.text.contains("limit"), "{}", refused.text);
    let wrong = HashMap::from([("priority", Variant::from("high"))]);
    assert_eq!(rig.call(QUEUE, "Add", &("/x", wrong)).await.unwrap_err().name, "InvalidArgs");
    let wrong = HashMap::from([("state", Variant::from("lost"))]);
    assert_eq!(rig.call(QUEUE, "List", &(wrong, 0u32, 1u32)).await.unwrap_err().name, "InvalidArgs");
}

#[tokio::test]
async fn calls_that_make_no_sense_get_an_error_and_do_no_harm() {
    let rig = Setup::new().start().await;
    let name = async |interface: &str, method: &str| rig.call(interface, method, &()).await.unwrap_err().name;
    assert_eq!(name(PAIRING, "Start").await, "InvalidArgs");
    assert_eq!(name(QUEUE, "Add").await, "InvalidArgs");
    assert_eq!(name(PAIRING, "Dance").await, "UnknownMethod");
    assert_eq!(name("org.rigpost.Rigpost1.Dance", "Start").await, "UnknownInterface");
    assert_eq!(rig.call(QUEUE, "Add", &(5u32, none())).await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.call(DEVICE, "Provision", &("secret", none())).await.unwrap_err().name, "InvalidArgs");
    let change = (PAIRING, "State", Variant::from("paired"));
    let set = rig.call("org.freedesktop.DBus.Properties", "Set", &change);
    assert_eq!(set.await.unwrap_err().name, "PropertyReadOnly");
    let set = async |interface: &str, name: &str| {
        let change = (interface, name, Variant::from("paired"));
        rig.call("org.freedesktop.DBus.Properties", "Set", &change).await.unwrap_err().name
    };
    for property in Property::ALL.iter().filter(|property| property.access() == Access::Read) {
        let refused = set(property.interface().as_str(), property.as_str()).await;
        assert_eq!(refused, "PropertyReadOnly", "{property}");
    }
    assert_eq!(set(PAIRING, "Mood").await, "UnknownProperty");
    assert_eq!(set(DEVICE, "State").await, "UnknownProperty", "of another interface");
    let get = rig.call("org.freedesktop.DBus.Properties", "Get", &(PAIRING, "Mood")).await;
    assert_eq!(get.unwrap_err().name, "UnknownProperty");
    assert_eq!(rig.state().await, "unprovisioned");
}

#[tokio::test]
async fn absurd_lengths_are_refused() {
    let rig = Setup::new().paired().await;
    let long = format!("{}/{}", rig.path("media").display(), "x".repeat(1 << 20));
    assert_eq!(rig.add(&long).await.unwrap_err().name, "LimitsExceeded", "no call of one path is so long");
    let long = &long[..20_000];
    assert_eq!(rig.add(long).await.unwrap_err().name, "InvalidArgs");
    let clip = rig.clip("clip.mp4", 100);
    let many = vec![clip.to_str().unwrap(); 20_000];
    assert_eq!(rig.add_many(&many).await.unwrap_err().name, "LimitsExceeded");
    let ids = vec![1u64; 20_000];
    assert_eq!(rig.queue_items("Cancel", &ids).await.unwrap_err().name, "LimitsExceeded");
    let name = HashMap::from([("name", Variant::from("n".repeat(10_000)))]);
    let refused = rig.call(QUEUE, "Add", &(clip.to_str().unwrap(), name)).await.unwrap_err();
    assert_eq!(refused.name, "InvalidArgs");
    assert!(refused.text.len() < 1000);
    assert_eq!(rig.provision(&"s".repeat(5000)).await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.provision("").await.unwrap_err().name, "InvalidArgs");
    assert_eq!(rig.items().await.len(), 0);
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
}

#[tokio::test]
async fn a_full_queue_takes_no_more() {
    let rig = Setup { max_items: 3, ..Setup::new() }.start().await;
    let clips: Vec<_> = (0..4).map(|n| rig.clip(&format!("{n}.mp4"), 100)).collect();
    for clip in &clips[..3] {
        rig.add(clip).await.unwrap();
    }
    assert_eq!(rig.add(&clips[3]).await.unwrap_err().name, "LimitsExceeded");
    assert_eq!(rig.items().await.len(), 3);
}

/// Reads the code from pixels: true is dark.
fn read_code(side: usize, dark: impl Fn(usize, usize) -> bool) -> String {
    let pixel = |x: usize, y: usize| if dark(x, y) { 0u8 } else { 255 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, pixel);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code is in the picture");
    grids[0].decode().unwrap().1
}

#[tokio::test]
async fn the_qr_code_says_what_the_property_says() {
    let rig = Setup::new().provisioned().await;
    let draw = async |format: &str, scale: Option<u32>| {
        let options: HashMap<_, _> = scale.map(|s| ("scale", Variant::from(s))).into_iter().collect();
        let answer = rig.call(PAIRING, "QrCode", &(format, options)).await?;
        Ok::<Vec<u8>, Refused>(answer.body().deserialize().unwrap())
    };
    assert_eq!(draw("png", None).await.unwrap_err().name, "NotFound");
    rig.start_pairing().await;
    let wanted = rig.text(PAIRING, "VerificationUriComplete").await;
    for scale in [None, Some(1), Some(3), Some(32)] {
        let file = draw("png", scale).await.unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bits = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bits).unwrap();
        assert_eq!((info.width, info.bit_depth), (info.height, png::BitDepth::One));
        let (side, line) = (info.width as usize, info.line_size);
        // One pixel for each module is too fine for the reader's eye.
        let zoom = if scale == Some(1) { 4 } else { 1 };
        let dark = |x: usize, y: usize| bits[y / zoom * line + x / zoom / 8] & (0x80 >> (x / zoom % 8)) == 0;
        assert_eq!(read_code(side * zoom, dark), wanted, "scale {scale:?}");
    }
    let drawn = String::from_utf8(draw("text", None).await.unwrap()).unwrap();
    let rows: Vec<Vec<char>> = drawn.lines().map(|l| l.chars().collect()).collect();
    let light = |x: usize, y: usize| match rows.get(y / 2).and_then(|r| r.get(x)) {
        Some('█') => true,
        Some('▀') => y.is_multiple_of(2),
        Some('▄') => !y.is_multiple_of(2),
        _ => false,
    };
    let side = rows[0].len();
    assert_eq!(read_code(side * 4, |x, y| !light(x / 4, y / 4)), wanted, "\n{drawn}");
    let svg = String::from_utf8(draw("svg", None).await.unwrap()).unwrap();
    assert!(
        roxmltree::Document::parse(&svg)
            .unwrap()
            .root_element()
            .has_tag_name(("http://www.w3.org/2000/svg", "svg"))
    );
    for (format, scale) in [("gif", None), ("", None), ("png", Some(0)), ("png", Some(33))] {
        assert_eq!(draw(format, scale).await.unwrap_err().name, "InvalidArgs", "{format} {scale:?}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-5.5
//= type=test
//# Devices SHOULD take into account the operating environment
#[tokio::test]
async fn what_a_person_types_travels_in_no_signal() {
    let rig = Setup::cloud(|c| c.code_expires_in = 2.0).provisioned().await;
    let monitor = rig.bus.monitor().await;
    let first = rig.start_pairing().await;
    let uri = rig.text(PAIRING, "VerificationUriComplete").await;
    let other = |p: &Dict| !text(p, "UserCode").is_empty() && text(p, "UserCode") != first;
    let second = text(&rig.wait(PAIRING, "another code", other).await, "UserCode");
    rig.sim.approve(&second, PROJECT).unwrap();
    rig.wait_project(PROJECT).await;
    for secret in [&first, &second, &uri] {
        let seen = monitor.find(Some(Type::Signal), secret.as_bytes());
        assert_eq!(seen, Vec::<String>::new());
    }
    // The monitor does see both kinds of message.
    assert!(!monitor.find(Some(Type::MethodReturn), first.as_bytes()).is_empty());
    assert!(!monitor.find(Some(Type::Signal), b"UserCode").is_empty(), "it is named as changed");
    assert!(!monitor.find(Some(Type::Signal), PROJECT.as_bytes()).is_empty());
}

#[tokio::test]
async fn nothing_waits_while_the_network_hangs() {
    let rig = Setup::cloud(|c| c.faults.push("any:stall:forever".parse().unwrap())).provisioned().await;
    let second = Duration::from_secs(1);
    let clip = rig.clip("clip.mp4", 100);
    let (asked, ()) = tokio::join!(rig.ask_to_pair(), async {
        rig.wait_state("requesting-code").await;
        for interface in [DEVICE, PAIRING, QUEUE, DEVICE, PAIRING, QUEUE] {
            tokio::time::timeout(second, rig.properties(interface)).await.expect("properties at once");
        }
        tokio::time::timeout(second, rig.add(&clip)).await.expect("the queue works").unwrap();
        tokio::time::timeout(second, rig.items()).await.expect("the list is there");
        tokio::time::timeout(second, rig.cancel_pairing()).await.expect("cancelled at once").unwrap();
    });
    assert_eq!(asked.unwrap_err().name, "Cancelled");
}

#[tokio::test]
async fn the_queues_properties_change_at_most_twice_a_second_and_items_at_once() {
    let rig = Setup::new().paired().await;
    let mut signals = rig.bus.signals(&rig.ui).await;
    let begun = tokio::time::Instant::now();
    let mut ids = BTreeSet::new();
    for n in 0..25 {
        ids.insert(rig.add(rig.clip(&format!("{n}.mp4"), 2000)).await.unwrap());
    }
    let mut changes = 0;
    while !ids.is_empty() {
        let signal = soon("news of the items", signals.next()).await.unwrap().unwrap();
        match signal.header().member().unwrap().as_str() {
            "PropertiesChanged" => {
                let (interface, _, _): (String, Dict, Vec<String>) = signal.body().deserialize().unwrap();
                changes += u64::from(interface == QUEUE);
            }
            "ItemChanged" => {
                let (id, item): (u64, Dict) = signal.body().deserialize().unwrap();
                let keys: BTreeSet<&str> = item.keys().map(String::as_str).collect();
                let contract: BTreeSet<&str> = TOLD.iter().map(|key| key.as_str()).collect();
                assert_eq!(
                    keys, contract,
                    "`tell_item` in src/daemon/bus/announce.rs and `TOLD` of the contract"
                );
                if text(&item, "state") == "done" {
                    ids.remove(&id);
                }
            }
            _ => {}
        }
    }
    let halves = begun.elapsed().as_millis() as u64 / 500;
    assert!(changes <= halves + 2, "{changes} changes in {halves} half seconds");
}
