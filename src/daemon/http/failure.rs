//! What it means when there is no answer.
use std::error::Error;
use std::io;

use rustls::CertificateError;

use rigpost_core::oauth::{Cause, Trouble};
use rigpost_core::provider::wire::trouble;

/// Why a part did not get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutError {
    /// The class, and what a person may read of it.
    pub trouble: Trouble,
    /// Bytes of the part that the kernel took to send them, at most; zero before there was a connection. A storage that
    /// closes after hardly any, again and again, does not want this part at this URL: its refusal was lost on the way.
    pub sent: u64,
}

/// Why a request of the API got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskError {
    /// The class, and what the journal says of it.
    pub trouble: Trouble,
    /// What was wrong with the encryption, if that was it.
    pub tls: Option<TlsError>,
    /// The last of the causes alone, which is the one that says something to a person.
    pub root: String,
}

/// What keeps a connection from being encrypted, in the words in which everybody is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The clock is to be set.
    #[error("the server's certificate is not yet valid: the clock of this rig is behind")]
    NotYetValid,
    /// The clock is to be looked at.
    #[error("the server's certificate has expired, or the clock of this rig is ahead")]
    Expired,
    /// Somebody in between opens what is sent, or a private authority is to be configured.
    #[error(
        "the server's certificate is from an issuer that this rig does not trust: something on the network looks into the traffic"
    )]
    UnknownIssuer,
    /// A log-in page or a filter is in the way.
    #[error(
        "the server's certificate belongs to somebody else: a log-in page or a filter answers in its place"
    )]
    OtherName,
    /// The certificate is wrong in a way that is for specialists.
    #[error("the server's certificate is not accepted: {0}")]
    Refused(String),
    /// There was no agreement, or what answered does not speak TLS.
    #[error("the encryption failed: {0}")]
    Handshake(String),
}

impl TlsError {
    /// The class, for the screen.
    pub fn cause(&self) -> Cause {
        match self {
            TlsError::NotYetValid | TlsError::Expired => Cause::Clock,
            TlsError::UnknownIssuer | TlsError::OtherName | TlsError::Refused(_) => Cause::Certificate,
            TlsError::Handshake(_) => Cause::Network,
        }
    }
}

impl From<&rustls::Error> for TlsError {
    fn from(error: &rustls::Error) -> TlsError {
        let rustls::Error::InvalidCertificate(why) = error else {
            return TlsError::Handshake(error.to_string());
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is for specialists and shown as it is")]
        match why {
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsError::NotYetValid
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired,
            CertificateError::UnknownIssuer => TlsError::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsError::OtherName
            }
            other => TlsError::Refused(other.to_string()),
        }
    }
}

impl AskError {
    /// Of the client's failure. The request may have had its effect.
    pub fn new(e: &(dyn Error + 'static)) -> AskError {
        let mut root = e;
        while let Some(inner) = cause(root) {
            root = inner;
        }
        AskError {
            trouble: trouble_of(e),
            tls: tls_error(e),
            root: rigpost_core::provider::short(&root.to_string()),
        }
    }
}

impl From<Trouble> for AskError {
    fn from(trouble: Trouble) -> AskError {
        AskError { root: trouble.why.clone(), trouble, tls: None }
    }
}

/// A failure, and whether a clock may be the reason. The request may have had its effect.
pub(super) fn trouble_of(e: &(dyn Error + 'static)) -> Trouble {
    match tls_error(e) {
        Some(tls) => trouble(tls.cause(), rigpost_core::provider::short(&tls.to_string()), None),
        None => trouble(Cause::Network, chain(e), None),
    }
}

/// The error of the encryption, if there is one among the causes.
fn tls_error(e: &(dyn Error + 'static)) -> Option<TlsError> {
    let mut next = Some(e);
    while let Some(inner) = next {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Some(tls.into());
        }
        next = cause(inner);
    }
    None
}

/// What an error was made of. An I/O error skips that in its `source`, and rustls comes wrapped in one or two.
fn cause<'a>(e: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => e.source(),
    }
}

/// The error and its causes in one line, each said once.
pub(super) fn chain(e: &dyn Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = inner.source();
    }
    rigpost_core::provider::short(&text)
}
