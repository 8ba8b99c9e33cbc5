//! How much there is, without counting: one row for each state, kept by triggers in the schema.
use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::handle::Store;
use super::tx::Tx;
use super::{projects, rows};
use rigpost_core::queue::item::{Counters, ItemState};

/// Items and unconfirmed bytes of each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Waiting for their turn.
    pub queued: Tally,
    /// Having it.
    pub uploading: Tally,
    /// Sent while they are recorded.
    pub recording: Tally,
    /// Waiting for a person.
    pub held: Tally,
    /// Waiting for their card.
    pub away: Tally,
    /// Waiting for the rest of them.
    pub incomplete: Tally,
    /// Sent.
    pub done: Tally,
    /// Given up.
    pub failed: Tally,
    /// Taken off.
    pub cancelled: Tally,
}

/// Of one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub items: u64,
    /// Their bytes that the cloud has not confirmed.
    pub left_bytes: u64,
}

/// The queue as a screen shows it at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSummary {
    /// What the screen shows.
    pub counters: Counters,
    /// A person has paused sending.
    pub paused: bool,
    /// Bytes per second for file data; 0: no limit.
    pub bandwidth_limit: u64,
    /// As [`Store::orphans`].
    pub orphans: u64,
    /// What the first and the last of the projects are called that held clips belong to; empty where nobody has said.
    pub held_of: Vec<String>,
}

impl Totals {
    /// Of one state.
    pub fn of(&self, state: ItemState) -> Tally {
        match state {
            ItemState::Queued => self.queued,
            ItemState::Uploading => self.uploading,
            ItemState::Recording => self.recording,
            ItemState::Held => self.held,
            ItemState::Away => self.away,
            ItemState::Incomplete => self.incomplete,
            ItemState::Done => self.done,
            ItemState::Failed => self.failed,
            ItemState::Cancelled => self.cancelled,
        }
    }

    /// [`Counters::unfinished`].
    pub fn unfinished(&self) -> u64 {
        self.counters().unfinished()
    }

    /// All items.
    pub fn all(&self) -> u64 {
        self.unfinished() + self.done.items + self.cancelled.items
    }

    fn counters(&self) -> Counters {
        Counters {
            files_left: self.queued.items + self.uploading.items + self.recording.items,
            bytes_left: self.queued.left_bytes + self.uploading.left_bytes + self.recording.left_bytes,
            held: self.held.items,
            away: self.away.items,
            incomplete: self.incomplete.items,
            failed: self.failed.items,
        }
    }
}

impl Store {
    /// What the screen shows; the same cost for one item and a million.
    pub async fn counters(&self) -> Result<Counters, StoreError> {
        self.tx(|tx| Ok(totals(tx)?.counters())).await
    }

    /// Everything that is read at a glance; the same cost for one item and a million.
    pub async fn queue_summary(&self) -> Result<QueueSummary, StoreError> {
        self.tx(|tx| {
            let counters = totals(tx)?.counters();
            let held_of = if counters.held > 0 { projects::of_held(tx)? } else { vec![] };
            let sql = "SELECT paused, bandwidth_limit, orphans FROM rig WHERE id = 1";
            Ok(tx.prepare_cached(sql)?.query_row([], |r| {
                let (bandwidth_limit, orphans) = (rows::unsigned(r, 1)?, rows::unsigned(r, 2)?);
                Ok(QueueSummary { counters, paused: r.get(0)?, bandwidth_limit, orphans, held_of })
            })?)
        })
        .await
    }

    /// Every state by itself; the same cost for one item and a million.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        self.tx(totals).await
    }

    /// How many assets were begun and given up since the rig was made: incomplete placeholders in the cloud.
    pub async fn orphans(&self) -> Result<u64, StoreError> {
        self.tx(|tx| Ok(tx.query_row("SELECT orphans FROM rig WHERE id = 1", [], |r| rows::unsigned(r, 0))?))
            .await
    }
}

pub(super) fn totals(tx: &Tx<'_>) -> Result<Totals, StoreError> {
    let mut totals = Totals::default();
    let mut statement = tx.prepare_cached("SELECT state, items, left_bytes FROM tally")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let tally = Tally { items: rows::unsigned(row, 1)?, left_bytes: rows::unsigned(row, 2)? };
        match rows::state(row, 0)? {
            ItemState::Queued => totals.queued = tally,
            ItemState::Uploading => totals.uploading = tally,
            ItemState::Recording => totals.recording = tally,
            ItemState::Held => totals.held = tally,
            ItemState::Away => totals.away = tally,
            ItemState::Incomplete => totals.incomplete = tally,
            ItemState::Done => totals.done = tally,
            ItemState::Failed => totals.failed = tally,
            ItemState::Cancelled => totals.cancelled = tally,
        }
    }
    Ok(totals)
}

/// Items of this user that are not sent and not taken off; nobody counts root's.
pub(super) fn of_user(tx: &Tx<'_>, uid: u32) -> Result<u64, StoreError> {
    let mut statement = tx.prepare_cached("SELECT items FROM caller WHERE uid = ?1")?;
    Ok(statement.query_row([uid], |r| rows::unsigned(r, 0)).optional()?.unwrap_or_default())
}
