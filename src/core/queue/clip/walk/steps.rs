//! What is done in a life, by lot.
use super::cards::Change;
use crate::backoff::Jitter;

/// In each life.
pub(super) const STEPS: usize = 80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Eject,
    Shift,
    Walk,
    Record,
    Copy,
    Folder,
    Format,
    Change(Change),
    Add,
    Retry,
    Cancel,
    Clear,
    Release,
    Pair,
    Pause,
    Restart,
    Claim,
    Part,
    Trouble,
    Time,
}

/// What is done, and to which: numbers that are folded into what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) a: usize,
    pub(super) b: usize,
}

/// How often what happened; and what is not avoided.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) found: u64,
    pub(super) parts: u64,
    pub(super) delivered: u64,
    pub(super) versions: u64,
    pub(super) compared: u64,
    /// Equal, and not sent again.
    pub(super) copies: u64,
    /// Of the same evidence, and other bytes.
    pub(super) unlike: u64,
    /// Sent twice, or elsewhere: of several that are alike only one was compared.
    pub(super) hidden: u64,
    /// Of another project, whose row had taken what was written over them.
    pub(super) forgotten: u64,
    /// Written to while they were sent, and not at their place at the last look.
    pub(super) torn: u64,
    /// Not sent: one of the same name, size and ends was.
    pub(super) alike: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        let pairs = [
            (&mut self.found, other.found),
            (&mut self.parts, other.parts),
            (&mut self.delivered, other.delivered),
            (&mut self.versions, other.versions),
            (&mut self.compared, other.compared),
            (&mut self.copies, other.copies),
            (&mut self.unlike, other.unlike),
            (&mut self.hidden, other.hidden),
            (&mut self.forgotten, other.forgotten),
            (&mut self.torn, other.torn),
            (&mut self.alike, other.alike),
        ];
        pairs.into_iter().for_each(|(sum, more)| *sum += more);
    }
}

/// How often each is done, against the others.
const KINDS: [(Kind, u32); 30] = [
    (Kind::Insert, 10),
    (Kind::Eject, 6),
    (Kind::Shift, 2),
    (Kind::Walk, 16),
    (Kind::Record, 12),
    (Kind::Copy, 3),
    (Kind::Folder, 2),
    (Kind::Format, 2),
    (Kind::Change(Change::Delete), 2),
    (Kind::Change(Change::Rename(1)), 1),
    (Kind::Change(Change::Rename(2)), 1),
    (Kind::Change(Change::Touch), 2),
    (Kind::Change(Change::Close), 3),
    (Kind::Change(Change::Recopy), 2),
    (Kind::Change(Change::Replace), 2),
    (Kind::Change(Change::Grow), 4),
    (Kind::Change(Change::Cut), 1),
    (Kind::Change(Change::Rewrite), 2),
    (Kind::Add, 4),
    (Kind::Retry, 2),
    (Kind::Cancel, 1),
    (Kind::Clear, 2),
    (Kind::Release, 1),
    (Kind::Pair, 3),
    (Kind::Pause, 2),
    (Kind::Restart, 2),
    (Kind::Claim, 20),
    (Kind::Part, 40),
    (Kind::Trouble, 3),
    (Kind::Time, 6),
];

/// Of one life: the same seed, the same steps.
pub(super) fn steps(seed: u64) -> Vec<Step> {
    let mut lots = Jitter::new(seed);
    let mut below = |n: u32| (lots.unit() * f64::from(n)) as u32;
    let all = KINDS.iter().map(|(_, weight)| weight).sum();
    let step = |_| {
        let mut lot = below(all);
        let kind = KINDS.iter().find(|(_, weight)| {
            let is_it = lot < *weight;
            lot = lot.saturating_sub(*weight);
            is_it
        });
        let kind = kind.map_or(Kind::Walk, |(kind, _)| *kind);
        Step { kind, a: below(1000) as usize, b: below(1000) as usize }
    };
    (0..STEPS).map(step).collect()
}
