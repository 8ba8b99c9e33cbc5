//! Real object storage in place of our own: presigned addresses out, finished parts back.
//!
//! # Decisions
//! - The rules of signatures, headers and expiry are then the storage's, written by others: a test against it shows
//!   that an uploader keeps them, and that our addresses are such as it meets in the field.
//! - A part is one object, put by a plain PUT (`parts/ASSET/NUMBER`), as the addresses of the real service show it. The
//!   storage does not tell us of it, so we look; only at assets whose parts are missing, and a few parts at a time.
//!   A part that is replaced after we have fetched it is not fetched again.
//! - rusty-s3 makes the signatures: it signs any header and query field, does no input or output of its own, and of
//!   what it needs (hmac, sha2, jiff, url) only hmac was not here. The SDKs bring dozens of crates.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use rusty_s3::actions::{CreateBucket, GetObject, HeadBucket, HeadObject, PutObject};
use rusty_s3::{Credentials, S3Action, UrlStyle};
use url::Url;

use super::clock::Moment;
use super::model::asset::Asset;
use super::options::S3Options;

/// How long our own addresses, for looking and fetching, are good.
const OURS: Duration = Duration::from_secs(3600);
const TIMEOUT: Duration = Duration::from_secs(30);

/// A bucket we may write to.
pub(crate) struct Bucket {
    bucket: rusty_s3::Bucket,
    credentials: Credentials,
    http: reqwest::Client,
}

fn other(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// An error without the address in it, which is as good as the keys.
pub(crate) fn silent(error: reqwest::Error) -> io::Error {
    let error = error.without_url();
    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    other(format!("{error} {why}").trim_end())
}

fn key(asset: &str, n: u64) -> String {
    format!("parts/{asset}/{n}")
}

impl Bucket {
    pub(crate) fn new(options: &S3Options) -> io::Result<Self> {
        let (name, region) = (options.bucket.clone(), options.region.clone());
        let bucket = rusty_s3::Bucket::new(options.endpoint.clone(), UrlStyle::Path, name, region);
        let mut roots = RootCertStore::empty();
        if options.endpoint.scheme() == "https" {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls).timeout(TIMEOUT);
        Ok(Self {
            bucket: bucket.map_err(other)?,
            credentials: Credentials::new(options.access_key.clone(), options.secret_key.clone()),
            http: http.build().map_err(silent)?,
        })
    }

    /// The address to put part `n` to. It signs content type, host and ACL, and carries the notes of the real ones.
    pub(crate) fn address(&self, asset: &Asset, n: u64, now: Moment) -> String {
        let key = key(&asset.id, n);
        let mut put = PutObject::new(&self.bucket, Some(&self.credentials), &key);
        put.headers_mut().insert("content-type", asset.filetype.as_str());
        put.headers_mut().insert("x-amz-acl", "private");
        for (name, value) in asset.notes(n) {
            put.query_mut().insert(name, value);
        }
        put.sign_with_time(Duration::from_secs(asset.url_life), &now.wall).into()
    }

    async fn ask(&self, method: Method, url: Url) -> io::Result<Response> {
        self.http.request(method, url).send().await.map_err(silent)
    }

    /// Makes sure that the bucket is there and the keys open it.
    pub(crate) async fn prepare(&self) -> io::Result<()> {
        let look = HeadBucket::new(&self.bucket, Some(&self.credentials)).sign(OURS);
        let status = self.ask(Method::HEAD, look).await?.status();
        let status = if status == StatusCode::NOT_FOUND {
            self.ask(Method::PUT, CreateBucket::new(&self.bucket, &self.credentials).sign(OURS))
                .await?
                .status()
        } else {
            status
        };
        let said = format!("the storage answers {status} for the bucket {}", self.bucket.name());
        if status.is_success() { Ok(()) } else { Err(other(said)) }
    }

    /// Whether part `n` is there.
    pub(crate) async fn has(&self, asset: &str, n: u64) -> io::Result<bool> {
        let key = key(asset, n);
        let url = HeadObject::new(&self.bucket, Some(&self.credentials), &key).sign(OURS);
        let status = self.ask(Method::HEAD, url).await?.status();
        match status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            other_status => Err(other(format!("the storage answers {other_status} for a part"))),
        }
    }

    /// The bytes of part `n`.
    pub(crate) async fn get(&self, asset: &str, n: u64) -> io::Result<Response> {
        let key = key(asset, n);
        let url = GetObject::new(&self.bucket, Some(&self.credentials), &key).sign(OURS);
        self.ask(Method::GET, url).await?.error_for_status().map_err(silent)
    }
}
