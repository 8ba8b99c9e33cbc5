//! The words of RFC 6749 and RFC 8628, as types.
use std::fmt;
use std::time::Duration;

use url::Url;

use crate::secret::Secret;
use crate::time::{Now, WallTime};

macro_rules! secret_word {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub Secret);

        impl $name {
            /// The text itself, for the one request it belongs in.
            pub fn expose(&self) -> &str {
                self.0.expose()
            }
        }
    };
}

//= frameio-c2c#3.1
//# The device_code is not shown to the user.
secret_word!(
    /// RFC 8628 §3.2 `device_code`: whoever has it can collect the grant.
    DeviceCode
);
secret_word!(
    /// RFC 8628 §3.2 `user_code`, as the provider wrote it. Short-lived; on the screen, in no signal and no log.
    UserCode
);
secret_word!(
    /// RFC 8628 §3.2 `verification_uri_complete`: holds the user code.
    VerificationUriComplete
);
secret_word!(
    /// RFC 6749 §1.4.
    AccessToken
);
secret_word!(
    /// RFC 6749 §1.5. Single use at Frame.io.
    RefreshToken
);
secret_word!(
    /// OpenID Connect Core §2: a signed statement about the person. Names them, so it is kept like a token.
    IdToken
);
secret_word!(
    /// RFC 6749 §2.3.1 `client_secret`; at Frame.io one for each device model.
    ClientSecret
);

/// RFC 6749 §2.2 `client_id`. At Frame.io it names this one rig, for life; elsewhere the application. Not a secret, but
/// no name of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientId(pub String);

/// How the client shows who it is (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// A public client: only by its `client_id`.
    None,
    /// `client_secret` among the fields.
    Post,
    /// The same, but not in the polls for tokens (Frame.io).
    PostButPolls,
    /// HTTP Basic.
    Basic,
}

/// RFC 7638: which key it is, as base64url. Public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbprint(pub String);

/// What binds a grant to a key of the rig's (RFC 9449).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The key that was proven when the tokens were asked for.
    pub key: Thumbprint,
    /// The access token is of no use without a proof. Else only the refresh token may be so.
    pub access: bool,
}

/// RFC 8628 §3.2, the answer to a device authorization request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAuthorization {
    /// For polling.
    pub device_code: DeviceCode,
    /// For the person.
    pub user_code: UserCode,
    /// Where the person types the code. Frame.io sends it only with URL pairing.
    pub verification_uri: Option<Url>,
    /// The same with the code filled in.
    pub verification_uri_complete: Option<VerificationUriComplete>,
    /// Life of both codes.
    pub expires_in: Duration,
    /// Least time between two polls.
    pub interval: Duration,
    /// What the cloud calls this rig (Frame.io).
    pub device_name: Option<String>,
}

/// RFC 6749 §5.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenResponse {
    /// For API calls.
    pub access_token: AccessToken,
    /// `None`: the old one, if any, stays in force (RFC 6749 §6).
    pub refresh_token: Option<RefreshToken>,
    /// `None`: the server did not say. Where the refresh token lives shorter, its life.
    pub expires_in: Option<Duration>,
    /// Of OpenID providers. Not verified.
    pub id_token: Option<IdToken>,
    /// They were asked for with a proof.
    pub binding: Option<Binding>,
}

/// What is stored together and replaced together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// For API calls.
    pub access: AccessToken,
    /// `None`: the grant lasts as long as the access token.
    pub refresh: Option<RefreshToken>,
    /// When the answer that brought them arrived.
    pub obtained: Now,
    /// Life of the access token from then on.
    pub expires_in: Duration,
    /// What came with these very tokens, until it has been verified.
    pub id_token: Option<IdToken>,
    /// The grant's requests go with a proof.
    pub binding: Option<Binding>,
}

impl TokenSet {
    /// The key without which the access token is of no use.
    pub fn access_key(&self) -> Option<&Thumbprint> {
        self.binding.as_ref().filter(|binding| binding.access).map(|binding| &binding.key)
    }
}

/// What a refresh presents (RFC 6749 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// In force.
    pub token: RefreshToken,
    /// What it is bound to.
    pub binding: Option<Binding>,
}

/// What a rig is signed in with, for others who take that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// In force.
    pub access: AccessToken,
    /// What came with it; `None`: nothing, or it has served and is not kept.
    pub id_token: Option<IdToken>,
    /// There is something to renew it with.
    pub renews: bool,
    /// The access token is bound to the rig's key (RFC 9449 §5): it is of no use as a bearer's.
    pub is_bound: bool,
    /// Another number is another person's, or another time's.
    pub grant: u64,
}

/// What a revocation names (RFC 7009 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocable {
    /// Takes the whole grant along.
    Refresh(RefreshToken),
    /// Where there is no refresh token.
    Access(AccessToken),
}

/// What a revocation came to where nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// RFC 7009 §2.2: it is over, or was before.
    Confirmed,
    /// The provider has no way to be told.
    NotOffered,
}

/// What an exchange with the authorization server or its API can end in besides success; one variant for each thing
/// that happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Nobody has typed the code yet: poll again (RFC 8628 §3.5).
    AuthorizationPending,
    /// Poll five seconds slower from now on (RFC 8628 §3.5), or in the interval that the answer names, where it is longer.
    SlowDown(Option<Duration>),
    /// The person said no.
    AccessDenied,
    /// The code ran out: ask for another.
    ExpiredToken,
    /// The server no longer knows the code or the refresh token: final for what was presented. Holds the server's word.
    InvalidGrant(String),
    /// `client_id` or `client_secret` is not accepted: a person has to look, or the provider finds its records again. Holds
    /// the server's word.
    ClientRejected(String),
    /// The application, or the organisation, does not allow this kind of sign-in. Holds the server's word.
    NotAllowed(String),
    /// The provider's own 401: for an access token, refresh; for a refresh token, final.
    Unauthorized,
    /// The provider understood and refused for a reason that trying again does not change. Holds its word, shortened.
    Rejected(String),
    /// Try again later.
    Transient(Trouble),
}

/// Why an exchange came to nothing, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The class, for the screen.
    pub cause: Cause,
    /// One sentence for the journal: no secret, no URL with a query.
    pub why: String,
    /// The server asked for at least this wait.
    pub retry_after: Option<Duration>,
    /// The request may have reached the server and had its effect.
    pub maybe_applied: bool,
}

impl Trouble {
    /// For the screen: the class, and the provider's own word where that is what there is to say.
    pub fn shown(&self) -> (Cause, String) {
        let word = match self.cause {
            Cause::Provider => self.why.clone(),
            Cause::Network
            | Cause::CaptivePortal
            | Cause::Clock
            | Cause::Certificate
            | Cause::Proxy
            | Cause::RateLimited => String::new(),
        };
        (self.cause, word)
    }
}

/// The class of a transient trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No name resolution, no route, refused, reset, timed out.
    Network,
    /// Something in between answered in the provider's place.
    CaptivePortal,
    /// TLS says a certificate is not valid at this time.
    Clock,
    /// TLS says a certificate is of nobody whom this rig trusts, or not for this name: somebody in between opens what is
    /// sent, or a private authority is not configured.
    Certificate,
    /// A proxy in between wants to know who asks first.
    Proxy,
    /// The provider answered with a server error or with what is not its protocol.
    Provider,
    /// The provider asked us to slow down.
    RateLimited,
}

impl Cause {
    /// Something between the rig and the provider, not the provider itself.
    pub fn is_of_the_way(self) -> bool {
        match self {
            Cause::Network | Cause::CaptivePortal | Cause::Clock | Cause::Certificate | Cause::Proxy => true,
            Cause::Provider | Cause::RateLimited => false,
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::AuthorizationPending => f.write_str("authorization_pending"),
            TokenError::SlowDown(_) => f.write_str("slow_down"),
            TokenError::AccessDenied => f.write_str("access_denied"),
            TokenError::ExpiredToken => f.write_str("expired_token"),
            TokenError::InvalidGrant(word)
            | TokenError::ClientRejected(word)
            | TokenError::NotAllowed(word)
            | TokenError::Rejected(word) => f.write_str(word),
            TokenError::Unauthorized => f.write_str("not authorized"),
            TokenError::Transient(t) => f.write_str(&t.why),
        }
    }
}

impl Revocable {
    /// Of a grant with these.
    pub fn of(access: &AccessToken, refresh: Option<&RefreshToken>) -> Revocable {
        match refresh {
            Some(refresh) => Revocable::Refresh(refresh.clone()),
            None => Revocable::Access(access.clone()),
        }
    }
}

/// What is asked when asking who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identify {
    /// In force.
    pub token: AccessToken,
    /// Its key, where it is of no use without.
    pub key: Option<Thumbprint>,
    /// What came with it and nobody has verified yet.
    pub id_token: Option<IdToken>,
    /// When it came; `None` where no clock that can be trusted tells.
    pub came: Option<WallTime>,
}

/// What the provider says about this rig and the project it is paired with (Frame.io: `GET /v2/devices/me`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What the cloud calls this rig.
    pub device_name: String,
    /// The id that queued clips are bound to; of a provider without projects, its issuer. Never empty.
    pub project_id: String,
    /// For the screen; projects get renamed.
    pub project_name: String,
    /// Who authorized the rig; empty: this answer does not say.
    pub authorized_by: String,
    /// Unix seconds at which the project ends the authorization.
    pub authorization_expires: Option<i64>,
    /// How the project sees this rig now. Never on disk: it is asked for at every start.
    pub status: DeviceStatus,
    /// The provider names no project: the id is only its own address. Never on disk.
    pub nameless: bool,
    /// What the provider calls this device, where it may hold a socket: the likelier name first. Never on disk.
    pub names: Vec<String>,
    /// What is odd about the answer, for the journal; empty: nothing. Never on disk.
    pub note: String,
    /// What is wanting to say who authorized the rig. Never on disk.
    pub wanting: Wanting,
}

/// Whether another try may tell more of who authorized a rig.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanting {
    /// No: it was told, or what tells it is not believed.
    #[default]
    Nothing,
    /// A document did not come, for this cause: it may soon.
    Passing(Cause),
    /// It came, and is none.
    Document,
}

impl DeviceInfo {
    /// What goes to disk is the same.
    pub fn same_on_disk(&self, other: &DeviceInfo) -> bool {
        let passing = DeviceInfo {
            status: self.status,
            nameless: self.nameless,
            note: self.note.clone(),
            names: self.names.clone(),
            wanting: self.wanting,
            ..other.clone()
        };
        *self == passing
    }
}

/// How the project sees a device (Frame.io: `status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceStatus {
    /// Heard from, or a word that this version does not know: nothing stands in the way.
    #[default]
    Online,
    /// Not heard from for five minutes.
    Offline,
    /// Somebody has paused it: what it records meanwhile is never to be uploaded.
    Paused,
}
