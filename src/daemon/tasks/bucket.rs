//! Delivers to a bucket: names, signs, and asks.
//!
//! # Decisions
//! - Keys that the storage refuses are given up and made anew, once for each request, before anything is believed: expired
//!   ones are called by as many names as there are servers, plain "access denied" among them.
//! - A clip in one piece may be put again and again: its name is its own, so nothing else is overwritten. One in parts is
//!   completed only where nothing has its name; what has is looked at.
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;
use xxhash_rust::xxh64::xxh64;

use crate::clock::Clock;
use crate::http::Transport;
use crate::tasks::keys::{KeyRing, Lease};
use rigpost_core::delivery::s3::template::Facts;
use rigpost_core::delivery::s3::{Completion, Found, ONE_PIECE, S3, Signer, is_given_up};
use rigpost_core::provider::wire::{Request, Response};
use rigpost_core::queue::item::{Clip, ItemId};
use rigpost_core::queue::upload::{Completed, CreateError, PartError};
use rigpost_core::secret::Secret;

/// What an upload that is given up may cost.
const GIVE_UP_PATIENCE: Duration = Duration::from_secs(20);

/// A bucket, and the way to it.
pub struct Bucket<T> {
    s3: Arc<S3>,
    transport: Arc<T>,
    clock: Clock,
    keys: KeyRing<T>,
    /// What the rig is called in the names of objects.
    device: String,
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

/// What came of giving an upload up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// Nothing of it is left.
    Gone,
    /// It is there still.
    Kept,
    /// Nobody answered.
    Unknown,
}

/// What tells this clip from every other of this rig, and from what it was before somebody wrote to it: both its ends, and its
/// size, may be the same, so when that was and what it takes the place of are in it.
pub(super) fn mark(id: ItemId, clip: &Clip) -> String {
    let bytes = clip.fingerprint.map_or(clip.facts.size, |fingerprint| fingerprint.whole);
    let written = format!("{} {}", clip.facts.mtime_ns, clip.version_of);
    format!("{bytes:016x}-{id}-{:08x}", xxh64(written.as_bytes(), 0) >> 32)
}

impl<T: Transport> Bucket<T> {
    pub(super) fn new(
        s3: Arc<S3>,
        transport: Arc<T>,
        clock: Clock,
        keys: KeyRing<T>,
        device: String,
    ) -> Bucket<T> {
        Bucket { s3, transport, clock, keys, device }
    }

    /// What clips are bound to, and its name for the screen.
    pub(super) fn binding(&self) -> (String, String) {
        (self.s3.binding(), self.s3.name().to_owned())
    }

    /// What all addresses in it begin with.
    pub(super) fn base(&self) -> String {
        self.s3.base()
    }

    /// Nothing is asked for a clip of this size before its bytes leave.
    pub(super) fn is_one_piece(size: u64) -> bool {
        size <= ONE_PIECE
    }

    /// There are keys.
    ///
    /// # Errors
    /// There are none: nothing needs to be begun.
    pub(super) async fn ready(&self) -> Result<(), CreateError> {
        self.keys.lease().await.map(drop)
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
        let lease = self.keys.lease().await.map_err(|e| (e, false))?;
        let made = lease.at.saturating_sub_unsigned(age.as_secs());
        let Object { mark, name, filetype, size } = object;
        let key = self.s3.template().fill(Facts { made, device: &self.device, name, mark });
        if Bucket::<T>::is_one_piece(*size) {
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
    ) -> Result<(Lease, Secret, Vec<(&'static str, String)>), PartError> {
        let lease = self.keys.lease().await.map_err(|e| match e {
            CreateError::Transient(t) => PartError::Transient(t),
            CreateError::Refused(why) | CreateError::Conflict(why) | CreateError::Forbidden(why) => {
                PartError::Forbidden(why)
            }
            CreateError::Unauthorized | CreateError::RecordedWhilePaused | CreateError::Storage => {
                PartError::Forbidden("there are no keys for the bucket".to_owned())
            }
        })?;
        let part = self.s3.part(Signer { keys: &lease.keys, at: lease.at }, address, filetype, mark);
        let (url, headers) =
            part.ok_or_else(|| PartError::UrlDead("the address of a part is none".to_owned()))?;
        Ok((lease, url, headers))
    }

    /// What came of it: its ETag.
    pub(super) async fn read_part(
        &self,
        address: &Secret,
        lease: &Lease,
        answer: &Response,
    ) -> Result<String, PartError> {
        match self.s3.read_part(address, answer) {
            Ok(()) => Ok(answer.etag.clone()),
            Err(PartError::KeysOver(why)) => {
                self.keys.doubt(lease, answer).await;
                Err(PartError::KeysOver(why))
            }
            // It may be the keys, and is not believed of old ones.
            Err(PartError::Forbidden(why)) if !lease.fresh => {
                self.keys.doubt(lease, answer).await;
                Err(PartError::KeysOver(why))
            }
            Err(e) => Err(e),
        }
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
        let doubt = match told {
            // In one piece: the storage has confirmed it.
            Some(Completion::Done) | None => return Ok(Completed::Done),
            Some(Completion::Unusable(why)) => return Ok(Completed::Gone(why)),
            Some(Completion::Doubtful(word)) => word,
        };
        let is_taken = doubt == "PreconditionFailed";
        match self.found(address, mark).await? {
            Some(Found::Ours) => {
                self.give_up_in_vain(address, is_taken).await;
                Ok(Completed::Done)
            }
            // Something is there, under a name that no other clip has.
            Some(Found::Hidden) if is_taken => {
                self.give_up_in_vain(address, true).await;
                Ok(Completed::Done)
            }
            Some(Found::Another) => {
                Err(CreateError::Conflict("the bucket has another object of this name".to_owned()))
            }
            Some(Found::Nothing | Found::Hidden) | None => Ok(Completed::Gone(doubt)),
        }
    }

    /// What was told about is not what is there: its parts are of no more use to anybody.
    async fn give_up_in_vain(&self, address: &Secret, is_open: bool) {
        if is_open {
            let given_up = self.give_up(address).await;
            debug!("an upload of what is there already: {given_up:?}");
        }
    }

    /// What lies at the object's name.
    async fn found(&self, address: &Secret, mark: &str) -> Result<Option<Found>, CreateError> {
        let read = |answer: &Response| self.s3.read_look(answer, mark).map_err(CreateError::Transient);
        self.ask(|signer| self.s3.look(signer, address), read).await
    }

    /// Gives an upload up.
    pub(super) async fn give_up(&self, address: &Secret) -> GivenUp {
        let asked = self.ask(|signer| self.s3.abort(signer, address), |answer| Ok(is_given_up(answer)));
        let deadline = self.clock.now().boot + GIVE_UP_PATIENCE;
        let asked = tokio::select! {
            biased;
            asked = asked => asked,
            () = self.clock.sleep_until(deadline) => return GivenUp::Unknown,
        };
        match asked {
            Ok(Some(true) | None) => GivenUp::Gone,
            Ok(Some(false)) => GivenUp::Kept,
            Err(_) => GivenUp::Unknown,
        }
    }

    /// Signs, sends, and once more with other keys where these are refused. `None`: there is nothing to ask.
    async fn ask<V>(
        &self,
        request: impl Fn(Signer<'_>) -> Option<Request>,
        mut read: impl FnMut(&Response) -> Result<V, CreateError>,
    ) -> Result<Option<V>, CreateError> {
        let mut again = true;
        loop {
            let lease = self.keys.lease().await?;
            let signer = Signer { keys: &lease.keys, at: lease.at };
            let Some(asked) = request(signer) else { return Ok(None) };
            let name = asked.name;
            let answer = self.transport.send(asked).await.map_err(CreateError::Transient)?;
            debug!(request = name, status = answer.status, "answered");
            let may_be_keys = answer.status == 403 && !lease.fresh;
            match read(&answer) {
                Err(CreateError::Unauthorized) if !again => {
                    let why = "the storage takes no keys of this rig's role".to_owned();
                    return Err(CreateError::Forbidden(why));
                }
                Err(CreateError::Unauthorized) => self.keys.doubt(&lease, &answer).await,
                Err(CreateError::Forbidden(_)) if again && may_be_keys => {
                    self.keys.doubt(&lease, &answer).await;
                }
                read => return read.map(Some),
            }
            again = false;
        }
    }
}
