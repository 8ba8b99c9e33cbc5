use std::time::Duration;

use super::plan::{LEAST, last_part, part_len, range, start};
use super::*;
use crate::backoff::Jitter;
use crate::oauth::{Cause, Trouble};
use crate::queue::item::PartDigest;
use crate::queue::upload::{Confirmed, CreateError, PartError};

fn at(ms: u64) -> BootTime {
    BootTime(Duration::from_millis(ms))
}

fn url(n: u32) -> Secret {
    Secret::new(format!("https://s3/{n}"))
}

fn trouble() -> Trouble {
    Trouble { cause: Cause::Network, why: "reset".to_owned(), retry_after: None, maybe_applied: true }
}

fn looked(stable: u64, size: Option<u64>) -> Event {
    Event::Looked { stable, size }
}

/// One that may send two parts at once, and whose recorder has written three parts and a byte.
fn begun() -> Growing {
    let mut growing = Growing::new(None);
    assert!(growing.on(Event::Slots(2), at(0)).is_empty());
    assert!(growing.on(Event::May(true), at(0)).is_empty());
    assert_eq!(growing.on(looked(start(3) + 1, None), at(0)), [Action::Create(Seq(1))]);
    assert_eq!(
        growing.on(Event::Created(Seq(1), Ok("a".into())), at(0)),
        [Action::Record(Seq(2), "a".into())]
    );
    growing
}

/// And whose asset is on disk: the second and the third part are being registered.
fn sending() -> Growing {
    let mut growing = begun();
    let parts = [1, 2].map(|n| NewPart { n, len: part_len(n), is_final: false }).to_vec();
    assert_eq!(growing.on(Event::Recorded(Seq(2), true), at(0)), [Action::Register(Seq(3), parts, None)]);
    growing
}

#[test]
fn a_part_is_registered_then_its_address_is_kept_then_it_is_put_and_then_it_counts() {
    let mut growing = sending();
    assert_eq!(
        growing.on(Event::Registered(Seq(3), Ok(vec![url(1), url(2)])), at(0)),
        [Action::Keep(Seq(4))]
    );
    let sends = growing.on(Event::Recorded(Seq(4), true), at(0));
    assert_eq!(sends, [Action::Send(1), Action::Send(2)], "the first part waits for the end");
    assert_eq!(growing.part(2).unwrap(), (&url(2), start(2), part_len(2)));
    let confirmed = Confirmed { etag: "e".into(), digest: None };
    assert_eq!(
        growing.on(Event::Sent(2, Ok(confirmed.clone())), at(0)),
        [Action::RecordPart(2, part_len(2), confirmed)]
    );
    assert!(growing.on(Event::PartRecorded(2, true), at(0)).is_empty(), "nothing more is whole");
    assert!(growing.part(2).is_none() && growing.part(1).is_some());
}

#[test]
fn nothing_is_begun_that_may_not_be() {
    let enough = start(2) + 1;
    for (may, slots, stable, begins) in [
        (true, 2, enough, true),
        // Asked for all the same: parts wait for the line.
        (true, 0, enough, true),
        (true, 2, enough - 1, false),
        (false, 2, enough, false),
    ] {
        let mut growing = Growing::new(None);
        let _ = growing.on(Event::Slots(slots), at(0));
        let _ = growing.on(Event::May(may), at(0));
        let actions = growing.on(looked(stable, None), at(0));
        assert_eq!(!actions.is_empty(), begins, "{may} {slots} {stable}: {actions:?}");
    }
}

#[test]
fn what_can_t_go_on_goes_the_usual_way() {
    let refused = || CreateError::Refused("no".into());
    type Case = (&'static str, fn() -> Growing, Event);
    let cases: [Case; 7] = [
        ("over before it was begun", || Growing::new(None), looked(10, Some(10))),
        ("the disk takes nothing", begun, Event::Recorded(Seq(2), false)),
        ("refused", sending, Event::Registered(Seq(3), Err(CreateError::Refused("no".into())))),
        ("shorter", sending, looked(0, Some(start(3)))),
        ("longer than", sending, looked(0, Some(LONGEST + 1))),
        ("gone", sending, Event::Gone),
        (
            "refused",
            || {
                let mut growing = Growing::new(None);
                let _ = growing.on(Event::May(true), at(0));
                let _ = growing.on(looked(start(3), None), at(0));
                growing
            },
            Event::Created(Seq(1), Err(refused())),
        ),
    ];
    for (name, made, event) in cases {
        let mut growing = made();
        let mut actions = growing.on(event, at(0));
        // What is under way is heard first.
        let late = CreateError::Transient(trouble());
        actions.extend(growing.on(Event::Registered(Seq(3), Err(late)), at(0)));
        let gone = matches!(&actions[..], [Action::Finish(Ending::Gone)]);
        let usual = matches!(&actions[..], [Action::Finish(Ending::UsualWay(_))]);
        assert!(growing.finished() && if name == "gone" { gone } else { usual }, "{name}: {actions:?}");
    }
}

#[test]
fn a_token_that_is_refused_is_reported_once_and_another_goes_on() {
    let mut growing = sending();
    let refused = growing.on(Event::Registered(Seq(3), Err(CreateError::Unauthorized)), at(0));
    assert_eq!(refused, [Action::ReportRefused]);
    assert!(growing.on(looked(start(9), None), at(1)).is_empty());
    let again = growing.on(Event::May(true), at(2));
    assert!(matches!(&again[..], [Action::Register(Seq(4), parts, None)] if parts.len() == 4), "{again:?}");
}

#[test]
fn trouble_is_tried_again_later_and_later() {
    let (mut growing, mut now, mut last) = (sending(), 0, Duration::ZERO);
    for n in 3..20 {
        let late = CreateError::Transient(trouble());
        assert!(growing.on(Event::Registered(Seq(n), Err(late)), at(now)).is_empty());
        let due = growing.deadline().unwrap();
        let wait = due.since(at(now));
        assert!(wait >= last && wait <= Duration::from_secs(60), "{wait:?}");
        assert!(growing.on(Event::Timer, at(now)).is_empty(), "not yet");
        now = u64::try_from(due.0.as_millis()).unwrap();
        assert!(matches!(growing.on(Event::Timer, due)[..], [Action::Register(..)]));
        last = wait;
    }
    assert_eq!(last, Duration::from_secs(60));
}

#[test]
fn a_recorder_that_goes_on_after_the_clip_was_told_to_be_whole_makes_another_version() {
    let kept = Kept {
        asset_id: "a".into(),
        urls: [(0, url(0))].into(),
        confirmed: [1].into(),
        closed: Some(start(1) + 9),
    };
    let mut growing = Growing::new(Some(kept));
    let _ = growing.on(Event::Slots(1), at(0));
    assert!(growing.on(Event::May(true), at(0)).is_empty(), "not known yet whether it is done");
    assert!(growing.on(looked(start(2), None), at(0)).is_empty(), "it goes on");
    let over = growing.on(looked(start(2), Some(start(2))), at(0));
    assert!(matches!(&over[..], [Action::Finish(Ending::UsualWay(_))]), "{over:?}");
}

/// A cloud and a disk that hold what they are told, a recorder that writes, and rewrites, and a line that fails.
struct World {
    dice: Jitter,
    growing: Growing,
    now: u64,
    /// Each byte's generation, for ranges of a MiB: what a recorder wrote there last.
    file: Vec<u64>,
    writes: u64,
    target: usize,
    done: bool,
    registered: BTreeMap<u32, (u64, bool)>,
    put: BTreeMap<u32, Vec<u64>>,
    total: Option<u64>,
    kept: Option<Kept>,
    digests: BTreeMap<u32, Vec<u64>>,
    waiting: Vec<Action>,
    ended: Option<Ending>,
    restarts: u32,
    resent: u32,
    calm: bool,
}

const MIB: u64 = 1 << 20;

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Jitter::new(seed);
        let target = 1 + (dice.unit() * 60.0) as usize;
        World {
            dice,
            growing: Growing::new(None),
            now: 0,
            file: Vec::new(),
            writes: 0,
            target,
            done: false,
            registered: BTreeMap::new(),
            put: BTreeMap::new(),
            total: None,
            kept: None,
            digests: BTreeMap::new(),
            waiting: Vec::new(),
            ended: None,
            restarts: 0,
            resent: 0,
            calm: false,
        }
    }

    fn chance(&mut self, p: f64) -> bool {
        self.dice.unit() < p
    }

    fn size(&self) -> u64 {
        self.file.len() as u64 * MIB
    }

    /// What lies in a range: enough to tell one content from another.
    fn bytes(&self, from: u64, len: u64) -> Vec<u64> {
        let (first, last) = (from / MIB, (from + len - 1) / MIB);
        (first..=last).map(|mib| self.file[mib as usize]).collect()
    }

    fn event(&mut self, event: Event) {
        let actions = self.growing.on(event, at(self.now));
        self.waiting.extend(actions);
    }

    fn look(&mut self) {
        let size = self.done.then(|| self.size());
        self.event(looked(self.size(), size));
    }

    fn step(&mut self) {
        self.now += 300;
        if !self.done {
            self.record();
        }
        if self.chance(0.3) || self.calm {
            self.look();
        }
        if !self.calm && self.chance(0.03) {
            return self.restart();
        }
        if !self.calm && self.chance(0.05) {
            let may = self.chance(0.5);
            self.event(Event::May(may));
        }
        if self.growing.deadline().is_some_and(|due| due <= at(self.now)) {
            self.event(Event::Timer);
        }
        if !self.waiting.is_empty() {
            let n = (self.dice.unit() * self.waiting.len() as f64) as usize;
            let action = self.waiting.swap_remove(n);
            self.perform(action);
        }
    }

    fn record(&mut self) {
        self.writes += 1;
        if self.file.len() < self.target {
            self.file.push(self.writes);
        }
        if self.chance(0.02) && !self.file.is_empty() {
            // Somewhere in what was written, mostly in the header.
            let anywhere = (self.dice.unit() * self.file.len() as f64) as usize;
            let place = if self.chance(0.7) { 0 } else { anywhere };
            self.file[place] = self.writes;
        }
        if self.file.len() == self.target && self.chance(0.2) {
            self.file[0] = self.writes;
            self.done = true;
        }
    }

    /// What was not on disk is gone. What was under way may have happened.
    fn restart(&mut self) {
        self.restarts += 1;
        for action in std::mem::take(&mut self.waiting) {
            match action {
                Action::Register(_, parts, size) if self.chance(0.5) => drop(self.register(&parts, size)),
                Action::Send(n) if self.chance(0.5) => drop(self.store(n)),
                Action::Finish(ending) => self.ended = Some(ending),
                Action::Register(..)
                | Action::Send(_)
                | Action::Create(_)
                | Action::Record(..)
                | Action::Keep(_)
                | Action::RecordPart(..)
                | Action::Compare(_)
                | Action::Drop(_)
                | Action::ReportRefused => {}
            }
        }
        if self.ended.is_none() {
            self.growing = Growing::new(self.kept.clone());
            self.event(Event::Slots(2));
            self.event(Event::May(true));
        }
    }

    fn fails(&mut self) -> bool {
        !self.calm && self.chance(0.1)
    }

    fn register(&mut self, parts: &[NewPart], size: Option<u64>) -> Vec<Secret> {
        assert_eq!(size.is_some(), parts.iter().any(|part| part.is_final));
        for part in parts {
            assert!(part.is_final || part.len >= LEAST, "{part:?}");
            match self.registered.get(&part.n) {
                Some(before) => assert_eq!(*before, (part.len, part.is_final), "again, and otherwise"),
                None => assert!(self.total.is_none(), "after the last"),
            }
            self.registered.insert(part.n, (part.len, part.is_final));
        }
        if let Some(size) = size {
            assert_eq!(self.registered.values().map(|(len, _)| len).sum::<u64>(), size);
            assert!(self.total.is_none_or(|told| told == size));
            self.total = Some(size);
        }
        parts.iter().map(|part| url(part.n)).collect()
    }

    fn store(&mut self, n: u32) -> Vec<u64> {
        let (len, _) = self.registered[&n];
        let bytes = self.bytes(start(n), len);
        self.resent += u32::from(self.put.insert(n, bytes.clone()).is_some());
        bytes
    }

    fn perform(&mut self, action: Action) {
        let fails = self.fails();
        match action {
            Action::Create(seq) => {
                let failed = || Err(CreateError::Transient(trouble()));
                self.event(Event::Created(seq, if fails { failed() } else { Ok("a".into()) }));
            }
            Action::Record(seq, asset_id) => {
                // A disk that takes nothing ends it; tried in a table.
                self.kept = Some(Kept { asset_id, ..Kept::default() });
                self.event(Event::Recorded(seq, true));
            }
            Action::Register(seq, parts, size) => {
                let late = CreateError::Transient(trouble());
                let answer = if fails { Err(late) } else { Ok(self.register(&parts, size)) };
                self.event(Event::Registered(seq, answer));
            }
            Action::Keep(seq) => {
                if !fails {
                    let kept = self.kept.as_mut().unwrap();
                    kept.urls = self.growing.urls().clone();
                    kept.closed = self.growing.closed();
                }
                self.event(Event::Recorded(seq, !fails));
            }
            Action::Send(n) => self.send(n, fails),
            Action::RecordPart(n, len, confirmed) => self.record_part(n, len, confirmed, fails),
            Action::Compare(seq) => {
                let differs = |(n, was): (&u32, &Vec<u64>)| {
                    let (from, len) = (start(*n), self.registered[n].0);
                    (self.bytes(from, len) != *was).then_some(*n)
                };
                let changed = self.digests.iter().filter_map(differs).collect();
                self.event(Event::Compared(seq, Ok(changed)));
            }
            Action::Drop(n) => {
                if !fails {
                    self.kept.as_mut().unwrap().confirmed.remove(&n);
                    self.digests.remove(&n);
                }
                self.event(Event::Dropped(n, !fails));
            }
            Action::ReportRefused => unreachable!("no token is refused here"),
            Action::Finish(ending) => self.ended = Some(ending),
        }
    }

    fn send(&mut self, n: u32, fails: bool) {
        let kept = self.kept.as_ref().unwrap();
        assert!(kept.urls.contains_key(&n), "part {n} has no address on disk");
        let others_wait = self.registered.keys().any(|other| *other != 0 && !kept.confirmed.contains(other));
        assert!(n != 0 || (self.done && !others_wait), "the first part goes last");
        let answer = match fails {
            true if self.chance(0.5) => Err(PartError::UrlDead("expired".into())),
            true => Err(PartError::Transient(trouble())),
            false => {
                let bytes = self.store(n);
                // What was read is what is noted; a number stands for it.
                self.digests.insert(n, bytes);
                Ok(Confirmed { etag: String::new(), digest: Some(PartDigest::default()) })
            }
        };
        self.event(Event::Sent(n, answer));
    }

    fn record_part(&mut self, n: u32, len: u64, confirmed: Confirmed, fails: bool) {
        assert!(confirmed.digest.is_some());
        assert_eq!(len, self.registered[&n].0);
        if fails {
            self.digests.remove(&n);
        } else {
            let kept = self.kept.as_mut().unwrap();
            kept.confirmed.insert(n);
            kept.urls.remove(&n);
        }
        self.event(Event::PartRecorded(n, !fails));
    }

    /// It is as the file is, or it went the usual way for a reason.
    fn judge(&self, seed: u64) {
        let why = format!("seed {seed}: {:?} in {:?}", self.ended, self.growing);
        match self.ended.as_ref().expect(&why) {
            Ending::Done(size) => {
                assert_eq!((Some(*size), *size), (self.total, self.size()), "{why}");
                for n in 0..=last_part(*size) {
                    let (from, len) = range(n, *size);
                    assert_eq!(self.put[&n], self.bytes(from, len), "part {n}, {why}");
                }
            }
            Ending::UsualWay(reason) => {
                let short = reason.contains("before it was begun") || reason == "expired";
                assert!(short, "{why}");
            }
            Ending::Gone => panic!("{why}"),
        }
    }
}

#[test]
fn whatever_happens_a_clip_that_is_whole_in_the_cloud_is_the_clip() {
    let (mut done, mut usual, mut restarts, mut resent) = (0, 0, 0, 0);
    for seed in 0..3_000 {
        let mut world = World::new(seed);
        world.event(Event::Slots(2));
        world.event(Event::May(true));
        for _ in 0..400 {
            if world.ended.is_some() {
                break;
            }
            world.step();
        }
        world.calm = true;
        world.done = true;
        world.event(Event::May(true));
        let mut left = 5_000;
        while world.ended.is_none() {
            left -= 1;
            assert!(left > 0, "seed {seed} never ends: {:?}", world.growing);
            world.step();
        }
        world.judge(seed);
        done += u32::from(matches!(world.ended, Some(Ending::Done(_))));
        usual += u32::from(matches!(world.ended, Some(Ending::UsualWay(_))));
        (restarts, resent) = (restarts + world.restarts, resent + world.resent);
    }
    assert!(
        done > 1_000 && usual > 100 && restarts > 3_000 && resent > 500,
        "{done} {usual} {restarts} {resent}"
    );
}
