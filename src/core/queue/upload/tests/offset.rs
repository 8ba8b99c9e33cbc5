//! A storage that takes bytes at one growing offset.
use super::*;

fn begun(finished: &[u32]) -> Upload {
    let (up, actions) =
        Upload::begin(ItemId(1), SIZE, Some(asset(4, finished, at(0))), Promises::OFFSET, at(100_000));
    assert_eq!(actions, [], "an address does not age");
    up
}

fn behind(has: u64) -> Event {
    Event::Sent(2, Err(PartError::Behind(has)))
}

/// Parts have so many bytes.
fn chunk() -> u64 {
    SIZE.div_ceil(4)
}

#[test]
fn parts_leave_one_after_the_other() {
    let mut up = begun(&[0]);
    assert_eq!(up.on(Event::Slot, at(1)), [Action::Send(1)]);
    assert!(!up.ready(), "one is on its way");
    assert_eq!(up.on(Event::Slot, at(1)), []);
    assert_eq!(up.on(Event::Sent(1, Ok(Confirmed::default())), at(2)).len(), 1);
    assert_eq!(up.on(Event::Slot, at(2)), [Action::Send(2)], "the disk may take its time");
    let _ = up.on(Event::Sent(2, Ok(Confirmed::default())), at(3));
    assert_eq!(up.on(Event::Slot, at(3)), [Action::Send(3)]);
    let _ = up.on(Event::Sent(3, Ok(Confirmed::default())), at(4));
    for n in 1..3 {
        assert_eq!(up.on(Event::PartRecorded(n, true), at(4)), []);
    }
    let end = [Action::Finish(Ending::Done)];
    assert_eq!(up.on(Event::PartRecorded(3, true), at(4)), end, "nobody has to be told");
}

#[test]
fn what_the_storage_has_lost_is_sent_again_once_that_is_on_disk() {
    for (has, from) in [(0, 0), (1, 0), (chunk() - 1, 0), (chunk(), 1), (2 * chunk() - 1, 1)] {
        let mut up = begun(&[0, 1]);
        assert_eq!(up.on(Event::Slot, at(1)), [Action::Send(2)]);
        let actions = up.on(behind(has), at(2));
        let [Action::Rewind(seq, n)] = actions[..] else { panic!("{actions:?}") };
        assert_eq!(n, from, "{has}");
        assert!(!up.ready() && !up.finished());
        assert_eq!(up.on(Event::Slot, at(2)), []);
        assert_eq!(up.on(Event::Recorded(Seq(seq.0 + 1), true), at(2)), [], "late news");
        assert_eq!(up.on(Event::Recorded(seq, true), at(2)), []);
        assert_eq!(up.on(Event::Slot, at(3)), [Action::Send(from)]);
    }
    let mut up = begun(&[0, 1]);
    let _ = up.on(Event::Slot, at(1));
    let actions = up.on(behind(0), at(2));
    let [Action::Rewind(seq, _)] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(
        up.on(Event::Recorded(seq, false), at(2)),
        [Action::Finish(Ending::Later(Reason::Storage, String::new(), None))],
        "the disk does not take it"
    );
}

#[test]
fn a_part_that_was_sent_in_this_turn_is_not_forgotten_by_a_rewind_to_behind_it() {
    let mut up = begun(&[]);
    for n in 0..2 {
        assert_eq!(up.on(Event::Slot, at(1)), [Action::Send(n)]);
        let _ = up.on(Event::Sent(n, Ok(Confirmed::default())), at(1));
        let _ = up.on(Event::PartRecorded(n, true), at(1));
    }
    assert_eq!(up.on(Event::Slot, at(1)), [Action::Send(2)]);
    let actions = up.on(behind(chunk()), at(2));
    let [Action::Rewind(seq, 1)] = actions[..] else { panic!("{actions:?}") };
    let _ = up.on(Event::Recorded(seq, true), at(2));
    assert_eq!(up.on(Event::Slot, at(3)), [Action::Send(1)]);
}

#[test]
fn a_storage_that_loses_again_and_again_is_given_up_for_this_turn() {
    let mut up = begun(&[0, 1]);
    for _ in 0..3 {
        assert_eq!(up.on(Event::Slot, at(1)), [Action::Send(2)]);
        let actions = up.on(behind(2 * chunk() - 1), at(2));
        let [Action::Rewind(seq, 1)] = actions[..] else { panic!("{actions:?}") };
        let _ = up.on(Event::Recorded(seq, true), at(2));
        assert_eq!(up.on(Event::Slot, at(2)), [Action::Send(1)]);
        let _ = up.on(Event::Sent(1, Ok(Confirmed::default())), at(3));
        let _ = up.on(Event::PartRecorded(1, true), at(3));
    }
    assert_eq!(up.on(Event::Slot, at(4)), [Action::Send(2)]);
    let actions = up.on(behind(0), at(4));
    assert!(matches!(actions[..], [Action::Finish(Ending::Aside(_))]), "{actions:?}");
}

#[test]
fn who_stops_it_while_that_is_written_is_heard() {
    let mut up = begun(&[0, 1]);
    let _ = up.on(Event::Slot, at(1));
    let actions = up.on(behind(0), at(2));
    let [Action::Rewind(seq, 0)] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(up.on(Event::Stop, at(2)), [], "the disk is waited for");
    assert_eq!(up.on(Event::Recorded(seq, true), at(2)), [Action::Finish(Ending::Stopped)]);
}

#[test]
fn early_cuts_make_no_address_dead_that_does_not_age() {
    for promises in [Promises::OFFSET, Promises::BUCKET, Promises::FRAMEIO] {
        let parts = Some(asset(4, &[], at(0)));
        let (mut up, _) = Upload::begin(ItemId(1), SIZE, parts, promises, at(10_000));
        let mut last = vec![];
        for _ in 0..3 {
            assert_eq!(up.on(Event::Slot, at(10_000)), [Action::Send(0)]);
            let cut = Trouble { maybe_applied: true, ..trouble(Cause::Network) };
            last = up.on(Event::Sent(0, Err(PartError::CutEarly(cut))), at(10_000));
        }
        let is_dead = matches!(last[..], [Action::Forget(_)]);
        assert_eq!(is_dead, promises.addresses_live.is_some(), "{promises:?}: {last:?}");
    }
}
