use super::*;

fn plain() -> Out {
    Out::to(Box::new(std::io::sink()), false, 60, 24)
}

fn shown(now: &Snapshot) -> Vec<String> {
    screen(now, &Configured::default(), &plain())
}

fn blocker(code: &str, text: &str) -> crate::bus::Blocker {
    crate::bus::Blocker { code: code.into(), text: text.into(), ..Default::default() }
}

fn paired() -> Snapshot {
    let mut now = Snapshot::default();
    now.pairing.state = "paired".into();
    now.pairing.reason = "none".into();
    now.pairing.project_name = "Moonrise\u{1b}[31m".into();
    now.pairing.access_expires_at = clock::boot_micros() + 25_920_000_000;
    now.device.safe_to_power_off = true;
    now.device.clock_trusted = true;
    now.device.provider = "frameio".into();
    now
}

#[test]
fn a_paired_rig_on_one_screen() {
    let mut now = paired();
    (now.queue.files_left, now.queue.bytes_left, now.queue.rate) = (12, 34_120_000_000, 41_000_000);
    let text = shown(&now).join("\n");
    assert!(text.starts_with("● Paired with Moonrise\u{fffd}[31m\n"), "{text}");
    assert!(text.contains("queue 12 clips left, 34.1 GB; 41.0 MB/s; about 14 min"), "{text}");
    assert!(text.contains("power can be cut now"), "{text}");
    assert!(text.contains("authorized until somebody ends it"), "{text}");
    assert!(text.contains("provider Frame.io, not reached"), "{text}");
    assert!(!text.contains("What to do next") && !text.contains('\u{1b}'), "{text}");
    assert!(shown(&now).len() <= 24);
}

#[test]
fn who_answers_and_where_clips_go_is_said_as_far_as_it_is_known() {
    let of = |stand_in: &str, nowhere| Configured {
        stand_in: Some(stand_in.to_owned()).filter(|host| !host.is_empty()),
        nowhere,
    };
    for (provider, id, name, configured, said) in [
        ("frameio", "p-1", "M", of("", false), "project M"),
        ("frameio", "p-1", "M", of("c2c.example", false), "provider c2c.example in Frame.io's place, by"),
        ("oauth", "https://s3.example/m", "m", of("c2c.example", false), "provider the sign-in provider"),
        ("oauth", "https://s3.example/m", "m", of("", false), "bucket m"),
        ("oauth", "https://up.example/files/", "up.example", of("", false), "uploads to up.example"),
        ("oauth", "https://id.example", "id.example", of("", false), "account at id.example"),
        ("oauth", "https://id.example/realms/R", "id.example", of("", true), "account at id.example"),
    ] {
        let mut now = paired();
        now.device.provider = provider.into();
        (now.pairing.project_id, now.pairing.project_name) = (id.into(), name.into());
        let text = screen(&now, &configured, &plain()).join("\n");
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn trouble_says_why_and_what_to_do() {
    let mut now = paired();
    now.pairing.reason = "captive-portal".into();
    now.device.blockers =
        vec![blocker("captive-portal", "The network wants somebody to log in first, in a browser.")];
    let text = shown(&now).join("\n");
    assert!(text.starts_with("● Paired with Moonrise\u{fffd}[31m: this network shows"), "{text}");
    assert!(text.contains("Why nothing moves\n  - The network wants somebody"), "{text}");
    assert!(text.contains("What to do next\n  log in to this network"), "{text}");
}

#[test]
fn what_moves_is_not_said_to_stand_still() {
    let mut now = paired();
    now.device.blockers = vec![blocker("held", "1 clip is of another project.")];
    let text = shown(&now).join("\n");
    assert!(text.contains("Why nothing moves\n  - 1 clip is of"), "{text}");
    let item = |on_the_way| crate::bus::Item { size: 100, sent: 20, on_the_way, ..Default::default() };
    now.queue.current = vec![item(30)];
    (now.queue.files_left, now.queue.bytes_left, now.queue.rate) = (1, 80, 10);
    let text = shown(&now).join("\n");
    assert!(text.contains("What does not move, and why\n  - 1 clip is of"), "{text}");
    assert!(text.contains("(50 % of 100 B)"), "what is on its way has left: {text}");
    assert_eq!(now.queue.to_go(), 50);
    now.queue.paused = true;
    assert!(shown(&now).join("\n").contains("Why nothing moves"));
}

#[test]
fn when_it_is_tried_again_is_said_while_nothing_is_sent() {
    let mut now = paired();
    now.queue.retry_at = clock::boot_micros() + 30_500_000;
    assert!(!shown(&now).join("\n").contains("tried again"), "nothing is left");
    now.queue.files_left = 2;
    let text = shown(&now).join("\n");
    assert!(text.contains("2 clips left, 0 B; tried again in 30 s") || text.contains("in 31 s"), "{text}");
}

#[test]
fn what_only_the_disk_could_say_is_not_claimed() {
    let mut now = Snapshot::default();
    (now.pairing.state, now.pairing.reason) = ("secret-unavailable".into(), "storage".into());
    now.device.protection = "none".into();
    let text = shown(&now).join("\n");
    assert!(text.contains("secrets not known before the disk can be read"), "{text}");
    assert!(text.contains("queue not known before the disk can be read"), "{text}");
    assert!(!text.contains("no usable key") && !text.contains("nothing left"), "{text}");
    now.pairing.reason = "none".into();
    let text = shown(&now).join("\n");
    assert!(text.contains("there is no usable key") && text.contains("nothing left to send"), "{text}");
}

#[test]
fn a_camera_that_records_is_said() {
    let mut now = paired();
    (now.queue.files_left, now.queue.rate, now.queue.recording) = (2, 41_000_000, true);
    (now.queue.bandwidth_limit, now.device.safe_to_power_off) = (5_000_000, false);
    let text = shown(&now).join("\n");
    assert!(text.contains("2 clips left, 0 B; waiting while the"), "{text}");
    assert!(text.contains("limit 5.00 MB/s"), "{text}");
    assert!(text.contains("power better wait: the camera is recording"), "{text}");
}

#[test]
fn uploads_that_nobody_will_finish_are_said_where_there_are_any() {
    let mut now = paired();
    let lines = |now: &Snapshot| shown(now).join("\n").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!lines(&now).contains("left behind"), "{}", lines(&now));
    now.queue.orphans = 1;
    let one = "left behind 1 upload was begun in the cloud and never finished; it counts against the account's \
               storage: delete it there";
    assert!(lines(&now).contains(one), "{}", lines(&now));
    now.queue.orphans = 12;
    let more = "left behind 12 uploads were begun in the cloud and never finished; they count against the \
                account's storage: delete them there";
    assert!(lines(&now).contains(more), "{}", lines(&now));
}

#[test]
fn shares() {
    assert_eq!([percent(0, 0), percent(1, 3), percent(3, 3), percent(u64::MAX, u64::MAX)], [0, 33, 100, 100]);
    assert_eq!(percent(u64::MAX, 1), 100);
}
