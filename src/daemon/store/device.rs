//! What the provider last said of the rig, and the project that clips go to.
use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::identity::Tag;
use super::providers::ProviderId;
use super::rows;
use super::tx::Tx;
use rigpost_core::oauth::DeviceInfo;
use rigpost_core::time::Now;

/// The project that clips go to, if one is paired, as items name it; and since when, where that was written down.
pub(super) fn pairing(tx: &Tx<'_>) -> Result<Option<(String, Option<Now>)>, StoreError> {
    let sql = "SELECT device.provider, project_id, since_boot_id IS NOT NULL, since_boot_id, since_boot_us, since_wall_s
               FROM device
               JOIN identity ON identity.client_id = device.client_id AND identity.provider = device.provider
               JOIN provider ON provider.id = device.provider
               WHERE seq = (SELECT max(seq) FROM identity) AND takes_clips";
    let row = tx.prepare_cached(sql)?.query_row([], |r| {
        let project: String = r.get(1)?;
        let since = if r.get(2)? { Some(rows::now(r, 3)?) } else { None };
        Ok((ProviderId(r.get(0)?).project(&project), since))
    });
    Ok(row.optional()?)
}

/// In place of what it said before.
pub(super) fn write(tx: &Tx<'_>, tag: &Tag, info: &DeviceInfo, since: Option<Now>) -> Result<(), StoreError> {
    let (boot_id, boot, wall) = since
        .map(rows::sql_now)
        .map_or((None, None, None), |(id, boot, wall)| (Some(id), Some(boot), Some(wall)));
    tx.execute(
        "INSERT OR REPLACE INTO device (id, client_id, device_name, project_id, project_name, authorized_by,
             authorization_expires_s, since_boot_id, since_boot_us, since_wall_s, provider)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (
            &tag.client_id,
            &info.device_name,
            &info.project_id,
            &info.project_name,
            &info.authorized_by,
            info.authorization_expires,
            boot_id,
            boot,
            wall,
            tag.provider.0,
        ),
    )?;
    Ok(())
}

pub(super) fn load(tx: &Tx<'_>, tag: &Tag) -> Result<Option<DeviceInfo>, StoreError> {
    let sql = "SELECT device_name, project_id, project_name, authorized_by, authorization_expires_s
               FROM device WHERE client_id = ?1 AND provider = ?2";
    let row = tx.query_row(sql, tag.sql(), |r| {
        Ok(DeviceInfo {
            device_name: r.get(0)?,
            project_id: r.get(1)?,
            project_name: r.get(2)?,
            authorized_by: r.get(3)?,
            authorization_expires: r.get(4)?,
            ..DeviceInfo::default()
        })
    });
    Ok(row.optional()?)
}
