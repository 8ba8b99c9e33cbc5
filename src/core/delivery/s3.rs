//! S3: objects in a bucket that somebody owns (AWS, MinIO, Ceph, SeaweedFS, ...).
//!
//! # Decisions
//! - `rusty-s3` signs: it does no input or output, has no opinion on clients, and the simulator has it anyway. It signs the
//!   query and not a header, so what is signed is an address that works for minutes.
//! - An address is kept without its signature: keys of an hour come and go while a clip is sent, and the upload stays.
//! - Of a part of several the storage is not told the checksum, where it names it all the same: what it says then it has
//!   computed, and the part is read once. In one piece it is told: there what is wrong would be an object before anybody saw
//!   that. Checksums behind the bytes (`aws-chunked`) would need signed headers, and servers that don't know them store the
//!   framing as if it were footage.
//! - Of all that a server can be asked, no read right is needed to deliver. A rig may have a role that only writes; then what
//!   only reading would tell is not known, and nothing is claimed of it.
//! - Nothing else is overwritten: a name has the clip's own mark in it ([`template`]). An upload in parts is completed only
//!   where nothing has its name (`If-None-Match`), and what has is looked at before it counts as ours.
mod headers;
mod read;
pub mod template;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use rusty_s3::{Bucket, Method as Verb, UrlStyle};
use url::{Url, form_urlencoded};

use super::answer::TIMEOUT;
use super::dialect::{
    Asked, Beginning, Begun, Checks, Completion, Dialect, Found, Habits, Object, Piece, SentPart, Signer,
};
use super::keys::Keys;
use crate::oauth::Trouble;
use crate::provider::wire::{Body, Method, PartRequest, Request, Response};
use crate::queue::checksum::{Algorithm, Checksum, lengths, whole};
use crate::queue::promises::Promises;
use crate::queue::upload::{CreateError, PartError};
use crate::secret::Secret;
use headers::{Headers, checked, kind, said};
use template::{Facts, Template};

/// A clip of so many bytes at most goes in one piece.
const ONE_PIECE: u64 = 16 << 20;
/// Parts of longer ones have at least so many bytes.
const PART: u64 = 16 << 20;
const MOST_PARTS: u64 = 10_000;
/// As long as an address may be used; the keys may end sooner.
const LIFE: Duration = Duration::from_secs(3600);
/// A storage puts the parts of a large object together for minutes.
const COMPLETION: Duration = Duration::from_secs(900);
/// A bucket.
#[derive(Clone, Debug)]
pub struct S3 {
    bucket: Bucket,
    endpoint: Url,
    template: Template,
    checksum: Option<Algorithm>,
}

/// Why an address of a bucket can't be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("names no host that a bucket could be at")]
pub struct NoBucket;

impl S3 {
    /// # Errors
    /// The address can't be that of a bucket.
    pub fn new(
        endpoint: Url,
        path_style: bool,
        bucket: &str,
        region: &str,
        template: Template,
        checksum: Option<Algorithm>,
    ) -> Result<S3, NoBucket> {
        let style = if path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let made = Bucket::new(endpoint.clone(), style, bucket.to_owned(), region.to_owned());
        Ok(S3 { bucket: made.map_err(|_| NoBucket)?, endpoint, template, checksum })
    }

    /// Where the one piece goes of a clip that is sent in one, and what its object will say of it: behind the `#`, which no
    /// server sees.
    fn address(&self, key: &str, object: &Object) -> Secret {
        let mut url = self.bucket.object_url(key);
        let made = object.made.to_string();
        let said = form_urlencoded::Serializer::new(String::new())
            .append_pair("made", &made)
            .append_pair("device", &object.device)
            .finish();
        url.set_fragment(Some(&said));
        Secret::new(url.as_str())
    }

    fn key(&self, object: &Object) -> String {
        let Object { mark, name, reel, device, made, .. } = object;
        self.template.fill(Facts { made: *made, device, reel, name, mark })
    }

    /// Puts the headers in the order in which they are signed.
    fn sign(
        &self,
        signer: Signer<'_>,
        verb: Verb,
        url: &Url,
        query: &[(&str, &str)],
        headers: &mut Headers,
    ) -> Option<Secret> {
        headers.sort_unstable();
        let at = Timestamp::from_second(signer.at).unwrap_or_default();
        let Keys { id, secret, session, .. } = signer.authority.keys()?;
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
        Some(Secret::new(signed.as_str()))
    }
}

impl Dialect for S3 {
    fn promises(&self) -> Promises {
        Promises::BUCKET
    }

    fn binding(&self) -> String {
        binding(&self.endpoint, self.bucket.name())
    }

    fn name(&self) -> String {
        self.bucket.name().to_owned()
    }

    /// Up to a slash: the binding of one bucket begins that of another.
    fn base(&self) -> String {
        self.bucket.object_url("").as_str().to_owned()
    }

    fn habits(&self) -> Habits {
        Habits { checksum: self.checksum, gives_up: true, ..Habits::default() }
    }

    /// Whoever asks as a stranger is told no, and when.
    fn clock(&self) -> Option<Request> {
        let url = self.bucket.object_url("");
        Some(Request::plain("time", Method::Head, url, TIMEOUT))
    }

    /// An upload keeps to what it was begun with: what is refused of it counts where it was begun by these habits.
    fn learn(&self, habits: Habits, asked: Asked<'_>, answer: &Response) -> Option<Habits> {
        match asked {
            Asked::Part(piece) if self.checks(habits, piece.address, false).along.is_some() => {
                read::wants_to_be_told(answer).then_some(Habits { names_unasked: Some(false), ..habits })
            }
            Asked::Part(piece)
                if upload_of(piece.address).is_some() && algorithm_of(piece.address) != habits.checksum =>
            {
                None
            }
            Asked::Part(_) | Asked::Upload(_) => read::learn(habits, answer),
        }
    }

    fn asks(&self, size: u64) -> bool {
        size > ONE_PIECE
    }

    fn begin(&self, signer: Signer<'_>, habits: Habits, object: &Object) -> Result<Beginning, CreateError> {
        let key = self.key(object);
        if !self.asks(object.size) {
            let addresses = vec![self.address(&key, object)];
            return Ok(Beginning::Known(Begun { id: key, addresses }));
        }
        let mut headers = said(&object.mark, &object.filetype, Some(object.made), Some(&object.device));
        if let Some((algorithm, kind)) = habits.checksum.and_then(kind) {
            headers.push(("x-amz-checksum-algorithm", algorithm.to_owned()));
            headers.push(("x-amz-checksum-type", kind.to_owned()));
        }
        let url = self.bucket.object_url(&key);
        let signed = self.sign(signer, Verb::Post, &url, &[("uploads", "")], &mut headers);
        let signed = signed.ok_or_else(|| CreateError::Forbidden("a bucket takes keys only".to_owned()))?;
        Ok(Beginning::Ask(Box::new(request("upload", Method::Post, url, signed, headers, Body::Empty))))
    }

    fn read_begin(&self, answer: &Response, habits: Habits, object: &Object) -> Result<Begun, CreateError> {
        let (key, upload) = (self.key(object), read::upload_id(answer)?);
        let mut url = self.bucket.object_url(&key);
        let parts = object.size.div_ceil(part_length(object.size)).max(1);
        // Where no server sees it: what the upload was begun with holds for all of it.
        url.set_fragment(habits.checksum.and_then(kind).and(habits.checksum).map(Algorithm::as_str));
        let addresses = (1..=parts).map(|n| address_of(&mut url, n, &upload)).collect();
        Ok(Begun { id: key, addresses })
    }

    fn strays(&self, signer: Signer<'_>, id: &str) -> Option<Request> {
        let url = self.bucket.object_url("");
        let signed = self.sign(signer, Verb::Get, &url, &[("prefix", id), ("uploads", "")], &mut vec![])?;
        Some(request("uploads", Method::Get, url, signed, vec![], Body::Empty))
    }

    fn read_strays(&self, answer: &Response, id: &str, ours: &Secret) -> Vec<Secret> {
        let ours = upload_of(ours).map(|(_, upload)| upload);
        let uploads = read::uploads(answer, id).into_iter().filter(|upload| Some(upload) != ours.as_ref());
        let mut url = self.bucket.object_url(id);
        uploads.map(|upload| address_of(&mut url, 1, &upload)).collect()
    }

    fn checks(&self, habits: Habits, address: &Secret, md5: bool) -> Checks {
        let is_of_many = upload_of(address).is_some();
        let algorithm = if is_of_many { algorithm_of(address) } else { habits.checksum };
        let ahead = |ahead, md5| Checks { ahead, md5, along: None };
        match habits.vouches {
            // What is wrong can be put once more as long as it is not an object.
            Some(true) if algorithm.is_some() && is_of_many && habits.names_unasked != Some(false) => {
                Checks { along: algorithm, ..Checks::default() }
            }
            Some(true) if algorithm.is_some() => ahead(algorithm, false),
            // Who names none may check an MD5, and says nothing of it.
            Some(false) => ahead(algorithm.filter(|_| is_of_many), true),
            Some(true) | None => ahead(algorithm, md5),
        }
    }

    fn part(&self, signer: Signer<'_>, piece: Piece<'_>) -> Option<PartRequest> {
        let (url, query) = split(piece.address)?;
        let mut headers = checked(&piece);
        if query.is_empty() {
            let tail = Url::parse(piece.address.expose()).ok()?;
            let told = form_urlencoded::parse(tail.fragment().unwrap_or_default().as_bytes());
            let told: Vec<_> = told.into_owned().collect();
            let of = |name: &str| told.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let made = of("made").and_then(|made| made.parse().ok());
            headers.extend(said(piece.mark, piece.filetype, made, of("device")));
        }
        let url = self.sign(signer, Verb::Put, &url, &borrowed(&query), &mut headers)?;
        Some(PartRequest { method: Method::Put, url, headers, bearer: None })
    }

    fn read_part(&self, piece: Piece<'_>, answer: &Response) -> Result<SentPart, PartError> {
        read::part(piece, answer, upload_of(piece.address).is_some())
    }

    fn complete(
        &self,
        signer: Signer<'_>,
        address: &Secret,
        parts: &[SentPart],
        size: u64,
        sum: bool,
    ) -> Option<Request> {
        let (url, id) = upload_of(address)?;
        let mut headers = vec![("if-none-match", "*".to_owned())];
        let chunk = size.div_ceil((parts.len() as u64).max(1));
        let of_all = whole(parts.iter().map(|part| part.checksum).zip(lengths(size, chunk)));
        if let Some(sum @ Checksum::Crc64Nvme(_)) = of_all.filter(|_| sum) {
            headers.push(("x-amz-checksum-crc64nvme", sum.base64()));
            headers.push(("x-amz-checksum-type", "FULL_OBJECT".to_owned()));
        }
        let signed = self.sign(signer, Verb::Post, &url, &[("uploadId", &id)], &mut headers)?;
        let asked = request("completion", Method::Post, url, signed, headers, Body::Xml(list(parts)));
        Some(Request { timeout: COMPLETION, ..asked })
    }

    fn read_completion(&self, answer: &Response) -> Result<Completion, CreateError> {
        read::completion(answer)
    }

    fn look(&self, signer: Signer<'_>, address: &Secret) -> Option<Request> {
        let (url, _) = split(address)?;
        let signed = self.sign(signer, Verb::Head, &url, &[], &mut vec![])?;
        Some(request("object", Method::Head, url, signed, vec![], Body::Empty))
    }

    fn read_look(&self, answer: &Response, mark: &str) -> Result<Found, Trouble> {
        read::look(answer, mark)
    }

    /// Without a signature it is no secret.
    fn upload(&self, _: Habits, addresses: &[Secret]) -> Option<String> {
        let first = addresses.first().filter(|first| upload_of(first).is_some());
        Some(first.map_or_else(String::new, |first| first.expose().to_owned()))
    }

    fn give_up(&self, signer: Signer<'_>, address: &Secret) -> Option<Request> {
        let (url, id) = upload_of(address)?;
        let signed = self.sign(signer, Verb::Delete, &url, &[("uploadId", &id)], &mut vec![])?;
        Some(request("giving up", Method::Delete, url, signed, vec![], Body::Empty))
    }

    fn is_given_up(&self, answer: &Response) -> bool {
        read::is_given_up(answer)
    }
}

/// The list of the parts, in byte order.
fn list(parts: &[SentPart]) -> String {
    let mut xml = String::from("<CompleteMultipartUpload>");
    for (n, SentPart { etag, checksum }) in parts.iter().enumerate() {
        let etag = etag.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let sum = match checksum {
            Some(sum @ Checksum::Crc64Nvme(_)) => {
                format!("<ChecksumCRC64NVME>{}</ChecksumCRC64NVME>", sum.base64())
            }
            Some(sum @ Checksum::Sha256(_)) => format!("<ChecksumSHA256>{}</ChecksumSHA256>", sum.base64()),
            Some(Checksum::Sha1(_) | Checksum::Md5(_)) | None => String::new(),
        };
        xml += &format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag>{sum}</Part>", n + 1);
    }
    xml + "</CompleteMultipartUpload>"
}

/// Bytes in each part but the last of a clip of so many.
pub fn part_length(size: u64) -> u64 {
    // Whole MiB, so that no clip has one part more than its number of bytes needs.
    let least = size.div_ceil(MOST_PARTS).div_ceil(1 << 20) << 20;
    least.max(PART)
}

/// What clips are bound to that go to this bucket.
pub fn binding(endpoint: &Url, bucket: &str) -> String {
    format!("{}/{bucket}", endpoint.as_str().trim_end_matches('/'))
}

/// The object's own address, and what stands behind it, by name.
fn split(address: &Secret) -> Option<(Url, Vec<(String, String)>)> {
    let mut url = Url::parse(address.expose()).ok()?;
    url.set_fragment(None);
    let mut query: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    query.sort_unstable();
    url.set_query(None);
    Some((url, query))
}

/// The checksum that the upload was begun with that this is a part of.
fn algorithm_of(address: &Secret) -> Option<Algorithm> {
    let url = Url::parse(address.expose()).ok()?;
    let told = url.fragment()?;
    [Algorithm::Crc64Nvme, Algorithm::Sha256].into_iter().find(|algorithm| algorithm.as_str() == told)
}

/// Where part `n` of an upload goes, kept without a signature. `url`: of the object.
fn address_of(url: &mut Url, n: u64, upload: &str) -> Secret {
    url.query_pairs_mut().clear().append_pair("partNumber", &n.to_string()).append_pair("uploadId", upload);
    Secret::new(url.as_str())
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
    headers: Headers,
    body: Body,
) -> Request {
    Request { signed: Some(signed), headers, body, ..Request::plain(name, method, url, TIMEOUT) }
}
