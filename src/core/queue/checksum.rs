//! Checksums that storages compute of what arrives, so that they vouch for it.
mod combine;

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use combine::Combine;

/// How one is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Of a whole object it is known from those of its parts.
    Crc64Nvme,
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4; every tus server that checks anything has it.
    Sha1,
    /// RFC 1321: by which S3 calls what it was given.
    Md5,
}

impl Algorithm {
    /// As S3, tus and receipts write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Crc64Nvme => "crc64nvme",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha1 => "sha1",
            Algorithm::Md5 => "md5",
        }
    }
}

/// One of them. Written as `algorithm:base64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// CRC-64/NVME.
    Crc64Nvme(u64),
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// MD5.
    Md5([u8; 16]),
}

impl Checksum {
    /// How it was computed.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Checksum::Crc64Nvme(_) => Algorithm::Crc64Nvme,
            Checksum::Sha256(_) => Algorithm::Sha256,
            Checksum::Sha1(_) => Algorithm::Sha1,
            Checksum::Md5(_) => Algorithm::Md5,
        }
    }

    /// Its bytes, most significant first, in base64: as headers carry them.
    pub fn base64(self) -> String {
        match self {
            Checksum::Crc64Nvme(sum) => BASE64_STANDARD.encode(sum.to_be_bytes()),
            Checksum::Sha256(sum) => BASE64_STANDARD.encode(sum),
            Checksum::Sha1(sum) => BASE64_STANDARD.encode(sum),
            Checksum::Md5(sum) => BASE64_STANDARD.encode(sum),
        }
    }

    /// What was written; `None`: that is none.
    pub fn parse(text: &str) -> Option<Checksum> {
        let (algorithm, sum) = text.split_once(':')?;
        let bytes = BASE64_STANDARD.decode(sum).ok()?;
        match algorithm {
            "crc64nvme" => bytes.try_into().ok().map(|sum| Checksum::Crc64Nvme(u64::from_be_bytes(sum))),
            "sha256" => bytes.try_into().ok().map(Checksum::Sha256),
            "sha1" => bytes.try_into().ok().map(Checksum::Sha1),
            "md5" => bytes.try_into().ok().map(Checksum::Md5),
            _ => None,
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm().as_str(), self.base64())
    }
}

/// The checksum of what parts make, in byte order, each with its length in bytes; `None`: theirs don't tell.
pub fn whole(parts: impl IntoIterator<Item = (Option<Checksum>, u64)>) -> Option<Checksum> {
    let (mut whole, mut crcs) = (None, Combine::default());
    for (part, len) in parts {
        let part = part?;
        whole = Some(match (whole, part) {
            (None, part) => part,
            (Some(Checksum::Crc64Nvme(before)), Checksum::Crc64Nvme(part)) => {
                Checksum::Crc64Nvme(crcs.append(before, part, len))
            }
            (Some(_), _) => return None,
        });
    }
    whole
}

/// How long the parts are of `size` bytes that are cut in chunks of so many; none at all where there are no more.
pub fn lengths(size: u64, chunk: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |n: u64| chunk.min(size.saturating_sub(chunk.saturating_mul(n))))
}

/// What a storage has vouched for that has named these: the checksum of the whole, or by which it knows each part; `None`:
/// there is one of which it has said nothing.
pub fn vouched(parts: impl IntoIterator<Item = (Option<Checksum>, u64)>) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().collect();
    if let Some(whole) = whole(parts.iter().copied()) {
        return Some(whole.to_string());
    }
    let (first, _) = parts.first()?;
    let algorithm = first.as_ref()?.algorithm();
    let is_same = |(part, _): &(Option<Checksum>, u64)| part.is_some_and(|sum| sum.algorithm() == algorithm);
    parts.iter().all(is_same).then(|| algorithm.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(bytes: &[u8]) -> Checksum {
        Checksum::Crc64Nvme(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes))
    }

    #[test]
    fn a_checksum_is_written_and_read() {
        // The catalogue's check value.
        assert_eq!(crc(b"123456789"), Checksum::Crc64Nvme(0xae8b_1486_0a79_9888));
        assert_eq!(crc(b"123456789").to_string(), "crc64nvme:rosUhgp5mIg=");
        for sum in [crc(b"a"), Checksum::Sha256([7; 32]), Checksum::Sha1([9; 20]), Checksum::Md5([1; 16])] {
            assert_eq!(Checksum::parse(&sum.to_string()), Some(sum));
        }
        for text in
            ["", "crc64nvme", "crc64nvme:", "crc64nvme:AAAA", "blake3:rosUhgp5mIg=", "sha1:rosUhgp5mIg="]
        {
            assert_eq!(Checksum::parse(text), None, "{text}");
        }
    }

    #[test]
    fn of_parts_that_all_have_one_the_whole_is_known() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|i| (i * 31 % 251) as u8).collect();
        for at in [vec![], vec![1], vec![40_000, 99_999], vec![16, 17, 18]] {
            let ends: Vec<usize> = [0].into_iter().chain(at).chain([bytes.len()]).collect();
            let parts = ends.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            let parts: Vec<_> = parts.map(|part| (Some(crc(part)), part.len() as u64)).collect();
            assert_eq!(whole(parts.clone()), Some(crc(&bytes)), "{ends:?}");
            assert_eq!(whole(parts.into_iter().chain([(None, 1)])), None);
        }
        let sha = Some(Checksum::Sha256([1; 32]));
        assert_eq!(whole([(sha, 1)]), sha);
        assert_eq!(whole([(sha, 1), (sha, 1)]), None);
        assert_eq!(whole([]), None);
        assert_eq!(vouched([(sha, 1), (sha, 1)]).as_deref(), Some("sha256"));
        assert_eq!(vouched([(sha, 1), (Some(crc(b"a")), 1)]), None);
        assert_eq!(vouched([(sha, 1), (None, 1)]), None);
        assert_eq!(vouched([(Some(crc(b"ab")), 2)]), Some(crc(b"ab").to_string()));
        assert_eq!(vouched([]), None);
    }
}
