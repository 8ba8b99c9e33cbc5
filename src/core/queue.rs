//! What the queue decides: whose turn it is, what becomes of one upload, when a clip is whole.
pub mod class;
pub mod clip;
pub mod clip_name;
pub mod container;
pub mod etag;
pub mod evidence;
pub mod item;
pub mod ledger;
pub mod order;
pub mod pace;
pub mod rights;
pub mod schedule;
pub mod sequence;
pub mod source;
pub mod steer;
pub mod upload;
pub mod whole;
