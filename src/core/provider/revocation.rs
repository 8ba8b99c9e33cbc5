//! What the answer to a revocation means (RFC 7009 §2.2).
//!
//! # Decisions
//! - The word that says that tokens of this type are not revoked here (§2.2.1) is final, as no other question has it.
use crate::oauth::{Revoked, TokenError};
use crate::provider::answer::{Sorted, sort};
use crate::provider::dialect::expect_success;
use crate::provider::wire::Response;
use crate::provider::words::Asked;

const UNSUPPORTED: &str = "unsupported_token_type";

pub(super) fn read(response: &Response) -> Result<Revoked, TokenError> {
    match sort(response) {
        Sorted::Word(word) if word.status < 500 && word.word.eq_ignore_ascii_case(UNSUPPORTED) => {
            Err(TokenError::Rejected(word.to_string()))
        }
        Sorted::Success | Sorted::Word(_) | Sorted::Detailed(_) | Sorted::Trouble(_) => {
            expect_success(Asked::Other, response).map(|()| Revoked::Confirmed)
        }
    }
}
