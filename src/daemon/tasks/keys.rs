//! What a storage is shown: keys of an hour, come by with the rig's sign-in; the sign-in's own access token; or keys that
//! somebody has put into the vault.
//!
//! # Decisions
//! - Made when something is to be signed, renewed before they end, and in memory only: the ID token that they come of is on
//!   the disk, sealed. They go with the sign-in.
//! - The time that is signed is the server's, by the `Date` of its last answer: storages refuse a clock that is a quarter of
//!   an hour off, and a rig may wake up in 1970.
//! - A storage's no is never the provider's: it asks for a fresh ID token once, and ends no pairing.
//! - Whoever waits while keys are asked for shares what comes of it, also where that is nothing; keys that have minutes left
//!   are good while nobody gives others.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, watch};

use crate::clock::Clock;
use crate::http::Transport;
use crate::link::ToRig;
use crate::store::{Store, StoreError};
use rigpost_core::delivery::keys::{Authority, Keys};
use rigpost_core::delivery::sts::{self, Sts, StsError};
use rigpost_core::oauth::{AccessToken, Cause, IdToken, SignIn, Trouble};
use rigpost_core::provider::id_token_ends;
use rigpost_core::provider::wire::{Response, trouble};
use rigpost_core::queue::upload::CreateError;
use rigpost_core::time::BootTime;

/// Seconds before their end at which keys are renewed, or when three quarters of a shorter life are over.
const AHEAD: i64 = 300;
/// Of keys of which the server says no end, seconds.
const USUAL_LIFE: i64 = 3600;
/// Keys younger than this, in seconds, are not the reason for a no.
const FRESH: i64 = 60;
/// That nobody gives keys is not found out anew within this.
const SHARED: Duration = Duration::from_secs(3);
/// A renewal of the sign-in is asked for again after this, where nothing came of it.
const RENEWAL: Duration = Duration::from_secs(300);
/// Somebody may give a key.
const WITHOUT: Duration = Duration::from_secs(10);
/// A renewal takes seconds.
const MEANWHILE: Duration = Duration::from_secs(3);

/// What to sign with now.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) authority: Authority,
    /// By the server's clock, Unix seconds.
    pub(super) at: i64,
    /// They were made a moment ago.
    pub(super) fresh: bool,
}

#[derive(Default)]
struct Held {
    keys: Option<Keys>,
    /// The server's time at which they were made, and from which on they are renewed.
    made: i64,
    renew_at: i64,
    /// The number of the sign-in that they come of.
    grant: u64,
    /// The server's clock at this boot's zero, Unix seconds.
    zero: Option<i64>,
    /// A renewal of the sign-in was asked for, when this was its access token.
    asked: Option<(AccessToken, BootTime)>,
    /// The ID token that was refused last.
    refused: Option<IdToken>,
    failed: Option<(BootTime, CreateError)>,
    /// The sign-in's token that was refused last, and when; and that so was the one before it.
    refused_token: Option<(AccessToken, BootTime)>,
    refused_again: bool,
}

/// Where it comes from.
#[derive(Clone)]
pub enum Source {
    /// Whoever gives keys for an ID token.
    Sts(Sts),
    /// The sign-in.
    Bearer,
    /// The vault.
    Own(Store),
}

/// Where keys come from.
pub(super) struct KeyRing<T> {
    source: Source,
    transport: Arc<T>,
    clock: Clock,
    sign_in: watch::Receiver<Option<SignIn>>,
    to_rig: mpsc::Sender<ToRig>,
    held: Mutex<Held>,
}

impl<T: Transport> KeyRing<T> {
    pub(super) fn new(
        source: Source,
        transport: Arc<T>,
        clock: Clock,
        sign_in: watch::Receiver<Option<SignIn>>,
        to_rig: mpsc::Sender<ToRig>,
    ) -> KeyRing<T> {
        KeyRing { source, transport, clock, sign_in, to_rig, held: Mutex::default() }
    }

    /// They are in the vault.
    pub(super) fn are_own(&self) -> bool {
        matches!(self.source, Source::Own(_))
    }

    /// A server has said what time it is.
    pub(super) async fn know_time(&self) -> bool {
        self.held.lock().await.zero.is_some()
    }

    /// Those in force, or new ones.
    ///
    /// # Errors
    /// There are none.
    pub(super) async fn lease(&self) -> Result<Lease, CreateError> {
        let mut held = self.held.lock().await;
        if let Source::Own(store) = &self.source {
            let authority = Authority::Keys(own(store).await?);
            return Ok(Lease { authority, at: self.server_time(&held), fresh: true });
        }
        let Some(sign_in) = self.sign_in.borrow().clone() else {
            held.keys = None;
            return Err(CreateError::Transient(trouble(Cause::Provider, "the rig is not signed in", None)));
        };
        if sign_in.grant != held.grant {
            *held = Held { zero: held.zero, grant: sign_in.grant, ..Held::default() };
        }
        let Source::Sts(sts) = &self.source else { return self.bearer(&mut held, sign_in) };
        let now = self.server_time(&held);
        if let Some(keys) = held.keys.clone().filter(|_| now < held.renew_at) {
            let fresh = now - held.made < FRESH;
            return Ok(Lease { authority: Authority::Keys(keys), at: now, fresh });
        }
        let boot = self.clock.now().boot;
        let shared = held.failed.as_ref().filter(|(when, _)| boot.since(*when) < SHARED);
        let outcome = match shared {
            Some((_, e)) => Err(e.clone()),
            None => self.fetch(&mut held, sts, sign_in).await,
        };
        let now = self.server_time(&held);
        let in_force = held.keys.clone().filter(|keys| keys.ends.is_none_or(|ends| now < ends));
        match (outcome, in_force) {
            (Ok(()), Some(keys)) => {
                held.failed = None;
                Ok(Lease { authority: Authority::Keys(keys), at: now, fresh: true })
            }
            (Ok(()), None) => Err(CreateError::Transient(trouble(Cause::Clock, "keys that are over", None))),
            (Err(CreateError::Transient(t)), Some(keys)) => {
                held.failed = Some((self.clock.now().boot, CreateError::Transient(t)));
                Ok(Lease { authority: Authority::Keys(keys), at: now, fresh: false })
            }
            (Err(e), _) => {
                held.failed = Some((self.clock.now().boot, e.clone()));
                Err(e)
            }
        }
    }

    /// The sign-in's own token, unless that was refused.
    fn bearer(&self, held: &mut Held, sign_in: SignIn) -> Result<Lease, CreateError> {
        let why = "the storage does not take the sign-in's token";
        if sign_in.is_bound {
            let why = "the provider binds the sign-in to the rig's key (DPoP), which such a storage can't be shown: set \
                       provider.dpop = \"never\" and pair the rig again";
            return Err(CreateError::Forbidden(why.to_owned()));
        }
        // Whoever judges tokens for the storage may have been away.
        let now = self.clock.now().boot;
        let is_refused = held
            .refused_token
            .as_ref()
            .is_some_and(|(refused, when)| *refused == sign_in.access && now.since(*when) < RENEWAL);
        match (is_refused, held.refused_again) {
            (true, true) => Err(CreateError::Forbidden(why.to_owned())),
            (true, false) => Err(self.renew(held, &sign_in, why)),
            (false, _) => {
                let at = self.server_time(held);
                Ok(Lease { authority: Authority::Bearer(sign_in.access), at, fresh: true })
            }
        }
    }

    /// What was shown may be the reason for a no: it is not of a moment ago, or somebody has given another key meanwhile.
    pub(super) async fn may_be_why(&self, lease: &Lease) -> bool {
        match &self.source {
            _ if !lease.fresh => true,
            Source::Own(store) => own(store).await.is_ok_and(|keys| lease.authority.keys() != Some(&keys)),
            Source::Sts(_) | Source::Bearer => false,
        }
    }

    /// What time it is there.
    pub(super) async fn heard(&self, answer: &Response) {
        let mut held = self.held.lock().await;
        self.note_time(&mut held, answer);
    }

    /// The storage does not take what it was shown: something else is wanted, or another time.
    pub(super) async fn doubt(&self, lease: &Lease, answer: &Response) {
        let mut held = self.held.lock().await;
        self.note_time(&mut held, answer);
        match &lease.authority {
            // A sibling may have new ones already.
            Authority::Keys(keys) if held.keys.as_ref().is_some_and(|now| now.id == keys.id) => {
                held.keys = None;
                held.renew_at = 0;
            }
            Authority::Keys(_) => {}
            Authority::Bearer(token) => {
                let now = self.clock.now().boot;
                let soon =
                    |(before, when): &(AccessToken, BootTime)| before != token && now.since(*when) < RENEWAL;
                let is_known = held.refused_token.as_ref().is_some_and(|(before, _)| before == token);
                held.refused_again =
                    held.refused_token.as_ref().is_some_and(soon) || (is_known && held.refused_again);
                held.refused_token = Some((token.clone(), now));
            }
        }
    }

    async fn fetch(&self, held: &mut Held, sts: &Sts, sign_in: SignIn) -> Result<(), CreateError> {
        let Some(id_token) = sign_in.id_token.clone() else {
            let is_renewed = held.asked.as_ref().is_some_and(|(access, _)| *access != sign_in.access);
            let why = "the provider has given no ID token (its scope must have openid in it, and a renewal bring one)";
            return Err(match is_renewed {
                true => CreateError::Forbidden(why.to_owned()),
                false => self.renew(held, &sign_in, why),
            });
        };
        let now = self.server_time(held);
        // What the server thinks of the time is not known before its first answer.
        if held.zero.is_some() && id_token_ends(&id_token).is_some_and(|ends| ends <= now) {
            return Err(self.renew(held, &sign_in, "the ID token has ended"));
        }
        let answer = self.transport.send(sts.request(&id_token)).await.map_err(CreateError::Transient)?;
        self.note_time(held, &answer);
        match sts::read(&answer) {
            Ok(keys) => {
                let now = self.server_time(held);
                let life = keys.ends.map_or(USUAL_LIFE, |ends| ends.saturating_sub(now).max(0));
                (held.made, held.renew_at) = (now, now.saturating_add((life - AHEAD).max(life / 4 * 3)));
                (held.keys, held.asked, held.refused) = (Some(keys), None, None);
                Ok(())
            }
            Err(StsError::Transient(t)) => Err(CreateError::Transient(t)),
            Err(StsError::Refused(word)) => {
                let why = format!("no keys for the bucket: the role refuses this rig's sign-in ({word})");
                // The first may have ended on its way; a fresh one has not.
                let is_second = held.refused.as_ref().is_some_and(|before| *before != id_token);
                let is_known = held.refused.as_ref() == Some(&id_token) && held.asked.is_none();
                held.refused = Some(id_token);
                if is_second || is_known {
                    held.asked = None;
                    return Err(CreateError::Forbidden(why));
                }
                Err(self.renew(held, &sign_in, &why))
            }
        }
    }

    /// Asks for a renewal of the sign-in, once for each of its tokens.
    fn renew(&self, held: &mut Held, sign_in: &SignIn, why: &str) -> CreateError {
        if !sign_in.renews {
            let why = format!("{why}, and nothing was given to renew the sign-in with: pair the rig again");
            return CreateError::Forbidden(why);
        }
        let now = self.clock.now().boot;
        let is_asked = held
            .asked
            .as_ref()
            .is_some_and(|(access, when)| *access == sign_in.access && now.since(*when) < RENEWAL);
        if !is_asked && self.to_rig.try_send(ToRig::Renew(sign_in.access.clone())).is_ok() {
            held.asked = Some((sign_in.access.clone(), now));
        }
        let renewed = format!("{why}: the sign-in is renewed first");
        CreateError::Transient(Trouble {
            maybe_applied: false,
            ..trouble(Cause::Provider, renewed, Some(MEANWHILE))
        })
    }

    fn note_time(&self, held: &mut Held, answer: &Response) {
        if let Some(date) = answer.date {
            held.zero = date.checked_sub_unsigned(self.clock.now().boot.0.as_secs());
        }
    }

    fn server_time(&self, held: &Held) -> i64 {
        let now = self.clock.now();
        held.zero.map_or(now.wall.0, |zero| zero.saturating_add_unsigned(now.boot.0.as_secs()))
    }
}

/// Read each time: it may have been given, or taken, meanwhile.
async fn own(store: &Store) -> Result<Keys, CreateError> {
    const PROVISION: &str = "sudo rigpost provision --s3-key";
    match store.storage_key().await {
        Ok(Some(keys)) => Ok(keys),
        Ok(None) => {
            let why = format!("there is no key for the bucket in the vault: {PROVISION}");
            Err(CreateError::Transient(trouble(Cause::Provider, why, Some(WITHOUT))))
        }
        Err(StoreError::Sealed { .. }) => {
            Err(CreateError::Forbidden(format!("the key for the bucket can't be opened: {PROVISION}")))
        }
        Err(_) => Err(CreateError::Storage),
    }
}
