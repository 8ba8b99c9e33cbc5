//! Client secret, tokens, and the project they are for.
//!
//! # Decisions
//! - New tokens, the end of the refresh mark, and the erasing of the code that led here are one transaction: whatever
//!   moment the power fails, exactly one of "old token and a mark" and "new token and no mark" is on disk.
//! - The project and the state of every item follow in one transaction too: there is no moment at which an item of
//!   another project could be claimed.
use rusqlite::OptionalExtension;

use super::{Store, StoreError, Tx, identity, pairing, queue, rows};
use rigpost_core::identity::oauth::{AccessToken, ClientSecret, DeviceInfo, IdToken, RefreshToken, TokenSet};
use rigpost_core::identity::pairing::Running;
use rigpost_core::identity::tokens::Ending;
use rigpost_core::queue::item::ItemId;
use rigpost_core::secret::Secret;
use rigpost_core::time::{Now, WallTime};

const CLIENT_SECRET: &str = "client_secret";
/// Goes once what it says is written down.
const ID_TOKEN: &str = "id_token";
const ACCESS_TOKEN: &str = "access_token";
const REFRESH_TOKEN: &str = "refresh_token";
/// Sealed one by one, of use only together.
pub(super) const TOKENS: [&str; 2] = [ACCESS_TOKEN, REFRESH_TOKEN];

/// What the daemon starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// `None`: never provisioned, or it does not open.
    pub client_secret: Option<ClientSecret>,
    /// The set in force; true when a refresh had been marked and not finished.
    pub tokens: Option<(TokenSet, bool)>,
    /// How the last grant ended, unless there was a new one since.
    pub ended: Option<Ending>,
    /// What the provider last said of the rig.
    pub device: Option<DeviceInfo>,
    /// `None`: no pairing was running.
    pub pairing: Option<Running>,
    /// A person has paused the queue.
    pub paused: bool,
    /// When the newest tokens came, by the wall clock.
    pub refreshed_at: Option<WallTime>,
    /// Names of sealed records that are there and do not open.
    pub broken: Vec<String>,
}

impl Store {
    /// Everything but the queue, for the identity in force: nothing before [`Store::identity`] has made one. A record
    /// that does not open is named in `broken` and does not keep the rest from being read.
    pub async fn load(&self) -> Result<Loaded, StoreError> {
        self.tx(|tx| {
            let paused = tx.query_row("SELECT paused FROM rig WHERE id = 1", [], |r| r.get(0))?;
            let mut loaded = Loaded { paused, ..Loaded::default() };
            let client_id = match identity::current(tx) {
                Err(StoreError::NotFound(_)) => return Ok(loaded),
                current => current?,
            };
            let secret = client_secret(&identity::realm(tx)?);
            loaded.client_secret = open_or_note(tx, &secret, &mut loaded.broken)?.map(ClientSecret);
            load_grant(tx, &client_id, &mut loaded)?;
            loaded.device = load_device(tx, &client_id)?;
            loaded.pairing = pairing::load(tx, &client_id, &mut loaded.broken)?;
            Ok(loaded)
        })
        .await
    }

    /// Seals the client secret. A grant that the provider refused for a wrong secret is alive again: it is tried with
    /// this one.
    pub async fn save_client_secret(&self, secret: &ClientSecret) -> Result<(), StoreError> {
        let secret = secret.clone();
        self.tx(move |tx| {
            let revive = "UPDATE grant_state SET ending = NULL WHERE ending = ?1";
            tx.execute(revive, [word(Ending::ClientRejected)])?;
            tx.seal(&client_secret(&identity::realm(tx)?), secret.expose().as_bytes())
        })
        .await
    }

    /// Upholds: the mark "a refresh is in flight" is on disk before the request leaves.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there are no tokens to refresh.
    pub async fn mark_refresh(&self) -> Result<(), StoreError> {
        self.tx(|tx| {
            let sql = "UPDATE grant_state SET refresh_marked = 1 WHERE client_id = ?1";
            match tx.execute(sql, [identity::current(tx)?])? {
                0 => Err(StoreError::NotFound("tokens".into())),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Replaces the token set, takes the mark and a former ending away, and erases the pairing that led here, and with
    /// it the former project. Upholds: the newest refresh token is on disk before anyone uses what came with it, and
    /// footage never lands in the wrong project.
    pub async fn save_tokens(&self, tokens: &TokenSet) -> Result<(), StoreError> {
        let tokens = tokens.clone();
        self.tx(move |tx| {
            let client_id = identity::current(tx)?;
            tx.seal(ACCESS_TOKEN, tokens.access.expose().as_bytes())?;
            match &tokens.refresh {
                Some(refresh) => tx.seal(REFRESH_TOKEN, refresh.expose().as_bytes())?,
                None => tx.erase(REFRESH_TOKEN)?,
            }
            match &tokens.id_token {
                Some(id_token) => tx.seal(ID_TOKEN, id_token.expose().as_bytes())?,
                None => tx.erase(ID_TOKEN)?,
            }
            let (boot_id, boot, wall) = rows::sql_now(tokens.obtained);
            tx.execute(
                "INSERT OR REPLACE INTO grant_state (id, client_id, obtained_boot_id, obtained_boot_us, obtained_wall_s,
                     expires_in_ms, refresh_marked, ending) VALUES (1, ?1, ?2, ?3, ?4, ?5, 0, NULL)",
                (client_id, boot_id, boot, wall, rows::sql_millis(tokens.expires_in)),
            )?;
            // A new grant, not a refresh: whose project the old one was for is not whose this one is.
            if pairing::erase(tx)? {
                tx.execute("DELETE FROM device", [])?;
            }
            Ok(())
        })
        .await
    }

    /// Writes down whom the rig serves, binds items that have no project yet as their policy says, holds the queued ones
    /// of every other project, and queues the ones of this one that were held for another. The pairing began with the
    /// grant, where the project is another than before. Answers with the items whose state changed; those that were
    /// being sent for another project are among them and must be stopped. Upholds: footage never lands in the wrong
    /// project.
    pub async fn save_device(&self, info: &DeviceInfo) -> Result<Vec<ItemId>, StoreError> {
        let info = info.clone();
        self.tx(move |tx| {
            let client_id = identity::current(tx)?;
            let since = match current_pairing(tx)? {
                Some((project, since)) if project == info.project_id => since,
                _ => granted(tx, &client_id)?,
            };
            let (boot_id, boot, wall) = since.map(rows::sql_now).map_or((None, None, None), |(id, boot, wall)| {
                (Some(id), Some(boot), Some(wall))
            });
            tx.execute(
                "INSERT OR REPLACE INTO device (id, client_id, device_name, project_id, project_name, authorized_by,
                     authorization_expires_s, since_boot_id, since_boot_us, since_wall_s)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                (
                    client_id,
                    &info.device_name,
                    &info.project_id,
                    &info.project_name,
                    &info.authorized_by,
                    info.authorization_expires,
                    boot_id,
                    boot,
                    wall,
                ),
            )?;
            // It has served: what it said is in the row now.
            tx.erase(ID_TOKEN)?;
            // Only Frame.io takes clips; what waits for it waits.
            if identity::realm(tx)?.is_empty() { queue::bind_to(tx, &info.project_id) } else { Ok(vec![]) }
        })
        .await
    }

    /// The server ended the grant. The tokens go unless a new client secret may bring them back to life.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there was no grant.
    pub async fn end_grant(&self, ending: Ending, keep_tokens: bool) -> Result<(), StoreError> {
        self.tx(move |tx| {
            let sql = "UPDATE grant_state SET ending = ?2, refresh_marked = 0 WHERE client_id = ?1";
            if tx.execute(sql, (identity::current(tx)?, word(ending)))? == 0 {
                return Err(StoreError::NotFound("grant".into()));
            }
            if keep_tokens { Ok(()) } else { erase_sealed_tokens(tx) }
        })
        .await
    }

    /// A person unpaired the rig: tokens, mark, ending, project and code go; identity, secret and queue stay.
    pub async fn erase_tokens(&self) -> Result<(), StoreError> {
        self.tx(|tx| {
            erase_sealed_tokens(tx)?;
            tx.execute_batch("DELETE FROM grant_state; DELETE FROM device;")?;
            pairing::erase(tx).map(drop)
        })
        .await
    }
}

/// The record's name: a secret is one provider's.
fn client_secret(realm: &str) -> String {
    if realm.is_empty() { CLIENT_SECRET.to_owned() } else { format!("{CLIENT_SECRET}/{realm}") }
}

/// Opens a record, or notes its name where it is there and does not open.
pub(super) fn open_or_note(
    tx: &Tx<'_>,
    name: &str,
    broken: &mut Vec<String>,
) -> Result<Option<Secret>, StoreError> {
    match tx.unseal_text(name) {
        Err(StoreError::Sealed { record }) => {
            broken.push(record);
            Ok(None)
        }
        opened => opened,
    }
}

/// The project that clips go to, if one is paired, and since when, where that was written down.
pub(super) fn current_pairing(tx: &Tx<'_>) -> Result<Option<(String, Option<Now>)>, StoreError> {
    let sql =
        "SELECT project_id, since_boot_id IS NOT NULL, since_boot_id, since_boot_us, since_wall_s FROM device
               WHERE client_id = (SELECT tag FROM identity WHERE realm = '' AND seq = (SELECT max(seq) FROM identity))";
    let row = tx.prepare_cached(sql)?.query_row([], |r| {
        let since = if r.get(1)? { Some(rows::now(r, 2)?) } else { None };
        Ok((r.get(0)?, since))
    });
    Ok(row.optional()?)
}

/// When the tokens in force came.
fn granted(tx: &Tx<'_>, client_id: &str) -> Result<Option<Now>, StoreError> {
    let sql =
        "SELECT obtained_boot_id, obtained_boot_us, obtained_wall_s FROM grant_state WHERE client_id = ?1";
    Ok(tx.query_row(sql, [client_id], |r| rows::now(r, 0)).optional()?)
}

fn load_grant(tx: &Tx<'_>, client_id: &str, loaded: &mut Loaded) -> Result<(), StoreError> {
    let sql =
        "SELECT obtained_boot_id, obtained_boot_us, obtained_wall_s, expires_in_ms, refresh_marked, ending
               FROM grant_state WHERE client_id = ?1";
    let row = tx.query_row(sql, [client_id], |r| {
        Ok((rows::now(r, 0)?, rows::millis(r, 3)?, r.get::<_, bool>(4)?, r.get::<_, Option<String>>(5)?))
    });
    let Some((obtained, expires_in, marked, ending)) = row.optional()? else { return Ok(()) };
    loaded.refreshed_at = Some(obtained.wall);
    loaded.ended = ending.map(|text| ending_from(&text)).transpose()?;
    let before = loaded.broken.len();
    let access = open_or_note(tx, ACCESS_TOKEN, &mut loaded.broken)?.map(AccessToken);
    let refresh = open_or_note(tx, REFRESH_TOKEN, &mut loaded.broken)?.map(RefreshToken);
    // It only names a person, and is asked for anew with the next refresh.
    let id_token = open_or_note(tx, ID_TOKEN, &mut Vec::new())?.map(IdToken);
    // Half a set is none: without its refresh token it would end unnoticed in an hour.
    if let (Some(access), true) = (access, loaded.broken.len() == before) {
        loaded.tokens = Some((TokenSet { access, refresh, obtained, expires_in, id_token }, marked));
    }
    Ok(())
}

fn load_device(tx: &Tx<'_>, client_id: &str) -> Result<Option<DeviceInfo>, StoreError> {
    let sql = "SELECT device_name, project_id, project_name, authorized_by, authorization_expires_s
               FROM device WHERE client_id = ?1";
    let row = tx.query_row(sql, [client_id], |r| {
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

/// One of the tokens is lost, and with it the set.
pub(super) fn drop_set(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM grant_state", [])?;
    erase_sealed_tokens(tx)
}

fn erase_sealed_tokens(tx: &Tx<'_>) -> Result<(), StoreError> {
    TOKENS.iter().chain(&[ID_TOKEN]).try_for_each(|name| tx.erase(name))
}

fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Revoked => "revoked",
        Ending::InterruptedRefresh => "interrupted-refresh",
        Ending::ClientRejected => "client-rejected",
        Ending::Unreadable => "unreadable",
    }
}

fn ending_from(text: &str) -> Result<Ending, StoreError> {
    [Ending::Revoked, Ending::InterruptedRefresh, Ending::ClientRejected, Ending::Unreadable]
        .into_iter()
        .find(|ending| word(*ending) == text)
        .ok_or_else(|| StoreError::Corrupt("an ending of a grant that nobody wrote".into()))
}
