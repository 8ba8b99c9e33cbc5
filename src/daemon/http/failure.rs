//! What it means when there is no answer.
use std::error::Error;
use std::io;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tower_service::Service;

use super::certificate::TlsError;
use rigpost_core::oauth::{Cause, Trouble};
use rigpost_core::provider::wire::trouble;

/// Of a proxy that was asked for a tunnel; hyper-util has no other name for it.
type TunnelError = <Tunnel<HttpConnector> as Service<Uri>>::Error;

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

impl AskError {
    /// Of the client's failure. The request may have had its effect.
    pub fn new(e: &(dyn Error + 'static)) -> AskError {
        let mut root = e;
        while let Some(inner) = cause(root) {
            root = inner;
        }
        let trouble = trouble_of(e);
        let root = match find::<TunnelError>(e) {
            Some(_) => trouble.why.clone(),
            None => rigpost_core::provider::short(&root.to_string()),
        };
        AskError { trouble, tls: tls_error(e), root }
    }
}

impl From<Trouble> for AskError {
    fn from(trouble: Trouble) -> AskError {
        AskError { root: trouble.why.clone(), trouble, tls: None }
    }
}

/// A failure by what is the reason: the encryption, a proxy, or else the network. The request may have had its effect.
pub(super) fn trouble_of(e: &(dyn Error + 'static)) -> Trouble {
    if let Some(tls) = tls_error(e) {
        // Its own words are as long as they have to be, and the foreign ones in it are short.
        return Trouble { why: tls.to_string(), ..trouble(tls.cause(), "", None) };
    }
    match find::<TunnelError>(e) {
        Some(e) => of_proxy(e),
        None => trouble(Cause::Network, chain(e), None),
    }
}

/// What became of the question for a tunnel.
fn of_proxy(e: &TunnelError) -> Trouble {
    let (cause, why) = match e {
        TunnelError::ProxyAuthRequired => {
            (Cause::Proxy, "HTTP 407: the proxy wants a user and a password, or other ones".to_owned())
        }
        TunnelError::TunnelUnsuccessful => {
            (Cause::Network, "the proxy refuses to connect to the server, or can't".to_owned())
        }
        TunnelError::TunnelUnexpectedEof => {
            (Cause::Network, "the proxy closed the connection instead of connecting to the server".to_owned())
        }
        TunnelError::ProxyHeadersTooLong => {
            (Cause::Network, "the proxy's answer is not one of a proxy".to_owned())
        }
        TunnelError::MissingHost => (Cause::Provider, "the address for the proxy names no host".to_owned()),
        TunnelError::Io(e) => (Cause::Network, format!("the proxy broke off: {e}")),
        TunnelError::ConnectFailed(e) => {
            (Cause::Network, format!("the proxy can't be reached: {}", chain(&**e)))
        }
    };
    trouble(cause, rigpost_core::provider::short(&why), None)
}

/// The error of the encryption, if there is one among the causes.
fn tls_error(e: &(dyn Error + 'static)) -> Option<TlsError> {
    find::<rustls::Error>(e).map(TlsError::from)
}

/// One of a kind among the causes.
fn find<'a, T: Error + 'static>(e: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(e);
    while let Some(inner) = next {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
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
