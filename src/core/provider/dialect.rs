//! RFC 8628 and RFC 6749 as every dialect speaks them; in what they differ is a page of data, [`Dialect`].
//!
//! # Decisions
//! - Lenient in what is read where nothing is at stake (numbers as texts, members that are missing or under an older
//!   name), strict where something is: tokens that no header can carry, codes that no screen can show, links that lead
//!   elsewhere than a person reads off them, or that anybody on the way could change.
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use crate::oauth::{
    AccessToken, Binding, Cause, ClientAuth, DeviceAuthorization, DeviceCode, IdToken, RefreshToken,
    Revocable, TokenError, TokenResponse, UserCode, VerificationUriComplete,
};
use crate::provider::answer::{Sorted, sort, token_error, unexpected};
use crate::provider::client::Client;
use crate::provider::wire::{Authorization, Body, Connection, Field, Method, Request, Response, trouble};
use crate::provider::words::Asked;
use crate::secret::Secret;

/// A person waits for the code.
pub(super) const CODE_TIMEOUT: Duration = Duration::from_secs(8);
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);
/// Of an access token of which nothing is said.
const USUAL_LIFE: Duration = Duration::from_secs(3600);
pub(super) const MAX_TEXT: usize = 16 * 1024;
/// Types of tokens: RFC 6750 §4, RFC 9449 §5.
const BEARER: &str = "Bearer";
const DPOP: &str = "DPoP";

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
    /// New grants are bound to the rig's key (RFC 9449).
    pub binds: bool,
}

impl Dialect {
    /// RFC 8628 §3.1.
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
    //# REQUIRED if the client is not authenticating with the authorization server as described in Section
    //# 3.2.1. of [RFC6749].
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

    /// RFC 8628 §3.2. `from`: where it was asked for.
    //= https://www.rfc-editor.org/rfc/rfc6749#section-10.14
    //# The authorization server and client MUST sanitize (and validate when possible) any value received
    pub fn read_code(&self, response: &Response, from: &Url) -> Result<DeviceAuthorization, TokenError> {
        expect_success(Asked::Code, response)?;
        let mut a = response.members().ok_or_else(unexpected)?;
        let fits = |code: &str| code.chars().count() <= 64 && !code.chars().any(char::is_control);
        //= frameio-c2c#3.1
        //# A user_code is a text of six digits, which may begin with zeros.
        let user_code = a.take("user_code").filter(|code| fits(code)).ok_or_else(unexpected)?;
        let device_code =
            a.take_text("device_code").filter(|c| c.len() <= MAX_TEXT).ok_or_else(unexpected)?;
        let life = number(a.get("expires_in"), self.code_life);
        // Nothing lives for no time: not said.
        let expires_in = seconds(if life == 0.0 { self.code_life } else { life }, 1.0, 3600.0);
        let interval = seconds(number(a.get("interval"), self.interval), 1.0, 3600.0);
        let (Some(expires_in), Some(interval)) = (expires_in, interval) else { return Err(unexpected()) };
        // The second of each name is from before the RFC, and as Frame.io's checklist spells it.
        let uri = link(a.get("verification_uri").or(a.get("verification_url")), from)?;
        //= frameio-c2c#3.1
        //# verification_uri_complete is read in this spelling and in that of the checklist,
        //# verification_url_complete; null is none.
        let complete = a.get("verification_uri_complete").or(a.get("verification_url_complete"));
        // The host that is shown is that of the page, and a camera that reads the QR code must not open another.
        let of_page = |url: &Url| uri.as_ref().is_none_or(|(_, page)| page.host_str() == url.host_str());
        let complete = link(complete, from)?.filter(|(_, url)| of_page(url));
        Ok(DeviceAuthorization {
            device_code: DeviceCode(Secret::from(device_code)),
            user_code: UserCode(Secret::from(user_code)),
            verification_uri: uri.map(|(_, url)| url),
            verification_uri_complete: complete.map(|(text, _)| VerificationUriComplete(Secret::from(text))),
            expires_in,
            // A longer one than the code lives would be no poll at all.
            interval: interval.min(expires_in),
            device_name: a.get("name").map(|name| response.text(name)),
        })
    }

    /// RFC 8628 §3.4.
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.4
    //# Value MUST be set to "urn:ietf:params:oauth:grant-type:device_code".
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.4
    //# REQUIRED. The device verification code
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.4
    //# REQUIRED if the client is not authenticating with the authorization server
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
        expect_success(Asked::Poll, response)?;
        read_tokens(response)
    }

    /// RFC 6749 §6.
    //= https://www.rfc-editor.org/rfc/rfc6749#section-6
    //# REQUIRED. Value MUST be set to "refresh_token".
    //= https://www.rfc-editor.org/rfc/rfc6749#section-6
    //# REQUIRED. The refresh token issued to the client.
    //= https://www.rfc-editor.org/rfc/rfc6749#section-6
    //# The requested scope MUST NOT include any scope not originally granted by the resource owner
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
            Sorted::Word(word) if word.status < 429 && self.spent.contains(&word.word.as_str()) => {
                Err(TokenError::InvalidGrant(word.to_string()))
            }
            Sorted::Word(word) if !self.unauthorized_ends => {
                let said = word.to_string();
                let e = token_error(Asked::Refresh, Sorted::Word(word));
                let later = || TokenError::Transient(trouble(Cause::Provider, said, None));
                Err(if e == TokenError::Unauthorized { later() } else { e })
            }
            other @ (Sorted::Word(_) | Sorted::Detailed(_) | Sorted::Trouble(_)) => {
                let e = token_error(Asked::Refresh, other);
                Err(if e == TokenError::Unauthorized && !self.unauthorized_ends { unexpected() } else { e })
            }
        }
    }

    /// RFC 7009 §2.1.
    //= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
    //# REQUIRED. The token that the client wants to get revoked.
    //= frameio-c2c#3.4
    //# A revocation carries client_id, client_secret and the refresh token, and any 2xx confirms it.
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
    //= https://www.rfc-editor.org/rfc/rfc6749#section-2.3
    //# The client MUST NOT use more than one authentication method in each request.
    //= https://www.rfc-editor.org/rfc/rfc6749#section-3.2.1
    //# Confidential clients or other clients issued client credentials MUST authenticate
    fn credentials(&self, client: &Client, poll: bool) -> (Option<Field>, Option<Authorization>) {
        let Some(secret) = &client.secret else { return (None, None) };
        match self.client_auth {
            //= frameio-c2c#3.2
            //# Polls leave the secret out, as all examples do, and a setting sends it, as the reference has
            //# it.
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

    //= https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    //# The parameters can only be transmitted in the request-body
    //= https://www.rfc-editor.org/rfc/rfc6749#section-3.2
    //# which MUST be retained when adding additional query parameters
    //= https://www.rfc-editor.org/rfc/rfc6749#section-3.2
    //# The client MUST use the HTTP "POST" method when making access token requests.
    fn request(
        &self,
        name: &'static str,
        endpoint: &Url,
        fields: Vec<Field>,
        authorization: Option<Authorization>,
    ) -> Request {
        Request {
            name,
            method: Method::Post,
            signed: None,
            url: endpoint.clone(),
            headers: self.headers.clone(),
            authorization,
            proof: None,
            body: match self.form {
                Form::Multipart => Body::Multipart(fields),
                Form::UrlEncoded => Body::Form(fields),
            },
            timeout: TIMEOUT,
            //= frameio-c2c#3.1
            //# Each request for a code has a TCP connection of its own.
            connection: Connection::Fresh,
        }
    }
}

fn field(name: &'static str, value: &str) -> Field {
    (name.into(), Secret::new(value))
}

pub(super) fn expect_success(asked: Asked, response: &Response) -> Result<(), TokenError> {
    match sort(response) {
        Sorted::Success => Ok(()),
        other @ (Sorted::Word(_) | Sorted::Detailed(_) | Sorted::Trouble(_)) => {
            Err(token_error(asked, other))
        }
    }
}

fn read_tokens(response: &Response) -> Result<TokenResponse, TokenError> {
    let mut a = response.members().ok_or_else(unexpected)?;
    let fits = |t: &str| t.len() <= MAX_TEXT && t.bytes().all(|b| b.is_ascii_graphic());
    let access = a.take_text("access_token").filter(|t| fits(t)).ok_or_else(unexpected)?;
    let refresh = a.take_text("refresh_token");
    if !refresh.as_ref().is_none_or(|t| fits(t)) {
        return Err(unexpected());
    }
    // RFC 6749 §7.1: a token of a type that one does not know is not to be used. The word's case does not matter. Bound
    // tokens are of no use to who has proven no key.
    //= https://www.rfc-editor.org/rfc/rfc6749#section-7.1
    //# The client MUST NOT use an access token if it does not understand the token type.
    let kind = a.get("token_type").unwrap_or(BEARER);
    //= https://www.rfc-editor.org/rfc/rfc9449#section-5
    //# The client MUST discard the response in this case if this protection is deemed important
    let is_bound = response.proven.is_some() && kind.eq_ignore_ascii_case(DPOP);
    if !is_bound && !kind.eq_ignore_ascii_case(BEARER) {
        return Err(TokenError::Rejected(format!("tokens of the type \"{}\"", response.text(kind))));
    }
    let life = |name: &str| {
        let said = number(a.get(name), 0.0);
        // Nothing lives for no time: not said.
        if said > 0.0 { seconds(said, 1.0, 366.0 * 86_400.0) } else { None }
    };
    let of_refresh = life("refresh_expires_in").or(life("refresh_token_expires_in"));
    let expires_in = match (life("expires_in"), of_refresh.filter(|_| refresh.is_some())) {
        (Some(access), Some(refresh)) => Some(access.min(refresh)),
        // Of the access token nothing was said.
        (None, Some(refresh)) => Some(refresh.min(USUAL_LIFE)),
        (access, None) => access,
    };
    Ok(TokenResponse {
        access_token: AccessToken(Secret::from(access)),
        refresh_token: refresh.map(|t| RefreshToken(Secret::from(t))),
        expires_in,
        id_token: a.take_text("id_token").filter(|t| fits(t)).map(|t| IdToken(Secret::from(t))),
        binding: response.proven.clone().map(|key| Binding { key, access: is_bound }),
    })
}

/// A link for a person, and what a browser makes of it. As it was written where its host is what stands there, else as a
/// browser writes it.
///
/// # Errors
/// [`TokenError::Rejected`] where a person could not tell by reading it, or by sending it, where it leads.
fn link(text: Option<&str>, from: &Url) -> Result<Option<(Zeroizing<String>, Url)>, TokenError> {
    let refused = |why: &str| Err(TokenError::Rejected(format!("the provider's link for the code {why}")));
    let Some(text) = text else { return Ok(None) };
    let authority = text.rsplit("://").next().and_then(|rest| rest.split(['/', '?', '#']).next());
    if authority.is_some_and(|authority| !authority.is_ascii()) {
        return refused("has a host in letters that can be taken for others: it has to be written in ASCII");
    }
    let Some((text, url)) = shown(text) else { return Ok(None) };
    if !url.username().is_empty() || url.password().is_some() {
        return refused("has a user before its host, so that it seems to lead elsewhere than it does");
    }
    if url.scheme() == "http" && from.scheme() == "https" {
        return refused("is http: whoever is on the way could lead it elsewhere");
    }
    let host = url.host_str().unwrap_or_default();
    let rest = text.split_once("://").and_then(|(_, rest)| rest.split_at_checked(host.len()));
    let is_plain = rest.is_some_and(|(written, after)| {
        written.eq_ignore_ascii_case(host) && (after.is_empty() || after.starts_with(['/', ':', '?', '#']))
    });
    let text = if is_plain && text.is_ascii() { text } else { Zeroizing::new(url.as_str().to_owned()) };
    Ok(Some((text, url)))
}

/// An address that can be shown, and opened: where it says no scheme, https.
fn shown(text: &str) -> Option<(Zeroizing<String>, Url)> {
    let text = text.trim();
    let whole = |text: &str| Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
    if text.len() > 2048 || text.chars().any(char::is_control) {
        return None;
    }
    if let Some(url) = whole(text) {
        return Some((Zeroizing::new(text.to_owned()), url));
    }
    let bare = text.trim_start_matches('/');
    let full = Zeroizing::new(format!("https://{bare}"));
    let is_host = bare.split(['/', '?']).next().is_some_and(|host| host.contains('.'));
    let url = whole(&full).filter(|_| is_host && !text.contains("://"))?;
    Some((full, url))
}

/// A number; `otherwise` where there is none. What is no number is not a number.
//= frameio-c2c#3.1
//# expires_in and interval are read as floating point numbers.
fn number(text: Option<&str>, otherwise: f64) -> f64 {
    text.map_or(otherwise, |text| text.trim().parse().unwrap_or(f64::NAN))
}

/// A server's number of seconds, kept within bounds; `None` for a number that can't be one.
fn seconds(value: f64, least: f64, most: f64) -> Option<Duration> {
    (value.is_finite() && value >= 0.0).then(|| Duration::from_secs_f64(value.clamp(least, most)))
}
