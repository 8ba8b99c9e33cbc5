//! Whom to trust, and by which cipher.
//!
//! # Decisions
//! - The system's certificate store, plus a file from the configuration: sites with their own TLS inspection exist. The
//!   store is what OpenSSL takes for it, the bundle *and* the hashed directories: a maker's image may have only one.
//!   `SSL_CERT_FILE` in the environment takes the place of both, `SSL_CERT_DIR` that of the directories.
//! - Read here and not by `rustls-native-certs`, which holds all certificates at once: that would leave four hundred
//!   kilobytes of holes in the heap for good. Where the store is, `openssl-probe` knows.
//! - A certificate of the system that can't be read is passed over, as everywhere: there is always an odd one among a
//!   hundred and fifty. One of the configuration is somebody's intention, and is an error; the file may also have changed
//!   since the configuration was judged.
//! - One after the other, and nothing kept but what is trusted: lists made on the way would be holes in the heap too.
//! - rustls with ring: a sixth of the size of the alternatives, and no build tools besides a C compiler.
//! - The rig shows no certificate of its own, so nothing can load a key for one: thirty kilobytes of signing that would
//!   never run.
//! - Boards without AES instructions (every Raspberry Pi before the fifth) ask for ChaCha20 first, which costs them a
//!   third of AES. Asked for and not insisted on: not every server of every storage has it.
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs};

use openssl_probe::{ENV_CERT_DIR, ENV_CERT_FILE, ProbeResult, probe};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use rustls::{CipherSuite, ClientConfig, RootCertStore};

use super::verifier::Verifier;
use crate::egress::{Egress, authorities};
use rigpost_core::few;
use rigpost_core::oauth::{Cause, Trouble};
use rigpost_core::provider::wire::trouble;

/// Entries of one directory that are looked at. A distribution has three hundred; more is another directory by mistake.
const MAX_ENTRIES: usize = 4096;

/// The others follow in rustls's order. Of AES the shorter key comes first: ten rounds instead of fourteen.
const CHEAP_WITHOUT_AES: [CipherSuite; 5] = [
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// Whom to trust, read when it is first asked and dropped at rest.
pub(super) struct Trust {
    egress: Egress,
    known: Mutex<Option<Arc<ClientConfig>>>,
}

impl Trust {
    pub(super) fn new(egress: Egress) -> Trust {
        Trust { egress, known: Mutex::default() }
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, Trouble> {
        let unusable = |why: String| Trouble { maybe_applied: false, ..trouble(Cause::Provider, why, None) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(known) => Ok(known.clone()),
            None => {
                let config = config(&self.egress).map_err(unusable)?;
                Ok(known.insert(Arc::new(config)).clone())
            }
        }
    }

    pub(super) fn rest(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Reads the certificates: a few milliseconds.
//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//# All requests from the device MUST use the Transport Layer Security (TLS) protocol
fn config(egress: &Egress) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    add_system(&mut roots);
    let named = match &egress.ca_file {
        Some(path) => {
            named(path, &mut roots).map_err(|e| format!("certificate file {}: {e}", path.display()))?
        }
        None => Vec::new(),
    };
    if roots.is_empty() {
        return Err("there are no certificates to trust; install ca-certificates".to_owned());
    }
    let provider = Arc::new(provider(has_aes()));
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|e| e.to_string())?;
    let verifier = Verifier { webpki, named, built: egress.built };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    // One provider and one storage; the default keeps room for hundreds.
    config.resumption = Resumption::in_memory_sessions(8);
    Ok(config)
}

/// What the configuration names; it is trusted with the others.
fn named(path: &Path, roots: &mut RootCertStore) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = authorities::read(path).map_err(|e| e.to_string())?;
    for cert in &named {
        roots.add(cert.clone()).map_err(|e| e.to_string())?;
    }
    Ok(named)
}

/// The bundle, then what lies in the directories.
fn add_system(roots: &mut RootCertStore) {
    let ProbeResult { cert_file, cert_dir } = probe();
    let dirs = match env::var_os(ENV_CERT_DIR) {
        Some(dirs) => env::split_paths(&dirs).filter(|dir| !dir.as_os_str().is_empty()).collect(),
        None if env::var_os(ENV_CERT_FILE).is_some() => Vec::new(),
        None => cert_dir,
    };
    cert_file.into_iter().for_each(|file| add_file(roots, &file));
    for dir in dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()) {
        for entry in dir.take(MAX_ENTRIES).filter_map(Result::ok) {
            // A hashed name is a link to its neighbour, which has its turn too.
            let target = fs::read_link(entry.path()).unwrap_or_default();
            if target.components().count() != 1 {
                add_file(roots, &entry.path());
            }
        }
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) {
    if !fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
        return;
    }
    if let Ok(certs) = CertificateDer::pem_file_iter(path) {
        certs.filter_map(Result::ok).for_each(|cert| add_once(roots, cert));
    }
}

/// The bundle holds again what the directory beside it holds. One that is no certificate is passed over.
fn add_once(roots: &mut RootCertStore, cert: CertificateDer<'_>) {
    if roots.add(cert).is_ok()
        && let Some((last, before)) = roots.roots.split_last()
        && before.contains(last)
    {
        roots.roots.pop();
    }
}

/// Loads none.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("a rig shows no certificate".to_owned()))
    }
}

/// The suites in the order of what they cost this processor.
//= https://www.rfc-editor.org/rfc/rfc8414#section-6.1
//# confidentiality protection MUST be applied using TLS
fn provider(aes: bool) -> CryptoProvider {
    let mut provider = CryptoProvider { key_provider: &NoKeys, ..ring::default_provider() };
    if !aes {
        let place = |suite| CHEAP_WITHOUT_AES.iter().position(|s| *s == suite).unwrap_or(usize::MAX);
        few::sort_by_key(&mut provider.cipher_suites, |suite| place(suite.suite()));
    }
    provider
}

/// Instructions for AES and for GCM's multiplication.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("aes") && is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    // A 32-bit system on a processor that has them does not show them to everybody.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_without_aes_ask_for_chacha_first_and_still_offer_everything() {
        let names = |aes| -> Vec<CipherSuite> {
            provider(aes).cipher_suites.iter().map(rustls::SupportedCipherSuite::suite).collect()
        };
        let (with, mut without) = (names(true), names(false));
        assert_eq!(without[0], CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
        assert_eq!(without[3].as_str().map(|n| n.contains("CHACHA20")), Some(true), "{without:?}");
        assert_ne!(with[0], without[0]);
        without.sort_by_key(|suite| with.iter().position(|s| s == suite));
        assert_eq!(with, without);
    }

    //= https://www.rfc-editor.org/rfc/rfc8414#section-6.1
    //= type=test
    //# confidentiality protection MUST be applied using TLS
    #[test]
    fn what_is_sent_can_be_neither_read_nor_changed_on_the_way() {
        for aes in [false, true] {
            for suite in provider(aes).cipher_suites {
                // Each is authenticated encryption, with keys that are made for this one connection.
                let name = suite.suite().as_str().unwrap_or_default();
                assert!(name.contains("GCM") || name.contains("CHACHA20_POLY1305"), "{name}");
                assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
            }
        }
    }
}
