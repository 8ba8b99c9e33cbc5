//! What the rig knows, on disk: identity, grant, pairing and queue, in one SQLite file.
//!
//! [`Store::open`] blocks and belongs before the runtime is busy. Every other method is one IMMEDIATE transaction on a
//! blocking thread: when it answers `Ok`, the change is synced; when it answers an error, nothing has changed. A future
//! that is dropped does not undo its transaction, it only stops anyone from hearing of the outcome.
//!
//! # Decisions
//! - SQLite, bundled (`rusqlite`): the one embedded store whose behaviour at a power cut is written down and tested by
//!   others, and whose version does not depend on the board's distribution. LMDB and sled lose on one of the two.
//! - One connection behind a mutex. There is one writer anyway, and no reader is worth a second cache on a small board.
//! - Only this folder knows SQL; everything that leaves it is a domain type.
//! - Tokens, codes and upload URLs are sealed one by one, each under its own name, so that a damaged or lost key or
//!   record takes with it only what it held: the queue and the identity stay readable.
mod asset;
mod boots;
mod counters;
mod error;
mod grant;
mod identity;
mod migrate;
mod open;
mod pairing;
mod queue;
mod receipt;
mod rows;
mod seal;
mod space;

use std::fs::File;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::vault::Vault;

pub use counters::{Glance, Tally, Totals};
pub use error::{Limit, StoreError};
pub use grant::Loaded;
pub use identity::Identity;
pub use queue::{Found, Limits, Refaced};
pub use seal::VaultState;

/// The name of the database in the state directory.
pub const FILE: &str = "rigpost.db";

/// A handle; clones share one connection. When the last is dropped the log is folded into the database.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Mutex<Shared>>,
    created: bool,
}

#[derive(Debug)]
struct Shared {
    conn: Connection,
    /// Present only when it opens the key-check.
    vault: Option<Vault>,
    /// Dropped last: keeps every other process out of the state directory.
    _lock: File,
}

/// A transaction, and the key for what is sealed in it.
struct Tx<'a> {
    sql: Transaction<'a>,
    vault: Option<&'a Vault>,
}

impl<'a> Deref for Tx<'a> {
    type Target = Transaction<'a>;
    fn deref(&self) -> &Transaction<'a> {
        &self.sql
    }
}

impl Store {
    /// True when there was no database and this one is new: worth a line in the journal.
    pub fn created(&self) -> bool {
        self.created
    }

    /// Reads every page and says whether the file is sound. Takes a second for each few gigabytes; for a person who asks.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with SQLite's first finding.
    pub async fn verify(&self) -> Result<(), StoreError> {
        self.tx(|tx| {
            let found: String = tx.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
            if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
        })
        .await
    }

    /// Runs `f` in one transaction, off the async threads.
    async fn tx<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(|shared| shared.tx(f)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let outcome = Arc::new(Mutex::new(None));
        let into = Arc::clone(&outcome);
        let done = off_the_async_threads(Box::new(move || {
            // A panic under the lock has rolled its transaction back: what is behind the lock is whole.
            let value = f(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
            *into.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        }));
        done.await?;
        let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.unwrap_or_else(|| Err(StoreError::Io("the transaction was cut short".to_owned())))
    }
}

/// One kind of task for all transactions: each kind of its own would cost the daemon two kilobytes.
async fn off_the_async_threads(job: Box<dyn FnOnce() + Send>) -> Result<(), StoreError> {
    let cut_short = |e| StoreError::Io(format!("the transaction was cut short: {e}"));
    tokio::task::spawn_blocking(job).await.map_err(cut_short)
}

impl Shared {
    fn tx<T>(&mut self, f: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let sql = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tx = Tx { sql, vault: self.vault.as_ref() };
        let value = f(&tx)?;
        tx.sql.commit()?;
        Ok(value)
    }
}
