//! The store and the vault, as one room: opened together, and never a new identity or key in place of one that can't be
//! read.
//!
//! # Decisions
//! - A store that can't be opened does not end the daemon: it comes up, says why, and every command that needs the disk
//!   is refused by name. The file is left as it was; a person decides.
mod queue;

use std::path::PathBuf;
use std::sync::Mutex;

use tracing::{error, warn};

use crate::store::{Store, StoreError, VaultState};
use crate::vault::{KeySource, Vault};
use rigpost_core::command::Refusal;
use rigpost_core::disk::DiskError;
use rigpost_core::identity::oauth::{ClientId, ClientSecret};
use rigpost_core::identity::rig::{Change, CommandId, Event, Fresh, Loaded, Provisioned};
use rigpost_core::identity::tokens::Ending;
use rigpost_core::provider::Client;
use rigpost_core::time::BootId;
use rigpost_core::view::Protection;

/// Where the room is.
#[derive(Clone, Debug)]
pub struct Found {
    /// The state directory.
    pub dir: PathBuf,
    /// Where the root key comes from.
    pub key: KeySource,
    /// The identity that the configuration names, if it does.
    pub client_id: Option<String>,
    /// Whose secrets and grants these are.
    pub realm: Realm,
}

/// One provider, as the strongroom keeps it apart from others: what one has granted is never shown to another. It is there
/// again when the configuration is put back, unless the rig was paired with another one meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Realm {
    /// Its name; empty: Frame.io.
    pub name: String,
    /// The `client_id` that it gave to all rigs; `None`: each rig's own identity is one.
    pub client_id: Option<String>,
    /// Its clients are public: there is no client secret to wait for.
    pub public: bool,
}

/// Everything durable goes through here.
pub struct Strongroom {
    found: Found,
    /// The store, or why there is none.
    store: Result<Store, StoreError>,
    usable: Mutex<bool>,
}

type Known = (Loaded, Protection, Option<Client>);

impl Strongroom {
    /// Opens the store, or remembers why it can't be. Blocks on the disk for milliseconds.
    pub fn open(found: Found) -> Strongroom {
        let store = Store::open(&found.dir);
        match &store {
            Ok(store) if store.created() => tracing::info!(dir = %found.dir.display(), "new database"),
            Ok(_) => {}
            Err(e) => error!(dir = %found.dir.display(), "the store can't be opened: {e}"),
        }
        Strongroom { found, store, usable: Mutex::new(false) }
    }

    /// Sealing works, so that what the provider hands out can be kept.
    pub fn usable(&self) -> bool {
        self.usable.lock().is_ok_and(|u| *u)
    }

    fn store(&self) -> Result<&Store, StoreError> {
        self.store.as_ref().map_err(Clone::clone)
    }

    /// Reads everything the rig needs. Never fails: what can't be read is said in the answer.
    pub async fn load(&self) -> Known {
        let known = self.try_load().await.unwrap_or_else(|e| {
            let unusable_because = e.to_string();
            error!("{unusable_because}");
            (Loaded { unusable_because, ..Loaded::default() }, Protection::None, None)
        });
        if let Ok(mut usable) = self.usable.lock() {
            *usable = known.0.usable;
        }
        known
    }

    async fn try_load(&self) -> Result<Known, StoreError> {
        let store = self.store()?;
        let identity = store.identity(self.found.client_id.as_deref(), &self.found.realm.name).await?;
        if identity.changed {
            warn!(
                client_id = identity.client_id,
                "the configuration names another identity or provider; what was granted to the one before is not used"
            );
        }
        let unusable = |why: String| {
            let loaded =
                Loaded { unusable_because: why, client_id: identity.client_id.clone(), ..Loaded::default() };
            Ok((loaded, Protection::None, None))
        };
        let may_create = !store.has_sealed_records().await?;
        let vault = match self.open_vault(may_create).await {
            Ok(vault) => vault,
            Err(why) => {
                store.attach(None).await?;
                return unusable(why);
            }
        };
        let protection = vault.protection();
        match store.attach(Some(vault)).await? {
            VaultState::Ready => {}
            VaultState::Absent | VaultState::Foreign => {
                return unusable("the root key is not the one that sealed this rig's secrets".to_owned());
            }
        }
        let found = store.load().await?;
        for record in &found.broken {
            error!(record, "a sealed record does not open; what it held is lost");
        }
        if found.broken.iter().any(|r| r.starts_with("client_secret")) {
            return unusable("the sealed client secret does not open".to_owned());
        }
        let lost_tokens = found.tokens.is_none() && found.broken.iter().any(|r| r.ends_with("_token"));
        let client_id = identity.client_id;
        let client = self.client(&client_id, found.client_secret);
        let loaded = Loaded {
            usable: true,
            unusable_because: String::new(),
            client_id,
            provisioned: client.is_some(),
            tokens: found.tokens,
            ended: found.ended.or(lost_tokens.then_some(Ending::Unreadable)),
            device: found.device,
            pairing: found.pairing,
            refreshed_at: found.refreshed_at,
            boot_wall: None,
        };
        Ok((loaded, protection, client))
    }

    /// Who we are to the provider; `None`: nobody, without a secret.
    fn client(&self, identity: &str, secret: Option<ClientSecret>) -> Option<Client> {
        let Realm { client_id, public, .. } = &self.found.realm;
        let id = ClientId(client_id.clone().unwrap_or_else(|| identity.to_owned()));
        match public {
            true => Some(Client { id, secret: None }),
            false => secret.map(|secret| Client { id, secret: Some(secret) }),
        }
    }

    async fn open_vault(&self, may_create: bool) -> Result<Vault, String> {
        let key = self.found.key.clone();
        match tokio::task::spawn_blocking(move || Vault::open(&key, may_create)).await {
            Ok(opened) => opened.map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Performs one of the rig's writes in this boot; the answer to it, and who we are from now on where that changed.
    pub async fn write(&self, change: Change, boot: BootId) -> (Option<Event>, Option<Option<Client>>) {
        let store = match self.store() {
            Ok(store) => store,
            Err(e) => return (failed(change, failure(e)), None),
        };
        let event = match change {
            Change::SaveCode(seq, code, limit) => {
                Event::CodeSaved(seq, disk(store.save_pairing(Some(&code), limit).await))
            }
            Change::SaveLimit(limit) => {
                // What stays is the limit before, and holds after a restart only.
                if let Err(e) = store.save_limit(limit).await {
                    warn!("the pairing's time limit can't be written: {e}");
                }
                return (None, None);
            }
            Change::MarkRefresh(seq) => Event::Marked(seq, disk(store.mark_refresh().await)),
            Change::SaveTokens(seq, tokens) => {
                Event::TokensSaved(seq, disk(store.save_tokens(&tokens).await))
            }
            Change::SaveDevice(seq, info) => {
                Event::DeviceSaved(seq, disk(store.save_device(&info).await.map(drop)))
            }
            Change::NoteBoot(wall) => Event::BootNoted(disk(store.note_boot(boot, wall).await)),
            Change::EraseTokens(id) => Event::TokensErased(id, disk(store.erase_tokens().await)),
            Change::ErasePairing => {
                // What stays is a code that has run out or will; the next pairing replaces it.
                if let Err(e) = store.erase_pairing().await {
                    warn!("the code can't be erased: {e}");
                }
                return (None, None);
            }
            Change::EndGrant(ending) => {
                // What stays is asked again after a restart, and refused again.
                if let Err(e) = store.end_grant(ending, ending == Ending::ClientRejected).await {
                    warn!("the end of the grant can't be written: {e}");
                }
                return (None, None);
            }
            Change::SaveSecret(id, secret) => return self.save_secret(store, id, secret).await,
            Change::Forget(id) => return self.forget(store, id).await,
        };
        (Some(event), None)
    }

    /// A rig that works learns its secret and nothing else: reading everything anew could only take something away.
    async fn save_secret(
        &self,
        store: &Store,
        id: CommandId,
        secret: ClientSecret,
    ) -> (Option<Event>, Option<Option<Client>>) {
        let mend = !self.usable();
        let refused = |e| Some(Event::SecretSaved(id, Err(e)));
        let client_id = match self.keep_secret(store, mend, &secret).await {
            Ok(client_id) => client_id,
            Err(e) => return (refused(e), None),
        };
        if !mend {
            let client = self.client(&client_id, Some(secret));
            return (Some(Event::SecretSaved(id, Ok(Provisioned { client_id, mended: None }))), Some(client));
        }
        let (loaded, protection, client) = self.load().await;
        if !loaded.usable {
            return (refused(DiskError::NoKey(loaded.unusable_because)), None);
        }
        let mended = Some((Box::new(loaded), protection));
        (Some(Event::SecretSaved(id, Ok(Provisioned { client_id, mended }))), Some(client))
    }

    /// Makes sure of an identity and seals the client secret for it; where the vault was lost, begins a new one before
    /// that and drops what the old one sealed. Answers with the identity.
    async fn keep_secret(
        &self,
        store: &Store,
        mend: bool,
        secret: &ClientSecret,
    ) -> Result<String, DiskError> {
        let identity =
            store.identity(self.found.client_id.as_deref(), &self.found.realm.name).await.map_err(failure)?;
        if mend {
            let vault = self.open_vault(true).await.map_err(DiskError::NoKey)?;
            store.readopt(vault).await.map_err(failure)?;
            warn!(
                "provisioned again: what the lost root key had sealed is gone; identity and queue are kept"
            );
        }
        store.save_client_secret(secret).await.map_err(failure)?;
        Ok(identity.client_id)
    }

    async fn forget(&self, store: &Store, id: CommandId) -> (Option<Event>, Option<Option<Client>>) {
        if let Err(e) = store.forget().await {
            return (Some(Event::Forgotten(id, Err(failure(e)))), None);
        }
        let client_id = match store.identity(self.found.client_id.as_deref(), &self.found.realm.name).await {
            Ok(identity) => identity.client_id,
            Err(e) => {
                warn!("there is no new identity yet: {e}");
                String::new()
            }
        };
        // A public client is all that it was.
        let client = self.client(&client_id, None);
        let fresh = Fresh { client_id, provisioned: client.is_some() };
        (Some(Event::Forgotten(id, Ok(fresh))), Some(client))
    }
}

/// What to tell the machine when there is no store at all.
fn failed(change: Change, e: DiskError) -> Option<Event> {
    match change {
        Change::SaveCode(seq, ..) => Some(Event::CodeSaved(seq, Err(e))),
        Change::MarkRefresh(seq) => Some(Event::Marked(seq, Err(e))),
        Change::SaveTokens(seq, _) => Some(Event::TokensSaved(seq, Err(e))),
        Change::SaveDevice(seq, _) => Some(Event::DeviceSaved(seq, Err(e))),
        Change::NoteBoot(_) => Some(Event::BootNoted(Err(e))),
        Change::EraseTokens(id) => Some(Event::TokensErased(id, Err(e))),
        Change::SaveSecret(id, _) => Some(Event::SecretSaved(id, Err(e))),
        Change::Forget(id) => Some(Event::Forgotten(id, Err(e))),
        Change::SaveLimit(_) | Change::ErasePairing | Change::EndGrant(_) => None,
    }
}

fn disk(outcome: Result<(), StoreError>) -> Result<(), DiskError> {
    outcome.map_err(failure)
}

fn failure(e: StoreError) -> DiskError {
    if e != StoreError::Full {
        error!("{e}");
    }
    match e {
        StoreError::Full => DiskError::Full,
        StoreError::ReadOnly(_) => DiskError::ReadOnly,
        StoreError::Sealed { .. } | StoreError::TooNew { .. } | StoreError::Corrupt(_) => {
            DiskError::NoKey(e.to_string())
        }
        StoreError::Io(_)
        | StoreError::NotFound(_)
        | StoreError::LimitExceeded { .. }
        | StoreError::NotPaired
        | StoreError::NotOver(_) => DiskError::Failed(e.to_string()),
    }
}

/// What a caller is told when the store refuses.
pub fn refusal(e: StoreError) -> Refusal {
    match e {
        StoreError::Full => Refusal::StorageFull,
        StoreError::NotFound(what) => Refusal::NotFound(what),
        StoreError::LimitExceeded { .. } => Refusal::LimitsExceeded(e.to_string()),
        StoreError::NotPaired => Refusal::NotPaired,
        StoreError::NotOver(_) => Refusal::NotAllowed(e.to_string()),
        StoreError::Sealed { .. } | StoreError::TooNew { .. } | StoreError::Corrupt(_) => {
            Refusal::SecretUnavailable(e.to_string())
        }
        StoreError::ReadOnly(why) | StoreError::Io(why) => Refusal::StorageFailed(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rigpost_core::secret::Secret;

    fn secret() -> Change {
        Change::SaveSecret(CommandId(1), ClientSecret(Secret::new("model-secret")))
    }

    #[tokio::test]
    async fn without_a_key_a_secret_is_refused_for_that_and_not_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let key = KeySource::Credential { dir: dir.path().join("credentials") };
        let room = Strongroom::open(Found {
            dir: dir.path().join("state"),
            key,
            client_id: None,
            realm: Realm::default(),
        });
        assert!(!room.load().await.0.usable);
        let (Some(Event::SecretSaved(_, Err(DiskError::NoKey(why)))), None) =
            room.write(secret(), BootId(1)).await
        else {
            panic!("kept without a key");
        };
        assert!(why.contains("rigpost.key") && !why.contains("provision"), "{why}");
    }

    fn room(dir: &tempfile::TempDir) -> Strongroom {
        let key = KeySource::File { path: dir.path().join("key") };
        Strongroom::open(Found {
            dir: dir.path().join("state"),
            key,
            client_id: None,
            realm: Realm::default(),
        })
    }

    /// The identity that the secret was kept for, where nothing had to be mended.
    fn provisioned(event: Event) -> String {
        let Event::SecretSaved(_, Ok(Provisioned { client_id, mended: None })) = event else {
            panic!("{event:?}")
        };
        client_id
    }

    #[tokio::test]
    async fn provisioning_a_rig_that_works_does_not_look_at_its_key_again() {
        let dir = tempfile::tempdir().unwrap();
        let room = room(&dir);
        let client_id = room.load().await.0.client_id;
        // In passing, as when too many files are open.
        std::fs::rename(dir.path().join("key"), dir.path().join("away")).unwrap();
        std::fs::create_dir(dir.path().join("key")).unwrap();
        let (Some(event), Some(Some(client))) = room.write(secret(), BootId(1)).await else {
            panic!("no client")
        };
        assert_eq!(provisioned(event), client_id);
        assert_eq!((client.id.0, client.secret.as_ref().unwrap().expose()), (client_id, "model-secret"));
        assert!(room.usable());
    }

    #[tokio::test]
    async fn a_rig_that_was_left_without_an_identity_gets_one_with_its_secret() {
        let dir = tempfile::tempdir().unwrap();
        let room = room(&dir);
        let before = room.load().await.0.client_id;
        room.store().unwrap().forget().await.unwrap();
        let (Some(event), Some(Some(client))) = room.write(secret(), BootId(1)).await else {
            panic!("no client")
        };
        assert_eq!(provisioned(event), client.id.0);
        assert!(client.id.0 != before && !client.id.0.is_empty());
        assert_eq!(room.load().await.0.client_id, client.id.0);
    }
}
