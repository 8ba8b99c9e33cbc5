//! What goes along with an object and its parts, and is signed with them.
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use url::form_urlencoded;

use crate::delivery::dialect::Piece;
use crate::queue::checksum::Algorithm;

/// The clip's mark, on its object.
pub(super) const MARK: &str = "x-amz-meta-rigpost-clip";
pub(super) const DEVICE: &str = "x-amz-meta-rigpost-device";
pub(super) const CREATED: &str = "x-amz-meta-rigpost-created";

/// By name.
pub(super) type Headers = Vec<(&'static str, String)>;

/// What an object says of its clip.
pub(super) fn said(mark: &str, filetype: &str, made: Option<i64>, device: Option<&str>) -> Headers {
    let mut headers = vec![("content-type", filetype.to_owned()), (MARK, mark.to_owned())];
    let made = made.and_then(|made| Timestamp::from_second(made).ok());
    headers.extend(made.map(|made| (CREATED, made.to_string())));
    // What a header can't carry is written as in an address.
    let plain = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    headers.extend(device.map(|device| (DEVICE, plain(device))));
    headers
}

/// What is known of a part's bytes, for the storage to check.
pub(super) fn checked(piece: &Piece<'_>) -> Headers {
    let mut headers = Headers::new();
    let Some(digest) = piece.digest else { return headers };
    headers.extend(digest.md5.map(|md5| ("content-md5", BASE64_STANDARD.encode(md5))));
    headers.extend(digest.checksum.and_then(|sum| Some((header(sum.algorithm())?, sum.base64()))));
    headers
}

/// The header of a checksum.
pub(super) fn header(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::Crc64Nvme => Some("x-amz-checksum-crc64nvme"),
        Algorithm::Sha256 => Some("x-amz-checksum-sha256"),
        Algorithm::Sha1 | Algorithm::Md5 => None,
    }
}

/// Of which kind the checksum of an object in parts is; others are refused at its beginning.
pub(super) fn kind(algorithm: Algorithm) -> Option<(&'static str, &'static str)> {
    match algorithm {
        Algorithm::Crc64Nvme => Some(("CRC64NVME", "FULL_OBJECT")),
        Algorithm::Sha256 => Some(("SHA256", "COMPOSITE")),
        Algorithm::Sha1 | Algorithm::Md5 => None,
    }
}
