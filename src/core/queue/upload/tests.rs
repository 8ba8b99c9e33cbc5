mod offset;

use super::*;
use crate::backoff::Jitter;
use crate::oauth::Trouble;
use crate::time::{BootId, BootTime, WallTime};

const SIZE: u64 = 1000;

fn at(s: u64) -> Now {
    Now {
        boot_id: BootId(1),
        boot: BootTime(Duration::from_secs(s)),
        wall: WallTime(1_790_000_000 + s as i64),
    }
}

fn urls(n: usize) -> Vec<Secret> {
    (0..n).map(|n| Secret::new(format!("https://s3/{n}"))).collect()
}

fn asset(parts: usize, finished: &[u32], created: Now) -> Asset {
    Asset { id: "asset".to_owned(), urls: urls(parts), created, finished: finished.to_vec() }
}

/// A machine with a line of its own: it has up to `parallel` slots.
#[derive(Debug)]
struct Alone {
    up: Upload,
    parallel: usize,
}

impl Alone {
    fn begin(size: u64, asset: Option<Asset>, parallel: usize, now: Now) -> (Alone, Vec<Action>) {
        Alone::promised(Promises::FRAMEIO, size, asset, parallel, now)
    }

    fn promised(
        promises: Promises,
        size: u64,
        asset: Option<Asset>,
        parallel: usize,
        now: Now,
    ) -> (Alone, Vec<Action>) {
        let (up, mut actions) = Upload::begin(ItemId(1), size, asset, promises, now);
        let mut alone = Alone { up, parallel: parallel.max(1) };
        alone.fill(now, &mut actions);
        (alone, actions)
    }

    fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut actions = self.up.on(event, now);
        self.fill(now, &mut actions);
        actions
    }

    fn fill(&mut self, now: Now, actions: &mut Vec<Action>) {
        while self.up.ready() && self.up.in_flight() < self.parallel {
            actions.extend(self.up.on(Event::Slot, now));
        }
    }
}

impl std::ops::Deref for Alone {
    type Target = Upload;
    fn deref(&self) -> &Upload {
        &self.up
    }
}

fn begin(asset: Option<Asset>, parallel: usize, now: Now) -> (Alone, Vec<Action>) {
    Alone::begin(SIZE, asset, parallel, now)
}

fn trouble(cause: Cause) -> Trouble {
    Trouble { cause, why: "why".to_owned(), retry_after: None, maybe_applied: true }
}

fn dead() -> PartError {
    PartError::UrlDead("HTTP 403 AccessDenied".to_owned())
}

fn confirmed() -> Confirmed {
    Confirmed { etag: "etag".to_owned(), digest: None }
}

fn ok() -> Result<Confirmed, PartError> {
    Ok(confirmed())
}

fn record(n: u32) -> Action {
    Action::RecordPart(n, confirmed())
}

/// A turn with an asset of `parts` parts on disk, and the parts that left first.
fn sending(parts: usize, parallel: usize) -> (Alone, Vec<Action>) {
    let (mut up, actions) = begin(None, parallel, at(0));
    assert_eq!(actions, [Action::Create(Seq(1))]);
    let actions = up.on(Event::Created(Seq(1), Ok(("asset".to_owned(), urls(parts)))), at(1));
    assert_eq!(actions, [Action::Record(Seq(2), asset(parts, &[], at(1)))]);
    let actions = up.on(Event::Recorded(Seq(2), true), at(1));
    assert!(!up.finished());
    (up, actions)
}

fn ends(up: &Upload, actions: Vec<Action>, ending: Ending) {
    assert_eq!(actions, [Action::Finish(ending)]);
    assert!(up.finished());
}

#[test]
fn nothing_is_sent_before_the_asset_is_on_disk() {
    let (mut up, _) = begin(None, 4, at(0));
    let actions = up.on(Event::Created(Seq(1), Ok(("a".to_owned(), urls(2)))), at(1));
    assert!(matches!(actions[..], [Action::Record(..)]));
    assert!(up.part(0).is_none());
    let actions = up.on(Event::Recorded(Seq(2), true), at(1));
    assert_eq!(actions, [Action::Send(0), Action::Send(1)]);
    let (url, from, len) = up.part(1).unwrap();
    assert_eq!((url.expose(), from, len), ("https://s3/1", 500, 500));
}

#[test]
fn late_answers_change_nothing() {
    let (mut up, _) = sending(2, 1);
    let before = format!("{up:?}");
    for event in [
        Event::Created(Seq(1), Ok(("b".to_owned(), urls(3)))),
        Event::Created(Seq(1), Err(CreateError::Unauthorized)),
        Event::Recorded(Seq(2), false),
        Event::Sent(1, ok()),
        Event::PartRecorded(0, false),
    ] {
        let name = format!("{event:?}");
        assert_eq!(up.on(event, at(2)), [], "{name}");
        assert_eq!(format!("{up:?}"), before, "{name}");
    }
}

#[test]
fn a_part_counts_only_once_that_is_on_disk() {
    let (mut up, actions) = sending(2, 1);
    assert_eq!(actions, [Action::Send(0)]);
    assert_eq!(up.on(Event::Sent(0, ok()), at(2)), [record(0), Action::Send(1)]);
    assert_eq!(up.on(Event::Sent(1, ok()), at(2)), [record(1)]);
    assert_eq!(up.on(Event::PartRecorded(1, true), at(3)), []);
    let actions = up.on(Event::PartRecorded(0, true), at(3));
    ends(&up, actions, Ending::Done);
}

//= frameio-c2c#5.3
//= type=test
//# An upload goes on after the last part that was confirmed.
//= frameio-c2c#8b
//= type=test
//# none is created anew while its addresses live, and those left behind are counted
#[test]
fn a_resume_sends_only_what_is_left() {
    let (mut up, actions) = begin(Some(asset(4, &[0, 2], at(0))), 8, at(100));
    assert_eq!(actions, [Action::Send(1), Action::Send(3)]);
    let _ = up.on(Event::Sent(1, ok()), at(101));
    let _ = up.on(Event::Sent(3, ok()), at(101));
    let _ = up.on(Event::PartRecorded(1, true), at(101));
    let actions = up.on(Event::PartRecorded(3, true), at(101));
    ends(&up, actions, Ending::Done);

    let (up, actions) = begin(Some(asset(2, &[0, 1], at(0))), 8, at(100));
    ends(&up, actions, Ending::Done);
}

#[test]
fn parts_without_bytes_are_not_sent() {
    let (_, actions) = Alone::begin(5, Some(asset(4, &[], at(0))), 8, at(1));
    assert_eq!(actions, [Action::Send(0), Action::Send(1), Action::Send(2)]);
}

#[test]
fn no_more_than_the_wanted_number_of_parts_is_in_flight() {
    for (parallel, first) in [(0, 1), (1, 1), (3, 3), (99, 7)] {
        let (mut up, actions) = sending(7, parallel);
        assert_eq!(actions.len(), first);
        for n in 0..7 {
            let actions = up.on(Event::Sent(n, ok()), at(2));
            let sends = actions.iter().filter(|a| matches!(a, Action::Send(_))).count();
            assert_eq!(sends, usize::from(n + (first as u32) < 7));
        }
    }
}

//= frameio-c2c#5.3
//= type=test
//# Addresses that are older than 24 hours are not used: another asset is made.
#[test]
fn urls_that_are_old_or_of_unknown_age_are_not_used() {
    let day = 24 * 3600;
    let old = asset(2, &[0], at(0));
    assert!(matches!(begin(Some(old.clone()), 4, at(day - 700)).1[..], [Action::Send(1)]));
    let boot2 = |wall| Now { boot_id: BootId(2), boot: BootTime::default(), wall: WallTime(wall) };
    for now in [at(day - 600), at(day), at(40 * day), boot2(0), boot2(1_790_000_000 + day as i64)] {
        let (mut up, actions) = begin(Some(old.clone()), 4, now);
        assert_eq!(actions, [Action::Forget(Seq(1))]);
        assert_eq!(up.on(Event::Recorded(Seq(1), true), now), [Action::Create(Seq(2))]);
    }
    let (_, actions) = begin(Some(asset(0, &[], at(0))), 4, at(1));
    assert_eq!(
        actions,
        [Action::Forget(Seq(1))],
        "an asset that lost its URLs sends nothing and is not done"
    );
}

#[test]
fn an_asset_that_is_whole_is_done_however_old_its_urls_are() {
    for now in [at(1), at(40 * 24 * 3600)] {
        let (up, actions) = begin(Some(asset(2, &[0, 1], at(0))), 4, now);
        ends(&up, actions, Ending::Done);
    }
}

#[test]
fn dead_urls_are_worth_one_new_asset_and_then_a_pause() {
    for parallel in [1, 3] {
        let (mut up, sent) = sending(3, parallel);
        let mut actions = Vec::new();
        for n in 0..sent.len() as u32 {
            assert_eq!(actions, [], "what is in flight comes to its end first");
            actions = up.on(Event::Sent(n, Err(dead())), at(2));
        }
        assert_eq!(actions, [Action::Forget(Seq(3))]);
        assert!(up.part(0).is_none());
        assert_eq!(up.on(Event::Recorded(Seq(3), true), at(2)), [Action::Create(Seq(4))]);
        let again = up.on(Event::Created(Seq(4), Ok(("b".to_owned(), urls(3)))), at(3));
        assert!(matches!(again[..], [Action::Record(Seq(5), _)]));
        let sent = up.on(Event::Recorded(Seq(5), true), at(3));
        let mut actions = Vec::new();
        for n in 0..sent.len() as u32 {
            actions = up.on(Event::Sent(n, Err(dead())), at(4));
        }
        ends(&up, actions, Ending::Aside("HTTP 403 AccessDenied".to_owned()));
    }
}

#[test]
fn what_only_one_clip_is_refused_for_puts_that_clip_aside() {
    let (mut up, _) = sending(1, 1);
    let refused = PartError::Refused("HTTP 400 InvalidPart".to_owned());
    let actions = up.on(Event::Sent(0, Err(refused)), at(2));
    ends(&up, actions, Ending::Aside("HTTP 400 InvalidPart".to_owned()));
    let (mut up, actions) = Alone::begin(3, None, 1, at(1));
    assert_eq!(actions, [Action::Create(Seq(1))]);
    let conflict = CreateError::Conflict("HTTP 409 Conflict".to_owned());
    let actions = up.on(Event::Created(Seq(1), Err(conflict)), at(2));
    ends(&up, actions, Ending::Aside("HTTP 409 Conflict".to_owned()));
}

#[test]
fn what_the_project_forbids_is_told_from_what_is_wrong_with_one_clip() {
    let (mut up, _) = Alone::begin(3, None, 1, at(1));
    let forbidden = CreateError::Forbidden("HTTP 403 Forbidden".to_owned());
    let actions = up.on(Event::Created(Seq(1), Err(forbidden)), at(2));
    ends(&up, actions, Ending::Forbidden("HTTP 403 Forbidden".to_owned()));
}

#[test]
fn a_part_leaves_only_when_it_is_given_a_slot() {
    let (mut up, actions) =
        Upload::begin(ItemId(1), SIZE, Some(asset(2, &[], at(0))), Promises::FRAMEIO, at(1));
    assert!(actions.is_empty() && up.ready() && !up.preparing());
    assert_eq!(up.on(Event::Slot, at(1)), [Action::Send(0)]);
    assert_eq!(up.on(Event::Sent(0, ok()), at(2)), [record(0)]);
    assert_eq!(up.on(Event::PartRecorded(0, true), at(2)), [], "there is more to send");
    assert_eq!(up.on(Event::Slot, at(3)), [Action::Send(1)]);
    assert_eq!((up.in_flight(), up.ready()), (1, false));
    assert_eq!(up.on(Event::Slot, at(3)), [], "nothing is left to give it to");
}

#[test]
fn a_refused_url_is_tried_once_more_and_then_given_up() {
    let refused = || Err(PartError::UrlRefused("HTTP 403 SignatureDoesNotMatch".to_owned()));
    let (mut up, _) = sending(1, 1);
    assert_eq!(up.on(Event::Sent(0, refused()), at(2)), [Action::Send(0)]);
    assert!(matches!(up.on(Event::Sent(0, refused()), at(3))[..], [Action::Forget(_)]));
}

#[test]
fn a_damaged_part_is_sent_again_and_not_for_ever() {
    let (mut up, _) = sending(1, 1);
    let damaged = || Err(PartError::Damaged("ETag".to_owned()));
    for _ in 0..2 {
        assert_eq!(up.on(Event::Sent(0, damaged()), at(2)), [Action::Send(0)]);
    }
    let actions = up.on(Event::Sent(0, damaged()), at(2));
    ends(&up, actions, Ending::Aside("ETag".to_owned()));
}

#[test]
fn early_cuts_mean_a_dead_url_only_once_it_has_some_age() {
    let cut = || Err(PartError::CutEarly(trouble(Cause::Network)));
    let hour = 3600;
    // Young: a bad line. What is finished stays.
    let (mut up, _) = begin(Some(asset(2, &[0], at(0))), 1, at(hour - 10));
    for _ in 0..2 {
        assert_eq!(up.on(Event::Sent(1, cut()), at(hour - 5)), [Action::Send(1)]);
    }
    let actions = up.on(Event::Sent(1, cut()), at(hour - 5));
    ends(&up, actions, Ending::Later(Reason::Network, "why".to_owned(), None));
    // Old: another asset.
    let (mut up, _) = begin(Some(asset(2, &[0], at(0))), 1, at(hour + 10));
    for _ in 0..2 {
        assert_eq!(up.on(Event::Sent(1, cut()), at(hour + 20)), [Action::Send(1)]);
    }
    assert!(matches!(up.on(Event::Sent(1, cut()), at(hour + 20))[..], [Action::Forget(_)]));
    // Something went through in between: the URL works.
    let (mut up, _) = begin(Some(asset(3, &[], at(0))), 1, at(hour + 10));
    for n in 0..2 {
        let _ = up.on(Event::Sent(n, cut()), at(hour + 20));
        let _ = up.on(Event::Sent(n, cut()), at(hour + 20));
        assert!(matches!(up.on(Event::Sent(n, ok()), at(hour + 20))[0], Action::RecordPart(..)));
    }
}

#[test]
fn an_asset_for_a_clip_that_was_taken_away_is_not_a_fault_of_the_disk() {
    let (mut up, _) = Alone::begin(3, None, 1, at(1));
    assert_eq!(up.on(Event::Stop, at(2)), []);
    let actions = up.on(Event::Created(Seq(1), Ok(("a".to_owned(), urls(1)))), at(3));
    assert!(matches!(actions[..], [Action::Record(Seq(2), _)]));
    let actions = up.on(Event::Recorded(Seq(2), false), at(4));
    ends(&up, actions, Ending::Stopped);
}

//= frameio-c2c#6.3
//= type=test
//# costs that part another try
#[test]
fn a_reset_in_the_middle_is_tried_again_at_once_and_not_for_ever() {
    let (mut up, _) = sending(1, 1);
    for _ in 0..2 {
        let actions = up.on(Event::Sent(0, Err(PartError::Transient(trouble(Cause::Network)))), at(2));
        assert_eq!(actions, [Action::Send(0)]);
    }
    let actions = up.on(Event::Sent(0, Err(PartError::Transient(trouble(Cause::Network)))), at(2));
    ends(&up, actions, Ending::Later(Reason::Network, "why".to_owned(), None));
}

#[test]
fn trouble_that_would_only_repeat_itself_ends_the_turn() {
    let wait = Some(Duration::from_secs(40));
    for (t, ending) in [
        (
            Trouble { maybe_applied: false, ..trouble(Cause::Network) },
            Ending::Later(Reason::Network, "why".to_owned(), None),
        ),
        (trouble(Cause::CaptivePortal), Ending::Later(Reason::CaptivePortal, "why".to_owned(), None)),
        (
            Trouble { retry_after: wait, ..trouble(Cause::Provider) },
            Ending::Later(Reason::Provider, "why".to_owned(), wait),
        ),
    ] {
        let (mut up, _) = sending(1, 1);
        let actions = up.on(Event::Sent(0, Err(PartError::Transient(t))), at(2));
        ends(&up, actions, ending);
    }
}

#[test]
fn every_answer_to_a_creation_has_its_ending() {
    for (e, ending) in [
        (CreateError::Unauthorized, Ending::Unauthorized),
        (
            CreateError::RecordedWhilePaused,
            Ending::Failed(
                ItemReason::RecordedWhilePaused,
                "the clip was made while the device was paused in the project".to_owned(),
            ),
        ),
        (CreateError::Refused("no".to_owned()), Ending::Failed(ItemReason::Refused, "no".to_owned())),
        (CreateError::Transient(trouble(Cause::Clock)), Ending::Later(Reason::Clock, "why".to_owned(), None)),
        (CreateError::Storage, Ending::Later(Reason::Storage, String::new(), None)),
    ] {
        let (mut up, _) = begin(None, 4, at(0));
        let actions = up.on(Event::Created(Seq(1), Err(e)), at(1));
        ends(&up, actions, ending);
    }
    let (mut up, _) = begin(None, 4, at(0));
    let actions = up.on(Event::Created(Seq(1), Ok(("a".to_owned(), vec![]))), at(1));
    assert!(matches!(&actions[..], [Action::Finish(Ending::Later(Reason::Provider, ..))]));
}

#[test]
fn a_file_that_changed_fails_after_what_is_in_flight() {
    let (mut up, _) = sending(3, 2);
    let changed = PartError::File(ItemReason::Changed, "shorter".to_owned());
    assert_eq!(up.on(Event::Sent(0, Err(changed)), at(2)), []);
    assert_eq!(up.on(Event::Sent(1, ok()), at(2)), [record(1)]);
    let actions = up.on(Event::PartRecorded(1, true), at(2));
    ends(&up, actions, Ending::Failed(ItemReason::Changed, "shorter".to_owned()));
}

#[test]
fn a_card_that_hangs_ends_the_turn_after_what_is_in_flight_and_costs_no_try() {
    let (mut up, _) = sending(3, 2);
    let hangs = || PartError::NotAnswering("hangs".to_owned());
    assert_eq!(up.on(Event::Sent(0, Err(hangs())), at(2)), []);
    assert_eq!(up.on(Event::Sent(1, ok()), at(2)), [record(1)]);
    let actions = up.on(Event::PartRecorded(1, true), at(2));
    ends(&up, actions, Ending::NotAnswering("hangs".to_owned()));
}

#[test]
fn a_full_disk_ends_the_turn_at_every_write() {
    let storage = || Ending::Later(Reason::Storage, String::new(), None);
    let (mut up, _) = begin(Some(asset(1, &[], at(0))), 1, at(90_000));
    let actions = up.on(Event::Recorded(Seq(1), false), at(90_000));
    ends(&up, actions, storage());

    let (mut up, _) = begin(None, 1, at(0));
    let _ = up.on(Event::Created(Seq(1), Ok(("a".to_owned(), urls(1)))), at(1));
    let actions = up.on(Event::Recorded(Seq(2), false), at(1));
    ends(&up, actions, storage());

    let (mut up, _) = sending(3, 2);
    let _ = up.on(Event::Sent(0, ok()), at(2));
    assert_eq!(up.on(Event::PartRecorded(0, false), at(2)), []);
    assert_eq!(up.on(Event::Sent(1, ok()), at(2)), [record(1)], "no new part is begun");
    assert_eq!(up.on(Event::Sent(2, ok()), at(2)), [record(2)]);
    let _ = up.on(Event::PartRecorded(1, true), at(2));
    let actions = up.on(Event::PartRecorded(2, true), at(2));
    ends(&up, actions, storage());
}

#[test]
fn a_stop_ends_every_state_and_nothing_is_made_twice() {
    let (mut up, _) = begin(None, 1, at(0));
    assert_eq!(up.on(Event::Stop, at(1)), [], "the asset may exist already: its name is awaited");
    let actions = up.on(Event::Created(Seq(1), Ok(("a".to_owned(), urls(1)))), at(1));
    assert!(matches!(actions[..], [Action::Record(Seq(2), _)]), "and written down");
    assert_eq!(up.on(Event::Stop, at(1)), []);
    let actions = up.on(Event::Recorded(Seq(2), true), at(1));
    ends(&up, actions, Ending::Stopped);

    let (mut up, _) = begin(None, 1, at(0));
    let _ = up.on(Event::Stop, at(1));
    let actions = up.on(Event::Created(Seq(1), Err(CreateError::Unauthorized)), at(1));
    ends(&up, actions, Ending::Stopped);

    let (mut up, _) = begin(Some(asset(1, &[], at(0))), 1, at(90_000));
    assert_eq!(up.on(Event::Stop, at(90_000)), []);
    let actions = up.on(Event::Recorded(Seq(1), true), at(90_000));
    ends(&up, actions, Ending::Stopped);

    let (mut up, _) = sending(3, 1);
    assert_eq!(up.on(Event::Stop, at(2)), []);
    assert_eq!(up.on(Event::Sent(0, ok()), at(2)), [record(0)]);
    let actions = up.on(Event::PartRecorded(0, true), at(2));
    ends(&up, actions, Ending::Stopped);

    let (mut up, _) = sending(3, 2);
    assert_eq!(up.on(Event::Sent(0, Err(dead())), at(2)), []);
    assert_eq!(up.on(Event::Stop, at(2)), [], "a stop goes before a new asset");
    let actions = up.on(Event::Sent(1, Err(dead())), at(2));
    ends(&up, actions, Ending::Stopped);
    assert_eq!(up.on(Event::Stop, at(2)), []);
}

/// Turn after turn of one item, with everything going wrong now and then, until it is done.
fn walk(seed: u64) {
    let mut dice = Jitter::new(seed);
    let size = 1 + (dice.unit() * 5000.0) as u64;
    let parallel = (dice.unit() * 5.0) as usize;
    let mut disk: Option<Asset> = None;
    let mut stored: std::collections::BTreeMap<String, BTreeSet<u32>> = Default::default();
    let (mut assets, mut time) = (0, 0);
    let promises = [Promises::FRAMEIO, BUCKET, Promises::OFFSET][(seed % 3) as usize];
    let mut complete = BTreeSet::new();
    for _ in 0..400 {
        time += (dice.unit() * 20_000.0) as u64;
        let (mut up, actions) = Alone::promised(promises, size, disk.clone(), parallel, at(time));
        let mut open: Vec<Action> = actions;
        let mut flying = BTreeSet::new();
        while !up.finished() || !open.is_empty() {
            if dice.unit() < 0.01 {
                break; // killed
            }
            let action = open.swap_remove((dice.unit() * open.len() as f64) as usize % open.len());
            let good = dice.unit() < 0.85;
            let event = match action {
                Action::Create(seq) if good => {
                    assets += 1;
                    let n = 1 + (dice.unit() * 12.0) as usize;
                    Event::Created(seq, Ok((assets.to_string(), urls(n))))
                }
                Action::Create(seq) => {
                    Event::Created(seq, Err(CreateError::Transient(trouble(Cause::Network))))
                }
                Action::Record(seq, asset) => {
                    if good {
                        disk = Some(asset);
                    }
                    Event::Recorded(seq, good)
                }
                Action::Forget(seq) => {
                    if good {
                        disk = None;
                    }
                    Event::Recorded(seq, good)
                }
                Action::Send(n) => {
                    if !flying.contains(&n) {
                        flying.insert(n);
                        // It takes its time, while other things happen.
                        open.push(Action::Send(n));
                        continue;
                    }
                    flying.remove(&n);
                    let id =
                        disk.as_ref().map(|a| a.id.clone()).expect("sent for an asset that is not on disk");
                    let again = open.iter().any(|a| matches!(a, Action::Send(m) if *m == n));
                    assert!(!again, "seed {seed}: two sends of part {n} at once");
                    assert!(up.part(n).is_some());
                    let has = stored.entry(id.clone()).or_default();
                    if promises.in_order {
                        assert!(flying.is_empty(), "seed {seed}: two parts at once");
                        if dice.unit() < 0.02 {
                            let kept = (dice.unit() * f64::from(n)) as u32;
                            has.retain(|part| *part < kept);
                        }
                        let len = has.len() as u64 * disk.as_ref().map_or(0, |asset| asset.chunk_size(size));
                        if (has.len() as u32) < n {
                            open.extend(up.on(Event::Sent(n, Err(PartError::Behind(len))), at(time)));
                            continue;
                        }
                    }
                    let answer = match (dice.unit() * 12.0) as u32 {
                        0 => Err(PartError::Transient(trouble(Cause::Network))),
                        1 => Err(PartError::Transient(trouble(Cause::Provider))),
                        2 if dice.unit() < 0.2 => Err(dead()),
                        _ => ok(),
                    };
                    if answer.is_ok() {
                        stored.entry(id).or_default().insert(n);
                    }
                    Event::Sent(n, answer)
                }
                Action::Rewind(seq, n) => {
                    if let (true, Some(asset)) = (good, &mut disk) {
                        asset.finished.retain(|part| *part < n);
                    }
                    Event::Recorded(seq, good)
                }
                Action::RecordPart(n, _) => {
                    if let (true, Some(asset)) = (good, &mut disk) {
                        assert!(!asset.finished.contains(&n), "a part that was sent again");
                        asset.finished.push(n);
                    }
                    Event::PartRecorded(n, good)
                }
                Action::Complete(seq) => {
                    let id = disk.as_ref().map(|a| a.id.clone()).expect("an asset on disk");
                    let answer = match (dice.unit() * 8.0) as u32 {
                        0 => Err(CreateError::Transient(trouble(Cause::Network))),
                        1 if !complete.contains(&id) => Ok(Completed::Gone("NoSuchUpload".to_owned())),
                        n => {
                            complete.insert(id);
                            if n == 2 {
                                Err(CreateError::Transient(trouble(Cause::Network)))
                            } else {
                                Ok(Completed::Done)
                            }
                        }
                    };
                    Event::Completed(seq, answer)
                }
                Action::Finish(ending) => {
                    assert!(open.is_empty(), "over, and still something under way: {open:?}");
                    if ending == Ending::Done {
                        let asset = disk.expect("done without an asset");
                        assert!(complete.contains(&asset.id) || !promises.completes, "nobody was told");
                        let sent = &stored[&asset.id];
                        let mut next = 0;
                        for n in (0..asset.urls.len() as u32).filter(|n| asset.range(*n, size).is_some()) {
                            assert!(asset.finished.contains(&n), "done, and part {n} is not on record");
                            assert!(sent.contains(&n), "done, and part {n} was never taken");
                            let (from, len) = asset.range(n, size).unwrap();
                            assert_eq!(from, next);
                            next += len;
                        }
                        assert_eq!(next, size);
                        return;
                    }
                    continue;
                }
            };
            open.extend(up.on(event, at(time)));
            if dice.unit() < 0.01 {
                open.extend(up.on(Event::Stop, at(time)));
            }
            assert!(up.finished() || !open.is_empty(), "seed {seed}: stuck in {up:?}");
        }
    }
    panic!("seed {seed}: never done");
}

#[test]
fn whatever_happens_every_byte_is_sent_and_done_means_all_is_on_record() {
    for seed in 0..400 {
        walk(seed);
    }
}

#[test]
fn a_connection_that_ends_early_was_perhaps_not_wanted() {
    const MIB: u64 = 1 << 20;
    let rows = [
        ("nothing has left", 0, 5 * MIB, false, true, true),
        ("a little has left", MIB - 1, 5 * MIB, false, true, true),
        ("much has left", MIB, 5 * MIB, false, true, false),
        ("all but one byte of a small part", 99, 100, false, true, true),
        ("all of a small part", 100, 100, false, true, false),
        ("we held it back", 0, 5 * MIB, true, true, false),
        ("there was no connection", 0, 5 * MIB, false, false, false),
    ];
    for (name, sent, len, held, maybe_applied, early) in rows {
        let t = Trouble { maybe_applied, ..trouble(Cause::Network) };
        let want = if early { PartError::CutEarly(t.clone()) } else { PartError::Transient(t.clone()) };
        assert_eq!(PartError::unanswered(t, sent, len, held), want, "{name}");
    }
}

/// A storage that wants to be told, and whose addresses don't age.
const BUCKET: Promises = Promises::BUCKET;

/// All parts are there; the storage is being told, by this number.
fn told(asset_of: Asset) -> (Upload, Seq) {
    let parts = asset_of.urls.len();
    let done: Vec<u32> = (0..parts as u32).collect();
    let (up, actions) =
        Upload::begin(ItemId(1), SIZE, Some(Asset { finished: done, ..asset_of }), BUCKET, at(100_000));
    let [Action::Complete(seq)] = actions[..] else { panic!("{actions:?}") };
    (up, seq)
}

#[test]
fn a_storage_that_wants_it_is_told_once_everything_is_on_disk() {
    let (mut up, actions) = Upload::begin(ItemId(1), SIZE, Some(asset(2, &[0], at(0))), BUCKET, at(100_000));
    assert_eq!(actions, [], "an address does not age");
    assert_eq!(up.on(Event::Slot, at(100_000)), [Action::Send(1)]);
    let confirmed = Confirmed::default();
    assert_eq!(up.on(Event::Sent(1, Ok(confirmed.clone())), at(100_001)), [Action::RecordPart(1, confirmed)]);
    let actions = up.on(Event::PartRecorded(1, true), at(100_001));
    let [Action::Complete(seq)] = actions[..] else { panic!("{actions:?}") };
    assert!(!up.ready() && !up.finished());
    assert_eq!(up.on(Event::Completed(Seq(seq.0 + 1), Ok(Completed::Done)), at(100_002)), [], "late news");
    assert_eq!(
        up.on(Event::Completed(seq, Ok(Completed::Done)), at(100_002)),
        [Action::Finish(Ending::Done)]
    );
    assert!(up.finished());
}

#[test]
fn what_is_complete_counts_though_somebody_has_stopped_it() {
    let (mut up, seq) = told(asset(2, &[], at(0)));
    assert_eq!(up.on(Event::Stop, at(100_000)), [], "the answer is waited for");
    assert_eq!(
        up.on(Event::Completed(seq, Ok(Completed::Done)), at(100_001)),
        [Action::Finish(Ending::Done)]
    );
    let (mut up, seq) = told(asset(2, &[], at(0)));
    assert_eq!(up.on(Event::Stop, at(100_000)), []);
    let trouble = CreateError::Unauthorized;
    assert_eq!(up.on(Event::Completed(seq, Err(trouble)), at(100_001)), [Action::Finish(Ending::Stopped)]);
}

#[test]
fn an_upload_that_the_storage_has_forgotten_is_begun_anew_once() {
    let (mut up, seq) = told(asset(2, &[], at(0)));
    let gone = || Ok(Completed::Gone("NoSuchUpload".to_owned()));
    let actions = up.on(Event::Completed(seq, gone()), at(100_001));
    let [Action::Forget(seq)] = actions[..] else { panic!("{actions:?}") };
    let actions = up.on(Event::Recorded(seq, true), at(100_001));
    let [Action::Create(seq)] = actions[..] else { panic!("{actions:?}") };
    let made = Ok(("asset".to_owned(), urls(1)));
    let actions = up.on(Event::Created(seq, made), at(100_002));
    let [Action::Record(seq, _)] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(up.on(Event::Recorded(seq, true), at(100_002)), []);
    assert_eq!(up.on(Event::Slot, at(100_002)), [Action::Send(0)]);
    let _ = up.on(Event::Sent(0, Ok(Confirmed::default())), at(100_003));
    let actions = up.on(Event::PartRecorded(0, true), at(100_003));
    let [Action::Complete(seq)] = actions[..] else { panic!("{actions:?}") };
    let actions = up.on(Event::Completed(seq, gone()), at(100_004));
    assert_eq!(actions, [Action::Finish(Ending::Aside("NoSuchUpload".to_owned()))], "not for ever");
}
