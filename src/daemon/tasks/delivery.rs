//! Where clips go, for the tasks that bring them there.
//!
//! # Decisions
//! - What a dialect is asked is asked here, so that whoever sends a clip knows none of them. An enum and not a trait, as for
//!   providers: the set is closed, and every difference stands side by side.
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::http::{PutError, Transport};
use crate::link::ToRig;
use crate::media::PartBody;
use crate::store::NOTHING;
use crate::tasks::keys::{KeyRing, Source};
use crate::tasks::storage::{GivenUp, Sending, Storage, Taken, mark};
use rigpost_core::delivery::dialect::{Dialect, SentPart};
use rigpost_core::oauth::{DeviceInfo, SignIn};
use rigpost_core::provider::FrameIo;
use rigpost_core::queue::item::{Clip, ItemId};
use rigpost_core::queue::promises::Promises;
use rigpost_core::queue::upload::{Completed, CreateError, PartError};
use rigpost_core::secret::Secret;

/// A dialect, and what it takes to speak it.
pub enum Deliverer<T> {
    /// To a project.
    FrameIo(FrameIo),
    /// To a storage of the site's own.
    Storage(Arc<Storage<T>>),
}

// Derived, it would ask the transport to be `Clone`.
impl<T> Clone for Deliverer<T> {
    fn clone(&self) -> Deliverer<T> {
        match self {
            Deliverer::FrameIo(frameio) => Deliverer::FrameIo(frameio.clone()),
            Deliverer::Storage(storage) => Deliverer::Storage(storage.clone()),
        }
    }
}

/// What came of a part that somebody answered.
pub(super) type Answered = Result<Taken, PartError>;

impl<T: Transport> Deliverer<T> {
    /// To a storage. `sign_in`: what the rig is signed in with now; `device`: what it is called there.
    pub fn storage(
        dialect: Arc<dyn Dialect>,
        source: Source,
        transport: &Arc<T>,
        clock: &Clock,
        sign_in: watch::Receiver<Option<SignIn>>,
        to_rig: mpsc::Sender<ToRig>,
        device: String,
    ) -> Deliverer<T> {
        let keys = KeyRing::new(source, transport.clone(), clock.clone(), sign_in, to_rig);
        let storage = Storage::new(dialect, transport.clone(), clock.clone(), keys, device);
        Deliverer::Storage(Arc::new(storage))
    }

    /// What clips are bound to, where that is not the project of the pairing: its address, and its name for the screen.
    pub(super) fn binding(&self) -> Option<(String, String)> {
        match self {
            Deliverer::FrameIo(_) => None,
            Deliverer::Storage(storage) => Some((storage.dialect().binding(), storage.dialect().name())),
        }
    }

    /// It takes a key out of the vault.
    pub(super) fn takes_own_key(&self) -> bool {
        match self {
            Deliverer::FrameIo(_) => false,
            Deliverer::Storage(storage) => storage.takes_own_key(),
        }
    }

    /// The dialect of projects, where it is that one: its recordings, channels and comments are of no other.
    pub(super) fn frameio(&self) -> Option<&FrameIo> {
        match self {
            Deliverer::FrameIo(frameio) => Some(frameio),
            Deliverer::Storage(_) => None,
        }
    }

    /// What the queue may count on.
    pub(super) fn promises(&self) -> Promises {
        match self {
            Deliverer::FrameIo(_) => Promises::FRAMEIO,
            Deliverer::Storage(storage) => storage.dialect().promises(),
        }
    }

    /// Sends a part. Dropping the future closes the connection.
    pub(super) async fn put(
        &self,
        transport: &T,
        part: Sending<'_>,
        body: PartBody,
    ) -> Result<Answered, PutError> {
        match self {
            Deliverer::FrameIo(frameio) => {
                put_to(frameio, transport, part.address, &part.clip.filetype, part.len, body).await
            }
            Deliverer::Storage(storage) => storage.send(part, body).await,
        }
    }

    /// All parts of this clip are there: these, in byte order. True: what is there is of these.
    pub(super) async fn complete(
        &self,
        address: &Secret,
        of: (ItemId, &Clip),
        parts: &[SentPart],
    ) -> Result<(Completed, bool), CreateError> {
        match self {
            Deliverer::FrameIo(_) => Ok((Completed::Done, true)),
            Deliverer::Storage(storage) => {
                let (id, clip) = of;
                storage.complete(address, parts, clip.facts.size, &mark(id, clip)).await
            }
        }
    }

    /// What of an asset with these addresses can be given up, later and by whoever knows it; `None`: what is left of it is
    /// left for good.
    pub(super) fn upload(&self, urls: &[Secret]) -> Option<String> {
        match self {
            Deliverer::FrameIo(_) => None,
            Deliverer::Storage(storage) => {
                let upload = storage.dialect().upload(storage.habits(), urls)?;
                Some(if upload.is_empty() { NOTHING.to_owned() } else { upload })
            }
        }
    }

    /// What addresses of uploads that can be given up begin with; `None`: there are none.
    pub(super) fn base(&self) -> Option<String> {
        match self {
            Deliverer::FrameIo(_) => None,
            Deliverer::Storage(storage) => Some(storage.dialect().base()),
        }
    }

    /// Gives up what lies at this address.
    pub(super) async fn give_up(&self, address: &Secret) -> GivenUp {
        match self {
            Deliverer::FrameIo(_) => GivenUp::Kept,
            Deliverer::Storage(storage) => storage.give_up(address).await,
        }
    }
}

/// Puts a part to a project's storage.
pub(super) async fn put_to(
    frameio: &FrameIo,
    transport: &impl Transport,
    address: &Secret,
    filetype: &str,
    len: u64,
    body: PartBody,
) -> Result<Answered, PutError> {
    let answer = transport.put(frameio.part(address, filetype), len, body).await?;
    Ok(frameio.read_part(&answer).map(|()| Taken { etag: answer.etag, ..Taken::default() }))
}

/// Clips go where the configuration says, whoever the rig is signed in with.
pub(super) fn bound(mut info: DeviceInfo, binding: Option<(String, String)>) -> DeviceInfo {
    if let Some((id, name)) = binding {
        (info.project_id, info.project_name, info.nameless) = (id, name, false);
    }
    info
}
