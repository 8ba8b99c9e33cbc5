//! Any provider of RFC 8628, found by its issuer or named endpoint by endpoint, with an ID token where it is an OpenID
//! provider.
//!
//! # Decisions
//! - What the issuer publishes is kept in memory only, from the first use on: it is a request of milliseconds every few
//!   hours at most, and a file of it would be one more thing that can be out of date. Trouble makes us look again.
//! - A provider without projects: what the rig is paired with is the issuer, its host for people.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use crate::oauth::{ClientAuth, TokenError};
use crate::provider::dialect::{Dialect, Endpoints, Form};
use crate::provider::exchange::Step;
use crate::provider::id_token::Keys;
use crate::provider::metadata::{self, Metadata};
use crate::provider::text::short;

/// Settings of one provider, and what has been learned of it.
#[derive(Debug)]
pub struct OAuth {
    /// The page of data.
    pub dialect: Dialect,
    /// `client_id`, which ID tokens are for.
    pub client_id: String,
    /// Where to ask.
    pub configured: ConfiguredEndpoints,
    /// Whether new grants are bound to the rig's key.
    pub binds: Binds,
    known: Mutex<Learned>,
}

/// When a new grant is bound to the rig's key (RFC 9449). One that exists stays as it was made: programs that use its access
/// tokens would otherwise be refused one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binds {
    /// Where the provider says that it can, by its metadata.
    #[default]
    Offered,
    /// With every provider.
    Always,
    /// With none.
    Never,
}

/// How the endpoints are found: what is named here is used, the rest is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredEndpoints {
    /// Asked for the rest; `None`: nobody is asked, and no ID token is believed.
    pub issuer: Option<Url>,
    /// RFC 8628 §3.1.
    pub device_authorization: Option<Url>,
    /// RFC 6749 §3.2.
    pub token: Option<Url>,
    /// RFC 7009.
    pub revocation: Option<Url>,
    /// RFC 7517.
    pub jwks: Option<Url>,
}

#[derive(Debug, Default)]
struct Learned {
    metadata: Option<Metadata>,
    /// It may have changed.
    doubted: bool,
    keys: Option<Keys>,
}

impl OAuth {
    /// Nothing is known of it yet. `fields`: what its request for a code carries besides.
    pub fn new(
        client_id: String,
        client_auth: ClientAuth,
        scope: String,
        fields: Vec<(String, String)>,
        configured: ConfiguredEndpoints,
    ) -> OAuth {
        let dialect = Dialect {
            form: Form::UrlEncoded,
            client_auth,
            scope,
            headers: vec![("accept", "application/json".to_owned())],
            code_headers: vec![],
            code_fields: fields,
            code_life: 600.0,
            //= https://www.rfc-editor.org/rfc/rfc8628#section-3.2
            //# If no value is provided, clients MUST use 5 as the default.
            interval: 5.0,
            spent: &[],
            unauthorized_ends: false,
        };
        OAuth { dialect, client_id, configured, binds: Binds::default(), known: Mutex::default() }
    }

    /// What nobody needs to ask for: all endpoints of the flow are named. An issuer beside them may publish nothing.
    fn named(&self) -> Option<Endpoints> {
        Some(Endpoints {
            device_authorization: self.configured.device_authorization.clone()?,
            token: self.configured.token.clone()?,
            revocation: self.configured.revocation.clone(),
            binds: self.binds == Binds::Always,
        })
    }

    fn endpoints(&self, metadata: &Metadata) -> Result<Endpoints, TokenError> {
        let missing = |what: &str| {
            let why = format!("the provider names no {what}: name it in the configuration, if it has one");
            TokenError::Rejected(why)
        };
        let either = |ours: &Option<Url>, theirs: &Option<Url>| ours.clone().or_else(|| theirs.clone());
        Ok(Endpoints {
            device_authorization: either(
                &self.configured.device_authorization,
                &metadata.device_authorization,
            )
            .ok_or_else(|| missing("device_authorization_endpoint"))?,
            token: either(&self.configured.token, &metadata.token)
                .ok_or_else(|| missing("token_endpoint"))?,
            revocation: either(&self.configured.revocation, &metadata.revocation),
            binds: match self.binds {
                Binds::Offered => metadata.binds,
                Binds::Always => true,
                Binds::Never => false,
            },
        })
    }

    /// Something did not answer as it should: what is known of the endpoints is asked for anew.
    pub fn doubt(&self) {
        self.know(|known| known.doubted = true);
    }

    pub(super) fn keys(&self) -> Option<Keys> {
        self.know(|known| known.keys.clone())
    }

    pub(super) fn learn_keys(&self, keys: &Keys) {
        self.know(|known| known.keys = Some(keys.clone()));
    }

    fn know<T>(&self, look: impl FnOnce(&mut Learned) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whom the rig is paired with. Also where nothing is known yet; the same with a slash at the issuer's end and without,
    /// which parsing adds.
    pub(super) fn name(&self) -> (String, String) {
        let at = self.configured.issuer.as_ref().or(self.configured.token.as_ref());
        let host = at.and_then(Url::host_str).unwrap_or_default().to_owned();
        let id = match &self.configured.issuer {
            Some(issuer) => issuer.as_str().trim_end_matches('/').to_owned(),
            None => at.map(|url| url.origin().ascii_serialization()).unwrap_or_default(),
        };
        (short(&id), short(&host))
    }
}

/// Goes on once it is known where to ask. `patience`: for each document that has to be fetched.
pub(super) fn at<T: 'static>(
    provider: &Arc<OAuth>,
    patience: Duration,
    then: impl FnOnce(Endpoints) -> Step<T> + Send + 'static,
) -> Step<T> {
    if let Some(endpoints) = provider.named() {
        return then(endpoints);
    }
    let p = provider.clone();
    described(provider, patience, move |metadata| match metadata.and_then(|m| p.endpoints(&m)) {
        Ok(endpoints) => then(endpoints),
        Err(e) => Step::Done(Err(e)),
    })
}

/// Goes on with what the issuer publishes, asked for once; where it does not answer, with what it said before.
pub(super) fn described<T: 'static>(
    provider: &Arc<OAuth>,
    patience: Duration,
    then: impl FnOnce(Result<Metadata, TokenError>) -> Step<T> + Send + 'static,
) -> Step<T> {
    let known = provider.know(|known| known.metadata.clone());
    if let Some(metadata) = known.as_ref().filter(|_| !provider.know(|known| known.doubted)) {
        return then(Ok(metadata.clone()));
    }
    let Some(issuer) = provider.configured.issuer.clone() else {
        let why = "neither `provider.issuer` nor the endpoints are configured";
        return then(Err(TokenError::Rejected(why.to_owned())));
    };
    let p = provider.clone();
    metadata::fetch(&issuer, patience, move |read| match (read, known) {
        (Ok(metadata), _) => {
            p.know(|known| (known.metadata, known.doubted) = (Some(metadata.clone()), false));
            then(Ok(metadata))
        }
        (Err(TokenError::Transient(_)), Some(before)) => then(Ok(before)),
        (Err(e), _) => then(Err(e)),
    })
}
