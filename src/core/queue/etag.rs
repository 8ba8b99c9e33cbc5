//! Whether what arrived at the storage is what was read from the file.
//!
//! # Decisions
//! - S3 answers a part with its MD5 as the ETag, but not where it encrypts with keys of its own (SSE-KMS, SSE-C): then
//!   the ETag looks the same and means nothing. So one part that matches proves the kind, and only after that a part
//!   that does not match is damaged for sure. Before that, a mismatch is tried once more and then taken as another kind.
//! - MD5 costs more than all the rest of sending: where the ETags are of another kind it is no longer computed.
use crate::queue::checksum::Checksum;

/// What is known of one storage's ETags; for as long as the daemon runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtagKind {
    /// No part has told.
    #[default]
    Unknown,
    /// One part's ETag was its MD5.
    Md5,
    /// They are something else.
    Other,
}

/// What to make of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived as it was read, as far as can be known.
    Accept,
    /// Send it again.
    Resend,
}

impl EtagKind {
    /// Compare at all.
    pub fn wants_md5(self) -> bool {
        self != EtagKind::Other
    }

    /// Judges the ETag of a part, as the storage wrote it, by the MD5 of what was read. `again`: the part was sent again
    /// because of the same doubt.
    pub fn judge(&mut self, etag: &str, md5: Option<[u8; 16]>, again: bool) -> Verdict {
        let (Some(md5), true) = (md5, self.wants_md5()) else { return Verdict::Accept };
        match parse(etag) {
            Some(theirs) if theirs == md5 => {
                *self = EtagKind::Md5;
                Verdict::Accept
            }
            Some(_) if *self == EtagKind::Md5 || !again => Verdict::Resend,
            Some(_) | None => {
                if *self == EtagKind::Unknown {
                    *self = EtagKind::Other;
                }
                Verdict::Accept
            }
        }
    }
}

/// What the storage has vouched for with this ETag: it is the MD5 of what was read.
pub fn vouched(etag: &str, md5: Option<[u8; 16]>) -> Option<Checksum> {
    md5.filter(|md5| parse(etag) == Some(*md5)).map(Checksum::Md5)
}

/// 32 hexadecimal digits, with the quotes of RFC 9110 §8.8.3 or without.
fn parse(etag: &str) -> Option<[u8; 16]> {
    let hex = etag.trim().trim_matches('"');
    if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(hex, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [u8; 16] = *b"0123456789abcdef";
    const OURS_TEXT: &str = "\"30313233343536373839616263646566\"";
    const THEIRS: &str = "\"ffffffffffffffffffffffffffffffff\"";

    #[test]
    fn a_part_is_judged_by_what_is_known() {
        use EtagKind::{Md5, Other, Unknown};
        use Verdict::{Accept, Resend};

        let rows = [
            (Unknown, OURS_TEXT, Some(OURS), false, Accept, Md5),
            (Unknown, "30313233343536373839616263646566", Some(OURS), false, Accept, Md5),
            (Unknown, THEIRS, Some(OURS), false, Resend, Unknown),
            (Unknown, THEIRS, Some(OURS), true, Accept, Other),
            (Unknown, OURS_TEXT, Some(OURS), true, Accept, Md5),
            (Unknown, "\"abc-2\"", Some(OURS), false, Accept, Other),
            (Unknown, "abc", Some(OURS), false, Accept, Other),
            (Unknown, "+0313233343536373839616263646566", Some(OURS), false, Accept, Other),
            (Unknown, "", Some(OURS), false, Accept, Other),
            (Unknown, THEIRS, None, false, Accept, Unknown),
            (Md5, THEIRS, Some(OURS), false, Resend, Md5),
            (Md5, THEIRS, Some(OURS), true, Resend, Md5),
            (Md5, OURS_TEXT, Some(OURS), true, Accept, Md5),
            (Md5, "", Some(OURS), false, Accept, Md5),
            (Other, THEIRS, Some(OURS), false, Accept, Other),
        ];
        for (before, etag, md5, again, verdict, after) in rows {
            let mut kind = before;
            assert_eq!(kind.judge(etag, md5, again), verdict, "{before:?} {etag} {again}");
            assert_eq!(kind, after, "{before:?} {etag} {again}");
        }
    }
}
