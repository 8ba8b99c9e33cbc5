//! What the disk, the cloud and the cards answer.
use super::*;

impl Walk {
    pub(super) fn job(&mut self, job: Job) {
        self.jobs.push_back(job);
        self.next_job();
    }

    pub(super) fn next_job(&mut self) {
        if self.job_done.is_none() && !self.jobs.is_empty() {
            self.job_done = Some(self.now.boot + self.seconds(0.3));
        }
    }

    pub(super) fn disk_answers(&mut self) {
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

    pub(super) fn deliver(&mut self, job: &Job, event: Event) {
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
    pub(super) fn answers(&mut self, command: &Command) {
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
    pub(super) fn hears(&mut self, event: &Event) {
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

    pub(super) fn written(&mut self, id: ItemId, written: Written) {
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

    pub(super) fn called(&mut self, call: Call) {
        match call {
            Call::Create { id, seq, token } => {
                let answer = self.cloud.create(id, &token, &mut self.dice, self.faults);
                self.event(Event::Created(id, seq, answer));
            }
            Call::Complete { id, seq, asset, token } => {
                let answer = self.cloud.complete(&asset, &token, &mut self.dice, self.faults);
                self.event(Event::Completed(id, seq, answer));
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
                    Ok(_) => {
                        let chunk =
                            self.s.turn(id).and_then(|t| t.upload.part(0)).map_or(1, |(_, _, len)| len);
                        let lost = match self.options.promises.in_order {
                            true => self.cloud.loses(&asset, n, chunk, &mut self.dice, self.faults),
                            false => None,
                        };
                        match lost {
                            Some(has) => {
                                self.tally.lost += 1;
                                Err(PartError::Behind(has))
                            }
                            None => self.cloud.put(&asset, n, &mut self.dice, self.faults),
                        }
                    }
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
}
