//! `org.rigpost.Rigpost1.Tokens`: access tokens for other programs on the rig.
//!
//! # Decisions
//! - The only way by which a token leaves the daemon, so it is shut twice: by the bus policy, which lets in a group that is
//!   empty by default, and by the configuration, which has to say so.
//! - One line in the journal for each token: who, never what. A proof is made for each request of a program's, and is worth
//!   nothing without its token: none for those.
use std::time::Duration;

use tracing::{info, warn};
use url::Url;
use zbus::Connection;
use zbus::message::Header;

use crate::bus::caller::Callers;
use crate::bus::error::BusError;
use crate::bus::options::{Options, none};
use crate::link::Handle;
use rigpost_contract::option::OptionKey;
use rigpost_core::command::{AccessOptions, ProofOptions, Refusal};
use rigpost_core::oauth::AccessToken;
use rigpost_core::provider::proof::is_nonce;
use rigpost_core::secret::Secret;

/// Longer than any token.
const MAX_TOKEN: usize = 16 * 1024;
/// Longer than any method of HTTP.
const MAX_METHOD: usize = 32;
/// As long as fits a header with everything else that a proof says.
const MAX_URL: usize = 4096;

/// Answers for the interface.
#[derive(Debug)]
pub struct Tokens {
    handle: Handle,
    callers: Callers,
    allowed: bool,
}

impl Tokens {
    /// `allowed`: the configuration lets other programs have tokens.
    pub fn new(handle: Handle, callers: Callers, allowed: bool) -> Tokens {
        Tokens { handle, callers, allowed }
    }

    async fn get(&self, mut options: Options) -> Result<(String, u64), Refusal> {
        let min_validity: Option<u32> = options.take(OptionKey::MinValidity)?;
        let refused: Option<String> = options.take(OptionKey::Refused)?;
        let dpop: Option<bool> = options.take(OptionKey::Dpop)?;
        options.finish()?;
        if refused.as_ref().is_some_and(|token| token.is_empty() || token.len() > MAX_TOKEN) {
            return Err(Refusal::InvalidArgs("option \"refused\" is no access token".to_owned()));
        }
        self.are_given_out()?;
        let wanted = AccessOptions {
            min_validity: Duration::from_secs(min_validity.unwrap_or(0).into()),
            refused: refused.map(|token| AccessToken(Secret::new(token))),
            dpop: dpop.unwrap_or(false),
        };
        let (token, expires_at) = self.handle.access_token(wanted).await?;
        Ok((token.expose().to_owned(), expires_at.as_micros()))
    }

    async fn proof(&self, method: String, url: &str, nonce: String) -> Result<String, Refusal> {
        self.are_given_out()?;
        let wrong = |what: &str| Refusal::InvalidArgs(format!("\"{what}\" is not what it must be"));
        let is_token = method.bytes().all(|b| b.is_ascii_alphabetic());
        if !is_token || method.is_empty() || method.len() > MAX_METHOD {
            return Err(wrong("method"));
        }
        let is_web = |url: &Url| matches!(url.scheme(), "https" | "http") && url.as_str().len() <= MAX_URL;
        let url = Url::parse(url).ok().filter(is_web).ok_or_else(|| wrong("url"))?;
        if !nonce.is_empty() && !is_nonce(&nonce) {
            return Err(wrong("nonce"));
        }
        let nonce = Some(nonce).filter(|nonce| !nonce.is_empty());
        self.handle.proof(ProofOptions { method, url, nonce }).await
    }

    fn are_given_out(&self) -> Result<(), Refusal> {
        if self.allowed {
            return Ok(());
        }
        let why = "access tokens are not given out on this rig: set `tokens.allow` in the configuration";
        Err(Refusal::NotAllowed(why.to_owned()))
    }
}

#[zbus::interface(name = "org.rigpost.Rigpost1.Tokens", introspection_docs = false)]
impl Tokens {
    #[zbus(out_args("token", "expires_at"))]
    async fn get_access_token(
        &self,
        options: Options,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(String, u64), BusError> {
        let (uid, pid) = self.callers.uid_and_pid(&header, connection).await?;
        let answer = self.get(options).await;
        match &answer {
            Ok(_) => info!(caller_uid = uid, caller_pid = pid, "gave out the access token"),
            Err(refusal) => warn!(caller_uid = uid, caller_pid = pid, "gave out no access token: {refusal}"),
        }
        Ok(answer?)
    }

    #[zbus(name = "GetDPoPProof", out_args("proof"))]
    async fn get_dpop_proof(
        &self,
        method: String,
        url: String,
        nonce: String,
        options: Options,
    ) -> Result<String, BusError> {
        none(options)?;
        Ok(self.proof(method, &url, nonce).await?)
    }
}
