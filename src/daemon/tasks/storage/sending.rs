//! Parts on their way.
//!
//! # Decisions
//! - A checksum that was sent ahead of the rest of a part says nothing of the part: nothing is vouched for then.
//! - A storage that names checksums of which it was told nothing says itself whether what came is what was read for them. So
//!   nothing is computed a second time of bytes on their way to such a one; a part of which it then names none goes once more.
//!   One that names only what it was told may be an echo.
//! - Of bytes that left and whose answer was lost, what they were is remembered: the file may be another by the time that the
//!   storage is known to have them.
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::{Sending, Storage, Taken};
use crate::http::{PutError, Transport};
use crate::media::PartBody;
use crate::tasks::keys::Lease;
use rigpost_core::delivery::dialect::{Asked, Checks, Habits, Piece, SentPart, Signer};
use rigpost_core::oauth::Cause;
use rigpost_core::provider::wire::{Response, trouble};
use rigpost_core::queue::upload::{CreateError, PartError};

impl<T: Transport> Storage<T> {
    /// Sends a part. Dropping the future closes the connection.
    pub(in crate::tasks) async fn send(
        &self,
        part: Sending<'_>,
        body: PartBody,
    ) -> Result<Result<Taken, PartError>, PutError> {
        let mut skip = 0;
        if self.dialect.promises().in_order {
            let has = match self.offset(&part).await {
                Ok(has) => has,
                Err(e) => return Ok(Err(self.proven(e).await)),
            };
            if has < part.from {
                return Ok(Err(PartError::Behind(has)));
            }
            skip = (has - part.from).min(part.len);
        }
        if skip < part.len {
            return self.send_from(&part, skip, body.after(skip)).await;
        }
        // It is there already.
        match self.offsets.left(part.address, part.from) {
            Some(digest) => body.watch().is_known(digest),
            None => body.read_through().await.map_err(|_| unread())?,
        }
        Ok(Ok(Taken::default()))
    }

    async fn send_from(
        &self,
        part: &Sending<'_>,
        skip: u64,
        body: PartBody,
    ) -> Result<Result<Taken, PartError>, PutError> {
        let (from, len) = (part.from + skip, part.len - skip);
        let (habits, checks, _trial) = self.checks(part);
        let before = match checks.ahead.is_some() || checks.md5 {
            true => Some(body.read_before(checks.ahead, checks.md5).await.map_err(|_| unread())?),
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
        let vouches = habits.names_unasked == Some(true) && !self.dialect.promises().in_order;
        let known = before.filter(|before| vouches && before.checksum.is_some());
        let body = match (known, checks.along) {
            (Some(before), _) => body.known_as(before),
            (None, Some(along)) => body.computing(along),
            (None, None) => body,
        };
        let watch = body.watch().clone();
        let put = self.transport.put(request, len, body).await;
        if let (Some(digest), 0, true) = (watch.digest(), skip, self.dialect.promises().in_order) {
            self.offsets.set_left(address, part.from, digest);
        }
        let answer = put?;
        let piece = Piece { digest: before.or_else(|| checks.along.and(watch.digest())), ..piece };
        let read = self.read_part(piece, habits, checks, &lease, &answer).await;
        let is_as_read = match (before, watch.digest()) {
            (Some(before), Some(sent)) if skip == 0 => before.xxh64 == sent.xxh64,
            _ => true,
        };
        Ok(match read {
            Ok(_) if !is_as_read => Err(self.unlike("the file was written to while it was read")),
            Ok(SentPart { checksum: None, .. }) if known.is_some() => {
                Err(self.unlike("the storage has named no checksum, as it did before"))
            }
            Ok(SentPart { etag, checksum }) => {
                if self.dialect.promises().in_order {
                    self.offsets.set(address, from + len);
                }
                let md5 = before.and_then(|before| before.md5).filter(|_| skip == 0);
                Ok(Taken { etag, md5, checksum: checksum.filter(|_| skip == 0) })
            }
            Err(e) => Err(self.proven(e).await),
        })
    }

    /// Where somebody knows nothing of an upload: whether the storage itself speaks at this moment.
    async fn proven(&self, e: PartError) -> PartError {
        let PartError::Unfound(why, false) = e else { return e };
        let asked = self.ask(
            |signer| self.dialect.discover(signer),
            |answer| Ok(self.dialect.read_discovery(answer).is_ok_and(|told| told.is_some())),
        );
        PartError::Unfound(why, matches!(asked.await, Ok(Some(true))))
    }

    /// What is computed of a part, by which habits. Whether the storage has to be told is tried by one part at a time.
    fn checks(&self, part: &Sending<'_>) -> (Habits, Checks, Option<Trial<'_>>) {
        let checks = |habits| self.dialect.checks(habits, part.address, part.md5);
        let habits = self.habits();
        let tried = checks(habits);
        if tried.along.is_none() || habits.names_unasked.is_some() {
            return (habits, tried, None);
        }
        if self.trying.swap(true, Relaxed) {
            let told = Habits { names_unasked: Some(false), ..habits };
            return (told, checks(told), None);
        }
        (habits, tried, Some(Trial(&self.trying)))
    }

    /// What the storage has taken is not what it was to take. Where bytes can't be taken back all of it is of no use.
    fn unlike(&self, why: &str) -> PartError {
        match self.dialect.promises().in_order {
            true => PartError::UrlDead(why.to_owned()),
            false => PartError::Damaged(why.to_owned()),
        }
    }

    /// `habits`: those that it was sent by.
    async fn read_part(
        &self,
        piece: Piece<'_>,
        habits: Habits,
        checks: Checks,
        lease: &Lease,
        answer: &Response,
    ) -> Result<SentPart, PartError> {
        self.keys.heard(answer).await;
        if let Some(others) = self.dialect.learn(habits, Asked::Part(piece), answer) {
            self.change_habits(|now| now.learned(habits, others));
            return Err(match self.dialect.read_part(piece, answer) {
                _ if checks.along.is_some() => {
                    PartError::Damaged("the storage wants to be told a checksum".to_owned())
                }
                Err(PartError::UrlDead(why)) => PartError::UrlDead(why),
                Ok(_) | Err(_) => PartError::Damaged("the storage takes no such checksum".to_owned()),
            });
        }
        match self.dialect.read_part(piece, answer) {
            Ok(sent) => {
                if checks.along.is_some() {
                    let is_named = sent.checksum.is_some();
                    self.change_habits(|now| Habits { names_unasked: Some(is_named), ..now });
                    let why = "the storage has named no checksum of a part";
                    return is_named.then_some(sent).ok_or_else(|| PartError::Damaged(why.to_owned()));
                }
                if piece.digest.is_some_and(|digest| digest.checksum.is_some()) {
                    let vouches = Some(sent.checksum.is_some());
                    self.change_habits(|now| match now.checksum == habits.checksum {
                        true => Habits { vouches, ..now },
                        false => now,
                    });
                }
                Ok(sent)
            }
            Err(PartError::KeysOver(why)) => {
                self.keys.doubt(lease, answer).await;
                Err(PartError::KeysOver(why))
            }
            // It may be the keys, and is not believed of old ones.
            Err(PartError::Forbidden(why)) if self.keys.may_be_why(lease).await => {
                self.keys.doubt(lease, answer).await;
                Err(PartError::KeysOver(why))
            }
            Err(PartError::Damaged(why)) if checks.along.is_some() => {
                // It is told of the next one, and says itself then which of us is wrong.
                self.change_habits(|now| Habits { names_unasked: Some(false), ..now });
                Err(PartError::Damaged(why))
            }
            Err(e) => Err(e),
        }
    }

    /// How many bytes of the clip are there.
    async fn offset(&self, part: &Sending<'_>) -> Result<u64, PartError> {
        if let Some(has) = self.offsets.of(part.address) {
            return Ok(has);
        }
        // What the server can counts for an upload of the last run, too.
        self.ready().await.map_err(nobody)?;
        let size = part.clip.facts.size;
        let asked = self
            .ask(
                |signer| self.dialect.offset(signer, part.address),
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
}

/// A part that tries something. Dropped, it is over, whatever came of it.
struct Trial<'a>(&'a AtomicBool);

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

/// There is nothing to show for a part.
fn nobody(e: CreateError) -> PartError {
    match e {
        CreateError::Transient(t) => PartError::Transient(t),
        CreateError::Refused(why) | CreateError::Conflict(why) | CreateError::Forbidden(why) => {
            PartError::Forbidden(why)
        }
        CreateError::Storage => {
            let why = "what is shown to the storage can't be read from the rig's own disk";
            PartError::Transient(trouble(Cause::Provider, why, None))
        }
        CreateError::Unauthorized | CreateError::RecordedWhilePaused => {
            PartError::Forbidden("there is nothing to show to the storage".to_owned())
        }
    }
}

/// Why not, the part's watch tells.
fn unread() -> PutError {
    PutError { trouble: trouble(Cause::Network, "the part was not read", None), sent: 0 }
}
