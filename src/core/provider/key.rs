//! Which provider something was granted by.
//!
//! # Decisions
//! - The kind and the address, and not the kind alone: a token is shown to nobody but the one who gave it, whatever the
//!   configuration names next.
//! - Of Frame.io the address is the origin (RFC 6454: scheme, host, port): all its paths are one cloud. Of an issuer the path
//!   counts too: one host has many tenants. There the application is part of the key: what was granted to one is of no use
//!   to another.
use url::Url;

pub use rigpost_contract::provider::ProviderKind;

/// One provider, told apart from all others, and what it can do.
//= https://www.rfc-editor.org/rfc/rfc6749#section-10.3
//# MUST be kept confidential in transit and storage
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKey {
    /// Its dialect.
    pub kind: ProviderKind,
    /// Where it is, in one spelling for each place.
    pub origin: String,
    /// The `client_id` that it gave to all rigs; empty: each rig has one of its own.
    pub application: String,
    /// Clips can be sent there. Says nothing about which provider it is.
    pub takes_clips: bool,
}

impl ProviderKey {
    /// Frame.io's cloud at this address.
    pub fn frameio(base_url: &Url) -> ProviderKey {
        ProviderKey {
            kind: ProviderKind::Frameio,
            origin: base_url.origin().ascii_serialization(),
            application: String::new(),
            takes_clips: true,
        }
    }

    /// An issuer, or where there is none its token endpoint, and the application that it knows.
    pub fn oauth(at: &Url, application: &str) -> ProviderKey {
        // A slash at the end makes no other provider.
        let origin = at.as_str().trim_end_matches('/').to_owned();
        let (kind, application) = (ProviderKind::OAuth, application.to_owned());
        ProviderKey { kind, origin, application, takes_clips: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn one_cloud_has_one_key_however_it_is_written() {
        let key = ProviderKey::frameio(&url("https://api.frame.io"));
        assert_eq!(key.origin, "https://api.frame.io");
        for same in [
            "https://api.frame.io/",
            "HTTPS://API.Frame.IO",
            "https://api.frame.io:443",
            "https://api.frame.io:443/",
            "https://api.frame.io/v2/",
        ] {
            assert_eq!(ProviderKey::frameio(&url(same)), key, "{same}");
        }
        for other in [
            "http://api.frame.io",
            "https://api.frame.io:8443",
            "https://frame.io",
            "https://api.frame.io.example",
            "http://api.frame.io:443",
        ] {
            assert_ne!(ProviderKey::frameio(&url(other)), key, "{other}");
        }
        let local = ProviderKey::frameio(&url("http://127.0.0.1:80/"));
        assert_eq!(local, ProviderKey::frameio(&url("http://127.0.0.1")));
        assert_ne!(local, ProviderKey::frameio(&url("http://127.0.0.1:8080")));
        assert_eq!(
            ProviderKey::frameio(&url("http://[::1]:80")),
            ProviderKey::frameio(&url("http://[::1]/"))
        );
    }

    #[test]
    fn an_issuer_s_path_and_its_application_make_another_key() {
        let key = ProviderKey::oauth(&url("https://login.example/realms/film"), "rig");
        for (same, app) in
            [("https://login.example/realms/film/", "rig"), ("https://LOGIN.example:443/realms/film", "rig")]
        {
            assert_eq!(ProviderKey::oauth(&url(same), app), key, "{same}");
        }
        for (other, app) in [
            ("https://login.example/realms/news", "rig"),
            ("https://login.example/realms/Film", "rig"),
            ("https://login.example", "rig"),
            ("http://login.example/realms/film", "rig"),
            ("https://login.example/realms/film", "other"),
        ] {
            assert_ne!(ProviderKey::oauth(&url(other), app), key, "{other} {app}");
        }
        let tenant =
            ProviderKey { kind: ProviderKind::Frameio, ..ProviderKey::oauth(&url("https://a.example"), "") };
        assert_ne!(tenant, ProviderKey::oauth(&url("https://a.example"), ""));
    }
}
