//! Short ways to say what the tests are about.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use rigpost_contract::steered::Steered;
use rigpost_core::command::Answers;
use rigpost_core::identity::pairing::{CodeOnOffer, Running, TimeLimit};
use rigpost_core::identity::revocation::RevocationId;
use rigpost_core::identity::rig::{Keep, Parting};
use rigpost_core::oauth::*;
use rigpost_core::provider::ProviderKey;
use rigpost_core::queue::clip::Wanted;
use rigpost_core::queue::evidence::{Fingerprint, Volume};
use rigpost_core::queue::item::{Asset, Clip, FileFacts, ItemId, PartDigest};
use rigpost_core::secret::Secret;
use rigpost_core::time::{BootId, BootTime, Now, WallTime};
use rigpost_daemon::store::{FILE, Limits, Store, StoreError, VaultState};
use rigpost_daemon::vault::{KeySource, Vault};
use tempfile::TempDir;

pub(crate) const MAX: Limits = most(1_000_000);

/// So many of everybody's, and as many of each.
pub(crate) const fn most(max_items: u64) -> Limits {
    Limits { max_items, max_per_user: max_items }
}

/// What was said of these items, one word for each.
#[track_caller]
pub(crate) fn words(answers: &Answers, ids: &[ItemId]) -> Vec<Steered> {
    assert_eq!(
        answers.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        ids,
        "in the order in which they were named"
    );
    answers.iter().map(|(_, said)| *said).collect()
}

/// In memory where the system has such a place: no test here looks at what a sync does, and thousands happen.
pub(crate) fn dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A vault whose key is this byte, repeated.
pub(crate) fn vault(byte: u8) -> Vault {
    let dir = dir();
    fs::write(dir.path().join("rigpost.key"), [byte; 32]).unwrap();
    Vault::open(&KeySource::Credential { dir: dir.path().to_owned() }, false).unwrap()
}

/// Opened, with a key and an identity: as the daemon has it after its start.
pub(crate) async fn ready(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap();
    assert_eq!(store.attach(Some(vault(1))).await, Ok(VaultState::Ready));
    store.identity(None, &cloud()).await.unwrap();
    store
}

/// The end of the grant with these tokens, under this number.
pub(crate) fn parting(id: u64, n: u32) -> Parting {
    let of = Revocable::Refresh(tokens(n).refresh.unwrap());
    Parting { keep: Some(Keep { id: RevocationId(id), of, now: at(0), like: None }), gone: vec![] }
}

/// Frame.io's own.
pub(crate) fn cloud() -> ProviderKey {
    ProviderKey::frameio(&"https://api.frame.io".parse().unwrap())
}

/// Another one's, which takes no clips.
pub(crate) fn login() -> ProviderKey {
    ProviderKey::oauth(&"https://login.example/".parse().unwrap(), "app-1")
}

pub(crate) fn at(boot: u64) -> Now {
    let boot_id = BootId(0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e);
    Now { boot_id, boot: BootTime(Duration::from_micros(boot)), wall: WallTime(1_790_000_000) }
}

pub(crate) fn tokens(n: u32) -> TokenSet {
    TokenSet {
        access: AccessToken(Secret::new(format!("access-{n}"))),
        refresh: Some(RefreshToken(Secret::new(format!("refresh-{n}")))),
        obtained: at(u64::from(n)),
        expires_in: Duration::from_secs(28_800),
        id_token: None,
        binding: None,
    }
}

pub(crate) fn client_secret() -> ClientSecret {
    ClientSecret(Secret::new("model-secret"))
}

pub(crate) fn code() -> CodeOnOffer {
    let auth = DeviceAuthorization {
        device_code: DeviceCode(Secret::new("device-code-1")),
        user_code: UserCode(Secret::new("123456")),
        verification_uri: Some("https://next.frame.io/pair".parse().unwrap()),
        verification_uri_complete: Some(VerificationUriComplete(Secret::new(
            "https://next.frame.io/pair?code=123456",
        ))),
        expires_in: Duration::from_secs(120),
        interval: Duration::from_secs(5),
        device_name: Some("Rig 7".into()),
    };
    CodeOnOffer { auth, obtained: at(77) }
}

/// Ten minutes.
pub(crate) fn limit() -> TimeLimit {
    TimeLimit { since: at(78), left: Duration::from_secs(600) }
}

/// A pairing without an end of its own.
pub(crate) fn running(code: Option<CodeOnOffer>) -> Option<Running> {
    Some(Running { code, limit: None })
}

pub(crate) fn device(project: &str) -> DeviceInfo {
    DeviceInfo {
        device_name: "Rig 7".into(),
        project_id: project.into(),
        project_name: format!("Project {project}"),
        authorized_by: "a person".into(),
        authorization_expires: Some(1_800_000_000),
        ..DeviceInfo::default()
    }
}

pub(crate) fn clip(n: u64, project: Option<&str>) -> Clip {
    Clip {
        path: format!("/media/card/A{n:04}.mov").into(),
        name: format!("A{n:04}.mov"),
        filetype: "video/quicktime".into(),
        facts: FileFacts { size: 1000 + n, mtime_ns: -5, ctime_ns: -6, dev: u64::MAX, ino: n },
        volume: Volume { id: "A".to_owned(), mount: 1 },
        fingerprint: Some(Fingerprint { whole: n, head: n }),
        priority: 0,
        project_id: project.map(str::to_owned),
        created: at(n),
        added: at(n + 1),
        ..Clip::default()
    }
}

pub(crate) fn asset(name: &str, parts: usize) -> Asset {
    let urls =
        (0..parts).map(|n| Secret::new(format!("https://s3.example/{name}/{n}?X-Amz-Signature=\"{n}\"")));
    Asset { id: name.into(), urls: urls.collect(), created: at(9), finished: vec![] }
}

/// Of bytes that are nobody's.
pub(crate) fn digest(xxh64: u64) -> Option<PartDigest> {
    Some(PartDigest { xxh64, ..PartDigest::default() })
}

pub(crate) async fn add_one(store: &Store, item: Clip) -> ItemId {
    add(store, vec![item], MAX).await.unwrap()[0]
}

/// Whether or not another project has it.
pub(crate) async fn add_here(store: &Store, item: Clip) -> ItemId {
    let wanted = Wanted { to_this_project: true, ..Wanted::default() };
    store.add(vec![item], wanted, MAX).await.unwrap()[0].id
}

/// Which items they are.
pub(crate) async fn add(store: &Store, items: Vec<Clip>, limits: Limits) -> Result<Vec<ItemId>, StoreError> {
    let added = store.add(items, Wanted::default(), limits).await?;
    Ok(added.into_iter().map(|added| added.id).collect())
}

pub(crate) fn db(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// A second look at the file, past the store.
pub(crate) fn raw(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(db(dir)).unwrap()
}

/// Name, mode-free content of every file in a directory.
pub(crate) fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    all.sort();
    all
}

/// The files as a power cut would leave them now: copied while the store is open.
pub(crate) fn cut_power(dir: &Path) -> TempDir {
    let copy = self::dir();
    for (name, bytes) in contents(dir) {
        // The shared memory does not survive a reboot.
        if !name.ends_with("-shm") {
            fs::write(copy.path().join(name), bytes).unwrap();
        }
    }
    copy
}

pub(crate) fn is_corrupt<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Corrupt(_)))
}
