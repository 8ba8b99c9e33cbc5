//! The code on offer, so that a restart does not make a person type another one.
use super::{Store, StoreError, Tx, identity, rows};
use crate::domain::{
    oauth::{DeviceAuthorization, DeviceCode, UserCode, VerificationUriComplete},
    pairing::CodeOnOffer,
};
use rusqlite::OptionalExtension;

const DEVICE_CODE: &str = "device_code";
const USER_CODE: &str = "user_code";
const COMPLETE: &str = "verification_uri_complete";
/// Sealed one by one, of use only together.
pub(super) const CODES: [&str; 3] = [DEVICE_CODE, USER_CODE, COMPLETE];

impl Store {
    /// A pairing runs: with this code, or `None` while there is none to show. Upholds: a code is on disk before it is
    /// shown, and codes are sealed.
    pub async fn save_pairing(&self, code: Option<&CodeOnOffer>) -> Result<(), StoreError> {
        let code = code.cloned();
        self.tx(move |tx| {
            let client_id = identity::current(tx)?;
            erase(tx)?;
            match code {
                Some(code) => insert(tx, &client_id, &code),
                None => {
                    let sql = "INSERT INTO pairing (id, client_id, has_code) VALUES (1, ?1, 0)";
                    tx.execute(sql, [client_id])?;
                    Ok(())
                }
            }
        })
        .await
    }

    /// No pairing runs any more.
    pub async fn erase_pairing(&self) -> Result<(), StoreError> {
        self.tx(|tx| erase(tx).map(drop)).await
    }
}

/// True when there was one.
pub(super) fn erase(tx: &Tx<'_>) -> Result<bool, StoreError> {
    let erased = tx.execute("DELETE FROM pairing", [])? > 0;
    erase_codes(tx)?;
    Ok(erased)
}

/// A part of the code is lost, and with it the code; the pairing goes on with another.
pub(super) fn drop_code(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("UPDATE pairing SET has_code = 0", [])?;
    erase_codes(tx)
}

fn erase_codes(tx: &Tx<'_>) -> Result<(), StoreError> {
    CODES.iter().try_for_each(|name| tx.erase(name))
}

fn insert(tx: &Tx<'_>, client_id: &str, code: &CodeOnOffer) -> Result<(), StoreError> {
    let auth = &code.auth;
    tx.seal(DEVICE_CODE, auth.device_code.expose().as_bytes())?;
    tx.seal(USER_CODE, auth.user_code.expose().as_bytes())?;
    if let Some(complete) = &auth.verification_uri_complete {
        tx.seal(COMPLETE, complete.expose().as_bytes())?;
    }
    let (boot_id, boot, wall) = rows::sql_now(code.obtained);
    tx.execute(
        "INSERT INTO pairing (id, client_id, has_code, verification_uri, device_name, expires_in_ms, interval_ms,
             obtained_boot_id, obtained_boot_us, obtained_wall_s)
         VALUES (1, ?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            client_id,
            auth.verification_uri.as_ref().map(url::Url::as_str),
            &auth.device_name,
            rows::sql_millis(auth.expires_in),
            rows::sql_millis(auth.interval),
            boot_id,
            boot,
            wall,
        ),
    )?;
    Ok(())
}

/// As [`super::Loaded::pairing`]. Codes that do not open, or were another identity's, are no codes.
pub(super) fn load(
    tx: &Tx<'_>,
    client_id: &str,
    broken: &mut Vec<String>,
) -> Result<Option<Option<CodeOnOffer>>, StoreError> {
    let sql = "SELECT has_code, verification_uri, device_name, expires_in_ms, interval_ms,
                   obtained_boot_id, obtained_boot_us, obtained_wall_s
               FROM pairing WHERE client_id = ?1";
    let row = tx.query_row(sql, [client_id], |r| {
        if !r.get::<_, bool>(0)? {
            return Ok(None);
        }
        let times = (rows::millis(r, 3)?, rows::millis(r, 4)?, rows::now(r, 5)?);
        Ok(Some((r.get::<_, Option<String>>(1)?, r.get::<_, Option<String>>(2)?, times)))
    });
    let Some(row) = row.optional()? else { return Ok(None) };
    let Some((uri, device_name, (expires_in, interval, obtained))) = row else { return Ok(Some(None)) };
    let verification_uri = match uri.map(|uri| uri.parse()).transpose() {
        Ok(uri) => uri,
        Err(_) => return Err(StoreError::Corrupt("the stored verification URI is no URL".into())),
    };
    let before = broken.len();
    let mut open = |name| super::grant::open_or_note(tx, name, broken);
    let codes = (open(DEVICE_CODE)?, open(USER_CODE)?, open(COMPLETE)?);
    let (Some(device_code), Some(user_code), complete) = codes else { return Ok(Some(None)) };
    if broken.len() > before {
        return Ok(Some(None));
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
    Ok(Some(Some(CodeOnOffer { auth, obtained })))
}
