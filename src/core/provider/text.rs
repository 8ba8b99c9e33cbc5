//! Foreign text, made fit for a person and a journal.
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Characters of a foreign text that are kept.
pub const SHORT: usize = 200;
/// A shorter secret would be found everywhere.
const SHORTEST_SECRET: usize = 4;

/// In one line, without control characters, [`SHORT`] characters at most.
//= https://www.rfc-editor.org/rfc/rfc6749#section-10.14
//# The authorization server and client MUST sanitize (and validate when possible) any value received
pub fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHORT).collect()
}

/// The text without these, also as they are written in a URL.
pub fn mask(text: &str, secrets: &[Secret]) -> String {
    let mut masked = text.to_owned();
    for secret in secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= SHORTEST_SECRET) {
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for form in [secret, encoded.as_str()] {
            if masked.contains(form) {
                masked = masked.replace(form, "[redacted]");
            }
        }
    }
    masked
}

/// What a header makes of these two (RFC 6749 §2.3.1, RFC 7617 §2), up to the padding.
pub fn basic_pair(id: &str, secret: &Secret) -> Secret {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let secret = Secret::expose(secret);
    let mut pair = Zeroizing::new(String::with_capacity(3 * (id.len() + secret.len()) + 1));
    pair.extend(form_urlencoded::byte_serialize(id.as_bytes()));
    pair.push(':');
    pair.extend(form_urlencoded::byte_serialize(secret.as_bytes()));
    let mut encoded = Zeroizing::new(String::with_capacity(pair.len() / 3 * 4 + 4));
    for three in pair.as_bytes().chunks(3) {
        let bits = three.iter().fold(0, |bits: usize, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - three.len()));
        encoded.extend((0..=three.len()).map(|n| char::from(LETTERS[bits >> (18 - 6 * n) & 63])));
    }
    Secret::from(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_server_gets_a_secret_into_a_text_by_repeating_it() {
        let secrets = [Secret::new("at-1+2/3=="), Secret::new("rt"), Secret::new("at-1+2/3==at-1+2/3==")];
        let said = "token at-1+2/3== (at-1%2B2%2F3%3D%3D) is no good, rt neither; at-1+2/3==at-1+2/3==";
        let shown = "token [redacted] ([redacted]) is no good, rt neither; [redacted][redacted]";
        assert_eq!(mask(said, &secrets), shown);
        // What is cut is cut afterwards: half a secret is one too.
        let long = format!("{}secret-token", "x".repeat(SHORT - 3));
        assert!(!short(&mask(&long, &[Secret::new("secret-token")])).contains("sec"));
        assert_eq!(short("a\nb\u{7f}c"), "a b c");
    }

    #[test]
    fn what_a_header_makes_of_the_client_is_a_secret_too() {
        // RFC 7617 §2, and one, two and no letters more than whole threes.
        for (id, secret, encoded) in [
            ("Aladdin", "open", "QWxhZGRpbjpvcGVu"),
            ("app-1", "s3cret", "YXBwLTE6czNjcmV0"),
            ("app-1", "s3cre", "YXBwLTE6czNjcmU"),
            ("app-1", "s3crets", "YXBwLTE6czNjcmV0cw"),
            // Form-encoded first: "a+b", "%C3%BC".
            ("a b", "ü?", "YStiOiVDMyVCQyUzRg"),
        ] {
            let pair = basic_pair(id, &Secret::new(secret));
            assert_eq!(pair.expose(), encoded, "{id}:{secret}");
            let said = mask(&format!("bad header: Basic {encoded}=="), &[pair]);
            assert_eq!(said, "bad header: Basic [redacted]==");
        }
    }
}
