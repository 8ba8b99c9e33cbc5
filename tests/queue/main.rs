//! The queue: from a card or the bus to the cloud, on a whole rig.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall end")]

#[allow(dead_code, reason = "shared with the simulator's own tests")]
#[path = "../simulator/bucket.rs"]
mod bucket;
mod cards;
mod channels;
mod comments;
#[path = "../common/lib.rs"]
mod common;
mod containers;
mod control;
mod copies;
mod file_systems;
#[path = "../common/fuse_card.rs"]
mod fuse_card;
mod growing;
mod growing_recorders;
mod growing_trouble;
mod handed_over;
mod isolation;
#[path = "../common/junk.rs"]
mod junk;
mod nameless;
mod object_storage;
mod order;
mod recorders;
mod replaced;
mod sources;
mod steering;
mod swaps;
mod torn;
mod touched;
mod trees;
mod turns;
mod uploads;
mod whole;
