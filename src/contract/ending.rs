//! What `Pairing.Unpair` and `Device.Forget` answer: what became of the grant at the provider, and of what was here.
use crate::exit::ExitCode;
use crate::table::table;

struct Row {
    word: &'static str,
    clause: &'static str,
    exit: ExitCode,
}

table! {
    /// What became of the grant at the provider.
    Revocation: Row {
        /// It has confirmed the end.
        Revoked { word: "revoked", clause: "the provider has revoked the authorization", exit: ExitCode::Done }
        /// It said no, in its own word.
        Refused {
            word: "refused",
            clause: "the provider refused to revoke the authorization",
            exit: ExitCode::NotRevoked,
        }
        /// It could not be asked, or was in trouble itself.
        NotReached {
            word: "not-reached",
            clause: "the provider could not be told that the authorization is over",
            exit: ExitCode::NotRevoked,
        }
        /// It has no way to be told.
        NotOffered {
            word: "not-offered",
            clause: "the provider offers no way to revoke the authorization from here",
            exit: ExitCode::Done,
        }
        /// There was no grant.
        Nothing { word: "nothing", clause: "there was no authorization to revoke", exit: ExitCode::Done }
        /// Somebody wanted it so.
        NotAsked { word: "not-asked", clause: "the provider was not asked", exit: ExitCode::Done }
    }
}

impl Revocation {
    /// What happened: no full stop.
    pub const fn clause(self) -> &'static str {
        self.row().clause
    }

    /// How a command ends that this came of.
    pub const fn exit_code(self) -> ExitCode {
        self.row().exit
    }
}

struct ErasedRow {
    word: &'static str,
    name: &'static str,
}

table! {
    /// What is no longer on the rig.
    Erased: ErasedRow {
        /// Access and refresh token.
        Tokens { word: "tokens", name: "tokens" }
        /// The client secret.
        ClientSecret { word: "client-secret", name: "client secret" }
        /// The client id, which a new one replaces unless the configuration names it.
        Identity { word: "identity", name: "identity" }
        /// The key of a user of the site's storage.
        StorageKey { word: "storage-key", name: "storage key" }
        /// What was kept to tell the provider of former grants.
        Revocations { word: "revocations", name: "revocations that were still to be told" }
    }
}

impl Erased {
    /// For people.
    pub const fn name(self) -> &'static str {
        self.row().name
    }
}

struct KeyRow {
    word: &'static str,
    signature: &'static str,
}

table! {
    /// A key of the answer.
    EndedKey: KeyRow {
        /// [`Revocation`].
        Revocation { word: "revocation", signature: "s" }
        /// The provider's word, or what stood in the way; empty where there is nothing to say.
        Detail { word: "detail", signature: "s" }
        /// What is needed to tell the provider is kept, sealed, and it is tried again.
        Kept { word: "kept", signature: "b" }
        /// [`Erased`].
        Erased { word: "erased", signature: "as" }
        /// Unix seconds, by the rig's own clock.
        At { word: "at", signature: "x" }
    }
}

impl EndedKey {
    /// The D-Bus signature of the value.
    pub const fn signature(self) -> &'static str {
        self.row().signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leaves_a_grant_behind_unasked_for_is_a_failure() {
        let bad = Revocation::ALL.iter().filter(|word| word.exit_code() != ExitCode::Done);
        assert_eq!(bad.map(|word| word.as_str()).collect::<Vec<_>>(), ["refused", "not-reached"]);
    }
}
