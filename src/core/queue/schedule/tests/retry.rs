//! What waits for a better time.
use super::*;

/// The turn of item 1 ends in this trouble of the way; its end is on disk.
fn meets(b: &mut Bench, id: u64, t: Trouble) -> Vec<Action> {
    let seq = b.creating(id);
    let actions = b.on(Event::Created(ItemId(id), seq, Err(CreateError::Transient(t))));
    drop(b.on(Event::Claimed(Ok(None))));
    drop(b.written(id, Written::Row(ItemState::Queued)));
    drop(b.read(false));
    actions
}

fn seconds(d: Option<Duration>) -> f64 {
    d.expect("a wait").as_secs_f64()
}

//= frameio-c2c#6.3
//= type=test
//# Trouble with the network is tried again for as long as it takes; no clip is dropped.
//= frameio-c2c#6.3
//= type=test
//# 429: a second is waited at least, then twice as long each time.
#[test]
fn trouble_of_the_way_pauses_the_whole_queue_for_a_growing_while() {
    let mut b = Bench::paired();
    for longest in [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0] {
        let actions = meets(&mut b, 1, trouble(Cause::Network, None));
        assert_eq!(ends(&actions), [queued(1, ItemReason::Network)]);
        let told = |a: &Action| matches!(a, Action::Postponed(p) if p.id == ItemId(1) && !p.alone);
        assert!(actions.iter().any(told), "{actions:?}");
        assert_eq!(b.s.trouble(), Some(&(Reason::Network, "why".to_owned())));
        let wait = seconds(b.wait());
        assert!((0.75 * longest..=longest).contains(&wait), "{wait} of {longest}");
        let next_try = b.s.waits_of(ItemId(1)).of(ItemState::Queued);
        assert_eq!(next_try, b.s.deadline(), "and people are told");
        assert_eq!(b.on(Event::Found), [], "every clip would meet the same");
        assert_eq!(b.timer(), [b.claim_of(None, &[])]);
    }
}

#[test]
fn several_turns_that_meet_the_same_trouble_are_one_trouble() {
    let (mut b, _) = Bench::sending(1);
    let seq = b.creating(2);
    drop(b.sent(0, Err(PartError::Transient(trouble(Cause::Network, None)))));
    let wait = b.wait();
    let actions =
        b.on(Event::Created(ItemId(2), seq, Err(CreateError::Transient(trouble(Cause::Network, None)))));
    assert_eq!(ends(&actions), [queued(2, ItemReason::Network)]);
    assert_eq!(b.written(1, Written::NotYet), []);
    assert_eq!(b.wait(), wait, "nor does a full disk make it longer");
    let named = Some(Duration::from_secs(500));
    b.s.retry.later(Reason::Provider, String::new(), named, b.now().boot);
    assert_eq!(b.wait(), named, "but the provider's own wish does");
    b.s.retry.later(Reason::Network, String::new(), None, b.now().boot);
    assert_eq!(b.on(Event::NetworkUp), []);
    assert_eq!(b.wait(), named, "which a network does not shorten, whoever waited first or last");
}

#[test]
fn a_clip_whose_card_hangs_waits_for_the_card_and_not_longer_each_time() {
    let mut b = Bench::alone(1);
    let hangs = || PartError::NotAnswering("hangs".to_owned());
    let actions = b.sent(0, Err(hangs()));
    assert_eq!(ends(&actions), [queued(1, ItemReason::NotAnswering)]);
    for _ in 0..3 {
        assert_eq!(b.s.trouble(), None, "the card is named, and the queue is well");
        b.put_back(1);
        assert_eq!(b.wait(), Some(Duration::from_secs(15)));
        assert_eq!(b.on(Event::Found), [b.claim_of(None, &[1])], "others go");
        assert_eq!(b.nothing_waits(), []);
        assert_eq!(b.on(Event::CardsChanged), [b.claim_of(None, &[])]);
        let actions = b.claimed_as(item(1, "p"), Err(FileError::NotAnswering("hangs".to_owned())), Ok(None));
        assert_eq!(ends(&actions), [queued(1, ItemReason::NotAnswering)]);
        assert_eq!(b.nothing_waits(), []);
    }
}

#[test]
fn news_of_a_card_end_no_other_wait() {
    let mut b = Bench::paired();
    let written = Item { clip: Clip { settled: false, ..item(1, "p").clip }, ..item(1, "p") };
    let actions = b.claimed_as(written, Err(FileError::NotAnswering("hangs".to_owned())), Ok(None));
    assert_eq!(claims(&actions), 1);
    assert_eq!(b.nothing_waits(), []);
    b.put_back(1);
    assert_eq!(b.on(Event::CardsChanged), [b.claim_of(None, &[])]);
    let written = Item { clip: Clip { settled: false, ..item(1, "p").clip }, ..item(1, "p") };
    let file = look_at(&written, sighting(1, facts(SIZE)));
    let actions = b.claimed_as(written, Ok(file), Ok(None));
    assert_eq!(ends(&actions), [queued(1, ItemReason::Settling)]);
    assert_eq!(b.nothing_waits(), []);
    b.put_back(1);
    assert_eq!(b.on(Event::CardsChanged), [b.claim_of(None, &[1])], "its writer may still be at it");
}

#[test]
fn what_shortens_the_wait_of_the_whole_queue() {
    let named = Some(Duration::from_secs(900));
    let rows: [(&str, Option<Duration>, Event, bool); 8] = [
        ("a network", None, Event::NetworkUp, true),
        ("a network, but the provider named a time", named, Event::NetworkUp, false),
        ("a person", None, Event::Asked(Intent::TryNow), true),
        ("a person goes before the provider", named, Event::Asked(Intent::TryNow), true),
        ("another clip", None, Event::Found, false),
        ("the same access", None, Event::Access(access("a2", "p")), false),
        ("another project", named, Event::Access(access("a2", "q")), true),
        ("a timer that is early", None, Event::Timer, false),
    ];
    for (name, at_least, event, begins) in rows {
        let mut b = Bench::paired();
        drop(meets(&mut b, 1, trouble(Cause::Provider, at_least)));
        if let Some(at_least) = at_least {
            assert_eq!(b.wait(), Some(at_least), "{name}");
        }
        let mut actions = b.on(event);
        if reads(&actions) > 0 {
            actions.extend(b.read(false));
        }
        assert_eq!(claims(&actions), usize::from(begins), "{name}: {actions:?}");
        assert_eq!(b.s.deadline().is_none(), begins, "{name}");
    }
}

#[test]
fn a_part_that_is_on_disk_ends_the_wait_and_its_growth() {
    for (at_least, ends_it) in [(None, true), (Some(Duration::from_secs(60)), false)] {
        let mut b = Bench::alone(3);
        // Another turn finds trouble while part 1 is on its way.
        b.s.retry.later(Reason::Network, "why".to_owned(), None, at(1000).boot);
        b.s.retry.tick(at(9999).boot);
        b.s.retry.later(Reason::Network, "why".to_owned(), at_least, at(1000).boot);
        drop(b.sent(1, Ok(confirmed())));
        assert!(b.s.deadline().is_some() && b.s.trouble().is_some(), "not before it is on disk");
        let actions = b.on(Event::PartRecorded(ItemId(1), 1, true));
        assert_eq!(b.s.deadline().is_none(), ends_it, "{at_least:?}");
        assert_eq!(b.s.trouble().is_none(), ends_it, "{at_least:?}");
        assert_eq!(parts(&actions).is_empty(), !ends_it);
        b.s.retry.hurry();
        b.s.retry.tick(at(999_999).boot);
        b.s.retry.later(Reason::Network, String::new(), None, at(b.ms).boot);
        assert!(seconds(b.wait()) <= 2.0, "it begins anew");
    }
    // All of it had arrived before.
    let mut b = Bench::paired();
    b.s.retry.later(Reason::Network, "why".to_owned(), None, at(1000).boot);
    let actions = b.claimed(item(1, "p"), Some(asset(1, &[0], at(0))));
    assert!(matches!(&actions[1], Action::LookAgain(_)), "{actions:?}");
    assert!(b.s.deadline().is_none(), "a clip that is sent ends the wait");
    let mut b = Bench::alone(3);
    b.s.retry.later(Reason::Network, "why".to_owned(), None, at(1000).boot);
    drop(b.sent(1, Ok(confirmed())));
    drop(b.on(Event::PartRecorded(ItemId(1), 1, false)));
    assert!(b.s.deadline().is_some(), "a part that is not on disk ends nothing");
}

#[test]
fn a_clip_that_is_itself_the_trouble_waits_alone() {
    let mut b = Bench::paired();
    for secs in [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
        let seq = b.creating(1);
        drop(b.nothing_waits());
        let conflict = CreateError::Conflict("a name is taken".to_owned());
        let actions = b.on(Event::Created(ItemId(1), seq, Err(conflict)));
        assert_eq!(ends(&actions), [queued(1, ItemReason::Provider)]);
        assert!(actions.iter().any(|a| matches!(a, Action::Postponed(p) if p.alone)));
        assert_eq!(b.s.trouble(), Some(&(Reason::Provider, "a name is taken".to_owned())));
        assert_eq!(b.wait(), Some(Duration::from_secs(secs)));
        assert_eq!(b.on(Event::Found), [b.claim_of(None, &[1])], "others go on");
        drop(b.nothing_waits());
        b.put_back(1);
        assert_eq!(b.timer(), [b.claim_of(None, &[])]);
    }
    let fresh = |b: &mut Bench| {
        let seq = b.creating(1);
        drop(b.nothing_waits());
        drop(b.on(Event::Created(ItemId(1), seq, Err(CreateError::Conflict(String::new())))));
        b.wait()
    };
    drop(b.on(Event::Asked(Intent::TryNow)));
    assert_eq!(fresh(&mut b), Some(Duration::from_secs(15)), "a person acted");
}

#[test]
fn others_troubles_do_not_count_as_a_clip_s_own() {
    let mut b = Bench::paired();
    for _ in 0..4 {
        drop(meets(&mut b, 1, trouble(Cause::Network, None)));
        drop(b.timer());
    }
    let seq = b.creating(1);
    drop(b.nothing_waits());
    drop(b.on(Event::Created(ItemId(1), seq, Err(CreateError::Conflict(String::new())))));
    assert_eq!(b.wait(), Some(Duration::from_secs(15)));
    drop(b.written(1, Written::Row(ItemState::Cancelled)));
    assert!(b.s.retry.aside().eq([&ItemId(1)]), "its time of coming back stays");
    drop(b.timer());
    drop(b.read(false));
    let seq = b.creating(1);
    drop(b.nothing_waits());
    drop(b.on(Event::Created(ItemId(1), seq, Err(CreateError::Conflict(String::new())))));
    assert_eq!(b.wait(), Some(Duration::from_secs(15)), "it left the queue in between");
}

/// Claims item `id`; the project forbids it, or takes it where `taken`.
fn forbids(b: &mut Bench, id: u64, taken: bool) {
    let seq = b.creating(id);
    let answer = match taken {
        true => Ok(("asset".to_owned(), urls(1))),
        false => Err(CreateError::Forbidden("no permission".to_owned())),
    };
    drop(b.on(Event::Created(ItemId(id), seq, answer)));
}

//= frameio-c2c#6.3
//= type=test
//# 402, 403 and 404 to a creation: no clip will be taken, and a person has to act in the project.
#[test]
fn one_refusal_may_be_the_clip_s_and_two_in_a_row_are_the_project_s() {
    let mut b = Bench::paired();
    forbids(&mut b, 1, false);
    assert!(!b.s.retry.waits(), "the next one may be taken");
    forbids(&mut b, 2, true);
    forbids(&mut b, 3, false);
    assert!(!b.s.retry.waits(), "one was taken in between");
    let mut b = Bench::paired();
    for _ in 0..3 {
        forbids(&mut b, 1, false);
        assert!(!b.s.retry.waits(), "however often it is this one");
        drop(b.written(1, Written::Row(ItemState::Queued)));
        drop(b.read(false));
        b.pass(Duration::from_secs(3600));
        drop(b.on(Event::Timer));
    }
    let mut b = Bench::paired();
    forbids(&mut b, 1, false);
    forbids(&mut b, 2, false);
    assert!(b.s.retry.waits());
    assert_eq!(b.on(Event::NetworkUp), [], "a person has to act in the project");
    b.pass(Duration::from_secs(299));
    drop(b.on(Event::Timer));
    assert!(b.s.retry.waits(), "five minutes");
    b.pass(Duration::from_secs(1));
    drop(b.on(Event::Timer));
    assert!(!b.s.retry.waits());
}

#[test]
fn an_upload_of_which_nobody_knows_in_turn_after_turn_is_begun_anew() {
    let turn = |b: &mut Bench, proven| {
        let actions = b.claimed(item(1, "p"), Some(asset(2, &[0], at(0))));
        assert_eq!(parts(&actions), [(1, 1)]);
        drop(b.nothing_waits());
        b.sent(1, Err(PartError::Unfound("HTTP 404".to_owned(), proven)))
    };
    let aside = |b: &mut Bench, actions: &[Action]| {
        assert_eq!(ends(actions), [queued(1, ItemReason::Provider)]);
        assert!(!b.s.retry.waits(), "the others go on");
        b.put_back(1);
        let wait = b.wait();
        drop(b.timer());
        wait
    };
    let is_anew = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::Forget(ItemId(1), _)));
    // Where the storage itself speaks meanwhile.
    let mut b = Bench::paired();
    for wait in [15, 30, 60] {
        let actions = turn(&mut b, true);
        assert_eq!(aside(&mut b, &actions), Some(Duration::from_secs(wait)));
    }
    assert!(is_anew(&turn(&mut b, true)));
    // Or takes another clip.
    let mut b = Bench::paired();
    for _ in 0..4 {
        let actions = turn(&mut b, false);
        assert!(aside(&mut b, &actions).is_some());
    }
    b.s.retry.allowed();
    assert!(is_anew(&turn(&mut b, false)));
    // Where nobody hears of it, whoever speaks may go away, and what was sent is not thrown away before.
    let mut b = Bench::paired();
    let mut waited = Duration::ZERO;
    loop {
        let actions = turn(&mut b, false);
        if is_anew(&actions) {
            break;
        }
        waited += aside(&mut b, &actions).unwrap();
    }
    assert!(waited >= Duration::from_secs(3600), "{waited:?}");
    // However often a person tries it.
    let mut b = Bench::paired();
    for _ in 0..20 {
        let actions = turn(&mut b, true);
        assert_eq!(ends(&actions), [queued(1, ItemReason::Provider)]);
        b.put_back(1);
        b.s.retry.release(ItemId(1));
        assert_eq!(b.on(Event::Found), [b.claim_of(None, &[])]);
    }
    // One that is found after all begins to count anew.
    let mut b = Bench::paired();
    for _ in 0..5 {
        let actions = turn(&mut b, true);
        assert!(aside(&mut b, &actions).is_some());
        drop(b.claimed(item(1, "p"), Some(asset(2, &[], at(0)))));
        drop(b.sent(0, Ok(confirmed())));
        drop(b.on(Event::PartRecorded(ItemId(1), 0, true)));
        let actions = b.sent(1, Err(PartError::Refused(String::new())));
        assert_eq!(ends(&actions), [queued(1, ItemReason::Provider)]);
        b.put_back(1);
        drop(b.timer());
    }
}

#[test]
fn one_refused_token_is_renewed_and_two_are_the_provider_s_trouble() {
    let mut b = Bench::paired();
    for (name, next, shown) in [("a1", "a2", false), ("a2", "a3", true)] {
        let seq = b.creating(1);
        drop(b.nothing_waits());
        let actions = b.on(Event::Created(ItemId(1), seq, Err(CreateError::Unauthorized)));
        assert!(actions.contains(&Action::ReportRefused(token(name))), "{actions:?}");
        assert_eq!(ends(&actions), [queued(1, ItemReason::None)]);
        drop(b.written(1, Written::Row(ItemState::Queued)));
        drop(b.read(false));
        assert_eq!(b.on(Event::Found), [], "it is not used again");
        assert_eq!(b.on(Event::Access(access(name, "p"))), [Action::Read]);
        assert_eq!(b.read(false), []);
        assert_eq!(b.s.trouble().is_some(), shown, "{name}");
        let actions = b.on(Event::Access(access(next, "p")));
        assert_eq!(actions, [Action::Read, b.claim_of(None, &[])]);
        drop(b.read(false));
    }
}

#[test]
fn late_news_of_an_old_token_does_not_clear_the_one_in_force() {
    let mut b = Bench::paired();
    let old = b.creating(1);
    drop(b.on(Event::Access(access("a2", "p"))));
    drop(b.read(false));
    // What the claim brings that left under the old token goes back.
    assert_eq!(ends(&b.claimed(item(2, "p"), None)), [queued(2, ItemReason::None)]);
    let new = b.creating(3);
    drop(b.on(Event::Created(ItemId(3), new, Err(CreateError::Unauthorized))));
    let actions = b.on(Event::Created(ItemId(1), old, Err(CreateError::Unauthorized)));
    assert!(actions.contains(&Action::ReportRefused(token("a1"))), "{actions:?}");
    drop(b.nothing_waits());
    assert_eq!(b.on(Event::Found), [], "the one in force is still refused");
    assert_eq!(b.s.trouble(), None, "one that is in force was refused, and not two");
}

#[test]
fn a_queue_that_can_t_be_read_is_trouble_of_the_disk() {
    let mut b = Bench::paired();
    assert_eq!(b.on(Event::Claimed(Err("disk I/O error".to_owned()))), []);
    assert_eq!(b.s.trouble(), Some(&(Reason::Storage, "disk I/O error".to_owned())));
    assert_eq!(b.timer(), [b.claim_of(None, &[])]);
    drop(b.nothing_waits());
    assert_eq!(b.on(Event::Answered(Intent::Change, vec![])), [Action::Read, b.claim_of(None, &[])]);
    drop(b.nothing_waits());
    let unread = || Event::Summary(Err("database is locked".to_owned()));
    assert_eq!(b.on(unread()), [], "a person may have paused it");
    assert_eq!(b.s.trouble(), Some(&(Reason::Storage, "database is locked".to_owned())));
    assert_eq!(b.on(Event::Found), []);
    assert_eq!(b.timer(), [Action::Read]);
    assert_eq!(b.read(false), [b.claim_of(None, &[])]);
    assert_eq!(
        b.s.trouble(),
        Some(&(Reason::Storage, "disk I/O error".to_owned())),
        "of the claim, as before"
    );
    // Where nothing could be sent anyway nobody asks again and again.
    let mut b = Bench::new();
    drop(b.on(Event::Started));
    drop(b.on(Event::Resumed(false)));
    assert_eq!(b.on(unread()), []);
    assert_eq!((b.s.deadline(), b.s.trouble()), (None, None));
}

#[test]
fn a_queue_that_can_be_read_again_is_in_no_trouble() {
    let mut b = Bench::paired();
    drop(b.nothing_waits());
    assert_eq!(b.on(Event::Answered(Intent::Change, vec![])), [Action::Read, b.claim_of(None, &[])]);
    drop(b.nothing_waits());
    drop(b.on(Event::Summary(Err("disk I/O error".to_owned()))));
    assert!(b.s.trouble().is_some() && b.s.deadline().is_some());
    // Something else has it read before its time.
    assert_eq!(b.on(Event::Answered(Intent::Change, vec![])), [Action::Read]);
    assert_eq!((b.read(false), b.s.trouble()), (vec![], None));
    assert_eq!(b.timer(), [b.claim_of(None, &[])]);
}

#[test]
fn a_queue_that_can_be_read_again_says_nothing_about_the_way() {
    let mut b = Bench::paired();
    drop(meets(&mut b, 1, trouble(Cause::Network, None)));
    let (way, deadline) = (b.s.trouble().cloned(), b.s.deadline());
    assert_eq!(b.on(Event::Answered(Intent::Change, vec![])), [Action::Read]);
    drop(b.on(Event::Summary(Err("disk I/O error".to_owned()))));
    assert_eq!(b.on(Event::Answered(Intent::Change, vec![])), [Action::Read]);
    drop(b.read(false));
    assert_eq!((b.s.trouble().cloned(), b.s.deadline()), (way, deadline));
}

#[test]
fn an_empty_queue_is_in_no_trouble() {
    let mut b = Bench::paired();
    drop(meets(&mut b, 1, trouble(Cause::Network, None)));
    assert!(b.s.trouble().is_some());
    assert_eq!(b.on(Event::Answered(Intent::Change, vec![])), [Action::Read]);
    drop(b.on(Event::Summary(Ok(Summary { paused: false, left: 0 }))));
    assert_eq!(b.s.trouble(), None);
}
