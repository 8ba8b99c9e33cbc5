//! Requests field by field, and every shape of answer that was seen, documented or feared.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it waits for")]
use std::time::Duration;

use wire::{Authorization, Body, Connection, Request, Response};

use super::exchange::Step as Stage;
use super::*;
use crate::oauth::{
    Binding, Cause, ClientAuth, ClientId, ClientSecret, RefreshToken, Thumbprint, TokenError, Trouble,
    UserCode,
};
use crate::queue::growing::NewPart;
use crate::queue::upload::{AssetRequest, CreateError, PartError};
use crate::secret::Secret;

mod binding;
mod clips;
mod codes;
mod discovery;
mod fixtures;
mod id_token;
mod kept;
mod links;
mod oauth;
mod requests;
mod words;

/// Each question as its request and the reader of its answer: what an exchange of one step is.
trait OneStep {
    fn device_authorization_request(&self, client: &Client) -> Request;
    fn read_device_authorization(&self, r: &Response) -> Result<DeviceAuthorization, TokenError>;
    fn device_token_request(&self, client: &Client, code: &DeviceCode) -> Request;
    fn read_device_token(&self, r: &Response) -> Result<TokenResponse, TokenError>;
    fn refresh_request(&self, client: &Client, token: &RefreshToken) -> Request;
    fn read_refresh(&self, r: &Response) -> Result<TokenResponse, TokenError>;
    fn revoke_request(&self, client: &Client, token: &RefreshToken) -> Request;
    fn identify_request(&self, token: &AccessToken) -> Request;
    fn read_identity(&self, r: &Response) -> Result<DeviceInfo, TokenError>;
}

fn first<T>(step: Stage<T>) -> Request {
    match step {
        Stage::Ask(request, _) => *request,
        Stage::Done(_) => panic!("nothing is asked"),
    }
}

fn read<T>(step: Stage<T>, response: &Response) -> Result<T, TokenError> {
    let Stage::Ask(_, next) = step else { panic!("nothing is asked") };
    match next.on(Ok(response)) {
        Stage::Done(outcome) => outcome,
        Stage::Ask(request, _) => panic!("more is asked: {}", request.name),
    }
}

fn renewal(token: &str) -> Renewal {
    Renewal { token: RefreshToken(Secret::new(token)), binding: None }
}

fn question(token: &AccessToken) -> Identify {
    Identify { token: token.clone(), key: None, id_token: None, came: None }
}

impl OneStep for Provider {
    fn device_authorization_request(&self, client: &Client) -> Request {
        first(self.device_authorization(client))
    }
    fn read_device_authorization(&self, r: &Response) -> Result<DeviceAuthorization, TokenError> {
        read(self.device_authorization(&client()), r)
    }
    fn device_token_request(&self, client: &Client, code: &DeviceCode) -> Request {
        first(self.device_token(client, code))
    }
    fn read_device_token(&self, r: &Response) -> Result<TokenResponse, TokenError> {
        read(self.device_token(&client(), &DeviceCode(Secret::new("dc"))), r)
    }
    fn refresh_request(&self, client: &Client, token: &RefreshToken) -> Request {
        first(self.refresh(client, &renewal(token.expose())))
    }
    fn read_refresh(&self, r: &Response) -> Result<TokenResponse, TokenError> {
        read(self.refresh(&client(), &renewal("rt")), r)
    }
    fn revoke_request(&self, client: &Client, token: &RefreshToken) -> Request {
        first(self.revoke(client, &Revocable::Refresh(token.clone())))
    }
    fn identify_request(&self, token: &AccessToken) -> Request {
        first(self.identify(question(token)))
    }
    fn read_identity(&self, r: &Response) -> Result<DeviceInfo, TokenError> {
        read(self.identify(question(&AccessToken(Secret::new("at")))), r)
    }
}

fn frameio() -> FrameIo {
    FrameIo {
        base_url: "https://api.frame.io".parse().unwrap(),
        client_version: "1.4.2".to_owned(),
        url_pairing: true,
        secret_on_poll: false,
    }
}

fn provider() -> Provider {
    Provider::FrameIo(frameio())
}

fn client() -> Client {
    Client { id: ClientId("rig-7".to_owned()), secret: Some(ClientSecret(Secret::new("s3cret"))) }
}

fn answer(status: u16, content_type: &str, body: &str) -> Response {
    Response {
        status,
        content_type: content_type.to_owned(),
        body: body.as_bytes().to_vec().into(),
        ..Response::default()
    }
}

fn json(status: u16, body: &str) -> Response {
    answer(status, "application/json; charset=utf-8", body)
}

fn html(status: u16) -> Response {
    answer(status, "text/html", "<!DOCTYPE html><title>Welcome to Hotel WiFi</title>")
}

fn detailed(status: u16, title: &str, detail: &str) -> Response {
    let body = serde_json::json!({
        "code": status,
        "errors": [{"code": status, "detail": detail, "status": status, "title": title}],
        "message": title,
    });
    json(status, &body.to_string())
}

fn cause(e: &TokenError) -> Option<Cause> {
    match e {
        TokenError::Transient(t) => Some(t.cause),
        _ => None,
    }
}

/// A request as text, multipart fields in order.
fn told(request: &Request) -> String {
    let mut out = format!("{} {}", request.method.as_str(), request.url);
    for (name, value) in &request.headers {
        out += &format!("\n{name}: {value}");
    }
    match &request.authorization {
        Some(Authorization::Bearer(token)) => out += &format!("\nauthorization: Bearer {}", token.expose()),
        Some(Authorization::Dpop(token)) => out += &format!("\nauthorization: DPoP {}", token.expose()),
        Some(Authorization::Basic { id, secret }) => {
            out += &format!("\nauthorization: Basic {} {}", id.0, secret.expose());
        }
        None => {}
    }
    match &request.body {
        Body::Empty => {}
        Body::Multipart(fields) => {
            fields.iter().for_each(|(name, value)| out += &format!("\n[{name}] {}", value.expose()));
        }
        Body::Form(fields) => {
            fields.iter().for_each(|(name, value)| out += &format!("\n{name}={}", value.expose()));
        }
        Body::Xml(text) => out += &format!("\n{text}"),
        Body::Json(bytes) => out += &format!("\n{}", String::from_utf8_lossy(bytes)),
    }
    out
}
