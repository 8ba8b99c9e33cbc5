//! Any provider of RFC 8628, found by its issuer or named endpoint by endpoint, with an ID token where it is an OpenID
//! provider.
//!
//! # Decisions
//! - What the issuer publishes is kept in memory only, from the first use on: it is a request of milliseconds every few
//!   hours at most, and a file of it would be one more thing that can be out of date. Trouble makes us look again.
//! - The same with its keys; a token with an unknown one makes us fetch them once more, which is how keys are changed.
//! - A provider without projects: what the rig is paired with is the issuer, its host for people.
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use crate::oauth::{ClientAuth, DeviceInfo, Identify, TokenError};
use crate::provider::answer::{short, unexpected};
use crate::provider::dialect::{Dialect, Endpoints, Form, expect_success};
use crate::provider::exchange::{Step, harmless};
use crate::provider::id_token::{Distrust, Expected, Keys, verify};
use crate::provider::metadata::{self, Metadata};

/// Settings of one provider, and what has been learned of it.
#[derive(Debug)]
pub struct OAuth {
    /// The page of data.
    pub dialect: Dialect,
    /// `client_id`, which ID tokens are for.
    pub client_id: String,
    /// Where to ask.
    pub configured: ConfiguredEndpoints,
    known: Mutex<Learned>,
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
            interval: 5.0,
            spent: &[],
            unauthorized_ends: false,
        };
        OAuth { dialect, client_id, configured, known: Mutex::default() }
    }

    /// What nobody needs to ask for: all endpoints of the flow are named. An issuer beside them may publish nothing.
    fn named(&self) -> Option<Endpoints> {
        Some(Endpoints {
            device_authorization: self.configured.device_authorization.clone()?,
            token: self.configured.token.clone()?,
            revocation: self.configured.revocation.clone(),
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
        })
    }

    /// Something did not answer as it should: what is known of the endpoints is asked for anew.
    pub fn doubt(&self) {
        self.know(|known| known.metadata = None);
    }

    fn know<T>(&self, look: impl FnOnce(&mut Learned) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whom the rig is paired with. Also where nothing is known yet; the same with a slash at the issuer's end and without,
    /// which parsing adds.
    fn name(&self) -> (String, String) {
        let at = self.configured.issuer.as_ref().or(self.configured.token.as_ref());
        let host = at.and_then(Url::host_str).unwrap_or_default().to_owned();
        let id = match &self.configured.issuer {
            Some(issuer) => issuer.as_str().trim_end_matches('/').to_owned(),
            None => at.map(|url| url.origin().ascii_serialization()).unwrap_or_default(),
        };
        (short(&id), short(&host))
    }
}

/// Goes on once it is known where to ask.
pub(super) fn at<T: 'static>(
    provider: &Arc<OAuth>,
    then: impl FnOnce(Endpoints) -> Step<T> + Send + 'static,
) -> Step<T> {
    if let Some(endpoints) = provider.named() {
        return then(endpoints);
    }
    let p = provider.clone();
    described(provider, move |metadata| match p.endpoints(&metadata) {
        Ok(endpoints) => then(endpoints),
        Err(e) => Step::Done(Err(e)),
    })
}

/// Goes on with what the issuer publishes, asked for once.
fn described<T: 'static>(
    provider: &Arc<OAuth>,
    then: impl FnOnce(Metadata) -> Step<T> + Send + 'static,
) -> Step<T> {
    if let Some(metadata) = provider.know(|known| known.metadata.clone()) {
        return then(metadata);
    }
    let Some(issuer) = provider.configured.issuer.clone() else {
        let why = "neither `provider.issuer` nor the endpoints are configured";
        return Step::Done(Err(TokenError::Rejected(why.to_owned())));
    };
    let p = provider.clone();
    let [first, second] = metadata::places(&issuer);
    let read = move |answer: &_| match metadata::read(answer, &issuer) {
        Ok(metadata) => {
            p.know(|known| known.metadata = Some(metadata.clone()));
            then(metadata)
        }
        Err(e) => Step::Done(Err(harmless(e))),
    };
    Step::ask(metadata::request("provider metadata", first), move |answer| {
        if metadata::is_elsewhere(answer) {
            return Step::ask(metadata::request("provider metadata", second), read);
        }
        read(answer)
    })
}

/// Whom the rig is paired with, and who said yes, where an ID token says so.
pub(super) fn identify(provider: &Arc<OAuth>, question: Identify) -> Step<DeviceInfo> {
    let (project_id, project_name) = provider.name();
    let info = DeviceInfo { project_id, project_name, ..DeviceInfo::default() };
    if question.id_token.is_none() || provider.configured.issuer.is_none() {
        return Step::Done(Ok(info));
    }
    let p = provider.clone();
    described(provider, move |metadata| {
        let checked = Checked { question, info, metadata };
        let keys = p.know(|known| known.keys.clone());
        match keys.map(|keys| checked.verify(&p, &keys)) {
            // Unless the issuer has changed its keys, that was all.
            Some(outcome) if outcome != Err(Distrust::UnknownKey) => checked.done(outcome),
            Some(_) | None => fetch_keys(p, checked),
        }
    })
}

struct Checked {
    question: Identify,
    info: DeviceInfo,
    metadata: Metadata,
}

impl Checked {
    fn verify(&self, p: &OAuth, keys: &Keys) -> Result<String, Distrust> {
        let Some(token) = &self.question.id_token else { return Ok(String::new()) };
        let came = self.question.came;
        verify(token, keys, Expected { issuer: &self.metadata.issuer, client_id: &p.client_id, came })
    }

    fn done(self, outcome: Result<String, Distrust>) -> Step<DeviceInfo> {
        let refused = |why| TokenError::Rejected(format!("the ID token is not believed: {why}"));
        Step::Done(
            outcome.map(|name| DeviceInfo { authorized_by: short(&name), ..self.info }).map_err(refused),
        )
    }
}

fn fetch_keys(p: Arc<OAuth>, checked: Checked) -> Step<DeviceInfo> {
    let Some(url) = p.configured.jwks.clone().or_else(|| checked.metadata.jwks.clone()) else {
        return checked.done(Err(Distrust::UnknownKey));
    };
    Step::ask(metadata::request("provider keys", url), move |answer| {
        let read = expect_success(answer);
        let keys = read.and_then(|()| answer.json().as_ref().and_then(Keys::read).ok_or_else(unexpected));
        match keys {
            Ok(keys) => {
                p.know(|known| known.keys = Some(keys.clone()));
                let outcome = checked.verify(&p, &keys);
                checked.done(outcome)
            }
            Err(e) => Step::Done(Err(harmless(e))),
        }
    })
}
