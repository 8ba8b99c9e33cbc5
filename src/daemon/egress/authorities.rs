//! The certificates of a file that a person names.
//!
//! # Decisions
//! - What the file is instead is said, with the command that makes a file of certificates of it: people get certificates
//!   from colleagues and browsers, in whatever form these export.
//! - Everything that OpenSSL reads over is read over: text around the blocks, blanks around lines, line ends of any
//!   system, a byte order mark, keys beside certificates. `TRUSTED CERTIFICATE` and `X509 CERTIFICATE` are certificates; what
//!   OpenSSL has appended to the first is for OpenSSL.
//! - A certificate that can't be used is a mistake here, though not among the system's: somebody wants just this one.
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};

use super::der;

/// A bundle of all the world's authorities has a quarter of it.
const MAX_BYTES: u64 = 1 << 20;
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// Of RFC 2315 and RFC 5652, `signedData`.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// There may be a file later, or for somebody else.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// There is a file, and it is not what was asked for: what it is, and what to do.
    #[error("{0}")]
    Wrong(String),
}

/// All certificates of the file, each of which can be trusted; at least one.
///
/// # Errors
/// There are none to be had.
pub fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "a directory" } else { "no regular file" };
        return Err(Unusable::Wrong(format!("is {what}: name one file with certificates in PEM")));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unusable::Wrong("is larger than 1 MiB: name a file with only the certificates".into()));
    }
    certificates(&bytes, path).map_err(Unusable::Wrong)
}

fn certificates(bytes: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("is UTF-16: save it as plain text (ASCII or UTF-8)".into());
    }
    // As DER, and not as text with a digit at its beginning.
    if bytes.first() == Some(&SEQUENCE) && bytes.get(1).is_some_and(|length| *length >= 0x80) {
        return Err(of_der(bytes, &path.display().to_string()));
    }
    let text = String::from_utf8_lossy(bytes);
    let (mut scratch, mut found) = (RootCertStore::empty(), Vec::new());
    for der in CertificateDer::pem_slice_iter(plain(&text).as_bytes()) {
        let number = found.len() + 1;
        let der = der.map_err(|e| format!("can't be read at certificate {number}: {}", in_words(&e)))?;
        let der = CertificateDer::from(without_appendix(&der).to_vec());
        scratch.add(der.clone()).map_err(|_| {
            format!("certificate {number} in it is damaged, or none that can be trusted: get it once more")
        })?;
        found.push(der);
    }
    if found.is_empty() { Err(of_text(&text, &path.display().to_string())) } else { Ok(found) }
}

/// The blocks of certificates, under one name and without blanks around their lines.
fn plain(text: &str) -> String {
    let (mut out, mut inside) = (String::with_capacity(text.len()), false);
    for line in text.trim_start_matches(BYTE_ORDER_MARK).split(['\n', '\r']) {
        let line = line.trim().replace("TRUSTED CERTIFICATE-", "CERTIFICATE-");
        let line = line.replace("X509 CERTIFICATE-", "CERTIFICATE-");
        inside |= line.starts_with("-----BEGIN CERTIFICATE-");
        if inside {
            out.push_str(&line);
            out.push('\n');
        }
        inside &= !line.starts_with("-----END CERTIFICATE-");
    }
    out
}

/// Of a `TRUSTED CERTIFICATE` the certificate.
fn without_appendix(der: &[u8]) -> &[u8] {
    der::first(der).unwrap_or(der)
}

/// What is wrong with a block.
fn in_words(e: &PemError) -> &'static str {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest can't happen in a text")]
    match e {
        PemError::MissingSectionEnd { .. } => "it has no end; copy the file once more",
        PemError::IllegalSectionStart { .. } => "its BEGIN line has no end; copy the file once more",
        _ => "it is damaged; copy the file once more",
    }
}

/// What there is in place of text. `file` as it is shown.
fn of_der(bytes: &[u8], file: &str) -> String {
    let certificate = CertificateDer::from(without_appendix(bytes).to_vec());
    if RootCertStore::empty().add(certificate).is_ok() {
        return format!("is DER and not PEM: openssl x509 -inform der -in {file} -out {file}.pem");
    }
    if bytes.get(..64.min(bytes.len())).is_some_and(|head| head.windows(9).any(|w| w == SIGNED_DATA)) {
        return format!(
            "is PKCS#7 and not PEM: openssl pkcs7 -inform der -print_certs -in {file} -out {file}.pem"
        );
    }
    // PFX begins with its version, 3, and everything else with a sequence or with another version.
    let inner = bytes.get(2 + (usize::from(bytes.get(1).copied().unwrap_or_default()) & 0x7f)..);
    if inner.is_some_and(|inner| inner.starts_with(&[INTEGER, 1, 3])) {
        return format!("is PKCS#12 and not PEM: openssl pkcs12 -nokeys -in {file} -out {file}.pem");
    }
    "is DER, and no certificate: name a file with the authority's certificate in PEM".into()
}

/// What a text has in the place of certificates.
fn of_text(text: &str, file: &str) -> String {
    let blocks: Vec<&str> = text
        .split(['\n', '\r'])
        .filter_map(|line| line.split_once("-----BEGIN ")?.1.split_once("-----"))
        .map(|(label, _)| label)
        .collect();
    let holds = |what: &str| blocks.iter().any(|label| label.contains(what));
    if text.trim_matches([' ', '\t', '\r', '\n', '\0', '\u{feff}']).is_empty() {
        "is empty: put the authority's certificate there, in PEM".into()
    } else if holds("PKCS7") || holds("CMS") {
        format!("is PKCS#7: openssl pkcs7 -print_certs -in {file} -out {file}.pem")
    } else if holds("CERTIFICATE REQUEST") {
        "holds a request for a certificate (CSR) and no certificate: put there what the authority has made of it, or the \
         authority's own certificate"
            .into()
    } else if holds("PRIVATE KEY") {
        "holds a private key and no certificate: the key does not belong here, put the authority's certificate there"
            .into()
    } else if let Some(label) = blocks.first() {
        let label = rigpost_core::provider::short(label);
        format!("holds \"{label}\" and no certificate: put the authority's certificate there, in PEM")
    } else if text.trim_start().starts_with("MII") {
        "has no line -----BEGIN CERTIFICATE----- before its text, and -----END CERTIFICATE----- behind it: add them".into()
    } else {
        "has no certificate in it: put the authority's certificate there, in PEM (-----BEGIN CERTIFICATE-----)".into()
    }
}

#[cfg(test)]
mod tests;
