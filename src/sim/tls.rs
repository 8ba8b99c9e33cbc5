//! HTTPS with a certificate authority made at start.
//!
//! # Decisions
//! rcgen signs and rustls serves, both on ring, because the rest of the project already carries ring. The
//! provider is passed explicitly: whoever embeds the simulator may have installed another one for the process.

use std::io;
use std::net::IpAddr;
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

use super::options::TlsValidity;

/// The acceptor, and the authority's certificate in PEM for clients to trust. The certificate is for `localhost` and for
/// `listen`, so that a device elsewhere can be told that address.
pub(crate) fn acceptor(
    validity: TlsValidity,
    today: Timestamp,
    listen: IpAddr,
) -> io::Result<(TlsAcceptor, String)> {
    build(validity, today, listen).map_err(io::Error::other)
}

fn build(
    validity: TlsValidity,
    today: Timestamp,
    listen: IpAddr,
) -> Result<(TlsAcceptor, String), Box<dyn std::error::Error + Send + Sync>> {
    let year = i32::from(today.to_zoned(TimeZone::UTC).year());

    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "rigpost-sim authority");
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.not_before = date_time_ymd(year - 10, 1, 1);
    authority.not_after = date_time_ymd(year + 10, 1, 1);
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);

    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name.push(DnType::CommonName, "rigpost-sim");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (from, to) = match validity {
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
