//! A clip to try with, made of nothing but this: colour bars that move, eight seconds of uncompressed QuickTime.
//!
//! # Decisions
//! Written here: it is a dozen boxes, and whoever wants to see one upload need not install an encoder for that.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

const WIDTH: u32 = 160;
const HEIGHT: u32 = 90;
const FRAMES: u32 = 200;
const PER_SECOND: u32 = 25;
/// Three bytes for each pixel.
const FRAME_SIZE: u32 = WIDTH * HEIGHT * 3;
const BARS: [[u8; 3]; 8] = [
    [235, 235, 235],
    [235, 235, 16],
    [16, 235, 235],
    [16, 235, 16],
    [235, 16, 235],
    [235, 16, 16],
    [16, 16, 235],
    [16, 16, 16],
];
/// Neither turned nor scaled.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// Writes the clip.
///
/// # Errors
/// The file can't be written.
pub(crate) fn write(path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let kind = boxed(b"ftyp", &[b"qt  ", &words(&[0x0200]), b"qt  "]);
    // The index names the place of the media behind it, and is as long whatever it names.
    let start = kind.len() + index(0).len() + 8;
    file.write_all(&kind)?;
    file.write_all(&index(u32::try_from(start).map_err(io::Error::other)?))?;
    file.write_all(&words(&[8 + FRAME_SIZE * FRAMES]))?;
    file.write_all(b"mdat")?;
    for frame in 0..FRAMES {
        let line: Vec<u8> =
            (0..WIDTH).flat_map(|x| BARS[((x + frame * 2) * 8 / WIDTH % 8) as usize]).collect();
        for _ in 0..HEIGHT {
            file.write_all(&line)?;
        }
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// `moov`: one track, all its frames in one chunk, which begins at `start`.
fn index(start: u32) -> Vec<u8> {
    let head =
        [&[0, 0, 0, PER_SECOND, FRAMES, 0x1_0000, 0x100_0000, 0, 0][..], &MATRIX, &[0; 6], &[2]].concat();
    let track = [&[7, 0, 0, 1, 0, FRAMES, 0, 0, 0, 0][..], &MATRIX, &[WIDTH << 16, HEIGHT << 16]].concat();
    let format = boxed(
        b"raw ",
        &[
            &words(&[0, 1, 0, 0, 0, 0, WIDTH << 16 | HEIGHT, 72 << 16, 72 << 16, 0, 1 << 16]),
            // The rest of a name that is empty; then 24 bits for each pixel, and no table of colours.
            &[0; 30],
            &words(&[24 << 16 | 0xffff]),
        ],
    );
    let samples = boxed(
        b"stbl",
        &[
            &boxed(b"stsd", &[&words(&[0, 1]), &format]),
            &boxed(b"stts", &[&words(&[0, 1, FRAMES, 1])]),
            &boxed(b"stsc", &[&words(&[0, 1, 1, FRAMES, 1])]),
            &boxed(b"stsz", &[&words(&[0, FRAME_SIZE, FRAMES])]),
            &boxed(b"stco", &[&words(&[0, 1, start])]),
        ],
    );
    let here = boxed(b"dref", &[&words(&[0, 1]), &boxed(b"url ", &[&words(&[1])])]);
    let video =
        boxed(b"minf", &[&boxed(b"vmhd", &[&words(&[1, 0, 0])]), &boxed(b"dinf", &[&here]), &samples]);
    let media = boxed(
        b"mdia",
        &[
            // No language.
            &boxed(b"mdhd", &[&words(&[0, 0, 0, PER_SECOND, FRAMES, 0x55c4 << 16])]),
            &boxed(b"hdlr", &[&words(&[0]), b"mhlrvide", &words(&[0, 0, 0]), &[0]]),
            &video,
        ],
    );
    let track = boxed(b"trak", &[&boxed(b"tkhd", &[&words(&track)]), &media]);
    boxed(b"moov", &[&boxed(b"mvhd", &[&words(&head)]), &track])
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A box: its length, its kind, and what is in it.
fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let inside = parts.concat();
    let length = u32::try_from(8 + inside.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], kind, &inside].concat()
}
