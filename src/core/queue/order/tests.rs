use super::*;

fn turn(id: u64, priority: i32, ready: bool, in_flight: usize) -> TurnStatus {
    TurnStatus { id: ItemId(id), priority, ready, preparing: false, in_flight }
}

fn preparing(id: u64) -> TurnStatus {
    TurnStatus { preparing: true, ..turn(id, 0, false, 0) }
}

/// Nobody has set a limit.
fn two() -> Slots {
    Slots { count: 2, limit: false }
}

/// Nothing waits above this.
fn known(bound: i32) -> Backlog {
    let mut backlog = Backlog::default();
    backlog.claimed(None, Some(bound));
    backlog
}

fn empty() -> Backlog {
    let mut backlog = Backlog::default();
    backlog.claimed(None, None);
    backlog
}

#[test]
fn what_the_line_does_next() {
    let unknown = Backlog::default();
    let rows: [(&str, Vec<TurnStatus>, Backlog, Next); 22] = [
        ("nothing at all", vec![], empty(), Next::Wait),
        ("somebody may wait", vec![], unknown, Next::Claim(None)),
        ("one with parts left, alone", vec![turn(1, 0, true, 1)], empty(), Next::Part(ItemId(1))),
        ("others wait that matter as much", vec![turn(1, 0, true, 1)], known(0), Next::Part(ItemId(1))),
        ("others may wait that matter more", vec![turn(1, 0, true, 1)], unknown, Next::Claim(Some(0))),
        ("its last parts are in flight", vec![turn(1, 0, false, 1)], known(0), Next::Claim(None)),
        (
            "the more important first",
            vec![turn(1, 0, true, 0), turn(2, 5, true, 0)],
            known(5),
            Next::Part(ItemId(2)),
        ),
        ("the older first", vec![turn(3, 5, true, 0), turn(2, 5, true, 0)], known(5), Next::Part(ItemId(2))),
        ("all slots in use", vec![turn(1, 0, true, 2)], known(0), Next::Wait),
        (
            "all slots in use, more important ones may wait",
            vec![turn(1, 0, true, 2)],
            known(3),
            Next::Claim(Some(0)),
        ),
        (
            "an important one does not wait for a slot",
            vec![turn(1, 0, true, 2), turn(2, 3, true, 0)],
            known(3),
            Next::Part(ItemId(2)),
        ),
        (
            "one that has something in flight does; maybe another waits that matters",
            vec![turn(1, 0, true, 2), turn(2, 3, true, 1)],
            known(3),
            Next::Claim(Some(0)),
        ),
        (
            "an important one behind a more important one",
            vec![turn(1, 0, true, 2), turn(2, 9, true, 1), turn(3, 5, true, 0)],
            known(5),
            Next::Part(ItemId(3)),
        ),
        (
            "and maybe another waits that matters more",
            vec![turn(1, 0, true, 2), turn(2, 9, true, 1), turn(3, 5, true, 0)],
            known(9),
            Next::Claim(Some(5)),
        ),
        (
            "the most important of those that have nothing on the way",
            vec![turn(1, 0, true, 2), turn(2, 3, true, 0), turn(3, 5, true, 0), turn(4, 9, true, 1)],
            known(5),
            Next::Part(ItemId(3)),
        ),
        (
            "those that were overtaken do not keep a more important one out",
            vec![turn(1, 0, true, 2), turn(2, 3, true, 0), turn(3, 5, true, 1), turn(4, 4, true, 0)],
            unknown,
            Next::Claim(Some(4)),
        ),
        (
            "nor where a slot is free",
            vec![turn(1, 0, true, 0), turn(2, 3, true, 0), turn(3, 5, true, 0), turn(4, 4, true, 0)],
            unknown,
            Next::Claim(Some(5)),
        ),
        (
            "the extra slots are not without end",
            vec![turn(1, 0, true, 2), turn(2, 3, false, 1), turn(3, 3, false, 1), turn(4, 3, true, 0)],
            known(3),
            Next::Wait,
        ),
        (
            "one that matters as much waits for a slot",
            vec![turn(1, 0, true, 2), turn(2, 0, true, 0)],
            known(0),
            Next::Wait,
        ),
        (
            "one that has nothing on its way holds nobody up",
            vec![turn(1, 5, true, 2), turn(2, 0, true, 0)],
            known(3),
            Next::Wait,
        ),
        ("those that are being prepared count", vec![preparing(1), preparing(2)], known(0), Next::Wait),
        ("a slot is left beside one", vec![preparing(1)], known(0), Next::Claim(None)),
    ];
    for (name, turns, backlog, want) in rows {
        assert_eq!(next(&turns, two(), backlog, false), want, "{name}");
        // What is asked for, and who is next, is the same where that is a limit; only what would be too much waits.
        let full = turns.iter().map(|turn| turn.in_flight).sum::<usize>() >= 2;
        let want = if full && matches!(want, Next::Part(_)) { Next::Wait } else { want };
        assert_eq!(next(&turns, Slots { limit: true, ..two() }, backlog, false), want, "{name}, by a limit");
    }
}

/// Two of any kind of turns beside each other, and one that matters most.
#[test]
fn no_part_is_one_more_than_there_may_be() {
    let kinds = |id: u64| {
        let all = (0..4).flat_map(|in_flight| [(in_flight, true), (in_flight, false)]);
        let sending = move |priority| all.clone().map(move |(n, ready)| turn(id, priority, ready, n));
        let made = TurnStatus { preparing: true, ..turn(id, 0, false, 0) };
        (0..3).flat_map(sending).chain([made]).collect::<Vec<_>>()
    };
    let mut begun = [0; 2];
    for (first, second) in
        kinds(1).into_iter().flat_map(|first| kinds(2).into_iter().map(move |s| (first, s)))
    {
        for (count, limit) in [1, 2, 4].into_iter().flat_map(|count| [(count, true), (count, false)]) {
            let turns = [first, second, turn(3, 5, true, 0)];
            let in_flight: usize = turns.iter().map(|turn| turn.in_flight).sum();
            let Next::Part(_) = next(&turns, Slots { count, limit }, known(5), false) else { continue };
            assert!(in_flight < count + if limit { 0 } else { EXPRESS }, "{count}, limit {limit}: {turns:?}");
            begun[usize::from(limit)] += 1;
        }
    }
    assert!(begun.iter().all(|times| *times > 100), "{begun:?}");
}

#[test]
fn one_claim_at_a_time_and_the_slots_are_used_meanwhile() {
    assert_eq!(next(&[], two(), Backlog::default(), true), Next::Wait);
    assert_eq!(next(&[turn(1, 0, true, 0)], two(), Backlog::default(), true), Next::Part(ItemId(1)));
}

#[test]
fn turns_are_not_without_end() {
    let many: Vec<_> = (0..4).map(|n| turn(n, 0, false, 0)).collect();
    assert_eq!(next(&many, two(), known(9), false), Next::Wait);
    assert_eq!(next(&many[1..], two(), known(9), false), Next::Claim(None));
    let overtaken = |n| (0..n).map(|n| turn(n, 0, true, 0)).collect::<Vec<_>>();
    assert_eq!(next(&overtaken(19), two(), known(9), false), Next::Claim(Some(0)));
    assert_eq!(
        next(&overtaken(20), two(), known(9), false),
        Next::Part(ItemId(0)),
        "files are not without end"
    );
}

#[test]
fn the_line_learns_from_claims_and_forgets_at_news() {
    let mut backlog = Backlog::default();
    backlog.claimed(None, Some(7));
    assert!(backlog.may_hold_above(6) && !backlog.may_hold_above(7) && !backlog.empty());
    backlog.claimed(Some(3), None);
    assert!(!backlog.may_hold_above(3) && backlog.may_hold_above(2));
    backlog.claimed(Some(5), None);
    assert!(!backlog.may_hold_above(3), "a weaker word does not undo a stronger one");
    backlog.claimed(None, None);
    assert!(backlog.empty() && !backlog.may_hold_above(i64::from(i32::MIN)));
    backlog.changed();
    assert!(backlog.may_hold_above(i64::from(i32::MAX)) && !backlog.empty());
}

#[test]
fn what_came_during_a_claim_is_not_forgotten_with_its_answer() {
    for got in [None, Some(0)] {
        let mut backlog = Backlog::default();
        backlog.asking();
        backlog.changed();
        backlog.claimed(None, got);
        assert!(!backlog.empty());
        let turns = [turn(1, 0, true, 1)];
        assert_eq!(
            next(&turns, two(), backlog, false),
            Next::Claim(Some(0)),
            "something that matters more may wait"
        );
        backlog.asking();
        backlog.claimed(None, got);
        assert_eq!(next(&turns, two(), backlog, false), Next::Part(ItemId(1)), "now it is known");
    }
}

#[test]
fn of_a_limit_nothing_may_be_left() {
    let none = Slots { count: 0, limit: true };
    assert_eq!(next(&[turn(1, 0, true, 0)], none, known(9), false), Next::Wait);
    assert_eq!(next(&[], none, Backlog::default(), false), Next::Wait);
    let some = Slots { count: 0, limit: false };
    assert_eq!(next(&[turn(1, 0, true, 0)], some, known(0), false), Next::Part(ItemId(1)));
}
