//! The key that bound tokens are bound to (RFC 9449): made once, kept in a file of its own beside the database.
//!
//! # Decisions
//! - Not in the database: whoever copies that, and the root key besides, has the tokens and can't renew them.
//! - P-256 by `ring`, which TLS brings anyway; what is kept is its PKCS #8 document, sealed as every secret is.
//! - A file that does not open is worth nothing to anybody: it gives way to a new key when one is needed, and not before.
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use zeroize::Zeroizing;

use super::file;
use super::seal::Vault;
use rigpost_core::provider::proof::PublicKey;

/// The file's name in the state directory.
pub const PROOF_KEY: &str = "dpop.key";
const RECORD: &str = "dpop-key";
/// More than any sealed key has.
const MAX_LEN: u64 = 4096;

/// Signs proofs.
pub struct ProofKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl ProofKey {
    /// The one that is kept there; `None`: there is none that opens with this vault.
    ///
    /// # Errors
    /// Whether there is one can't be told.
    pub fn read(dir: &Path, vault: &Vault) -> io::Result<Option<ProofKey>> {
        let mut sealed = Vec::new();
        match File::open(dir.join(PROOF_KEY)) {
            Ok(file) => file.take(MAX_LEN).read_to_end(&mut sealed)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        Ok(vault.unseal(RECORD, &sealed).ok().and_then(|document| ProofKey::of_document(&document)))
    }

    /// Makes one in place of what is there, and keeps it, synced.
    ///
    /// # Errors
    /// It is not kept.
    pub fn make(dir: &Path, vault: &Vault) -> io::Result<ProofKey> {
        let failed = || io::Error::other("no randomness for a key");
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| failed())?;
        let document = Zeroizing::new(document.as_ref().to_vec());
        let key = ProofKey::of_document(&document).ok_or_else(failed)?;
        let sealed = vault.seal(RECORD, &document).map_err(|e| io::Error::other(e.to_string()))?;
        ProofKey::erase(dir)?;
        file::create(&dir.join(PROOF_KEY), &sealed)?;
        Ok(key)
    }

    /// Removes what is kept there.
    ///
    /// # Errors
    /// It is there still.
    pub fn erase(dir: &Path) -> io::Result<()> {
        match fs::remove_file(dir.join(PROOF_KEY)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn of_document(document: &[u8]) -> Option<ProofKey> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document, &random).ok()?;
        let public = PublicKey::of_point(pair.public_key().as_ref())?;
        Some(ProofKey { pair, public })
    }

    /// The half that proofs show.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// ES256 (RFC 7518 §3.4); `None` without randomness.
    pub fn sign(&self, message: &str) -> Option<impl AsRef<[u8]> + use<>> {
        self.pair.sign(&SystemRandom::new(), message.as_bytes()).ok()
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProofKey").field(&self.public).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;
    use crate::vault::KeySource;

    fn vault(dir: &Path) -> Vault {
        Vault::open(&KeySource::File { path: dir.join("root.key") }, true).unwrap()
    }

    //= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
    //= type=test
    //# It MUST NOT be none or an identifier for a symmetric algorithm
    #[test]
    fn a_key_is_kept_sealed_and_signs_as_the_standard_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(dir.path());
        assert!(ProofKey::read(dir.path(), &vault).unwrap().is_none());
        let made = ProofKey::make(dir.path(), &vault).unwrap();
        let path = dir.path().join(PROOF_KEY);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let read = ProofKey::read(dir.path(), &vault).unwrap().unwrap();
        assert_eq!(read.public(), made.public());
        let signature = read.sign("header.claims").unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, made.pair.public_key());
        key.verify(b"header.claims", signature.as_ref()).unwrap();
        assert!(key.verify(b"header.others", signature.as_ref()).is_err());
        assert_eq!(signature.as_ref().len(), 64, "both numbers in their full length (RFC 7518 §3.4)");
        assert!(!format!("{read:?}").contains("pair"), "{read:?}");
    }

    #[test]
    fn what_does_not_open_is_no_key_and_gives_way_to_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(dir.path());
        let path = dir.path().join(PROOF_KEY);
        let made = ProofKey::make(dir.path(), &vault).unwrap();
        let sealed = fs::read(&path).unwrap();
        for odd in [&b""[..], b"key", &sealed[1..], &[0; 10_000]] {
            fs::write(&path, odd).unwrap();
            assert!(ProofKey::read(dir.path(), &vault).unwrap().is_none());
        }
        // Left by a power cut in the middle of making it.
        fs::write(dir.path().join("dpop.key.new"), "half").unwrap();
        let next = ProofKey::make(dir.path(), &vault).unwrap();
        assert_ne!(next.public(), made.public());
        assert_eq!(ProofKey::read(dir.path(), &vault).unwrap().unwrap().public(), next.public());
        let other = Vault::open(&KeySource::File { path: dir.path().join("other.key") }, true).unwrap();
        assert!(ProofKey::read(dir.path(), &other).unwrap().is_none(), "another root key");
        ProofKey::erase(dir.path()).unwrap();
        ProofKey::erase(dir.path()).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn trouble_with_the_disk_is_not_taken_for_a_lost_key() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(dir.path());
        fs::create_dir(dir.path().join(PROOF_KEY)).unwrap();
        assert!(ProofKey::read(dir.path(), &vault).is_err());
        assert!(ProofKey::make(dir.path(), &vault).is_err());
    }
}
