//! S3: objects in a bucket that somebody owns (AWS, MinIO, Ceph, SeaweedFS, ...).
//!
//! # Decisions
//! - `rusty-s3` signs: it does no input or output, has no opinion on clients, and the simulator has it anyway. It signs the
//!   query and not a header, so what is signed is an address that works for minutes.
//! - An address is kept without its signature: keys of an hour come and go while a clip is sent, and the upload stays.
//! - Of all that a server can be asked, no read right is needed to deliver. A rig may have a role that only writes; then what
//!   only reading would tell is not known, and nothing is claimed of it.
//! - Nothing else is overwritten: a name has the clip's own mark in it ([`template`]). An upload in parts is completed only
//!   where nothing has its name (`If-None-Match`), and what has is looked at before it counts as ours.
pub mod template;

use std::time::Duration;

use jiff::Timestamp;
use rusty_s3::{Bucket, Method as Verb, UrlStyle};
use url::Url;

use super::answer::{TIMEOUT, code, element, is_over, is_page, named, passing, xml};
use super::keys::Keys;
use crate::oauth::{Cause, Trouble};
use crate::provider::wire::{Body, Method, Request, Response, trouble, web_page};
use crate::queue::upload::{CreateError, PartError};
use crate::secret::Secret;
use template::Template;

/// A clip of so many bytes at most goes in one piece.
pub const ONE_PIECE: u64 = 16 << 20;
/// Parts of longer ones have at least so many bytes.
const PART: u64 = 16 << 20;
const MOST_PARTS: u64 = 10_000;
/// As long as an address may be used; the keys may end sooner.
const LIFE: Duration = Duration::from_secs(3600);
/// A storage puts the parts of a large object together for minutes.
const COMPLETION: Duration = Duration::from_secs(900);
/// The clip's mark, on its object.
pub const MARK: &str = "x-amz-meta-rigpost-clip";

/// A bucket.
#[derive(Clone, Debug)]
pub struct S3 {
    bucket: Bucket,
    endpoint: Url,
    template: Template,
}

/// Why an address of a bucket can't be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("names no host that a bucket could be at")]
pub struct NoBucket;

/// Who signs, and when, by the server's clock.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// In force.
    pub keys: &'a Keys,
    /// Unix seconds.
    pub at: i64,
}

/// What completing an upload came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The object is there.
    Done,
    /// An object of that name is there, or the upload is not: it may be ours, whose answer was lost.
    Doubtful(String),
    /// The storage can't make an object of what was sent. Holds its word.
    Unusable(String),
}

/// What lies at an object's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This clip.
    Ours,
    /// Nothing.
    Nothing,
    /// Something else.
    Another,
    /// The role may not look.
    Hidden,
}

impl S3 {
    /// # Errors
    /// The address can't be that of a bucket.
    pub fn new(
        endpoint: Url,
        path_style: bool,
        bucket: &str,
        region: &str,
        template: Template,
    ) -> Result<S3, NoBucket> {
        let style = if path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let made = Bucket::new(endpoint.clone(), style, bucket.to_owned(), region.to_owned());
        Ok(S3 { bucket: made.map_err(|_| NoBucket)?, endpoint, template })
    }

    /// What clips are bound to: as long as it stays the same, so does where they go.
    pub fn binding(&self) -> String {
        let at = self.endpoint.as_str().trim_end_matches('/');
        format!("{at}/{}", self.bucket.name())
    }

    /// What all addresses of it begin with, up to a slash: the binding of one bucket begins that of another.
    pub fn base(&self) -> String {
        self.bucket.object_url("").as_str().to_owned()
    }

    /// For the screen.
    pub fn name(&self) -> &str {
        self.bucket.name()
    }

    /// What objects are called.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Where the one piece goes of a clip that is sent in one.
    pub fn address(&self, key: &str) -> Secret {
        Secret::new(self.bucket.object_url(key).as_str())
    }

    /// Begins an upload in parts. `mark`: the clip's.
    pub fn begin(&self, signer: Signer<'_>, key: &str, filetype: &str, mark: &str) -> Request {
        let headers = vec![("content-type", filetype.to_owned()), (MARK, mark.to_owned())];
        let url = self.bucket.object_url(key);
        let signed = self.sign(signer, Verb::Post, &url, &[("uploads", "")], &headers);
        request("upload", Method::Post, url, signed, headers, Body::Empty)
    }

    /// The addresses of its parts, in byte order, of a clip of so many bytes.
    ///
    /// # Errors
    /// There is no upload.
    pub fn read_begin(&self, response: &Response, key: &str, size: u64) -> Result<Vec<Secret>, CreateError> {
        expect(response)?;
        let text = String::from_utf8_lossy(&response.body);
        let unusable =
            || CreateError::Transient(trouble(Cause::Provider, "an upload that can't be used", None));
        let document = xml(&text).ok_or_else(unusable)?;
        let id = element(&document, "UploadId").filter(|id| id.len() <= 1024).ok_or_else(unusable)?;
        let mut url = self.bucket.object_url(key);
        let parts = size.div_ceil(part_length(size)).max(1);
        Ok((1..=parts)
            .map(|n| {
                url.query_pairs_mut()
                    .clear()
                    .append_pair("partNumber", &n.to_string())
                    .append_pair("uploadId", id);
                Secret::new(url.as_str())
            })
            .collect())
    }

    /// Where a part is put, and with what. `mark`: of a clip in one piece.
    pub fn part(
        &self,
        signer: Signer<'_>,
        address: &Secret,
        filetype: &str,
        mark: &str,
    ) -> Option<(Secret, Vec<(&'static str, String)>)> {
        let (url, query) = split(address)?;
        let mut headers = Vec::new();
        if query.is_empty() {
            headers.push(("content-type", filetype.to_owned()));
            headers.push((MARK, mark.to_owned()));
        }
        let signed = self.sign(signer, Verb::Put, &url, &borrowed(&query), &headers);
        Some((signed, headers))
    }

    /// What the storage's answer to a part means.
    ///
    /// # Errors
    /// It was not taken.
    pub fn read_part(&self, address: &Secret, response: &Response) -> Result<(), PartError> {
        let word = code(response);
        let named = || named(response.status, word.as_deref());
        match (response.status, word.as_deref().unwrap_or_default()) {
            (200..=299, "") if is_page(response) => Err(PartError::Transient(web_page())),
            // What is completed is completed by these.
            (200..=299, "") if response.etag.is_empty() && upload(address).is_some() => {
                Err(PartError::Damaged("the storage has named no ETag".to_owned()))
            }
            (200..=299, "") => Ok(()),
            (300..=399, word) if !word.is_empty() => Err(PartError::Forbidden(elsewhere(&named()))),
            (_, "NoSuchUpload" | "NoSuchKey") => Err(PartError::UrlDead(named())),
            (400..=499, _) if is_over(response) => Err(PartError::KeysOver(named())),
            (403, _) if !is_page(response) => Err(PartError::Forbidden(named())),
            (
                400,
                "BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch",
            ) => Err(PartError::Damaged(named())),
            (400..=499, "RequestTimeout" | "SlowDown" | "TooManyRequests" | "") => {
                Err(PartError::Transient(passing(response)))
            }
            (400, "EntityTooLarge" | "KeyTooLongError" | "EntityTooSmall") => {
                Err(PartError::Refused(named()))
            }
            (400..=499, _) => Err(PartError::Forbidden(named())),
            (200..=299, _) | (_, _) => Err(PartError::Transient(passing(response))),
        }
    }

    /// Says that all parts are there. `etags`: theirs, in byte order, as the storage wrote them. `None`: it went in one
    /// piece, and nothing has to be said.
    pub fn complete(&self, signer: Signer<'_>, address: &Secret, etags: &[String]) -> Option<Request> {
        let (url, id) = upload_of(address)?;
        let headers = vec![("if-none-match", "*".to_owned())];
        let signed = self.sign(signer, Verb::Post, &url, &[("uploadId", &id)], &headers);
        let mut xml = String::from("<CompleteMultipartUpload>");
        for (n, etag) in etags.iter().enumerate() {
            let etag = etag.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            xml += &format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", n + 1);
        }
        xml += "</CompleteMultipartUpload>";
        let asked = request("completion", Method::Post, url, signed, headers, Body::Xml(xml));
        Some(Request { timeout: COMPLETION, ..asked })
    }

    /// A storage may answer 200 before it knows, and say in the body that it came to nothing.
    ///
    /// # Errors
    /// It is not known what became of it, or it was refused.
    pub fn read_completion(&self, response: &Response) -> Result<Completion, CreateError> {
        let word = code(response);
        match (response.status, word.as_deref()) {
            (200..=299, None) if !is_page(response) => Ok(Completion::Done),
            (_, Some(word @ ("NoSuchUpload" | "NoSuchKey" | "PreconditionFailed"))) => {
                Ok(Completion::Doubtful(word.to_owned()))
            }
            (412, _) => Ok(Completion::Doubtful("PreconditionFailed".to_owned())),
            (400, Some(word @ ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "MalformedXML"))) => {
                Ok(Completion::Unusable(word.to_owned()))
            }
            // Another one is at it, and may come to nothing.
            (409, Some(_)) => Err(CreateError::Transient(passing(response))),
            _ => expect(response).and_then(|()| Err(CreateError::Transient(passing(response)))),
        }
    }

    /// Looks at what lies at an object's name.
    pub fn look(&self, signer: Signer<'_>, address: &Secret) -> Option<Request> {
        let (url, _) = split(address)?;
        let signed = self.sign(signer, Verb::Head, &url, &[], &[]);
        Some(request("object", Method::Head, url, signed, vec![], Body::Empty))
    }

    /// Whether it is this clip, by its mark.
    ///
    /// # Errors
    /// Nobody knows: try again later.
    pub fn read_look(&self, response: &Response, mark: &str) -> Result<Found, Trouble> {
        match response.status {
            200..=299 if response.mark == mark => Ok(Found::Ours),
            200..=299 if response.mark.is_empty() && is_page(response) => Err(web_page()),
            200..=299 => Ok(Found::Another),
            404 => Ok(Found::Nothing),
            403 => Ok(Found::Hidden),
            _ => Err(passing(response)),
        }
    }

    /// Gives an upload up: its parts cost whoever owns the bucket money. `None`: there is none to give up.
    pub fn abort(&self, signer: Signer<'_>, address: &Secret) -> Option<Request> {
        let (url, id) = upload_of(address)?;
        let signed = self.sign(signer, Verb::Delete, &url, &[("uploadId", &id)], &[]);
        Some(request("giving up", Method::Delete, url, signed, vec![], Body::Empty))
    }

    /// Headers by name, in order.
    fn sign(
        &self,
        signer: Signer<'_>,
        verb: Verb,
        url: &Url,
        query: &[(&str, &str)],
        headers: &[(&'static str, String)],
    ) -> Secret {
        let at = Timestamp::from_second(signer.at).unwrap_or_default();
        let Keys { id, secret, session, .. } = signer.keys;
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signed = rusty_s3::signing::sign(
            &at,
            verb,
            url.clone(),
            id,
            secret.expose(),
            session.as_ref().map(Secret::expose),
            self.bucket.region(),
            LIFE.as_secs(),
            query.iter().copied(),
            headers,
        );
        Secret::new(signed.as_str())
    }
}

/// The address of an upload that can be given up, where this is one of its parts. Without a signature it is no secret.
pub fn upload(address: &Secret) -> Option<String> {
    upload_of(address).map(|_| address.expose().to_owned())
}

/// What an answer to [`S3::abort`] says: nothing of it is left.
pub fn is_given_up(response: &Response) -> bool {
    let word = code(response);
    let is_unknown = matches!(word.as_deref(), Some("NoSuchUpload" | "NoSuchKey"));
    !is_page(response) && ((200..=299).contains(&response.status) && word.is_none() || is_unknown)
}

/// Where else, nobody says in a way that could be followed blindly.
fn elsewhere(named: &str) -> String {
    format!("{named}: the bucket is in another region, or at another endpoint")
}

/// Bytes in each part but the last of a clip of so many.
pub fn part_length(size: u64) -> u64 {
    // Whole MiB, so that no clip has one part more than its number of bytes needs.
    let least = size.div_ceil(MOST_PARTS).div_ceil(1 << 20) << 20;
    least.max(PART)
}

/// The object's own address, and what stands behind it, by name.
fn split(address: &Secret) -> Option<(Url, Vec<(String, String)>)> {
    let mut url = Url::parse(address.expose()).ok()?;
    let mut query: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    query.sort_unstable();
    url.set_query(None);
    Some((url, query))
}

/// The object's own address, and the upload to it that this is a part of.
fn upload_of(address: &Secret) -> Option<(Url, String)> {
    let (url, query) = split(address)?;
    let (_, id) = query.into_iter().find(|(name, _)| name == "uploadId")?;
    Some((url, id))
}

fn borrowed(query: &[(String, String)]) -> Vec<(&str, &str)> {
    query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn request(
    name: &'static str,
    method: Method,
    url: Url,
    signed: Secret,
    headers: Vec<(&'static str, String)>,
    body: Body,
) -> Request {
    Request { signed: Some(signed), headers, body, ..Request::plain(name, method, url, TIMEOUT) }
}

/// The answer is a yes, or what its no to an upload means.
fn expect(response: &Response) -> Result<(), CreateError> {
    let word = code(response);
    let named = |word| named(response.status, Some(word));
    match (response.status, word.as_deref()) {
        (200..=299, None) if !is_page(response) => Ok(()),
        (400..=499, Some(_)) if is_over(response) => Err(CreateError::Unauthorized),
        (300..=399, Some(word)) => Err(CreateError::Forbidden(elsewhere(&named(word)))),
        (403 | 404, Some(word)) => Err(CreateError::Forbidden(named(word))),
        (400..=499, Some("RequestTimeout" | "SlowDown" | "TooManyRequests")) => {
            Err(CreateError::Transient(passing(response)))
        }
        (400..=499, Some(word)) => Err(CreateError::Conflict(named(word))),
        _ => Err(CreateError::Transient(passing(response))),
    }
}

#[cfg(test)]
mod tests;
