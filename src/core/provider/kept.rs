//! What an issuer has said of itself, and when it is used, asked for anew, and given up.
//!
//! Where something is to be asked at an issuer's endpoints:
//!
//! | what it said                              | then                                                                  |
//! | ----------------------------------------- | --------------------------------------------------------------------- |
//! | nothing that we know                      | it is asked first                                                     |
//! | something, and something went wrong since | it is asked first; where it does not answer, what it said before does |
//! | something                                 | that is used                                                          |
//!
//! Beside that, once what was asked is under way and at most every [`PATIENCE`], it is asked anew what was heard [`FRESH`]
//! ago or before this start. And what came of the use is believed but in two cases, where it is asked anew before anything
//! is said, and where it says something else now, that is used:
//!
//! | what it said was heard | an endpoint answers 404, 405 or 410 | the answer is a last word |
//! | ---------------------- | ----------------------------------- | ------------------------- |
//! | since the start        | asked anew                          | believed                  |
//! | before the start       | asked anew                          | asked anew                |
//!
//! # Decisions
//! - On disk, for an issuer that is slow or away when a rig starts: its tokens must be renewed all the same, and a person who
//!   waits for a code need not wait for a document.
//! - Used at once and asked for beside it: the first answer after a start is no later than the one that runs on, and what the
//!   issuer has changed is known by the second.
//! - A last word that a former endpoint has for a token is not the provider's: whoever has moved may leave a server behind
//!   that knows nobody. Pairings end by such words, so what was kept is not enough for them.
//! - What was said longer than [`LIMIT`] ago is no use at a start: a domain that its owner lets go can be had by somebody
//!   else once the 30 days are over in which ICANN's registries give it back, and a refresh token would be shown to whoever
//!   has it then. A rig that runs asks every day, and goes on with what it has: that has answered it all the while.
//! - An age that no clock can tell is no age: a rig without a battery starts in 1970 each day.
//! - What says of itself that it is another issuer's (OpenID Connect Discovery §4.3) is the end of what was said before.
//! - Keys of before are used while the issuer has not answered, and forgotten when it has: the next ID token asks for those of
//!   now, and one that was withdrawn vouches for nobody any more.
//! - As a document, of the metadata what we read of them: it is read again by the same code, which holds it against the
//!   configuration of now.
use std::time::Duration;

use crate::oauth::TokenError;
use crate::time::Now;

/// Heard since, it is not asked for anew.
const FRESH: Duration = Duration::from_secs(86_400);
/// Said before, it is not used after a start.
const LIMIT: Duration = Duration::from_secs(30 * 86_400);
/// Between two questions that nobody waits for.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes; a larger document is not kept.
pub const MOST: usize = 64 * 1024;

/// Which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// OpenID Connect Discovery §4.
    Metadata,
    /// RFC 7517 §5.
    Keys,
}

impl Document {
    /// As the database has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Document::Metadata => "metadata",
            Document::Keys => "keys",
        }
    }

    /// The other way round.
    pub fn parse(word: &str) -> Option<Document> {
        [Document::Metadata, Document::Keys].into_iter().find(|document| document.as_str() == word)
    }
}

/// One document for the disk, or from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDocument {
    /// Which.
    pub document: Document,
    /// Whose: the issuer, or the address of its keys.
    pub from: String,
    /// `None`: nothing is to be kept any more.
    pub text: Option<String>,
    /// When it came.
    pub said: Now,
}

/// When a document was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// In this run of the program.
    Now,
    /// In one before it.
    Before,
}

/// How the issuer's endpoints are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is asked, and if it does not answer, what is known does.
    Ask,
    /// By what is known.
    Use,
}

/// `doubted`: something went wrong since it was heard.
pub fn way(known: bool, doubted: bool) -> Way {
    if known && !doubted { Way::Use } else { Way::Ask }
}

/// What was kept may be used after a start. `age`: `None` where no clock can tell it.
pub fn is_usable(age: Option<Duration>) -> bool {
    age.is_none_or(|age| age <= LIMIT)
}

/// It is to be asked anew while what is known is used. `asked`: how long ago it last was, for that.
pub fn is_due(heard: Heard, age: Option<Duration>, asked: Option<Duration>) -> bool {
    let is_old = match heard {
        Heard::Now => age.is_some_and(|age| age >= FRESH),
        Heard::Before => true,
    };
    is_old && asked.is_none_or(|asked| asked >= PATIENCE)
}

/// What was heard is to be written, though it is what is on disk: it has become older there than need be.
pub fn is_worth_writing(age_on_disk: Option<Duration>) -> bool {
    age_on_disk.is_none_or(|age| age >= FRESH)
}

/// What came of the use is not believed before the issuer was asked anew. `status`: of the last answer; 0: there was none.
pub fn is_in_doubt(heard: Heard, status: u16, last_word: bool) -> bool {
    let is_gone = matches!(status, 404 | 405 | 410);
    match heard {
        Heard::Now => is_gone,
        Heard::Before => is_gone || last_word,
    }
}

/// After this nobody asks again by himself, or only a person mends it.
pub fn is_last<T>(outcome: &Result<T, TokenError>) -> bool {
    let Err(e) = outcome else { return false };
    match e {
        TokenError::InvalidGrant(_)
        | TokenError::ClientRejected(_)
        | TokenError::NotAllowed(_)
        | TokenError::Unauthorized
        | TokenError::Rejected(_) => true,
        // A person's word, a poll's, or no word at all.
        TokenError::AuthorizationPending
        | TokenError::SlowDown(_)
        | TokenError::AccessDenied
        | TokenError::ExpiredToken
        | TokenError::Transient(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Trouble;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_known_and_not_doubted_is_used() {
        for (known, doubted, expected) in [
            (false, false, Way::Ask),
            (false, true, Way::Ask),
            (true, true, Way::Ask),
            (true, false, Way::Use),
        ] {
            assert_eq!(way(known, doubted), expected, "{known} {doubted}");
        }
    }

    #[test]
    fn a_month_is_the_longest_at_a_start() {
        assert!(is_usable(None) && is_usable(Some(Duration::ZERO)) && is_usable(Some(LIMIT)));
        assert!(!is_usable(Some(LIMIT + SECOND)) && !is_usable(Some(Duration::MAX)));
    }

    #[test]
    fn what_is_of_before_is_asked_for_at_once_and_what_is_of_now_after_a_day() {
        let just = Some(Duration::ZERO);
        for (heard, age, asked, expected) in [
            (Heard::Before, just, None, true),
            (Heard::Before, None, None, true),
            (Heard::Before, just, Some(PATIENCE - SECOND), false),
            (Heard::Before, just, Some(PATIENCE), true),
            (Heard::Now, None, None, false),
            (Heard::Now, Some(FRESH - SECOND), None, false),
            (Heard::Now, Some(FRESH), None, true),
            (Heard::Now, Some(FRESH), Some(PATIENCE - SECOND), false),
            (Heard::Now, Some(FRESH), Some(PATIENCE), true),
        ] {
            assert_eq!(is_due(heard, age, asked), expected, "{heard:?} {age:?} {asked:?}");
        }
        assert!(is_worth_writing(None) && is_worth_writing(Some(FRESH)));
        assert!(!is_worth_writing(Some(FRESH - SECOND)), "flash wears out");
    }

    #[test]
    fn a_last_word_and_a_place_that_is_gone_are_in_doubt() {
        for heard in [Heard::Now, Heard::Before] {
            for status in [404, 405, 410] {
                assert!(is_in_doubt(heard, status, false) && is_in_doubt(heard, status, true), "{status}");
            }
            for status in [0, 200, 302, 400, 401, 403, 429, 500, 503] {
                assert!(!is_in_doubt(heard, status, false), "{status}");
                assert_eq!(is_in_doubt(heard, status, true), heard == Heard::Before, "{status}");
            }
        }
    }

    #[test]
    fn a_last_word_is_one_after_which_nobody_asks_again() {
        let word = || "word".to_owned();
        let trouble = Trouble {
            cause: crate::oauth::Cause::Provider,
            why: word(),
            retry_after: None,
            maybe_applied: true,
        };
        for (e, last) in [
            (TokenError::InvalidGrant(word()), true),
            (TokenError::ClientRejected(word()), true),
            (TokenError::NotAllowed(word()), true),
            (TokenError::Rejected(word()), true),
            (TokenError::Unauthorized, true),
            (TokenError::AuthorizationPending, false),
            (TokenError::SlowDown(None), false),
            (TokenError::AccessDenied, false),
            (TokenError::ExpiredToken, false),
            (TokenError::Transient(trouble), false),
        ] {
            assert_eq!(is_last::<()>(&Err(e.clone())), last, "{e:?}");
        }
        assert!(!is_last(&Ok(())));
    }

    #[test]
    fn each_document_has_its_word() {
        for document in [Document::Metadata, Document::Keys] {
            assert_eq!(Document::parse(document.as_str()), Some(document));
        }
        assert_eq!(Document::parse("other"), None);
    }
}
