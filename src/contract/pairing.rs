//! Where the pairing stands and what stands in its way: the words of `Pairing.State`, `Pairing.Reason` and
//! `Device.Protection`.
//!
//! # Decisions
//! - A trouble is worded once, as a clause. The sentence on a screen is that clause, and what follows from it in words
//!   that hold for whoever stands before the rig; what to type at a command line stands apart, for those who have one.
//! - Words for a person on a set: no "token", no "OAuth", no "TLS".
use crate::exit::ExitCode;
use crate::human::sentence;
use crate::provider::ProviderKind;
use crate::table::table;

struct StateRow {
    word: &'static str,
    headline: &'static str,
    clause: &'static str,
    /// With what follows the clause.
    with: bool,
    follows: &'static str,
    advice: &'static str,
}

table! {
    /// `Pairing.State`.
    State: StateRow {
        /// The root key, or what is sealed with it, can't be read.
        SecretUnavailable {
            word: "secret-unavailable",
            headline: "this rig's secrets can't be read",
            clause: "this rig's secrets can't be read",
            with: false,
            follows: "Provisioning it again mends it.",
            advice: "`rigpost doctor` says why; if the key is lost for good: sudo rigpost provision, then rigpost pair",
        }
        /// There is no client secret yet.
        Unprovisioned {
            word: "unprovisioned",
            headline: "not provisioned",
            clause: "this rig has no client secret yet",
            with: false,
            follows: "Provision it.",
            advice: "sudo rigpost provision",
        }
        /// Ready to pair.
        Unpaired {
            word: "unpaired",
            headline: "not paired",
            clause: "this rig is not paired",
            with: true,
            follows: "Pair it.",
            advice: "rigpost pair",
        }
        /// A code is on its way.
        RequestingCode {
            word: "requesting-code",
            headline: "asking for a code",
            clause: "this rig asks the provider for a code",
            with: false,
            follows: "",
            advice: "",
        }
        /// A code is on offer.
        WaitingForUser {
            word: "waiting-for-user",
            headline: "waiting for somebody to enter the code",
            clause: "this rig waits for somebody to enter the code",
            with: false,
            follows: "",
            advice: "rigpost pair shows the code; rigpost cancel ends the pairing",
        }
        /// Authorized, whatever the network does.
        Paired {
            word: "paired",
            headline: "paired",
            clause: "this rig is paired",
            with: false,
            follows: "",
            advice: "",
        }
        /// Was paired; the provider accepts what it gave no longer.
        NeedsPairing {
            word: "needs-pairing",
            headline: "no longer paired",
            clause: "this rig is no longer paired",
            with: true,
            follows: "Pair it again; the queue is kept.",
            advice: "rigpost pair",
        }
    }
}

impl State {
    /// A few words for a line of status: small letter, no full stop, no subject.
    pub const fn headline(self) -> &'static str {
        self.row().headline
    }

    /// The same as a clause with its subject, for a message about something else: small letter, no full stop.
    pub const fn clause(self) -> &'static str {
        self.row().clause
    }

    /// The same, with what a rig is paired with at this kind of provider.
    pub fn clause_at(self, kind: ProviderKind) -> String {
        [self.row().clause, if self.row().with { kind.with() } else { "" }].concat()
    }

    /// For a screen: what it is, and what a person can do about it there.
    pub fn sentence(self, kind: ProviderKind) -> String {
        sentence(&self.clause_at(kind), self.row().follows)
    }

    /// The rig has a grant, or is asking for one: trouble on the way is met by another try.
    pub const fn keeps_trying(self) -> bool {
        match self {
            State::Paired | State::RequestingCode | State::WaitingForUser => true,
            State::SecretUnavailable | State::Unprovisioned | State::Unpaired | State::NeedsPairing => false,
        }
    }

    /// What to do next, at a command line; empty where there is nothing to do.
    pub const fn advice(self) -> &'static str {
        self.row().advice
    }
}

struct ReasonRow {
    word: &'static str,
    clause: &'static str,
    follows: &'static str,
    advice: &'static str,
    exit: ExitCode,
}

table! {
    /// `Pairing.Reason`.
    Reason: ReasonRow {
        /// All is well, or the state says it all.
        None { word: "none", clause: "", follows: "", advice: "", exit: ExitCode::Done }
        /// The person said no.
        Denied {
            word: "denied",
            clause: "the pairing was denied in the cloud",
            follows: "",
            advice: "ask who denied it, and whether their account may add devices; then: rigpost pair",
            exit: ExitCode::Denied,
        }
        /// The time limit of the pairing ran out.
        Expired {
            word: "expired",
            clause: "nobody entered the code in time",
            follows: "",
            advice: "start again: rigpost pair",
            exit: ExitCode::Ended,
        }
        /// The access token's time is up, and the provider gave nothing to renew it with.
        AccessExpired {
            word: "access-expired",
            clause: "the authorization has run out, and the provider gave nothing to renew it with",
            follows: "Pair again.",
            advice: "pair again: rigpost pair",
            exit: ExitCode::NotPaired,
        }
        /// The grant was ended on the other side.
        Revoked {
            word: "revoked",
            clause: "the authorization was ended in the cloud",
            follows: "",
            advice: "pair again: rigpost pair",
            exit: ExitCode::NotPaired,
        }
        /// The answer to a refresh was lost, and the old token is no longer accepted.
        InterruptedRefresh {
            word: "interrupted-refresh",
            clause: "a renewal was interrupted, and the old authorization is no longer accepted",
            follows: "Pair again.",
            advice: "pair again: rigpost pair",
            exit: ExitCode::NotPaired,
        }
        /// No way to the provider.
        Network {
            word: "network",
            clause: "the provider can't be reached",
            follows: "The rig keeps trying.",
            advice: "check cable, Wi-Fi or modem; `rigpost doctor` finds out more",
            exit: ExitCode::Network,
        }
        /// Something in between answers in the provider's place.
        CaptivePortal {
            word: "captive-portal",
            clause: "this network shows a log-in page instead of the internet",
            follows: "Log in to it, or change network.",
            advice: "log in to this network with a browser behind it, or use another one",
            exit: ExitCode::Network,
        }
        /// Something in between shows a certificate of its own, or the provider's is of a private authority.
        Certificate {
            word: "certificate",
            clause: "the provider's certificate is not one that this rig trusts",
            follows: "A proxy or filter on this network opens what is sent, or a private authority is missing in the \
                      configuration.",
            advice: "use another network, or give the authority's certificate in `provider.ca_file`",
            exit: ExitCode::Network,
        }
        /// Something in between wants a log-in of the kind that proxies want.
        Proxy {
            word: "proxy",
            clause: "a proxy on this network wants a log-in of its own",
            follows: "Use another network.",
            advice: "use another network, or have the rig let through",
            exit: ExitCode::Network,
        }
        /// TLS fails because of the time.
        Clock {
            word: "clock",
            clause: "the clock of this rig is wrong, so secure connections fail",
            follows: "Set the time.",
            advice: "connect to a network with a time server, or: sudo timedatectl set-time 'YYYY-MM-DD HH:MM'",
            exit: ExitCode::Network,
        }
        /// The provider does not accept this identity or secret.
        ClientRejected {
            word: "client-rejected",
            clause: "the provider does not accept this rig's identity or secret",
            follows: "What was paired is kept: the right secret brings it back, and the rig keeps trying.",
            advice: "check `provider.client_id` and the secret with whoever issued them; for a new secret: sudo rigpost \
                     provision",
            exit: ExitCode::Failed,
        }
        /// The application, or the organisation of whoever signs in, forbids to sign in by a code.
        SignInBlocked {
            word: "sign-in-blocked",
            clause: "the organisation does not allow sign-in by code for this application",
            follows: "Its administrator has to allow it.",
            advice: "ask the provider's administrator to allow the device code flow for this application, and for whoever \
                     signs in",
            exit: ExitCode::Failed,
        }
        /// The provider refused what the rig asked before any person was asked.
        Configuration {
            word: "configuration",
            clause: "the provider refuses what this rig asks for",
            follows: "The rig's configuration and what the provider has on record do not fit.",
            advice: "compare `[provider]` in /etc/rigpost/rigpost.toml with what the provider has on record; `rigpost doctor` \
                     finds out more",
            exit: ExitCode::Failed,
        }
        /// The provider answers with errors.
        Provider {
            word: "provider",
            clause: "the provider answers with errors",
            follows: "The rig keeps trying.",
            advice: "",
            exit: ExitCode::Network,
        }
        /// The root key is lost or is another one (the machine's identity has changed, its security chip is not there), or
        /// what it sealed is damaged.
        NoKey {
            word: "no-key",
            clause: "no key at hand opens this rig's secrets",
            follows: "",
            advice: "`rigpost doctor` says why; if the key is lost for good: sudo rigpost provision, then rigpost pair",
            exit: ExitCode::Failed,
        }
        /// The disk is full, or the store can't be read.
        Storage {
            word: "storage",
            clause: "the rig's own disk is full or can't be used",
            follows: "",
            advice: "free some space on the disk of /var/lib/rigpost; where it is not full, `rigpost doctor` says more",
            exit: ExitCode::Failed,
        }
    }
}

impl Reason {
    /// Small letter, no full stop; empty for [`Reason::None`].
    pub const fn clause(self) -> &'static str {
        self.row().clause
    }

    /// For a screen: what it is, and what follows from it in this state.
    pub fn sentence(self, state: State) -> String {
        let tries = matches!(self, Reason::Network | Reason::ClientRejected | Reason::Provider);
        sentence(self.row().clause, if tries && !state.keeps_trying() { "" } else { self.row().follows })
    }

    /// What to do next, at a command line; empty where there is nothing to do.
    pub const fn advice(self) -> &'static str {
        self.row().advice
    }

    /// How a command ends that could not be done for this reason.
    pub const fn exit_code(self) -> ExitCode {
        self.row().exit
    }
}

struct ProtectionRow {
    word: &'static str,
    meaning: &'static str,
}

table! {
    /// `Device.Protection`: how the root key is kept.
    Protection: ProtectionRow {
        /// Sealed to this board's TPM.
        Tpm2 { word: "tpm2", meaning: "sealed by this board's security chip (TPM)" }
        /// Sealed with systemd's host key, which lies on the same disk.
        HostKey { word: "host-key", meaning: "sealed by this system's own key" }
        /// A file that only the daemon's user may read.
        File {
            word: "file",
            meaning: "sealed by a key file; whoever can read the disk can open them",
        }
        /// There is no usable key.
        None { word: "none", meaning: "not available: there is no usable key" }
    }
}

impl Protection {
    /// What it says of "the secrets": small letter, no full stop.
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }
}

#[cfg(test)]
mod tests;
