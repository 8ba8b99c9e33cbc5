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
    blockers(rig, queue).into_iter().map(|(code, _)| code).collect()
}

const STATES: [State; 7] = [
    State::SecretUnavailable,
    State::Unprovisioned,
    State::Unpaired,
    State::RequestingCode,
    State::WaitingForUser,
    State::Paired,
    State::NeedsPairing,
];

const REASONS: [Reason; 11] = [
    Reason::None,
    Reason::Denied,
    Reason::Expired,
    Reason::Revoked,
    Reason::InterruptedRefresh,
    Reason::Network,
    Reason::CaptivePortal,
    Reason::Clock,
    Reason::ClientRejected,
    Reason::Provider,
    Reason::Storage,
];

#[test]
fn the_words_are_those_of_the_contract() {
    let states =
        "secret-unavailable unprovisioned unpaired requesting-code waiting-for-user paired needs-pairing";
    assert_eq!(STATES.map(State::as_str).join(" "), states);
    let reasons = "none denied expired revoked interrupted-refresh network captive-portal clock client-rejected \
                   provider storage";
    assert_eq!(REASONS.map(Reason::as_str).join(" "), reasons);
    let protections = [Protection::Tpm2, Protection::HostKey, Protection::File, Protection::None];
    assert_eq!(protections.map(Protection::as_str), ["tpm2", "host-key", "file", "none"]);
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
fn a_pairing_under_way_is_still_not_paired() {
    for state in [State::Unpaired, State::RequestingCode, State::WaitingForUser] {
        assert_eq!(codes(&rig(state, Reason::None), &queue(1, 1)), ["unpaired"]);
    }
}

#[test]
fn one_trouble_is_said_once() {
    let same = QueueView { trouble: Some((Reason::Network, "no route".to_owned())), ..queue(1, 1) };
    assert_eq!(codes(&rig(State::Paired, Reason::Network), &same), ["network"]);
}

#[test]
fn every_state_and_reason_has_a_sentence_and_no_blank() {
    for state in STATES {
        for reason in REASONS {
            let rig = rig(state, reason);
            let all = blockers(&rig, &queue(1, 1));
            let expected = usize::from(state != State::Paired) + usize::from(reason != Reason::None);
            assert_eq!(all.len(), expected, "{state:?} {reason:?}");
            for (code, text) in all {
                assert!(!code.is_empty() && text.ends_with('.') && text.len() > 20, "{code}: {text}");
            }
            let line = status_line(&rig, &queue(1, 1));
            assert_eq!(line.contains(&format!("({})", reason.as_str())), reason != Reason::None, "{line}");
        }
    }
}

#[test]
fn the_detail_follows_the_sentence() {
    let text = sentence(Reason::Network, "no route to host");
    assert_eq!(text, "The provider can't be reached. The rig keeps trying. [no route to host]");
}

#[test]
fn held_clips_are_counted_in_words() {
    let held =
        |held| QueueView { counters: Counters { held, ..Counters::default() }, ..QueueView::default() };
    let text = |n| blockers(&paired(), &held(n))[0].1.clone();
    assert_eq!(text(1), "1 clip belongs to another project than the one that is paired.");
    assert_eq!(text(2), "2 clips belong to another project than the one that is paired.");
}

#[test]
fn the_status_line_says_it_in_one_line() {
    let busy = Counters { files_left: 3, bytes_left: 1_230_000_000, held: 2, failed: 1 };
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
            RigView { reason: Reason::Network, ..paired() },
            QueueView { counters: busy, paused: true, ..QueueView::default() },
            "paired with Spring (network), 3 files left, 1.2 GB, paused, 2 held, 1 failed",
        ),
        (rig(State::Paired, Reason::None), queue(0, 0), "paired, nothing left to send"),
        (rig(State::Unpaired, Reason::Denied), queue(0, 0), "not paired (denied), nothing left to send"),
        (rig(State::Unprovisioned, Reason::None), queue(0, 0), "not provisioned, nothing left to send"),
        (
            rig(State::NeedsPairing, Reason::Revoked),
            queue(2, 10),
            "needs pairing (revoked), 2 files left, 10 B",
        ),
        (rig(State::RequestingCode, Reason::None), queue(0, 0), "asking for a code, nothing left to send"),
        (
            rig(State::WaitingForUser, Reason::None),
            queue(0, 0),
            "waiting for the code to be typed, nothing left to send",
        ),
        (
            rig(State::SecretUnavailable, Reason::Storage),
            queue(0, 0),
            "the rig's secrets can't be read (storage), nothing left to send",
        ),
    ] {
        assert_eq!(status_line(&rig, &queue), line);
    }
}

#[test]
fn the_power_may_go_when_no_token_and_no_clip_is_under_way() {
    let sending = Sending { id: ItemId(1), name: String::new(), size: 2, sent: 1 };
    let busy = QueueView { current: vec![sending], ..queue(1, 2) };
    assert!(safe_to_power_off(&paired(), &queue(5, 5)), "what waits is on disk");
    assert!(!safe_to_power_off(&paired(), &busy));
    assert!(!safe_to_power_off(&RigView { tokens_at_risk: true, ..paired() }, &queue(0, 0)));
    assert!(safe_to_power_off(&rig(State::SecretUnavailable, Reason::Storage), &queue(0, 0)));
}

#[test]
fn sizes_are_printed_as_disks_print_them() {
    for (n, text) in [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (21_136_250, "21.1 MB"),
        (u64::MAX, "18.4 EB"),
    ] {
        assert_eq!(bytes(n), text);
    }
}
