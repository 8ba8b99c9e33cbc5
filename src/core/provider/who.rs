//! Whom the rig is paired with, and who said yes.
//!
//! # Decisions
//! - An ID token is a courtesy. The rig is paired with the issuer whether it is believed or not; what is lost is the name
//!   on the screen, and the journal says why, once.
//! - Keys are kept; a token with an unknown one makes us fetch them once more, which is how keys are changed.
//! - Where a believed token names nobody, whoever offers to tell more is asked (`userinfo`); the subject is better than
//!   nothing.
//! - A document that does not come says nothing about the token: that it is wanting is part of the answer, and whoever
//!   asked asks again.
use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;

use crate::oauth::{Cause, DeviceInfo, Identify, TokenError, Wanting};
use crate::provider::answer::unexpected;
use crate::provider::dialect::{TIMEOUT, expect_success};
use crate::provider::exchange::Step;
use crate::provider::id_token::{Distrust, Expected, Keys, Person, name_in, verify};
use crate::provider::metadata::{self, Metadata};
use crate::provider::oauth::{self, OAuth};
use crate::provider::text::short;
use crate::provider::wire::{Authorization, Proof, Response};
use crate::provider::words::Asked;

/// Whom the rig is paired with, and who said yes, where an ID token says so.
pub(super) fn identify(provider: &Arc<OAuth>, question: Identify) -> Step<DeviceInfo> {
    let (project_id, project_name) = provider.name();
    let info = DeviceInfo { project_id, project_name, ..DeviceInfo::default() };
    if question.id_token.is_none() || provider.configured.issuer.is_none() {
        return Step::Done(Ok(info));
    }
    let p = provider.clone();
    let then = move |metadata| match metadata {
        Ok(metadata) => {
            Checked { question: question.clone(), info: info.clone(), metadata }.with_keys(p.clone())
        }
        Err(e) => Step::Done(Ok(without(info.clone(), "", &e, None))),
    };
    oauth::described(provider, TIMEOUT, is_noted, Box::new(then))
}

/// As good as a last word: nobody asks again before there is another token.
fn is_noted(outcome: &Result<DeviceInfo, TokenError>) -> bool {
    outcome.as_ref().is_ok_and(|info| !info.note.is_empty())
}

struct Checked {
    question: Identify,
    info: DeviceInfo,
    metadata: Metadata,
}

impl Checked {
    fn with_keys(self, p: Arc<OAuth>) -> Step<DeviceInfo> {
        let Some(at) = p.keys_at(&self.metadata) else { return self.done(Err(Distrust::UnknownKey)) };
        match p.keys(&at).map(|keys| self.verify(&p, &keys)) {
            // Unless the issuer has changed its keys, that was all.
            Some(outcome) if outcome != Err(Distrust::UnknownKey) => self.done(outcome),
            Some(_) | None => self.fetch_keys(p, at),
        }
    }

    //= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    //# The Client MUST use the keys provided by the Issuer.
    fn fetch_keys(self, p: Arc<OAuth>, at: Url) -> Step<DeviceInfo> {
        oauth::fetch_keys(&p.clone(), at).then(
            0,
            Box::new(move |status, read| match read {
                Ok(keys) => {
                    let outcome = self.verify(&p, &keys);
                    self.done(outcome)
                }
                Err(e) => {
                    let what = "the issuer's keys can't be read: ";
                    Step::Done(Ok(without(self.info, what, &e, Some(status))))
                }
            }),
        )
    }

    fn verify(&self, p: &OAuth, keys: &Keys) -> Result<Person, Distrust> {
        let Some(token) = &self.question.id_token else { return Err(Distrust::Malformed) };
        let came = self.question.came;
        verify(token, keys, Expected { issuer: &self.metadata.issuer, client_id: &p.client_id, came })
    }

    fn done(self, outcome: Result<Person, Distrust>) -> Step<DeviceInfo> {
        match outcome {
            Ok(Person { name: Some(name), .. }) => named(self.info, &name),
            Ok(Person { name: None, subject }) => self.ask_for_the_name(subject),
            Err(why) => {
                Step::Done(Ok(noted(self.info, &format_args!("the ID token is not believed: {why}"))))
            }
        }
    }

    /// OpenID Connect Core §5.3.
    //= https://openid.net/specs/openid-connect-core-1_0.html#UserInfoRequest
    //# MUST be sent as a Bearer Token
    //= https://openid.net/specs/openid-connect-core-1_0.html#UserInfoRequest
    //# It is RECOMMENDED that the request use the HTTP GET method and the Access Token be sent using the
    //# Authorization header field.
    fn ask_for_the_name(self, subject: String) -> Step<DeviceInfo> {
        let Checked { question, info, metadata } = self;
        let Some(url) = metadata.userinfo else { return named(info, &subject) };
        let mut request = metadata::request("provider userinfo", url, TIMEOUT);
        (request.authorization, request.proof) = match question.key {
            //= https://www.rfc-editor.org/rfc/rfc9449#section-7
            //# Requests to DPoP-protected resources MUST include both a DPoP proof
            Some(key) => (Some(Authorization::Dpop(question.token)), Some(Proof::Only(key))),
            None => (Some(Authorization::Bearer(question.token)), None),
        };
        Step::attempt(request, move |answer| {
            let status = answer.as_ref().ok().map(|answer| answer.status);
            let info = match answer.map_err(TokenError::Transient).and_then(|a| name_of(a, &subject)) {
                Ok(name) => return named(info, name.as_deref().unwrap_or(&subject)),
                Err(e) => without(info, "the provider does not tell the person's name: ", &e, status),
            };
            named(info, &subject)
        })
    }
}

/// §5.3.2: of this subject, or of somebody else and nobody's.
//= https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse
//# The sub Claim in the UserInfo Response MUST be verified to exactly match the sub Claim in the ID Token
fn name_of(answer: &Response, subject: &str) -> Result<Option<String>, TokenError> {
    expect_success(Asked::Other, answer)?;
    let claims = answer.json::<Map<String, Value>>().ok_or_else(unexpected)?;
    let is_theirs = claims.get("sub").and_then(Value::as_str) == Some(subject);
    Ok(name_in(&claims).filter(|_| is_theirs).map(|name| answer.text(&name)))
}

fn named(info: DeviceInfo, name: &str) -> Step<DeviceInfo> {
    Step::Done(Ok(DeviceInfo { authorized_by: short(name), ..info }))
}

fn noted(info: DeviceInfo, note: &dyn std::fmt::Display) -> DeviceInfo {
    DeviceInfo { note: note.to_string(), ..info }
}

/// What there is to say without a document. `status`: of the answer, where it can be told.
fn without(info: DeviceInfo, what: &str, e: &TokenError, status: Option<u16>) -> DeviceInfo {
    let wanting = match e {
        TokenError::Transient(t) if t.cause != Cause::Provider || status.is_some_and(|s| s >= 500) => {
            Wanting::Passing(t.cause)
        }
        TokenError::Transient(_)
        | TokenError::AuthorizationPending
        | TokenError::SlowDown(_)
        | TokenError::AccessDenied
        | TokenError::ExpiredToken
        | TokenError::InvalidGrant(_)
        | TokenError::ClientRejected(_)
        | TokenError::NotAllowed(_)
        | TokenError::Unauthorized
        | TokenError::Rejected(_) => Wanting::Document,
    };
    DeviceInfo { wanting, note: [what, &e.to_string()].concat(), ..info }
}
