//! Client secret, tokens, and the project they are for.
//!
//! # Decisions
//! - New tokens, the end of the refresh mark, and the erasing of the code that led here are one transaction: whatever
//!   moment the power fails, exactly one of "old token and a mark" and "new token and no mark" is on disk.
//! - The project and the state of every item follow in one transaction too: there is no moment at which an item of
//!   another project could be claimed.
use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::handle::Store;
use super::identity::{self, Tag};
use super::providers::{self, ProviderId};
use super::tx::Tx;
use super::{device, issuer, pairing, projects, queue, revocation, rows};
use rigpost_core::identity::pairing::Running;
use rigpost_core::identity::revocation::Kept;
use rigpost_core::identity::rig::Parting;
use rigpost_core::identity::tokens::Ending;
use rigpost_core::oauth::{
    AccessToken, Binding, ClientSecret, DeviceInfo, IdToken, RefreshToken, Thumbprint, TokenSet, Wanting,
};
use rigpost_core::provider::kept::KeptDocument;
use rigpost_core::queue::item::ItemId;
use rigpost_core::time::{Now, WallTime};

/// Goes once what it says is written down, unless keys for the storage are asked for with it.
const ID_TOKEN: &str = "id_token";
const ACCESS_TOKEN: &str = "access_token";
const REFRESH_TOKEN: &str = "refresh_token";
const BINDING: &str = "token_binding";
/// Sealed one by one, of use only together.
pub(super) const TOKENS: [&str; 3] = [ACCESS_TOKEN, REFRESH_TOKEN, BINDING];

/// What was granted to the rig, and what it was granted with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
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
    /// Grants that were ended here, of which a provider has not heard; of any provider.
    pub revocations: Vec<Kept>,
    /// What the provider has said of itself.
    pub issuer: Vec<KeptDocument>,
    /// Names of sealed records that are there and do not open.
    pub broken: Vec<String>,
}

pub(super) fn keep_client_secret(tx: &Tx<'_>, secret: &ClientSecret) -> Result<(), StoreError> {
    let revive = "UPDATE grant_state SET ending = NULL WHERE ending = ?1";
    tx.execute(revive, [word(Ending::ClientRejected)])?;
    let provider = identity::stored(tx)?.map_or(ProviderId::FIRST, |tag| tag.provider);
    tx.seal(&providers::secret(tx, provider)?, secret.expose().as_bytes())
}

impl Store {
    /// Everything but the queue, for the identity in force: nothing before [`Store::identity`] has made one. A record
    /// that does not open is named in `broken` and does not keep the rest from being read.
    pub async fn grants(&self) -> Result<Grants, StoreError> {
        self.rig_tx(|tx| {
            let paused = tx.query_row("SELECT paused FROM rig WHERE id = 1", [], |r| r.get(0))?;
            let mut loaded = Grants { paused, ..Grants::default() };
            loaded.revocations = revocation::load(tx)?;
            let Some(tag) = identity::stored(tx)? else { return Ok(loaded) };
            let secret = providers::secret(tx, tag.provider)?;
            loaded.client_secret = tx.open_or_note(&secret, &mut loaded.broken)?.map(ClientSecret);
            load_grant(tx, &tag, &mut loaded)?;
            loaded.device = device::load(tx, &tag)?;
            loaded.pairing = pairing::load(tx, &tag, &mut loaded.broken)?;
            loaded.issuer = issuer::load(tx, &tag)?;
            Ok(loaded)
        })
        .await
    }

    /// Seals the client secret. A grant that the provider refused for a wrong secret is alive again: it is tried with
    /// this one.
    pub async fn save_client_secret(&self, secret: &ClientSecret) -> Result<(), StoreError> {
        let secret = secret.clone();
        self.rig_tx(move |tx| keep_client_secret(tx, &secret)).await
    }

    /// Upholds: the mark "a refresh is in flight" is on disk before the request leaves.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there are no tokens to refresh.
    pub async fn mark_refresh(&self) -> Result<(), StoreError> {
        self.rig_tx(|tx| {
            let sql = "UPDATE grant_state SET refresh_marked = 1 WHERE client_id = ?1 AND provider = ?2";
            match tx.execute(sql, identity::current(tx)?.sql())? {
                0 => Err(StoreError::NotFound("tokens".into())),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Replaces the token set, takes the mark and a former ending away, and erases the pairing that led here, and with
    /// it the former project. Upholds: the newest refresh token is on disk before anyone uses what came with it, and
    /// footage never lands in the wrong project.
    //= https://www.rfc-editor.org/rfc/rfc6749#section-6
    //# the client MUST discard the old refresh token and replace it with the new refresh token
    pub async fn save_tokens(&self, tokens: &TokenSet) -> Result<(), StoreError> {
        let tokens = tokens.clone();
        self.rig_tx(move |tx| {
            let Tag { client_id, provider } = identity::current(tx)?;
            tx.seal(ACCESS_TOKEN, tokens.access.expose().as_bytes())?;
            match &tokens.refresh {
                Some(refresh) => tx.seal(REFRESH_TOKEN, refresh.expose().as_bytes())?,
                None => tx.erase(REFRESH_TOKEN)?,
            }
            match &tokens.binding {
                Some(binding) => tx.seal(BINDING, written(binding).as_bytes())?,
                None => tx.erase(BINDING)?,
            }
            match &tokens.id_token {
                Some(id_token) => tx.seal(ID_TOKEN, id_token.expose().as_bytes())?,
                None => tx.erase(ID_TOKEN)?,
            }
            let (boot_id, boot, wall) = rows::sql_now(tokens.obtained);
            tx.execute(
                "INSERT OR REPLACE INTO grant_state (id, client_id, obtained_boot_id, obtained_boot_us, obtained_wall_s,
                     expires_in_ms, refresh_marked, ending, provider) VALUES (1, ?1, ?2, ?3, ?4, ?5, 0, NULL, ?6)",
                (client_id, boot_id, boot, wall, rows::sql_millis(tokens.expires_in), provider.0),
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
        self.rig_tx(move |tx| {
            let tag = identity::current(tx)?;
            let project = tag.provider.project(&info.project_id);
            let since = match device::pairing(tx)? {
                Some((current, since)) if current == project => since,
                _ => granted(tx, &tag)?,
            };
            device::write(tx, &tag, &info, since)?;
            projects::remember(tx, &project, &info.project_name)?;
            let takes_clips = providers::takes_clips(tx, tag.provider)?;
            if info.wanting == Wanting::Nothing && !takes_clips {
                // It has served: what it said is in the row now.
                tx.erase(ID_TOKEN)?;
            }
            // What waits for a provider that takes clips waits.
            if takes_clips { queue::bind_to(tx, &project) } else { Ok(vec![]) }
        })
        .await
    }

    /// The server ended the grant. The tokens go unless a new client secret may bring them back to life.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there was no grant.
    pub async fn end_grant(&self, ending: Ending, keep_tokens: bool) -> Result<(), StoreError> {
        self.rig_tx(move |tx| {
            let sql = "UPDATE grant_state SET ending = ?3, refresh_marked = 0 WHERE client_id = ?1 AND provider = ?2";
            let tag = identity::current(tx)?;
            if tx.execute(sql, (&tag.client_id, tag.provider.0, word(ending)))? == 0 {
                return Err(StoreError::NotFound("grant".into()));
            }
            if keep_tokens { Ok(()) } else { erase_sealed_tokens(tx) }
        })
        .await
    }

    /// A person unpaired the rig: tokens, mark, ending, project and code go; identity, secret and queue stay. What is
    /// needed to tell the provider is kept apart, all or nothing.
    //= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
    //# clients must not try to use the token after receipt of an HTTP 200 response
    pub async fn erase_tokens(&self, parting: &Parting) -> Result<(), StoreError> {
        let (parting, client) = (parting.clone(), self.shared.location.client.clone());
        self.rig_tx(move |tx| {
            revocation::part(tx, &parting, &client)?;
            erase_sealed_tokens(tx)?;
            // Channels are of the pairing: another one, with the same project too, begins anew.
            tx.execute_batch("DELETE FROM grant_state; DELETE FROM device; DELETE FROM channel;")?;
            pairing::erase(tx).map(drop)
        })
        .await
    }
}

/// When the tokens in force came.
fn granted(tx: &Tx<'_>, tag: &Tag) -> Result<Option<Now>, StoreError> {
    let sql = "SELECT obtained_boot_id, obtained_boot_us, obtained_wall_s FROM grant_state
               WHERE client_id = ?1 AND provider = ?2";
    Ok(tx.query_row(sql, tag.sql(), |r| rows::now(r, 0)).optional()?)
}

fn load_grant(tx: &Tx<'_>, tag: &Tag, loaded: &mut Grants) -> Result<(), StoreError> {
    let sql =
        "SELECT obtained_boot_id, obtained_boot_us, obtained_wall_s, expires_in_ms, refresh_marked, ending
               FROM grant_state WHERE client_id = ?1 AND provider = ?2";
    let row = tx.query_row(sql, tag.sql(), |r| {
        Ok((rows::now(r, 0)?, rows::millis(r, 3)?, r.get::<_, bool>(4)?, r.get::<_, Option<String>>(5)?))
    });
    let Some((obtained, expires_in, marked, ending)) = row.optional()? else { return Ok(()) };
    loaded.refreshed_at = Some(obtained.wall);
    loaded.ended = ending.map(|text| ending_from(&text)).transpose()?;
    let before = loaded.broken.len();
    let access = tx.open_or_note(ACCESS_TOKEN, &mut loaded.broken)?.map(AccessToken);
    let refresh = tx.open_or_note(REFRESH_TOKEN, &mut loaded.broken)?.map(RefreshToken);
    let binding = tx.open_or_note(BINDING, &mut loaded.broken)?;
    // It is asked for anew with the next refresh.
    let id_token = tx.open_or_note(ID_TOKEN, &mut Vec::new())?.map(IdToken);
    // Half a set is none: without its refresh token it would end unnoticed in an hour.
    if let (Some(access), true) = (access, loaded.broken.len() == before) {
        let binding = binding.map(|text| bound(text.expose()));
        loaded.tokens = Some((TokenSet { access, refresh, obtained, expires_in, id_token, binding }, marked));
    }
    Ok(())
}

/// Before the key's name where the access token is bound too.
const ACCESS_TOO: &str = "access:";

fn written(binding: &Binding) -> String {
    let how = if binding.access { ACCESS_TOO } else { "" };
    format!("{how}{}", binding.key.0)
}

fn bound(text: &str) -> Binding {
    let key = text.strip_prefix(ACCESS_TOO);
    Binding { access: key.is_some(), key: Thumbprint(key.unwrap_or(text).to_owned()) }
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
