//! Delivers to a storage of the site's own: shows who asks, asks, and sends.
//!
//! # Decisions
//! - Whoever is refused is so once for each request before anything is believed, with keys or a token made anew: expired
//!   ones are called by as many names as there are servers, plain "access denied" among them.
//! - A clip in one piece may be put again and again: its name is its own, so nothing else is overwritten. One in parts is
//!   completed only where nothing has its name; what has is looked at.
//! - A part is read before it leaves where its checksum goes ahead of it: a server refuses then what is not what was read,
//!   and what it names itself is its word. Twice from a card is once from memory.
//! - Where bytes go to one growing offset, the server's word on it is taken from its last answer, and asked for where that
//!   was not heard. Of a part that is there in part the rest leaves.
mod offsets;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tracing::debug;
use xxhash_rust::xxh64::xxh64;

use crate::clock::Clock;
use crate::http::{PutError, Transport};
use crate::media::PartBody;
use crate::tasks::keys::{KeyRing, Lease};
use offsets::Offsets;
use rigpost_core::delivery::dialect::{
    Beginning, Begun, Completion, Dialect, Found, Habits, Object, Piece, SentPart, Signer,
};
use rigpost_core::oauth::Cause;
use rigpost_core::provider::wire::{Request, Response, trouble};
use rigpost_core::queue::item::{Clip, ItemId, PartDigest};
use rigpost_core::queue::upload::{Completed, CreateError, PartError};
use rigpost_core::secret::Secret;

/// What an upload that is given up may cost.
const GIVE_UP_PATIENCE: Duration = Duration::from_secs(20);

/// A storage, and the way to it.
pub struct Storage<T> {
    dialect: Arc<dyn Dialect>,
    transport: Arc<T>,
    clock: Clock,
    keys: KeyRing<T>,
    /// What the rig is called there.
    device: String,
    habits: Mutex<Habits>,
    discovered: OnceCell<()>,
    /// Where uploads grow at their end, how long they are, by their last answer.
    offsets: Offsets,
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

/// A part of a clip on its way.
pub(super) struct Sending<'a> {
    pub(super) address: &'a Secret,
    pub(super) mark: String,
    pub(super) clip: &'a Clip,
    /// From the clip's first byte on.
    pub(super) from: u64,
    pub(super) len: u64,
    /// Its MD5 is wished for.
    pub(super) md5: bool,
}

/// What is known of a part that was sent.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) etag: String,
    /// Of what was read before it left; the XXH64 is that of the part as a whole.
    pub(super) before: Option<PartDigest>,
}

/// What tells this clip from every other of this rig, and from what it was before somebody wrote to it: both its ends, and its
/// size, may be the same, so when that was and what it takes the place of are in it.
pub(super) fn mark(id: ItemId, clip: &Clip) -> String {
    let bytes = clip.fingerprint.map_or(clip.facts.size, |fingerprint| fingerprint.whole);
    let written = format!("{} {}", clip.facts.mtime_ns, clip.version_of);
    format!("{bytes:016x}-{id}-{:08x}", xxh64(written.as_bytes(), 0) >> 32)
}

impl<T: Transport> Storage<T> {
    pub(super) fn new(
        dialect: Arc<dyn Dialect>,
        transport: Arc<T>,
        clock: Clock,
        keys: KeyRing<T>,
        device: String,
    ) -> Storage<T> {
        let habits = Mutex::new(dialect.habits());
        let (discovered, offsets) = (OnceCell::new(), Offsets::default());
        Storage { dialect, transport, clock, keys, device, habits, discovered, offsets }
    }

    pub(super) fn dialect(&self) -> &dyn Dialect {
        self.dialect.as_ref()
    }

    pub(super) fn habits(&self) -> Habits {
        *self.habits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_habits(&self, habits: Habits) {
        *self.habits.lock().unwrap_or_else(PoisonError::into_inner) = habits;
    }

    /// There is something to show, and it is known what the server can.
    ///
    /// # Errors
    /// There is not: nothing needs to be begun.
    pub(super) async fn ready(&self) -> Result<(), CreateError> {
        self.keys.lease().await?;
        let discover = async {
            let Some(asked) = self.dialect.discover() else { return Ok(()) };
            let answer = self.transport.send(asked).await.map_err(CreateError::Transient)?;
            let habits = self.dialect.read_discovery(&answer)?;
            debug!("the storage has said what it can: {habits:?}");
            self.set_habits(habits);
            Ok(())
        };
        self.discovered.get_or_try_init(|| discover).await.copied()
    }

    /// An upload. `age`: of the clip.
    ///
    /// # Errors
    /// There is none; true: there may be one that nobody knows.
    pub(super) async fn begin(
        &self,
        id: ItemId,
        clip: &Clip,
        age: Duration,
    ) -> Result<(String, Vec<Secret>), (CreateError, bool)> {
        // With keys the server's time is known, too.
        let lease = self.keys.lease().await.map_err(|e| (e, false))?;
        let object = Object {
            mark: mark(id, clip),
            name: clip.name.clone(),
            filetype: clip.filetype.clone(),
            size: clip.facts.size,
            device: self.device.clone(),
            made: lease.at.saturating_sub_unsigned(age.as_secs()),
        };
        let signer = Signer { authority: &lease.authority, at: lease.at };
        let beginning = self.dialect.begin(signer, self.habits(), &object).map_err(|e| (e, false))?;
        if let Beginning::Known(Begun { id, addresses }) = beginning {
            return Ok((id, addresses));
        }
        let mut maybe_made = false;
        let begun = self
            .ask(
                |signer, habits| match self.dialect.begin(signer, habits, &object) {
                    Ok(Beginning::Ask(asked)) => Some(*asked),
                    Ok(Beginning::Known(_)) | Err(_) => None,
                },
                |answer| {
                    maybe_made |= (200..300).contains(&answer.status);
                    self.dialect.read_begin(answer, &object)
                },
            )
            .await;
        match begun {
            Ok(Some(Begun { id, addresses })) => Ok((id, addresses)),
            Ok(None) => Err((CreateError::Forbidden("the storage can't be asked".to_owned()), false)),
            Err(e) => {
                let unanswered = matches!(&e, CreateError::Transient(t) if t.maybe_applied);
                Err((e, maybe_made || unanswered))
            }
        }
    }

    /// Sends a part. Dropping the future closes the connection.
    pub(super) async fn send(
        &self,
        part: Sending<'_>,
        body: PartBody,
    ) -> Result<Result<Taken, PartError>, PutError> {
        let mut skip = 0;
        if self.dialect.promises().in_order {
            let has = match self.offset(&part).await {
                Ok(has) => has,
                Err(e) => return Ok(Err(e)),
            };
            if has < part.from {
                return Ok(Err(PartError::Behind(has)));
            }
            skip = (has - part.from).min(part.len);
        }
        if skip == part.len {
            // It is there already. What it is, its file says.
            return body.read_through().await.map(|()| Ok(Taken::default())).map_err(|_| unread());
        }
        self.send_from(&part, skip, body.after(skip)).await
    }

    async fn send_from(
        &self,
        part: &Sending<'_>,
        skip: u64,
        body: PartBody,
    ) -> Result<Result<Taken, PartError>, PutError> {
        let (from, len) = (part.from + skip, part.len - skip);
        let (algorithm, md5) = self.dialect.checksums(self.habits(), part.md5);
        let before = match algorithm.is_some() || md5 {
            true => Some(body.read_before(algorithm, md5).await.map_err(|_| unread())?),
            false => None,
        };
        let Sending { address, ref mark, clip, .. } = *part;
        let piece = Piece { address, mark, filetype: &clip.filetype, from, len, digest: before };
        let lease = match self.keys.lease().await {
            Ok(lease) => lease,
            Err(e) => return Ok(Err(nobody(e))),
        };
        let signer = Signer { authority: &lease.authority, at: lease.at };
        let Some(request) = self.dialect.part(signer, piece) else {
            return Ok(Err(PartError::UrlDead("the address of a part is none".to_owned())));
        };
        self.offsets.forget(address);
        let watch = body.watch().clone();
        let answer = self.transport.put(request, len, body).await?;
        let read = self.read_part(piece, &lease, &answer).await;
        let is_as_read = match (before, watch.digest()) {
            (Some(before), Some(sent)) if skip == 0 => before.xxh64 == sent.xxh64,
            _ => true,
        };
        Ok(match read {
            Ok(_) if !is_as_read => {
                Err(PartError::Damaged("the file was written to while it was read".to_owned()))
            }
            Ok(SentPart { etag, checksum }) => {
                self.offsets.set(address, from + len);
                Ok(Taken { etag, before: before.map(|before| PartDigest { checksum, ..before }) })
            }
            Err(e) => Err(e),
        })
    }

    async fn read_part(
        &self,
        piece: Piece<'_>,
        lease: &Lease,
        answer: &Response,
    ) -> Result<SentPart, PartError> {
        let habits = self.habits();
        if let Some(others) = self.dialect.learn(habits, answer) {
            self.set_habits(others);
            return Err(PartError::Damaged("the storage takes no such checksum".to_owned()));
        }
        match self.dialect.read_part(piece, answer) {
            Ok(sent) => {
                if piece.digest.is_some_and(|digest| digest.checksum.is_some()) {
                    self.set_habits(Habits { vouches: Some(sent.checksum.is_some()), ..habits });
                }
                Ok(sent)
            }
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

    /// How many bytes of the clip are there.
    async fn offset(&self, part: &Sending<'_>) -> Result<u64, PartError> {
        if let Some(has) = self.offsets.of(part.address) {
            return Ok(has);
        }
        let size = part.clip.facts.size;
        let asked = self
            .ask(
                |signer, _| self.dialect.offset(signer, part.address),
                |answer| match self.dialect.read_offset(answer, size) {
                    Err(PartError::KeysOver(_)) => Err(CreateError::Unauthorized),
                    read => Ok(read),
                },
            )
            .await;
        match asked {
            Ok(Some(read)) => read,
            Ok(None) => Err(PartError::UrlDead("it has no end that could grow".to_owned())),
            Err(e) => Err(nobody(e)),
        }
    }

    /// All parts are there: these, in byte order, of a clip of `size` bytes.
    pub(super) async fn complete(
        &self,
        address: &Secret,
        parts: &[SentPart],
        size: u64,
        mark: &str,
    ) -> Result<Completed, CreateError> {
        let told = self
            .ask(
                |signer, habits| self.dialect.complete(signer, habits, address, parts, size),
                |answer| self.dialect.read_completion(answer),
            )
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
        let read = |answer: &Response| self.dialect.read_look(answer, mark).map_err(CreateError::Transient);
        self.ask(|signer, _| self.dialect.look(signer, address), read).await
    }

    /// Gives an upload up, unless all of it is there.
    pub(super) async fn give_up(&self, address: &Secret) -> GivenUp {
        let asked = async {
            let is_whole = self
                .ask(
                    |signer, _| self.dialect.offset(signer, address),
                    |answer| Ok(self.dialect.is_whole(answer)),
                )
                .await?;
            if is_whole == Some(true) {
                return Ok(Some(true));
            }
            let read = |answer: &Response| Ok(self.dialect.is_given_up(answer));
            self.ask(|signer, _| self.dialect.give_up(signer, address), read).await
        };
        let deadline = self.clock.now().boot + GIVE_UP_PATIENCE;
        let asked: Result<Option<bool>, CreateError> = tokio::select! {
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

    /// Asks, and once more with something else to show where this is refused, or by other habits where the answer tells of
    /// them. `None`: there is nothing to ask.
    async fn ask<V>(
        &self,
        request: impl Fn(Signer<'_>, Habits) -> Option<Request>,
        mut read: impl FnMut(&Response) -> Result<V, CreateError>,
    ) -> Result<Option<V>, CreateError> {
        let mut again = true;
        loop {
            let lease = self.keys.lease().await?;
            let (signer, habits) = (Signer { authority: &lease.authority, at: lease.at }, self.habits());
            let Some(asked) = request(signer, habits) else { return Ok(None) };
            let name = asked.name;
            let answer = self.transport.send(asked).await.map_err(CreateError::Transient)?;
            debug!(request = name, status = answer.status, "answered");
            // Each has fewer than the one before.
            if let Some(others) = self.dialect.learn(habits, &answer) {
                self.set_habits(others);
                continue;
            }
            let may_be_keys = answer.status == 403 && !lease.fresh;
            match read(&answer) {
                Err(CreateError::Unauthorized) if !again => {
                    let why = "the storage takes nothing that this rig's sign-in gives".to_owned();
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

/// There is nothing to show for a part.
fn nobody(e: CreateError) -> PartError {
    match e {
        CreateError::Transient(t) => PartError::Transient(t),
        CreateError::Refused(why) | CreateError::Conflict(why) | CreateError::Forbidden(why) => {
            PartError::Forbidden(why)
        }
        CreateError::Unauthorized | CreateError::RecordedWhilePaused | CreateError::Storage => {
            PartError::Forbidden("there is nothing to show to the storage".to_owned())
        }
    }
}

/// Why not, the part's watch tells.
fn unread() -> PutError {
    PutError { trouble: trouble(Cause::Network, "the part was not read", None), sent: 0 }
}
