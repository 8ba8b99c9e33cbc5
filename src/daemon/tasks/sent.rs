//! What came of a part that was put.
use std::sync::atomic::Ordering::Relaxed;

use crate::http::PutError;
use crate::media::PartWatch;
use crate::tasks::delivery::Answered;
use crate::tasks::storage::Taken;
use rigpost_core::oauth::Cause;
use rigpost_core::provider::wire::trouble;
use rigpost_core::queue::item::{ItemReason, PartDigest};
use rigpost_core::queue::upload::{Confirmed, PartError};

/// `sent`: the answer to a part of `len` bytes; `None`: somebody let go of it.
pub(super) fn sent_part(
    sent: Option<Result<Answered, PutError>>,
    len: u64,
    watch: &PartWatch,
) -> Result<Confirmed, PartError> {
    let cancelled = || PutError { trouble: trouble(Cause::Network, "cancelled", None), sent: 0 };
    match sent.unwrap_or_else(|| Err(cancelled())) {
        Ok(answered) => answered.map(|taken| confirmed(taken, watch)),
        Err(_) if watch.shorter.load(Relaxed) => {
            Err(PartError::File(ItemReason::Changed, "the file became shorter".to_owned()))
        }
        Err(_) if watch.unreadable.load(Relaxed) => {
            Err(PartError::File(ItemReason::Unreadable, "the file can't be read any more".to_owned()))
        }
        Err(e) => match watch.silent.get() {
            Some(why) => Err(PartError::NotAnswering(why.to_string())),
            None => Err(PartError::unanswered(e.trouble, e.sent, len, watch.held())),
        },
    }
}

/// The bytes are those that left; what they were before that, the storage has vouched for.
fn confirmed(taken: Taken, watch: &PartWatch) -> Confirmed {
    let Taken { etag, md5, checksum } = taken;
    let digest = watch.digest().map(|sent| PartDigest { md5: sent.md5.or(md5), checksum, ..sent });
    Confirmed { etag, digest }
}
