//! Proves that the rig has its key, for whatever request wants it (RFC 9449).
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use crate::clock::Clock;
use crate::store::Store;
use crate::vault::ProofKey;
use rigpost_core::oauth::{Cause, Thumbprint, Trouble};
use rigpost_core::provider::proof::{self, Servers, Subject};
use rigpost_core::provider::wire::{Proof, Request, Response, trouble};

/// The header of a proof (§4.1).
const HEADER: &str = "dpop";

/// The rig's key, once it is needed, and what servers want of its proofs.
pub struct Prover {
    store: Store,
    clock: Clock,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    key: Option<Arc<ProofKey>>,
    servers: Servers,
}

impl Prover {
    /// Knows no key yet.
    pub fn new(store: Store, clock: Clock) -> Prover {
        Prover { store, clock, known: Mutex::default() }
    }

    /// Gives a request its proof, if it wants one, in place of an earlier one; answers with the key that is proven.
    //= https://www.rfc-editor.org/rfc/rfc9449#section-5
    //# The DPoP HTTP header field MUST contain a valid DPoP proof JWT.
    pub(super) async fn prove(&self, request: &mut Request) -> Result<Option<Thumbprint>, Trouble> {
        let (only, make) = match &request.proof {
            None => return Ok(None),
            Some(Proof::Own) => (None, true),
            Some(Proof::Only(key)) => (Some(key), false),
        };
        let (key, value) = self.proof(only, make, Subject::of(request)).await.map_err(|why| Trouble {
            maybe_applied: false,
            ..trouble(Cause::Provider, format!("this rig can't prove its key: {why}"), None)
        })?;
        request.headers.retain(|(name, _)| *name != HEADER);
        request.headers.push((HEADER, value));
        Ok(Some(key))
    }

    /// A proof with this key, or with whichever the rig has or makes.
    //= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
    //# The value MUST be assigned such that there is a negligible probability that the same value will be
    //# assigned
    pub(super) async fn proof(
        &self,
        only: Option<&Thumbprint>,
        make: bool,
        subject: Subject<'_>,
    ) -> Result<(Thumbprint, String), String> {
        let key = self.key(make).await?;
        let print = key.public().thumbprint();
        if only.is_some_and(|only| *only != print) {
            return Err("it is not the one that the tokens are bound to".to_owned());
        }
        let mut unique = [0; 16];
        getrandom::fill(&mut unique).map_err(|e| e.to_string())?;
        let unique = u128::from_ne_bytes(unique);
        let message =
            self.known(|known| known.servers.message(key.public(), subject, unique, self.clock.now()));
        let signature = key.sign(&message).ok_or("no randomness")?;
        Ok((print, proof::signed(&message, signature.as_ref())))
    }

    async fn key(&self, make: bool) -> Result<Arc<ProofKey>, String> {
        if let Some(key) = self.known(|known| known.key.clone()) {
            return Ok(key);
        }
        let key = self.store.proof_key(make).await.map_err(|e| e.to_string())?;
        let key = Arc::new(key.ok_or("it is not there")?);
        Ok(self.known(|known| known.key.get_or_insert(key).clone()))
    }

    /// An answer may say what the next proof needs.
    pub(super) fn heard(&self, url: &Url, post: bool, response: &Response) {
        self.known(|known| known.servers.heard(url, post, response, self.clock.now()));
    }

    /// The key is gone with the identity.
    pub(super) fn forget(&self) {
        self.known(|known| known.key = None);
    }

    fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
