//! Parts of files to presigned URLs.
//!
//! # Decisions
//! - Every attempt drives its own connection, on the thread for sending: dropping the attempt closes it there, and nothing
//!   goes on in the background.
//! - A fresh connection asks first (`Expect: 100-continue`, RFC 9110 §10.1.1): a dead URL is told before a byte of the
//!   part has left. One that is open has shown that it takes our parts, and is not asked: that would cost every part a
//!   round trip. Servers that know no such question are not waited for longer than a second.
//! - An answer has an end in time, or it is none: neither bytes that trickle in nor interim answers (RFC 9110 §15.2)
//!   prolong a part. Of a refusal counts what was said of it by then.
//! - A part that meets a closed door on a connection that had been idle goes once more over a fresh one: a PUT may be
//!   repeated (RFC 9110 §9.2.2), and an old connection's end says nothing about this part. What is added to the end of something
//!   is not, once a byte of it has left.
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustls::ClientConfig;
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::answer;
use super::connect::{Congestion, Connector};
use super::failure::{self, PutError};
use super::pool::{Gated, Line, Origin, Pool};
use super::progress::{Patience, stalled};
use super::sending::Sending;
use super::tls::Trust;
use crate::clock::Clock;
use crate::media::{PartBody, PartWatch};
use rigpost_core::oauth::{Cause, Trouble};
use rigpost_core::provider::wire::{MAX_PART_ANSWER, Method, PartRequest, Response, trouble};
use rigpost_core::secret::Secret;
use rigpost_core::time::WallTime;

/// For a server that doesn't answer the question whether it wants the part.
const ASKING: Duration = Duration::from_secs(1);
/// No signature is shorter.
const SIGNATURE: usize = 20;
/// Interim answers to one part. One asks for the part, and proxies may add theirs.
const MAX_INTERIM: usize = 16;
/// RFC 9110 §15.5.18: something on the way does not know the question.
const EXPECTATION_FAILED: u16 = 417;

/// The client for parts.
pub(super) struct Uploads {
    sender: Arc<Sender>,
    sending: Sending,
}

/// What every attempt needs.
struct Sender {
    user_agent: String,
    connector: Connector,
    clock: Clock,
    patience: Patience,
    trust: Arc<Trust>,
}

/// One part and where it goes.
struct Part {
    request: PartRequest,
    length: u64,
    origin: Origin,
    watch: Arc<PartWatch>,
}

/// What came before the answer.
#[derive(Default)]
struct Interim {
    seen: AtomicUsize,
    /// The server asks for the part.
    wanted: CancellationToken,
    too_many: CancellationToken,
}

impl Interim {
    fn came(&self, status: StatusCode) {
        if status == StatusCode::CONTINUE {
            self.wanted.cancel();
        }
        if self.seen.fetch_add(1, Relaxed) >= MAX_INTERIM {
            self.too_many.cancel();
        }
    }
}

/// How an attempt failed.
struct Failure {
    error: PutError,
    /// The connection ended before any answer.
    no_answer: bool,
}

impl Uploads {
    pub(super) fn new(
        user_agent: String,
        connector: Connector,
        clock: Clock,
        patience: Patience,
        trust: Arc<Trust>,
    ) -> Uploads {
        let sender = Sender { user_agent, connector, clock, patience, trust };
        Uploads { sender: Arc::new(sender), sending: Sending::default() }
    }

    pub(super) fn rest(&self) {
        self.sending.rest();
    }

    pub(super) fn congestion(&self) -> Congestion {
        self.sender.connector.congestion()
    }

    pub(super) async fn put(
        &self,
        request: PartRequest,
        length: u64,
        body: PartBody,
    ) -> Result<Response, PutError> {
        let origin = origin(&request.url).ok_or_else(|| unsent("the URL for a part is not one"))?;
        let part = Part { request, length, origin, watch: body.watch().clone() };
        let sender = self.sender.clone();
        let sent = self.sending.spawn(|pool| async move { sender.put(&part, body, &pool).await });
        match sent.map_err(|e| unsent(&format!("no thread to send with: {e}")))?.await {
            Ok(outcome) => outcome,
            // What it panics with goes on here.
            Err(e) => match e.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(e) => Err(unsent(&format!("the part was not sent: {e}"))),
            },
        }
    }
}

impl Sender {
    async fn put(&self, part: &Part, body: PartBody, pool: &Pool) -> Result<Response, PutError> {
        let spare = body.again();
        if let Some(line) = pool.take(&part.origin, self.clock.now().boot).await {
            match self.attempt(part, line, body, false, pool).await {
                Err(failure) if failure.no_answer && may_repeat(part, &failure) => {}
                outcome => return outcome.map_err(|failure| failure.error),
            }
        }
        let tls = if part.origin.tls {
            Some(self.trust.config().map_err(|trouble| PutError { trouble, sent: 0 })?)
        } else {
            None
        };
        let line = self.connect(&part.origin, tls.clone()).await?;
        let outcome = self.attempt(part, line, spare.again(), true, pool).await;
        match outcome {
            Ok(response) if response.status == EXPECTATION_FAILED => {
                let line = self.connect(&part.origin, tls).await?;
                let outcome = self.attempt(part, line, spare.again(), false, pool).await;
                outcome.map_err(|failure| failure.error)
            }
            outcome => outcome.map_err(|failure| failure.error),
        }
    }

    async fn connect(&self, origin: &Origin, tls: Option<Arc<ClientConfig>>) -> Result<Line, PutError> {
        let scheme = if origin.tls { "https" } else { "http" };
        let uri =
            Uri::builder().scheme(scheme).authority(origin.authority.as_str()).path_and_query("/").build();
        let uri = uri.map_err(|_| unsent("the URL for a part names no host"))?;
        // What was not connected did not arrive anywhere.
        let failed =
            |trouble: Trouble| PutError { trouble: Trouble { maybe_applied: false, ..trouble }, sent: 0 };
        let host = self.connector.look_up(&uri).await.map_err(|e| failed(failure::trouble_of(&e)))?;
        let deadline = self.clock.now().boot + self.patience.connecting;
        let line = tokio::select! {
            biased;
            connected = self.connector.connect(uri, tls) => match connected {
                Ok(connected) => Line::new(connected).await.map_err(|e| failed(failure::trouble_of(&e))),
                Err(e) => Err(failed(failure::trouble_of(&*e))),
            },
            () = self.clock.sleep_until(deadline) => {
                Err(failed(trouble(Cause::Network, "no connection in time", None)))
            }
        };
        if line.is_err() {
            self.connector.doubt(&host);
        }
        line
    }

    /// Sends the part over this connection and reads the answer, however early it comes.
    async fn attempt(
        &self,
        part: &Part,
        mut line: Line,
        body: PartBody,
        ask: bool,
        pool: &Pool,
    ) -> Result<Response, Failure> {
        let interim = Arc::new(Interim::default());
        let request = self.request(part, body, ask, interim.clone()).ok_or_else(|| Failure {
            error: unsent("the request for a part can't be written"),
            no_answer: false,
        })?;
        let (meter, before) = (line.meter.clone(), line.meter.written());
        let answer = line.sender.send_request(request);
        let (begun, late) = (AtomicBool::new(false), CancellationToken::new());
        let mut exchange = pin!(async {
            let answer = answer.await.map_err(Broken::NoAnswer)?;
            begun.store(true, Relaxed);
            let end = self.clock.now().boot + self.patience.answer;
            let late = async {
                tokio::select! {
                    () = late.cancelled() => {}
                    () = self.clock.sleep_until(end) => {}
                }
            };
            read(answer, self.clock.now().wall, late).await
        });
        let mut idle = pin!(stalled(&self.clock, self.patience, &meter, line.ends, &part.watch, part.length));
        let mut asked = pin!(self.clock.sleep_until(self.clock.now().boot + ASKING));
        let (mut over, mut asking) = (false, ask);
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut exchange => break outcome.map_err(|e: Broken| (trouble_of(&e), e.no_answer())),
                // How it ended the exchange will tell, of whose answer this was the way.
                _ = &mut line.connection, if !over => over = true,
                () = &mut asked, if asking => {
                    asking = false;
                    interim.wanted.cancel();
                }
                () = interim.too_many.cancelled() => {
                    break Err((trouble(Cause::Provider, "one interim answer after another", None), false));
                }
                why = &mut idle, if !late.is_cancelled() => {
                    if !begun.load(Relaxed) {
                        break Err((trouble(Cause::Network, why, None), false));
                    }
                    late.cancel();
                }
            }
        };
        let left = meter.written() - before;
        match outcome {
            Ok(response) if thanks_for_nothing(&response, left, part) => Err(Failure {
                error: unsent("an answer of success came before all of the part had left"),
                no_answer: false,
            }),
            Ok(response) => {
                let response = Response { secrets: secrets(&part.request), ..response };
                if !over && line.settle().await {
                    pool.give_back(part.origin.clone(), line, self.clock.now().boot);
                }
                Ok(response)
            }
            Err((mut trouble, no_answer)) => {
                if let Some(why) = meter.failed().filter(|why| !trouble.why.contains(why.as_str())) {
                    trouble.why = rigpost_core::provider::short(&format!("{}: {why}", trouble.why));
                }
                let sent = part.watch.sent.load(Relaxed).min(left);
                Err(Failure { error: PutError { trouble, sent }, no_answer })
            }
        }
    }

    //= frameio-c2c#5.2
    //# A part carries no bearer token.
    fn request(
        &self,
        part: &Part,
        body: PartBody,
        ask: bool,
        interim: Arc<Interim>,
    ) -> Option<Request<Gated>> {
        let PartRequest { method, url, headers, bearer } = &part.request;
        let uri: Uri = url.expose().parse().ok()?;
        let mut builder = Request::builder()
            .method(method.as_str())
            .uri(uri.path_and_query()?.clone())
            .header(header::HOST, &part.origin.authority)
            .header(header::USER_AGENT, &self.user_agent)
            .header(header::CONTENT_LENGTH, part.length);
        for (name, value) in headers {
            builder = builder.header(*name, value);
        }
        if let Some(token) = bearer {
            let value = Zeroizing::new(format!("Bearer {}", token.expose()));
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            builder = builder.header(header::AUTHORIZATION, value);
        }
        if ask {
            builder = builder.header(header::EXPECT, "100-continue");
        }
        let mut request = builder.body(Gated::new(body, ask.then(|| interim.wanted.clone()))).ok()?;
        hyper::ext::on_informational(&mut request, move |response| interim.came(response.status()));
        Some(request)
    }
}

/// Nothing is done twice by that.
fn may_repeat(part: &Part, failure: &Failure) -> bool {
    part.request.method == Method::Put || failure.error.sent == 0
}

/// A success for a part that has not left: whoever says that is not the storage. A web page is told by its own name.
fn thanks_for_nothing(response: &Response, left: u64, part: &Part) -> bool {
    let all = left >= part.length && part.watch.digest().is_some();
    (200..300).contains(&response.status) && !response.is_html() && !all
}

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("no answer")]
    NoAnswer(#[source] hyper::Error),
    #[error("an incomplete answer")]
    Incomplete(#[source] hyper::Error),
    #[error("the answer did not end in time")]
    Late,
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
}

impl Broken {
    /// The connection's doing, and not the file's.
    fn no_answer(&self) -> bool {
        matches!(self, Broken::NoAnswer(e) if !e.is_user())
    }
}

/// Reads the answer to its end, or until it is `late`.
async fn read(
    answer: http::Response<Incoming>,
    now: WallTime,
    late: impl Future<Output = ()>,
) -> Result<Response, Broken> {
    let mut response = answer::head(answer.status(), answer.headers(), now);
    let (mut body, mut late) = (answer.into_body(), pin!(late));
    loop {
        let frame = tokio::select! {
            biased;
            () = &mut late => Err(Broken::Late),
            frame = body.frame() => frame.transpose().map_err(Broken::Incomplete),
        };
        let frame = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            // A server that refuses may close the door behind half a sentence. What it said first is what counts.
            Err(_) if response.status >= 400 => break,
            Err(broken) => return Err(broken),
        };
        let Ok(data) = frame.into_data() else { continue };
        if response.body.len() + data.len() > MAX_PART_ANSWER {
            return Err(Broken::TooLarge);
        }
        response.body.extend_from_slice(&data);
    }
    Ok(response)
}

fn trouble_of(broken: &Broken) -> Trouble {
    match broken {
        Broken::Late => trouble(Cause::Network, broken.to_string(), None),
        Broken::TooLarge => trouble(Cause::Provider, broken.to_string(), None),
        Broken::NoAnswer(_) | Broken::Incomplete(_) => failure::trouble_of(broken),
    }
}

/// What signs a presigned URL, or is shown beside it, in case the storage repeats it.
fn secrets(part: &PartRequest) -> Vec<Secret> {
    let query = part.url.expose().split_once('?').map_or("", |(_, query)| query);
    let values = form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value);
    let signed = values.filter(|value| value.len() >= SIGNATURE).map(Secret::new);
    signed.chain(part.bearer.iter().map(|token| token.0.clone())).collect()
}

fn origin(url: &Secret) -> Option<Origin> {
    let uri: Uri = url.expose().parse().ok()?;
    let tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    // Without a user and password in front: those were never meant for the Host header.
    let authority = uri.authority()?.as_str().rsplit('@').next()?.to_owned();
    Some(Origin { tls, authority })
}

fn unsent(why: &str) -> PutError {
    PutError { trouble: Trouble { maybe_applied: false, ..trouble(Cause::Provider, why, None) }, sent: 0 }
}
