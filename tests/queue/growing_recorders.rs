//! Recorders of others, while they record: ffmpeg and GStreamer, with containers that write their header again, lay an index
//! at their end, or are whole after each fragment.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::growing::{put_of, recording_rig};
use super::sources::found;
use crate::common::*;

/// The name of the file, and whoever writes it, for a few seconds.
type Kind = (&'static str, Recorder);

enum Recorder {
    /// Moving noise, and what to make of it.
    Ffmpeg(&'static str),
    /// Noise for so many bytes a second of sound.
    FfmpegSound(&'static str),
    /// From the picture on.
    Gstreamer(&'static str),
}

const KINDS: [&[Kind]; 2] = [
    &[
        ("index-last.mov", Recorder::Ffmpeg("-c:v mjpeg -q:v 2")),
        ("index-last.mp4", Recorder::Ffmpeg("-c:v mpeg4 -q:v 1")),
        ("fragments.mp4", Recorder::Ffmpeg("-c:v mpeg4 -q:v 1 -movflags frag_keyframe+empty_moov")),
        ("op1a.mxf", Recorder::Ffmpeg("-c:v mpeg2video -q:v 1")),
    ],
    &[
        ("sound.wav", Recorder::FfmpegSound("-c:a pcm_s32le")),
        ("sound-rf64.wav", Recorder::FfmpegSound("-c:a pcm_s32le -rf64 auto")),
        ("gst.mov", Recorder::Gstreamer("jpegenc quality=95 ! qtmux")),
        ("gst-fragments.mov", Recorder::Gstreamer("jpegenc quality=95 ! qtmux fragment-duration=1000")),
    ],
];

impl Recorder {
    fn start(&self, to: &Path) -> Child {
        let to = to.to_str().unwrap();
        let line = match self {
            Recorder::Ffmpeg(how) => format!(
                "ffmpeg -v error -re -f lavfi -i testsrc2=size=640x360:rate=25 -vf noise=alls=60:allf=t -t 6 {how} {to}"
            ),
            Recorder::FfmpegSound(how) => {
                format!("ffmpeg -v error -re -f lavfi -i aevalsrc=random(0):s=192000 -ac 8 -t 6 {how} {to}")
            }
            Recorder::Gstreamer(how) => format!(
                "gst-launch-1.0 -q -e videotestsrc is-live=true num-buffers=144 pattern=snow \
                 ! video/x-raw,width=640,height=360,framerate=24/1 ! {how} ! filesink location={to}"
            ),
        };
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        let started = command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        started.expect("tests/setup tests installs ffmpeg and GStreamer")
    }
}

#[tokio::test]
async fn what_they_record_is_in_the_cloud_soon_after_their_stop() {
    for kinds in KINDS {
        let rig = recording_rig("").await;
        let started: Vec<(PathBuf, Child)> = kinds
            .iter()
            .map(|(name, recorder)| {
                let path = rig.path(&format!("media/card/{name}"));
                let child = recorder.start(&path);
                (path, child)
            })
            .collect();
        for ((name, _), (path, mut recorder)) in kinds.iter().zip(started) {
            let id = found(&rig, name).await;
            let done = tokio::task::spawn_blocking(move || recorder.wait().unwrap()).await.unwrap();
            assert!(done.success(), "{name}");
            rig.wait_item(id, "done").await;
            rig.assert_arrived(&path, PROJECT);
            let put = put_of(&rig, name);
            assert!(put.len() > 2, "{name} was sent while it was recorded: {put:?}");
        }
        assert_eq!((rig.sim.violations(), rig.get::<u32>(QUEUE, "Orphans").await), (vec![], 0));
    }
}
