//! Delivers to a bucket: comes by keys, signs, and asks.
//!
//! # Decisions
//! - Keys are made when something is to be signed, renewed before they end, and in memory only: the ID token that they come
//!   of is on the disk, sealed.
//! - The time that is signed is the server's, by the `Date` of its last answer: storages refuse a clock that is a quarter of
//!   an hour off, and a rig may wake up in 1970.
//! - Keys that the storage refuses are given up and made anew, once for each request, before anything is believed: expired
//!   ones are called by as many names as there are servers.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tracing::debug;

use crate::clock::Clock;
use crate::http::Transport;
use rigpost_core::delivery::keys::Keys;
use rigpost_core::delivery::s3::template::Facts;
use rigpost_core::delivery::s3::{Completion, Found, ONE_PIECE, S3, Signer};
use rigpost_core::delivery::sts::{self, StsError};
use rigpost_core::oauth::{AccessToken, IdToken, SignIn};
use rigpost_core::provider::id_token_ends;
use rigpost_core::provider::wire::{Request, Response};
use rigpost_core::queue::item::{Clip, ItemId};
use rigpost_core::queue::upload::{Completed, CreateError, PartError};
use rigpost_core::secret::Secret;
use rigpost_core::time::BootTime;

/// Keys are renewed so long before they end, or when three quarters of a shorter life are over.
const AHEAD: i64 = 300;
/// What an upload that is given up may cost.
const GIVE_UP_PATIENCE: Duration = Duration::from_secs(20);

/// What is known between requests.
#[derive(Default)]
struct Held {
    keys: Option<Keys>,
    /// The server's time from which on they are renewed.
    renew_at: i64,
    /// The access token with which it was first seen that there is no ID token.
    without: Option<AccessToken>,
    /// The ID token that was refused last, and whether one before it was, too: then it is not the token's age.
    refused: Option<(IdToken, bool)>,
    /// The server's clock at this boot's zero, Unix seconds.
    zero: Option<i64>,
}

/// A bucket, and the way to it.
pub struct Bucket<T> {
    s3: Arc<S3>,
    transport: Arc<T>,
    clock: Clock,
    sign_in: watch::Receiver<Option<SignIn>>,
    /// What the rig is called in the names of objects.
    device: String,
    held: Mutex<Held>,
}

/// What an object is made of.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// The clip's own mark.
    pub(super) mark: String,
    pub(super) name: String,
    pub(super) filetype: String,
    pub(super) size: u64,
}

/// What tells this clip from every other of this rig.
pub(super) fn mark(id: ItemId, clip: &Clip) -> String {
    let bytes = clip.fingerprint.map_or(clip.facts.size, |fingerprint| fingerprint.whole);
    format!("{bytes:016x}-{id}")
}

impl<T: Transport> Bucket<T> {
    /// `sign_in`: what the rig is signed in with now.
    pub fn new(
        s3: Arc<S3>,
        transport: Arc<T>,
        clock: Clock,
        sign_in: watch::Receiver<Option<SignIn>>,
        device: String,
    ) -> Bucket<T> {
        Bucket { s3, transport, clock, sign_in, device, held: Mutex::default() }
    }

    /// What clips are bound to, and its name for the screen.
    pub(super) fn binding(&self) -> (String, String) {
        (self.s3.binding(), self.s3.name().to_owned())
    }

    /// An object's name, and the addresses of its parts. `age`: of the clip. Nothing is asked for a clip in one piece.
    ///
    /// # Errors
    /// There is no upload; true: there may be one that nobody knows.
    pub(super) async fn begin(
        &self,
        object: &Object,
        age: Duration,
    ) -> Result<(String, Vec<Secret>), (CreateError, bool)> {
        // With keys the server's time is known, too.
        let (_, now) = self.keys().await.map_err(|e| (e, false))?;
        let made = now.saturating_sub_unsigned(age.as_secs());
        let Object { mark, name, filetype, size } = object;
        let key = self.s3.template().fill(Facts { made, device: &self.device, name, mark });
        if *size <= ONE_PIECE {
            let address = self.s3.address(&key);
            return Ok((key, vec![address]));
        }
        let mut maybe_made = false;
        let begun = self
            .ask(
                |signer| Some(self.s3.begin(signer, &key, filetype, mark)),
                |answer| {
                    maybe_made |= (200..300).contains(&answer.status);
                    self.s3.read_begin(answer, &key, *size)
                },
            )
            .await;
        match begun {
            Ok(parts) => Ok((key, parts.unwrap_or_default())),
            Err(e) => {
                let unanswered = matches!(&e, CreateError::Transient(t) if t.maybe_applied);
                Err((e, maybe_made || unanswered))
            }
        }
    }

    /// Where a part is put, and with what.
    ///
    /// # Errors
    /// There are no keys to sign it with.
    pub(super) async fn part(
        &self,
        address: &Secret,
        filetype: &str,
        mark: &str,
    ) -> Result<(Secret, Vec<(&'static str, String)>), PartError> {
        let (keys, at) = self.keys().await.map_err(|e| match e {
            CreateError::Transient(t) => PartError::Transient(t),
            CreateError::Unauthorized => PartError::Unauthorized,
            CreateError::Refused(why) | CreateError::Conflict(why) | CreateError::Forbidden(why) => {
                PartError::KeysOver(why)
            }
            CreateError::RecordedWhilePaused | CreateError::Storage => PartError::Unauthorized,
        })?;
        let part = self.s3.part(Signer { keys: &keys, at }, address, filetype, mark);
        part.ok_or_else(|| PartError::UrlDead("the address of a part is none".to_owned()))
    }

    /// What came of it.
    pub(super) async fn read_part(&self, answer: &Response) -> Result<(), PartError> {
        let read = self.s3.read_part(answer);
        if matches!(read, Err(PartError::KeysOver(_))) {
            self.doubt(answer).await;
        }
        read
    }

    /// All parts are there. `etags`: theirs, in byte order.
    pub(super) async fn complete(
        &self,
        address: &Secret,
        etags: &[String],
        mark: &str,
    ) -> Result<Completed, CreateError> {
        let told = self
            .ask(|signer| self.s3.complete(signer, address, etags), |answer| self.s3.read_completion(answer))
            .await?;
        let (doubt, may_be_hidden) = match told {
            Some(Completion::Done) => return Ok(Completed::Done),
            // In one piece, and the storage has confirmed it.
            None if etags.iter().all(|etag| !etag.is_empty()) && !etags.is_empty() => {
                return Ok(Completed::Done);
            }
            None => ("PreconditionFailed".to_owned(), true),
            Some(Completion::Doubtful(word)) => {
                let is_there = word == "PreconditionFailed";
                (word, is_there)
            }
        };
        let found = self.found(address, mark).await?;
        // What was told about is not what is there: its parts are of no more use to anybody.
        if matches!(found, Some(Found::Ours | Found::Another | Found::Hidden)) && may_be_hidden {
            self.give_up(address).await;
        }
        match found {
            Some(Found::Ours) => Ok(Completed::Done),
            // Something is there, under a name that no other clip has.
            Some(Found::Hidden) if may_be_hidden => Ok(Completed::Done),
            Some(Found::Another) => {
                Err(CreateError::Conflict("the bucket has another object of this name".to_owned()))
            }
            Some(Found::Nothing | Found::Hidden) | None => Ok(Completed::Gone(doubt)),
        }
    }

    /// What lies at the object's name.
    async fn found(&self, address: &Secret, mark: &str) -> Result<Option<Found>, CreateError> {
        let read = |answer: &Response| self.s3.read_look(answer, mark).map_err(CreateError::Transient);
        self.ask(|signer| self.s3.look(signer, address), read).await
    }

    /// Gives an upload up; true: nothing of it is left.
    pub(super) async fn give_up(&self, address: &Secret) -> bool {
        let mut gone = false;
        let asked = self.ask(
            |signer| self.s3.abort(signer, address),
            |answer| {
                gone = matches!(answer.status, 200..=299 | 404);
                Ok(())
            },
        );
        let deadline = self.clock.now().boot + GIVE_UP_PATIENCE;
        let there_was_one = tokio::select! {
            biased;
            asked = asked => asked.map(|asked| asked.is_some()),
            () = self.clock.sleep_until(deadline) => Ok(true),
        };
        gone || there_was_one == Ok(false)
    }

    /// Signs, sends, and once more with other keys where these are refused. `None`: there is nothing to ask.
    async fn ask<V>(
        &self,
        request: impl Fn(Signer<'_>) -> Option<Request>,
        mut read: impl FnMut(&Response) -> Result<V, CreateError>,
    ) -> Result<Option<V>, CreateError> {
        let mut again = true;
        loop {
            let (keys, at) = self.keys().await?;
            let Some(asked) = request(Signer { keys: &keys, at }) else { return Ok(None) };
            let name = asked.name;
            let answer = self.transport.send(asked).await.map_err(CreateError::Transient)?;
            debug!(request = name, status = answer.status, "answered");
            match read(&answer) {
                Err(CreateError::Unauthorized) if again => {
                    self.doubt(&answer).await;
                    again = false;
                }
                read => return read.map(Some),
            }
        }
    }

    /// Other keys are wanted, or another time.
    async fn doubt(&self, answer: &Response) {
        let mut held = self.held.lock().await;
        held.keys = None;
        self.note_time(&mut held, answer);
    }

    /// Keys, and the server's time.
    async fn keys(&self) -> Result<(Keys, i64), CreateError> {
        let mut held = self.held.lock().await;
        let now = self.server_time(&held);
        if let Some(keys) = held.keys.as_ref().filter(|_| now < held.renew_at) {
            return Ok((keys.clone(), now));
        }
        let Some(sts) = self.s3.sts() else {
            return Err(CreateError::Forbidden("there are no keys for the bucket".to_owned()));
        };
        let Some(SignIn { access, id_token }) = self.sign_in.borrow().clone() else {
            return Err(CreateError::Unauthorized);
        };
        let Some(id_token) = id_token else {
            // What came at the sign-in is kept until it has served; the next renewal brings another.
            let renewed = held.without.get_or_insert_with(|| access.clone()) != &access;
            let why = "the provider gives no ID token: its scope must have openid in it".to_owned();
            return Err(if renewed { CreateError::Forbidden(why) } else { CreateError::Unauthorized });
        };
        held.without = None;
        // What the server thinks of the time is not known before its first answer.
        if held.zero.is_some() && id_token_ends(&id_token).is_some_and(|ends| ends <= now) {
            return Err(CreateError::Unauthorized);
        }
        let answer = self.transport.send(sts.request(&id_token)).await.map_err(CreateError::Transient)?;
        self.note_time(&mut held, &answer);
        match sts::read(&answer) {
            Ok(keys) => {
                held.refused = None;
                let now = self.server_time(&held);
                let life = keys.ends.map_or(i64::MAX / 2, |ends| ends.saturating_sub(now).max(0));
                held.renew_at = now.saturating_add((life - AHEAD).max(life / 4 * 3));
                held.keys = Some(keys.clone());
                Ok((keys, now))
            }
            Err(StsError::Transient(t)) => Err(CreateError::Transient(t)),
            Err(StsError::Refused(word)) => {
                // The first may have ended on its way; a fresh one has not.
                let before = held.refused.take();
                let is_final = before.is_some_and(|(token, is_final)| is_final || token != id_token);
                held.refused = Some((id_token, is_final));
                let why = format!("no keys for the bucket: the role refuses this rig's sign-in ({word})");
                Err(if is_final { CreateError::Forbidden(why) } else { CreateError::Unauthorized })
            }
        }
    }

    fn note_time(&self, held: &mut Held, answer: &Response) {
        if let Some(date) = answer.date {
            held.zero = date.checked_sub_unsigned(seconds(self.clock.now().boot));
        }
    }

    fn server_time(&self, held: &Held) -> i64 {
        let now = self.clock.now();
        held.zero.map_or(now.wall.0, |zero| zero.saturating_add_unsigned(seconds(now.boot)))
    }
}

fn seconds(boot: BootTime) -> u64 {
    boot.0.as_secs()
}
