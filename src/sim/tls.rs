//! HTTPS with a certificate authority made at start, or of the last time.
//!
//! # Decisions
//! rcgen signs and rustls serves, both on ring, because the rest of the project already carries ring. The
//! provider is passed explicitly: whoever embeds the simulator may have installed another one for the process.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::lan;
use super::options::{SimOptions, TlsValidity};

/// The acceptor, and the authority's certificate in PEM for clients to trust. The certificate is for all that this machine
/// is reached by where it listens, so that a device elsewhere can be told that.
pub(crate) fn acceptor(options: &SimOptions, today: Timestamp) -> io::Result<(TlsAcceptor, String)> {
    build(options, today).map_err(io::Error::other)
}

fn build(
    options: &SimOptions,
    today: Timestamp,
) -> Result<(TlsAcceptor, String), Box<dyn std::error::Error + Send + Sync>> {
    let year = i32::from(today.to_zoned(TimeZone::UTC).year());

    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "rigpost-sim authority");
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.not_before = date_time_ymd(year - 10, 1, 1);
    authority.not_after = date_time_ymd(year + 10, 1, 1);
    let authority_key = match &options.ca_file {
        None => KeyPair::generate()?,
        Some(file) => kept_key(&beside(file, ".key"))?,
    };
    // Signed anew at each start: who trusts an older one trusts its name and its key, which are the same.
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    if let Some(file) = &options.ca_file {
        write_whole(file, &authority_pem, 0o644)?;
    }
    let issuer = Issuer::new(authority, authority_key);

    let mut leaf = CertificateParams::new(names(options))?;
    leaf.distinguished_name.push(DnType::CommonName, "rigpost-sim");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (from, to) = match options.tls_validity {
        TlsValidity::Valid => (year - 1, year + 2),
        TlsValidity::Expired => (year - 3, year - 1),
        TlsValidity::NotYetValid => (year + 1, year + 3),
    };
    (leaf.not_before, leaf.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    let leaf_key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&leaf_key, &issuer)?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), authority_pem))
}

fn names(options: &SimOptions) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let listen = options.listen.ip();
    if listen.is_unspecified() {
        names.extend(lan::names());
        names.extend(lan::addresses().iter().map(ToString::to_string));
    } else if !listen.is_loopback() {
        names.extend(lan::names());
        names.push(listen.to_string());
    } else if !names.contains(&listen.to_string()) {
        names.push(listen.to_string());
    }
    // A name that a router or a tunnel gives.
    if let Some(host) = options.verification_base.as_ref().and_then(Url::host_str) {
        names.push(host.trim_matches(['[', ']']).to_owned());
    }
    names
}

/// The key in this file; a fresh one where there is none.
fn kept_key(file: &Path) -> Result<KeyPair, Box<dyn std::error::Error + Send + Sync>> {
    match std::fs::read_to_string(file) {
        Ok(pem) => KeyPair::from_pem(&pem).map_err(|error| format!("{}: {error}", file.display()).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            write_whole(file, &key.serialize_pem(), 0o600)?;
            Ok(key)
        }
        Err(error) => Err(format!("cannot read {}: {error}", file.display()).into()),
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Writes the file in one step: a reader sees all of it or nothing.
pub(crate) fn write_whole(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let new = beside(path, ".new");
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode).open(&new)?.write_all(text.as_bytes())?;
        std::fs::rename(&new, path)
    };
    write().map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display())))
}
