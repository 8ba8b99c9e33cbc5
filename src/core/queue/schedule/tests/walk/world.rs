//! The world of the walk: cards, a disk with the store's rules, and a cloud.
use std::collections::{BTreeMap, BTreeSet};

use crate::queue::schedule::tests::*;

/// Sizes are small, so that parts are bytes apart.
const LARGEST: u64 = 4000;

/// Of a queue that can't be read.
pub(super) const UNREAD: &str = "the disk that holds the state is full";

#[derive(Debug)]
pub(super) struct Row {
    pub(super) item: Item,
    pub(super) asset: Option<Asset>,
}

/// What people and the machine have the disk do.
#[derive(Debug)]
pub(super) enum Job {
    Machine(Action),
    Command(Command),
}

#[derive(Clone, Debug)]
pub(super) enum Command {
    Add(Box<Clip>),
    Cancel(Vec<ItemId>),
    Retry(Vec<ItemId>),
    Clear(ItemId),
    Priority(ItemId, i32),
    Pause(bool),
    Record(bool),
    /// Another project was paired.
    Bind(String),
}

impl Command {
    /// What it means to the machine; `None`: it does not come by the queue's commands.
    pub(super) fn intent(&self) -> Option<Intent> {
        match self {
            Command::Add(_) | Command::Clear(_) | Command::Priority(..) => Some(Intent::Change),
            Command::Cancel(ids) => Some(Intent::Cancel(ids.clone())),
            Command::Retry(_) | Command::Pause(false) => Some(Intent::TryNow),
            Command::Pause(true) => Some(Intent::Pause),
            Command::Record(on) => Some(Intent::Record(*on)),
            Command::Bind(_) => None,
        }
    }
}

/// A file on a card.
#[derive(Clone, Copy, Debug)]
pub(super) struct Take {
    pub(super) facts: FileFacts,
    pub(super) there: bool,
    pub(super) readable: bool,
    pub(super) cut: bool,
}

#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) rows: BTreeMap<ItemId, Row>,
    pub(super) files: BTreeMap<ItemId, Take>,
    /// Items whose cards do not answer; true: that is known, and claims leave them out.
    pub(super) silent: BTreeMap<ItemId, bool>,
    pub(super) paused: bool,
    pub(super) project: Option<String>,
    next: u64,
}

impl Disk {
    /// Performs one job, unless the disk is full. The event that answers it, if one does.
    pub(super) fn perform(&mut self, job: &Job, full: bool) -> Option<Event> {
        match job {
            Job::Machine(action) => Some(self.machine(action, full)),
            Job::Command(command) => {
                if !full {
                    self.command(command);
                }
                let told = |id: &ItemId| self.rows.get(id).map(|r| (*id, r.item.clip.priority));
                let changed = if let Command::Priority(id, _) = command { told(id) } else { None };
                let priorities = changed.filter(|_| !full).into_iter().collect();
                command.intent().map(|intent| Event::Answered(intent, priorities))
            }
        }
    }

    fn machine(&mut self, action: &Action, full: bool) -> Event {
        match action {
            Action::Resume => {
                if !full {
                    self.resume();
                }
                Event::Resumed(!full)
            }
            Action::Claim { project, above, but, resume } => {
                if full {
                    return Event::Claimed(Err("disk full".to_owned()));
                }
                if *resume {
                    self.resume();
                }
                Event::Claimed(Ok(self.claim(project, *above, but)))
            }
            Action::Record(id, seq, asset) => {
                let row = self.rows.get_mut(id).filter(|r| r.item.state == ItemState::Uploading);
                let ok = match row {
                    Some(row) if !full => {
                        (row.asset, row.item.asset_id) = (Some(asset.clone()), asset.id.clone());
                        true
                    }
                    _ => false,
                };
                Event::Recorded(*id, *seq, ok)
            }
            Action::Forget(id, seq) => {
                let ok = !full && self.rows.contains_key(id);
                if ok {
                    self.drop_asset(*id);
                }
                Event::Recorded(*id, *seq, ok)
            }
            Action::Rewind(id, seq, n) => {
                let asset = self.rows.get_mut(id).and_then(|r| r.asset.as_mut());
                let ok = !full && asset.is_some();
                asset.filter(|_| ok).into_iter().for_each(|asset| asset.finished.retain(|part| part < n));
                Event::Recorded(*id, *seq, ok)
            }
            Action::RecordPart { id, asset_id, n, .. } => {
                let asset = self.rows.get_mut(id).and_then(|r| r.asset.as_mut());
                let ok = match asset.filter(|a| a.id == *asset_id) {
                    Some(asset) if !full => {
                        asset.finished.push(*n);
                        true
                    }
                    _ => false,
                };
                Event::PartRecorded(*id, *n, ok)
            }
            Action::WriteEnd(end) => {
                Event::Written(end.id, if full { Written::NotYet } else { self.finish(end) })
            }
            Action::Read if full => Event::Summary(Err(UNREAD.to_owned())),
            Action::Read => Event::Summary(Ok(Summary {
                paused: self.paused,
                left: self.rows.values().filter(|r| is_left(r.item.state)).count() as u64,
            })),
            Action::SendAsItIs(id) => {
                let row = self.rows.get_mut(id).filter(|r| r.item.state == ItemState::Incomplete);
                if let Some(row) = row.filter(|_| !full) {
                    row.item.clip.as_is = true;
                    row.item.state = if row.item.clip.project_id == self.project {
                        ItemState::Queued
                    } else {
                        ItemState::Held
                    };
                }
                Event::AsItIs(*id, !full)
            }
            Action::Began(_)
            | Action::Compare(..)
            | Action::Create { .. }
            | Action::Complete { .. }
            | Action::Send { .. }
            | Action::Cut(_)
            | Action::LookAgain(_)
            | Action::Postponed(_)
            | Action::ReportRefused(_) => panic!("not for the disk: {action:?}"),
        }
    }

    fn resume(&mut self) {
        for row in self.rows.values_mut().filter(|r| r.item.state == ItemState::Uploading) {
            row.item.state = ItemState::Queued;
        }
    }

    fn claim(&mut self, project: &str, above: Option<i32>, but: &[ItemId]) -> Option<Box<Claimed>> {
        let fits = |r: &&Row| {
            r.item.state == ItemState::Queued
                && r.item.clip.project_id.as_deref() == Some(project)
                && above.is_none_or(|above| r.item.clip.priority > above)
                && !but.contains(&r.item.id)
                && self.silent.get(&r.item.id) != Some(&true)
        };
        let best = self.rows.values().filter(fits);
        let id = best.min_by_key(|r| (std::cmp::Reverse(r.item.clip.priority), r.item.id))?.item.id;
        let file = self.look(id);
        let row = self.rows.get_mut(&id)?;
        row.item.state = ItemState::Uploading;
        row.item.attempts += 1;
        let (item, asset) = (row.item.clone(), row.asset.clone());
        let copy = self.copy(&item);
        let patience = Some(Duration::from_secs(600));
        Some(Box::new(Claimed { item, file, asset: Ok(asset), copy, patience }))
    }

    /// Its file as it is now.
    pub(super) fn look(&self, id: ItemId) -> Result<Seen, FileError> {
        match self.files.get(&id) {
            _ if self.silent.contains_key(&id) => Err(FileError::NotAnswering("hangs".to_owned())),
            Some(file) if file.there && file.readable => {
                let sighting = sighting(id.0, file.facts);
                let row = self.rows.get(&id).ok_or(FileError::Gone)?;
                let cut = file.cut.then(|| "cut off".to_owned());
                Ok(Seen { relation: sighting.relation(&row.item.clip.sighting()), sighting, cut })
            }
            Some(file) if file.there => Err(FileError::Unreadable("I/O error".to_owned())),
            Some(_) | None => Err(FileError::Gone),
        }
    }

    /// What is open of it by a closer look.
    pub(super) fn opened(&self, id: ItemId) -> Opened {
        let (Some(file), Some(row)) = (self.files.get(&id), self.rows.get(&id)) else {
            return Opened::Unknown;
        };
        let now = sighting(id.0, file.facts);
        match closer(&row.item.clip.sighting(), &now) {
            Closer::AsSent => Opened::AsSent,
            Closer::WrittenOn | Closer::Compare => written_on(row.item.clip.sighting(), now),
        }
    }

    /// Some are like another one.
    fn copy(&self, item: &Item) -> Copy {
        let other = self.rows.values().find(|r| r.item.id != item.id && r.item.clip.facts == item.clip.facts);
        match other.map(|r| (r.item.id, r.item.state)) {
            Some((id, ItemState::Done)) => Copy::Of(id),
            Some((id, ItemState::Uploading)) => Copy::After(id),
            Some(_) | None => Copy::Free,
        }
    }

    /// A source has found the files of those that were away.
    pub(super) fn come_back(&mut self) {
        let away: Vec<_> =
            self.rows.values().filter(|r| r.item.state == ItemState::Away).map(|r| r.item.id).collect();
        for id in away {
            if self.look(id).is_ok_and(|seen| seen.relation.is_the_same_file()) {
                let ours = self.rows[&id].item.clip.project_id == self.project;
                self.set_state(id, if ours { ItemState::Queued } else { ItemState::Held });
            }
        }
    }

    fn finish(&mut self, end: &End) -> Written {
        let Some(row) = self.rows.get_mut(&end.id) else { return Written::Gone };
        if let Some(seen) = &end.rewritten {
            row.item.clip.take(Sighting::clone(seen));
            row.item.clip.version_of = std::mem::take(&mut row.item.asset_id);
            (row.asset, row.item.sent) = (None, 0);
        }
        let applies = match row.item.state {
            ItemState::Uploading => true,
            ItemState::Queued | ItemState::Held | ItemState::Away | ItemState::Incomplete => {
                end.to == ItemState::Done
            }
            ItemState::Recording | ItemState::Done | ItemState::Failed | ItemState::Cancelled => false,
        };
        if applies {
            row.item.state = end.to;
            if end.to == ItemState::Done {
                row.asset = None;
            }
        }
        Written::Row(row.item.state)
    }

    fn drop_asset(&mut self, id: ItemId) {
        if let Some(row) = self.rows.get_mut(&id) {
            (row.asset, row.item.asset_id, row.item.sent) = (None, String::new(), 0);
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Add(new) => {
                self.next += 1;
                let id = ItemId(self.next);
                let mut added = Item { clip: Clip::clone(new), state: ItemState::Queued, ..item(id.0, "") };
                added.clip.take(sighting(id.0, new.facts));
                added.clip.project_id.clone_from(&self.project);
                self.files.insert(
                    id,
                    Take { facts: new.facts, there: true, readable: true, cut: new.channel == 1 },
                );
                self.rows.insert(id, Row { item: added, asset: None });
            }
            Command::Cancel(ids) => {
                for id in ids {
                    let over = |r: &Row| matches!(r.item.state, ItemState::Done | ItemState::Cancelled);
                    if self.rows.get(id).is_some_and(|r| !over(r)) {
                        self.drop_asset(*id);
                        self.set_state(*id, ItemState::Cancelled);
                    }
                }
            }
            Command::Retry(ids) => {
                for id in ids {
                    let Some(row) = self.rows.get(id) else { continue };
                    if matches!(row.item.state, ItemState::Failed | ItemState::Cancelled) {
                        let ours = row.item.clip.project_id == self.project;
                        self.set_state(*id, if ours { ItemState::Queued } else { ItemState::Held });
                    }
                }
            }
            Command::Clear(id) => {
                if self
                    .rows
                    .get(id)
                    .is_some_and(|r| !is_left(r.item.state) && r.item.state != ItemState::Held)
                {
                    self.rows.remove(id);
                }
            }
            Command::Priority(id, priority) => {
                if let Some(row) = self.rows.get_mut(id) {
                    row.item.clip.priority = *priority;
                }
            }
            Command::Pause(paused) => self.paused = *paused,
            Command::Record(_) => {}
            Command::Bind(project) => {
                self.project = Some(project.clone());
                for row in self.rows.values_mut() {
                    let ours = row.item.clip.project_id.get_or_insert_with(|| project.clone()) == project;
                    if is_left(row.item.state) && !ours {
                        row.item.state = ItemState::Held;
                    } else if row.item.state == ItemState::Held && ours {
                        row.item.state = ItemState::Queued;
                    }
                }
            }
        }
    }

    fn set_state(&mut self, id: ItemId, to: ItemState) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.item.state = to;
        }
    }
}

pub(super) fn is_left(state: ItemState) -> bool {
    matches!(state, ItemState::Queued | ItemState::Uploading)
}

/// An asset as the cloud knows it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) item: ItemId,
    pub(super) project: String,
    pub(super) parts: u32,
    pub(super) received: BTreeSet<u32>,
    pub(super) damaged: BTreeSet<u32>,
    /// Its URLs don't work any more.
    pub(super) dead: bool,
    /// Somebody has said that all parts are there.
    pub(super) complete: bool,
}

/// What goes wrong, each as a chance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) way: f64,
    pub(super) refusals: f64,
    pub(super) storage: f64,
    pub(super) disk: f64,
}

#[derive(Debug, Default)]
pub(super) struct Cloud {
    pub(super) assets: BTreeMap<String, Stored>,
    /// The project of each access token that was ever handed out, by its number.
    pub(super) tokens: Vec<String>,
    /// The only one that is accepted.
    pub(super) current: Option<usize>,
}

pub(super) fn number(token: &AccessToken) -> usize {
    token.expose().trim_start_matches('a').parse().unwrap()
}

impl Cloud {
    pub(super) fn issue(&mut self, project: &str) -> AccessToken {
        self.tokens.push(project.to_owned());
        self.current = Some(self.tokens.len() - 1);
        token(&format!("a{}", self.tokens.len() - 1))
    }

    fn pick(dice: &mut Jitter, of: usize) -> usize {
        ((dice.unit() * of as f64) as usize).min(of - 1)
    }

    pub(super) fn create(
        &mut self,
        id: ItemId,
        token: &AccessToken,
        dice: &mut Jitter,
        faults: Faults,
    ) -> Result<(String, Vec<Secret>), CreateError> {
        let made = dice.unit() >= faults.way;
        if !made && dice.unit() < 0.5 {
            return Err(CreateError::Transient(any_trouble(dice)));
        }
        if self.current != Some(number(token)) {
            return Err(CreateError::Unauthorized);
        }
        if dice.unit() < faults.refusals {
            let why = "no".to_owned();
            return Err(match Cloud::pick(dice, 9) {
                0..3 => CreateError::Forbidden(why),
                3..6 => CreateError::Conflict(why),
                6 => CreateError::Refused(why),
                7 => CreateError::Storage,
                _ => CreateError::RecordedWhilePaused,
            });
        }
        let parts = 1 + Cloud::pick(dice, 5) as u32;
        let name = format!("A{}", self.assets.len());
        let project = self.tokens[number(token)].clone();
        let stored = Stored {
            item: id,
            project,
            parts,
            received: BTreeSet::new(),
            damaged: BTreeSet::new(),
            dead: false,
            complete: false,
        };
        self.assets.insert(name.clone(), stored);
        // It was made, and the answer is lost.
        if !made {
            return Err(CreateError::Transient(any_trouble(dice)));
        }
        Ok((name, urls(parts as usize)))
    }

    /// Told that all parts are there; of the asset of the moment.
    pub(super) fn complete(
        &mut self,
        asset: &str,
        token: &AccessToken,
        dice: &mut Jitter,
        faults: Faults,
    ) -> Result<Completed, CreateError> {
        let heard = dice.unit() >= faults.way;
        if !heard && dice.unit() < 0.5 {
            return Err(CreateError::Transient(any_trouble(dice)));
        }
        if self.current != Some(number(token)) {
            return Err(CreateError::Unauthorized);
        }
        let stored = self.assets.get_mut(asset).expect("an asset that was made");
        if !stored.complete && dice.unit() < faults.storage {
            return Ok(Completed::Gone("NoSuchUpload".to_owned()));
        }
        if dice.unit() < faults.refusals {
            return Err(CreateError::Forbidden("no".to_owned()));
        }
        stored.complete = true;
        if heard { Ok(Completed::Done) } else { Err(CreateError::Transient(any_trouble(dice))) }
    }

    /// Where bytes go to one growing offset only: those before part `n` of so many bytes may be lost, and then how many
    /// there are.
    pub(super) fn loses(
        &mut self,
        asset: &str,
        n: u32,
        chunk: u64,
        dice: &mut Jitter,
        faults: Faults,
    ) -> Option<u64> {
        let stored = self.assets.get_mut(asset)?;
        if dice.unit() < 4.0 * faults.storage {
            let kept = (dice.unit() * f64::from(n)) as u32;
            stored.received.retain(|part| *part < kept);
        }
        let has = stored.received.len() as u64;
        (has < u64::from(n)).then_some(has * chunk)
    }

    pub(super) fn put(
        &mut self,
        asset: &str,
        n: u32,
        dice: &mut Jitter,
        faults: Faults,
    ) -> Result<Confirmed, PartError> {
        let arrived = dice.unit() >= faults.way;
        if !arrived && dice.unit() < 0.5 {
            return Err(match Cloud::pick(dice, 3) {
                0 => PartError::CutEarly(any_trouble(dice)),
                _ => PartError::Transient(any_trouble(dice)),
            });
        }
        let stored = self.assets.get_mut(asset).expect("an asset that was made");
        stored.dead |= dice.unit() < faults.storage;
        if stored.dead {
            let why = "HTTP 403".to_owned();
            return Err(if dice.unit() < 0.5 { PartError::UrlDead(why) } else { PartError::UrlRefused(why) });
        }
        if dice.unit() < faults.storage {
            return Err(PartError::Refused("HTTP 400".to_owned()));
        }
        let md5 = [n as u8; 16];
        // A storage that damages the same part twice can't be told from one whose ETags mean something else.
        let damaged = dice.unit() < faults.storage && stored.damaged.insert(n);
        if !damaged {
            stored.received.insert(n);
        }
        if !arrived {
            return Err(PartError::Transient(any_trouble(dice)));
        }
        let etag = if damaged { u128::MAX } else { u128::from_be_bytes(md5) };
        let digest = Some(PartDigest { md5: Some(md5), ..PartDigest::default() });
        Ok(Confirmed { etag: format!("{etag:032x}"), digest })
    }
}

fn any_trouble(dice: &mut Jitter) -> Trouble {
    let causes = [Cause::Network, Cause::CaptivePortal, Cause::Clock, Cause::Provider, Cause::RateLimited];
    let named = (dice.unit() < 0.2).then(|| Duration::from_secs_f64(dice.unit() * 600.0));
    let maybe_applied = dice.unit() < 0.5;
    Trouble { maybe_applied, ..trouble(causes[Cloud::pick(dice, 5)], named) }
}

/// A clip that a camera has made.
pub(super) fn shot(dice: &mut Jitter) -> Clip {
    let size = 1 + (dice.unit() * LARGEST as f64) as u64;
    let priority = Cloud::pick(dice, 4) as i32;
    // Some are cut off.
    let channel = u8::from(dice.unit() < 0.1);
    Clip { facts: facts(size), priority, channel, settled: dice.unit() < 0.8, ..Clip::default() }
}
