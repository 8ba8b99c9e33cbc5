//! A queue's life in random steps: a cloud that fails in every way it can, a disk that is sometimes full, cards that are
//! pulled and clips that change, people who change their minds, takes, pairings, restarts. After every step the rules
//! that must always hold are held against what the cloud, the disk and the people really know. In the end all trouble
//! is over, and everything that can go must go.
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

impl Walk {
    fn new(seed: u64, tally: Tally) -> Walk {
        let options = Options { slots: SLOTS, settle: SETTLE, usable: true };
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

    fn rules(&self) {
        let in_flight: usize = self.s.turns().map(|t| t.upload.in_flight()).sum();
        let turns = self.s.turns().count();
        assert!(
            turns <= self.options.slots.max(SLOTS + 2) + EXTRA_SLOTS + OVERTAKEN,
            "{turns} files are open"
        );
        let parts = self.calls.iter().filter(|(_, call)| matches!(call, Call::Part { .. })).count();
        assert_eq!(parts, in_flight, "a part that nobody waits for, or one that is not sent");
        for turn in self.s.turns() {
            assert_eq!(self.stages.get(&turn.item.id), Some(&Stage::Turn), "{}", turn.item.id);
        }
        assert_eq!(self.s.claim.is_some(), self.claiming);
        let ending = |s: &Stage| !matches!(s, Stage::Kept(_));
        let busy = self.claiming || self.stages.values().any(ending);
        assert_eq!(self.s.busy(), busy, "{:?}", self.stages);
        if self.stopping {
            assert_eq!(self.s.deadline(), None);
        }
    }

    /// Nothing may begin to leave now.
    fn held(&self) -> bool {
        self.recording || self.disk.paused || self.pauses > 0 || self.stopping
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
            Action::Record(id, ..) | Action::Forget(id, _) => {
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

    fn end(&mut self, end: End) {
        let stage = self.stages.insert(end.id, Stage::Ending(end.clone()));
        match &stage {
            Some(Stage::Claimed | Stage::Comparing | Stage::Turn | Stage::Looking) => {}
            Some(Stage::Kept(kept)) => assert_eq!(*kept, end, "another end than the one that was kept"),
            Some(Stage::Ending(_)) | None => panic!("a second end: {end:?}"),
        }
        assert!(self.torn != Some(end.id) || end.to != ItemState::Done, "what was torn is called sent");
        let is_copy = stage == Some(Stage::Comparing);
        assert!(
            is_copy || end.reason != ItemReason::Duplicate || end.to == ItemState::Queued,
            "a copy of nothing"
        );
        let row = self.disk.rows.get(&end.id).filter(|_| !is_copy);
        if let (ItemState::Done, Some(row)) = (end.to, row.filter(|r| r.item.state == ItemState::Uploading)) {
            let stored = &self.cloud.assets[&row.item.asset_id];
            assert!((0..stored.parts).all(|n| {
                let all = row.asset.as_ref().is_some_and(|a| a.finished.contains(&n));
                let nothing =
                    row.asset.as_ref().is_some_and(|a| a.range(n, row.item.clip.facts.size).is_none());
                nothing || (all && stored.received.contains(&n))
            }));
            assert_eq!(Some(&stored.project), row.item.clip.project_id.as_ref(), "in another project");
        }
        self.job(Job::Machine(Action::WriteEnd(end)));
    }

    fn create(&mut self, id: ItemId, seq: Seq, at: BootTime, token: AccessToken) {
        assert_eq!(self.stages.get(&id), Some(&Stage::Turn));
        assert!(!self.stopping && !self.disk.paused && self.pauses == 0, "asks for an asset while paused");
        assert!(at >= self.now.boot && self.access.as_ref().is_some_and(|a| a.token == token));
        let project = Some(self.cloud.tokens[number(&token)].as_str());
        assert_eq!(self.s.turn(id).unwrap().item.clip.project_id.as_deref(), project, "another's token");
        let paced = self.last_create.replace(at).is_none_or(|last| at >= last + Duration::from_millis(250));
        assert!(paced, "assets are asked for too fast");
        let twice = |(_, c): &(BootTime, Call)| matches!(c, Call::Create { id: of, .. } if *of == id);
        assert!(!self.calls.iter().any(twice), "two assets for one clip");
        let at = at + self.seconds(8.0);
        self.calls.push((at, Call::Create { id, seq, token }));
    }

    fn send(&mut self, id: ItemId, n: u32) {
        assert!(!self.held(), "sends while held");
        assert!(!self.cancelled.contains(&id), "sends what is cancelled");
        assert_eq!(self.stages.get(&id), Some(&Stage::Turn));
        let turn = self.s.turn(id).expect("a part of no turn");
        let other =
            self.access.as_ref().is_some_and(|a| turn.item.clip.project_id.as_ref() != Some(&a.project_id));
        assert!(!other, "sends what is another project's");
        let row = self.disk.rows.get(&id).filter(|r| r.item.state == ItemState::Uploading);
        if let Some(asset) = row.and_then(|r| r.asset.as_ref()) {
            assert_eq!(asset.id, turn.item.asset_id, "the asset is not the one on disk");
            assert!(!asset.finished.contains(&n), "sends a part that is confirmed");
        }
        let asset = turn.item.asset_id.clone();
        assert_eq!(self.cloud.assets[&asset].item, id);
        let twice =
            |(_, c): &(BootTime, Call)| matches!(c, Call::Part { id: of, n: m, .. } if (*of, *m) == (id, n));
        assert!(!self.calls.iter().any(twice), "one part twice at once");
        let parts = self.calls.iter().filter(|(_, c)| matches!(c, Call::Part { .. })).count();
        assert!(parts < self.options.slots + EXTRA_SLOTS, "too many parts at once");
        let at = self.now.boot + self.seconds(20.0);
        self.calls.push((at, Call::Part { id, n, asset }));
    }

    /// What is in flight of it ends now; what the cloud was asked for is heard out.
    fn cut(&mut self, id: ItemId) {
        let now = self.now.boot;
        for (at, call) in &mut self.calls {
            if let Call::Compare(of, _, stopped) = call
                && *of == id
            {
                (*at, *stopped) = (now, true);
            }
            if matches!(call, Call::Part { id: of, .. } if *of == id) {
                (*at, self.tally.cut) = (now, self.tally.cut + 1);
                // Nobody knows what arrived of it.
                if let Call::Part { asset, .. } = call {
                    asset.clear();
                }
            }
        }
    }

    /// All parts in flight that satisfy this have been let go.
    fn all_cut(&self, which: impl Fn(ItemId) -> bool) -> bool {
        let flows = |c: &Call| matches!(c, Call::Part { id, asset, .. } if which(*id) && !asset.is_empty());
        !self.calls.iter().any(|(_, c)| flows(c))
    }

    fn job(&mut self, job: Job) {
        self.jobs.push_back(job);
        self.next_job();
    }

    fn next_job(&mut self) {
        if self.job_done.is_none() && !self.jobs.is_empty() {
            self.job_done = Some(self.now.boot + self.seconds(0.3));
        }
    }

    fn disk_answers(&mut self) {
        self.job_done = None;
        let job = self.jobs.pop_front().expect("a job");
        let full = self.chance(self.faults.disk) && !matches!(job, Job::Command(Command::Bind(_)));
        let event = self.disk.perform(&job, full);
        self.next_job();
        match event {
            // Answers overtake each other on their way.
            Some(event) if self.chance(0.3) => {
                let at = self.now.boot + self.seconds(0.5);
                self.calls.push((at, Call::Disk(Box::new(job), Box::new(event))));
            }
            Some(event) => self.deliver(&job, event),
            None => {
                if let Job::Command(command) = &job {
                    self.answers(command);
                }
            }
        }
    }

    fn deliver(&mut self, job: &Job, event: Event) {
        if let Job::Command(command) = job {
            self.answers(command);
        }
        self.hears(&event);
        let is_read = matches!(event, Event::Summary(Ok(_)));
        self.event(event);
        let trouble = self.s.trouble().map(|(_, why)| why.as_str());
        assert!(!is_read || trouble != Some(UNREAD), "the queue was read: {:?}", self.s);
    }

    /// People are answered.
    fn answers(&mut self, command: &Command) {
        match command {
            Command::Pause(true) => {
                self.pauses -= 1;
                self.tally.pauses += 1;
            }
            Command::Cancel(ids) => {
                for id in ids {
                    let one = self.cancelled.iter().position(|of| of == id).expect("asked for");
                    self.cancelled.swap_remove(one);
                }
            }
            Command::Bind(project) => self.paired(project),
            Command::Add(_)
            | Command::Retry(_)
            | Command::Clear(_)
            | Command::Priority(..)
            | Command::Pause(false)
            | Command::Record(_) => {}
        }
    }

    /// What the disk is about to say.
    fn hears(&mut self, event: &Event) {
        if let Event::Claimed(answer) = event {
            self.claiming = false;
            if let Ok(Some(claimed)) = answer {
                let before = self.stages.insert(claimed.item.id, Stage::Claimed);
                assert_eq!(before, None, "two turns of one item");
            }
        }
        self.reading &= !matches!(event, Event::Summary(_));
        if let Event::Written(id, written) = event {
            self.written(*id, *written);
        }
    }

    fn written(&mut self, id: ItemId, written: Written) {
        let Some(Stage::Ending(end)) = self.stages.remove(&id) else { panic!("no end is on its way") };
        match written {
            Written::NotYet => {
                self.tally.unwritten += 1;
                self.stages.insert(id, Stage::Kept(end));
            }
            Written::Row(ItemState::Done) => self.tally.done += 1,
            Written::Row(ItemState::Failed) => self.tally.failed += 1,
            Written::Row(ItemState::Away) => self.tally.away += 1,
            Written::Row(_) | Written::Gone => {}
        }
    }

    fn called(&mut self, call: Call) {
        match call {
            Call::Create { id, seq, token } => {
                let answer = self.cloud.create(id, &token, &mut self.dice, self.faults);
                self.event(Event::Created(id, seq, answer));
            }
            Call::Part { id, n, asset } => {
                let file = self.disk.look(id);
                let queued = self.s.turn(id).map(|t| t.item.clip.facts);
                let answer = match file {
                    _ if asset.is_empty() => Err(PartError::Transient(trouble(Cause::Network, None))),
                    Err(FileError::NotAnswering(why)) => Err(PartError::NotAnswering(why)),
                    Err(_) => Err(PartError::File(ItemReason::Unreadable, "the card is gone".to_owned())),
                    Ok(seen) if queued.is_some_and(|q| seen.sighting.facts.size < q.size) => {
                        Err(PartError::File(ItemReason::Changed, "the file became shorter".to_owned()))
                    }
                    Ok(_) => self.cloud.put(&asset, n, &mut self.dice, self.faults),
                };
                self.event(Event::PartSent(id, n, answer));
            }
            Call::Look(id) => {
                let was_written_on = !self.calm && self.pick(2) == 0;
                let file = self.disk.files.get_mut(&id).filter(|file| !file.there && was_written_on);
                file.into_iter().for_each(|file| file.facts = facts(file.facts.size + 1));
                let file = self.disk.look(id).map(Box::new);
                let sent = self.disk.rows.get(&id).map(|row| row.item.clip.sighting());
                let wants = sent.is_some_and(|sent| wants_closer_look(&sent, &file));
                let opened = if wants { self.disk.opened(id) } else { Opened::Unknown };
                self.torn = matches!(opened, Opened::WrittenOn(_)).then_some(id);
                self.tally.torn += u32::from(self.torn.is_some());
                self.event(Event::LookedAgain(id, file, opened));
                self.torn = None;
            }
            Call::Compare(id, _, true) => self.event(Event::Compared(id, Comparison::Stopped)),
            Call::Compare(id, with, false) => {
                let comparison = match self.pick(8) {
                    0 if !self.calm => Comparison::Unreadable("the card is gone".to_owned()),
                    1 if !self.calm => Comparison::Equal(with, Some("q".to_owned())),
                    2 | 3 => Comparison::Equal(with, None),
                    _ => Comparison::Differs,
                };
                self.event(Event::Compared(id, comparison));
            }
            Call::Disk(job, event) => self.deliver(&job, *event),
            Call::Renewed => self.renew(),
            Call::Marked(id) => {
                if let Some(known) = self.disk.silent.get_mut(&id) {
                    *known = true;
                    self.event(Event::CardsChanged);
                }
            }
        }
    }

    /// The rig's next token, where there is a grant.
    fn renew(&mut self) {
        let Some(access) = self.access.clone() else { return };
        let token = self.cloud.issue(&access.project_id);
        self.set_access(Some(Access { token, ..access }));
    }

    fn set_access(&mut self, access: Option<Access>) {
        self.access.clone_from(&access);
        self.event(Event::Access(access.clone()));
        if let Some(access) = access {
            let project = |id| self.s.turn(id).and_then(|t| t.item.clip.project_id.clone());
            assert!(
                self.all_cut(|id| project(id).as_ref() != Some(&access.project_id)),
                "goes on for another"
            );
        }
    }

    fn paired(&mut self, project: &str) {
        let token = self.cloud.issue(project);
        self.set_access(Some(Access { token, project_id: project.to_owned(), paused: false }));
    }

    fn ask(&mut self, command: Command) {
        if self.stopping {
            return;
        }
        match &command {
            Command::Pause(true) => self.pauses += 1,
            Command::Record(on) => self.recording = *on,
            Command::Cancel(ids) => self.cancelled.extend(ids),
            Command::Add(_)
            | Command::Retry(_)
            | Command::Clear(_)
            | Command::Priority(..)
            | Command::Pause(false)
            | Command::Bind(_) => {}
        }
        if let Some(intent) = command.intent() {
            self.event(Event::Asked(intent));
        }
        if let Command::Cancel(ids) = &command {
            assert!(self.all_cut(|id| ids.contains(&id)), "a cancelled clip leaves");
        }
        let paused = matches!(command, Command::Pause(true));
        assert!(!paused || self.all_cut(|_| true), "something leaves after a pause");
        self.job(Job::Command(command));
    }

    fn any_id(&mut self) -> ItemId {
        let ids: Vec<_> = self.disk.rows.keys().copied().collect();
        if ids.is_empty() { ItemId(0) } else { ids[self.pick(ids.len())] }
    }

    fn chaos(&mut self) {
        let id = self.any_id();
        match self.pick(54) {
            0..12 => {
                let new = shot(&mut self.dice);
                self.ask(Command::Add(Box::new(new)));
            }
            12..15 if id != ItemId(0) => self.ask(Command::Cancel(vec![id])),
            15..19 => self.ask(Command::Retry(vec![id])),
            19 => self.ask(Command::Clear(id)),
            20..22 => {
                let priority = self.pick(6) as i32;
                self.ask(Command::Priority(id, priority));
            }
            22 => self.ask(Command::Pause(true)),
            23..25 => self.ask(Command::Pause(false)),
            25..28 => self.ask(Command::Record(!self.recording)),
            28 => {
                let project = PROJECTS[self.pick(PROJECTS.len())].to_owned();
                self.jobs.push_back(Job::Command(Command::Bind(project)));
                self.next_job();
            }
            29 if self.chance(0.3) => self.set_access(None),
            30..32 => self.renew(),
            32 => self.cloud.current = None,
            33..35 => {
                let flip = self.access.clone().map(|a| Access { paused: !a.paused, ..a });
                self.set_access(flip);
            }
            35..37 => self.event(Event::NetworkUp),
            37 => {
                self.disk.come_back();
                self.event(Event::Found);
            }
            38..41 => {
                let (size, there, readable) = (self.pick(4000) as u64, !self.chance(0.3), !self.chance(0.2));
                let cut = self.chance(0.1);
                self.disk.files.insert(id, Take { facts: facts(1 + size), there, readable, cut });
            }
            41 => {
                let asleep = self.seconds(40.0 * 3600.0);
                self.now.boot = self.now.boot + asleep;
            }
            42 => {
                self.options = Options { slots: 1 + self.pick(4), usable: !self.chance(0.2), ..self.options };
                self.event(Event::Options(self.options));
            }
            43 if self.chance(0.3) => self.restart(),
            46..49 => {
                self.disk.silent.insert(id, false);
            }
            49..51 if !self.disk.silent.is_empty() => {
                self.disk.silent.pop_first();
                self.event(Event::CardsChanged);
            }
            44 if self.chance(0.3) && !self.stopping => {
                self.stopping = true;
                self.event(Event::Stop);
                assert!(self.all_cut(|_| true), "something leaves after a stop");
            }
            _ => {
                let any = |dice: &mut Jitter| if dice.unit() < 0.4 { dice.unit() * 0.5 } else { 0.0 };
                let d = &mut self.dice;
                self.faults =
                    Faults { way: any(d), refusals: any(d), storage: any(d) / 4.0, disk: any(d) / 2.0 };
            }
        }
    }

    /// Killed, or stopped, and started again on what the disk has. What it was doing is done or not.
    fn restart(&mut self) {
        self.tally.restarts += 1;
        if self.chance(0.5)
            && let Some(job) = self.jobs.front()
        {
            drop(self.disk.perform(job, false));
        }
        self.jobs.retain(|job| matches!(job, Job::Command(Command::Bind(_))));
        self.calls.clear();
        self.stages.clear();
        self.cancelled.clear();
        self.refused.clear();
        (self.job_done, self.pauses, self.recording, self.stopping) = (None, 0, false, false);
        (self.reading, self.claiming, self.last_create) = (false, false, None);
        self.next_job();
        self.s = Schedule::new(self.options, self.tally.restarts.into());
        self.event(Event::Started);
        self.set_access(self.access.clone());
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
        self.options = Options { slots: SLOTS, settle: SETTLE, usable: true };
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
    assert!(total.torn > 0, "{total:?}");
}
