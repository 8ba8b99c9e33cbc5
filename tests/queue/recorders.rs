//! Clips that ffmpeg makes, written into a source slowly, and in pieces by a writer that closes after each: nothing leaves that
//! is not whole.
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures_util::future::join_all;

use crate::cards::{assert_delivered, rig, so_many};
use crate::common::*;
use crate::containers::{CLIP, Kind, Made, SIGNED, cut, is_cut, made};
use crate::sources::found;

/// Pieces of a clip, none of which ends at a seam.
const PIECES: usize = 4;

/// Those of these names.
fn kinds(names: &[&str]) -> Vec<Kind> {
    let wanted: Vec<Kind> = SIGNED.iter().filter(|(name, _)| names.contains(name)).copied().collect();
    assert_eq!(wanted.len(), names.len());
    wanted
}

/// Where the clip may be cut so that it shows.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let shows = |at: &usize| is_cut(cut(bytes, *at));
    let piece = |n: usize| (bytes.len() * n / PIECES..bytes.len()).find(shows).expect("a piece that is cut");
    (1..PIECES).map(piece).collect()
}

/// Appends, and closes.
fn append(path: &Path, piece: &[u8]) {
    File::options().create(true).append(true).open(path).unwrap().write_all(piece).unwrap();
}

/// Each next piece comes when the one before was looked at and found to be no whole clip.
async fn written_in_pieces(rig: &Rig, Made { name, bytes }: &Made) -> String {
    let path = rig.path("media/card").join(name);
    let mut from = 0;
    for at in ends(bytes) {
        append(&path, &bytes[from..at]);
        from = at;
        let id = found(rig, name).await;
        let waits = |item: &Dict| {
            let size = *item["size"].downcast_ref::<&u64>().unwrap();
            text(item, "state") == "incomplete" && size == at as u64
        };
        let item = rig.wait_item_that(id, &format!("{name}: {at} bytes, and cut"), waits).await;
        assert_ne!(text(&item, "detail"), "", "{name}");
    }
    append(&path, &bytes[from..]);
    let id = found(rig, name).await;
    assert_eq!(text(&rig.wait_item(id, "done").await, "reason"), "none", "{name}");
    sha256(&path)
}

#[tokio::test]
async fn what_a_writer_brings_in_pieces_leaves_once_and_whole() {
    let clips = made(&kinds(&[
        "index-last.mp4",
        "index-first.mp4",
        "fragments.mp4",
        "quicktime.mov",
        "quicktime-index-first.mov",
        "op1a.mxf",
        "sound.wav",
        "sound-rf64.wav",
        "old.avi",
    ]));
    let rig = rig().await;
    let hashes = join_all(clips.iter().map(|clip| written_in_pieces(&rig, clip))).await;
    assert_delivered(&rig, &hashes);
    assert_eq!(rig.items().await.len(), clips.len());
}

/// Records four seconds in four seconds.
fn recorder(path: &Path, options: &[&str]) -> Child {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error", "-y", "-re"]).args(CLIP.split(' '));
    ffmpeg.args(options.iter().flat_map(|options| options.split(' '))).arg(path);
    ffmpeg.stdin(Stdio::null()).spawn().expect("`tests/setup tests` installs ffmpeg")
}

#[tokio::test]
async fn what_is_recorded_onto_the_card_leaves_once_and_whole() {
    // The last one writes the index first, which rewrites all of it after the stop.
    let kinds = kinds(&["index-last.mp4", "quicktime.mov", "op1a.mxf", "sound.wav", "index-first.mp4"]);
    let rig = rig().await;
    let card = rig.path("media/card");
    let recorders: Vec<Child> =
        kinds.iter().map(|(name, options)| recorder(&card.join(name), options)).collect();
    let stopped = tokio::task::spawn_blocking(move || {
        recorders.into_iter().map(|mut recorder| recorder.wait().unwrap().success()).collect::<Vec<_>>()
    });
    assert_eq!(stopped.await.unwrap(), vec![true; kinds.len()]);
    so_many(&rig, kinds.len(), "done").await;
    let hashes: Vec<String> = kinds.iter().map(|(name, _)| sha256(&card.join(name))).collect();
    assert_delivered(&rig, &hashes);
}
