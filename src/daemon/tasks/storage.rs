//! Delivers to a storage of the site's own: shows who asks, asks, and sends.
//!
//! # Decisions
//! - Whoever is refused is so once for each request before anything is believed, with keys or a token made anew: expired
//!   ones are called by as many names as there are servers, plain "access denied" among them.
//! - A clip in one piece may be put again and again: its name is its own, so nothing else is overwritten. One in parts is
//!   completed only where nothing has its name; what has is looked at.
//! - A part is read before it leaves where its checksum goes ahead of it: a server refuses then what is not what was read,
//!   and what it names itself is its word. Twice from a card is once from memory. Whether a server names it without that is
//!   tried by one part in a run of the daemon, which goes once more if not.
//! - Where bytes go to one growing offset, the server's word on it is taken from its last answer, and asked for where that
//!   was not heard. Of a part that is there in part the rest leaves.
mod asking;
mod offsets;
mod sending;
mod strays;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tracing::debug;
use xxhash_rust::xxh64::xxh64;

use crate::clock::Clock;
use crate::http::Transport;
use crate::tasks::keys::KeyRing;
use offsets::Offsets;
use rigpost_core::delivery::dialect::{
    Asked, Beginning, Begun, Completion, Dialect, Found, Habits, Object, SentPart, Signer, Standing,
};
use rigpost_core::delivery::reel::reel;
use rigpost_core::oauth::Cause;
use rigpost_core::provider::wire::Response;
use rigpost_core::queue::checksum::Checksum;
use rigpost_core::queue::handed::known_as;
use rigpost_core::queue::item::{Clip, ItemId};
use rigpost_core::queue::upload::{Completed, CreateError};
use rigpost_core::secret::Secret;
use rigpost_core::time::BootTime;

/// What an upload that is given up may cost.
const GIVE_UP_PATIENCE: Duration = Duration::from_secs(20);
/// What a server can may be otherwise after this.
const DISCOVERY: Duration = Duration::from_secs(3600);
/// And is asked again after this, where it has not said it.
const DISCOVERY_IN_VAIN: Duration = Duration::from_secs(300);

/// A storage, and the way to it.
pub struct Storage<T> {
    dialect: Arc<dyn Dialect>,
    transport: Arc<T>,
    clock: Clock,
    keys: KeyRing<T>,
    /// What the rig is called there.
    device: String,
    habits: Mutex<Habits>,
    /// A part is on its way that tries whether the storage names checksums unasked.
    trying: AtomicBool,
    /// The last time that it was asked what it can no whole answer came.
    broke_off: AtomicBool,
    discovered: AsyncMutex<Option<Discovered>>,
    /// Where uploads grow at their end, how long they are, by their last answer.
    offsets: Offsets,
}

/// The server was asked what it can.
struct Discovered {
    at: BootTime,
    /// And has said so.
    told: bool,
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
    /// Of the part as a whole.
    pub(super) md5: Option<[u8; 16]>,
    /// The storage has vouched for all of it by this.
    pub(super) checksum: Option<Checksum>,
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
        let (discovered, offsets) = (AsyncMutex::default(), Offsets::default());
        let (trying, broke_off) = (AtomicBool::default(), AtomicBool::default());
        Storage { dialect, transport, clock, keys, device, habits, trying, broke_off, discovered, offsets }
    }

    pub(super) fn dialect(&self) -> &dyn Dialect {
        self.dialect.as_ref()
    }

    pub(super) fn takes_own_key(&self) -> bool {
        self.keys.are_own()
    }

    pub(super) fn habits(&self) -> Habits {
        *self.habits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Others may have learned something meanwhile.
    fn change_habits(&self, change: impl FnOnce(Habits) -> Habits) {
        let mut habits = self.habits.lock().unwrap_or_else(PoisonError::into_inner);
        *habits = change(*habits);
    }

    /// There is something to show, and the server was asked what it can.
    ///
    /// # Errors
    /// There is not: nothing needs to be begun.
    pub(super) async fn ready(&self) -> Result<(), CreateError> {
        let lease = self.keys.lease().await?;
        let mut discovered = self.discovered.lock().await;
        let now = self.clock.now().boot;
        let holds =
            |known: &Discovered| now.since(known.at) < if known.told { DISCOVERY } else { DISCOVERY_IN_VAIN };
        if discovered.as_ref().is_some_and(holds) {
            return Ok(());
        }
        let signer = Signer { authority: &lease.authority, at: lease.at };
        let Some(asked) = self.dialect.discover(signer) else { return Ok(()) };
        let habits = match self.transport.send(asked).await {
            Ok(answer) => {
                self.keys.heard(&answer).await;
                self.broke_off.store(false, Relaxed);
                self.dialect.read_discovery(&answer)?
            }
            // It was there, and broke off, one time after the other: whether it can take clips, the first one tells.
            Err(trouble)
                if trouble.maybe_applied
                    && trouble.cause == Cause::Network
                    && self.broke_off.swap(true, Relaxed) =>
            {
                None
            }
            Err(trouble) => return Err(CreateError::Transient(trouble)),
        };
        debug!("what the storage can: {habits:?}");
        *discovered = Some(Discovered { at: now, told: habits.is_some() });
        if let Some(habits) = habits {
            self.change_habits(|Habits { ascii, part, .. }| Habits { ascii, part, ..habits });
        }
        Ok(())
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
        if !self.keys.know_time().await
            && let Some(asked) = self.dialect.clock().filter(|_| self.keys.are_own())
        {
            let answer = self.transport.send(asked).await;
            let answer = answer.map_err(|trouble| (CreateError::Transient(trouble), false))?;
            self.keys.heard(&answer).await;
        }
        // With keys of an hour, or of a server that was asked what it can, its time is known.
        let lease = self.keys.lease().await.map_err(|e| (e, false))?;
        let object = Object {
            mark: mark(id, clip),
            name: clip.name.clone(),
            reel: reel(&known_as(&clip.path)),
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
        let before = self.habits();
        let begun = self
            .ask_and_learn(
                Some(Asked::Upload(&object)),
                |signer, habits| match self.dialect.begin(signer, habits, &object) {
                    Ok(Beginning::Ask(asked)) => Some(*asked),
                    Ok(Beginning::Known(_)) | Err(_) => None,
                },
                |habits, answer| {
                    maybe_made |= (200..300).contains(&answer.status);
                    self.dialect.read_begin(answer, habits, &object)
                },
            )
            .await;
        if begun.is_err() {
            // What did not help was not the reason.
            let Habits { checksum, ascii, .. } = before;
            self.change_habits(|habits| Habits { checksum, ascii, ..habits });
        }
        match begun {
            Ok(Some(Begun { id, addresses })) => Ok((id, addresses)),
            Ok(None) => Err((CreateError::Forbidden("the storage can't be asked".to_owned()), false)),
            Err(e) => {
                let unanswered = matches!(&e, CreateError::Transient(t) if t.maybe_applied);
                Err((e, maybe_made || unanswered))
            }
        }
    }

    /// All parts are there: these, in byte order, of a clip of `size` bytes. True: what is there is of these.
    pub(super) async fn complete(
        &self,
        address: &Secret,
        parts: &[SentPart],
        size: u64,
        mark: &str,
    ) -> Result<(Completed, bool), CreateError> {
        let mut told = self.tell(address, parts, size, true).await?;
        // Each part was checked; of what they make, some compute another sum.
        let is_denied = matches!(told, Some(Completion::AnotherSum(_)));
        if is_denied {
            told = self.tell(address, parts, size, false).await?;
        }
        let doubt = match told {
            // In one piece: the storage has confirmed it.
            Some(Completion::Done) | None => return Ok((Completed::Done, !is_denied)),
            Some(Completion::Unusable(why) | Completion::AnotherSum(why)) => {
                return Ok((Completed::Gone(why), false));
            }
            Some(Completion::Doubtful(word)) => word,
        };
        let is_taken = doubt == "PreconditionFailed";
        let completed = match self.found(address, mark).await? {
            Some(Found::Ours) => {
                self.give_up_in_vain(address, is_taken).await;
                Completed::Done
            }
            // Something is there, under a name that no other clip has.
            Some(Found::Hidden) if is_taken => {
                self.give_up_in_vain(address, true).await;
                Completed::Done
            }
            Some(Found::Another) => {
                let why = "the bucket has another object of this name";
                return Err(CreateError::Conflict(why.to_owned()));
            }
            Some(Found::Nothing | Found::Hidden) | None => Completed::Gone(doubt),
        };
        Ok((completed, false))
    }

    async fn tell(
        &self,
        address: &Secret,
        parts: &[SentPart],
        size: u64,
        sum: bool,
    ) -> Result<Option<Completion>, CreateError> {
        self.ask(
            |signer| self.dialect.complete(signer, address, parts, size, sum),
            |answer| self.dialect.read_completion(answer),
        )
        .await
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
        self.ask(|signer| self.dialect.look(signer, address), read).await
    }

    /// Gives an upload up, unless all of it is there.
    pub(super) async fn give_up(&self, address: &Secret) -> GivenUp {
        let asked = async {
            let looked = self
                .ask(
                    |signer| self.dialect.offset(signer, address),
                    |answer| Ok(self.dialect.standing(answer)),
                )
                .await?;
            match looked {
                // Whole, it is what somebody wanted: it is finished, and not to be taken away.
                Some(Standing::Whole | Standing::Gone) => return Ok(Some(true)),
                Some(Standing::Unknown) => return Ok(Some(false)),
                Some(Standing::Open) | None => {}
            }
            let read = |answer: &Response| Ok(self.dialect.is_given_up(answer));
            self.ask(|signer| self.dialect.give_up(signer, address), read).await
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
}

#[cfg(test)]
mod tests;
