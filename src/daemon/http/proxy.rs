//! Which proxy a request goes through.
//!
//! # Decisions
//! - hyper-util's matcher, which is inside of reqwest too: both clients read `no_proxy` in the same way.
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::egress::proxy::{Proxies, Proxy};

/// Which way leads where.
pub(super) struct Ways {
    proxies: Proxies,
    matcher: Matcher,
}

impl Ways {
    pub(super) fn new(proxies: Proxies) -> Ways {
        let url = |proxy: Option<&Proxy>| proxy.map_or_else(String::new, |p| p.url().expose().to_owned());
        let matcher = Matcher::builder()
            .https(url(proxies.https.as_ref()))
            .http(url(proxies.http.as_ref()))
            .no(proxies.except.as_str())
            .build();
        Ways { proxies, matcher }
    }

    pub(super) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// The host to which a connection is made on the way there: its own, or the proxy's.
    pub(super) fn next_host(&self, uri: &Uri) -> String {
        let proxy = self.to(uri);
        let host = proxy.as_ref().map_or(uri, Intercept::uri).host().unwrap_or_default();
        host.trim_matches(['[', ']']).to_owned()
    }

    /// The proxy that leads there, and what it is shown of who asks.
    pub(super) fn to(&self, uri: &Uri) -> Option<Intercept> {
        self.matcher.intercept(uri)
    }
}
