//! `[provider]` and `[tokens]`: keys that are of one kind of provider, and of all.
use std::path::PathBuf;
use std::time::Duration;

use super::check::{Checker, PRESET};
use super::keys::Key;
use super::rule::Of;
use super::settings::{OAuth, Provider, Tokens};
use crate::egress::authorities::{self, Unusable};
use crate::egress::proxy::{Choice, NONE, Proxy};
use rigpost_contract::UnknownWord;
use rigpost_core::identity::socket::SocketUse;
use rigpost_core::oauth::ClientAuth;
use rigpost_core::provider::{Binds, ProviderKind};

/// `[provider]`.
pub(super) fn section(c: &mut Checker<'_>) -> Provider {
    let kind = c.parsed(Key::ProviderKind, kind).expect(PRESET);
    let ca_file = ca_file(c);
    let proxy = c.parsed(Key::ProviderProxy, proxy).unwrap_or_default();
    let base_url = c.url(Key::ProviderBaseUrl).expect(PRESET);
    let client_version = c.text(Key::ProviderClientVersion);
    let url_pairing = c.flag(Key::ProviderUrlPairing);
    let secret_on_poll = c.flag(Key::ProviderSecretOnPoll);
    let presence = c.word(Key::ProviderPresence, presence).expect(PRESET);
    let seconds: u64 = c.count(Key::ProviderHeartbeat);
    let oauth = oauth(c, kind == ProviderKind::OAuth);
    refuse_others(c, kind);
    let (beats, socket) = presence;
    let heartbeat = (beats && seconds > 0).then_some(Duration::from_secs(seconds));
    let (oauth, heartbeat, socket) = match kind {
        ProviderKind::Frameio => (None, heartbeat, socket),
        ProviderKind::OAuth => (Some(oauth), None, SocketUse::Never),
    };
    Provider {
        kind,
        oauth,
        base_url,
        client_version: client_version.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
        url_pairing,
        secret_on_poll,
        heartbeat,
        socket,
        ca_file,
        proxy,
    }
}

/// What is in the file is judged too, but a file that is not there may come: a disk is mounted late, a site brings its
/// certificates after the image.
fn ca_file(c: &mut Checker<'_>) -> Option<PathBuf> {
    let path = c.path(Key::ProviderCaFile)?;
    if let (Err(Unusable::Wrong(why)), Some(setting)) =
        (authorities::read(&path), c.keys.get(&Key::ProviderCaFile))
    {
        c.wrong(Key::ProviderCaFile, setting, setting.line, format!("{} {why}", path.display()));
    }
    Some(path)
}

fn proxy(text: &str) -> Result<Choice, String> {
    if text == NONE { Ok(Choice::Off) } else { Proxy::parse(text).map(Choice::This) }
}

/// Keys that mean nothing to this kind. What stands before the word that chose it was for another rig of the maker's.
fn refuse_others(c: &mut Checker<'_>, kind: ProviderKind) {
    let chosen = c.keys.get(&Key::ProviderKind).map_or(0, |setting| setting.rank);
    for key in Key::ALL.iter().copied().filter(|key| !means_something(key.rule().of, kind)) {
        if let Some(setting) = c.keys.get(&key).filter(|setting| setting.rank >= chosen) {
            let reason = format!("means nothing to a provider of the kind {:?}", kind.as_str());
            c.wrong(key, setting, setting.line, reason);
        }
    }
}

fn means_something(of: Of, kind: ProviderKind) -> bool {
    match (of, kind) {
        (Of::Every, _) | (Of::Frameio, ProviderKind::Frameio) | (Of::OAuth, ProviderKind::OAuth) => true,
        (Of::Frameio, ProviderKind::OAuth) | (Of::OAuth, ProviderKind::Frameio) => false,
    }
}

/// `[tokens]`.
//= frameio-c2c#2
//# client_secret, access token and refresh token are not within the user's reach.
pub(super) fn tokens(c: &mut Checker<'_>, kind: ProviderKind) -> Tokens {
    let key = Key::TokensAllow;
    let allow = c.flag(key);
    let frameio = c.flag(Key::TokensAllowFrameio);
    if let (true, false, ProviderKind::Frameio, Some(setting)) = (allow, frameio, kind, c.keys.get(&key)) {
        let reason = format!(
            "is against Frame.io's rules for devices, which keep tokens out of the user's reach; if you mean it, set \
             `{}` too",
            Key::TokensAllowFrameio.name(),
        );
        c.wrong(key, setting, setting.line, reason);
    }
    Tokens { allow }
}

/// `wanted`: it is in force, so what it can't do without has to be there.
fn oauth(c: &mut Checker<'_>, wanted: bool) -> OAuth {
    let issuer = c.url(Key::ProviderIssuer);
    let client_id = c.text(Key::ProviderClientId).unwrap_or_default();
    let client_auth = c.word(Key::ProviderClientAuth, client_auth).expect(PRESET);
    let binds = c.word(Key::ProviderDpop, binds).expect(PRESET);
    let scope = c.text(Key::ProviderScope).expect(PRESET);
    let audience = c.text(Key::ProviderAudience).map(|audience| ("audience".to_owned(), audience));
    let mut parameters = c.parameters(Key::ProviderParameters);
    parameters.extend(audience);
    let o = OAuth {
        issuer,
        client_id,
        client_auth,
        binds,
        scope,
        parameters,
        device_authorization_endpoint: c.url(Key::ProviderDeviceAuthorizationEndpoint),
        token_endpoint: c.url(Key::ProviderTokenEndpoint),
        revocation_endpoint: c.url(Key::ProviderRevocationEndpoint),
        jwks_uri: c.url(Key::ProviderJwksUri),
    };
    if wanted {
        demand(c);
    }
    o
}

fn demand(c: &mut Checker<'_>) {
    let Some(setting) = c.keys.get(&Key::ProviderKind) else { return };
    let set = |key: Key| c.keys.contains_key(&key);
    let named = set(Key::ProviderDeviceAuthorizationEndpoint) && set(Key::ProviderTokenEndpoint);
    let needs = [
        (Key::ProviderClientId, set(Key::ProviderClientId), "what the provider calls this application"),
        (Key::ProviderIssuer, set(Key::ProviderIssuer) || named, "or name both its endpoints instead"),
    ];
    for (key, _, why) in needs.into_iter().filter(|(_, there, _)| !there) {
        c.wrong(key, setting, setting.line, format!("is missing: {why}"));
    }
}

fn kind(text: &str) -> Result<ProviderKind, String> {
    let known = Key::ProviderKind.rule().kind;
    text.parse().map_err(|UnknownWord| {
        let words: Vec<String> = known.words().map(|word| format!("{word:?}")).collect();
        format!("there is no provider {text:?}; this version knows {}", words.join(" and "))
    })
}

/// Whether there are heartbeats, and when there is a socket.
fn presence(word: &str) -> Option<(bool, SocketUse)> {
    match word {
        "auto" => Some((true, SocketUse::WhenBusy)),
        // Where it is refused the rig is heard by these.
        "socket" => Some((true, SocketUse::Always)),
        "heartbeat" => Some((true, SocketUse::Never)),
        "none" => Some((false, SocketUse::Never)),
        _ => None,
    }
}

fn binds(word: &str) -> Option<Binds> {
    match word {
        "auto" => Some(Binds::Offered),
        "always" => Some(Binds::Always),
        "never" => Some(Binds::Never),
        _ => None,
    }
}

fn client_auth(word: &str) -> Option<ClientAuth> {
    match word {
        "none" => Some(ClientAuth::None),
        "client_secret_post" => Some(ClientAuth::Post),
        "client_secret_basic" => Some(ClientAuth::Basic),
        _ => None,
    }
}
