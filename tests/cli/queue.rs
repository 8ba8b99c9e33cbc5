//! Filling, watching and steering the queue from the command line.
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use zbus::Variant;
use zbus::object_server::SignalEmitter;

use super::fake::{self, Bus, Dict, Fake, PATH, boot_micros};
use super::junk::{CLIPS, JUNK};
use super::{Pairing as Program, rigpost, run, shown};

fn paired() -> Fake {
    let fake = Fake::default();
    {
        let mut world = fake.world();
        (world.state, world.reason, world.project) = ("paired".into(), "none".into(), "Moonrise".into());
        world.code_expires_at = boot_micros();
    }
    fake
}

fn clip(bus: &Bus, name: &str) -> String {
    let path = bus.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, b"clip").unwrap();
    path.to_str().unwrap().to_owned()
}

fn set(item: &mut Dict, key: &str, value: impl Into<Variant<'static>>) {
    item.insert(key.to_owned(), value.into().try_into_owned().unwrap());
}

/// The item enters this state, in the list and on the bus.
async fn enters(fake: &Fake, service: &zbus::Connection, id: u64, state: &str, told: bool) {
    let item = {
        let mut world = fake.world();
        let item = world.items.iter_mut().find(|i| u64::try_from(&i["id"]).unwrap() == id).unwrap();
        set(item, "state", state.to_owned());
        fake::clone_item(item)
    };
    if told {
        let emitter = SignalEmitter::new(service, PATH).unwrap();
        fake::Queue::item_changed(&emitter, id, item).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_said_of_clips_is_passed_on() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let a = clip(&bus, "a.mov");
    let (status, _, errors) =
        run(&bus, &["add", &a, "--closed", "--channel", "2", "--name", "scene 4", "-p", "7"]).await;
    assert_eq!((status, errors.as_str()), (0, ""));
    let world = fake.world();
    let said = &world.options[0];
    assert!(bool::try_from(&said["closed"]).unwrap());
    assert_eq!(u8::try_from(&said["channel"]).unwrap(), 2);
    assert_eq!(<&str>::try_from(&said["name"]).unwrap(), "scene 4");
    assert_eq!((said.len(), world.added[0].1), (4, Some(7)));
}

#[tokio::test]
async fn directories_patterns_and_odd_names_are_found() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let (a, b) = (clip(&bus, "card/a.mov"), clip(&bus, "card/DCIM/b.mov"));
    clip(&bus, "card/.hidden.mov");
    clip(&bus, "card/c.mov.part");
    clip(&bus, "card/d.wav");
    let odd = bus.path("card").join(std::ffi::OsStr::from_bytes(b"e\xff.mov"));
    std::fs::write(&odd, b"x").unwrap();
    let card = bus.path("card").to_str().unwrap().to_owned();
    let (status, output, errors) = run(&bus, &["add", "--pattern", "*.mov", &card]).await;
    assert_eq!(status, 0, "{errors}");
    assert!(errors.contains("skipped 3 files"), "{errors}");
    let bytes = format!("bytes: {}", odd.as_os_str().as_bytes().escape_ascii());
    // What is text goes first on the bus; a person sees the order of the names.
    assert_eq!(fake.world().added[0].0, [b.clone(), a.clone(), bytes]);
    assert!(
        output.starts_with(&format!("1  {b}\n2  {a}\n3  ")) && output.contains("e\u{fffd}.mov"),
        "{output}"
    );
    let (status, output, _) = run(&bus, &["add", &format!("{card}/*.wav")]).await;
    assert_eq!((status, output.contains("d.wav")), (0, true), "{output}");
    let (status, _, errors) = run(&bus, &["add", &format!("{card}/*.mxf")]).await;
    assert_eq!((status, errors.contains("nothing has such a name")), (1, true), "{errors}");
}

#[tokio::test]
async fn what_nobody_means_to_send_is_passed_over_and_counted() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let card = bus.path("card");
    for name in JUNK.iter().chain(CLIPS) {
        std::fs::create_dir_all(card.join(name).parent().unwrap()).unwrap();
        std::fs::write(card.join(name), b"x").unwrap();
    }
    let mut clips: Vec<String> = CLIPS.iter().map(|n| card.join(n).to_str().unwrap().to_owned()).collect();
    clips.sort();
    let everything = format!("{}/*", card.display());
    let anywhere = format!("{}/**/*.*", card.display());
    for args in
        [vec!["add", "-r", card.to_str().unwrap()], vec!["add", "-r", &everything], vec!["add", &anywhere]]
    {
        let (status, _, errors) = run(&bus, &args).await;
        let mut added = fake.world().added.pop().unwrap().0;
        added.sort();
        assert_eq!((status, added), (0, clips.clone()), "{args:?}: {errors}");
        assert!(errors.contains("skipped"), "{args:?}: {errors}");
    }
    // What a person names is passed on whole.
    let named = card.join("b.swp").to_str().unwrap().to_owned();
    assert_eq!(run(&bus, &["add", &named]).await.0, 0);
    assert_eq!(fake.world().added.pop().unwrap().0, [named]);
}

#[tokio::test]
async fn frames_are_told_of_and_left_out_where_somebody_says_so() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let frames: Vec<String> =
        (0..9).map(|n| clip(&bus, &format!("card/A001/A001_C002_{n:06}.dng"))).collect();
    let others = ["card/A001/A001_C001.mov", "card/DCIM/100LEICA/L1000001.DNG"].map(|name| clip(&bus, name));
    let card = bus.path("card").to_str().unwrap().to_owned();
    let (status, _, errors) = run(&bus, &["add", "-r", &card]).await;
    assert_eq!((status, fake.world().added.pop().unwrap().0.len()), (0, 11), "{errors}");
    assert!(
        errors.contains("among them 9 frames of 1 sequence; the cloud takes at most 5 new clips"),
        "{errors}"
    );
    assert!(errors.contains("9 clips need at least 3 s on any line"), "{errors}");
    let (status, output, errors) = run(&bus, &["add", "-r", "--no-sequences", &card]).await;
    assert_eq!((status, fake.world().added.pop().unwrap().0), (0, others.to_vec()), "{errors}");
    assert!(errors.contains("left out 9 frames of 1 sequence"), "{errors}");
    assert!(output.contains("Queued 2 clips, 8 B"), "{output}");
    // Those that somebody names are told of too, and a photograph never is.
    let (_, _, errors) = run(&bus, &["add", &frames[4]]).await;
    assert!(errors.contains("among them 1 frame of 1 sequence"), "{errors}");
    let (_, _, errors) = run(&bus, &["add", &others[1]]).await;
    assert_eq!(errors, "");
}

#[tokio::test]
async fn doctor_says_how_long_very_many_clips_take() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let fill = |n: u64| {
        let path = PathBuf::from("/media/a.ari");
        fake.world().items = (1..=n).map(|id| fake::item(id, &path, "queued", "")).collect();
    };
    fill(2);
    let found = super::doctor(&bus, "https://rigpost.invalid").await;
    assert_eq!(found("queue"), ("ok".into(), "2 clips left to send".into(), String::new()));
    fill(14_400);
    let found = super::doctor(&bus, "https://rigpost.invalid").await;
    let (verdict, finding, next) = found("queue");
    assert_eq!(verdict, "warn");
    assert!(finding.ends_with("14400 clips need at least 1 h on any line"), "{finding}");
    assert!(next.contains("sequences = false"), "{next}");
}

#[tokio::test]
async fn patterns_are_blind_to_case() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let card = bus.path("Card");
    let names = ["A001.MOV", "b.Mov", "DCIM/c.mov", "ÉTÉ.wav", "d.mxf"];
    for name in names {
        std::fs::create_dir_all(card.join(name).parent().unwrap()).unwrap();
        std::fs::write(card.join(name), b"x").unwrap();
    }
    let (dir, quoted) = (card.to_str().unwrap(), |pattern: &str| format!("{}/{pattern}", card.display()));
    let [lower, upper, deep] = ["*.mov", "*.MOV", "**/[A-C]*.mov"].map(quoted);
    for (args, found) in [
        (vec!["-r", "--pattern", "*.mov", dir], &names[..3]),
        (vec!["-r", "--pattern", "*.MOV", dir], &names[..3]),
        (vec!["--pattern", "a0?1.m[o-p]v", dir], &names[..1]),
        (vec!["--pattern", "*/dcim/*", dir], &names[2..3]),
        (vec!["--pattern", "été.*", dir], &names[3..4]),
        (vec![lower.as_str()], &names[..2]),
        (vec![upper.as_str()], &names[..2]),
        (vec![deep.as_str()], &names[..3]),
    ] {
        let (status, _, errors) = run(&bus, &[vec!["add"], args.clone()].concat()).await;
        let added = fake.world().added.pop().unwrap_or_default().0;
        let mut added: Vec<_> =
            added.iter().map(|path| path.strip_prefix(dir).unwrap()[1..].to_owned()).collect();
        added.sort();
        let mut found = found.to_vec();
        found.sort_unstable();
        assert_eq!(
            (status, added),
            (0, found.iter().map(|name| (*name).to_owned()).collect()),
            "{args:?}: {errors}"
        );
    }
}

#[tokio::test]
async fn one_bad_file_ends_it_or_is_passed_over() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let clips: Vec<String> = (0..9).map(|n| clip(&bus, &format!("card/{n}.mov"))).collect();
    fake.world().bad = vec![clips[3].clone(), clips[8].clone()];
    let card = bus.path("card").to_str().unwrap().to_owned();
    let (status, output, errors) = run(&bus, &["add", "-r", &card]).await;
    assert_eq!((status, output.as_str()), (1, ""));
    assert!(
        errors.contains("directory: ") && errors.contains("3.mov") && errors.contains("--keep-going"),
        "{errors}"
    );
    assert!(fake.world().added.is_empty(), "all or none");
    let missing = bus.path("missing.mov").to_str().unwrap().to_owned();
    let (status, output, errors) = run(&bus, &["add", "-rk", &missing, &card]).await;
    assert_eq!(status, 1);
    for part in ["missing.mov: there is no such file", "card/3.mov", "card/8.mov", "3 files were refused"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert!(output.contains("Queued 7 clips"), "{output}");
    let added: Vec<String> = fake.world().added.iter().flat_map(|(paths, _)| paths.clone()).collect();
    let good: Vec<String> = [0, 1, 2, 4, 5, 6, 7].map(|n| clips[n].clone()).to_vec();
    assert_eq!(added, good, "in their order");
    // What is no path's fault ends it in any case.
    fake.world().refuse_add = Some(fake::Error::StorageFull);
    let (status, _, errors) = run(&bus, &["add", "-rk", &card]).await;
    assert_eq!((status, errors.matches("disk is full").count()), (1, 1), "{errors}");
}

#[tokio::test]
async fn what_the_daemon_cannot_reach_is_handed_over_open() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let open = clip(&bus, "card/0.mov");
    let closed: Vec<String> = (1..4).map(|n| clip(&bus, &format!("ana/{n}.mov"))).collect();
    fake.world().closed.clone_from(&closed);
    fake.world().known = [(closed[1].clone(), (9, "waiting"))].into();
    let all = [&open, &closed[0], &closed[1], &closed[2]].map(String::as_str);
    let (status, output, errors) = run(&bus, &[&["add"], &all[..]].concat()).await;
    assert_eq!(status, 0, "{errors}");
    assert_eq!(
        output,
        format!(
            "1  {open}\n2  {}\n9  {}  (is in the queue already)\n3  {}\nQueued 3 clips.\n\
             1 clip is in the queue already (#9).\n",
            closed[0], closed[1], closed[2]
        )
    );
    assert!(errors.contains("handed over 3 clips open") && errors.contains("after a reboot"), "{errors}");
    let handed = |n: usize| (closed[n].clone(), format!("{}.mov", n + 1));
    assert_eq!(fake.world().handed, [handed(0), handed(1), handed(2)]);
    assert_eq!(fake.world().added[0].0, std::slice::from_ref(&open));

    let (status, output, _) = run(&bus, &["add", "--json", "--name", "scene.mov", &closed[2]]).await;
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    let expected = serde_json::json!({"files": [{"id": 4, "found": "new", "path": closed[2]}]});
    assert_eq!((status, json), (0, expected));
    assert_eq!(fake.world().handed[3].1, "scene.mov");
}

#[tokio::test]
async fn what_cannot_be_handed_over_either_is_said_as_it_was_by_its_path() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let closed = clip(&bus, "ana/1.mov");
    fake.world().closed = vec![closed.clone()];
    // A rig that takes none; and one that has no room.
    fake.world().refuse_fd = Some(fake::Error::NotAllowed);
    let (status, output, errors) = run(&bus, &["add", &closed]).await;
    assert_eq!((status, output.as_str()), (1, ""));
    assert!(errors.contains("may not be read by the daemon's user"), "{errors}");
    fake.world().refuse_fd = Some(fake::Error::StorageFull);
    let (_, _, errors) = run(&bus, &["add", &closed]).await;
    assert!(errors.contains("disk is full") && !errors.contains("daemon's user"), "{errors}");
    // What is a rule is no want of reach, but for those who say so.
    fake.world().refuse_fd = None;
    fake.world().bad = vec![closed.clone()];
    let (status, _, errors) = run(&bus, &["add", &closed]).await;
    assert!(status == 1 && errors.contains("--by-descriptor"), "{errors}");
    assert_eq!(fake.world().handed, []);
    let (status, output, _) = run(&bus, &["add", "--by-descriptor", &closed]).await;
    assert_eq!((status, output), (0, format!("1  {closed}\n")));
    let missing = bus.path("ana/2.mov").to_str().unwrap().to_owned();
    let (status, _, errors) = run(&bus, &["add", "--by-descriptor", "-k", &missing, &closed]).await;
    assert!(status == 1 && errors.contains("2.mov: there is no such file"), "{errors}");
    assert_eq!(fake.world().handed.len(), 2);
}

#[tokio::test]
async fn what_is_there_already_is_said_and_is_no_failure() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let clips: Vec<String> = (0..5).map(|n| clip(&bus, &format!("card/{n}.mov"))).collect();
    let card = bus.path("card").to_str().unwrap().to_owned();
    let known = [(1, 4, "waiting"), (2, 7, "delivered"), (3, 8, "delivered")];
    fake.world().known = known.map(|(n, id, word)| (clips[n].clone(), (id, word))).into();
    let (status, output, errors) = run(&bus, &["add", "-r", &card]).await;
    assert_eq!((status, errors.as_str()), (0, ""));
    assert_eq!(
        output,
        format!(
            "1  {card}/0.mov\n4  {card}/1.mov  (is in the queue already)\n7  {card}/2.mov  (was delivered already)\n\
             8  {card}/3.mov  (was delivered already)\n2  {card}/4.mov\nQueued 2 clips.\n\
             1 clip is in the queue already (#4).\n\
             2 clips were delivered already (#7, #8): rigpost add --again sends them once more.\n"
        )
    );
    let (status, output, errors) = run(&bus, &["add", "--json", &clips[1], &clips[2]]).await;
    assert_eq!((status, errors.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    let expected = serde_json::json!({"files": [
        {"id": 4, "found": "waiting", "path": clips[1]},
        {"id": 7, "found": "delivered", "path": clips[2]},
    ]});
    assert_eq!(json, expected);
    let (status, output, _) = run(&bus, &["add", &clips[2]]).await;
    assert_eq!(status, 0);
    assert!(output.contains("1 clip was delivered already (#7): rigpost add --again"), "{output}");
    fake.world().options.clear();
    assert_eq!(run(&bus, &["add", "--again", "--to-this-project", &clips[0]]).await.0, 0);
    let world = fake.world();
    let said = &world.options[0];
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(["again", "to_this_project"].iter().all(|key| bool::try_from(&said[*key]).unwrap()));
}

#[tokio::test]
async fn what_another_project_has_is_refused_and_the_others_are_queued() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let (here, there) = (clip(&bus, "a.mov"), clip(&bus, "b.mov"));
    fake.world().known = [(there.clone(), (9, "delivered-elsewhere"))].into();
    let (status, output, errors) = run(&bus, &["add", &here, &there]).await;
    assert_eq!(status, 1);
    assert!(output.ends_with("Queued 1 clip.\n"), "{output}");
    assert!(output.contains("b.mov  (was delivered to another project)"), "{output}");
    for part in
        ["1 clip was delivered to another project (#9)", "rigpost add --to-this-project sends it here"]
    {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    // With a file that is refused, both are said.
    fake.world().bad = vec![here.clone()];
    let (status, _, errors) = run(&bus, &["add", "-k", &here, &there]).await;
    assert_eq!(status, 1);
    for part in ["/a.mov", "delivered to another project (#9)", "1 file was refused"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
}

#[tokio::test]
async fn nobody_waits_for_what_was_delivered() {
    let (bus, fake) = (Bus::new(), paired());
    let service = fake.serve(&bus).await;
    let [new, old, waits] = ["a.mov", "b.mov", "c.mov"].map(|name| clip(&bus, name));
    fake.world().known = [(old.clone(), (7, "delivered")), (waits.clone(), (8, "waiting"))].into();
    // All that is delivered: it ends at once, though the list has no such item any more.
    let (status, output, errors) = run(&bus, &["add", "--wait", &old]).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{output}");
    fake.world().items = vec![
        fake::item(1, &PathBuf::from(&new), "queued", ""),
        fake::item(8, &PathBuf::from(&waits), "queued", ""),
    ];
    let mut add = Program::start(&bus, &["add", "--wait", &new, &old, &waits]);
    add.until("1 clip was delivered already (#7)").await;
    enters(&fake, &service, 1, "done", true).await;
    assert!(add.line().await.contains("sent a.mov"));
    enters(&fake, &service, 8, "done", true).await;
    assert!(add.line().await.contains("sent c.mov"));
    assert_eq!(add.end().await, (0, String::new()));
}

#[tokio::test]
async fn one_clip_is_shown_with_all_that_is_known_of_it() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let mut item = fake::item(7, &bus.path("card/A001.mov"), "incomplete", "the index at its end is missing");
    set(&mut item, "version_of", "a-1");
    set(&mut item, "next_try", boot_micros() + 600_000_000);
    set(&mut item, "source", "card");
    set(&mut item, "asset_id", "a-7");
    fake.world().items = vec![item];
    let (status, output, errors) = run(&bus, &["queue", "show", "7"]).await;
    assert_eq!((status, errors.as_str()), (0, ""));
    for part in [
        "clip  A001.mov\n",
        "card/A001.mov\n",
        "3.00 GB (3000000000 bytes)",
        "state  incomplete\n",
        "why  The index at its end is missing\n",
        "next try  goes as it is in ",
        "by  source card\n",
        "asset  a-7\n",
        "new version of  a-1\n",
    ] {
        assert!(output.contains(part), "{part}: {output}");
    }
    let (status, output, _) = run(&bus, &["queue", "show", "7", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, json["id"].as_u64(), json["version_of"].as_str()), (0, Some(7), Some("a-1")));
    assert!((1..=600).contains(&json["next_try_in"].as_u64().unwrap()) && json["as_is"] == false, "{output}");
    let (status, _, errors) = run(&bus, &["queue", "show", "8"]).await;
    assert!(status == 1 && errors.contains("item 8"), "{status}: {errors}");
}

#[tokio::test]
async fn what_is_cut_off_or_away_is_listed_and_steered() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    fake.world().items = vec![
        fake::item(1, &bus.path("cut.mov"), "incomplete", ""),
        fake::item(2, &bus.path("gone.mov"), "away", ""),
        fake::item(3, &bus.path("held.mov"), "held", ""),
    ];
    let (_, output, _) = run(&bus, &["queue"]).await;
    assert!(["cut.mov", "gone.mov", "held.mov"].iter().all(|name| output.contains(name)), "{output}");
    for (args, says, call) in [
        (
            &["queue", "release", "1", "-y"][..],
            "Sending 1 clip as it is, though it is cut off.\n",
            "Release [1]",
        ),
        (
            &["queue", "release", "1", "3", "1", "-y"],
            "Released 1 clip to Moonrise.\nSending 1 clip as it is, though it is cut off.\n",
            "Release [1, 3]",
        ),
        (&["queue", "release", "-ays", "incomplete"], "Sending 1 clip as it is,", "Release [1]"),
        (&["queue", "retry", "1", "2"], "Trying 2 clips again.\n", "Retry [1, 2]"),
        (&["queue", "retry", "-as", "away"], "Trying 1 clip again.\n", "Retry [2]"),
    ] {
        let (status, output, errors) = run(&bus, args).await;
        assert_eq!((status, errors.as_str()), (0, ""), "{args:?}");
        assert!(output.contains(says), "{args:?}: {output}");
        assert_eq!(fake.world().calls.last().unwrap(), call, "{args:?}");
    }
    let (status, _, errors) = run(&bus, &["queue", "release", "-ays", "away"]).await;
    assert!(status == 2 && errors.contains("[possible values: held, incomplete]"), "{errors}");
}

#[tokio::test]
async fn waiting_ends_when_the_last_clip_is_over() {
    let (bus, fake) = (Bus::new(), paired());
    let service = fake.serve(&bus).await;
    let clips = ["a.mov", "b.mov"].map(|name| clip(&bus, name));
    // Listed as soon as they are added, and one has never been in another state.
    fake.world().items = vec![
        fake::item(1, &PathBuf::from(&clips[0]), "queued", ""),
        fake::item(2, &PathBuf::from(&clips[1]), "done", ""),
        fake::item(3, &bus.path("other.mov"), "queued", ""),
    ];
    let mut add = Program::start(&bus, &["add", "--wait", &clips[0], &clips[1]]);
    add.until("Queued 2 clips").await;
    enters(&fake, &service, 3, "failed", true).await;
    enters(&fake, &service, 1, "uploading", true).await;
    assert!(add.line().await.contains("sending a.mov"), "and nothing of the other clip");
    enters(&fake, &service, 1, "done", true).await;
    assert!(add.line().await.contains("sent a.mov"));
    assert_eq!(add.end().await, (0, String::new()));
}

#[tokio::test]
async fn waiting_in_vain_says_so() {
    let (bus, fake) = (Bus::new(), paired());
    let service = fake.serve(&bus).await;
    let path = clip(&bus, "a.mov");
    fake.world().items = vec![fake::item(1, &PathBuf::from(&path), "queued", "The file is gone.")];
    let mut add = Program::start(&bus, &["add", "--wait", &path]);
    add.until("1  ").await;
    // Not told by itself, as in a large change: only that something moved.
    enters(&fake, &service, 1, "failed", false).await;
    let iface = service.object_server().interface::<_, fake::Queue>(PATH).await.unwrap();
    iface.get().await.failed_changed(&SignalEmitter::new(&service, PATH).unwrap()).await.unwrap();
    let (status, errors) = add.end().await;
    assert_eq!(status, 9, "{errors}");
    assert!(errors.contains("1 of 1 clip not sent: a.mov failed: The file is gone."), "{errors}");

    fake.world().last_id = 0;
    enters(&fake, &service, 1, "queued", false).await;
    let mut add = Program::start(&bus, &["add", "--wait", &path]);
    add.until("1  ").await;
    enters(&fake, &service, 1, "uploading", true).await;
    assert!(add.line().await.contains("sending a.mov"));
    kill_process(Pid::from_raw(add.child.id().unwrap() as i32).unwrap(), Signal::INT).unwrap();
    let (status, errors) = add.end().await;
    assert_eq!((status, errors.contains("stay queued")), (9, true), "{errors}");
}

#[tokio::test]
async fn waiting_ends_for_what_is_cut_off_once_nobody_but_a_person_sends_it() {
    let (bus, fake) = (Bus::new(), paired());
    let service = fake.serve(&bus).await;
    let path = clip(&bus, "a.mov");
    fake.world().items = vec![fake::item(1, &PathBuf::from(&path), "queued", "the index is missing")];
    let mut add = Program::start(&bus, &["add", "--wait", &path]);
    add.until("1  ").await;
    set(&mut fake.world().items[0], "next_try", boot_micros() + 600_000_000);
    enters(&fake, &service, 1, "incomplete", true).await;
    assert!(add.line().await.contains("waiting for a.mov: the index is missing"), "it goes in ten minutes");
    enters(&fake, &service, 1, "uploading", true).await;
    assert!(add.line().await.contains("sending a.mov"));
    set(&mut fake.world().items[0], "next_try", 0_u64);
    enters(&fake, &service, 1, "incomplete", true).await;
    assert!(add.line().await.contains("waiting for a.mov"));
    let (status, errors) = add.end().await;
    assert_eq!(status, 9, "{errors}");
    for part in ["a.mov is held as incomplete: the index is missing", "rigpost queue release 1"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    // It was so before anybody waited.
    fake.world().last_id = 0;
    let mut add = Program::start(&bus, &["add", "--wait", &path]);
    add.until("1  ").await;
    let (status, errors) = add.end().await;
    assert!(status == 9 && errors.contains("held as incomplete"), "{errors}");
}

fn open_queue(bus: &Bus) -> Vec<Dict> {
    vec![
        fake::item(1, &bus.path("done.mov"), "done", ""),
        fake::item(2, &bus.path("sending.mov"), "uploading", ""),
        fake::item(3, &bus.path("waits.mov"), "queued", ""),
        fake::item(4, &bus.path("waits2.mov"), "queued", ""),
        fake::item(5, &bus.path("held.mov"), "held", ""),
        fake::item(6, &bus.path("broken.mov"), "failed", "The file is gone."),
        fake::item(7, &bus.path("broken2.mov"), "failed", "The file is gone."),
    ]
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    fake.world().items = open_queue(&bus);
    let ids = async |args: &[&str]| -> (u64, Vec<u64>) {
        let (status, output, errors) = run(&bus, &[&["queue", "--json"], args].concat()).await;
        assert_eq!(status, 0, "{errors}");
        let json: serde_json::Value = serde_json::from_str(&output).unwrap();
        let id = |item: &serde_json::Value| item["id"].as_u64().unwrap();
        (json["total"].as_u64().unwrap(), json["items"].as_array().unwrap().iter().map(id).collect())
    };
    assert_eq!(ids(&[]).await, (6, vec![2, 3, 4, 5, 6, 7]));
    assert_eq!(ids(&["--failed"]).await, (2, vec![6, 7]));
    assert_eq!(ids(&["--held"]).await, (1, vec![5]));
    assert_eq!(ids(&["--all", "--offset", "5"]).await, (7, vec![1, 2]));
    // Through the states, one after the other.
    for offset in 0..8u64 {
        for limit in 1..8u64 {
            let all = [2, 3, 4, 5, 6, 7];
            let newest = all.into_iter().rev().skip(offset as usize).take(limit as usize);
            let wanted: Vec<u64> = newest.collect::<Vec<_>>().into_iter().rev().collect();
            let args = [offset.to_string(), limit.to_string()];
            if (offset + limit) % 3 == 0 {
                assert_eq!(ids(&["--offset", &args[0], "--limit", &args[1]]).await, (6, wanted));
            }
        }
    }
    let (_, output, _) = run(&bus, &["queue", "--limit", "2", "--offset", "1"]).await;
    assert!(output.starts_with("… 3 older ones; --offset 3 shows them, --limit 6 shows all\n"), "{output}");
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines[2].contains("held.mov") && lines[3].contains("broken.mov"), "the newest last: {output}");
    fake.world().items = (1..=2500).map(|id| fake::item(id, &bus.path("x.mov"), "done", "")).collect();
    assert_eq!(ids(&["--all", "--limit", "3"]).await, (2500, vec![2498, 2499, 2500]));
    assert_eq!(ids(&["--all", "--limit", "2400"]).await.1, (101..=2500).collect::<Vec<u64>>());
    fake.world().items = open_queue(&bus);
    let (_, output, _) = run(&bus, &["queue", "--offset", "6"]).await;
    assert_eq!(output, "There are only 6; --offset 6 leaves out all of them.\n");
    assert_eq!(run(&bus, &["queue", "--failed", "--held"]).await.0, 2);
}

//= frameio-c2c#7
//= type=test
//# One upload can be cancelled, and all.
#[tokio::test]
async fn items_are_steered_by_number_and_in_bulk() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    fake.world().items = open_queue(&bus);
    for (args, says, call) in [
        (&["queue", "release", "5", "-y"][..], "Released 1 clip to Moonrise.", "Release [5]"),
        (&["queue", "priority", "-5", "3", "4"], "Gave 2 clips the priority -5.", "SetPriority [3, 4] -5"),
        (&["queue", "retry", "--all"], "Trying 2 clips again.", "Retry [6, 7]"),
        (&["queue", "retry", "--all", "--state", "queued"], "Trying 2 clips", "Retry [3, 4]"),
        (&["queue", "cancel", "--all", "--yes"], "Took 4 clips off", "Cancel [2, 3, 4, 5]"),
        (&["queue", "release", "--all", "-y"], "Released 1 clip", "Release [5]"),
        (&["queue", "priority", "9", "--all"], "Gave 2 clips", "SetPriority [3, 4] 9"),
        (
            &["queue", "comment", "7", "circle it", "--frame", "240"],
            "Noted: the cloud",
            "Comment 7 \"circle it\" 240",
        ),
        (&["queue", "clear"], "Took 3 clips off the list", "Clear None None"),
        (&["queue", "clear", "1"], "Took 1 clip off the list", "Clear None Some([1])"),
        (
            &["queue", "clear", "-s", "done", "-s", "failed", "-y"],
            "Took",
            "Clear Some([\"done\", \"failed\"]) None",
        ),
    ] {
        let (status, output, errors) = run(&bus, args).await;
        assert_eq!((status, errors.as_str()), (0, ""), "{args:?}");
        assert!(output.contains(says), "{args:?}: {output}");
        assert_eq!(fake.world().calls.pop().as_deref(), Some(call));
    }
    // What comes back with its card, or waits for its rest, is in the queue too.
    let path = bus.path("x.mov");
    let waiting = [(10, "incomplete"), (11, "away")];
    let before = fake.world().items.len();
    fake.world().items.extend(waiting.map(|(id, state)| fake::item(id, &path, state, "")));
    let (_, output, _) = run(&bus, &["queue", "cancel", "--all", "--yes"]).await;
    assert!(output.starts_with("Took 6 clips off"), "{output}");
    assert_eq!(fake.world().calls.pop().as_deref(), Some("Cancel [2, 3, 4, 5, 10, 11]"));
    fake.world().items.truncate(before);
    // Without a terminal nobody waits for an answer.
    for args in [
        &["queue", "cancel", "--all"][..],
        &["queue", "release", "--all"],
        &["queue", "release", "5"],
        &["queue", "clear", "--state", "failed"],
    ] {
        let (status, _, errors) = run(&bus, args).await;
        assert_eq!((status, errors.contains("--yes")), (2, true), "{args:?}: {errors}");
    }
    for args in [
        &["queue", "cancel"][..],
        &["queue", "cancel", "--state", "failed"],
        &["queue", "cancel", "--all", "3"],
        &["queue", "clear", "--state", "queued"],
        &["queue", "release", "--all", "--state", "failed"],
        &["queue", "clear", "1", "--state", "done"],
    ] {
        assert_eq!(run(&bus, args).await.0, 2, "{args:?}");
    }
    fake.world().items.truncate(1);
    let (status, output, _) = run(&bus, &["queue", "retry", "--all"]).await;
    assert_eq!(
        (status, output.as_str()),
        (0, "No clip is failed. Those that wait are tried at once with --state queued.\n")
    );
    fake.world().state = "unpaired".into();
    assert_eq!(run(&bus, &["queue", "release", "5"]).await.0, 7);
    assert_eq!(fake.world().calls, Vec::<String>::new());
}

#[tokio::test]
async fn what_stays_as_it_was_is_said_and_ends_with_its_code() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    fake.world().items = open_queue(&bus);
    fake.world().said = [(1, "delivered"), (2, "sending"), (3, "due"), (5, "held"), (9, "duplicate")].into();
    for (args, says, why, next) in [
        (&["retry", "1"][..], "", "1 of 1 clip was not tried again: #1 was delivered already", "add --again"),
        (
            &["retry", "6", "1", "3"],
            "Trying 2 clips again.\n",
            "1 of 3 clips was not tried again: #1 was delivered already",
            "add --again",
        ),
        (&["retry", "5"], "", "#5 is held until somebody releases it", "rigpost queue release 5"),
        (&["cancel", "1"], "", "1 of 1 clip was not taken off the queue: #1 was delivered", "queue show 1"),
        (&["priority", "4", "1"], "", "1 of 1 clip was not given the priority: #1", "queue show 1"),
        (&["release", "1"], "", "1 of 1 clip was not released: #1 was delivered already", "queue show 1"),
        (&["clear", "2"], "", "1 of 1 clip was not cleared: #2 is being sent now", "queue cancel 2"),
        (&["clear", "2", "1"], "", "2 of 2 clips were not cleared", "queue cancel 2"),
    ] {
        let (status, output, errors) = run(&bus, &[&["queue"], args].concat()).await;
        assert_eq!((status, output.as_str()), (12, says), "{args:?}: {errors}");
        assert!(errors.contains(why) && errors.contains(next), "{args:?}: {errors}");
    }
    // Of all, some may have gone on meanwhile; that none is left to change is another thing.
    fake.world().said = [(6, "cancelled")].into();
    let (status, output, errors) = run(&bus, &["queue", "retry", "--all"]).await;
    let said = "Trying 1 clip again.\n1 of 2 clips was not tried again: #6 was taken off the queue before.\n";
    assert_eq!((status, output.as_str(), errors.as_str()), (0, said, ""));
    fake.world().said.insert(7, "sending");
    assert_eq!(run(&bus, &["queue", "retry", "--all"]).await.0, 12);
    // For programs.
    let (status, output, _) = run(&bus, &["queue", "cancel", "6", "3", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    let items = serde_json::json!([{"id": 6, "result": "cancelled"}, {"id": 3, "result": "changed"}]);
    assert_eq!((status, &json["items"]), (12, &items));
    let (status, output, _) = run(&bus, &["queue", "clear", "1", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, json["count"].as_u64(), json["items"][0]["id"].as_u64()), (0, Some(1), Some(1)));
    fake.world().items.clear();
    let (status, output, _) = run(&bus, &["queue", "retry", "--all", "--json"]).await;
    assert_eq!((status, output.as_str()), (0, "{\n  \"items\": []\n}\n"));
    // Nobody knows whether there ever was one.
    let (_, output, _) = run(&bus, &["queue", "--all"]).await;
    assert_eq!(output, "The list is empty. What is over may have been cleared from it.\n");
}

#[tokio::test]
async fn more_than_one_page_is_steered_at_once() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let path = bus.path("x.mov");
    fake.world().items = (1..=2_500).map(|id| fake::item(id, &path, "failed", "")).collect();
    assert_eq!(run(&bus, &["queue", "retry", "--all"]).await.1, "Trying 2500 clips again.\n");
    assert!(fake.world().calls[0].ends_with("2499, 2500]"));
}

#[tokio::test]
async fn a_receipt_is_shown_and_checked() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    let (status, _, errors) = run(&bus, &["queue", "receipt", "8"]).await;
    assert_eq!((status, errors.contains("item 8")), (1, true), "{errors}");
    let path = clip(&bus, "a.mov");
    let mut receipt = fake::item(7, &PathBuf::from(&path), "done", "");
    let digest = format!("{:016x}", xxhash_rust::xxh64::xxh64(b"clip", 0));
    set(&mut receipt, "size", 4u64);
    set(&mut receipt, "delivered", 1_790_000_000i64);
    set(&mut receipt, "algorithm", "xxh64");
    set(&mut receipt, "chunk_size", 4u64);
    set(&mut receipt, "parts", vec![digest.clone()]);
    set(&mut receipt, "digest", digest.clone());
    set(&mut receipt, "vouched", "crc64nvme:rosUhgp5mIg=");
    fake.world().receipt = receipt;
    let (status, output, _) = run(&bus, &["queue", "receipt", "7"]).await;
    assert_eq!(status, 0);
    assert!(output.contains(&digest) && output.contains("21 Sep 2026, 14:13"), "{output}");
    assert!(output.contains("crc64nvme rosUhgp5mIg= by the storage, of the file"), "{output}");
    for (said, words) in [("sha256", "sha256 by the storage, of each part"), ("", "has named no checksum")] {
        set(&mut fake.world().receipt, "vouched", said);
        let (_, output, _) = run(&bus, &["queue", "receipt", "7"]).await;
        assert!(output.contains(words), "{output}");
    }
    let (_, output, _) = run(&bus, &["queue", "receipt", "7", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((json["id"].as_u64(), json["parts"][0].as_str()), (Some(7), Some(digest.as_str())));
    let (status, output, errors) = run(&bus, &["queue", "receipt", "7", "--check"]).await;
    assert_eq!((status, output.contains("is what was sent")), (0, true), "{output}{errors}");
    set(&mut fake.world().receipt, "digest", "");
    set(&mut fake.world().receipt, "parts", Vec::<String>::new());
    assert!(run(&bus, &["queue", "receipt", "7"]).await.1.contains("not noted"));
    let (status, _, errors) = run(&bus, &["queue", "receipt", "7", "--check"]).await;
    assert_eq!((status, errors.contains("has no digest")), (1, true), "{errors}");
    set(&mut fake.world().receipt, "digest", digest.clone());
    set(&mut fake.world().receipt, "parts", vec![digest]);
    let copy = bus.path("copy.mov");
    std::fs::write(&copy, b"clop").unwrap();
    let (status, _, errors) = run(&bus, &["queue", "receipt", "7", "--check", copy.to_str().unwrap()]).await;
    assert_eq!((status, errors.contains("part 1 of 1 differs")), (1, true), "{errors}");
}

#[tokio::test]
async fn the_limit_is_set_shown_and_ended() {
    let (bus, fake) = (Bus::new(), paired());
    let _service = fake.serve(&bus).await;
    assert!(run(&bus, &["limit"]).await.1.starts_with("No limit"));
    assert_eq!(run(&bus, &["limit", "5MB"]).await.1, "Clips are sent at 5.00 MB/s at most.\n");
    assert_eq!(fake.world().bandwidth_limit, 5_000_000);
    assert_eq!(run(&bus, &["limit"]).await.1, "Clips are sent at 5.00 MB/s at most.\n");
    assert!(run(&bus, &["status"]).await.1.contains("limit 5.00 MB/s"));
    assert_eq!(run(&bus, &["limit", "off"]).await.0, 0);
    assert_eq!(fake.world().bandwidth_limit, 0);
    let (status, _, errors) = run(&bus, &["limit", "5"]).await;
    assert_eq!((status, errors.contains("unit is missing")), (2, true), "{errors}");
}

#[tokio::test]
async fn a_hold_lasts_as_long_as_its_program() {
    let (bus, fake) = (Bus::new(), paired());
    let service = fake.serve(&bus).await;
    let mut hold = Program::start(&bus, &["pause", "--while-recording"]);
    hold.until("Nothing more is sent").await;
    assert!(fake.world().recording && !fake.world().paused);
    let mut watch = Program::start(&bus, &["watch"]);
    watch.line().await;
    watch.line().await;
    // The daemon is started again, and told again.
    service.close().await.unwrap();
    assert!(watch.line().await.ends_with("the daemon stopped"));
    fake.world().recording = false;
    let _service = fake.serve(&bus).await;
    assert!(watch.line().await.ends_with("the daemon is running"));
    // Announced, or in what was read first.
    while !fake.world().recording {
        tokio::task::yield_now().await;
        shown(&rigpost(&bus, &["status"]).output().await.unwrap());
    }
    kill_process(Pid::from_raw(hold.child.id().unwrap() as i32).unwrap(), Signal::INT).unwrap();
    assert_eq!(hold.end().await, (0, String::new()));
    assert!(!fake.world().recording);
}
