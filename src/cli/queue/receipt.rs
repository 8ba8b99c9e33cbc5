//! `rigpost receipt`: what was delivered, and whether the file is still that.
//!
//! # Decisions
//!
//! - `xxhash-rust`, which the daemon uses too; the reading is this program's own, so that the check is a second opinion on
//!   the file and on the numbers of the receipt.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh64::Xxh64;

use crate::args::ReceiptArgs;
use crate::bus::{Daemon, Options, Place, Receipt};
use crate::exit::{ExitCode, Failure, group};
use crate::out::{Out, Tone};
use crate::text::{self, clean};
use rigpost_core::queue::item::file_digest;

/// Parts that are shown; `--json` has them all.
const SHOWN: usize = 8;

/// Shows or checks a receipt.
pub(super) async fn run(daemon: &Daemon, id: u64, args: &ReceiptArgs, out: &mut Out) -> Result<(), Failure> {
    let queue = daemon.queue();
    let mut answer = queue.get_receipt(id, Options::new()).await.map_err(group)?;
    let receipt = Receipt::read(&mut answer);
    if args.json {
        out.json(&receipt)?;
    } else {
        for line in lines(&receipt) {
            out.line(&line)?;
        }
    }
    let Some(given) = &args.check else { return Ok(()) };
    if receipt.digest.is_empty() {
        return Err(Failure::new(
            ExitCode::Failed,
            "this receipt has no digest: part of the clip was sent by a version that did not note it",
            "compare the clip with the one in the cloud",
        ));
    }
    let path = given.clone().unwrap_or_else(|| sent_from(&receipt));
    let shown = clean(&path.to_string_lossy());
    let differs = compare(&path, &receipt).map_err(|error| {
        let why = text::without_errno(&error.to_string());
        Failure::new(
            ExitCode::Failed,
            format!("{shown} can't be read: {why}"),
            "name another copy: --check FILE",
        )
    })?;
    match differs {
        None if args.json => Ok(()),
        None => Ok(out.line(&out.paint(Tone::Good, &format!("{shown} is what was sent.")))?),
        Some(how) => Err(Failure::new(
            ExitCode::Failed,
            format!("{shown} is not what was sent: {how}"),
            "look for another copy of the clip; what was sent is in the cloud",
        )),
    }
}

fn sent_from(receipt: &Receipt) -> PathBuf {
    match &receipt.item.path_bytes {
        Some(bytes) => std::ffi::OsString::from_vec(bytes.clone()).into(),
        None => PathBuf::from(&receipt.item.path),
    }
}

fn lines(receipt: &Receipt) -> Vec<String> {
    let (item, digest) = (&receipt.item, clean(&receipt.digest));
    let row = |label: &str, value: &str| format!("{}  {value}", text::right(label, 10));
    let mut lines = vec![
        row("clip", &clean(item.title())),
        row("file", &clean(&item.path)),
        row("size", &format!("{} ({} bytes)", text::size(item.size), item.size)),
        row("delivered", &text::date(receipt.delivered)),
        row("asset", &clean(&item.asset_id)),
        row("project", &clean(&item.project_id)),
        row(&clean(&receipt.algorithm), if receipt.digest.is_empty() { "not noted" } else { &digest }),
        row("vouched", &vouched(receipt)),
    ];
    if receipt.parts.len() > 1 {
        let of = text::count(receipt.parts.len() as u64, "part");
        lines.push(row("parts", &format!("{of} of {} bytes, the last with the rest", receipt.chunk_size)));
        lines.extend(receipt.parts.iter().take(SHOWN).map(|part| row("", &clean(part))));
        let more = receipt.parts.len().saturating_sub(SHOWN);
        if more > 0 {
            lines.push(row("", &format!("… and {more} more; --json shows all")));
        }
    }
    lines
}

/// What the storage has said of it. A tus server checks each request as it comes, and nobody asks it what it has kept.
fn vouched(Receipt { vouched, item, .. }: &Receipt) -> String {
    let (whole, part) = match item.place() {
        Some(Place::Uploads) => ("of what arrived", "of each part as it arrived"),
        Some(Place::Bucket) | None => ("of the file", "of each part"),
    };
    match vouched.split_once(':') {
        Some((algorithm, sum)) => format!("{} {} by the storage, {whole}", clean(algorithm), clean(sum)),
        None if vouched.is_empty() => "the storage has named no checksum".to_owned(),
        None => format!("{} by the storage, {part}", clean(vouched)),
    }
}

/// How the file differs from what was sent; `None` when it does not.
fn compare(path: &Path, receipt: &Receipt) -> std::io::Result<Option<String>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size != receipt.item.size {
        return Ok(Some(format!("it has {size} bytes, and {} were sent", receipt.item.size)));
    }
    if receipt.algorithm != "xxh64" {
        return Ok(Some(format!(
            "this program does not know the algorithm \"{}\"",
            clean(&receipt.algorithm)
        )));
    }
    let mut file = BufReader::with_capacity(1 << 20, file);
    let chunk = receipt.chunk_size.max(1);
    // Of what was sent while it was recorded there is one digest, of all.
    let count = match receipt.parts.len() as u64 {
        0 => size.div_ceil(chunk),
        count => count,
    };
    let mut digests = Vec::new();
    for n in 0..count {
        let part = digest(&mut (&mut file).take(chunk))?;
        digests.push(part);
        let expected = receipt.parts.get(digests.len() - 1);
        if expected.is_some_and(|expected| format!("{part:016x}") != *expected) {
            return Ok(Some(format!("part {} of {count} differs", n + 1)));
        }
    }
    let same = format!("{:016x}", file_digest(&digests)) == receipt.digest;
    Ok((!same).then(|| "the digest of the whole differs".to_owned()))
}

fn digest(from: &mut impl Read) -> std::io::Result<u64> {
    let (mut hash, mut buffer) = (Xxh64::new(0), vec![0; 1 << 16]);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(hash.digest()),
            Ok(n) => hash.update(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh64::xxh64;

    use super::*;
    use crate::bus::Item;

    fn receipt(size: u64, chunk_size: u64, parts: &[&[u8]]) -> Receipt {
        let parts: Vec<u64> = parts.iter().map(|part| xxh64(part, 0)).collect();
        let digest = match parts.as_slice() {
            [one] => *one,
            many => {
                let bytes: Vec<u8> = many.iter().flat_map(|part| part.to_be_bytes()).collect();
                xxh64(&bytes, 0)
            }
        };
        let hex = |n: &u64| format!("{n:016x}");
        Receipt {
            item: Item { size, ..Item::default() },
            delivered: 0,
            algorithm: "xxh64".to_owned(),
            chunk_size,
            parts: parts.iter().map(hex).collect(),
            digest: hex(&digest),
            vouched: String::new(),
        }
    }

    #[test]
    fn what_a_tus_server_has_checked_is_not_said_of_what_it_keeps() {
        const BUCKET: (&str, &str) = ("https://s3.example/footage", "footage");
        const TUS: (&str, &str) = ("https://uploads.example/files/", "uploads.example");
        const CLOUD: (&str, &str) = ("p-1", "Moonrise");
        for ((id, name), said, shown) in [
            (BUCKET, "sha256:abc=", "sha256 abc= by the storage, of the file"),
            (BUCKET, "sha256", "sha256 by the storage, of each part"),
            (TUS, "sha256:abc=", "sha256 abc= by the storage, of what arrived"),
            (TUS, "sha1", "sha1 by the storage, of each part as it arrived"),
            (TUS, "", "the storage has named no checksum"),
            // Nobody knows any more which of the two it was.
            ((BUCKET.0, ""), "sha256:abc=", "sha256 abc= by the storage, of what arrived"),
            (CLOUD, "md5", "md5 by the storage, of each part"),
        ] {
            let item = Item { project_id: id.into(), project_name: name.into(), ..Item::default() };
            let receipt = Receipt { item, vouched: said.to_owned(), ..receipt(1, 1, &[b"x"]) };
            assert_eq!(vouched(&receipt), shown, "{id} {said}");
        }
    }

    #[test]
    fn a_file_is_compared_part_by_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip");
        std::fs::write(&path, b"0123456789").unwrap();
        assert_eq!(compare(&path, &receipt(10, 10, &[b"0123456789"])).unwrap(), None);
        let three = receipt(10, 4, &[b"0123", b"4567", b"89"]);
        assert_eq!(compare(&path, &three).unwrap(), None);
        for (content, how) in [
            (&b"0123456789x"[..], "it has 11 bytes, and 10 were sent"),
            (b"0123x56789", "part 2 of 3 differs"),
            (b"0123456780", "part 3 of 3 differs"),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(compare(&path, &three).unwrap().as_deref(), Some(how));
        }
        std::fs::write(&path, b"0123456789").unwrap();
        let forged = Receipt { digest: "0".repeat(16), ..three.clone() };
        assert!(compare(&path, &forged).unwrap().is_some());
        let newer = Receipt { algorithm: "blake3".to_owned(), ..three };
        assert!(compare(&path, &newer).unwrap().unwrap().contains("blake3"));
        std::fs::write(&path, b"0123456789").unwrap();
        let whole = Receipt { parts: vec![], ..receipt(10, 4, &[b"0123", b"4567", b"89"]) };
        assert_eq!(compare(&path, &whole).unwrap(), None, "of what was sent while it was recorded");
        std::fs::write(&path, b"012345678x").unwrap();
        assert!(compare(&path, &whole).unwrap().is_some());
        assert!(compare(&dir.path().join("gone"), &receipt(1, 1, &[b"x"])).is_err());
    }
}
