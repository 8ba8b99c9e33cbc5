//! What the queue may count on of where clips go: all that its machines know of that.
use std::time::Duration;

/// What the queue may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promises {
    /// How long addresses of parts live; `None`: as long as what they belong to.
    pub addresses_live: Option<Duration>,
    /// Once all parts are there somebody has to say so.
    pub completes: bool,
    /// Parts go one after the other, as bytes at one growing offset.
    pub in_order: bool,
}

impl Promises {
    /// Addresses of Frame.io's assets work for a day from their creation; they are not begun in the last minutes of it.
    pub const FRAMEIO: Promises = Promises {
        addresses_live: Some(Duration::from_secs(24 * 3600 - 600)),
        completes: false,
        in_order: false,
    };
    /// Of an upload to a bucket.
    pub const BUCKET: Promises = Promises { addresses_live: None, completes: true, in_order: false };
    /// Of an upload that grows at its end.
    pub const OFFSET: Promises = Promises { addresses_live: None, completes: false, in_order: true };
}
