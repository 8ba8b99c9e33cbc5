//! RFC 8628 and RFC 6749 as every dialect speaks them; in what they differ is a page of data, [`Dialect`].
//!
//! # Decisions
//! - Lenient in what is read where nothing is at stake (numbers as texts, members that are missing or under an older
//!   name), strict where something is: tokens that no header can carry, codes that no screen can show.
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use crate::oauth::{
    AccessToken, ClientAuth, DeviceAuthorization, DeviceCode, IdToken, RefreshToken, Revocable, TokenError,
    TokenResponse, UserCode, VerificationUriComplete,
};
use crate::provider::answer::{Sorted, short, sort, token_error, unexpected};
use crate::provider::client::Client;
use crate::provider::wire::{Authorization, Body, Connection, Field, Request, Response};
use crate::secret::Secret;

/// A person waits for the code.
const CODE_TIMEOUT: Duration = Duration::from_secs(8);
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);
pub(super) const MAX_TEXT: usize = 16 * 1024;

/// How fields travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `multipart/form-data`.
    Multipart,
    /// `application/x-www-form-urlencoded`, as the RFCs have it.
    UrlEncoded,
}

/// What one dialect says where another says something else.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// How fields travel.
    pub form: Form,
    /// How the client shows who it is.
    pub client_auth: ClientAuth,
    /// `scope`; empty: not sent.
    pub scope: String,
    /// With every request.
    pub headers: Vec<(&'static str, String)>,
    /// With the device authorization request besides.
    pub code_headers: Vec<(&'static str, String)>,
    /// More fields of the device authorization request.
    pub code_fields: Vec<(String, String)>,
    /// Seconds that a code lives where the answer does not say.
    pub code_life: f64,
    /// Seconds between polls where the answer does not say (RFC 8628 §3.2: 5).
    pub interval: f64,
    /// Words besides `invalid_grant` by which a refresh token is refused for good.
    pub spent: &'static [&'static str],
    /// A 401 to a refresh that is not `invalid_client` ends the grant.
    pub unauthorized_ends: bool,
}

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// RFC 8628 §3.1.
    pub device_authorization: Url,
    /// RFC 6749 §3.2.
    pub token: Url,
    /// RFC 7009; `None`: not offered.
    pub revocation: Option<Url>,
}

#[derive(Deserialize)]
struct CodeAnswer {
    device_code: Zeroizing<String>,
    user_code: Zeroizing<String>,
    expires_in: Option<Value>,
    interval: Option<Value>,
    /// Frame.io's name for the rig.
    name: Option<String>,
    verification_uri: Option<String>,
    /// From before the RFC.
    verification_url: Option<String>,
    verification_uri_complete: Option<Zeroizing<String>>,
    /// As Frame.io's checklist spells it.
    verification_url_complete: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Zeroizing<String>,
    refresh_token: Option<Zeroizing<String>>,
}

/// Read apart from the tokens: what is odd here must not cost us the only ones there are.
#[derive(Default, Deserialize)]
struct Beside {
    expires_in: Option<Value>,
    id_token: Option<Value>,
    token_type: Option<Value>,
}

impl Dialect {
    /// RFC 8628 §3.1.
    pub fn code_request(&self, client: &Client, endpoint: &Url) -> Request {
        let mut fields = vec![field("client_id", client.id.0.as_str())];
        let (secret, authorization) = self.credentials(client, false);
        fields.extend(secret);
        if !self.scope.is_empty() {
            fields.push(field("scope", self.scope.as_str()));
        }
        let more = self.code_fields.iter();
        fields.extend(more.map(|(name, value)| (name.clone().into(), Secret::new(value.as_str()))));
        let mut request = self.request("device code", endpoint, fields, authorization);
        request.timeout = CODE_TIMEOUT;
        request.headers.extend(self.code_headers.iter().cloned());
        request
    }

    /// RFC 8628 §3.2.
    pub fn read_code(&self, response: &Response) -> Result<DeviceAuthorization, TokenError> {
        expect_success(response)?;
        let a: CodeAnswer = response.json().ok_or_else(unexpected)?;
        let code_ok =
            (1..=64).contains(&a.user_code.chars().count()) && !a.user_code.chars().any(char::is_control);
        let device_ok = (1..=MAX_TEXT).contains(&a.device_code.len());
        let expires_in = seconds(number(a.expires_in.as_ref(), self.code_life), 1.0, 3600.0);
        let interval = seconds(number(a.interval.as_ref(), self.interval), 1.0, 60.0);
        let (true, true, Some(expires_in), Some(interval)) = (code_ok, device_ok, expires_in, interval)
        else {
            return Err(unexpected());
        };
        let shown = |text: &String| {
            text.len() <= 2048 && Url::parse(text).is_ok_and(|u| matches!(u.scheme(), "http" | "https"))
        };
        Ok(DeviceAuthorization {
            device_code: DeviceCode(Secret::from(a.device_code)),
            user_code: UserCode(Secret::from(a.user_code)),
            verification_uri: a
                .verification_uri
                .or(a.verification_url)
                .filter(shown)
                .and_then(|u| Url::parse(&u).ok()),
            verification_uri_complete: a
                .verification_uri_complete
                .or(a.verification_url_complete)
                .filter(|u| shown(u))
                .map(|u| VerificationUriComplete(Secret::from(u))),
            expires_in,
            interval,
            device_name: a.name.map(|n| short(&n)),
        })
    }

    /// RFC 8628 §3.4.
    pub fn poll_request(&self, client: &Client, code: &DeviceCode, endpoint: &Url) -> Request {
        let mut fields = vec![
            field("client_id", client.id.0.as_str()),
            ("device_code".into(), code.0.clone()),
            field("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ];
        let (secret, authorization) = self.credentials(client, true);
        fields.extend(secret);
        self.request("token poll", endpoint, fields, authorization)
    }

    /// RFC 8628 §3.5.
    pub fn read_poll(&self, response: &Response) -> Result<TokenResponse, TokenError> {
        expect_success(response)?;
        read_tokens(response)
    }

    /// RFC 6749 §6.
    pub fn refresh_request(&self, client: &Client, token: &RefreshToken, endpoint: &Url) -> Request {
        let mut fields = vec![field("client_id", client.id.0.as_str())];
        let (secret, authorization) = self.credentials(client, false);
        fields.extend(secret);
        fields.extend([field("grant_type", "refresh_token"), ("refresh_token".into(), token.0.clone())]);
        self.request("token refresh", endpoint, fields, authorization)
    }

    /// RFC 6749 §6. Only answers that end the grant for good come back as `InvalidGrant`, `Unauthorized` or
    /// `ClientRejected`.
    pub fn read_refresh(&self, response: &Response) -> Result<TokenResponse, TokenError> {
        match sort(response) {
            Sorted::Success => read_tokens(response),
            Sorted::Word(word) if self.spent.contains(&word.word.as_str()) => {
                Err(TokenError::InvalidGrant(word.to_string()))
            }
            other @ (Sorted::Word(_) | Sorted::Detailed(_) | Sorted::Trouble(_)) => {
                let e = token_error(other);
                Err(if e == TokenError::Unauthorized && !self.unauthorized_ends { unexpected() } else { e })
            }
        }
    }

    /// RFC 7009 §2.1.
    pub fn revoke_request(&self, client: &Client, token: &Revocable, endpoint: &Url) -> Request {
        let mut fields = vec![field("client_id", client.id.0.as_str())];
        let (secret, authorization) = self.credentials(client, false);
        fields.extend(secret);
        let (token, hint) = match token {
            Revocable::Refresh(token) => (&token.0, "refresh_token"),
            Revocable::Access(token) => (&token.0, "access_token"),
        };
        fields.push(("token".into(), token.clone()));
        if self.form == Form::UrlEncoded {
            fields.push(field("token_type_hint", hint));
        }
        self.request("token revocation", endpoint, fields, authorization)
    }

    /// The field or the header by which the client shows who it is.
    fn credentials(&self, client: &Client, poll: bool) -> (Option<Field>, Option<Authorization>) {
        let Some(secret) = &client.secret else { return (None, None) };
        match self.client_auth {
            ClientAuth::PostButPolls if poll => (None, None),
            ClientAuth::Post | ClientAuth::PostButPolls => {
                (Some(("client_secret".into(), secret.0.clone())), None)
            }
            ClientAuth::Basic => {
                (None, Some(Authorization::Basic { id: client.id.clone(), secret: secret.clone() }))
            }
            ClientAuth::None => (None, None),
        }
    }

    fn request(
        &self,
        name: &'static str,
        endpoint: &Url,
        fields: Vec<Field>,
        authorization: Option<Authorization>,
    ) -> Request {
        Request {
            name,
            post: true,
            url: endpoint.clone(),
            headers: self.headers.clone(),
            authorization,
            body: match self.form {
                Form::Multipart => Body::Multipart(fields),
                Form::UrlEncoded => Body::Form(fields),
            },
            timeout: TIMEOUT,
            connection: Connection::Fresh,
        }
    }
}

fn field(name: &'static str, value: &str) -> Field {
    (name.into(), Secret::new(value))
}

pub(super) fn expect_success(response: &Response) -> Result<(), TokenError> {
    match sort(response) {
        Sorted::Success => Ok(()),
        other @ (Sorted::Word(_) | Sorted::Detailed(_) | Sorted::Trouble(_)) => Err(token_error(other)),
    }
}

fn read_tokens(response: &Response) -> Result<TokenResponse, TokenError> {
    let mut a: TokenAnswer = response.json().ok_or_else(unexpected)?;
    a.refresh_token = a.refresh_token.filter(|t| !t.is_empty());
    let fits = |t: &str| (1..=MAX_TEXT).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic());
    if !fits(&a.access_token) || !a.refresh_token.as_ref().is_none_or(|t| fits(t)) {
        return Err(unexpected());
    }
    let beside: Beside = response.json().unwrap_or_default();
    // RFC 6749 §7.1: a token of a type that one does not know is not to be used. The word's case does not matter.
    if let Some(Value::String(other)) = beside.token_type.filter(|t| !is_bearer(t)) {
        return Err(TokenError::Rejected(format!("tokens of the type \"{}\"", short(&other))));
    }
    let id_token = match beside.id_token {
        Some(Value::String(text)) => Some(Zeroizing::new(text)).filter(|t| fits(t)),
        Some(_) | None => None,
    };
    Ok(TokenResponse {
        access_token: AccessToken(Secret::from(a.access_token)),
        refresh_token: a.refresh_token.map(|t| RefreshToken(Secret::from(t))),
        expires_in: beside
            .expires_in
            .and_then(|v| seconds(number(Some(&v), f64::NAN), 1.0, 366.0 * 86_400.0)),
        id_token: id_token.map(|t| IdToken(Secret::from(t))),
    })
}

fn is_bearer(token_type: &Value) -> bool {
    token_type.as_str().is_some_and(|word| word.eq_ignore_ascii_case("bearer"))
}

/// A number, also one written as a text; `otherwise` where there is none. What is no number is not a number.
fn number(value: Option<&Value>, otherwise: f64) -> f64 {
    match value {
        None | Some(Value::Null) => otherwise,
        Some(v) => v.as_f64().or_else(|| v.as_str()?.parse().ok()).unwrap_or(f64::NAN),
    }
}

/// A server's number of seconds, kept within bounds; `None` for a number that can't be one.
fn seconds(value: f64, least: f64, most: f64) -> Option<Duration> {
    (value.is_finite() && value >= 0.0).then(|| Duration::from_secs_f64(value.clamp(least, most)))
}
