//! By what a storage knows who asks.
use zeroize::Zeroizing;

use crate::oauth::AccessToken;
use crate::secret::Secret;

/// Keys that requests to a bucket are signed with: of a role, for an hour or so; or of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// `AccessKeyId`.
    pub id: String,
    /// `SecretAccessKey`.
    pub secret: Secret,
    /// `SessionToken`; `None`: of a user.
    pub session: Option<Secret>,
    /// Unix seconds at which they end, by the server's clock; `None`: never, or nothing is said.
    pub ends: Option<i64>,
}

impl Keys {
    /// A user's, written as `AccessKeyId:SecretAccessKey`, or in two lines where the first has a colon in it; `None`: that is
    /// none.
    pub fn of_user(text: &Secret) -> Option<Keys> {
        let text = text.expose();
        let (id, secret) = text.split_once('\n').or_else(|| text.split_once(':'))?;
        let id = id.trim_end_matches('\r');
        let fits =
            |text: &str| (1..=1024).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let keys = Keys { id: id.to_owned(), secret: Secret::new(secret), session: None, ends: None };
        (fits(id) && fits(secret)).then_some(keys)
    }

    /// As [`Keys::of_user`] reads it.
    pub fn written(&self) -> Secret {
        Secret::new(Zeroizing::new(format!("{}\n{}", self.id, self.secret.expose())).as_str())
    }
}

/// What a request shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A signature.
    Keys(Keys),
    /// The sign-in's own access token (RFC 6750).
    Bearer(AccessToken),
}

impl Authority {
    /// These two are the same.
    pub fn is(&self, other: &Authority) -> bool {
        match (self, other) {
            (Authority::Keys(a), Authority::Keys(b)) => a.id == b.id,
            (Authority::Bearer(a), Authority::Bearer(b)) => a == b,
            (Authority::Keys(_) | Authority::Bearer(_), _) => false,
        }
    }

    /// The keys, if it is that.
    pub fn keys(&self) -> Option<&Keys> {
        match self {
            Authority::Keys(keys) => Some(keys),
            Authority::Bearer(_) => None,
        }
    }

    /// The token, if it is that.
    pub fn bearer(&self) -> Option<&AccessToken> {
        match self {
            Authority::Keys(_) => None,
            Authority::Bearer(token) => Some(token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_s_key_is_read_as_it_is_written() {
        let keys = Keys::of_user(&Secret::new("AKIA1:se/+=:cret")).unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.expose()), ("AKIA1", "se/+=:cret"));
        assert!(!format!("{keys:?}").contains(":cret"));
        assert_eq!(Keys::of_user(&keys.written()), Some(keys));
        for text in ["account:user\nse:cret", "account:user\r\nse:cret"] {
            let keys = Keys::of_user(&Secret::new(text)).unwrap();
            assert_eq!((keys.id.as_str(), keys.secret.expose()), ("account:user", "se:cret"));
            assert_eq!(Keys::of_user(&keys.written()), Some(keys));
        }
        for text in [
            "",
            ":",
            "\n",
            "AKIA1\n",
            "AKIA1\nse\ncret",
            "AKIA1",
            "AKIA1:",
            ":secret",
            "AK IA:secret",
            "AKIA1:se cret",
            "AKIA1:sécret",
        ] {
            assert_eq!(Keys::of_user(&Secret::new(text)), None, "{text}");
        }
    }
}
