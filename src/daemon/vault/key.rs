//! Where the root key comes from, and how a key file is made.
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::file;
use rigpost_core::view::Protection;

pub(super) const KEY_LEN: usize = 32;

/// Boxed, so that moving a [`Vault`](super::Vault) leaves no copy of the key behind; overwritten when dropped.
pub(super) type Key = Box<Zeroizing<[u8; KEY_LEN]>>;

/// The credential's name, and its file's in `$CREDENTIALS_DIRECTORY`.
pub const CREDENTIAL: &str = "rigpost.key";
/// What the unit that made the credential says about it.
const PROTECTION: &str = "rigpost.key.protection";

/// Where to look for the root key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A systemd credential: the file [`CREDENTIAL`] in this directory.
    Credential {
        /// `$CREDENTIALS_DIRECTORY`.
        dir: PathBuf,
    },
    /// A file of exactly 32 bytes that only its owner, this user or root, can read.
    File {
        /// Usually `root.key` in the state directory.
        path: PathBuf,
    },
}

/// Why there is no root key; one variant for each thing a person does next.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is none: provision the rig (again).
    #[error("{}: there is no root key; provision the rig", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The service runs with credentials, and this one is not among them: only its unit can bring it.
    #[error("{}: systemd brought no root key; `journalctl -u rigpost-key` says why", path.display())]
    NotBrought {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is no key: put the right file there, or remove this one and provision the rig.
    #[error("{}: a root key has {KEY_LEN} bytes and this file has {found}; restore it, or remove it and provision the rig", path.display())]
    WrongSize {
        /// Which file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
    },
    /// Others could read or replace it: correct that, and consider the secrets known.
    #[error("{}: a root key must belong to root or to this daemon's user and have mode 0600, and this one has mode {mode:04o} and user {uid}", path.display())]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
    },
    /// The system would not let us read or make it.
    #[error("{}: {io}; the root key must be a file that this daemon can read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        io: io::Error,
    },
}

impl KeySource {
    /// The credentials directory wins when systemd has given us one: a key file beside it is then not looked at, so
    /// that nobody can swap the sealed key for one of theirs.
    pub fn choose(credentials_directory: Option<PathBuf>, key_file: PathBuf) -> KeySource {
        match credentials_directory {
            Some(dir) => KeySource::Credential { dir },
            None => KeySource::File { path: key_file },
        }
    }

    pub(super) fn read(&self, may_create: bool) -> Result<(Key, Protection), VaultError> {
        match self {
            // No look at the mode: systemd grants by ACL, which shows as group bits, in a directory of its own.
            KeySource::Credential { dir } => {
                let key = read_key(&dir.join(CREDENTIAL), |_| true).map_err(|e| match e {
                    VaultError::Missing { path } => VaultError::NotBrought { path },
                    e @ (VaultError::NotBrought { .. }
                    | VaultError::WrongSize { .. }
                    | VaultError::Permissions { .. }
                    | VaultError::Unreadable { .. }) => e,
                })?;
                Ok((key, claimed_protection(&dir.join(PROTECTION))))
            }
            KeySource::File { path } => {
                let key = match read_key(path, is_private) {
                    Err(VaultError::Missing { .. }) if may_create => {
                        create_key(path).map_err(|io| unreadable(path, io))?;
                        // Read back what is there now, whoever was first.
                        read_key(path, is_private)
                    }
                    read => read,
                };
                Ok((key?, Protection::File))
            }
        }
    }
}

/// The weakest claim that is certainly true.
fn claimed_protection(path: &Path) -> Protection {
    match fs::read_to_string(path).unwrap_or_default().trim().parse() {
        Ok(claimed @ (Protection::Tpm2 | Protection::HostKey)) => claimed,
        Ok(Protection::File | Protection::None) | Err(_) => Protection::File,
    }
}

fn is_private(meta: &fs::Metadata) -> bool {
    meta.mode() & 0o077 == 0 && (meta.uid() == 0 || meta.uid() == geteuid().as_raw())
}

fn read_key(path: &Path, allowed: fn(&fs::Metadata) -> bool) -> Result<Key, VaultError> {
    // Non-blocking, so that a FIFO in the key's place does not hang the start.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = match open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Err(VaultError::Missing { path: path.to_owned() }),
        Err(rustix::io::Errno::LOOP) => return Err(unreadable(path, io::Error::other("is a symbolic link"))),
        Err(e) => return Err(unreadable(path, e.into())),
    };
    let meta = file.metadata().map_err(|io| unreadable(path, io))?;
    if !meta.is_file() {
        return Err(unreadable(path, io::Error::other("is not a regular file")));
    }
    if !allowed(&meta) {
        let (mode, uid) = (meta.mode() & 0o7777, meta.uid());
        return Err(VaultError::Permissions { path: path.to_owned(), mode, uid });
    }
    if meta.len() != KEY_LEN as u64 {
        return Err(VaultError::WrongSize { path: path.to_owned(), found: meta.len() });
    }
    let mut key: Key = Box::new(Zeroizing::new([0; KEY_LEN]));
    file.read_exact(&mut **key.as_mut()).map_err(|io| unreadable(path, io))?;
    Ok(key)
}

fn create_key(path: &Path) -> io::Result<()> {
    let mut key: Key = Box::new(Zeroizing::new([0; KEY_LEN]));
    getrandom::fill(&mut **key.as_mut()).map_err(|e| io::Error::other(e.to_string()))?;
    file::create(path, &**key.as_ref())
}

fn unreadable(path: &Path, io: io::Error) -> VaultError {
    VaultError::Unreadable { path: path.to_owned(), io }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::vault::Vault;

    fn file(dir: &tempfile::TempDir) -> (PathBuf, KeySource) {
        let path = dir.path().join("root.key");
        (path.clone(), KeySource::File { path })
    }

    fn put(path: &Path, bytes: &[u8], mode: u32) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_file_is_made_once_and_only_when_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, source) = file(&dir);
        assert!(matches!(Vault::open(&source, false), Err(VaultError::Missing { .. })));
        assert!(!path.exists());
        fs::write(dir.path().join("root.key.new"), "left by a power cut").unwrap();
        let first = Vault::open(&source, true).unwrap();
        assert_eq!(first.protection(), Protection::File);
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.len(), meta.nlink()), (0o600, 32, 1));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no other file is left");
        let sealed = first.seal("a", b"secret").unwrap();
        let again = Vault::open(&source, true).unwrap();
        assert_eq!(again.unseal("a", &sealed).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn a_key_that_others_can_reach_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, source) = file(&dir);
        for mode in [0o640, 0o604, 0o620, 0o601] {
            put(&path, &[7; 32], mode);
            let e = Vault::open(&source, true).unwrap_err();
            assert!(matches!(e, VaultError::Permissions { mode: m, .. } if m == mode), "{e}");
            assert!(e.to_string().contains(&format!("{mode:04o}")), "{e}");
        }
        put(&path, &[7; 32], 0o400);
        assert!(Vault::open(&source, false).is_ok());
        if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            let e = Vault::open(&source, false).unwrap_err();
            assert!(matches!(e, VaultError::Permissions { uid: 12345, .. }), "{e}");
        }
    }

    #[test]
    fn what_is_not_a_key_is_refused_and_left() {
        let dir = tempfile::tempdir().unwrap();
        let (path, source) = file(&dir);
        for len in [0, 31, 33, 64] {
            put(&path, &vec![0x41; len], 0o600);
            let e = Vault::open(&source, true).unwrap_err();
            assert!(matches!(e, VaultError::WrongSize { found, .. } if found == len as u64), "{e}");
            assert!(!e.to_string().contains("AAAA"), "{e}");
            assert_eq!(fs::read(&path).unwrap(), vec![0x41; len]);
        }
        fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(Vault::open(&source, true).unwrap_err().to_string().contains("symbolic link"));
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(Vault::open(&source, true).unwrap_err().to_string().contains("regular file"));
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_that_names_the_key() {
        let e = Vault::open(&KeySource::File { path: "/nonexistent/root.key".into() }, true).unwrap_err();
        assert!(e.to_string().starts_with("/nonexistent/root.key: "), "{e}");
    }

    #[test]
    fn a_credential_wins_and_is_never_made() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = dir.path().join("credentials");
        fs::create_dir(&credentials).unwrap();
        let (path, _) = file(&dir);
        let source = KeySource::choose(Some(credentials.clone()), path.clone());
        let e = Vault::open(&source, true).unwrap_err();
        assert!(
            matches!(&e, VaultError::NotBrought { path } if *path == credentials.join("rigpost.key")),
            "{e}"
        );
        // As systemd leaves it: an ACL for the service's user shows as a group bit.
        put(&credentials.join("rigpost.key"), &[9; 32], 0o440);
        for (claim, protection) in
            [(None, "file"), (Some("tpm2\n"), "tpm2"), (Some("host-key"), "host-key"), (Some("hsm"), "file")]
        {
            if let Some(claim) = claim {
                fs::write(credentials.join("rigpost.key.protection"), claim).unwrap();
            }
            assert_eq!(Vault::open(&source, true).unwrap().protection().as_str(), protection);
        }
        assert_eq!(KeySource::choose(None, path.clone()), KeySource::File { path });
    }
}
