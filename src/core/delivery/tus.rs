//! tus 1.0: an upload that grows at its end, at a server that somebody owns (tusd, @tus/server, rustus, ...).
//!
//! # Decisions
//! - Bytes go in requests of 8 MiB: a server may keep nothing of one that is cut, and a long clip must end on a bad line.
//!   Something before it may take less (nginx 1 MiB, aiohttp a byte less, Django 2.5 MB by themselves): an upload of which
//!   nothing was taken yet is begun anew then, in requests of a ninth.
//! - Whether an upload can be gone on with is the server's word, asked by HEAD and never assumed. Expired ones are "not found"
//!   as often as "gone".
//! - A checksum goes along only where the server offers to check it: others accept a wrong one and say nothing.
//! - Name and type go along, as there are servers that want both. Names beyond ASCII are refused by some; those are told the
//!   name with what they can't read left out.
//! - What is whole is never taken away: most servers would delete a finished upload.
//! - The sign-in's token goes to the endpoint's own host and to no other, whatever `Location` says.
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use url::Url;

use super::answer::{TIMEOUT, TOO_LARGE, is_page, passing, too_large};
use super::dialect::{Asked, Beginning, Begun, Dialect, Habits, Object, Piece, SentPart, Signer, Standing};
use crate::provider::wire::{Authorization, Method, PartRequest, Request, Response, web_page};
use crate::queue::checksum::Algorithm;
use crate::queue::promises::Promises;
use crate::queue::upload::{CreateError, PartError};
use crate::secret::Secret;

/// Bytes in one request, at least; of longer clips so many that there are no more than [`MOST_PARTS`].
const PART: u64 = 8 << 20;
const MOST_PARTS: u64 = 10_000;
/// So much less where requests are too large, and no less than this; in no more requests than these.
const SMALLER: u64 = 9;
const LEAST: u64 = 32 << 10;
const MOST_SMALL_PARTS: u64 = 40_000;
/// The only version there is (tus 1.0 §Headers).
const VERSION: (&str, &str) = ("tus-resumable", "1.0.0");
/// The name of the question what a server can.
const EXTENSIONS: &str = "extensions";
/// An upload's address is no longer.
const LONGEST: usize = 1000;

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tus {
    endpoint: Url,
}

impl Tus {
    /// `endpoint`: where uploads are created.
    pub fn new(endpoint: Url) -> Tus {
        Tus { endpoint }
    }

    /// What it can, asked as a stranger.
    pub fn question(&self) -> Request {
        question(EXTENSIONS, Method::Options, self.endpoint.clone())
    }

    fn ask(&self, name: &'static str, method: Method, url: Url, signer: Signer<'_>) -> Request {
        let authorization = signer.authority.bearer().cloned().map(Authorization::Bearer);
        Request { authorization, ..question(name, method, url) }
    }

    /// Where an upload is, by what the server says; `None`: it is nowhere that the token may go.
    fn located(&self, location: &str) -> Option<Url> {
        let mut url = self.endpoint.join(location.trim()).ok()?;
        if url.host() != self.endpoint.host() {
            return None;
        }
        // Behind a proxy a server knows neither its own scheme nor its port.
        if url.origin() != self.endpoint.origin() {
            url.set_scheme(self.endpoint.scheme()).ok()?;
            url.set_port(self.endpoint.port()).ok()?;
        }
        url.set_fragment(None);
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        Some(url).filter(|url| url.as_str().len() <= LONGEST && url.as_str() != self.endpoint.as_str())
    }
}

impl Dialect for Tus {
    fn promises(&self) -> Promises {
        Promises::OFFSET
    }

    fn binding(&self) -> String {
        self.endpoint.as_str().to_owned()
    }

    fn name(&self) -> String {
        self.endpoint.host_str().unwrap_or_default().to_owned()
    }

    fn base(&self) -> String {
        format!("{}/", self.endpoint.origin().ascii_serialization())
    }

    fn discover(&self, signer: Signer<'_>) -> Option<Request> {
        Some(self.ask(EXTENSIONS, Method::Options, self.endpoint.clone(), signer))
    }

    /// Some answer it only to web browsers, and something on the way may answer in their place: it counts where it says that
    /// it speaks tus.
    fn read_discovery(&self, answer: &Response) -> Result<Option<Habits>, CreateError> {
        let told = |name: &str| -> Vec<String> {
            answer.header(name).split(',').map(|word| word.trim().to_ascii_lowercase()).collect()
        };
        let extensions = told("tus-extension");
        let has = |name: &str| extensions.iter().any(|extension| extension == name);
        let speaks = !answer.header("tus-version").is_empty() || !answer.header("tus-extension").is_empty();
        if !(200..300).contains(&answer.status) || !speaks {
            return Ok(None);
        }
        if !answer.header("tus-extension").is_empty() && !has("creation") {
            let why = "the tus server lets nobody create uploads".to_owned();
            return Err(CreateError::Forbidden(why));
        }
        let algorithms = told("tus-checksum-algorithm");
        let offered = [Algorithm::Sha256, Algorithm::Sha1]
            .into_iter()
            .find(|algorithm| algorithms.iter().any(|name| name == algorithm.as_str()));
        Ok(Some(Habits {
            checksum: offered.filter(|_| has("checksum")),
            gives_up: has("termination"),
            most: number(answer, "tus-max-size").filter(|most| *most > 0),
            ..Habits::default()
        }))
    }

    fn learn(&self, habits: Habits, asked: Asked<'_>, answer: &Response) -> Option<Habits> {
        let object = match asked {
            Asked::Upload(object) => object,
            Asked::Part(piece) => {
                let smaller = Some(piece.len / SMALLER).filter(|_| is_too_large(&piece, answer));
                return smaller.map(|part| Habits { part: Some(part), ..habits });
            }
        };
        let refused = matches!(answer.status, 400 | 422) && !is_page(answer);
        let may_be_names = !(object.name.is_ascii() && object.device.is_ascii());
        (refused && may_be_names && !habits.ascii).then_some(Habits { ascii: true, ..habits })
    }

    fn begin(&self, signer: Signer<'_>, habits: Habits, object: &Object) -> Result<Beginning, CreateError> {
        if let Some(most) = habits.most.filter(|most| object.size > *most) {
            return Err(CreateError::Conflict(format!("the storage takes no clip of over {most} bytes")));
        }
        if let Some(part) = habits.part.filter(|part| object.size.div_ceil(*part) > MOST_SMALL_PARTS) {
            let why = format!(
                "the clip is too long for requests of {part} bytes, and the storage, or something before it, takes no larger ones"
            );
            return Err(CreateError::Conflict(why));
        }
        let asked = self.ask("upload", Method::Post, self.endpoint.clone(), signer);
        let more =
            [("upload-length", object.size.to_string()), ("upload-metadata", metadata(object, habits.ascii))];
        let headers = asked.headers.into_iter().chain(more).collect();
        Ok(Beginning::Ask(Box::new(Request { headers, ..asked })))
    }

    fn read_begin(&self, answer: &Response, habits: Habits, object: &Object) -> Result<Begun, CreateError> {
        let named = || format!("HTTP {}", answer.status);
        match answer.status {
            201 => {}
            401 => return Err(CreateError::Unauthorized),
            403 if !is_page(answer) => return Err(CreateError::Forbidden(named())),
            404 | 405 if !is_page(answer) => {
                let why =
                    format!("{}: no uploads are created there; `delivery.endpoint` is another", named());
                return Err(CreateError::Forbidden(why));
            }
            412 => {
                let why = "the server speaks no tus 1.0.0 (HTTP 412)".to_owned();
                return Err(CreateError::Forbidden(why));
            }
            413 => {
                return Err(CreateError::Conflict(
                    "the storage takes no clip of this size (HTTP 413)".to_owned(),
                ));
            }
            301 | 302 | 307 | 308 => {
                let Some(there) = self.located(&answer.location) else {
                    return Err(CreateError::Transient(passing(answer)));
                };
                let (named, path) = (named(), there.path());
                let why =
                    format!("{named}: uploads are created at {path}: `delivery.endpoint` has to be that");
                return Err(CreateError::Forbidden(why));
            }
            409 if !is_page(answer) => {
                let why = "the server has a file of this name already (HTTP 409)";
                return Err(CreateError::Conflict(why.to_owned()));
            }
            400 | 415 | 422 if !is_page(answer) => return Err(CreateError::Conflict(named())),
            _ => return Err(CreateError::Transient(passing(answer))),
        }
        let url = self.located(&answer.location).ok_or_else(|| {
            let why = "the server names another host for its uploads: `delivery.endpoint` has to be that";
            CreateError::Forbidden(why.to_owned())
        })?;
        let id = url.path_segments().and_then(|mut steps| steps.rfind(|step| !step.is_empty()));
        let id = id.unwrap_or("upload").to_owned();
        let parts = object.size.div_ceil(part_length(object.size, habits.part)).max(1);
        let addresses = (0..parts).map(|_| Secret::new(url.as_str())).collect();
        Ok(Begun { id, addresses })
    }

    fn offset(&self, signer: Signer<'_>, address: &Secret) -> Option<Request> {
        Some(self.ask("offset", Method::Head, Url::parse(address.expose()).ok()?, signer))
    }

    fn read_offset(&self, answer: &Response, size: u64) -> Result<u64, PartError> {
        match (answer.status, number(answer, "upload-offset"), number(answer, "upload-length")) {
            (200..=299, _, Some(length)) if length != size => {
                Err(PartError::UrlDead(format!("the upload is one of {length} bytes")))
            }
            (200..=299, Some(has), _) if has > size => {
                Err(PartError::UrlDead(format!("the upload has {has} bytes already")))
            }
            (200..=299, Some(has), _) => Ok(has),
            (200..=299, None, _) => Err(PartError::Transient(web_page())),
            _ => Err(refusal(answer)),
        }
    }

    fn standing(&self, answer: &Response) -> Standing {
        match (answer.status, number(answer, "upload-offset"), number(answer, "upload-length")) {
            (200..=299, Some(has), Some(length)) if has < length => Standing::Open,
            (200..=299, Some(_), Some(_)) => Standing::Whole,
            (404 | 410, ..) if is_its_own(answer) => Standing::Gone,
            _ => Standing::Unknown,
        }
    }

    fn part(&self, signer: Signer<'_>, piece: Piece<'_>) -> Option<PartRequest> {
        let mut headers = vec![
            ("content-type", "application/offset+octet-stream".to_owned()),
            (VERSION.0, VERSION.1.to_owned()),
            ("upload-offset", piece.from.to_string()),
        ];
        let sum = piece.digest.and_then(|digest| digest.checksum);
        let sum = sum.map(|sum| format!("{} {}", sum.algorithm().as_str(), sum.base64()));
        headers.extend(sum.map(|sum| ("upload-checksum", sum)));
        let bearer = signer.authority.bearer().cloned();
        Some(PartRequest { method: Method::Patch, url: piece.address.clone(), headers, bearer })
    }

    fn read_part(&self, piece: Piece<'_>, answer: &Response) -> Result<SentPart, PartError> {
        let has = number(answer, "upload-offset");
        match answer.status {
            // Whoever offers to check has checked.
            200..=299 if has == Some(piece.from + piece.len) => Ok(SentPart {
                etag: String::new(),
                checksum: piece.digest.and_then(|digest| digest.checksum),
            }),
            200..=299 if has.is_some() => {
                let why = "the server has taken another number of bytes than it was sent";
                Err(PartError::Damaged(why.to_owned()))
            }
            200..=299 => Err(PartError::Transient(web_page())),
            _ if is_too_large(&piece, answer) => Err(PartError::UrlDead(too_large(answer, piece.len))),
            TOO_LARGE => Err(PartError::Refused(too_large(answer, piece.len))),
            460 => {
                Err(PartError::Damaged("the server's checksum of a part is another (HTTP 460)".to_owned()))
            }
            _ => Err(refusal(answer)),
        }
    }

    fn upload(&self, habits: Habits, addresses: &[Secret]) -> Option<String> {
        addresses.first().filter(|_| habits.gives_up).map(|first| first.expose().to_owned())
    }

    fn give_up(&self, signer: Signer<'_>, address: &Secret) -> Option<Request> {
        Some(self.ask("giving up", Method::Delete, Url::parse(address.expose()).ok()?, signer))
    }

    fn is_given_up(&self, answer: &Response) -> bool {
        match answer.status {
            200..=299 => !is_page(answer),
            404 | 410 => is_its_own(answer),
            _ => false,
        }
    }
}

/// Asks as a stranger.
fn question(name: &'static str, method: Method, url: Url) -> Request {
    let headers = vec![(VERSION.0, VERSION.1.to_owned())];
    Request { headers, ..Request::plain(name, method, url, TIMEOUT) }
}

/// What a header counts; `None`: nothing.
fn number(answer: &Response, header: &str) -> Option<u64> {
    answer.header(header).parse().ok()
}

/// It is the server that speaks, and nothing before it: it says so in every answer (tus 1.0 §Headers).
fn is_its_own(answer: &Response) -> bool {
    !answer.header(VERSION.0).is_empty()
}

/// What a no to an upload that was begun means.
fn refusal(answer: &Response) -> PartError {
    let named = || format!("HTTP {}", answer.status);
    match answer.status {
        401 => PartError::KeysOver(named()),
        _ if is_page(answer) => PartError::Transient(passing(answer)),
        403 => PartError::Forbidden(named()),
        404 | 410 if is_its_own(answer) => {
            PartError::UrlDead(format!("{}: the upload is not there any more", named()))
        }
        404 | 410 => {
            PartError::Unfound(format!("{}: somebody there knows nothing of the upload", named()), false)
        }
        // A request of ours has moved the end whose answer was lost, or holds the upload still: this clip's trouble only.
        409 => PartError::Damaged("the upload's end is elsewhere (HTTP 409)".to_owned()),
        423 => PartError::Damaged("another request holds the upload (HTTP 423)".to_owned()),
        412 | 415 => PartError::Forbidden(format!("{}: the server speaks no tus 1.0.0", named())),
        400 | 413 | 422 => PartError::Refused(named()),
        _ => PartError::Transient(passing(answer)),
    }
}

/// What the server is told of the clip (tus 1.0 §Creation). `ascii`: in letters of that only.
fn metadata(object: &Object, ascii: bool) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).collect()
    };
    let written = |text: &str| if ascii { plain(text) } else { text.to_owned() };
    let made = Timestamp::from_second(object.made).unwrap_or_default().to_string();
    let pairs = [
        ("filename", written(&object.name)),
        ("filetype", plain(&object.filetype)),
        ("rigpost-clip", object.mark.clone()),
        ("rigpost-device", written(&object.device)),
        ("rigpost-created", made),
    ];
    let encoded = pairs.map(|(key, value)| format!("{key} {}", BASE64_STANDARD.encode(value)));
    encoded.join(",")
}

/// Bytes in each request but the last of a clip of so many.
fn part_length(size: u64, most: Option<u64>) -> u64 {
    most.unwrap_or((size.div_ceil(MOST_PARTS).div_ceil(1 << 20) << 20).max(PART))
}

/// A smaller request may be taken. Some frameworks call it a bad one, in a page of theirs. Where bytes of the clip were taken it
/// is something else.
fn is_too_large(piece: &Piece<'_>, answer: &Response) -> bool {
    let is_it = answer.status == TOO_LARGE || (answer.status == 400 && is_page(answer));
    is_it && piece.from == 0 && piece.len / SMALLER >= LEAST
}

#[cfg(test)]
mod tests;
