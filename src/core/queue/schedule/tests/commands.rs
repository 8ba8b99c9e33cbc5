//! What people want, and what it means for what is under way.
use super::*;

#[test]
fn a_pause_cuts_what_is_in_flight_and_nothing_begins_before_it_is_seen() {
    let mut b = Bench::alone(4);
    assert_eq!(b.s.turn(ItemId(1)).unwrap().upload.in_flight(), 2);
    assert_eq!(b.on(Event::Asked(Intent::Pause)), [Action::Cut(ItemId(1))]);
    for n in [0, 1] {
        drop(b.sent(n, Err(PartError::Transient(trouble(Cause::Network, None)))));
    }
    assert_eq!(b.s.turns().count(), 0);
    assert_eq!(b.s.trouble(), None, "nobody is in trouble");
    drop(b.written(1, Written::Row(ItemState::Queued)));
    assert_eq!(b.read(false), [], "read before it was on disk");
    assert_eq!(b.on(Event::Answered(Intent::Pause, vec![])), [Action::Read]);
    assert_eq!(b.read(true), []);
    assert_eq!(b.on(Event::Found), []);
    assert_eq!(b.on(Event::Asked(Intent::TryNow)), [], "not before that is on disk");
    assert_eq!(b.on(Event::Answered(Intent::TryNow, vec![])), [Action::Read]);
    assert_eq!(b.read(false), [b.claim_of(None, &[])]);
}

#[test]
fn a_reading_that_began_before_a_pause_was_on_disk_does_not_end_the_wait_for_it() {
    let mut b = Bench::paired();
    drop(b.nothing_waits());
    drop(b.on(Event::Answered(Intent::Change, vec![])));
    drop(b.nothing_waits());
    // It is being read. Meanwhile a pause comes, and is written.
    assert_eq!(b.on(Event::Asked(Intent::Pause)), []);
    assert_eq!(b.on(Event::Answered(Intent::Pause, vec![])), [], "one reading at a time");
    assert_eq!(b.read(false), [Action::Read], "what this read is old");
    assert_eq!(b.read(true), []);
    assert_eq!(b.on(Event::Found), []);
}

#[test]
fn while_the_camera_records_nothing_begins_and_what_is_in_flight_stands_still() {
    let mut b = Bench::alone(4);
    assert_eq!(b.on(Event::Asked(Intent::Record(true))), [], "nothing is cut");
    assert!(b.s.recording());
    let actions = b.sent(0, Ok(confirmed()));
    assert_eq!(parts(&actions), [], "{actions:?}");
    assert_eq!(b.on(Event::Found), []);
    let actions = b.on(Event::Asked(Intent::Record(false)));
    assert_eq!((claims(&actions), parts(&actions)), (1, vec![(1, 2)]));
    assert!(!b.s.recording());
}

#[test]
fn what_is_cancelled_is_let_go_and_its_turn_does_not_come_before_that_is_on_disk() {
    let mut b = Bench::alone(2);
    let cancel = || Intent::Cancel(vec![ItemId(1), ItemId(5)]);
    assert_eq!(b.on(Event::Asked(cancel())), [Action::Cut(ItemId(1))]);
    drop(b.sent(0, Err(PartError::Transient(trouble(Cause::Network, None)))));
    assert_eq!(claims(&b.nothing_waits()), 0);
    let actions = b.sent(1, Err(PartError::Transient(trouble(Cause::Network, None))));
    assert_eq!(ends(&actions), [queued(1, ItemReason::None)]);
    let actions = b.written(1, Written::Row(ItemState::Queued));
    assert_eq!(actions, [Action::Read], "it is not worth a claim");
    drop(b.read(false));
    assert_eq!(b.on(Event::Found), [b.claim_of(None, &[1, 5])]);
    drop(b.nothing_waits());
    assert_eq!(b.on(Event::Answered(cancel(), vec![])), [Action::Read, b.claim_of(None, &[])]);
}

#[test]
fn what_is_cancelled_and_comes_back_waits_for_nothing() {
    let mut b = Bench::paired();
    let seq = b.creating(1);
    drop(b.nothing_waits());
    drop(b.on(Event::Created(ItemId(1), seq, Err(CreateError::Conflict("a name is taken".to_owned())))));
    b.put_back(1);
    assert!(b.wait().is_some());
    drop(b.on(Event::Asked(Intent::Cancel(vec![ItemId(1)]))));
    assert_eq!(b.wait(), None);
    let actions = b.on(Event::Answered(Intent::Cancel(vec![ItemId(1)]), vec![]));
    assert_eq!(actions, [Action::Read, b.claim_of(None, &[])]);
}

#[test]
fn a_cancelled_file_that_comes_back_settles_anew() {
    let mut b = Bench::paired();
    let mut item = item(1, "p");
    item.clip.settled = false;
    drop(b.claimed(item.clone(), None));
    drop(b.nothing_waits());
    drop(b.written(1, Written::Row(ItemState::Queued)));
    drop(b.read(false));
    drop(b.on(Event::Asked(Intent::Cancel(vec![ItemId(1)]))));
    drop(b.on(Event::Answered(Intent::Cancel(vec![ItemId(1)]), vec![])));
    let actions = b.claimed(item, None);
    assert_eq!(ends(&actions), [queued(1, ItemReason::Settling)]);
}

#[test]
fn what_a_claim_brings_after_a_wish_goes_back() {
    let cancel = || Intent::Cancel(vec![ItemId(5)]);
    let rows: [(&str, Event, bool); 8] = [
        ("a cancellation: it may be this one", Event::Asked(cancel()), true),
        ("a pause", Event::Asked(Intent::Pause), true),
        ("a take begins", Event::Asked(Intent::Record(true)), true),
        ("a take ends", Event::Asked(Intent::Record(false)), false),
        ("another project", Event::Access(access("a2", "q")), true),
        ("no grant any more", Event::Access(None), true),
        ("something was added", Event::Asked(Intent::Change), false),
        ("something was found", Event::Found, false),
    ];
    for (name, event, back) in rows {
        let mut b = Bench::paired();
        assert_eq!(claims(&b.on(event)), 0, "{name}: one claim at a time");
        let actions = b.claimed(item(1, "p"), Some(asset(2, &[], at(0))));
        let want = if back { vec![queued(1, ItemReason::None)] } else { vec![] };
        assert_eq!(ends(&actions), want, "{name}");
        assert_eq!(b.s.turns().count(), usize::from(!back), "{name}");
        assert!(!back || parts(&actions).is_empty(), "{name}: {actions:?}");
    }
}

#[test]
fn what_is_under_way_for_one_project_is_cut_when_another_is_paired() {
    let mut b = Bench::alone(4);
    assert_eq!(b.on(Event::Access(None)), [Action::Read], "its URLs are good without a grant");
    drop(b.read(false));
    let actions = b.sent(0, Ok(confirmed()));
    assert_eq!(parts(&actions), [(1, 2)]);
    let actions = b.on(Event::Access(access("a2", "p")));
    assert_eq!((reads(&actions), claims(&actions), actions.len()), (1, 1, 2), "and with the next token");
    drop(b.nothing_waits());
    drop(b.read(false));
    let actions = b.on(Event::Access(access("a3", "q")));
    assert_eq!(actions[..2], [Action::Read, Action::Cut(ItemId(1))]);
    assert!(matches!(&actions[2..], [Action::Claim { project, .. }] if project == "q"), "{actions:?}");
    assert_eq!(parts(&b.sent(1, Ok(confirmed()))), []);
}

#[test]
fn an_asset_is_never_asked_for_with_another_project_s_token() {
    let mut b = Bench::paired();
    let actions = b.claimed(item(1, "q"), None);
    assert!(!actions.iter().any(|a| matches!(a, Action::Create { .. })), "{actions:?}");
    assert!(!actions.iter().any(|a| matches!(a, Action::ReportRefused(_))), "no token was used");
    assert_eq!(ends(&actions), [queued(1, ItemReason::None)]);
}

//= frameio-c2c#4.5
//= type=test
//# A pause in the project is respected: what is under way ends, and nothing new begins.
#[test]
fn a_pause_in_the_project_lets_what_has_begun_go_on() {
    let mut b = Bench::alone(4);
    let paused = Some(Access { paused: true, ..access("a1", "p").unwrap() });
    assert_eq!(b.on(Event::Access(paused)), [Action::Read]);
    drop(b.read(false));
    assert_eq!(parts(&b.sent(0, Ok(confirmed()))), [(1, 2)]);
    assert_eq!(claims(&b.on(Event::Found)), 0);
}

#[test]
fn a_priority_that_changes_counts_at_once() {
    let mut b = Bench::alone(4);
    assert_eq!(b.on(Event::Found), [b.claim_of(Some(0), &[1])]);
    let mut better = item(2, "p");
    better.clip.priority = 1;
    assert_eq!(
        parts(&b.claimed(better, Some(asset(4, &[], at(0))))),
        [(2, 0)],
        "it needs not wait for a slot"
    );
    assert_eq!(parts(&b.sent(0, Ok(confirmed()))), [], "that was one slot more than there are");
    let change = Event::Answered(Intent::Change, vec![(ItemId(1), 7), (ItemId(99), 7)]);
    let actions = b.on(change);
    assert_eq!(parts(&actions), []);
    drop(b.nothing_waits());
    assert_eq!(parts(&b.sent(1, Ok(confirmed()))), [(1, 2)]);
}

#[test]
fn where_a_limit_is_set_what_matters_more_is_the_next_to_go_and_no_part_is_one_too_many() {
    let mut b = Bench::alone(4);
    let limit = Options { slots: Slots { count: SLOTS, limit: true }, ..options(SLOTS) };
    assert_eq!(b.on(Event::Options(limit)), []);
    assert_eq!(b.on(Event::Found), [b.claim_of(Some(0), &[1])], "it is asked for before a slot is free");
    let mut better = item(2, "p");
    better.clip.priority = 1;
    assert_eq!(parts(&b.claimed(better, Some(asset(4, &[], at(0))))), []);
    assert_eq!(parts(&b.sent(0, Ok(confirmed()))), [(2, 0)]);
    assert_eq!(parts(&b.sent(1, Ok(confirmed()))), [(2, 1)]);
}

#[test]
fn a_stop_lets_go_and_hears_out_what_the_cloud_was_asked_for() {
    let (mut b, _) = Bench::sending(1);
    let seq = b.creating(2);
    assert_eq!(b.on(Event::Stop), [Action::Cut(ItemId(1)), Action::Cut(ItemId(2))]);
    assert_eq!(b.s.deadline(), None);
    let made = Ok(("asset".to_owned(), urls(1)));
    let actions = b.on(Event::Created(ItemId(2), seq, made));
    assert!(matches!(&actions[..], [Action::Record(..)]), "an asset must not be made twice: {actions:?}");
    let actions = b.on(Event::Recorded(ItemId(2), Seq(2), true));
    assert_eq!(ends(&actions), [queued(2, ItemReason::None)]);
    let actions = b.sent(0, Err(PartError::Transient(trouble(Cause::Network, None))));
    assert_eq!(ends(&actions), [queued(1, ItemReason::None)]);
    assert!(b.s.busy(), "ends are on their way");
    drop(b.written(1, Written::Row(ItemState::Queued)));
    drop(b.written(2, Written::NotYet));
    assert!(!b.s.busy(), "an end that can't be written is not waited for");
    assert_eq!(b.on(Event::NetworkUp), []);

    let mut b = Bench::paired();
    assert_eq!(b.on(Event::Stop), []);
    assert!(b.s.busy());
    assert_eq!(
        ends(&b.claimed(item(3, "p"), None)),
        [queued(3, ItemReason::None)],
        "what a claim brings now goes back"
    );
    drop(b.written(3, Written::Row(ItemState::Queued)));
    assert!(!b.s.busy());
}
