//! Random identifiers and secrets, and how a log may speak of them.
//!
//! # Decisions
//! Everything random comes from version 4 UUIDs: 122 random bits are plenty for a simulator, and there is no
//! error path to carry. Every secret contains the marker, so a test can search journals, databases and bus
//! traffic for one word and find any leak.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// SHA-256 of `text` in hexadecimal.
pub(crate) fn sha256_hex(text: &str) -> String {
    hex(Sha256::digest(text.as_bytes()).as_slice())
}

/// How a log names a secret: enough of its hash to recognise it again, nothing of the secret.
pub(crate) fn short(secret: &str) -> String {
    let hash = sha256_hex(secret);
    format!("#{}", hash.get(..8).unwrap_or_default())
}

/// A fresh random identifier.
pub(crate) fn id() -> String {
    Uuid::new_v4().to_string()
}

/// An identifier that is the same for the same name, so that projects keep theirs when the simulator restarts.
pub(crate) fn id_for(name: &str) -> String {
    let hash = Sha256::digest(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// A new secret of the given kind ("access", "refresh", ...), with the marker inside.
pub(crate) fn mint(kind: &str, marker: &str) -> String {
    format!("sim-{kind}-{marker}-{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Six digits; half of all codes start with a zero, because a client that reads them as a number must fail.
pub(crate) fn user_code() -> String {
    let random = Uuid::new_v4().as_u128();
    let limit = if random & 1 == 0 { 100_000 } else { 1_000_000 };
    format!("{:06}", (random >> 64) % limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_are_common_and_codes_are_six_digits() {
        let codes: Vec<String> = (0..200).map(|_| user_code()).collect();
        assert!(codes.iter().all(|code| code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())));
        assert!(codes.iter().filter(|code| code.starts_with('0')).count() > 40);
    }

    #[test]
    fn secrets_carry_the_marker_and_their_short_form_does_not() {
        let secret = mint("access", "MARK");
        assert!(secret.contains("MARK"));
        assert!(!short(&secret).contains("MARK"));
        assert_eq!(short(&secret).len(), 9);
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
    }
}
