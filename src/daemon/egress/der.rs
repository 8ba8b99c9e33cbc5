//! As much of DER as names and algorithms take, for the words of errors. Nothing is decided by it.
use rigpost_core::provider::short;

/// Tags.
const OID: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;
/// Of a name: common name, organization, organizational unit; the first that is there says who it is.
const WHO: [&[u8]; 3] = [&[0x55, 4, 3], &[0x55, 4, 10], &[0x55, 4, 11]];
/// What certificates of old and of unusual devices are made with.
const ALGORITHMS: [(&str, &str); 13] = [
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.4", "MD5 with RSA"),
    ("1.2.840.113549.1.1.5", "SHA-1 with RSA"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.113549.1.1.11", "SHA-256 with RSA"),
    ("1.2.840.10040.4.3", "SHA-1 with DSA"),
    ("1.2.840.10045.4.1", "SHA-1 with ECDSA"),
    ("1.2.840.10045.4.3.2", "SHA-256 with ECDSA"),
    ("1.2.840.10045.4.3.3", "SHA-384 with ECDSA"),
    ("1.2.840.10045.4.3.4", "SHA-512 with ECDSA"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.132.0.35", "P-521"),
    ("1.3.101.113", "Ed448"),
];
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";

/// Tag and content of the first value, and what follows it.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let digits = if *first < 0x80 { 0 } else { usize::from(first & 0x7f) };
    // Of a length that is not said (0x80) DER knows nothing.
    let (written, rest) = rest.split_at_checked(digits).filter(|_| digits <= 4 && *first != 0x80)?;
    let length = match digits {
        0 => usize::from(*first),
        _ => written.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// The first value whole, without what follows it; `None` where there is none, or not all of it.
pub fn first(der: &[u8]) -> Option<&[u8]> {
    let (.., rest) = value(der)?;
    der.get(..der.len() - rest.len())
}

fn values(mut der: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, content, rest) = value(der)?;
        der = rest;
        Some((tag, content))
    })
}

/// What people call who has this name (RFC 5280 §4.1.2.4, without its outermost tag), in quotes.
pub fn name(rdns: &[u8]) -> String {
    let pairs: Vec<(&[u8], String)> = values(rdns)
        .flat_map(|(_, set)| values(set))
        .filter_map(|(_, pair)| {
            let mut pair = values(pair);
            Some((pair.next()?.1, text(pair.next()?)))
        })
        .collect();
    let said = WHO.iter().find_map(|who| pairs.iter().find(|(of, _)| of == who));
    said.or(pairs.first())
        .map_or_else(|| "somebody without a name".to_owned(), |(_, text)| format!("{:?}", short(text)))
}

fn text((tag, content): (u8, &[u8])) -> String {
    match tag {
        BMP_STRING => {
            let units = content.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => String::from_utf8_lossy(content).into_owned(),
    }
}

/// An algorithm (RFC 5280 §4.1.1.2, without its outermost tag) by its name or number; of keys on a curve the curve.
pub fn algorithm(id: &[u8]) -> String {
    let mut oids = values(id).filter(|(tag, _)| *tag == OID).map(|(_, oid)| dotted(oid));
    let of = oids.next().unwrap_or_default();
    let of = if of == EC_PUBLIC_KEY { oids.next().unwrap_or(of) } else { of };
    match ALGORITHMS.iter().find(|(oid, _)| *oid == of) {
        Some((_, name)) => (*name).to_owned(),
        None => short(&of),
    }
}

fn dotted(oid: &[u8]) -> String {
    let (mut numbers, mut number) = (Vec::new(), 0_u64);
    for byte in oid {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first.to_string());
                number -= 40 * first;
            }
            numbers.push(number.to_string());
            number = 0;
        }
    }
    numbers.join(".")
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};
    use webpki::EndEntityCert;

    use super::*;

    fn name_of(fields: &[(DnType, DnValue)]) -> String {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in fields {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        name(EndEntityCert::try_from(certificate.der()).unwrap().subject())
    }

    #[test]
    fn a_name_is_what_people_call_it() {
        let utf8 = |text: &str| DnValue::Utf8String(text.to_owned());
        assert_eq!(
            name_of(&[(DnType::OrganizationName, utf8("Corp")), (DnType::CommonName, utf8("Filter"))]),
            "\"Filter\""
        );
        assert_eq!(
            name_of(&[(DnType::CountryName, utf8("DE")), (DnType::OrganizationName, utf8("Corp"))]),
            "\"Corp\""
        );
        assert_eq!(name_of(&[(DnType::CountryName, utf8("DE"))]), "\"DE\"");
        assert_eq!(name_of(&[]), "somebody without a name");
        assert_eq!(name_of(&[(DnType::CommonName, utf8("a\nb"))]), "\"a b\"");
        assert!(name_of(&[(DnType::CommonName, utf8(&"x".repeat(9_000)))]).len() < 210);
        let bmp = DnValue::BmpString("Gerät".try_into().unwrap());
        assert_eq!(name_of(&[(DnType::CommonName, bmp)]), "\"Gerät\"");
    }

    #[test]
    fn an_algorithm_has_a_name_or_a_number() {
        let sha1 = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5, 5, 0];
        assert_eq!(algorithm(&sha1), "SHA-1 with RSA");
        let p521 = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x23];
        assert_eq!(algorithm(&p521), "P-521");
        assert_eq!(algorithm(&[6, 3, 0x2b, 0x65, 0x7f]), "1.3.101.127");
        assert_eq!(algorithm(&[6, 2, 0x88, 0x37]), "2.999");
    }

    #[test]
    fn nonsense_is_no_danger() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x84, 0xff],
            &[0x30, 0x85, 1, 1, 1, 1, 1],
            &[6, 0x80],
            &[6, 5, 1],
            &[0xff; 40],
        ] {
            assert!(!name(bytes).is_empty());
            let _ = algorithm(bytes);
        }
    }
}
