//! Which indexes the statements use that run for each clip.
use rusqlite::Connection;

use super::bind;
use super::candidates::FIND;
use super::history::OLDEST;
use super::memory::{KNOWS, KNOWS_BYTES};
use super::turns::NEXT;
use crate::store::{migrate, projects};

/// What runs for each clip or each refresh reads what it needs by index, however many rows there are.
#[test]
fn hot_statements_scan_nothing() {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(migrate::STEPS.concat().as_str()).unwrap();
    let [by_path, by_inode, by_bytes] = FIND.clone();
    let found = [
        (by_path, "INDEX item_path (path=?"),
        (by_inode, "INDEX item_inode (ino=? AND size_bytes=?"),
        (by_bytes, "INDEX item_fingerprint (fingerprint=? AND size_bytes=?"),
    ];
    let own = [
        (NEXT, "INDEX item_queued (project_id=? AND priority>?"),
        (OLDEST, "COVERING INDEX item_state (state=?"),
    ];
    let others = [
        (KNOWS, "INDEX remembered_hash (hash=?)"),
        (KNOWS_BYTES, "INDEX remembered_bytes (fingerprint=? AND size_bytes=?)"),
        ("UPDATE item SET state = 'done' WHERE id = 1", "INTEGER PRIMARY KEY (rowid=?)"),
        ("DELETE FROM item WHERE id = 1", "INTEGER PRIMARY KEY (rowid=?)"),
    ];
    let held = ["", "DESC"].map(|order| (projects::held(order), "INDEX item_held (project_id>?"));
    let own = own.into_iter().chain(others).map(|(sql, index)| (sql.to_owned(), index));
    for (sql, index) in own.chain(found).chain(held).chain(bind::hot()) {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = vec!["1"; statement.parameter_count()];
        let plan = statement.query_map(rusqlite::params_from_iter(values), |r| r.get(3)).unwrap();
        let plan: Vec<String> = plan.collect::<Result<_, _>>().unwrap();
        assert!(plan[0].starts_with("SEARCH ") && plan[0].contains(index), "{sql}: {plan:?}");
        let scans = |line: &String| line.contains("TEMP B-TREE") || line.starts_with("SCAN ");
        assert!(!plan.iter().any(scans), "{sql}: {plan:?}");
    }
}
