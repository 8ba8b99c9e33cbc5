//! From a directory to a database that may be used.
//!
//! # Decisions
//! - A new database is built under another name, synced, and renamed into place. So `rigpost.db` is either absent or a
//!   whole database, and one that is empty, cut or without our mark is damage: it is refused, left untouched, and never
//!   taken for a fresh rig, which would get a new identity. The same holds for a log without its database. An absent
//!   file without a log is a rig that has none yet, or that a person has reset.
//! - Nothing is checked by reading the whole file (0.15 s for a million clips): SQLite checks each page it reads.
//! - The directory is locked with `flock`: two daemons on one database would spend the same single-use refresh token.
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};

use super::error::StoreError;
use super::files::{FILE, beside, create_private, remove};
use super::tx::Opened;
use super::{migrate, space};

/// `PRAGMA application_id`: "rigp".
const APPLICATION_ID: u32 = 0x7269_6770;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Opens the database in `dir`, makes both where they are missing, and brings an older one up to date. Blocks, for
/// milliseconds. Files are 0600 whatever the umask. True: there was none, and this one is new.
///
/// # Errors
/// A database that is damaged or newer is left as it was; a missing one is made only where nothing hints that there was
/// one.
pub(super) fn open(dir: &Path) -> Result<(Opened, bool), StoreError> {
    let lock = directory(dir)?;
    let path = dir.join(FILE);
    let created = match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_file() => false,
        Ok(_) => return Err(StoreError::Io(format!("{} is not a regular file", path.display()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            create(dir, &path)?;
            true
        }
        Err(e) => return Err(StoreError::file(&path, &e)),
    };
    make_private(&path)?;
    check_header(&path)?;
    Ok((Opened { conn: connect(&path)?, vault: None, _lock: lock }, created))
}

/// A daemon that was just killed holds its lock until the kernel has taken it apart, and so does a child between its
/// fork and its exec: a moment's patience, then the answer.
fn take(lock: &File) -> rustix::io::Result<()> {
    for _ in 0..50 {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(10)),
            taken => return taken,
        }
    }
    flock(lock, FlockOperation::NonBlockingLockExclusive)
}

fn directory(dir: &Path) -> Result<File, StoreError> {
    let file = |e: io::Error| StoreError::file(dir, &e);
    if !dir.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(file)?;
        fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(file)?;
    }
    let lock = File::open(dir).map_err(file)?;
    match take(&lock) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(StoreError::Io(format!("{} is in use by another rigpostd", dir.display())))
        }
        // File systems without locks are no reason not to start.
        Ok(()) | Err(_) => Ok(lock),
    }
}

fn create(dir: &Path, path: &Path) -> Result<(), StoreError> {
    for suffix in ["-wal", "-journal"] {
        if beside(path, suffix).exists() {
            return Err(StoreError::Corrupt(format!("{FILE} is gone, but {FILE}{suffix} is there")));
        }
    }
    let temp = beside(path, ".new");
    let built = build(&temp);
    if built.is_err() {
        remove(&temp);
        return built;
    }
    let sync_and_rename = || {
        File::open(&temp)?.sync_all()?;
        fs::rename(&temp, path)?;
        File::open(dir)?.sync_all()
    };
    sync_and_rename().map_err(|e| StoreError::file(path, &e))
}

fn build(temp: &Path) -> Result<(), StoreError> {
    remove(temp);
    create_private(temp)?;
    let mut conn = open_file(temp)?;
    space::prepare(&conn)?;
    migrate::run(&mut conn, migrate::STEPS, None)?;
    use_wal(&conn)?;
    conn.close().map_err(|(_, e)| e.into())
}

/// A file that was restored from a copy may have any mode. SQLite gives new side files the mode of the database.
fn make_private(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let path = beside(path, suffix);
        match fs::metadata(&path) {
            Ok(meta) if meta.mode() & 0o7777 != 0o600 => {
                fs::set_permissions(&path, Permissions::from_mode(0o600))
                    .map_err(|e| StoreError::file(&path, &e))?;
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Refuses what is no whole database of ours before SQLite touches it: SQLite takes an empty file for a new database,
/// and what is missing of the last page for zeros.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let mut header = [0; 100];
    let file = |e: io::Error| StoreError::file(path, &e);
    // For writing too: SQLite would fall back to reading and fail later, and less clearly.
    let mut db = OpenOptions::new().read(true).write(true).open(path).map_err(file)?;
    let len = db.metadata().map_err(file)?.len();
    if len < header.len() as u64 {
        return Err(StoreError::Corrupt(format!("{FILE} is empty or cut")));
    }
    db.read_exact(&mut header).map_err(file)?;
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (pages, version, application) = (word(28), word(60), word(68));
    if header[..16] != *MAGIC || application != APPLICATION_ID || version == 0 {
        return Err(StoreError::Corrupt(format!("{FILE} is no database of rigpost")));
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    // While there is a log, what is missing here may be there; SQLite finds out.
    let log = fs::metadata(beside(path, "-wal")).is_ok_and(|meta| meta.len() > 0);
    if !log && len < u64::from(pages) * page {
        return Err(StoreError::Corrupt(format!("{FILE} is cut")));
    }
    migrate::refuse_newer(version, migrate::STEPS)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut conn = open_file(path)?;
    // Until everything is found good, closing must not fold the log into a file that we refuse.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    migrate::run(&mut conn, migrate::STEPS, Some(path))?;
    use_wal(&conn)?;
    space::convert(&conn)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(conn)
}

fn open_file(path: &Path) -> Result<Connection, StoreError> {
    // No CREATE: only `create` makes databases. No mutex of SQLite's own: ours is around it.
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // A person with sqlite3 may hold a lock for a moment.
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A misspelt column is an error and not a string.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    // A statement keeps the plan that a test has seen, and is not prepared anew for other values.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // All that a clip's way takes. Preparing one that changes items, with all their triggers, takes longer than a sync of a
    // fast disk. Each keeps a few pages of memory, until there is nothing to do for a moment.
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch(
        "-- A damaged or tampered schema runs no function that reaches outside the file.
         PRAGMA trusted_schema = OFF;
         -- Damage is found when a page is read, before it spreads.
         PRAGMA cell_size_check = ON;
         -- A part without its asset, or an asset without its item, can't exist.
         PRAGMA foreign_keys = ON;
         -- In WAL mode NORMAL may undo the last commits after a power cut: a spent refresh token would come back.
         PRAGMA synchronous = FULL;
         -- What is deleted is overwritten. It was sealed, but the key may become known later.
         PRAGMA secure_delete = ON;
         -- Nothing of it is ever written to a temporary directory.
         PRAGMA temp_store = MEMORY;
         -- In pages. The kernel has the file in its cache, and gives that back when memory is short.
         PRAGMA cache_size = 20;
         -- One large transaction does not leave a large log behind for good. The pragma answers with a row.
         PRAGMA journal_size_limit = 4194304;",
    )?;
    Ok(conn)
}

/// One sync for each commit, and readers that a writer does not block. The mode stays in the file.
fn use_wal(conn: &Connection) -> Result<(), StoreError> {
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0))?;
    if mode == "wal" {
        Ok(())
    } else {
        Err(StoreError::Io(format!("the file system has no write-ahead log: journal mode {mode}")))
    }
}
