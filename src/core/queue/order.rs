//! Which clip sends a part next, and whether another is wanted: the one line that all clips share.
//!
//! # Decisions
//! - Slots are for parts and not for clips: a large clip uses all of them when it is alone, and small ones fill the line
//!   together.
//! - Priority decides who gets the next free slot. A clip that is more important than something in flight, and has
//!   nothing in flight itself, need not wait for one: it gets an extra slot, so that a part of a large original on a thin
//!   line never holds a proxy up.
//! - Where somebody has said how many parts may be on their way that is a limit, and there are no extra slots: what is more
//!   important has its turn and its asset by the time that one comes free, and waits for that.
//! - A clip that was overtaken keeps its turn, and what matters more must still get one: turns of which nothing is on
//!   its way do not stand in the way of a claim, up to a bound on open files.
//! - What is known of the rest of the queue is one number: nothing above it waits. So a queue of a million clips is
//!   asked for its best only when that can matter.
use crate::queue::item::ItemId;

/// Extra slots, all clips together; and turns that are prepared beside those that fill the line.
const EXPRESS: usize = 2;
/// Turns that were overtaken, at most: each keeps a file open.
const OVERTAKEN: usize = 16;

/// Parts in flight at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// So many.
    pub count: usize,
    /// Somebody has set that: a limit for whatever comes.
    pub limit: bool,
}

impl Slots {
    /// With the extra ones, where there are any.
    fn most(self) -> usize {
        // Of a limit nothing may be left: recordings have all of it for the moment.
        if self.limit { self.count } else { self.count.max(1) + EXPRESS }
    }
}

/// One clip that has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnStatus {
    /// Of the item.
    pub id: ItemId,
    /// Larger goes first.
    pub priority: i32,
    /// Would use a slot now.
    pub ready: bool,
    /// Its asset is being made: it will want a slot soon.
    pub preparing: bool,
    /// Parts on their way.
    pub in_flight: usize,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Give this clip a slot.
    Part(ItemId),
    /// Give another clip its turn, of a higher priority than this where one is said.
    Claim(Option<i32>),
    /// Wait for something to end.
    Wait,
}

/// What is known of the clips that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// No clip of a higher priority than this waits; below every priority: none waits at all. `None`: not known.
    nothing_above: Option<i64>,
    /// Something has changed since the claim that is under way was begun.
    stale: bool,
}

impl Backlog {
    /// Something came, came back, or changed its place.
    pub fn changed(&mut self) {
        *self = Backlog { nothing_above: None, stale: true };
    }

    /// A claim begins: what changes from now on it may not see.
    pub fn asking(&mut self) {
        self.stale = false;
    }

    /// A claim above `above` answered: with a clip of this priority, or with nothing.
    pub fn claimed(&mut self, above: Option<i32>, got: Option<i32>) {
        if self.stale {
            return;
        }
        let bound = got.map_or_else(|| above.map_or(i64::MIN, i64::from), i64::from);
        self.nothing_above = Some(self.nothing_above.map_or(bound, |known| known.min(bound)));
    }

    /// Nothing waits, as far as is known.
    pub fn empty(&self) -> bool {
        self.nothing_above == Some(i64::MIN)
    }

    fn may_hold_above(&self, priority: i64) -> bool {
        self.nothing_above.is_none_or(|bound| priority < bound)
    }
}

/// What the line does next. `claiming`: a claim is on its way already.
pub fn next(turns: &[TurnStatus], of: Slots, backlog: Backlog, claiming: bool) -> Next {
    if of.most() == 0 {
        return Next::Wait;
    }
    let slots = of.count.max(1);
    let used: usize = turns.iter().map(|t| t.in_flight + usize::from(t.preparing)).sum();
    let best = turns.iter().filter(|t| t.ready).min_by_key(|t| (std::cmp::Reverse(t.priority), t.id));
    let overtaken = turns.iter().filter(|t| t.ready && t.in_flight == 0).count().min(OVERTAKEN);
    let may_claim = !claiming && turns.len() - overtaken < slots + EXPRESS;
    if used < slots {
        let Some(best) = best else {
            return if may_claim && !backlog.empty() { Next::Claim(None) } else { Next::Wait };
        };
        if may_claim && backlog.may_hold_above(i64::from(best.priority)) {
            return Next::Claim(Some(best.priority));
        }
        return Next::Part(best.id);
    }
    let Some(lowest) = turns.iter().filter(|t| t.in_flight > 0).map(|t| t.priority).min() else {
        return Next::Wait;
    };
    if used >= slots + EXPRESS {
        return Next::Wait;
    }
    // The best may have parts in flight; another that matters more than the lowest may have none.
    let starved = |t: &&TurnStatus| t.ready && t.in_flight == 0 && t.priority > lowest;
    let starved = turns.iter().filter(starved).min_by_key(|t| (std::cmp::Reverse(t.priority), t.id));
    if let Some(turn) = starved {
        let outdone = may_claim && backlog.may_hold_above(i64::from(turn.priority));
        let in_flight: usize = turns.iter().map(|t| t.in_flight).sum();
        return match () {
            () if outdone => Next::Claim(Some(turn.priority)),
            () if in_flight < of.most() => Next::Part(turn.id),
            () => Next::Wait,
        };
    }
    let matters = backlog.may_hold_above(i64::from(lowest));
    if may_claim && matters { Next::Claim(Some(lowest)) } else { Next::Wait }
}

#[cfg(test)]
mod tests;
