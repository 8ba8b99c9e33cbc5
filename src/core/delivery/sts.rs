//! Keys of an hour for an ID token: `AssumeRoleWithWebIdentity`, as AWS, MinIO, Ceph and SeaweedFS have it.
//!
//! # Decisions
//! - A refusal does not say which of its words is meant: Ceph answers every bad token with an empty 403. So the token's own
//!   end is read before it is sent, by whoever has it, and every refusal is tried once more with a fresh token.
use std::time::Duration;

use url::Url;

use super::answer::{code, element, is_page, passing, xml};
use super::keys::Keys;
use crate::oauth::{Cause, IdToken, Trouble};
use crate::provider::wire::{Body, Method, Request, Response, named, trouble, web_page};
use crate::secret::Secret;

/// The version of the API that everybody speaks.
const VERSION: &str = "2011-06-15";
/// Others wait for what comes of it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Seconds that are asked for; a role may allow less, and then says so.
const LIFE: &str = "3600";

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sts {
    /// Of AWS its own, of others that of the bucket.
    pub endpoint: Url,
    /// The role to assume; MinIO may have none.
    pub role: Option<String>,
    /// What the session is called in the storage's log: letters, digits and `_=,.@-`.
    pub session: String,
}

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StsError {
    /// The token or the role is refused. Holds the server's word.
    Refused(String),
    /// Try again later.
    Transient(Trouble),
}

impl Sts {
    /// Asks for keys.
    pub fn request(&self, token: &IdToken) -> Request {
        let mut fields = vec![
            ("Action".into(), Secret::new("AssumeRoleWithWebIdentity")),
            ("Version".into(), Secret::new(VERSION)),
            ("DurationSeconds".into(), Secret::new(LIFE)),
            ("RoleSessionName".into(), Secret::new(self.session.as_str())),
            ("WebIdentityToken".into(), token.0.clone()),
        ];
        if let Some(role) = &self.role {
            fields.push(("RoleArn".into(), Secret::new(role.as_str())));
        }
        let plain = Request::plain("keys", Method::Post, self.endpoint.clone(), PATIENCE);
        Request { body: Body::Form(fields), ..plain }
    }
}

/// A name as a session of it: two to sixty-four letters, digits and `_=,.@-`.
pub fn session_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).take(60).collect();
    if plain.len() < 2 { format!("rig-{plain}") } else { plain }
}

/// The keys, or why there are none.
pub fn read(response: &Response) -> Result<Keys, StsError> {
    if !(200..300).contains(&response.status) {
        return Err(refusal(response));
    }
    let unusable = || StsError::Transient(trouble(Cause::Provider, "keys that can't be used", None));
    if is_page(response) {
        return Err(StsError::Transient(web_page()));
    }
    let text = String::from_utf8_lossy(&response.body);
    let document = xml(&text).ok_or_else(unusable)?;
    let member = |name: &str| element(&document, name);
    let fits = |text: &&str| text.len() <= 4096 && text.bytes().all(|b| b.is_ascii_graphic());
    let secret = |name: &str| member(name).filter(fits).map(Secret::new);
    Ok(Keys {
        id: member("AccessKeyId").filter(fits).ok_or_else(unusable)?.to_owned(),
        secret: secret("SecretAccessKey").ok_or_else(unusable)?,
        session: Some(secret("SessionToken").ok_or_else(unusable)?),
        ends: member("Expiration")
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .map(|t| t.as_second()),
    })
}

fn refusal(response: &Response) -> StsError {
    match response.status {
        400 | 401 | 403 | 404 if !is_page(response) => {
            let word = code(response).unwrap_or_else(|| named(response.status, None));
            StsError::Refused(word)
        }
        _ => StsError::Transient(passing(response)),
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        Response { status, body: Zeroizing::new(body.into()), ..Response::default() }
    }

    const AWS: &str = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>
        <SecretAccessKey>s/+=</SecretAccessKey><SessionToken>st==</SessionToken>
        <Expiration>2026-11-30T18:00:00.123456789Z</Expiration></Credentials>
        </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#;

    #[test]
    fn keys_are_read_as_everybody_writes_them() {
        let keys = read(&answer(200, AWS)).unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.expose()), ("ASIA1", "s/+="));
        assert_eq!(keys.session.as_ref().map(Secret::expose), Some("st=="));
        assert_eq!(keys.ends, Some(1_796_061_600));
        assert!(!format!("{keys:?}").contains("s/+="));
        // Other places, another namespace, no end.
        let other = "<a><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>\
                     <AccessKeyId>k</AccessKeyId></Credentials></a>";
        let keys = read(&answer(200, other)).unwrap();
        assert_eq!((keys.id.as_str(), keys.ends), ("k", None));
    }

    #[test]
    fn what_is_no_answer_of_a_storage_refuses_nothing() {
        for (status, body) in [
            (200, ""),
            (200, "<html><body>log in</body></html>"),
            (200, "<a><AccessKeyId>k</AccessKeyId></a>"),
            (
                200,
                "<a><AccessKeyId>k k</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken></a>",
            ),
            (302, ""),
            (403, "<html>blocked</html>"),
            (429, ""),
            (503, "<Error><Code>SlowDown</Code></Error>"),
        ] {
            let error = read(&answer(status, body)).unwrap_err();
            assert!(matches!(error, StsError::Transient(_)), "{status} {body}: {error:?}");
        }
    }

    #[test]
    fn a_refusal_is_named_by_its_code_wherever_that_stands() {
        for (body, word) in [
            ("<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>", "ExpiredToken"),
            ("<Error><Code>AccessDenied</Code><Message></Message></Error>", "AccessDenied"),
            ("", "HTTP 403"),
        ] {
            assert_eq!(read(&answer(403, body)), Err(StsError::Refused(word.to_owned())), "{body}");
        }
    }

    #[test]
    fn the_token_is_in_the_body_and_nowhere_else() {
        let sts = Sts {
            endpoint: "https://sts.example/".parse().unwrap(),
            role: Some("arn:aws:iam::1:role/rig".to_owned()),
            session: "rig-7".to_owned(),
        };
        let request = sts.request(&IdToken(Secret::new("header.claims.signature")));
        assert!(!format!("{request:?}").contains("claims"));
        let Body::Form(fields) = request.body else { panic!("{:?}", request.body) };
        let sent: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_ref(), value.expose())).collect();
        assert!(sent.contains(&("WebIdentityToken", "header.claims.signature")));
        assert!(sent.contains(&("RoleArn", "arn:aws:iam::1:role/rig")));
    }
}
