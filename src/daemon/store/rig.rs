//! What the rig's machine starts from, and its writes: the database and the root key together.
//!
//! # Decisions
//! - Never a new identity or key in place of one that can't be read.
//! - Trouble of the disk and trouble with the key are told apart: the first mostly passes, and [`Store::load`] is tried
//!   again; the second is for a person, who provisions again. While the disk is the trouble, or a database that is damaged
//!   or newer, nothing is given up for lost: provisioning mends keys and nothing else.
use std::io;

use tracing::{error, warn};

use super::error::StoreError;
use super::grant::TOKENS;
use super::handle::Store;
use super::keys::VaultState;
use super::location::ClientKind;
use crate::vault::{Vault, VaultError};
use rigpost_core::disk::DiskError;
use rigpost_core::identity::rig::{Change, CommandId, Event, Fresh, Loaded, Parting, Provisioned};
use rigpost_core::identity::tokens::Ending;
use rigpost_core::oauth::{Binding, ClientId, ClientSecret, Thumbprint, TokenSet};
use rigpost_core::provider::Client;
use rigpost_core::provider::kept::KeptDocument;
use rigpost_core::time::BootId;
use rigpost_core::view::Protection;

/// What the rig starts from, how its key is kept, who it is to the provider, and what that one has said of itself.
pub type Known = (Loaded, Protection, Option<Client>, Vec<KeptDocument>);

/// A rig that can keep nothing, and why.
struct Unusable {
    why: DiskError,
    /// Empty where it can't be read.
    client_id: String,
}

impl From<StoreError> for Unusable {
    fn from(e: StoreError) -> Unusable {
        Unusable { why: e.into(), client_id: String::new() }
    }
}

impl Store {
    /// Reads everything that the rig's machine needs, and opens what could not be opened so far. Never fails: what can't be
    /// read is said in the answer. Where [`DiskError::may_pass`] says so, it is worth trying again.
    pub async fn load(&self) -> Known {
        let known = match self.try_load().await {
            Ok(known) => known,
            Err(Unusable { why, client_id }) => {
                let loaded = Loaded { unusable: Some(why), client_id, ..Loaded::default() };
                (loaded, Protection::None, None, vec![])
            }
        };
        let before = self.set_trouble(known.0.unusable.clone());
        // Once, however often it is tried.
        if let Some(why) = known.0.unusable.as_ref().filter(|why| before.as_ref() != Some(*why)) {
            error!("nothing can be kept: {why}");
        }
        known
    }

    async fn try_load(&self) -> Result<Known, Unusable> {
        self.open_again().await?;
        let location = &self.shared.location;
        let identity = self.identity(location.client_id.as_deref(), &location.provider).await?;
        if identity.changed {
            warn!(
                client_id = identity.client_id,
                "the configuration names another identity or provider; what was granted to the one before is not used"
            );
        }
        let client_id = identity.client_id;
        let no_key = |why: String| Unusable { why: DiskError::NoKey(why), client_id: client_id.clone() };
        let may_create = !self.has_sealed_records().await?;
        let vault = match self.open_vault(may_create).await {
            Ok(vault) => vault,
            Err(why) => {
                self.attach(None).await?;
                return Err(Unusable { why, client_id });
            }
        };
        let protection = vault.protection();
        match self.attach(Some(vault)).await? {
            VaultState::Ready => {}
            VaultState::Absent | VaultState::Foreign => {
                return Err(no_key("the root key is not the one that sealed this rig's secrets".to_owned()));
            }
        }
        let mut found = self.grants().await?;
        for record in &found.broken {
            error!(record, "a sealed record does not open; what it held is lost");
        }
        if found.broken.iter().any(|r| r.starts_with("client_secret")) {
            return Err(no_key("the sealed client secret does not open".to_owned()));
        }
        let broken = found.broken.iter().any(|record| TOKENS.contains(&record.as_str()));
        let mut lost_tokens = found.tokens.is_none() && broken;
        if let Some(key) = self.lost_key(found.tokens.as_ref()).await? {
            error!(key = key.0, "the key is lost that the tokens are bound to: they are of no use without");
            (found.tokens, lost_tokens) = (None, true);
        }
        let client = self.client(&client_id, found.client_secret);
        let loaded = Loaded {
            unusable: None,
            client_id,
            provisioned: client.is_some(),
            tokens: found.tokens,
            ended: found.ended.or(lost_tokens.then_some(Ending::Unreadable)),
            device: found.device,
            pairing: found.pairing,
            refreshed_at: found.refreshed_at,
            boot_wall: None,
            revocations: found.revocations,
        };
        Ok((loaded, protection, client, found.issuer))
    }

    /// The key without which the tokens can't be renewed, where it is not this rig's (any more).
    async fn lost_key(&self, tokens: Option<&(TokenSet, bool)>) -> Result<Option<Thumbprint>, StoreError> {
        let bound = tokens.and_then(|(tokens, _)| tokens.binding.as_ref());
        let Some(Binding { key, .. }) = bound.filter(|_| self.shared.location.client.public) else {
            return Ok(None);
        };
        let own = self.proof_key(false).await?;
        Ok(own.is_none_or(|own| own.public().thumbprint() != *key).then(|| key.clone()))
    }

    /// Who we are to the provider; `None`: nobody, without a secret.
    fn client(&self, identity: &str, secret: Option<ClientSecret>) -> Option<Client> {
        let ClientKind { client_id, public } = &self.shared.location.client;
        let id = ClientId(client_id.clone().unwrap_or_else(|| identity.to_owned()));
        match public {
            true => Some(Client { id, secret: None }),
            false => secret.map(|secret| Client { id, secret: Some(secret) }),
        }
    }

    async fn open_vault(&self, may_create: bool) -> Result<Vault, DiskError> {
        let key = self.shared.location.key.clone();
        match tokio::task::spawn_blocking(move || Vault::open(&key, may_create)).await {
            Ok(opened) => opened.map_err(|e| of_key(&e)),
            Err(e) => Err(DiskError::Failed(e.to_string())),
        }
    }

    /// Performs one of the rig's writes in this boot; the answer to it, and who we are from now on where that changed.
    pub async fn write(&self, change: Change, boot: BootId) -> (Option<Event>, Option<Option<Client>>) {
        let event = match change {
            Change::SaveCode(seq, code, limit) => {
                Event::CodeSaved(seq, disk(self.save_pairing(Some(&code), limit).await))
            }
            Change::NotePairing(limit, interval) => {
                // What stays is what was written before, and holds after a restart only.
                if let Err(e) = self.note_pairing(limit, interval).await {
                    warn!("the pairing's time limit or pace can't be written: {e}");
                }
                return (None, None);
            }
            Change::MarkRefresh(seq) => Event::Marked(seq, disk(self.mark_refresh().await)),
            Change::SaveTokens(seq, tokens) => Event::TokensSaved(seq, disk(self.save_tokens(&tokens).await)),
            Change::SaveDevice(seq, info) => {
                Event::DeviceSaved(seq, disk(self.save_device(&info).await.map(drop)))
            }
            Change::NoteBoot(wall) => Event::BootNoted(disk(self.note_boot(boot, wall).await)),
            Change::EraseTokens(id, parting) => {
                Event::TokensErased(id, disk(self.erase_tokens(&parting).await))
            }
            Change::KeepRevocation(parting) => {
                let Some(id) = parting.keep.as_ref().map(|keep| keep.id) else { return (None, None) };
                let outcome = disk(self.keep_revocation(&parting).await);
                Event::RevocationKept(id, parting.gone, outcome)
            }
            Change::NoteRevocation(id, progress, why) => {
                self.note_try(id, progress, &why).await;
                return (None, None);
            }
            Change::EraseRevocation(id, over) => {
                Event::RevocationErased(id, self.end_revocation(id, &over).await)
            }
            Change::ErasePairing => {
                // What stays is a code that has run out or will; the next pairing replaces it.
                if let Err(e) = self.erase_pairing().await {
                    warn!("the code can't be erased: {e}");
                }
                return (None, None);
            }
            Change::EndGrant(ending) => {
                // What stays is asked again after a restart, and refused again.
                if let Err(e) = self.end_grant(ending, ending == Ending::ClientRejected).await {
                    warn!("the end of the grant can't be written: {e}");
                }
                return (None, None);
            }
            Change::SaveSecret(id, secret) => return self.save_secret(id, secret).await,
            Change::Forget(id, parting) => return self.forget_rig(id, &parting).await,
        };
        (Some(event), None)
    }

    /// A rig that works learns its secret and nothing else: reading everything anew could only take something away.
    async fn save_secret(
        &self,
        id: CommandId,
        secret: ClientSecret,
    ) -> (Option<Event>, Option<Option<Client>>) {
        let before = self.trouble();
        let refused = |disk| {
            // The machine has not heard of what was found meanwhile: whoever comes next looks again.
            self.set_trouble(before.clone());
            (Some(Event::SecretSaved(id, Err(disk))), None)
        };
        let (mut found, mut mend) = (None, false);
        if before.is_some() {
            // The disk may be all that is in the way; then nothing is lost, and nothing is to be mended.
            let known = self.load().await;
            match &known.0.unusable {
                None => found = Some(known),
                Some(e) if e.is_of_disk() => return refused(e.clone()),
                Some(_) => mend = true,
            }
        }
        let client_id = match self.keep_secret(mend, &secret).await {
            Ok(client_id) => client_id,
            Err(disk) => return refused(disk),
        };
        if mend {
            let known = self.load().await;
            if let Some(e) = known.0.unusable {
                return refused(e);
            }
            found = Some(known);
        }
        let client = self.client(&client_id, Some(secret));
        let mended = found.map(|(loaded, protection, ..)| (Box::new(loaded), protection));
        (Some(Event::SecretSaved(id, Ok(Provisioned { client_id, mended }))), Some(client))
    }

    /// Makes sure of an identity and seals the client secret for it; where the vault was lost, begins a new one with it
    /// and drops what the old one sealed, all or nothing. Answers with the identity.
    async fn keep_secret(&self, mend: bool, secret: &ClientSecret) -> Result<String, DiskError> {
        let location = &self.shared.location;
        let identity =
            self.identity(location.client_id.as_deref(), &location.provider).await.map_err(noted)?;
        if mend {
            let vault = self.open_vault(true).await?;
            self.readopt(vault, secret).await.map_err(noted)?;
            warn!(
                "provisioned again: what the lost root key had sealed is gone; identity and queue are kept"
            );
        } else {
            self.save_client_secret(secret).await.map_err(noted)?;
        }
        Ok(identity.client_id)
    }

    async fn forget_rig(&self, id: CommandId, parting: &Parting) -> (Option<Event>, Option<Option<Client>>) {
        let storage_key = match self.forget(parting).await {
            Ok(storage_key) => storage_key,
            Err(e) => return (Some(Event::Forgotten(id, Err(noted(e)))), None),
        };
        self.erase_proof_key().await;
        let location = &self.shared.location;
        let client_id = match self.identity(location.client_id.as_deref(), &location.provider).await {
            Ok(identity) => identity.client_id,
            Err(e) => {
                warn!("there is no new identity yet: {e}");
                String::new()
            }
        };
        // A public client is all that it was.
        let client = self.client(&client_id, None);
        let fresh = Fresh { client_id, provisioned: client.is_some(), storage_key };
        (Some(Event::Forgotten(id, Ok(fresh))), Some(client))
    }
}

/// A key that can't be read now is not a key that is lost.
fn of_key(e: &VaultError) -> DiskError {
    match e {
        VaultError::Unreadable { io, .. } if may_pass(io) => {
            if matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                DiskError::Full
            } else if io.kind() == io::ErrorKind::ReadOnlyFilesystem {
                DiskError::ReadOnly
            } else {
                DiskError::Failed(e.to_string())
            }
        }
        VaultError::Missing { .. }
        | VaultError::NotBrought { .. }
        | VaultError::WrongSize { .. }
        | VaultError::Permissions { .. }
        | VaultError::Unreadable { .. } => DiskError::NoKey(e.to_string()),
    }
}

/// The system's trouble, and not the file's.
fn may_pass(e: &io::Error) -> bool {
    use rustix::io::Errno;

    let passing = [
        Errno::IO,
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::ROFS,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::AGAIN,
        Errno::INTR,
        Errno::STALE,
        Errno::TIMEDOUT,
    ];
    e.raw_os_error().is_some_and(|code| passing.iter().any(|errno| errno.raw_os_error() == code))
}

fn disk(outcome: Result<(), StoreError>) -> Result<(), DiskError> {
    outcome.map_err(noted)
}

/// As the machine hears it; a full disk is no surprise, and everything else is one for the journal.
fn noted(e: StoreError) -> DiskError {
    if e != StoreError::Full {
        error!("{e}");
    }
    e.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::location::Location;
    use crate::vault::KeySource;
    use rigpost_core::provider::ProviderKey;
    use rigpost_core::secret::Secret;

    fn secret() -> Change {
        Change::SaveSecret(CommandId(1), ClientSecret(Secret::new("model-secret")))
    }

    #[tokio::test]
    async fn without_a_key_a_secret_is_refused_for_that_and_not_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let key = KeySource::Credential { dir: dir.path().join("credentials") };
        let store = store_at(&dir, key);
        assert!(!store.load().await.0.unusable.unwrap().may_pass());
        let (Some(Event::SecretSaved(_, Err(DiskError::NoKey(why)))), None) =
            store.write(secret(), BootId(1)).await
        else {
            panic!("kept without a key");
        };
        assert!(why.contains("rigpost.key") && !why.contains("provision"), "{why}");
    }

    fn store_at(dir: &tempfile::TempDir, key: KeySource) -> Store {
        let provider = ProviderKey::frameio(&"https://api.example.com".parse().unwrap());
        let (dir, client) = (dir.path().join("state"), ClientKind::default());
        Store::at(Location { dir, key, client_id: None, provider, client }, Clock::system())
    }

    fn store(dir: &tempfile::TempDir) -> Store {
        store_at(dir, KeySource::File { path: dir.path().join("key") })
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
        let store = store(&dir);
        let client_id = store.load().await.0.client_id;
        // In passing, as when too many files are open.
        std::fs::rename(dir.path().join("key"), dir.path().join("away")).unwrap();
        std::fs::create_dir(dir.path().join("key")).unwrap();
        let (Some(event), Some(Some(client))) = store.write(secret(), BootId(1)).await else {
            panic!("no client")
        };
        assert_eq!(provisioned(event), client_id);
        assert_eq!((client.id.0, client.secret.as_ref().unwrap().expose()), (client_id, "model-secret"));
        assert!(store.usable());
    }

    #[tokio::test]
    async fn a_rig_that_was_left_without_an_identity_gets_one_with_its_secret() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let before = store.load().await.0.client_id;
        store.forget(&Parting::default()).await.unwrap();
        let (Some(event), Some(Some(client))) = store.write(secret(), BootId(1)).await else {
            panic!("no client")
        };
        assert_eq!(provisioned(event), client.id.0);
        assert!(client.id.0 != before && !client.id.0.is_empty());
        assert_eq!(store.load().await.0.client_id, client.id.0);
    }

    #[test]
    fn a_key_that_the_system_keeps_back_is_not_a_lost_one() {
        use rustix::io::Errno;

        let of = |errno: Errno| {
            let io = io::Error::from_raw_os_error(errno.raw_os_error());
            of_key(&VaultError::Unreadable { path: "/root.key".into(), io })
        };
        for errno in [Errno::IO, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::STALE] {
            assert!(matches!(of(errno), DiskError::Failed(_)), "{errno}");
        }
        assert_eq!((of(Errno::NOSPC), of(Errno::DQUOT)), (DiskError::Full, DiskError::Full));
        assert_eq!(of(Errno::ROFS), DiskError::ReadOnly);
        assert!(matches!(of(Errno::ACCESS), DiskError::NoKey(_)), "somebody has to allow it");
        let missing = of_key(&VaultError::Missing { path: "/root.key".into() });
        assert!(matches!(missing, DiskError::NoKey(_)));
    }
}
