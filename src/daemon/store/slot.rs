//! The place of the one connection, and how a job is done with it.
use super::error::StoreError;
use super::jobs::Lane;
use super::tx::{Opened, Tx};

/// What a job does.
pub(super) enum Work {
    /// In a transaction.
    InTx(InTx),
    /// With what there is itself.
    Itself(Itself),
}

type Itself = Box<dyn FnOnce(&mut Slot) -> Result<(), StoreError> + Send>;
type InTx = Box<dyn FnOnce(&Tx<'_>) -> Result<(), StoreError> + Send>;

/// The database, or why there is none.
#[derive(Debug)]
pub(super) enum Slot {
    Open(Opened),
    Shut(StoreError),
}

impl Slot {
    pub(super) fn opened(&mut self) -> Result<&mut Opened, StoreError> {
        match self {
            Slot::Open(opened) => Ok(opened),
            Slot::Shut(why) => Err(why.clone()),
        }
    }

    /// Does a job. What the rig has to write is written once in hours: what that took is given back before the answer.
    pub(super) fn work(&mut self, lane: Lane, work: Work) -> Result<(), StoreError> {
        let before = self.changes();
        let outcome = match work {
            Work::InTx(work) => self.opened().and_then(|opened| opened.tx(work)),
            Work::Itself(work) => work(self),
        };
        match self {
            Slot::Open(opened) if lane == Lane::Rig && opened.conn.total_changes() != before => opened.rest(),
            Slot::Open(_) | Slot::Shut(_) => {}
        }
        outcome
    }

    fn changes(&self) -> u64 {
        match self {
            Slot::Open(opened) => opened.conn.total_changes(),
            Slot::Shut(_) => 0,
        }
    }
}
