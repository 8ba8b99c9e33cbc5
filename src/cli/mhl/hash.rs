//! The hashes of ASC MHL.
//!
//! # Decisions
//!
//! - Each by a kept crate that is here anyway (`md-5`, `ring`, `xxhash-rust`); `bs58` writes C4 IDs (SMPTE ST 2114), which are
//!   SHA-512 in 88 of its digits.

use md5::{Digest as _, Md5};
use ring::digest::{self, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA512};
use xxhash_rust::xxh3::Xxh3Default;
use xxhash_rust::xxh64::Xxh64;

/// Of SHA-512.
const C4_DIGITS: usize = 88;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    Xxh64,
    Xxh3,
    Xxh128,
    Md5,
    Sha1,
    C4,
}

impl Format {
    /// That which receipts are made of comes first.
    pub(super) const ALL: [Format; 6] =
        [Format::Xxh64, Format::Xxh3, Format::Xxh128, Format::Md5, Format::Sha1, Format::C4];

    /// The element's name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Format::Xxh64 => "xxh64",
            Format::Xxh3 => "xxh3",
            Format::Xxh128 => "xxh128",
            Format::Md5 => "md5",
            Format::Sha1 => "sha1",
            Format::C4 => "c4",
        }
    }
}

/// One that is being computed.
pub(super) enum Hasher {
    Xxh64(Box<Xxh64>),
    /// For both of its lengths.
    Xxh3(Format, Box<Xxh3Default>),
    Md5(Box<Md5>),
    Sha(Format, Box<Context>),
}

impl Hasher {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Xxh64 => Hasher::Xxh64(Box::new(Xxh64::new(0))),
            Format::Xxh3 | Format::Xxh128 => Hasher::Xxh3(format, Box::new(Xxh3Default::new())),
            Format::Md5 => Hasher::Md5(Box::new(Md5::new())),
            Format::Sha1 => Hasher::Sha(format, Box::new(Context::new(&SHA1_FOR_LEGACY_USE_ONLY))),
            Format::C4 => Hasher::Sha(format, Box::new(Context::new(&SHA512))),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Xxh64(hash) => hash.update(bytes),
            Hasher::Xxh3(_, hash) => hash.update(bytes),
            Hasher::Md5(hash) => hash.update(bytes),
            Hasher::Sha(_, hash) => hash.update(bytes),
        }
    }

    /// As it stands in a manifest.
    pub(super) fn finish(self) -> (Format, String) {
        match self {
            Hasher::Xxh64(hash) => (Format::Xxh64, format!("{:016x}", hash.digest())),
            Hasher::Xxh3(Format::Xxh128, hash) => (Format::Xxh128, format!("{:032x}", hash.digest128())),
            Hasher::Xxh3(format, hash) => (format, format!("{:016x}", hash.digest())),
            Hasher::Md5(hash) => (Format::Md5, hex(&hash.finalize())),
            Hasher::Sha(Format::C4, hash) => (Format::C4, c4_of(&hash.finish())),
            Hasher::Sha(format, hash) => (format, hex(hash.finish().as_ref())),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The C4 ID of a text.
pub(super) fn c4(bytes: &[u8]) -> String {
    c4_of(&digest::digest(&SHA512, bytes))
}

fn c4_of(sha512: &digest::Digest) -> String {
    // A number: what stands before its first digit is none of base 58's zeros for bytes.
    let digits = bs58::encode(sha512.as_ref()).into_string();
    let number = digits.trim_start_matches('1');
    format!("c4{number:1>C4_DIGITS$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_reference_tool() {
        // `ascmhl-debug hash` of a file that has these six bytes.
        let known = [
            (Format::Xxh64, "e4c191d091bd8853"),
            (Format::Xxh3, "99fc819aaba2462a"),
            (Format::Xxh128, "6bba86c7e069f56d5a10b435f1c8e49c"),
            (Format::Md5, "b1946ac92492d2347c6235b4d2611184"),
            (Format::Sha1, "f572d396fae9206628714fb2ce00f72e94f2258f"),
            (
                Format::C4,
                "c45dkQrAqUiR8WzPGgn6fAGji3VAVeAE7cKVG4G53ou9dTk4Nzb9vFYEwzy9jq5ZKQKM64DMpPpVbYe2bMsZP2yYKi",
            ),
        ];
        for (format, sum) in known {
            let mut hasher = Hasher::new(format);
            hasher.update(b"hel");
            hasher.update(b"lo\n");
            assert_eq!(hasher.finish(), (format, sum.to_owned()));
        }
        assert_eq!(known.map(|(format, _)| format), Format::ALL);
        // SMPTE ST 2114's own example, of nothing.
        assert_eq!(
            c4(b""),
            "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT"
        );
    }
}
