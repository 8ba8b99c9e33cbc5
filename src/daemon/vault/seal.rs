//! Seals and opens records by name.
use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::key::{Key, KeySource, VaultError};
use rigpost_core::view::Protection;

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
const VERSION: u8 = 1;

/// Holds the root key. Seals and opens records by name.
pub struct Vault {
    key: Key,
    protection: Protection,
}

/// Why a record could not be sealed or opened. Never holds what was in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key, another name, or damaged bytes: an AEAD can't tell which.
    #[error("the sealed record `{record}` does not open with this root key")]
    Broken {
        /// Its name.
        record: String,
    },
    /// The kernel gave no random numbers, so nothing may be sealed.
    #[error("no randomness to seal `{record}` with")]
    NoRandomness {
        /// Its name.
        record: String,
    },
}

impl Vault {
    /// Takes the root key from `source`. `may_create` allows a new key file where there is none; pass false when
    /// something is already sealed, because a new key would not open it. A credential is never made here.
    ///
    /// # Errors
    /// Each says which file and what to do; none says a byte of the key.
    pub fn open(source: &KeySource, may_create: bool) -> Result<Vault, VaultError> {
        let (key, protection) = source.read(may_create)?;
        Ok(Vault { key, protection })
    }

    /// How the root key itself is kept.
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// Seals `plain` under `name`: one version byte, 24 random bytes, ciphertext and tag.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn seal(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let no_randomness = || SealError::NoRandomness { record: name.to_owned() };
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| no_randomness())?;
        let payload = Payload { msg: plain, aad: &associated(name) };
        // Fails only for more bytes than one nonce can cover, 256 GiB.
        let ciphertext = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| no_randomness())?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what [`Vault::seal`] made under the same name.
    ///
    /// # Errors
    /// [`SealError::Broken`], whatever is wrong with it.
    pub fn unseal(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let broken = || SealError::Broken { record: name.to_owned() };
        let [VERSION, rest @ ..] = sealed else { return Err(broken()) };
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(broken)?;
        if ciphertext.len() < TAG_LEN {
            return Err(broken());
        }
        let payload = Payload { msg: ciphertext, aad: &associated(name) };
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| broken())?;
        Ok(Zeroizing::new(plain))
    }

    /// Made anew for each record, and erased after it: a few hundred cycles against one more place for the key.
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&**self.key).into())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("protection", &self.protection).finish_non_exhaustive()
    }
}

fn associated(name: &str) -> Vec<u8> {
    format!("rigpost/{VERSION}/{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::key::KEY_LEN;
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault { key: Box::new(Zeroizing::new([byte; KEY_LEN])), protection: Protection::File }
    }

    #[test]
    fn what_is_sealed_opens_under_its_name_and_no_other() {
        let v = vault(7);
        for plain in [b"".as_slice(), b"x", &[0xA5; 5000]] {
            let sealed = v.seal("refresh_token", plain).unwrap();
            assert_eq!(sealed.len(), 1 + NONCE_LEN + plain.len() + TAG_LEN);
            assert_eq!(sealed[0], 1);
            assert_eq!(v.unseal("refresh_token", &sealed).unwrap().as_slice(), plain);
            let other = v.unseal("access_token", &sealed).unwrap_err();
            assert_eq!(other, SealError::Broken { record: "access_token".into() });
            assert!(vault(8).unseal("refresh_token", &sealed).is_err());
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let v = vault(7);
        let sealed = v.seal("a", b"secret").unwrap();
        for i in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[i / 8] ^= 1 << (i % 8);
            assert!(v.unseal("a", &bad).is_err(), "bit {i}");
        }
        for n in 0..sealed.len() {
            assert!(v.unseal("a", &sealed[..n]).is_err(), "cut to {n}");
        }
        assert!(v.unseal("a", &[sealed.as_slice(), b"x"].concat()).is_err());
    }

    #[test]
    fn the_same_text_never_looks_the_same() {
        let v = vault(7);
        assert_ne!(v.seal("a", b"secret").unwrap(), v.seal("a", b"secret").unwrap());
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", vault(0x41)), "Vault { protection: File, .. }");
    }

    /// Draft-irtf-cfrg-xchacha, A.3.1: what we store can be opened by any other implementation.
    #[test]
    fn the_cipher_is_the_published_one() {
        let mut key = [0; KEY_LEN];
        (0x80..).zip(&mut key).for_each(|(n, k)| *k = n);
        let mut nonce = [0; NONCE_LEN];
        (0x40..).zip(&mut nonce).for_each(|(n, k)| *k = n);
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let v = Vault { key: Box::new(Zeroizing::new(key)), protection: Protection::File };
        let sealed = v.cipher().encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad }).unwrap();
        assert_eq!(sealed[..4], [0xbd, 0x6d, 0x17, 0x9d]);
        assert_eq!(sealed[plain.len()..][..4], [0xc0, 0x87, 0x59, 0x24]);
    }
}
