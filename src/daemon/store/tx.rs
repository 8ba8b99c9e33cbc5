//! The one connection, and a transaction on it.
use std::fs::File;
use std::ops::Deref;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::error::StoreError;
use crate::vault::Vault;

/// A database that is open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) conn: Connection,
    /// Present only when it opens the key-check.
    pub(super) vault: Option<Vault>,
    /// Dropped last: keeps every other process out of the state directory.
    pub(super) _lock: File,
}

/// A transaction, and the key for what is sealed in it.
pub(super) struct Tx<'a> {
    pub(super) sql: Transaction<'a>,
    pub(super) vault: Option<&'a Vault>,
}

impl<'a> Deref for Tx<'a> {
    type Target = Transaction<'a>;
    fn deref(&self) -> &Transaction<'a> {
        &self.sql
    }
}

impl Opened {
    pub(super) fn tx<T>(
        &mut self,
        f: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let sql = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tx = Tx { sql, vault: self.vault.as_ref() };
        let value = f(&tx)?;
        tx.sql.commit()?;
        Ok(value)
    }

    /// Nothing happens for a while: what only work needs is given back.
    pub(super) fn rest(&mut self) {
        self.conn.flush_prepared_statement_cache();
        // What stays is memory, and no harm.
        let _ = self.conn.execute_batch("PRAGMA shrink_memory");
    }
}
