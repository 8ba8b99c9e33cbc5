//! Rows to domain types and back.
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row};

use super::error::StoreError;
use super::providers;
use super::tx::Tx;
use rigpost_core::queue::evidence::{Fingerprint, Sighting, Volume};
use rigpost_core::queue::item::{BeforePairing, Clip, FileFacts, Item, ItemId, ItemReason, ItemState};
use rigpost_core::time::{BootId, BootTime, Now, WallTime};

/// In the order that [`item`] reads them.
pub(super) const ITEM: &str = "id, path, name, filetype, size_bytes, mtime_ns, dev, ino, priority, project_id, \
     created_boot_id, created_boot_us, created_wall_s, added_boot_id, added_boot_us, added_wall_s, \
     state, reason, detail, attempts, sent_bytes, asset_id, class, channel, source, uid, before_pairing, settled, \
     ctime_ns, volume, mount, fingerprint, head, version_of, anyway, as_is, afresh, \
     coalesce((SELECT name FROM project WHERE project.id = project_id), '')";

pub(super) fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let facts = FileFacts {
        size: unsigned(row, 4)?,
        mtime_ns: row.get(5)?,
        ctime_ns: row.get(28)?,
        dev: bits(row, 6)?,
        ino: bits(row, 7)?,
    };
    let clip = Clip {
        path: path(row, 1)?,
        name: row.get(2)?,
        filetype: row.get(3)?,
        facts,
        priority: row.get(8)?,
        project_id: row.get(9)?,
        created: now(row, 10)?,
        added: now(row, 13)?,
        class: row.get(22)?,
        channel: row.get(23)?,
        source: row.get(24)?,
        uid: row.get(25)?,
        before_pairing: policy(row, 26)?,
        settled: row.get(27)?,
        volume: Volume { id: row.get(29)?, mount: bits(row, 30)? },
        fingerprint: fingerprint(row, 31)?,
        appeared: false,
        version_of: row.get(33)?,
        anyway: row.get(34)?,
        as_is: row.get(35)?,
        afresh: row.get(36)?,
    };
    Ok(Item {
        id: item_id(row, 0)?,
        clip,
        state: state(row, 16)?,
        reason: reason(row, 17)?,
        detail: row.get(18)?,
        attempts: row.get(19)?,
        sent: unsigned(row, 20)?,
        asset_id: row.get(21)?,
        project_name: row.get(37)?,
    })
}

/// How the file of a row looked, in this order from the column `i` on.
pub(super) const SIGHTING: &str =
    "path, size_bytes, mtime_ns, ctime_ns, dev, ino, volume, mount, fingerprint, head";

pub(super) fn sighting(row: &Row<'_>, i: usize) -> rusqlite::Result<Sighting> {
    Ok(Sighting {
        path: path(row, i)?,
        facts: FileFacts {
            size: unsigned(row, i + 1)?,
            mtime_ns: row.get(i + 2)?,
            ctime_ns: row.get(i + 3)?,
            dev: bits(row, i + 4)?,
            ino: bits(row, i + 5)?,
        },
        volume: Volume { id: row.get(i + 6)?, mount: bits(row, i + 7)? },
        fingerprint: fingerprint(row, i + 8)?,
    })
}

/// The file of the row looks like this now.
pub(super) fn set_sighting(tx: &Tx<'_>, id: ItemId, seen: &Sighting) -> Result<(), StoreError> {
    let sql = "UPDATE item SET path = ?2, size_bytes = ?3, mtime_ns = ?4, ctime_ns = ?5, dev = ?6, ino = ?7, volume = ?8,
                   mount = ?9, fingerprint = ?10, head = ?11, afresh = 0 WHERE id = ?1";
    let Sighting { path, facts, volume, fingerprint } = seen;
    tx.prepare_cached(sql)?.execute(rusqlite::params![
        sql_id(id),
        sql_path(path),
        signed(facts.size),
        facts.mtime_ns,
        facts.ctime_ns,
        facts.dev.cast_signed(),
        facts.ino.cast_signed(),
        volume.id,
        volume.mount.cast_signed(),
        fingerprint.map(|f| f.whole.cast_signed()),
        fingerprint.map_or(0, |f| f.head.cast_signed()),
    ])?;
    Ok(())
}

/// Two columns: `fingerprint`, `head`.
fn fingerprint(row: &Row<'_>, i: usize) -> rusqlite::Result<Option<Fingerprint>> {
    let Some(whole) = row.get::<_, Option<i64>>(i)? else { return Ok(None) };
    Ok(Some(Fingerprint { whole: whole.cast_unsigned(), head: bits(row, i + 1)? }))
}

/// The item for whoever is outside: its project as the provider names it.
pub(super) fn told(mut item: Item) -> Item {
    item.clip.project_id = item.clip.project_id.map(providers::plain);
    item
}

/// The item as it is now; [`StoreError::NotFound`] where there is none.
pub(super) fn item_now(tx: &Tx<'_>, id: ItemId) -> Result<Item, StoreError> {
    let sql = format!("SELECT {ITEM} FROM item WHERE id = ?1");
    tx.prepare_cached(&sql)?.query_row([sql_id(id)], item).optional()?.ok_or_else(|| StoreError::no_item(id))
}

/// The item stands so from now on.
pub(super) fn set_state(
    tx: &Tx<'_>,
    id: ItemId,
    to: ItemState,
    reason: ItemReason,
    detail: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE item SET state = ?2, reason = ?3, detail = ?4 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((sql_id(id), to.as_str(), reason.as_str(), detail))?;
    Ok(())
}

/// Runs a statement that answers with one id in each row.
pub(super) fn ids(tx: &Tx<'_>, sql: &str, params: impl rusqlite::Params) -> Result<Vec<ItemId>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(params, |row| item_id(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn item_id(row: &Row<'_>, i: usize) -> rusqlite::Result<ItemId> {
    unsigned(row, i).map(ItemId)
}

pub(super) fn state(row: &Row<'_>, i: usize) -> rusqlite::Result<ItemState> {
    row.get::<_, String>(i)?.parse().map_err(|_| odd(i, Type::Text, "no state of an item"))
}

pub(super) fn reason(row: &Row<'_>, i: usize) -> rusqlite::Result<ItemReason> {
    Ok(row.get::<_, String>(i)?.parse().unwrap_or(ItemReason::Unknown))
}

fn policy(row: &Row<'_>, i: usize) -> rusqlite::Result<BeforePairing> {
    row.get::<_, String>(i)?
        .parse()
        .map_err(|_| odd(i, Type::Text, "no policy for what is older than the pairing"))
}

pub(super) fn path(row: &Row<'_>, i: usize) -> rusqlite::Result<PathBuf> {
    Ok(OsString::from_vec(row.get(i)?).into())
}

/// Three columns from `i` on: `boot_id`, `boot_us`, `wall_s`.
pub(super) fn now(row: &Row<'_>, i: usize) -> rusqlite::Result<Now> {
    let boot_id = BootId::parse(&row.get::<_, String>(i)?).ok_or_else(|| odd(i, Type::Text, "no boot id"))?;
    let boot = BootTime::from_micros(unsigned(row, i + 1)?);
    Ok(Now { boot_id, boot, wall: WallTime(row.get(i + 2)?) })
}

/// The same three columns, for writing.
pub(super) fn sql_now(now: Now) -> (String, i64, i64) {
    (now.boot_id.to_string(), signed(now.boot.as_micros()), now.wall.0)
}

pub(super) fn unsigned(row: &Row<'_>, i: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(i)?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(i, n))
}

/// Device and inode numbers use all 64 bits; SQLite's integers have as many.
pub(super) fn bits(row: &Row<'_>, i: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(i).map(i64::cast_unsigned)
}

/// SQLite counts to 2^63; no size or time of ours gets there.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn sql_id(id: ItemId) -> i64 {
    signed(id.0)
}

pub(super) fn sql_path(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

pub(super) fn millis(row: &Row<'_>, i: usize) -> rusqlite::Result<Duration> {
    unsigned(row, i).map(Duration::from_millis)
}

pub(super) fn sql_millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn odd(i: usize, kind: Type, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(i, kind, what.into())
}
