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
use crate::tasks::bucket::{Bucket, GivenUp, mark};
use crate::tasks::keys::KeyRing;
use rigpost_core::delivery::s3;
use rigpost_core::delivery::s3::S3;
use rigpost_core::delivery::sts::Sts;
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
    /// To a bucket.
    Bucket(Arc<Bucket<T>>),
}

// Derived, it would ask the transport to be `Clone`.
impl<T> Clone for Deliverer<T> {
    fn clone(&self) -> Deliverer<T> {
        match self {
            Deliverer::FrameIo(frameio) => Deliverer::FrameIo(frameio.clone()),
            Deliverer::Bucket(bucket) => Deliverer::Bucket(bucket.clone()),
        }
    }
}

/// What came of a part that somebody answered: its ETag, and whether it was taken.
pub(super) type Answered = Result<String, PartError>;

impl<T: Transport> Deliverer<T> {
    /// To a bucket. `sign_in`: what the rig is signed in with now; `device`: what it is called in the names of objects.
    pub fn bucket(
        s3: S3,
        sts: Sts,
        transport: &Arc<T>,
        clock: &Clock,
        sign_in: watch::Receiver<Option<SignIn>>,
        to_rig: mpsc::Sender<ToRig>,
        device: String,
    ) -> Deliverer<T> {
        let keys = KeyRing::new(sts, transport.clone(), clock.clone(), sign_in, to_rig);
        Deliverer::Bucket(Arc::new(Bucket::new(Arc::new(s3), transport.clone(), clock.clone(), keys, device)))
    }

    /// What clips are bound to, where that is not the project of the pairing: its address, and its name for the screen.
    pub(super) fn binding(&self) -> Option<(String, String)> {
        match self {
            Deliverer::FrameIo(_) => None,
            Deliverer::Bucket(bucket) => Some(bucket.binding()),
        }
    }

    /// The dialect of projects, where it is that one: its recordings, channels and comments are of no other.
    pub(super) fn frameio(&self) -> Option<&FrameIo> {
        match self {
            Deliverer::FrameIo(frameio) => Some(frameio),
            Deliverer::Bucket(_) => None,
        }
    }

    /// What the queue may count on.
    pub(super) fn promises(&self) -> Promises {
        match self {
            Deliverer::FrameIo(_) => Promises::FRAMEIO,
            Deliverer::Bucket(_) => Promises::BUCKET,
        }
    }

    /// Puts a part of `len` bytes of this clip to its address. Dropping the future closes the connection.
    pub(super) async fn put(
        &self,
        transport: &T,
        address: &Secret,
        of: (ItemId, &Clip),
        len: u64,
        body: PartBody,
    ) -> Result<Answered, PutError> {
        let (id, clip) = of;
        match self {
            Deliverer::FrameIo(frameio) => {
                put_to(frameio, transport, address, &clip.filetype, len, body).await
            }
            Deliverer::Bucket(bucket) => {
                let (lease, url, headers) = match bucket.part(address, &clip.filetype, &mark(id, clip)).await
                {
                    Ok(part) => part,
                    Err(e) => return Ok(Err(e)),
                };
                let answer = transport.put(&url, headers, len, body).await?;
                Ok(bucket.read_part(address, &lease, &answer).await)
            }
        }
    }

    /// All parts of this clip are there. `etags`: theirs, in byte order.
    pub(super) async fn complete(
        &self,
        address: &Secret,
        of: (ItemId, &Clip),
        etags: &[String],
    ) -> Result<Completed, CreateError> {
        match self {
            Deliverer::FrameIo(_) => Ok(Completed::Done),
            Deliverer::Bucket(bucket) => bucket.complete(address, etags, &mark(of.0, of.1)).await,
        }
    }

    /// What of an asset with these addresses can be given up, later and by whoever knows it; `None`: what is left of it is
    /// left for good.
    pub(super) fn upload(&self, urls: &[Secret]) -> Option<String> {
        match self {
            Deliverer::FrameIo(_) => None,
            Deliverer::Bucket(_) => {
                Some(urls.first().and_then(s3::upload).unwrap_or_else(|| NOTHING.to_owned()))
            }
        }
    }

    /// What addresses of uploads that can be given up begin with; `None`: there are none.
    pub(super) fn base(&self) -> Option<String> {
        match self {
            Deliverer::FrameIo(_) => None,
            Deliverer::Bucket(bucket) => Some(bucket.base()),
        }
    }

    /// Gives up what lies at this address.
    pub(super) async fn give_up(&self, address: &Secret) -> GivenUp {
        match self {
            Deliverer::FrameIo(_) => GivenUp::Kept,
            Deliverer::Bucket(bucket) => bucket.give_up(address).await,
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
    let answer = transport.put(address, frameio.part_headers(filetype), len, body).await?;
    Ok(frameio.read_part(&answer).map(|()| answer.etag))
}

/// Clips go where the configuration says, whoever the rig is signed in with.
pub(super) fn bound(mut info: DeviceInfo, binding: Option<(String, String)>) -> DeviceInfo {
    if let Some((id, name)) = binding {
        (info.project_id, info.project_name, info.nameless) = (id, name, false);
    }
    info
}
