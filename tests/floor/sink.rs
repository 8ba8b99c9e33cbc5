//! The storage of `tests/measure upload`: takes every PUT over TLS, throws the bytes away and answers as S3 does.
//!
//! ```text
//! sink CERTIFICATE-FILE READY-FILE [--md5] [--listen ADDRESS]
//! ```
//!
//! Makes itself a certificate for `localhost` and ADDRESS, writes it to CERTIFICATE-FILE, listens there on a port of its
//! own (on loopback without ADDRESS) and writes its URL to READY-FILE. With `--md5` the ETag is the MD5 of what came; without, it is none.
//! A checksum that goes ahead of a part it names again, unchecked; of a part without one it computes CRC64NVME, where that
//! belongs to an upload of several. Those are begun and completed.
//!
//! # Decisions
//!
//! - Keeps nothing and does as little as it can, so that what is measured is the one who sends.
//! - One thread: with the sender on another processor neither takes time from the other.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ETAG, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use md5::{Digest as _, Md5};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

type Failure = Box<dyn Error + Send + Sync>;

fn acceptor(certificate: &Path, names: Vec<String>) -> Result<TlsAcceptor, Failure> {
    let made = rcgen::generate_simple_self_signed(names)?;
    std::fs::write(certificate, made.cert.pem())?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What a bucket says to whoever begins or completes an upload.
const SAID: &str = "<Result><UploadId>upload</UploadId><ETag>\"whole\"</ETag></Result>";
const CRC64NVME: HeaderName = HeaderName::from_static("x-amz-checksum-crc64nvme");
const CHECKSUMS: [&str; 2] = ["x-amz-checksum-crc64nvme", "x-amz-checksum-sha256"];

async fn take(request: Request<Incoming>, md5: bool) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut answer = Response::new(Full::default());
    if request.method() == Method::POST {
        // What says that all is there is read before it is answered.
        let _ = request.into_body().collect().await;
        *answer.body_mut() = Full::from(SAID);
        return Ok(answer);
    }
    let named = CHECKSUMS.map(|name| (name, request.headers().get(name).cloned()));
    for (name, sum) in named {
        sum.into_iter().for_each(|sum| drop(answer.headers_mut().insert(name, sum)));
    }
    if request.method() != Method::PUT {
        *answer.status_mut() = StatusCode::NOT_FOUND;
        return Ok(answer);
    }
    let is_told = answer.headers().keys().any(|name| CHECKSUMS.contains(&name.as_str()));
    let is_of_many = request.uri().query().is_some_and(|query| query.contains("uploadId="));
    let mut body = request.into_body();
    let mut hash = md5.then(Md5::new);
    let mut crc = (is_of_many && !is_told).then(|| Digest::new(CrcAlgorithm::Crc64Nvme));
    while let Some(Ok(frame)) = body.frame().await {
        if let (Some(hash), Some(data)) = (&mut hash, frame.data_ref()) {
            hash.update(data);
        }
        if let (Some(crc), Some(data)) = (&mut crc, frame.data_ref()) {
            crc.update(data);
        }
    }
    if let Some(crc) = crc {
        let sum = BASE64_STANDARD.encode(crc.finalize().to_be_bytes());
        answer.headers_mut().extend(HeaderValue::from_str(&sum).map(|sum| (CRC64NVME, sum)));
    }
    let mut etag = String::from("\"");
    match hash {
        Some(hash) => {
            for byte in hash.finalize() {
                let _ = write!(etag, "{byte:02x}");
            }
        }
        None => etag.push_str("not-an-md5"),
    }
    etag.push('"');
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        answer.headers_mut().insert(ETAG, etag);
    }
    Ok(answer)
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, md5: bool) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let service = service_fn(move |request| take(request, md5));
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: sink CERTIFICATE-FILE READY-FILE [--md5] [--listen ADDRESS]";
    let [certificate, ready, rest @ ..] = &arguments[..] else { return Err(usage.into()) };
    let (mut md5, mut at) = (false, None);
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--md5" => md5 = true,
            "--listen" => at = Some(rest.next().ok_or(usage)?.parse::<IpAddr>()?),
            _ => return Err(usage.into()),
        }
    }
    let name = at.map_or_else(|| "localhost".to_owned(), |at| at.to_string());
    let acceptor = acceptor(Path::new(certificate), vec!["localhost".to_owned(), name.clone()])?;
    let listener = TcpListener::bind((at.unwrap_or(Ipv4Addr::LOCALHOST.into()), 0)).await?;
    std::fs::write(ready, format!("https://{name}:{}", listener.local_addr()?.port()))?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A sender that hangs up is the sender's business.
        tokio::spawn(serve(stream, acceptor.clone(), md5));
    }
}
