//! What it means when there is no answer.
use std::error::Error;
use std::io;

use rustls::CertificateError;

use rigpost_core::identity::oauth::{Cause, Trouble};
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

/// A failure, and whether a clock may be the reason. The request may have had its effect.
pub(super) fn trouble_of(e: &(dyn Error + 'static)) -> Trouble {
    trouble(cause_of(e), chain(e), None)
}

fn cause_of(e: &(dyn Error + 'static)) -> Cause {
    let mut next = Some(e);
    while let Some(mut inner) = next {
        // rustls comes wrapped in one io::Error or two, whose source() skips the error they hold.
        while let Some(held) = inner.downcast_ref::<io::Error>().and_then(|io| io.get_ref()) {
            inner = held;
        }
        if let Some(rustls::Error::InvalidCertificate(why)) = inner.downcast_ref::<rustls::Error>() {
            #[expect(clippy::wildcard_enum_match_arm, reason = "the rest says that nobody vouches for it")]
            return match why {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Cause::Clock,
                _ => Cause::Certificate,
            };
        }
        next = inner.source();
    }
    Cause::Network
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
