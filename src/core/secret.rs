//! A text that must not be seen.
//!
//! # Decisions
//! - Our own twenty lines on top of `zeroize`, and not `secrecy`: that crate's `SecretString` has no equality, which
//!   the machines need to tell which access token a 401 was for.
use std::fmt;

use zeroize::Zeroizing;

/// Prints as `[redacted]`, leaves only through [`Secret::expose`], and is overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; the caller's own copies stay the caller's to erase.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself. Every call is a place where it could leak: keep them few.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for Secret {
    /// Moves the text: no copy is left behind.
    fn from(text: Zeroizing<String>) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "[redacted] Some(\n    [redacted],\n)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
