//! Foreign text, made fit for a person and a journal.
use url::form_urlencoded;

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
}
