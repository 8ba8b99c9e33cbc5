//! People, providers and cards that change their minds.
use super::*;

impl Walk {
    /// The rig's next token, where there is a grant.
    pub(super) fn renew(&mut self) {
        let Some(access) = self.access.clone() else { return };
        let token = self.cloud.issue(&access.project_id);
        self.set_access(Some(Access { token, ..access }));
    }

    pub(super) fn set_access(&mut self, access: Option<Access>) {
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

    pub(super) fn paired(&mut self, project: &str) {
        let token = self.cloud.issue(project);
        self.set_access(Some(Access { token, project_id: project.to_owned(), paused: false }));
    }

    pub(super) fn ask(&mut self, command: Command) {
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

    pub(super) fn any_id(&mut self) -> ItemId {
        let ids: Vec<_> = self.disk.rows.keys().copied().collect();
        if ids.is_empty() { ItemId(0) } else { ids[self.pick(ids.len())] }
    }

    pub(super) fn chaos(&mut self) {
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
                let slots = Slots { count: 1 + self.pick(4), limit: self.chance(0.5) };
                self.options = Options { slots, usable: !self.chance(0.2), ..self.options };
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
    pub(super) fn restart(&mut self) {
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
}
