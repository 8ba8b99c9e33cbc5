//! Exit codes of `rigpost`, which scripts rely on.
use crate::human::sentence;
use crate::table::table;

struct Row {
    number: u8,
    word: &'static str,
    more: &'static str,
}

table! {
    /// How the command line ends; the word is what `--help` says of it.
    ///
    /// # Decisions
    /// - The provider's trouble, a log-in page in between and a wrong clock share a code: to a script, all of them mean
    ///   "try again later".
    ExitCode: Row {
        /// Done.
        Done { number: 0, word: "done", more: "" }
        /// Failed for a reason that has no code of its own.
        Failed { number: 1, word: "failed; the message says why and what to do next", more: "" }
        /// Wrong usage.
        Usage { number: 2, word: "wrong usage, or the daemon refused an argument", more: "" }
        /// No bus, no daemon, or no answer from it.
        Unreachable { number: 3, word: "the daemon or the system bus can't be reached", more: "" }
        /// Root or the group is needed.
        NotAllowed {
            number: 4,
            word: "not allowed: root, or membership of the group rigpost-ui, is needed",
            more: "",
        }
        /// A person said no.
        Denied { number: 5, word: "the pairing was denied", more: "" }
        /// The time is up, or somebody cancelled.
        Ended { number: 6, word: "the pairing ran out of time or was cancelled", more: "" }
        /// There is no secret, or no authorization.
        NotPaired { number: 7, word: "the rig is not provisioned, or not paired", more: "" }
        /// The provider can't be reached.
        Network {
            number: 8,
            word: "the provider can't be reached",
            more: "There is no network, a log-in page is in between, the clock is wrong, or there is trouble at its end.",
        }
        /// Clips that were waited for were not all sent.
        NotSent {
            number: 9,
            word: "not all clips that were waited for were sent",
            more: "Some failed, are held, or were cancelled, or the waiting was ended.",
        }
        /// The rig was not in time as it was waited for.
        TimedOut {
            number: 10,
            word: "what was waited for was not so in time",
            more: "The message says what is missing, and why.",
        }
        /// Ended here, and perhaps not there.
        NotRevoked {
            number: 11,
            word: "ended on this rig, and the provider has not revoked the authorization",
            more: "It could not be reached, or refused. The message says which, and whether the rig tries again.",
        }
        /// Clips that were named are as they were.
        Unchanged {
            number: 12,
            word: "not all clips that were named could be changed as asked",
            more: "None was, or some were not: the message says which, and why.",
        }
    }
}

impl ExitCode {
    /// What the process ends with.
    pub const fn number(self) -> u8 {
        self.row().number
    }

    /// The same at more length, for the man pages.
    pub fn meaning(self) -> String {
        sentence(self.row().word, self.row().more)
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn each_code_keeps_the_number_that_was_released() {
        let numbers: Vec<u8> = ExitCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!((ExitCode::Denied.number(), ExitCode::NotSent.number()), (5, 9));
        assert!(ExitCode::ALL.iter().all(|code| code.meaning().ends_with('.')));
    }
}
