//! How `rigpost` fails: one line that says what, one that says what to do next, and an exit code that scripts can rely on.
//!
//! # Decisions
//!
//! - What the daemon's errors say, what to do about them and the code are the contract's; here is what depends on the command,
//!   and what the bus itself says.
//! - What the daemon says about an error is shown (it knows the path or the number), unless it only repeats the name.

use std::time::Duration;
use std::{fmt, io};

use zbus::DBusError as _;

use super::text;
use rigpost_contract::UnknownWord;
use rigpost_contract::error::{ErrorName, OWN, STANDARD};
use rigpost_contract::pairing::Reason;

pub(crate) use rigpost_contract::exit::ExitCode;

/// How long a call may take. The slowest answer that the daemon promises takes 25 seconds.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A failure as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Ends the process with this.
    pub(crate) code: ExitCode,
    /// What failed: one line, lower case, no full stop.
    pub(crate) what: String,
    /// What to do next: one line; empty when there is nothing to do.
    pub(crate) next: String,
    /// The output takes nothing any more: whoever looked is gone.
    pub(crate) is_unheard: bool,
}

impl Failure {
    /// A failure in the words given.
    pub(crate) fn new(code: ExitCode, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code, what: what.into(), next: next.into(), is_unheard: false }
    }

    /// The reader of our output went away (`rigpost queue | head`): not an error to talk about.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.code == ExitCode::Done
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rigpost: {}", self.what)?;
        if !self.next.is_empty() {
            write!(f, "\n  next: {}", self.next)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let failure = if error.kind() == io::ErrorKind::BrokenPipe {
            Self::new(ExitCode::Done, String::new(), String::new())
        } else {
            Self::new(
                ExitCode::Failed,
                format!("can't write the output: {error}"),
                "check where the output goes",
            )
        };
        Self { is_unheard: true, ..failure }
    }
}

/// What was being done when the bus answered with an error: some answers need other advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Anything that members of the group may do.
    Group,
    /// The same, with clips that are to be queued.
    Add,
    /// Something that members of the other group may do.
    Token,
    /// Something only root may do, with the name of its command.
    Root(&'static str),
}

/// Of something that every member of the group may do.
pub(crate) fn group(error: zbus::Error) -> Failure {
    from_bus(&error, Doing::Group)
}

/// Turns an error of the bus into a failure with advice.
pub(crate) fn from_bus(error: &zbus::Error, doing: Doing) -> Failure {
    if let zbus::Error::InputOutput(io) = error {
        return match io.kind() == io::ErrorKind::TimedOut {
            true => no_answer(),
            false => Failure::new(
                ExitCode::Unreachable,
                format!("the connection to the system bus broke: {io}"),
                DOCTOR,
            ),
        };
    }
    if let zbus::Error::Connection(io, _) = error {
        return Failure::new(
            ExitCode::Unreachable,
            format!("the system bus can't be reached: {io}"),
            "systemctl status dbus.socket",
        );
    }
    match name_of(error) {
        Some((name, detail)) => from_name(&name, &detail, doing),
        None => {
            Failure::new(ExitCode::Failed, format!("the bus answered in an unexpected way: {error}"), UPGRADE)
        }
    }
}

/// The name of the D-Bus error and what it says, if the peer answered with one.
pub(crate) fn name_of(error: &zbus::Error) -> Option<(String, String)> {
    if let zbus::Error::MethodError(name, detail, _) = error {
        return Some((name.to_string(), text::clean(detail.as_deref().unwrap_or_default())));
    }
    let zbus::Error::FDO(inner) = error else { return None };
    if let zbus::fdo::Error::ZBus(inner) = inner.as_ref() {
        return name_of(inner);
    }
    Some((inner.name().to_string(), text::clean(inner.description().unwrap_or_default())))
}

const UNKNOWN_REQUEST: &str = "the daemon that runs does not know this request";
const DOCTOR: &str = "rigpost doctor";
const UPGRADE: &str =
    "compare the two lines of `rigpost version`; after an upgrade: sudo systemctl restart rigpost";

/// Turns the name of a D-Bus error, and what the peer said with it, into a failure with advice.
pub(crate) fn from_name(name: &str, detail: &str, doing: Doing) -> Failure {
    match name.parse() {
        Ok(name) => from_daemon(name, detail, doing),
        Err(UnknownWord) => from_others(name, detail, doing),
    }
}

/// An error that the daemon answers with, in the contract's words but where what was being done says more.
fn from_daemon(name: ErrorName, detail: &str, doing: Doing) -> Failure {
    let said = |what, next: &str| Failure::new(name.exit_code(), say(what, detail), next);
    match (name, doing) {
        (ErrorName::AccessDenied, _) => access_denied(doing),
        // One name for three reasons, and a cable helps with one of them.
        (ErrorName::NetworkUnavailable, _) => {
            let of =
                [Reason::Certificate, Reason::Proxy].into_iter().find(|r| detail.starts_with(r.clause()));
            let reason = of.unwrap_or(Reason::Network);
            said(reason.clause(), reason.advice())
        }
        // This program sends none that its own daemon does not know.
        (ErrorName::InvalidArgs, _) if detail.starts_with("unknown option") => {
            Failure::new(ExitCode::Failed, say(UNKNOWN_REQUEST, detail), UPGRADE)
        }
        // What is said of clips that are to be queued helps nobody with those that are.
        (ErrorName::NotAllowed, Doing::Add) => said(
            "the daemon does not take this",
            "clips must be regular files, not empty, and readable by you and by the user rigpost",
        ),
        (ErrorName::NotAllowed, Doing::Token) => Failure {
            code: ExitCode::NotAllowed,
            ..said(name.clause(), "set `allow` in [tokens] of the configuration, and restart rigpost")
        },
        // Which of the two it is, the daemon says.
        (ErrorName::NotSupported, Doing::Token) => {
            said(name.clause(), "rigpost token --dpop where it is bound, and without --proof where it is not")
        }
        (name, _) => said(name.clause(), name.advice()),
    }
}

/// An error of the bus, of the service manager, or of a daemon that is newer than this program.
fn from_others(name: &str, detail: &str, doing: Doing) -> Failure {
    let failure = |code, what: String, next: &str| Failure::new(code, what, next);
    match name.strip_prefix(STANDARD).unwrap_or(name) {
        "InteractiveAuthorizationRequired" => access_denied(doing),
        "UnknownMethod" | "UnknownInterface" | "UnknownObject" | "UnknownProperty" => {
            failure(ExitCode::Failed, UNKNOWN_REQUEST.into(), UPGRADE)
        }
        "Timeout" | "TimedOut" => no_answer(),
        "ServiceUnknown" | "NameHasNoOwner" => failure(
            ExitCode::Unreachable,
            "the daemon is not running, and the bus does not know how to start it".into(),
            "sudo systemctl enable --now rigpost",
        ),
        "Disconnected" | "NoServer" => {
            failure(ExitCode::Unreachable, say("the connection to the system bus broke", detail), DOCTOR)
        }
        // The name by which the bus starts it is there only while it is enabled.
        "org.freedesktop.systemd1.NoSuchUnit" => failure(
            ExitCode::Unreachable,
            "the daemon is not running, and its service is disabled".into(),
            "sudo systemctl enable --now rigpost",
        ),
        short if short.starts_with("Spawn.") || short.starts_with("org.freedesktop.systemd1.") => failure(
            ExitCode::Unreachable,
            say("the daemon could not be started", detail),
            ErrorName::NoReply.advice(),
        ),
        _ => {
            let failed = ErrorName::Failed;
            let what = match name.strip_prefix(OWN) {
                Some(short) => say(&format!("{} ({short})", failed.clause()), detail),
                None => say(failed.clause(), if detail.is_empty() { name } else { detail }),
            };
            failure(failed.exit_code(), what, failed.advice())
        }
    }
}

/// "what: detail", without a detail that says nothing.
fn say(what: &str, detail: &str) -> String {
    let detail = detail.trim().trim_end_matches('.');
    // The daemon begins with the same words.
    let detail = detail.strip_prefix(what).map_or(detail, |rest| rest.trim_start_matches([':', ';', ' ']));
    match detail.is_empty() {
        true => what.to_owned(),
        false => format!("{what}: {detail}"),
    }
}

fn no_answer() -> Failure {
    Failure::new(
        ExitCode::Unreachable,
        format!("{} within {} seconds", ErrorName::NoReply.clause(), CALL_TIMEOUT.as_secs()),
        ErrorName::NoReply.advice(),
    )
}

/// The end of whoever waits for signals.
pub(crate) fn bus_went_away() -> Failure {
    Failure::new(ExitCode::Unreachable, "the system bus went away", DOCTOR)
}

fn access_denied(doing: Doing) -> Failure {
    let is_root = rustix::process::geteuid().is_root();
    denied_for(doing, is_root, text::login_name().as_deref())
}

/// The advice for a refusal, given who asked. `user`: the name for the group command, if it is known.
fn denied_for(doing: Doing, is_root: bool, user: Option<&str>) -> Failure {
    let user = user.unwrap_or("\"$USER\"");
    match (is_root, doing) {
        (true, _) => Failure::new(
            ExitCode::NotAllowed,
            "the system bus refused even root",
            "its policy file may be missing: `rigpost doctor` checks that",
        ),
        (false, Doing::Root(command)) => Failure::new(
            ExitCode::NotAllowed,
            ErrorName::AccessDenied.clause(),
            format!("sudo rigpost {command}"),
        ),
        (false, Doing::Token) => Failure::new(
            ExitCode::NotAllowed,
            "you are not allowed to fetch tokens: only root and the group rigpost-token are",
            format!("sudo usermod -aG rigpost-token {user}, then log out and log in again"),
        ),
        (false, Doing::Group | Doing::Add) => Failure::new(
            ExitCode::NotAllowed,
            "you are not allowed to talk to rigpost: only root and the group rigpost-ui are",
            format!("sudo usermod -aG rigpost-ui {user}, then log out and log in again"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::RigpostArgs;
    use rigpost_core::command::Refusal;

    #[test]
    fn every_code_is_explained() {
        let help = RigpostArgs::command().render_long_help().to_string();
        for code in ExitCode::ALL {
            let number = code.number();
            assert!(help.contains(&format!("\n  {number}  ")), "--help does not explain {number}");
        }
    }

    #[test]
    fn an_error_of_the_daemon_is_what_the_contract_says() {
        for name in ErrorName::ALL.iter().filter(|name| **name != ErrorName::AccessDenied) {
            let failure = from_name(name.as_str(), "", Doing::Group);
            let expected = Failure::new(name.exit_code(), name.clause(), name.advice());
            assert_eq!(failure, expected, "{name}");
        }
    }

    #[test]
    fn what_the_daemon_says_of_an_answer_that_does_not_come_is_told() {
        for (refusal, said) in [
            (Refusal::Stopping, "nothing was changed"),
            (Refusal::OutcomeUnknown, "whether this was done is not known"),
        ] {
            let failure = from_name(refusal.error_name().as_str(), &refusal.to_string(), Doing::Group);
            assert!(failure.what.contains(said) && !failure.what.contains("seconds"), "{}", failure.what);
            assert_eq!(failure.code, ExitCode::Unreachable);
        }
        let waited = zbus::Error::from(io::Error::from(io::ErrorKind::TimedOut));
        assert!(group(waited).what.ends_with("within 30 seconds"));
    }

    #[test]
    fn the_advice_is_for_the_cause_that_was_seen() {
        for (refusal, reason) in [
            (Refusal::NetworkUnavailable("no route".to_owned()), Reason::Network),
            (Refusal::Certificate("unknown issuer".to_owned()), Reason::Certificate),
            (Refusal::Proxy("407".to_owned()), Reason::Proxy),
        ] {
            let failure = from_name(refusal.error_name().as_str(), &refusal.to_string(), Doing::Group);
            assert_eq!(failure.what, refusal.to_string(), "once");
            assert_eq!((failure.code, failure.next.as_str()), (reason.exit_code(), reason.advice()));
        }
    }

    #[test]
    fn an_error_of_a_newer_daemon_is_shown() {
        let failure = from_name(&format!("{OWN}Overheated"), "at 90 degrees", Doing::Group);
        assert_eq!(failure.what, "the daemon failed (Overheated): at 90 degrees");
        assert_eq!((failure.code, failure.next.is_empty()), (ExitCode::Failed, false));
    }

    #[test]
    fn details_are_kept_and_clean() {
        let failure = from_name("org.rigpost.Rigpost1.Error.NotFound", "item 12.", Doing::Group);
        assert_eq!(failure.what, "not found: item 12");
        let failure = from_name("com.example.Odd", "", Doing::Group);
        assert_eq!(
            (failure.code, failure.what.as_str()),
            (ExitCode::Failed, "the daemon failed: com.example.Odd")
        );
    }

    #[test]
    fn nothing_is_said_twice_or_of_the_wrong_thing() {
        let failure = |short: &str, detail, doing| from_name(&format!("{OWN}{short}"), detail, doing);
        let outside =
            failure("OutsideMediaDirs", "the file is not beneath a media directory: /etc/passwd", Doing::Add);
        assert_eq!(outside.what, "the file is not beneath a media directory: /etc/passwd");
        assert!(failure("NotAllowed", "/x is empty", Doing::Add).next.contains("regular files"));
        let steering = failure("NotAllowed", "item 3 is not over", Doing::Group);
        assert_eq!(steering.what, "the daemon does not do this: item 3 is not over");
        assert!(!steering.next.contains("regular files"));
    }

    #[test]
    fn an_option_that_an_older_daemon_does_not_know_is_a_matter_of_versions() {
        let failure = |detail| from_name(ErrorName::InvalidArgs.as_str(), detail, Doing::Group);
        let older = failure("unknown option \"after\"");
        assert_eq!(older.what, "the daemon that runs does not know this request: unknown option \"after\"");
        assert_eq!((older.code, older.next.as_str()), (ExitCode::Failed, UPGRADE));
        assert_eq!(failure("option \"after\" must be a number").code, ExitCode::Usage);
    }

    #[test]
    fn a_failing_disk_is_said_once() {
        let failure = |detail| from_name(&format!("{STANDARD}IOError"), detail, Doing::Group);
        assert_eq!(failure("").what, "the rig's own disk failed");
        let told = failure("the rig's own disk failed: disk I/O error");
        assert_eq!(told.what, "the rig's own disk failed: disk I/O error");
        assert!(told.next.contains("journalctl -k"));
    }

    #[test]
    fn a_missing_daemon_is_unreachable() {
        for name in ["ServiceUnknown", "NameHasNoOwner", "NoReply", "Spawn.ExecFailed", "Disconnected"] {
            assert_eq!(
                from_name(&format!("{STANDARD}{name}"), "x", Doing::Group).code,
                ExitCode::Unreachable,
                "{name}"
            );
        }
    }

    #[test]
    fn refusals_name_the_exact_command() {
        let failure = denied_for(Doing::Group, false, Some("ana"));
        assert_eq!(failure.code, ExitCode::NotAllowed);
        assert!(failure.next.starts_with("sudo usermod -aG rigpost-ui ana, then log out"));
        assert!(denied_for(Doing::Group, false, None).next.contains("rigpost-ui \"$USER\""));
        assert_eq!(denied_for(Doing::Root("provision"), false, None).next, "sudo rigpost provision");
        assert!(denied_for(Doing::Root("provision"), true, None).next.contains("policy"));
    }

    #[test]
    fn shown_as_two_lines() {
        let failure = Failure::new(ExitCode::Failed, "no", "do this");
        assert_eq!(failure.to_string(), "rigpost: no\n  next: do this");
        assert_eq!(Failure::new(ExitCode::Failed, "no", "").to_string(), "rigpost: no");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_closed_pipe());
        assert!(!Failure::from(io::Error::from(io::ErrorKind::StorageFull)).is_closed_pipe());
    }
}
