//! One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Access,
    Refresh,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenState {
    Live,
    /// Consumed by a refresh; names the pair that took its place. `by_test` if nobody consumed it.
    Burnt {
        generation: u64,
        by_test: bool,
        replays: u32,
    },
    /// Forgotten, revoked, or its device paired again.
    Dead,
}

/// One token ever handed out.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) client_id: String,
    pub(crate) state: TokenState,
    pub(super) expires_ms: u64,
    /// Pairs are numbered; both tokens of a pair share the number.
    pub(super) generation: u64,
    /// Whether a client ever showed it.
    pub(super) used: bool,
}
