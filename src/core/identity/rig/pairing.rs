//! What a pairing's steps mean for the rig, and for those who wait for one.
use crate::command::Refusal;
use crate::identity::pairing::{self, Outcome};
use crate::identity::rig::action::{Action, Change, Question, Reply};
use crate::identity::rig::state::Rig;
use crate::identity::rig::trouble::{reason_of, refusal_of};
use crate::identity::tokens;
use crate::time::Now;
use crate::view::Reason;

impl Rig {
    pub(super) fn pair(&mut self, event: pairing::Event, now: Now, out: &mut Vec<Action>) {
        for action in self.pairing.on(event, now) {
            match action {
                pairing::Action::RequestCode(seq) => out.push(Action::Ask(Question::RequestCode(seq))),
                pairing::Action::SaveCode(seq, code, limit) => {
                    out.push(Action::Write(Change::SaveCode(seq, code, limit)));
                }
                pairing::Action::SaveLimit(limit) => {
                    out.push(Action::Write(Change::NotePairing(Some(limit), None)));
                }
                pairing::Action::SaveInterval(interval) => {
                    out.push(Action::Write(Change::NotePairing(None, Some(interval))));
                }
                pairing::Action::Poll(seq, code) => out.push(Action::Ask(Question::Poll(seq, code))),
                pairing::Action::CodeReady => self.answer_waiting(&Ok(()), out),
                pairing::Action::Grant(tokens) => {
                    // What is known is of the grant before: its project must not get what this one may send.
                    self.device = None;
                    self.whoami.stop();
                    self.grant_unsaved = true;
                    self.live(tokens::Event::Granted(tokens), now, out);
                }
                pairing::Action::Discard(tokens) => self.discard(&tokens, None, now, out),
                pairing::Action::Finish(outcome) => self.finished(outcome, out),
            }
        }
    }

    fn finished(&mut self, outcome: Outcome, out: &mut Vec<Action>) {
        if outcome != Outcome::Granted {
            out.push(Action::Write(Change::ErasePairing));
        }
        let (answer, last) = match outcome {
            Outcome::Granted => (Ok(()), Reason::None),
            Outcome::Denied => (Err(Refusal::Denied), Reason::Denied),
            Outcome::Expired => (Err(Refusal::Expired), Reason::Expired),
            Outcome::Cancelled => (Err(Refusal::Cancelled), Reason::None),
            Outcome::Storage(ref why) => (Err(why.clone().into()), Reason::Storage),
            Outcome::Failed(ref e) => (Err(refusal_of(e)), reason_of(e)),
        };
        self.last = match outcome {
            Outcome::Failed(e) => (last, e.to_string()),
            Outcome::Storage(why) => (last, why.to_string()),
            Outcome::Granted | Outcome::Denied | Outcome::Expired | Outcome::Cancelled => {
                (last, String::new())
            }
        };
        self.answer_waiting(&answer, out);
    }

    pub(super) fn answer_waiting(&mut self, answer: &Result<(), Refusal>, out: &mut Vec<Action>) {
        let waiting = self.waiting_for_code.drain(..);
        out.extend(waiting.map(|(id, _)| Action::Reply(Reply::Done(id, answer.clone()))));
    }
}
