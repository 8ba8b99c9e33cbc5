use super::*;

fn rig(state: State, reason: Reason) -> RigView {
    RigView { state, reason, online: true, protection: Protection::File, ..RigView::unread() }
}

fn paired() -> RigView {
    let device = DeviceInfo { project_name: "Spring".to_owned(), ..DeviceInfo::default() };
    RigView { device: Some(device), ..rig(State::Paired, Reason::None) }
}

fn queue(files_left: u64, bytes_left: u64) -> QueueView {
    QueueView { counters: Counters { files_left, bytes_left, ..Counters::default() }, ..QueueView::default() }
}

fn codes(rig: &RigView, queue: &QueueView) -> Vec<&'static str> {
    blockers(rig, queue).into_iter().map(|(code, ..)| code).collect()
}

#[test]
fn nothing_blocks_a_paired_rig_that_is_well() {
    assert_eq!(blockers(&paired(), &queue(3, 10)), []);
    assert_eq!(
        blockers(&paired(), &QueueView { paused: true, ..queue(0, 0) }),
        [],
        "paused, but nothing to send"
    );
}

#[test]
fn a_rig_that_is_paused_in_the_project_says_so_also_with_nothing_to_send() {
    let device = DeviceInfo { status: DeviceStatus::Paused, ..paired().device.unwrap() };
    let mut rig = RigView { device: Some(device), ..paired() };
    assert_eq!(codes(&rig, &queue(0, 0)), ["device-paused"]);
    let idle = QueueView { paused: true, ..queue(1, 10) };
    assert_eq!(codes(&rig, &idle), ["device-paused", "queue-paused"]);
    let line = "paired with Spring, paused in the project, nothing left to send";
    assert_eq!(status_line(&rig, &queue(0, 0)), line);
    rig.reason = Reason::Network;
    assert_eq!(codes(&rig, &queue(0, 0)), ["network", "device-paused"]);
    rig.state = State::NeedsPairing;
    assert_eq!(codes(&rig, &queue(0, 0)), ["needs-pairing", "network"], "of a grant that is over");
}

#[test]
fn blockers_come_in_the_order_in_which_a_person_must_act() {
    let full = QueueView {
        paused: true,
        trouble: Some((Reason::Storage, String::new())),
        counters: Counters { files_left: 2, held: 3, ..Counters::default() },
        ..QueueView::default()
    };
    let expected = ["needs-pairing", "revoked", "storage", "queue-paused", "held"];
    assert_eq!(codes(&rig(State::NeedsPairing, Reason::Revoked), &full), expected);
    assert_eq!(
        codes(&rig(State::Paired, Reason::Network), &full),
        ["network", "storage", "queue-paused", "held"]
    );
}

#[test]
fn a_card_that_hangs_is_named_and_power_is_not_to_be_cut() {
    let hangs = QueueView { silent_cards: vec!["A-CAM".to_owned()], ..queue(0, 0) };
    let sentence = "The card A-CAM does not answer; its clips wait, the others go on.";
    assert_eq!(blockers(&paired(), &hangs), [("not-answering", sentence.to_owned(), String::new())]);
    assert!(safe_to_power_off(&paired(), &queue(0, 0)) && !safe_to_power_off(&paired(), &hangs));
    let more = QueueView { paused: true, counters: queue(1, 1).counters, ..hangs };
    assert_eq!(codes(&paired(), &more), ["not-answering", "queue-paused"]);
}

#[test]
fn a_pairing_under_way_is_still_not_paired() {
    for state in [State::Unpaired, State::RequestingCode, State::WaitingForUser] {
        assert_eq!(codes(&rig(state, Reason::None), &queue(1, 1)), [state.as_str()]);
    }
}

#[test]
fn one_trouble_is_said_once() {
    let same = QueueView { trouble: Some((Reason::Network, "no route".to_owned())), ..queue(1, 1) };
    assert_eq!(codes(&rig(State::Paired, Reason::Network), &same), ["network"]);
    // What the system has said of it is for support, and not for the screen.
    let sentence = "The provider can't be reached. The rig keeps trying.".to_owned();
    assert_eq!(blockers(&paired(), &same), [("network", sentence, "no route".to_owned())]);
}

#[test]
fn every_state_and_reason_has_a_sentence_and_no_blank() {
    for state in State::ALL {
        for reason in Reason::ALL {
            let rig = rig(*state, *reason);
            let all = blockers(&rig, &queue(1, 1));
            // The disk is named, and not the secrets that wait for it.
            let one = (*state, *reason) == (State::SecretUnavailable, Reason::Storage);
            let of_state = usize::from(*state != State::Paired && !one);
            let expected = of_state + usize::from(*reason != Reason::None);
            assert_eq!(all.len(), expected, "{state:?} {reason:?}");
            for (code, text, detail) in all {
                assert_eq!(detail, "", "{code}");
                assert!(!code.is_empty() && text.ends_with('.') && text.len() > 20, "{code}: {text}");
            }
            let line = status_line(&rig, &queue(1, 1));
            assert_eq!(line.contains(&format!("({reason})")), *reason != Reason::None, "{line}");
        }
    }
}

#[test]
fn the_status_line_says_it_in_one_line() {
    let busy =
        Counters { files_left: 3, bytes_left: 1_230_000_000, held: 2, failed: 1, ..Counters::default() };
    for (rig, queue, line) in [
        (paired(), queue(0, 0), "paired with Spring, nothing left to send"),
        (paired(), queue(1, 999), "paired with Spring, 1 file left, 999 B"),
        (
            paired(),
            QueueView { paused: true, ..queue(1, 999) },
            "paired with Spring, 1 file left, 999 B, paused",
        ),
        (paired(), QueueView { paused: true, ..queue(0, 0) }, "paired with Spring, nothing left to send"),
        (
            paired(),
            QueueView { recording: true, ..queue(2, 1000) },
            "paired with Spring, 2 files left, 1.00 kB, waiting while the camera records",
        ),
        (
            RigView { reason: Reason::Network, ..paired() },
            QueueView { counters: busy, paused: true, ..QueueView::default() },
            "paired with Spring (network), 3 files left, 1.23 GB, paused, 2 held, 1 failed",
        ),
        (rig(State::Paired, Reason::None), queue(0, 0), "paired, nothing left to send"),
        (rig(State::Unpaired, Reason::Denied), queue(0, 0), "not paired (denied), nothing left to send"),
        (rig(State::Unprovisioned, Reason::None), queue(0, 0), "not provisioned, nothing left to send"),
        (
            rig(State::NeedsPairing, Reason::Revoked),
            queue(2, 10),
            "no longer paired (revoked), 2 files left, 10 B",
        ),
        (rig(State::RequestingCode, Reason::None), queue(0, 0), "asking for a code, nothing left to send"),
        (
            rig(State::WaitingForUser, Reason::None),
            queue(0, 0),
            "waiting for somebody to enter the code, nothing left to send",
        ),
        (
            rig(State::SecretUnavailable, Reason::Storage),
            queue(0, 0),
            "the rig's own disk is full or can't be used (storage), the queue can't be read yet",
        ),
        (
            rig(State::SecretUnavailable, Reason::None),
            queue(0, 0),
            "this rig's secrets can't be read, nothing left to send",
        ),
    ] {
        assert_eq!(status_line(&rig, &queue), line);
    }
}

#[test]
fn a_session_is_what_was_sent_since_nothing_was_left() {
    let left = |files_left, bytes_left| Counters { files_left, bytes_left, ..Counters::default() };
    let totals = |v: &QueueView| (v.files_total(), v.bytes_total());
    let mut v = QueueView::default();
    v.count(left(2, 30));
    v.current = vec![Sending { id: ItemId(7), name: String::new(), size: 20, sent: 0, on_the_way: 15 }];
    v.confirmed(ItemId(7), 10);
    assert_eq!((v.current[0].sent, v.current[0].on_the_way, v.counters.bytes_left), (10, 5, 20));
    v.confirmed(ItemId(7), 10);
    v.sent();
    assert_eq!((totals(&v), v.counters.files_left), ((2, 30), 1));
    // More comes, and one is taken off: what was never sent is no part of the whole.
    v.count(left(2, 50));
    assert_eq!(totals(&v), (3, 70));
    v.count(left(1, 10));
    assert_eq!(totals(&v), (2, 30));
    v.confirmed(ItemId(8), 10);
    v.sent();
    v.count(left(0, 0));
    assert_eq!((totals(&v), v.counters.files_left), ((2, 30), 0), "the bar is full, until more comes");
    v.count(left(1, 5));
    assert_eq!(totals(&v), (1, 5));
}

#[test]
fn held_clips_are_said_with_both_projects() {
    let counters = Counters { held: 2, ..Counters::default() };
    let queue = QueueView { counters, held_of: vec!["Autumn".to_owned()], ..QueueView::default() };
    let rig = RigView {
        device: Some(DeviceInfo { project_name: "Spring".to_owned(), ..DeviceInfo::default() }),
        ..paired()
    };
    let said = "2 clips are of Autumn, or older than the pairing with Spring. Release or cancel them.";
    assert_eq!(super::blockers(&rig, &queue), [("held", said.to_owned(), String::new())]);
}

/// What stands in the way and whether the power can be cut, in every state that a screen can show.
#[test]
fn blockers_and_power_in_every_state() {
    let left = |files_left| Counters { files_left, bytes_left: files_left * 10, ..Counters::default() };
    let at = |files_left| QueueView { counters: left(files_left), ..QueueView::default() };
    let sending = |n| {
        let one = |id| Sending { id: ItemId(id), name: String::new(), size: 10, sent: 3, on_the_way: 0 };
        QueueView { current: (0..n).map(one).collect(), rate: 5, ..at(n) }
    };
    let well = paired;
    let trouble = |reason| QueueView { trouble: Some((reason, String::new())), ..at(1) };
    let held = QueueView { counters: Counters { held: 2, ..left(0) }, ..QueueView::default() };
    let refreshing = || RigView { tokens_at_risk: true, ..paired() };
    let offline = || RigView { online: false, ..rig(State::Paired, Reason::Network) };
    let none: &[&str] = &[];
    for (what, rig, queue, expected, safe) in [
        ("all sent", well(), at(0), none, true),
        ("about to begin", well(), at(5), none, true),
        ("one on its way", well(), sending(1), none, false),
        ("several on their way", well(), sending(4), none, false),
        (
            "a failed one",
            well(),
            QueueView { counters: Counters { failed: 1, ..left(0) }, ..at(0) },
            none,
            true,
        ),
        ("held", well(), held.clone(), &["held"], true),
        (
            "before the pairing, and others go",
            well(),
            QueueView { counters: Counters { held: 1, ..left(1) }, ..sending(1) },
            &["held"],
            false,
        ),
        (
            "paused, parts still in flight",
            well(),
            QueueView { paused: true, ..sending(1) },
            &["queue-paused"],
            false,
        ),
        ("paused", well(), QueueView { paused: true, ..at(1) }, &["queue-paused"], true),
        ("paused, nothing left", well(), QueueView { paused: true, ..at(0) }, none, true),
        ("recording", well(), QueueView { recording: true, ..at(1) }, &["recording"], false),
        ("sent while it is recorded", well(), QueueView { growing: 1, ..at(1) }, none, false),
        ("recording, nothing left", well(), QueueView { recording: true, ..at(0) }, none, false),
        (
            "recording, parts still in flight",
            well(),
            QueueView { recording: true, ..sending(1) },
            &["recording"],
            false,
        ),
        (
            "recording and paused",
            well(),
            QueueView { recording: true, paused: true, ..at(1) },
            &["recording", "queue-paused"],
            false,
        ),
        ("no network", offline(), at(1), &["network"], true),
        ("no network, nothing left", offline(), at(0), &["network"], true),
        ("the network went, a part hangs", offline(), sending(1), &["network"], false),
        ("only the storage can't be reached", well(), trouble(Reason::Network), &["network"], true),
        ("a log-in page", rig(State::Paired, Reason::CaptivePortal), at(1), &["captive-portal"], true),
        ("the rig's disk is full", well(), trouble(Reason::Storage), &["storage"], true),
        ("the disk is full, tokens not written", refreshing(), trouble(Reason::Storage), &["storage"], false),
        ("a refresh in flight", refreshing(), at(0), none, false),
        ("a wrong clock", rig(State::Paired, Reason::Clock), at(1), &["clock"], true),
        ("a code on offer", rig(State::WaitingForUser, Reason::None), at(1), &["waiting-for-user"], true),
        (
            "ended by the server",
            rig(State::NeedsPairing, Reason::Revoked),
            at(1),
            &["needs-pairing", "revoked"],
            true,
        ),
        ("no secret", rig(State::Unprovisioned, Reason::None), at(0), &["unprovisioned"], true),
        ("no key", rig(State::SecretUnavailable, Reason::None), at(0), &["secret-unavailable"], true),
        (
            "a disk that can't be used yet",
            rig(State::SecretUnavailable, Reason::Storage),
            at(0),
            &["storage"],
            true,
        ),
        ("just started", RigView::unread(), QueueView::default(), &["secret-unavailable"], true),
    ] {
        assert_eq!(codes(&rig, &queue), expected, "{what}");
        assert_eq!(safe_to_power_off(&rig, &queue), safe, "{what}");
        for (_, sentence, _) in blockers(&rig, &queue) {
            assert!(
                sentence.ends_with('.') && sentence.len() <= 100,
                "{what}: too long for a screen: {sentence}"
            );
            for jargon in ["token", "RFC", "OAuth", "4xx", "TLS"] {
                assert!(!sentence.contains(jargon), "{what}: {sentence}");
            }
        }
    }
}

#[test]
fn a_queue_that_was_not_read_is_not_called_empty() {
    let waits = rig(State::SecretUnavailable, Reason::Storage);
    let line = status_line(&waits, &queue(0, 0));
    assert!(line.ends_with(", the queue can't be read yet"), "{line}");
    // The key may be all that can't be read.
    assert!(status_line(&waits, &queue(2, 0)).contains("2 files left"));
    let lost = status_line(&rig(State::SecretUnavailable, Reason::None), &queue(0, 0));
    assert!(lost.ends_with(", nothing left to send"), "{lost}");
}

#[test]
fn a_rig_that_signs_in_elsewhere_is_told_nothing_of_projects() {
    let issuer = DeviceInfo { project_name: "login.example".to_owned(), ..DeviceInfo::default() };
    for state in State::ALL {
        for reason in Reason::ALL {
            for device in [None, Some(issuer.clone())] {
                let rig = RigView { provider: ProviderKind::OAuth, device, ..rig(*state, *reason) };
                let said = blockers(&rig, &queue(0, 0)).into_iter().map(|(_, sentence, _)| sentence);
                for said in said.chain([status_line(&rig, &queue(0, 0))]) {
                    assert!(!said.to_lowercase().contains("project"), "{said}");
                }
            }
        }
    }
    let unpaired =
        |provider| blockers(&RigView { provider, ..rig(State::Unpaired, Reason::None) }, &queue(0, 0));
    assert_eq!(unpaired(ProviderKind::OAuth)[0].1, "This rig is not paired with an account. Pair it.");
    assert_eq!(unpaired(ProviderKind::Frameio)[0].1, "This rig is not paired with a project. Pair it.");
}
