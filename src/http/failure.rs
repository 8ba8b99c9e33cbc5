//! What it means when there is no answer.
use crate::{
    domain::oauth::{Cause, Trouble},
    provider::wire::trouble,
};
use rustls::CertificateError;
use std::{error::Error, io};

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
    let cause = if is_about_time(e) { Cause::Clock } else { Cause::Network };
    trouble(cause, chain(e), None)
}

fn is_about_time(e: &(dyn Error + 'static)) -> bool {
    let mut next = Some(e);
    while let Some(mut inner) = next {
        // rustls comes wrapped in one io::Error or two, whose source() skips the error they hold.
        while let Some(held) = inner.downcast_ref::<io::Error>().and_then(|io| io.get_ref()) {
            inner = held;
        }
        if let Some(rustls::Error::InvalidCertificate(why)) = inner.downcast_ref::<rustls::Error>() {
            let text = format!("{why:?}");
            return matches!(why, CertificateError::Expired | CertificateError::NotValidYet)
                || text.starts_with("Expired")
                || text.starts_with("NotValidYet");
        }
        next = inner.source();
    }
    false
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
    crate::provider::short(&text)
}
