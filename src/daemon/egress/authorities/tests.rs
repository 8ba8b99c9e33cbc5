use std::fs;

use rcgen::{Certificate, CertificateParams, KeyPair};

use super::*;

fn certificate() -> (Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new(vec!["rig.example".to_owned()]).unwrap().self_signed(&key).unwrap(), key)
}

fn found(bytes: &[u8]) -> Result<usize, String> {
    certificates(bytes, Path::new("/etc/ca")).map(|found| found.len())
}

#[test]
fn what_surrounds_a_certificate_is_read_over() {
    let (one, key) = certificate();
    let (two, _) = certificate();
    let pem = one.pem();
    let mut trusted = one.der().to_vec();
    trusted.extend([0x30, 0x03, 0x0c, 0x01, 0x41]);
    let trusted = pem_of("TRUSTED CERTIFICATE", &trusted);
    let encrypted =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    for (text, number) in [
        (pem.clone(), 1),
        (pem.replace('\n', "\r\n"), 1),
        (pem.replace('\n', "\r"), 1),
        (pem.replace('\n', "\n  "), 1),
        (format!("\u{feff}{pem}"), 1),
        (format!("\u{feff}{}", pem.replace('\n', "\r\n")), 1),
        (pem.trim_end().to_owned(), 1),
        (format!("subject=CN = a\nBag Attributes\n    friendlyName: \u{e9}\n{pem}and so on\n"), 1),
        (format!("{pem}\n{}", two.pem()), 2),
        (format!("{}{pem}", key.serialize_pem()), 1),
        (format!("{encrypted}{pem}"), 1),
        (pem.replace(" CERT", " X509 CERT"), 1),
        (trusted, 1),
    ] {
        assert_eq!(found(text.as_bytes()), Ok(number), "{text}");
    }
    let latin = [b"caf\xe9\n", pem.as_bytes()].concat();
    assert_eq!(found(&latin), Ok(1));
    assert_eq!(certificates(pem.as_bytes(), Path::new("")).unwrap(), [one.der().clone()]);
}

#[test]
fn a_trusted_certificate_is_the_certificate_in_it() {
    let (one, _) = certificate();
    let mut der = one.der().to_vec();
    der.extend([0x30, 0x03, 0x0c, 0x01, 0x41]);
    let text = pem_of("TRUSTED CERTIFICATE", &der);
    assert_eq!(certificates(text.as_bytes(), Path::new("")).unwrap(), [one.der().clone()]);
}

#[test]
fn a_file_without_a_certificate_is_told_with_what_to_do() {
    let (one, key) = certificate();
    let pem = one.pem();
    let request =
        CertificateParams::new(vec!["rig.example".to_owned()]).unwrap().serialize_request(&key).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let pfx = [&[0x30, 0x82, 0x01, 0x00, 0x02, 0x01, 0x03][..], &[0; 64]].concat();
    let signed_data = [&[0x30, 0x80, 0x06, 0x09][..], SIGNED_DATA, &[0; 32]].concat();
    let utf16: Vec<u8> = format!("\u{feff}{pem}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cut = &pem[..pem.len() - 40];
    let other = pem.replace(&pem[100..140], &"A".repeat(40));
    let table: [(&[u8], &str); 18] = [
        (b"", "is empty"),
        (b" \r\n\n", "is empty"),
        ("\u{feff}\n".as_bytes(), "is empty"),
        (one.der(), "is DER and not PEM: openssl x509 -inform der -in /etc/ca -out /etc/ca.pem"),
        (request.der(), "is DER, and no certificate"),
        (&key.serialize_der(), "is DER, and no certificate"),
        (&signed_data, "openssl pkcs7 -inform der -print_certs"),
        (&pfx, "is PKCS#12"),
        (&utf16, "is UTF-16"),
        (&key.serialize_pem().into_bytes(), "holds a private key"),
        (&request.pem().unwrap().into_bytes(), "(CSR)"),
        (&pem_of("NEW CERTIFICATE REQUEST", b"x").into_bytes(), "(CSR)"),
        (&pem_of("PKCS7", &signed_data).into_bytes(), "is PKCS#7: openssl pkcs7 -print_certs"),
        (&pem_of("X509 CRL", b"x").into_bytes(), "holds \"X509 CRL\""),
        (body.as_bytes(), "has no line -----BEGIN CERTIFICATE-----"),
        (b"<html>404</html>", "has no certificate in it"),
        (cut.as_bytes(), "at certificate 1: it has no end"),
        (other.as_bytes(), "certificate 1 in it is damaged"),
    ];
    for (bytes, says) in table {
        let said = found(bytes).expect_err(says);
        assert!(said.contains(says), "{said}, and not: {says}");
    }
    let second = format!("{pem}{}", pem.replacen("MII", "M!I", 1));
    assert!(found(second.as_bytes()).unwrap_err().contains("at certificate 2"));
    let marker = pem.replacen("-----\n", "----\n", 1);
    assert!(found(marker.as_bytes()).unwrap_err().contains("its BEGIN line has no end"));
}

#[test]
fn a_file_that_is_not_there_is_told_from_one_that_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    assert!(matches!(read(&file), Err(Unusable::Unreadable(_))));
    assert!(matches!(read(dir.path()), Err(Unusable::Wrong(why)) if why.starts_with("is a directory")));
    assert!(matches!(read(Path::new("/dev/null")), Err(Unusable::Wrong(_))));
    fs::write(&file, vec![b'\n'; (1 << 20) + 1]).unwrap();
    assert!(matches!(read(&file), Err(Unusable::Wrong(why)) if why.contains("1 MiB")));
    fs::write(&file, certificate().0.pem()).unwrap();
    assert_eq!(read(&file).unwrap().len(), 1);
}

fn pem_of(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in der.chunks(3) {
        let bits =
            three.iter().chain([&0, &0]).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for n in 0..4 {
            let digit = if n <= three.len() { char::from(DIGITS[bits >> (18 - 6 * n) & 63]) } else { '=' };
            text.push(digit);
        }
    }
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
