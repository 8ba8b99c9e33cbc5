//! Clips that ffmpeg makes, whole, cut, and given up while they were recorded: what the containers themselves say of
//! them.
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rigpost_core::queue::container::{Check, Step, Wholeness};

/// What all of a kind are made of: moving bars with sound, four seconds of them.
pub(crate) const CLIP: &str =
    "-f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=440:sample_rate=48000 -t 4";
const H264: &str = "-c:v libx264 -g 12 -c:a aac";
const DNX: &str = "-map 0:v -s 1280x720 -pix_fmt yuv422p -c:v dnxhd -b:v 60M";

/// Name of the file, and the encoder's options.
pub(crate) type Kind = (&'static str, &'static [&'static str]);

/// Kinds that end with a sign, or count all their bytes.
pub(crate) const SIGNED: &[Kind] = &[
    ("index-last.mp4", &[H264]),
    ("index-first.mp4", &[H264, "-movflags faststart"]),
    ("fragments.mp4", &[H264, "-movflags frag_keyframe+empty_moov"]),
    ("fragments-behind-a-movie.mp4", &[H264, "-movflags frag_keyframe"]),
    ("every-frame-a-fragment.mp4", &[H264, "-movflags frag_every_frame+empty_moov"]),
    ("phone.3gp", &["-map 0:v -c:v mpeg4"]),
    ("sound.m4a", &["-map 1:a -c:a aac"]),
    ("quicktime.mov", &["-c:v mpeg4 -c:a pcm_s16le"]),
    ("quicktime-index-first.mov", &["-c:v mpeg4 -c:a pcm_s16le -movflags faststart"]),
    ("op1a.mxf", &["-c:v mpeg2video -c:a pcm_s16le"]),
    ("op-atom.mxf", &[DNX, "-t 1 -f mxf_opatom"]),
    ("sound.wav", &["-map 1:a"]),
    ("sound-rf64.wav", &["-map 1:a -rf64 always"]),
    ("sound.w64", &["-map 1:a"]),
    ("sound.aiff", &["-map 1:a"]),
    ("old.avi", &["-c:v mpeg4 -c:a pcm_s16le"]),
    ("still.avif", &["-map 0:v -frames:v 1 -c:v libaom-av1 -cpu-used 8 -still-picture 1"]),
    ("black.jpg", &["-map 0:v -vf drawbox=t=fill -s 6000x4000 -frames:v 1"]),
    ("large.jpg", &["-map 0:v -s 6000x4000 -frames:v 1 -q:v 2"]),
    ("still.jpg", &["-map 0:v -s 1920x1080 -frames:v 1"]),
];

/// Kinds that may end anywhere, as far as anybody knows.
const UNSIGNED: &[Kind] = &[
    ("fragments-without-an-index.mp4", &[H264, "-movflags frag_keyframe+empty_moov+skip_trailer"]),
    ("sound.caf", &["-map 1:a"]),
];

/// What a check came to; how often it read, and how much.
#[derive(Clone, Copy, Debug)]
struct Looked {
    wholeness: Wholeness,
    reads: usize,
    bytes: usize,
}

/// Reads from what is there of a file, and zeros behind it, up to its size.
fn look(there: &[u8], size: usize) -> Looked {
    let mut check = Check::new(size as u64);
    let (mut step, mut reads, mut bytes) = (check.start(), 0, 0);
    loop {
        match step {
            Step::Read { offset, length } => {
                let end = offset as usize + length;
                assert!(end <= size, "{length} bytes from {offset} of {size}");
                let mut read = there.get(offset as usize..end.min(there.len())).unwrap_or_default().to_vec();
                read.resize(length, 0);
                (reads, bytes) = (reads + 1, bytes + length);
                step = check.read(&read);
            }
            Step::Done(wholeness) => return Looked { wholeness, reads, bytes },
        }
    }
}

pub(crate) fn cut(file: &[u8], length: usize) -> Wholeness {
    look(&file[..length], length).wholeness
}

pub(crate) fn is_cut(wholeness: Wholeness) -> bool {
    match wholeness {
        Wholeness::Cut(_) => true,
        Wholeness::Whole | Wholeness::Unknown => false,
    }
}

/// Every twentieth of a file, a byte to either side of it, and the last hundred bytes.
fn places(size: usize) -> Vec<usize> {
    let twentieths = (1..20).map(|n| size * n / 20).flat_map(|at| [at - 1, at, at + 1]);
    twentieths.chain(size - 100..size).collect()
}

/// Has ffmpeg write a file; `limit`: and killed when it has this many bytes.
fn ffmpeg(at: &Path, options: &[&str], limit: Option<u64>) -> ExitStatus {
    let mut command = Command::new("prlimit");
    command.args(limit.map(|limit| format!("--fsize={limit}"))).arg("--core=0");
    // Whoever started this may have it ignored, as Python does for all that it starts.
    command.args(["env", "--default-signal=XFSZ"]);
    command.args(["ffmpeg", "-nostdin", "-loglevel", "error", "-y"]).args(CLIP.split(' '));
    command.args(options.iter().flat_map(|options| options.split(' '))).arg(at);
    command.status().expect("prlimit of util-linux is there: `tests/setup tests` installs it")
}

pub(crate) struct Made {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn made(kinds: &[Kind]) -> Vec<Made> {
    let dir = tempfile::tempdir().unwrap();
    let make = |(name, options): &Kind| {
        let at: PathBuf = dir.path().join(name);
        let status = ffmpeg(&at, options, None);
        assert!(status.success(), "{name}: {status}: is ffmpeg there? `tests/setup tests` installs it");
        Made { name, bytes: std::fs::read(at).unwrap() }
    };
    kinds.iter().map(make).collect()
}

#[test]
fn a_clip_is_whole_as_it_was_made_and_never_when_it_is_cut() {
    let (mut most_reads, mut most_bytes) = (0, 0);
    for Made { name, bytes } in made(SIGNED) {
        let whole = look(&bytes, bytes.len());
        println!("{name}: {} bytes, {whole:?}", bytes.len());
        assert_eq!(whole.wholeness, Wholeness::Whole, "{name}");
        (most_reads, most_bytes) = (most_reads.max(whole.reads), most_bytes.max(whole.bytes));
        for at in places(bytes.len()) {
            let verdict = cut(&bytes, at);
            assert_ne!(verdict, Wholeness::Whole, "{name} at {at} of {}", bytes.len());
            let told = is_cut(verdict) || may_be_a_seam(name, &bytes, at);
            assert!(told, "{name} at {at} of {}: {verdict:?}", bytes.len());
        }
    }
    println!("at most {most_reads} reads, {most_bytes} bytes");
    assert!(most_reads <= MOST_READS && most_bytes <= MOST_BYTES, "{most_reads} reads, {most_bytes} bytes");
}

/// What one of the files above costs while it is whole; the module's head says so.
const MOST_READS: usize = 8;
const MOST_BYTES: usize = 96 * 1024;

/// Where a cut file looks like one that somebody may have finished: before a random index, which may be left out, and
/// between two fragments, where less than the head of the next one has come.
fn may_be_a_seam(name: &str, bytes: &[u8], at: usize) -> bool {
    let begins = |begin: usize| bytes.get(begin + 4..begin + 8) == Some(b"moof");
    if name.contains("fragment") && (at.saturating_sub(7)..=at).any(begins) {
        return true;
    }
    let Some(length) = bytes.last_chunk().copied().map(u32::from_be_bytes) else { return false };
    name.ends_with(".mxf") && at == bytes.len() - length as usize
}

#[test]
fn a_copy_that_took_its_room_first_is_not_whole_before_it_is_filled() {
    // Sound of zeros is silence, and an AVI whose index is zeros is as long as it says.
    let counts_only = |name: &str| [".wav", ".w64", ".aiff", ".avi"].iter().any(|end| name.ends_with(end));
    for Made { name, bytes } in made(SIGNED).into_iter().filter(|made| !counts_only(made.name)) {
        // The last bytes of a box or of a pack may be zeros themselves.
        for at in (1..19).map(|n| bytes.len() * n / 20) {
            let verdict = look(&bytes[..at], bytes.len()).wholeness;
            assert_ne!(verdict, Wholeness::Whole, "{name} at {at} of {}", bytes.len());
        }
    }
}

#[test]
fn a_clip_that_may_end_anywhere_is_never_whole_and_told_where_it_ends_in_a_part() {
    for Made { name, bytes } in made(UNSIGNED) {
        assert_eq!(look(&bytes, bytes.len()).wholeness, Wholeness::Unknown, "{name}");
        let verdicts: Vec<_> = places(bytes.len()).into_iter().map(|at| cut(&bytes, at)).collect();
        assert!(!verdicts.contains(&Wholeness::Whole), "{name}");
        assert!(verdicts.iter().all(|verdict| is_cut(*verdict)), "{name}: {verdicts:?}");
    }
}

#[test]
fn what_follows_a_clip_does_not_make_it_cut() {
    for Made { name, bytes } in made(SIGNED) {
        for rest in [&[0; 1][..], &[0; 4096], b"GPS", &[0x37; 4096]] {
            let file = [&bytes, rest].concat();
            let verdict = look(&file, file.len()).wholeness;
            assert!(!is_cut(verdict), "{name} and {} bytes: {verdict:?}", rest.len());
        }
    }
}

/// Bytes after which a recorder dies: within the first of them, and later.
const DEATHS: [u64; 2] = [20_001, 70_003];

#[test]
fn a_recorder_that_was_killed_leaves_a_cut_clip() {
    let dir = tempfile::tempdir().unwrap();
    // Those whose index is put first when all the rest is there, and those that are written at once.
    let at_once = |name: &str| {
        ["index-first.mp4", "quicktime-index-first.mov", "black.jpg", "large.jpg", "still.jpg", "still.avif"]
            .contains(&name)
    };
    for (name, options) in SIGNED.iter().filter(|(name, _)| !at_once(name)) {
        let mut killed = 0;
        for limit in DEATHS {
            let at = dir.path().join(name);
            let died = !ffmpeg(&at, options, Some(limit)).success();
            let bytes = std::fs::read(&at).unwrap();
            let verdict = cut(&bytes, bytes.len());
            assert_eq!(is_cut(verdict), died, "{name} after {limit} of its bytes: {verdict:?}");
            killed += u32::from(died);
        }
        assert!(killed > 0, "{name} is shorter than that");
    }
}
