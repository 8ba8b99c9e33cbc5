//! What a bucket's answers mean.
use super::headers::{MARK, header};
use crate::delivery::answer::{TOO_LARGE, code, element, is_over, is_page, message, passing, too_large, xml};
use crate::delivery::dialect::{Completion, Found, Habits, Piece, SentPart};
use crate::oauth::{Cause, Trouble};
use crate::provider::wire::{Response, named, trouble, web_page};
use crate::queue::checksum::Algorithm;
use crate::queue::upload::{CreateError, PartError};

/// A storage that knows nothing of a kind of checksum is given another, and then none.
pub(super) fn learn(habits: Habits, answer: &Response) -> Option<Habits> {
    if habits.checksum.is_none() || !matches!(answer.status, 400 | 501) {
        return None;
    }
    let is_it = match code(answer)?.as_str() {
        "NotImplemented" | "InvalidRequest" | "InvalidArgument" | "UnsupportedArgument" => {
            is_about_checksums(answer)
        }
        _ => false,
    };
    let checksum = habits.checksum.filter(|algorithm| *algorithm == Algorithm::Crc64Nvme);
    is_it.then_some(Habits { checksum: checksum.map(|_| Algorithm::Sha256), ..habits })
}

/// A part without a checksum is none to it.
pub(super) fn wants_to_be_told(answer: &Response) -> bool {
    let word = code(answer).unwrap_or_default();
    let refused = ["InvalidRequest", "InvalidArgument", "NotImplemented", "InvalidDigest", "BadDigest"];
    matches!(answer.status, 400 | 501) && (refused.contains(&&*word) || is_about_checksums(answer))
}

fn is_about_checksums(answer: &Response) -> bool {
    message(answer).to_ascii_lowercase().contains("checksum")
}

/// The number of an upload that was begun.
pub(super) fn upload_id(answer: &Response) -> Result<String, CreateError> {
    expect(answer)?;
    let text = String::from_utf8_lossy(&answer.body);
    let unusable = || CreateError::Transient(trouble(Cause::Provider, "an upload that can't be used", None));
    let document = xml(&text).ok_or_else(unusable)?;
    let id = element(&document, "UploadId").filter(|id| id.len() <= 1024).ok_or_else(unusable)?;
    Ok(id.to_owned())
}

/// The numbers of the uploads of this object.
pub(super) fn uploads(answer: &Response, key: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&answer.body);
    let Some(document) = xml(&text).filter(|_| (200..300).contains(&answer.status)) else { return vec![] };
    let all = document.descendants().filter(|node| node.tag_name().name() == "Upload");
    let of = |node: roxmltree::Node<'_, '_>, name: &str| {
        let found = node.children().find(|child| child.tag_name().name() == name);
        found.and_then(|child| child.text()).map(|text| text.trim().to_owned())
    };
    let ours = all.filter(|node| of(*node, "Key").as_deref() == Some(key));
    ours.filter_map(|node| of(node, "UploadId")).filter(|id| !id.is_empty() && id.len() <= 1024).collect()
}

/// `is_of_many`: it is one of several, and what is completed is completed by their ETags.
pub(super) fn part(piece: Piece<'_>, answer: &Response, is_of_many: bool) -> Result<SentPart, PartError> {
    let word = code(answer);
    let named = || named(answer.status, word.as_deref());
    match (answer.status, word.as_deref().unwrap_or_default()) {
        (200..=299, "") if is_page(answer) => Err(PartError::Transient(web_page())),
        (200..=299, "") if answer.etag.is_empty() && is_of_many => {
            Err(PartError::Damaged("the storage has named no ETag".to_owned()))
        }
        (200..=299, "") => confirmed(piece, answer),
        (300..=399, word) if !word.is_empty() => Err(PartError::Forbidden(elsewhere(&named()))),
        (_, "NoSuchUpload" | "NoSuchKey") => Err(PartError::UrlDead(named())),
        (404, "") if is_of_many && !is_page(answer) => Err(PartError::Unfound(named(), false)),
        (TOO_LARGE, _) => Err(PartError::Refused(too_large(answer, piece.len))),
        // It was begun with another.
        (400 | 501, "InvalidRequest" | "InvalidArgument" | "NotImplemented")
            if is_of_many && is_about_checksums(answer) =>
        {
            Err(PartError::UrlDead(named()))
        }
        (400..=499, _) if is_over(answer) => Err(PartError::KeysOver(named())),
        (403, _) if !is_page(answer) => Err(PartError::Forbidden(named())),
        (
            400,
            "BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch",
        ) => Err(PartError::Damaged(named())),
        (400..=499, "RequestTimeout" | "SlowDown" | "TooManyRequests" | "") => {
            Err(PartError::Transient(passing(answer)))
        }
        (400, "EntityTooLarge" | "KeyTooLongError" | "EntityTooSmall") => Err(PartError::Refused(named())),
        (400..=499, _) => Err(PartError::Forbidden(named())),
        (200..=299, _) | (_, _) => Err(PartError::Transient(passing(answer))),
    }
}

/// Only what the storage names itself is its word: some take a wrong checksum, and say nothing.
fn confirmed(piece: Piece<'_>, answer: &Response) -> Result<SentPart, PartError> {
    let ours = piece.digest.and_then(|digest| digest.checksum);
    let theirs = ours.and_then(|sum| header(sum.algorithm())).map_or("", |name| answer.header(name));
    match ours {
        Some(ours) if !theirs.is_empty() && theirs != ours.base64() => Err(PartError::Damaged(
            "the storage's checksum of a part is not that of what was read".to_owned(),
        )),
        ours => {
            let checksum = ours.filter(|_| !theirs.is_empty());
            Ok(SentPart { etag: answer.etag.clone(), checksum })
        }
    }
}

/// A storage may answer 200 before it knows, and say in the body that it came to nothing.
pub(super) fn completion(answer: &Response) -> Result<Completion, CreateError> {
    let word = code(answer);
    match (answer.status, word.as_deref()) {
        (200..=299, None) if !is_page(answer) => Ok(Completion::Done),
        (_, Some(word @ ("NoSuchUpload" | "NoSuchKey" | "PreconditionFailed"))) => {
            Ok(Completion::Doubtful(word.to_owned()))
        }
        (412, _) => Ok(Completion::Doubtful("PreconditionFailed".to_owned())),
        (400, Some(word @ ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "MalformedXML"))) => {
            Ok(Completion::Unusable(word.to_owned()))
        }
        (400, Some(word @ ("BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch"))) => {
            Ok(Completion::AnotherSum(word.to_owned()))
        }
        (400, Some(word @ ("InvalidRequest" | "InvalidArgument"))) if is_about_checksums(answer) => {
            Ok(Completion::AnotherSum(word.to_owned()))
        }
        // Another one is at it, and may come to nothing.
        (409, Some(_)) => Err(CreateError::Transient(passing(answer))),
        _ => expect(answer).and_then(|()| Err(CreateError::Transient(passing(answer)))),
    }
}

/// Whether what lies there is this clip, by its mark.
pub(super) fn look(answer: &Response, mark: &str) -> Result<Found, Trouble> {
    let theirs = answer.header(MARK);
    match answer.status {
        200..=299 if theirs == mark => Ok(Found::Ours),
        200..=299 if theirs.is_empty() && is_page(answer) => Err(web_page()),
        200..=299 => Ok(Found::Another),
        404 => Ok(Found::Nothing),
        403 => Ok(Found::Hidden),
        _ => Err(passing(answer)),
    }
}

/// Nothing of an upload is left.
pub(super) fn is_given_up(answer: &Response) -> bool {
    let word = code(answer);
    let is_unknown = matches!(word.as_deref(), Some("NoSuchUpload" | "NoSuchKey"));
    !is_page(answer) && ((200..=299).contains(&answer.status) && word.is_none() || is_unknown)
}

/// Where else, nobody says in a way that could be followed blindly.
fn elsewhere(named: &str) -> String {
    format!("{named}: the bucket is in another region, or at another endpoint")
}

/// The answer is a yes, or what its no to an upload means.
fn expect(answer: &Response) -> Result<(), CreateError> {
    let word = code(answer);
    let named = |word| named(answer.status, Some(word));
    match (answer.status, word.as_deref()) {
        (200..=299, None) if !is_page(answer) => Ok(()),
        (400..=499, Some(_)) if is_over(answer) => Err(CreateError::Unauthorized),
        (300..=399, Some(word)) => Err(CreateError::Forbidden(elsewhere(&named(word)))),
        (403 | 404, Some(word)) => Err(CreateError::Forbidden(named(word))),
        (400..=499, Some("RequestTimeout" | "SlowDown" | "TooManyRequests")) => {
            Err(CreateError::Transient(passing(answer)))
        }
        (400..=499, Some(word)) => Err(CreateError::Conflict(named(word))),
        _ => Err(CreateError::Transient(passing(answer))),
    }
}
