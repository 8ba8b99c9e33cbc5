//! Which indexes the statements use that run for each clip.
use rusqlite::Connection;

use super::bind;
use super::history::OLDEST;
use super::intake::{FIND, FIND_GROWN, FIND_RENAMED};
use super::memory::KNOWS;
use super::steer::FIND_IN_PROJECT;
use super::turns::NEXT;
use crate::store::migrate;

/// What runs for each clip or each refresh reads what it needs by index, however many rows there are.
#[test]
fn hot_statements_scan_nothing() {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(migrate::STEPS.concat().as_str()).unwrap();
    let file = "INDEX item_file (path=? AND size_bytes=? AND mtime_ns=?";
    let own = [
        (FIND, file),
        (FIND_IN_PROJECT, file),
        (FIND_GROWN, "INDEX item_file (path=?"),
        (FIND_RENAMED, "INDEX item_inode (ino=? AND size_bytes=?"),
        (NEXT, "INDEX item_queued (project_id=? AND priority>?"),
        (OLDEST, "COVERING INDEX item_state (state=?"),
    ];
    let others = [
        (KNOWS, "INDEX remembered_hash (hash=?)"),
        ("UPDATE item SET state = 'done' WHERE id = 1", "INTEGER PRIMARY KEY (rowid=?)"),
        ("DELETE FROM item WHERE id = 1", "INTEGER PRIMARY KEY (rowid=?)"),
    ];
    let own = own.into_iter().chain(others).map(|(sql, index)| (sql.to_owned(), index));
    for (sql, index) in own.chain(bind::hot()) {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = vec!["1"; statement.parameter_count()];
        let plan = statement.query_map(rusqlite::params_from_iter(values), |r| r.get(3)).unwrap();
        let plan: Vec<String> = plan.collect::<Result<_, _>>().unwrap();
        assert!(plan[0].starts_with("SEARCH ") && plan[0].contains(index), "{sql}: {plan:?}");
        let scans = |line: &String| line.contains("TEMP B-TREE") || line.starts_with("SCAN ");
        assert!(!plan.iter().any(scans), "{sql}: {plan:?}");
    }
}
