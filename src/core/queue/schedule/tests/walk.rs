//! A queue's life in random steps: a cloud that fails in every way it can, a disk that is sometimes full, cards that are
//! pulled and clips that change, people who change their minds, takes, pairings, restarts. After every step the rules
//! that must always hold are held against what the cloud, the disk and the people really know. In the end all trouble
//! is over, and everything that can go must go.
mod outside;
mod people;
mod rules;
mod world;

use std::collections::VecDeque;

use super::*;
use world::{Cloud, Command, Disk, Faults, Job, Row, Take, UNREAD, is_left, number, shot};

/// A clip in trouble of its own comes back after an hour at most; a provider names ten minutes.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);
const PROJECTS: [&str; 3] = ["p", "q", "r"];
/// What the order of turns allows besides the slots.
const EXTRA_SLOTS: usize = 2;
const OVERTAKEN: usize = 16;

/// How far an item is that was claimed.
#[derive(Debug, PartialEq)]
enum Stage {
    Claimed,
    Comparing,
    Turn,
    Looking,
    Ending(End),
    /// The disk could not write it.
    Kept(End),
}

/// What is on its way outside of the disk.
#[derive(Debug)]
enum Call {
    Create {
        id: ItemId,
        seq: Seq,
        token: AccessToken,
    },
    Part {
        id: ItemId,
        n: u32,
        asset: String,
    },
    Complete {
        id: ItemId,
        seq: Seq,
        asset: String,
        token: AccessToken,
    },
    Look(ItemId),
    Compare(ItemId, ItemId, bool),
    /// What the disk has done, and says only now.
    Disk(Box<Job>, Box<Event>),
    /// The provider's next token, after one was refused.
    Renewed,
    /// Somebody has waited long enough for this item's card.
    Marked(ItemId),
}

#[derive(Debug, Default)]
struct Tally {
    done: u32,
    failed: u32,
    unwritten: u32,
    cut: u32,
    refused: u32,
    restarts: u32,
    pauses: u32,
    asides: u32,
    cards: u32,
    finished: u32,
    away: u32,
    compared: u32,
    as_is: u32,
    torn: u32,
    completed: u32,
    lost: u32,
}

struct Walk {
    dice: Jitter,
    s: Schedule,
    now: Now,
    options: Options,
    cloud: Cloud,
    disk: Disk,
    faults: Faults,
    access: Option<Access>,
    refused: BTreeSet<usize>,
    recording: bool,
    /// Pauses that somebody waits for the answer to.
    pauses: usize,
    /// Items that people are taking off.
    cancelled: Vec<ItemId>,
    stopping: bool,
    jobs: VecDeque<Job>,
    job_done: Option<BootTime>,
    calls: Vec<(BootTime, Call)>,
    stages: BTreeMap<ItemId, Stage>,
    /// A last look at this one has just shown that it was written on and taken away.
    torn: Option<ItemId>,
    reading: bool,
    claiming: bool,
    last_create: Option<BootTime>,
    /// Steps in this moment.
    still: u32,
    /// All trouble is over.
    calm: bool,
    tally: Tally,
}

/// Each kind of storage has its lives: with addresses that age, that wants to be told, and with one offset that grows.
fn options_of(seed: u64) -> Options {
    let promises = [Promises::FRAMEIO, Promises::BUCKET, Promises::OFFSET][(seed % 3) as usize];
    Options { promises, ..options(SLOTS) }
}

impl Walk {
    fn new(seed: u64, tally: Tally) -> Walk {
        let options = options_of(seed);
        let mut walk = Walk {
            dice: Jitter::new(seed),
            s: Schedule::new(options, seed),
            now: at(1000),
            options,
            cloud: Cloud::default(),
            disk: Disk::default(),
            faults: Faults::default(),
            access: None,
            refused: BTreeSet::new(),
            recording: false,
            pauses: 0,
            cancelled: Vec::new(),
            stopping: false,
            jobs: VecDeque::new(),
            job_done: None,
            calls: Vec::new(),
            stages: BTreeMap::new(),
            torn: None,
            reading: false,
            claiming: false,
            last_create: None,
            still: 0,
            calm: false,
            tally,
        };
        walk.event(Event::Started);
        walk
    }

    fn chance(&mut self, p: f64) -> bool {
        self.dice.unit() < p
    }

    fn pick(&mut self, of: usize) -> usize {
        ((self.dice.unit() * of as f64) as usize).min(of - 1)
    }

    fn seconds(&mut self, most: f64) -> Duration {
        Duration::from_secs_f64(0.001 + self.dice.unit() * most)
    }

    fn event(&mut self, event: Event) {
        for action in self.s.on(event, self.now) {
            self.perform(action);
        }
        self.rules();
    }

    fn perform(&mut self, action: Action) {
        match &action {
            Action::Claim { project, but, .. } => {
                assert!(!std::mem::replace(&mut self.claiming, true), "two claims");
                assert!(!self.held(), "claims while held");
                let access = self.access.as_ref().expect("claims without access");
                assert!(access.project_id == *project && !access.paused, "claims for another project");
                assert!(!self.refused.contains(&number(&access.token)), "claims with a refused token");
                assert!(self.stages.keys().all(|id| but.contains(id)), "may claim what has a turn");
                assert!(
                    self.cancelled.iter().all(|id| but.contains(id)),
                    "may claim what is being cancelled"
                );
                self.job(Job::Machine(action));
            }
            Action::Read => {
                assert!(!std::mem::replace(&mut self.reading, true), "two readings");
                self.job(Job::Machine(action));
            }
            Action::Resume => {
                assert!(self.stages.is_empty(), "takes turns away");
                self.job(Job::Machine(action));
            }
            Action::Record(id, ..) | Action::Forget(id, _) | Action::Rewind(id, ..) => {
                assert_eq!(self.stages.get(id), Some(&Stage::Turn));
                self.job(Job::Machine(action));
            }
            Action::RecordPart { id, asset_id, n, .. } => {
                assert_eq!(self.stages.get(id), Some(&Stage::Turn));
                let stored = &self.cloud.assets[asset_id];
                assert!(stored.item == *id && stored.received.contains(n), "recorded, and not in the cloud");
                self.job(Job::Machine(action));
            }
            Action::WriteEnd(end) => self.end(end.clone()),
            Action::Compare(id, with) => {
                let stage = self.stages.insert(*id, Stage::Comparing);
                assert_eq!(stage, Some(Stage::Claimed), "compares what was not claimed");
                let comparing = self.stages.values().filter(|s| **s == Stage::Comparing).count();
                assert!(comparing <= 2 + 1, "compares {comparing} at once");
                self.tally.compared += 1;
                let later = self.now.boot + self.seconds(30.0);
                self.calls.push((later, Call::Compare(*id, *with, false)));
            }
            Action::SendAsItIs(_) => {
                self.tally.as_is += 1;
                self.job(Job::Machine(action));
            }
            Action::Began(id) => {
                let stage = self.stages.insert(*id, Stage::Turn);
                assert!(
                    matches!(stage, Some(Stage::Claimed | Stage::Comparing)),
                    "a turn that was not claimed"
                );
                assert!(!self.held(), "a turn begins while held");
            }
            Action::Create { id, seq, at, token } => self.create(*id, *seq, *at, token.clone()),
            Action::Send { id, n, .. } => self.send(*id, *n),
            Action::Complete { id, seq, token } => self.complete(*id, *seq, token.clone()),
            Action::Cut(id) => self.cut(*id),
            Action::LookAgain(item) => {
                let stage = self.stages.insert(item.id, Stage::Looking);
                assert_eq!(stage, Some(Stage::Turn));
                let soon = self.now.boot + self.seconds(0.2);
                self.calls.push((soon, Call::Look(item.id)));
            }
            Action::Postponed(p) => {
                assert!(self.stages.contains_key(&p.id));
                self.tally.asides += u32::from(p.alone);
                if p.reason == ItemReason::NotAnswering {
                    self.tally.cards += 1;
                    let later = self.now.boot + self.seconds(10.0);
                    self.calls.push((later, Call::Marked(p.id)));
                }
            }
            Action::ReportRefused(token) => {
                self.tally.refused += 1;
                self.refused.insert(number(token));
                let later = self.now.boot + self.seconds(60.0);
                self.calls.push((later, Call::Renewed));
            }
        }
    }

    /// The next thing that happens by itself; false where nothing does.
    fn step(&mut self) -> bool {
        if self.stopping && !self.s.busy() {
            self.restart();
        }
        let call = (0..self.calls.len()).min_by_key(|i| self.calls[*i].0);
        let call_at = call.map(|i| self.calls[i].0);
        let times = [call_at, self.job_done, self.s.deadline()];
        let Some(next) = times.iter().flatten().min().copied() else { return false };
        self.still = if next > self.now.boot { 0 } else { self.still + 1 };
        assert!(self.still < 200, "busy without getting anywhere: {:?}", self.s);
        self.now.boot = self.now.boot.max(next);
        if self.job_done == Some(next) {
            self.disk_answers();
        } else if let Some(i) = call.filter(|_| call_at == Some(next)) {
            let (_, call) = self.calls.swap_remove(i);
            self.called(call);
        } else {
            self.event(Event::Timer);
            let later = self.s.deadline().is_none_or(|at| at > self.now.boot);
            assert!(later, "a timer that gets nowhere: {:?}", self.s);
        }
        true
    }

    /// All trouble ends, and nobody holds anything.
    fn calm(&mut self) {
        self.calm = true;
        if self.stopping {
            self.restart();
        }
        self.faults = Faults::default();
        self.options = Options { promises: self.options.promises, ..options(SLOTS) };
        self.event(Event::Options(self.options));
        self.cloud.assets.values_mut().for_each(|a| a.dead = false);
        self.disk.silent.clear();
        self.event(Event::CardsChanged);
        self.jobs.push_back(Job::Command(Command::Bind("p".to_owned())));
        self.next_job();
        self.ask(Command::Record(false));
        self.ask(Command::Pause(false));
    }

    /// What can go now: its file is there as it was queued, or is taken as it is.
    fn can_go(&self) -> BTreeSet<ItemId> {
        let rows = self.disk.rows.values().filter(|r| is_left(r.item.state));
        let ours = rows.filter(|r| r.item.clip.project_id.as_deref() == Some("p"));
        let looks = |r: &&Row| self.disk.look(r.item.id);
        let same = ours.filter(|r| looks(r).is_ok_and(|seen| seen.relation.is_the_same_file()));
        same.map(|r| r.item.id).collect()
    }
}

fn walk(seed: u64, tally: Tally) -> Tally {
    let mut walk = Walk::new(seed, tally);
    walk.paired("p");
    for _ in 0..3000 {
        if walk.chance(0.12) || !walk.step() {
            walk.chaos();
        }
    }
    walk.calm();
    let (until, mut wanted) = (walk.now.boot + PATIENCE, None);
    while walk.now.boot < until {
        let more = walk.step();
        // As soon as the last command is on disk.
        if wanted.is_none() && walk.jobs.is_empty() {
            wanted = Some(walk.can_go());
        }
        if !more {
            break;
        }
    }
    assert!(walk.now.boot < until, "seed {seed}: it never comes to rest: {:?}", walk.s);
    for id in wanted.expect("the commands are on disk") {
        let state = walk.disk.rows[&id].item.state;
        assert_eq!(state, ItemState::Done, "seed {seed}: {id} could have gone: {:?}", walk.s);
        walk.tally.finished += 1;
    }
    let left = walk.disk.rows.values().filter(|r| is_left(r.item.state)).count();
    assert_eq!(left, 0, "seed {seed}: left behind: {:?}", walk.s);
    assert!(walk.s.at_rest() && walk.s.deadline().is_none() && walk.stages.is_empty(), "seed {seed}");
    let over = |id| walk.disk.rows.get(id).is_none_or(|r: &Row| r.item.state != ItemState::Held);
    let remembered: Vec<_> =
        walk.s.seen.keys().filter(|id| over(id)).map(|id| walk.disk.rows.get(id)).collect();
    assert!(remembered.is_empty(), "seed {seed}: remembers what is over: {remembered:?}");
    walk.tally
}

#[test]
fn whatever_happens_the_rules_hold_and_what_can_go_goes() {
    let mut total = Tally::default();
    for seed in 0..96 {
        total = walk(seed, total);
    }
    // It went everywhere.
    assert!(total.done > 4000 && total.failed > 200 && total.unwritten > 300, "{total:?}");
    assert!(total.cut > 400 && total.refused > 500 && total.restarts > 500, "{total:?}");
    assert!(total.pauses > 1000 && total.asides > 300 && total.finished > 1000, "{total:?}");
    assert!(total.cards > 200 && total.away > 300 && total.compared > 40 && total.as_is > 300, "{total:?}");
    assert!(total.torn > 0 && total.completed > 1000 && total.lost > 100, "{total:?}");
}
