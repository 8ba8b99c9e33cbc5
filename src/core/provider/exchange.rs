//! One question to the provider, in as many requests as it takes, without sending any.
//!
//! # Decisions
//! - What comes next is a closure and not a state: most exchanges are one request, and those of more (find the endpoints,
//!   then ask; fetch the keys, then check) read from top to bottom where they are written.
use crate::oauth::{Cause, TokenError, Trouble};
use crate::provider::wire::{Request, Response, trouble};

/// What an exchange that has come to something leads to.
pub type Then<T, U> = Box<dyn FnOnce(u16, Result<T, TokenError>) -> Step<U> + Send>;

/// Where an exchange stands.
pub enum Step<T> {
    /// Send this, then go on with its answer.
    Ask(Box<Request>, Next<T>),
    /// This is what it came to.
    Done(Result<T, TokenError>),
}

/// How an exchange goes on.
pub struct Next<T>(Reader<T>);

type Reader<T> = Box<dyn FnOnce(Result<&Response, Trouble>) -> Step<T> + Send>;

impl<T> Next<T> {
    /// The request was answered, or came to nothing.
    pub fn on(self, outcome: Result<&Response, Trouble>) -> Step<T> {
        (self.0)(outcome)
    }
}

impl<T> Step<T> {
    /// Sends a request; `then` says what its answer leads to. Without one that is the end.
    pub fn ask(request: Request, then: impl FnOnce(&Response) -> Step<T> + Send + 'static) -> Step<T> {
        let reads_only = request.method.reads_only();
        Step::attempt(request, move |outcome| match outcome {
            Ok(answer) => then(answer),
            Err(trouble) => {
                let e = TokenError::Transient(trouble);
                Step::Done(Err(if reads_only { harmless(e) } else { e }))
            }
        })
    }

    /// Sends a request without which it can go on.
    pub fn attempt(
        request: Request,
        then: impl FnOnce(Result<&Response, Trouble>) -> Step<T> + Send + 'static,
    ) -> Step<T> {
        Step::Ask(Box::new(request), Next(Box::new(then)))
    }

    /// Goes on with what it comes to, and the status of the last answer. `status`: of the one before this step; 0: none.
    pub fn then<U: 'static>(self, status: u16, next: Then<T, U>) -> Step<U>
    where
        T: 'static,
    {
        match self {
            Step::Done(outcome) => next(status, outcome),
            Step::Ask(request, this) => Step::attempt(*request, move |answer| {
                let status = answer.as_ref().map_or(0, |answer| answer.status);
                this.on(answer).then(status, next)
            }),
        }
    }

    /// Sends a request whose answer is the end.
    pub fn last(
        request: Request,
        read: impl FnOnce(&Response) -> Result<T, TokenError> + Send + 'static,
    ) -> Step<T> {
        Step::ask(request, |response| Step::Done(read(response)))
    }
}

/// What went wrong in a request that only reads. Whatever the exchange was about has not begun, and nothing that is said
/// there is said of it: no word of a document's keeper ends a grant.
pub fn harmless(e: TokenError) -> TokenError {
    let t = match e {
        TokenError::Transient(t) => t,
        TokenError::Rejected(_) => return e,
        TokenError::AuthorizationPending
        | TokenError::SlowDown(_)
        | TokenError::AccessDenied
        | TokenError::ExpiredToken
        | TokenError::InvalidGrant(_)
        | TokenError::ClientRejected(_)
        | TokenError::NotAllowed(_)
        | TokenError::Unauthorized => {
            trouble(Cause::Provider, format!("the provider's documents: {e}"), None)
        }
    };
    TokenError::Transient(Trouble { maybe_applied: false, ..t })
}
