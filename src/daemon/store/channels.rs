//! What sub-devices behind this rig are called, and the numbers that the projects have given them.
//!
//! # Decisions
//! - A sub-device has one name for life, for each source and model: the project knows it again by that.
use rusqlite::OptionalExtension as _;

use super::error::StoreError;
use super::handle::Store;
use super::identity::{fresh, project};

/// A sub-device in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubDevice {
    /// Its own name, a UUID.
    pub client_id: String,
    /// The number that clips are sent with; `None` before it is connected.
    pub index: Option<u8>,
}

impl Store {
    /// The sub-device of a source and a model; made now where there is none.
    pub async fn sub_device(
        &self,
        source: &str,
        model: &str,
        project_id: &str,
    ) -> Result<SubDevice, StoreError> {
        let (source, model, project_id) = (source.to_owned(), model.to_owned(), project_id.to_owned());
        self.tx(move |tx| {
            let project = project(tx, &project_id)?;
            let sql = "SELECT client_id FROM sub_device WHERE source = ?1 AND model = ?2";
            let known = tx.prepare_cached(sql)?.query_row((&source, &model), |r| r.get(0)).optional()?;
            let client_id = match known {
                Some(client_id) => client_id,
                None => {
                    let made = fresh()?;
                    let sql = "INSERT INTO sub_device (source, model, client_id) VALUES (?1, ?2, ?3)";
                    tx.execute(sql, (&source, &model, &made))?;
                    made
                }
            };
            let sql = "SELECT external_index FROM channel WHERE client_id = ?1 AND project_id = ?2";
            let index = tx.prepare_cached(sql)?.query_row((&client_id, project), |r| r.get(0)).optional()?;
            Ok(SubDevice { client_id, index })
        })
        .await
    }

    /// The project has given it this number.
    pub async fn channel_connected(
        &self,
        client_id: &str,
        project_id: &str,
        index: u8,
    ) -> Result<(), StoreError> {
        let (client_id, project_id) = (client_id.to_owned(), project_id.to_owned());
        self.tx(move |tx| {
            let project = project(tx, &project_id)?;
            let sql =
                "INSERT OR REPLACE INTO channel (client_id, project_id, external_index) VALUES (?1, ?2, ?3)";
            tx.execute(sql, (client_id, project, index))?;
            Ok(())
        })
        .await
    }
}
