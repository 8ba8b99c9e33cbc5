//! What people call the projects that clips belong to, the former ones too.
use super::error::StoreError;
use super::tx::Tx;

/// More than any rig serves while its clips wait.
const MAX: u32 = 500;

/// A project and what it is called, from now on; in place of what it was called before.
pub(super) fn remember(tx: &Tx<'_>, project: &str, name: &str) -> Result<(), StoreError> {
    if name.is_empty() {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO project (id, name) VALUES (?1, ?2)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
        (project, name),
    )?;
    tx.execute("DELETE FROM project WHERE n <= (SELECT max(n) FROM project) - ?1", [MAX])?;
    Ok(())
}

/// The rig changes hands: what nobody has to release is nobody's to know.
pub(super) fn forget(tx: &Tx<'_>) -> Result<(), StoreError> {
    let held = "SELECT project_id FROM item WHERE state = 'held' AND project_id > ''";
    tx.execute(&format!("DELETE FROM project WHERE id NOT IN ({held})"), [])?;
    Ok(())
}

/// The first and the last, by their identifiers, of the projects that held clips belong to: what they are called, empty
/// where nobody has said. None where all of them are only older than the pairing.
pub(super) fn of_held(tx: &Tx<'_>) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    let mut first: Option<String> = None;
    for order in ["", "DESC"] {
        let sql = held(order);
        let mut statement = tx.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(names) };
        let id: String = row.get(0)?;
        if first.as_ref() != Some(&id) {
            names.push(row.get(1)?);
        }
        first = Some(id);
    }
    Ok(names)
}

pub(super) fn held(order: &str) -> String {
    format!(
        "SELECT project_id, coalesce((SELECT name FROM project WHERE project.id = project_id), '')
         FROM item INDEXED BY item_held WHERE state = 'held' AND reason <> 'before-pairing' AND project_id > ''
         ORDER BY project_id {order} LIMIT 1"
    )
}
