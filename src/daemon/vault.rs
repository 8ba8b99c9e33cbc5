//! The root key, and what is sealed with it.
//!
//! Everything that could speak for the rig (client secret, tokens, codes, upload URLs) is sealed before it reaches
//! the database; without the root key the database is worth nothing to a thief.
//!
//! # Decisions
//! - XChaCha20-Poly1305 (`chacha20poly1305`, audited, no C): its 24-byte nonce may be random for ever. AES-GCM would
//!   need a counter on disk that survives power cuts, and is slow on boards without AES instructions.
//! - The record's name is associated data: a sealed value that is moved to another row does not open there.
//! - One version byte in front, authenticated too, so that another cipher can follow without a guess.
//! - The key comes from systemd as a credential wherever there is one. A file is the fallback for containers and the
//!   desk; only there do we make a key ourselves, because a credential is made and sealed to the board by root.
mod file;
mod key;
mod proof_key;
mod seal;

pub use key::{CREDENTIAL, KeySource, VaultError};
pub use proof_key::{PROOF_KEY, ProofKey};
pub use seal::{SealError, Vault};
