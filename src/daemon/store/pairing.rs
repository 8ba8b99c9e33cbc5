//! The pairing that runs and its code, so that a restart does not make a person type another one.
use std::time::Duration;

use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::handle::Store;
use super::identity::{self, Tag};
use super::rows;
use super::tx::Tx;
use rigpost_core::identity::pairing::{CodeOnOffer, Running, TimeLimit};
use rigpost_core::oauth::{DeviceAuthorization, DeviceCode, UserCode, VerificationUriComplete};

const DEVICE_CODE: &str = "device_code";
const USER_CODE: &str = "user_code";
const COMPLETE: &str = "verification_uri_complete";
/// Sealed one by one, of use only together.
pub(super) const CODES: [&str; 3] = [DEVICE_CODE, USER_CODE, COMPLETE];

impl Store {
    /// A pairing runs: with this code, or `None` while there is none to show. Upholds: a code is on disk before it is
    /// shown, and codes are sealed.
    pub async fn save_pairing(
        &self,
        code: Option<&CodeOnOffer>,
        limit: Option<TimeLimit>,
    ) -> Result<(), StoreError> {
        let code = code.cloned();
        self.rig_tx(move |tx| {
            let tag = identity::current(tx)?;
            erase(tx)?;
            match code {
                Some(code) => insert(tx, &tag, &code)?,
                None => {
                    let sql = "INSERT INTO pairing (id, client_id, provider, has_code) VALUES (1, ?1, ?2, 0)";
                    tx.execute(sql, tag.sql())?;
                }
            }
            limit.map_or(Ok(()), |limit| set_limit(tx, limit))
        })
        .await
    }

    /// The pairing that runs ends by then, and its provider wants to be asked less often. Does nothing where none is stored:
    /// both come with its code.
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
    //# the interval MUST be increased by 5 seconds for this and all subsequent requests
    pub async fn note_pairing(
        &self,
        limit: Option<TimeLimit>,
        interval: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.rig_tx(move |tx| {
            if let Some(interval) = interval {
                let sql = "UPDATE pairing SET interval_ms = ?1 WHERE has_code";
                tx.execute(sql, [rows::sql_millis(interval)])?;
            }
            limit.map_or(Ok(()), |limit| set_limit(tx, limit))
        })
        .await
    }

    /// No pairing runs any more.
    pub async fn erase_pairing(&self) -> Result<(), StoreError> {
        self.rig_tx(|tx| erase(tx).map(drop)).await
    }
}

/// True when there was one of the name and the provider in force.
pub(super) fn erase(tx: &Tx<'_>) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM pairing JOIN identity USING (client_id, provider)
               WHERE seq = (SELECT max(seq) FROM identity)";
    let ours: i64 = tx.query_row(sql, [], |r| r.get(0))?;
    tx.execute("DELETE FROM pairing", [])?;
    erase_codes(tx)?;
    Ok(ours > 0)
}

/// A part of the code is lost, and with it the code; the pairing goes on with another.
pub(super) fn drop_code(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("UPDATE pairing SET has_code = 0", [])?;
    erase_codes(tx)
}

fn erase_codes(tx: &Tx<'_>) -> Result<(), StoreError> {
    CODES.iter().try_for_each(|name| tx.erase(name))
}

fn insert(tx: &Tx<'_>, tag: &Tag, code: &CodeOnOffer) -> Result<(), StoreError> {
    let auth = &code.auth;
    tx.seal(DEVICE_CODE, auth.device_code.expose().as_bytes())?;
    tx.seal(USER_CODE, auth.user_code.expose().as_bytes())?;
    if let Some(complete) = &auth.verification_uri_complete {
        tx.seal(COMPLETE, complete.expose().as_bytes())?;
    }
    let (boot_id, boot, wall) = rows::sql_now(code.obtained);
    tx.execute(
        "INSERT INTO pairing (id, client_id, has_code, verification_uri, device_name, expires_in_ms, interval_ms,
             obtained_boot_id, obtained_boot_us, obtained_wall_s, provider)
         VALUES (1, ?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            &tag.client_id,
            auth.verification_uri.as_ref().map(url::Url::as_str),
            &auth.device_name,
            rows::sql_millis(auth.expires_in),
            rows::sql_millis(auth.interval),
            boot_id,
            boot,
            wall,
            tag.provider.0,
        ),
    )?;
    Ok(())
}

fn set_limit(tx: &Tx<'_>, limit: TimeLimit) -> Result<(), StoreError> {
    let (boot_id, boot, wall) = rows::sql_now(limit.since);
    tx.execute(
        "UPDATE pairing SET limit_left_ms = ?1, limit_boot_id = ?2, limit_boot_us = ?3, limit_wall_s = ?4",
        (rows::sql_millis(limit.left), boot_id, boot, wall),
    )?;
    Ok(())
}

/// As [`crate::store::Grants::pairing`]. Codes that do not open, or were another identity's, are no codes.
pub(super) fn load(tx: &Tx<'_>, tag: &Tag, broken: &mut Vec<String>) -> Result<Option<Running>, StoreError> {
    let sql = "SELECT has_code, limit_left_ms IS NOT NULL, limit_left_ms, limit_boot_id, limit_boot_us, limit_wall_s
               FROM pairing WHERE client_id = ?1 AND provider = ?2";
    let row = tx.query_row(sql, tag.sql(), |r| {
        let limit = match r.get(1)? {
            true => Some(TimeLimit { left: rows::millis(r, 2)?, since: rows::now(r, 3)? }),
            false => None,
        };
        Ok((r.get(0)?, limit))
    });
    match row.optional()? {
        None => Ok(None),
        Some((false, limit)) => Ok(Some(Running { code: None, limit })),
        Some((true, limit)) => Ok(Some(Running { code: load_code(tx, broken)?, limit })),
    }
}

fn load_code(tx: &Tx<'_>, broken: &mut Vec<String>) -> Result<Option<CodeOnOffer>, StoreError> {
    let sql = "SELECT verification_uri, device_name, expires_in_ms, interval_ms,
                   obtained_boot_id, obtained_boot_us, obtained_wall_s FROM pairing";
    let (uri, device_name, expires_in, interval, obtained) = tx.query_row(sql, [], |r| {
        let uri: Option<String> = r.get(0)?;
        Ok((uri, r.get(1)?, rows::millis(r, 2)?, rows::millis(r, 3)?, rows::now(r, 4)?))
    })?;
    let verification_uri = match uri.map(|uri| uri.parse()).transpose() {
        Ok(uri) => uri,
        Err(_) => return Err(StoreError::Corrupt("the stored verification URI is no URL".into())),
    };
    let before = broken.len();
    let mut open = |name| tx.open_or_note(name, broken);
    let codes = (open(DEVICE_CODE)?, open(USER_CODE)?, open(COMPLETE)?);
    let (Some(device_code), Some(user_code), complete) = codes else { return Ok(None) };
    if broken.len() > before {
        return Ok(None);
    }
    let auth = DeviceAuthorization {
        device_code: DeviceCode(device_code),
        user_code: UserCode(user_code),
        verification_uri,
        verification_uri_complete: complete.map(VerificationUriComplete),
        expires_in,
        interval,
        device_name,
    };
    Ok(Some(CodeOnOffer { auth, obtained }))
}
