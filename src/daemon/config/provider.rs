//! `[provider]` and `[tokens]`: keys that are of one kind of provider, and of all.
use std::time::Duration;

use url::{Host, Url};

use super::fragment::Value;
use super::merge::Setting;
use super::validate::{Checker, absolute};
use super::{OAuth, Provider, ProviderKind, Tokens};
use rigpost_core::identity::oauth::ClientAuth;

/// What people ask an OpenID provider for: who they are, and to be asked once.
const SCOPE: &str = "openid profile offline_access";

const OF_FRAMEIO: &[&str] = &[
    "provider.base_url",
    "provider.client_version",
    "provider.url_pairing",
    "provider.secret_on_poll",
    "provider.heartbeat",
    "tokens.allow_frameio",
];
const OF_OAUTH: &[&str] = &[
    "provider.issuer",
    "provider.client_id",
    "provider.client_auth",
    "provider.scope",
    "provider.audience",
    "provider.parameters",
    "provider.device_authorization_endpoint",
    "provider.token_endpoint",
    "provider.revocation_endpoint",
    "provider.jwks_uri",
];

/// `[provider]`.
pub(super) fn section(c: &mut Checker<'_>, into: &mut Provider) {
    c.text("provider.kind", &mut into.kind, kind);
    c.text("provider.ca_file", &mut into.ca_file, |text| absolute(text).map(Some));
    c.text("provider.base_url", &mut into.base_url, url);
    c.text("provider.client_version", &mut into.client_version, semantic_version);
    c.flag("provider.url_pairing", &mut into.url_pairing);
    c.flag("provider.secret_on_poll", &mut into.secret_on_poll);
    heartbeat(c, &mut into.heartbeat);
    let oauth = oauth(c, into.kind == ProviderKind::OAuth);
    let of_others = match into.kind {
        ProviderKind::Frameio => OF_OAUTH,
        ProviderKind::OAuth => {
            (into.oauth, into.heartbeat) = (Some(oauth), None);
            OF_FRAMEIO
        }
    };
    // What stands before the word that chose the kind was for another rig of the maker's.
    let chosen = c.merged.get("provider.kind").map_or(0, |setting| setting.rank);
    for key in of_others {
        if let Some(setting) = c.merged.get(key).filter(|setting| setting.rank >= chosen) {
            let reason = format!("means nothing to a provider of the kind {:?}", into.kind.as_str());
            c.wrong(key, setting, setting.line, reason);
        }
    }
}

/// `[tokens]`.
pub(super) fn tokens(c: &mut Checker<'_>, kind: ProviderKind, into: &mut Tokens) {
    let mut frameio = false;
    c.flag("tokens.allow", &mut into.allow);
    c.flag("tokens.allow_frameio", &mut frameio);
    if let (true, false, ProviderKind::Frameio, Some(setting)) =
        (into.allow, frameio, kind, c.merged.get("tokens.allow"))
    {
        let reason = "is against Frame.io's rules for devices, which keep tokens out of the user's reach; if you mean it, \
                      set `tokens.allow_frameio` too";
        c.wrong("tokens.allow", setting, setting.line, reason.to_owned());
    }
}

/// `wanted`: it is in force, so what it can't do without has to be there.
fn oauth(c: &mut Checker<'_>, wanted: bool) -> OAuth {
    let mut o = OAuth {
        issuer: None,
        client_id: String::new(),
        client_auth: ClientAuth::None,
        scope: SCOPE.to_owned(),
        parameters: Vec::new(),
        device_authorization_endpoint: None,
        token_endpoint: None,
        revocation_endpoint: None,
        jwks_uri: None,
    };
    let mut audience = None;
    c.text("provider.issuer", &mut o.issuer, |text| url(text).map(Some));
    c.text("provider.client_id", &mut o.client_id, client_id);
    c.text("provider.client_auth", &mut o.client_auth, client_auth);
    c.text("provider.scope", &mut o.scope, scope);
    c.text("provider.audience", &mut audience, |text| field_value(text).map(Some));
    c.texts("provider.parameters", &mut o.parameters, parameter);
    o.parameters.extend(audience.map(|audience| ("audience".to_owned(), audience)));
    for (key, into) in [
        ("provider.device_authorization_endpoint", &mut o.device_authorization_endpoint),
        ("provider.token_endpoint", &mut o.token_endpoint),
        ("provider.revocation_endpoint", &mut o.revocation_endpoint),
        ("provider.jwks_uri", &mut o.jwks_uri),
    ] {
        c.text(key, into, |text| url(text).map(Some));
    }
    let set = |key: &str| c.merged.contains_key(key);
    let named = set("provider.device_authorization_endpoint") && set("provider.token_endpoint");
    let missing = [
        ("provider.client_id", set("provider.client_id"), "what the provider calls this application"),
        ("provider.issuer", set("provider.issuer") || named, "or name both its endpoints instead"),
    ];
    if let (true, Some(setting)) = (wanted, c.merged.get("provider.kind")) {
        for (key, _, why) in missing.iter().filter(|(_, there, _)| !there) {
            c.wrong(key, setting, setting.line, format!("is missing: {why}"));
        }
    }
    o
}

/// RFC 6749 appendix A.1.
fn client_id(text: &str) -> Result<String, String> {
    match (1..=512).contains(&text.len()) && text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
        true => Ok(text.to_owned()),
        false => Err(format!("must be 1 to 512 printable ASCII characters, not {text:?}")),
    }
}

fn client_auth(text: &str) -> Result<ClientAuth, String> {
    match text {
        "none" => Ok(ClientAuth::None),
        "client_secret_post" => Ok(ClientAuth::Post),
        "client_secret_basic" => Ok(ClientAuth::Basic),
        _ => {
            Err(format!("must be \"none\", \"client_secret_post\" or \"client_secret_basic\", not {text:?}"))
        }
    }
}

/// RFC 6749 appendix A.4; empty: none is asked for.
fn scope(text: &str) -> Result<String, String> {
    let token = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    match text.len() <= 1024 && text.bytes().all(token) {
        true => Ok(text.to_owned()),
        false => {
            Err(format!("must be words of printable ASCII with single blanks between them, not {text:?}"))
        }
    }
}

fn field_value(text: &str) -> Result<String, String> {
    match (1..=1024).contains(&text.len()) && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(format!("must be 1 to 1024 characters in one line, not {text:?}")),
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    const OURS: [&str; 4] = ["client_id", "client_secret", "scope", "audience"];
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("must be \"name=value\", not {text:?}"))?;
    if OURS.contains(&name) {
        return Err(format!("{name:?} has a key of its own, or is not for a file"));
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        return Err(format!("{name:?} is no name of a parameter"));
    }
    Ok((name.to_owned(), field_value(value)?))
}

/// The cloud wants to hear from a device at most once a minute and at least once in five.
fn heartbeat(c: &mut Checker<'_>, into: &mut Option<Duration>) {
    let key = "provider.heartbeat";
    let Some(setting @ Setting { value: Value::Number(n), .. }) = c.merged.get(key) else { return };
    match u64::try_from(*n) {
        Ok(0) => *into = None,
        Ok(seconds @ 60..=290) => *into = Some(Duration::from_secs(seconds)),
        Ok(_) | Err(_) => {
            let reason = format!("must be between 60 and 290 seconds, or 0 for none, not {n}");
            c.wrong(key, setting, setting.line, reason);
        }
    }
}

fn kind(text: &str) -> Result<ProviderKind, String> {
    [ProviderKind::Frameio, ProviderKind::OAuth]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| format!("there is no provider {text:?}; this version knows \"frameio\" and \"oauth\""))
}

fn url(text: &str) -> Result<Url, String> {
    if text.contains('@') {
        // Not repeated: it may be a real password.
        return Err("must not contain a user or a password".into());
    }
    let url = Url::parse(text).map_err(|e| format!("{text:?} is not a URL: {e}"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not contain a query or a fragment".into());
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some(host)) if is_this_machine(&host) => Ok(url),
        ("http", _) => Err(format!("must begin with https:// unless the host is this machine, not {text:?}")),
        _ => Err(format!("must begin with https://, not {text:?}")),
    }
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

/// Semantic Versioning 2.0.0.
fn semantic_version(text: &str) -> Result<String, String> {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let number =
        |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) && (n == "0" || !n.starts_with('0'));
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let pre_word = |w: &str| word(w) && (!w.bytes().all(|b| b.is_ascii_digit()) || number(w));
    let good = core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| pre.split('.').all(pre_word))
        && build.is_none_or(|build| build.split('.').all(word));
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("must be a semantic version such as \"1.2.3\", not {text:?}"))
    }
}
