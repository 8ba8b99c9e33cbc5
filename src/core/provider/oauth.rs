//! Any provider of RFC 8628, found by its issuer or named endpoint by endpoint, with an ID token where it is an OpenID
//! provider.
//!
//! # Decisions
//! - What the issuer publishes is asked for at the first use, and then as [`kept`](crate::provider::kept) has it: trouble
//!   makes us look again.
//! - A provider without projects: what the rig is paired with is the issuer, its host for people.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use crate::oauth::{ClientAuth, TokenError, Trouble};
use crate::provider::answer::unexpected;
use crate::provider::dialect::{Dialect, Endpoints, Form, TIMEOUT, expect_success};
use crate::provider::exchange::Step;
use crate::provider::id_token::Keys;
use crate::provider::kept::{self, Document, Heard, KeptDocument, Way};
use crate::provider::learned::Learned;
use crate::provider::metadata::{self, Metadata};
use crate::provider::text::short;
use crate::provider::wire::Response;
use crate::provider::words::Asked;
use crate::time::Now;

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
        self.know(Learned::doubt);
    }

    /// What a run before has kept of this provider. Used where it is the configured issuer's, and not too old.
    pub fn remember(&self, kept: Vec<KeptDocument>, now: Now) {
        for KeptDocument { document, from, text, said } in kept {
            let (Some(text), Ok(from)) = (text, from.parse()) else { continue };
            let answer = Response { status: 200, body: text.into_bytes().into(), ..Response::default() };
            match document {
                _ if !kept::is_usable(now.age_of(said)) => {}
                Document::Metadata if self.configured.issuer.as_ref() == Some(&from) => {
                    if let Ok(metadata) = metadata::read(&answer, &from) {
                        self.know(|known| known.remember(metadata, said));
                    }
                }
                Document::Metadata => {}
                Document::Keys => {
                    if let Ok(keys) = read_keys(&answer) {
                        self.know(|known| known.remember_keys(from, keys));
                    }
                }
            }
        }
    }

    /// What of the issuer's documents is to be written down.
    pub fn news(&self, now: Now) -> Vec<KeptDocument> {
        let issuer = self.configured.issuer.as_ref();
        issuer.map(|issuer| self.know(|known| known.news(issuer, now))).unwrap_or_default()
    }

    pub(super) fn keys(&self, at: &Url) -> Option<Keys> {
        self.know(|known| known.keys(at))
    }

    /// Where its keys are.
    pub(super) fn keys_at(&self, metadata: &Metadata) -> Option<Url> {
        self.configured.jwks.clone().or_else(|| metadata.jwks.clone())
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
pub(super) fn at<T: Send + 'static>(
    provider: &Arc<OAuth>,
    patience: Duration,
    is_last: IsLast<T>,
    then: Box<dyn Fn(Endpoints) -> Step<T> + Send>,
) -> Step<T> {
    if let Some(endpoints) = provider.named() {
        return then(endpoints);
    }
    let p = provider.clone();
    let then = move |metadata: Result<Metadata, _>| match metadata.and_then(|m| p.endpoints(&m)) {
        Ok(endpoints) => then(endpoints),
        Err(e) => Step::Done(Err(e)),
    };
    described(provider, patience, is_last, Box::new(then))
}

/// An outcome that is no way on.
pub(super) type IsLast<T> = fn(&Result<T, TokenError>) -> bool;

/// Goes on with what the issuer publishes, which may be what it said before. Where that came to an end that is in doubt, it
/// is asked anew before that is the end.
pub(super) fn described<T: Send + 'static>(
    provider: &Arc<OAuth>,
    patience: Duration,
    is_last: IsLast<T>,
    then: Box<dyn Fn(Result<Metadata, TokenError>) -> Step<T> + Send>,
) -> Step<T> {
    let (way, known) = provider.know(|known| (known.way(), known.metadata()));
    let p = provider.clone();
    match (way, known) {
        (Way::Use, Some((used, heard))) => then(Ok(used.clone())).then(
            0,
            Box::new(move |status, outcome| {
                if !kept::is_in_doubt(heard, status, is_last(&outcome)) {
                    return Step::Done(outcome);
                }
                fetch(&p, patience).then(
                    0,
                    Box::new(move |_, read| match read {
                        Ok(metadata) if metadata != used => then(Ok(metadata)),
                        Err(TokenError::Transient(t)) => Step::Done(unless_last(outcome, heard, is_last, t)),
                        Ok(_) | Err(_) => Step::Done(outcome),
                    }),
                )
            }),
        ),
        (Way::Use | Way::Ask, known) => fetch(provider, patience).then(
            0,
            Box::new(move |_, read| match (read, known) {
                (Err(TokenError::Transient(t)), Some((before, heard))) => then(Ok(before))
                    .then(0, Box::new(move |_, outcome| Step::Done(unless_last(outcome, heard, is_last, t)))),
                (read, _) => then(read),
            }),
        ),
    }
}

/// What came of the use of what was said before, where the issuer does not answer: no last word, where that was before this
/// start.
fn unless_last<T>(
    outcome: Result<T, TokenError>,
    heard: Heard,
    is_last: IsLast<T>,
    trouble: Trouble,
) -> Result<T, TokenError> {
    let in_doubt = heard == Heard::Before && outcome.is_err() && is_last(&outcome);
    if in_doubt { Err(TokenError::Transient(trouble)) } else { outcome }
}

/// Asks the issuer, and learns what it says.
fn fetch(provider: &Arc<OAuth>, patience: Duration) -> Step<Metadata> {
    let Some(issuer) = &provider.configured.issuer else {
        let why = "neither `provider.issuer` nor the endpoints are configured";
        return Step::Done(Err(TokenError::Rejected(why.to_owned())));
    };
    let p = provider.clone();
    metadata::fetch(issuer, patience).then(
        0,
        Box::new(move |_, read| {
            match &read {
                Ok(metadata) => p.know(|known| known.hear(Some(metadata.clone()))),
                Err(TokenError::Rejected(_)) => p.know(|known| known.hear(None)),
                Err(_) => {}
            }
            Step::Done(read)
        }),
    )
}

/// Asks for the issuer's keys, and learns them.
pub(super) fn fetch_keys(provider: &Arc<OAuth>, at: Url) -> Step<Keys> {
    let (p, from) = (provider.clone(), at.clone());
    metadata::document("provider keys", at, TIMEOUT, move |answer| {
        Step::Done(answer.map_err(TokenError::Transient).and_then(|answer| {
            let keys = read_keys(answer)?;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            p.know(|known| known.hear_keys(from, keys.clone(), text));
            Ok(keys)
        }))
    })
}

fn read_keys(answer: &Response) -> Result<Keys, TokenError> {
    expect_success(Asked::Other, answer)?;
    answer.json().as_ref().and_then(Keys::read).ok_or_else(unexpected)
}

/// Asks anew what is known, where it is time for that and nobody waits for it.
pub(super) fn renewal(provider: &Arc<OAuth>, now: Now) -> Option<Step<()>> {
    let is_due = provider.know(|known| known.is_due(now));
    is_due.then(|| fetch(provider, TIMEOUT).then(0, Box::new(|_, read| Step::Done(read.map(drop)))))
}
