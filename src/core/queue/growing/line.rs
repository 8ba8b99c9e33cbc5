//! What is begun next: registering, sending, comparing, the end.
use std::ops::RangeInclusive;

use super::event::{Action, Ending, NewPart};
use super::plan::{last_part, part_len, range, start, whole_within};
use super::{Growing, Registering, State};
use crate::few;

/// Registered in one request, at most.
const BATCH: usize = 4;

impl Growing {
    /// Uses the line as far as nothing stands in the way.
    pub(super) fn drive(&mut self, out: &mut Vec<Action>) {
        if self.leaving.is_some() {
            return self.settle(out);
        }
        if self.state == State::Waiting && self.size.is_some() {
            return self.finish(Ending::UsualWay("it was over before it was begun".to_owned()), out);
        }
        if !self.may || self.retry_at.is_some() {
            return;
        }
        match self.state {
            State::Waiting if whole_within(self.stable) > 1 => {
                let seq = self.seq.step();
                self.state = State::Creating(seq);
                out.push(Action::Create(seq));
            }
            State::Sending => self.drive_parts(out),
            State::Waiting
            | State::Creating(_)
            | State::Recording(..)
            | State::Comparing(_)
            | State::Finished => {}
        }
    }

    fn drive_parts(&mut self, out: &mut Vec<Action>) {
        if self.closed.is_some() && self.size != self.closed {
            return;
        }
        if self.closed.is_none() || self.compared {
            self.send(out);
        }
        if self.registering.is_none() && self.dropping.is_empty() {
            self.register(out);
        }
    }

    fn send(&mut self, out: &mut Vec<Action>) {
        let being_written = self.registering.as_ref().map_or(&[][..], |r| &r.parts);
        let is_ready = |n: &u32| {
            !self.in_flight.contains(n)
                && !self.unrecorded.contains(n)
                && !being_written.iter().any(|part| part.n == *n)
        };
        let mut ready = few::set(self.urls.keys().copied().filter(is_ready));
        // With the first part the clip is whole.
        if ready.remove(&0) && self.closed.is_some_and(|size| self.are_confirmed(1..=last_part(size))) {
            ready.insert(0);
        }
        for n in ready.into_iter().take(self.slots.saturating_sub(self.in_flight.len())) {
            self.in_flight.insert(n);
            out.push(Action::Send(n));
        }
    }

    fn register(&mut self, out: &mut Vec<Action>) {
        let is_open = |n: &u32| !self.confirmed.contains(n) && !self.urls.contains_key(n);
        let last = self.size.map(last_part);
        let middle = last.unwrap_or(whole_within(self.stable));
        let mut parts: Vec<NewPart> = (1..middle)
            .filter(is_open)
            .take(BATCH)
            .map(|n| NewPart { n, len: part_len(n), is_final: false })
            .collect();
        // No more addresses than are soon used.
        if self.urls.len() > self.slots {
            parts.clear();
        }
        let (Some(size), Some(last)) = (self.size, last) else { return self.ask(parts, None, out) };
        if !parts.is_empty() || !self.are_confirmed(1..=last.saturating_sub(1)) {
            return self.ask(parts, None, out);
        }
        if !self.compared {
            let seq = self.seq.step();
            self.state = State::Comparing(seq);
            return out.push(Action::Compare(seq));
        }
        let ends = [0, last].into_iter().filter(is_open).take(if last == 0 { 1 } else { 2 });
        let ends =
            ends.map(|n| NewPart { n, len: range(n, size).1, is_final: n == last }).collect::<Vec<_>>();
        if ends.is_empty() && self.urls.is_empty() {
            return self.finish(Ending::Done(size), out);
        }
        let closes = ends.iter().any(|part| part.is_final);
        self.ask(ends, closes.then_some(size), out);
    }

    fn ask(&mut self, parts: Vec<NewPart>, size: Option<u64>, out: &mut Vec<Action>) {
        if !parts.is_empty() {
            let seq = self.seq.step();
            out.push(Action::Register(seq, parts.clone(), size));
            self.registering = Some(Registering { seq, parts, size, written: false });
        }
    }

    fn are_confirmed(&self, mut parts: RangeInclusive<u32>) -> bool {
        parts.all(|n| self.confirmed.contains(&n))
    }

    pub(super) fn range(&self, n: u32) -> (u64, u64) {
        match self.size {
            Some(size) => range(n, size),
            None => (start(n), part_len(n)),
        }
    }

    /// Ends once nothing is under way that would be written down.
    fn settle(&mut self, out: &mut Vec<Action>) {
        let asked = matches!(self.state, State::Creating(_) | State::Recording(..));
        let busy =
            asked || self.registering.is_some() || !self.in_flight.is_empty() || !self.unrecorded.is_empty();
        if !busy && let Some(ending) = self.leaving.take() {
            self.finish(ending, out);
        }
    }

    fn finish(&mut self, ending: Ending, out: &mut Vec<Action>) {
        self.state = State::Finished;
        out.push(Action::Finish(ending));
    }
}
