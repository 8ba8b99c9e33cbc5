//! The D-Bus errors that the daemon answers with.
//!
//! # Decisions
//! - A standard name where there is one that fits, so that programs that know D-Bus know it too; else one of our own.
//! - An error that tells of a state or a reason says it in the words of that.
use crate::exit::ExitCode;
use crate::pairing::{Reason, State};
use crate::table::table;

struct Row {
    word: &'static str,
    clause: &'static str,
    advice: &'static str,
    exit: ExitCode,
}

table! {
    /// The name of an error.
    ErrorName: Row {
        /// There is no client secret yet.
        NotProvisioned {
            word: "org.rigpost.Rigpost1.Error.NotProvisioned",
            clause: State::Unprovisioned.clause(),
            advice: State::Unprovisioned.advice(),
            exit: ExitCode::NotPaired,
        }
        /// There is no authorization.
        NotPaired {
            word: "org.rigpost.Rigpost1.Error.NotPaired",
            clause: State::Unpaired.clause(),
            advice: State::Unpaired.advice(),
            exit: ExitCode::NotPaired,
        }
        /// It must be ended before another one begins.
        AlreadyPaired {
            word: "org.rigpost.Rigpost1.Error.AlreadyPaired",
            clause: "this rig is paired already",
            advice: "`rigpost status` shows with what; to change that: rigpost unpair, then rigpost pair",
            exit: ExitCode::Failed,
        }
        /// A pairing runs.
        InProgress {
            word: "org.rigpost.Rigpost1.Error.InProgress",
            clause: "a pairing is under way",
            advice: "wait for it, or end it: rigpost cancel",
            exit: ExitCode::Failed,
        }
        /// No way to the provider: [`Reason::Network`], [`Reason::Certificate`] and [`Reason::Proxy`]. What is said with it
        /// begins with the clause of that.
        NetworkUnavailable {
            word: "org.rigpost.Rigpost1.Error.NetworkUnavailable",
            clause: Reason::Network.clause(),
            advice: Reason::Network.advice(),
            exit: Reason::Network.exit_code(),
        }
        /// [`Reason::CaptivePortal`].
        CaptivePortal {
            word: "org.rigpost.Rigpost1.Error.CaptivePortal",
            clause: Reason::CaptivePortal.clause(),
            advice: Reason::CaptivePortal.advice(),
            exit: Reason::CaptivePortal.exit_code(),
        }
        /// [`Reason::Clock`].
        ClockUntrusted {
            word: "org.rigpost.Rigpost1.Error.ClockUntrusted",
            clause: Reason::Clock.clause(),
            advice: Reason::Clock.advice(),
            exit: Reason::Clock.exit_code(),
        }
        /// [`Reason::ClientRejected`].
        ClientRejected {
            word: "org.rigpost.Rigpost1.Error.ClientRejected",
            clause: Reason::ClientRejected.clause(),
            advice: Reason::ClientRejected.advice(),
            exit: Reason::ClientRejected.exit_code(),
        }
        /// [`Reason::SignInBlocked`].
        SignInBlocked {
            word: "org.rigpost.Rigpost1.Error.SignInBlocked",
            clause: Reason::SignInBlocked.clause(),
            advice: Reason::SignInBlocked.advice(),
            exit: Reason::SignInBlocked.exit_code(),
        }
        /// [`Reason::Configuration`].
        Configuration {
            word: "org.rigpost.Rigpost1.Error.Configuration",
            clause: Reason::Configuration.clause(),
            advice: Reason::Configuration.advice(),
            exit: Reason::Configuration.exit_code(),
        }
        /// [`Reason::Provider`]; but whoever called has to try again.
        ProviderError {
            word: "org.rigpost.Rigpost1.Error.ProviderError",
            clause: Reason::Provider.clause(),
            advice: "try again in a few minutes",
            exit: Reason::Provider.exit_code(),
        }
        /// The provider wants fewer requests.
        RateLimited {
            word: "org.rigpost.Rigpost1.Error.RateLimited",
            clause: "the provider asks to wait",
            advice: "try again in a minute",
            exit: ExitCode::Network,
        }
        /// [`State::SecretUnavailable`].
        SecretUnavailable {
            word: "org.rigpost.Rigpost1.Error.SecretUnavailable",
            clause: State::SecretUnavailable.clause(),
            advice: State::SecretUnavailable.advice(),
            exit: ExitCode::Failed,
        }
        /// Nothing was changed.
        StorageFull {
            word: "org.rigpost.Rigpost1.Error.StorageFull",
            clause: "the rig's own disk is full",
            advice: "free some space on the disk of /var/lib/rigpost",
            exit: ExitCode::Failed,
        }
        /// An item, a file, a code.
        NotFound {
            word: "org.rigpost.Rigpost1.Error.NotFound",
            clause: "not found",
            advice: "look at `rigpost queue --all`",
            exit: ExitCode::Failed,
        }
        /// Clips are taken from these only.
        OutsideMediaDirs {
            word: "org.rigpost.Rigpost1.Error.OutsideMediaDirs",
            clause: "the file is not beneath a media directory",
            advice: "add its directory to `media_dirs` in /etc/rigpost/rigpost.toml, then: sudo systemctl restart rigpost; or hand \
                     it over open: rigpost add --by-descriptor",
            exit: ExitCode::Failed,
        }
        /// The file's card does not answer. Nothing was changed.
        NotAnswering {
            word: "org.rigpost.Rigpost1.Error.NotAnswering",
            clause: "the card of the file does not answer",
            advice: "take the card out and put it in again, then: rigpost add",
            exit: ExitCode::Failed,
        }
        /// The thing itself does not allow it: an empty file, an item that is not over, a configuration.
        NotAllowed {
            word: "org.rigpost.Rigpost1.Error.NotAllowed",
            clause: "the daemon does not do this",
            advice: "`rigpost queue --all` shows the clips and their states",
            exit: ExitCode::Failed,
        }
        /// A pairing ended before there was a code.
        Cancelled {
            word: "org.rigpost.Rigpost1.Error.Cancelled",
            clause: "the pairing was cancelled",
            advice: "start again: rigpost pair",
            exit: ExitCode::Ended,
        }
        /// An argument, or an option.
        InvalidArgs {
            word: "org.freedesktop.DBus.Error.InvalidArgs",
            clause: "the daemon refused an argument",
            advice: "rigpost --help",
            exit: ExitCode::Usage,
        }
        /// Nobody sets it.
        PropertyReadOnly {
            word: "org.freedesktop.DBus.Error.PropertyReadOnly",
            clause: "this property can't be set",
            advice: "look for a method that changes it: busctl introspect org.rigpost.Rigpost1 /org/rigpost/Rigpost1",
            exit: ExitCode::Failed,
        }
        /// Not by this provider, or not by this board.
        NotSupported {
            word: "org.freedesktop.DBus.Error.NotSupported",
            clause: "the daemon can't do that",
            advice: "rigpost doctor",
            exit: ExitCode::Failed,
        }
        /// Too many, too long, too often.
        LimitsExceeded {
            word: "org.freedesktop.DBus.Error.LimitsExceeded",
            clause: "that is more than the daemon takes",
            advice: "try again with less at a time",
            exit: ExitCode::Failed,
        }
        /// For root only, or for members of a group only.
        AccessDenied {
            word: "org.freedesktop.DBus.Error.AccessDenied",
            clause: "only root may do this",
            advice: "run it again with sudo",
            exit: ExitCode::NotAllowed,
        }
        /// The rig's own disk failed in another way than being full.
        IoError {
            word: "org.freedesktop.DBus.Error.IOError",
            clause: "the rig's own disk failed",
            advice: "`rigpost doctor` and `journalctl -k -e` show what is wrong with the disk of /var/lib/rigpost",
            exit: ExitCode::Failed,
        }
        /// The daemon is stopping.
        NoReply {
            word: "org.freedesktop.DBus.Error.NoReply",
            clause: "the daemon gave no answer",
            advice: "systemctl status rigpost; journalctl -u rigpost -e",
            exit: ExitCode::Unreachable,
        }
        /// The bus failed while the call was being answered.
        Failed {
            word: "org.freedesktop.DBus.Error.Failed",
            clause: "the daemon failed",
            advice: "journalctl -u rigpost -e",
            exit: ExitCode::Failed,
        }
    }
}

/// What the names of our own begin with.
pub const OWN: &str = "org.rigpost.Rigpost1.Error.";
/// What the names of D-Bus itself begin with.
pub const STANDARD: &str = "org.freedesktop.DBus.Error.";

impl ErrorName {
    /// The last part of the name, as the interfaces' documentation has it.
    pub fn short(self) -> &'static str {
        let name = self.as_str();
        name.strip_prefix(OWN).or(name.strip_prefix(STANDARD)).unwrap_or(name)
    }

    /// What it says: small letter, no full stop.
    pub const fn clause(self) -> &'static str {
        self.row().clause
    }

    /// What to do next, at a command line.
    pub const fn advice(self) -> &'static str {
        self.row().advice
    }

    /// How a command ends that was answered with it.
    pub const fn exit_code(self) -> ExitCode {
        self.row().exit
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ErrorName, OWN, STANDARD};
    use crate::exit::ExitCode;

    #[test]
    fn every_error_has_words_for_a_person_and_a_next_step() {
        for name in ErrorName::ALL {
            let (clause, short) = (name.clause(), name.short());
            assert!(clause.starts_with(|c: char| c.is_lowercase()) && !clause.ends_with('.'), "{name}");
            assert!(!clause.contains(short), "{name} is said in jargon");
            assert!(!name.advice().is_empty(), "{name} leaves the person alone");
            assert_ne!(name.exit_code(), ExitCode::Done, "{name}");
            assert!(!short.contains('.'), "{name} has another prefix than {OWN} and {STANDARD}");
        }
    }

    #[test]
    fn each_name_is_there_once_and_read_back() {
        let names: BTreeSet<&str> = ErrorName::ALL.iter().map(|name| name.as_str()).collect();
        assert_eq!(names.len(), ErrorName::ALL.len());
        assert!(ErrorName::ALL.iter().all(|name| name.as_str().parse() == Ok(*name)));
        assert!("NotPaired".parse::<ErrorName>().is_err(), "only whole names are names");
    }
}
