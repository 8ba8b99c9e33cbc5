//! What time it really was when a boot began, so that clips of that boot keep their right age.
//!
//! # Decisions
//! - A boot is of no use once every clip of it is sent. Finding those takes a look at all other items, so it is done
//!   only when many boots have come together: a few kilobytes are kept in exchange.
use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::handle::Store;
use super::tx::Tx;
use rigpost_core::queue::ledger::BootWall;
use rigpost_core::time::BootId;

/// As many boots are kept without asking whether anything is left of them.
const MANY: i64 = 256;

impl Store {
    /// The wall clock when that boot began, if it was ever known.
    pub async fn boot_wall(&self, boot: BootId) -> Result<Option<BootWall>, StoreError> {
        self.rig_tx(move |tx| wall(tx, boot)).await
    }

    /// Writes down what is known of this boot, in place of what was. Forgets boots that no item, but what is done, and
    /// no pairing comes from, once there are hundreds. Writes nothing when nothing is new.
    pub async fn note_boot(&self, boot: BootId, wall: BootWall) -> Result<(), StoreError> {
        self.rig_tx(move |tx| {
            if self::wall(tx, boot)? == Some(wall) {
                return Ok(());
            }
            let sql = "INSERT INTO boot (boot_id, wall_s) VALUES (?1, ?2)
                       ON CONFLICT (boot_id) DO UPDATE SET wall_s = excluded.wall_s";
            tx.execute(sql, (boot.to_string(), wall.0))?;
            if tx.query_row("SELECT count(*) FROM boot", [], |r| r.get::<_, i64>(0))? > MANY {
                tx.execute(FORGET, [boot.to_string()])?;
            }
            Ok(())
        })
        .await
    }
}

const FORGET: &str = "DELETE FROM boot WHERE boot_id <> ?1
     AND boot_id NOT IN (SELECT created_boot_id FROM item
         WHERE state NOT IN ('done'))
     AND boot_id NOT IN (SELECT since_boot_id FROM device WHERE since_boot_id IS NOT NULL)";

pub(super) fn wall(tx: &Tx<'_>, boot: BootId) -> Result<Option<BootWall>, StoreError> {
    let sql = "SELECT wall_s FROM boot WHERE boot_id = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([boot.to_string()], |r| r.get(0)).optional()?.map(BootWall))
}
