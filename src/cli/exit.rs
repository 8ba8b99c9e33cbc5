//! How `rigpost` fails: one line that says what, one that says what to do next, and an exit code that scripts can rely on.
//!
//! # Decisions
//!
//! - One table from D-Bus error names to all three, so that the wording is reviewed in one place and can't contradict the
//!   man page.
//! - What the daemon says about an error is shown (it knows the path or the number), unless it only repeats the name.
//! - The provider's trouble, a log-in page in between and a wrong clock share an exit code: to a script, all of them mean
//!   "try again later".

use std::{fmt, io};

use zbus::DBusError as _;

use super::text;

/// Exit codes, as listed in [`super::args::EXIT_STATUS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Done.
    Ok = 0,
    /// Failed for a reason that has no code of its own.
    Failure = 1,
    /// Wrong usage.
    Usage = 2,
    /// No bus, no daemon, or no answer from it.
    Unreachable = 3,
    /// Root or the group is needed.
    NotAllowed = 4,
    /// A person said no.
    Denied = 5,
    /// The time is up, or somebody cancelled.
    Ended = 6,
    /// There is no secret, or no authorization.
    NotPaired = 7,
    /// The provider can't be reached.
    Network = 8,
    /// Clips that were waited for were not all sent.
    NotSent = 9,
}

/// A failure as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Ends the process with this.
    pub(crate) code: Code,
    /// What failed: one line, lower case, no full stop.
    pub(crate) what: String,
    /// What to do next: one line; empty when there is nothing to do.
    pub(crate) next: String,
}

impl Failure {
    /// A failure in the words given.
    pub(crate) fn new(code: Code, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code, what: what.into(), next: next.into() }
    }

    /// The reader of our output went away (`rigpost queue | head`): not an error to talk about.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.code == Code::Ok
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
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Code::Ok, String::new(), String::new());
        }
        Self::new(Code::Failure, format!("can't write the output: {error}"), "check where the output goes")
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

const OURS: &str = "org.rigpost.Rigpost1.Error.";
const STANDARD: &str = "org.freedesktop.DBus.Error.";

/// Turns an error of the bus into a failure with advice.
pub(crate) fn from_bus(error: &zbus::Error, doing: Doing) -> Failure {
    if let zbus::Error::InputOutput(io) = error {
        return match io.kind() == io::ErrorKind::TimedOut {
            true => no_answer(),
            false => Failure::new(
                Code::Unreachable,
                format!("the connection to the system bus broke: {io}"),
                DOCTOR,
            ),
        };
    }
    if let zbus::Error::Connection(io, _) = error {
        return Failure::new(
            Code::Unreachable,
            format!("the system bus can't be reached: {io}"),
            "systemctl status dbus.socket",
        );
    }
    match name_of(error) {
        Some((name, detail)) => from_name(&name, &detail, doing),
        None => {
            Failure::new(Code::Failure, format!("the bus answered in an unexpected way: {error}"), UPGRADE)
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

const DOCTOR: &str = "rigpost doctor";
const UPGRADE: &str =
    "compare the two lines of `rigpost version`; after an upgrade: sudo systemctl restart rigpost";

/// Turns the name of a D-Bus error, and what the peer said with it, into a failure with advice.
pub(crate) fn from_name(name: &str, detail: &str, doing: Doing) -> Failure {
    if let Some(short) = name.strip_prefix(OURS) {
        return from_ours(short, detail, doing);
    }
    let short = name.strip_prefix(STANDARD).unwrap_or(name);
    let failure = |code, what: String, next: &str| Failure::new(code, what, next);
    match short {
        "AccessDenied" | "InteractiveAuthorizationRequired" => access_denied(doing),
        "InvalidArgs" => {
            failure(Code::Usage, say("the daemon refused an argument", detail), "rigpost --help")
        }
        "LimitsExceeded" => failure(
            Code::Failure,
            say("that is more than the daemon takes", detail),
            "try again with less at a time",
        ),
        "IOError" => failure(
            Code::Failure,
            if detail.is_empty() { "the rig's own disk failed".to_owned() } else { detail.to_owned() },
            "`rigpost doctor` and `journalctl -k -e` show what is wrong with the disk of /var/lib/rigpost",
        ),
        "NotSupported" => failure(Code::Failure, say("the daemon can't do that", detail), "rigpost doctor"),
        "UnknownMethod" | "UnknownInterface" | "UnknownObject" | "UnknownProperty" => {
            failure(Code::Failure, "the daemon that runs does not know this request".into(), UPGRADE)
        }
        "NoReply" | "Timeout" | "TimedOut" => no_answer(),
        "ServiceUnknown" | "NameHasNoOwner" => failure(
            Code::Unreachable,
            "the daemon is not running, and the bus does not know how to start it".into(),
            "sudo systemctl enable --now rigpost",
        ),
        "Disconnected" | "NoServer" => {
            failure(Code::Unreachable, say("the connection to the system bus broke", detail), DOCTOR)
        }
        _ if short.starts_with("Spawn.") || short.starts_with("org.freedesktop.systemd1.") => failure(
            Code::Unreachable,
            say("the daemon could not be started", detail),
            "systemctl status rigpost; journalctl -u rigpost -e",
        ),
        _ => failure(
            Code::Failure,
            say("the daemon failed", if detail.is_empty() { name } else { detail }),
            JOURNAL,
        ),
    }
}

const JOURNAL: &str = "journalctl -u rigpost -e";

/// The daemon's own errors: (name, code, what, what to do next).
const OWN: &[(&str, Code, &str, &str)] = &[
    ("NotProvisioned", Code::NotPaired, "this rig has no client secret yet", "sudo rigpost provision"),
    ("NotPaired", Code::NotPaired, "this rig is not paired with a project", "rigpost pair"),
    (
        "AlreadyPaired",
        Code::Failure,
        "this rig is paired already",
        "`rigpost status` shows with which project; to pair with another: rigpost unpair, then rigpost pair",
    ),
    ("InProgress", Code::Failure, "a pairing is under way", "wait for it, or end it: rigpost cancel"),
    (
        "NetworkUnavailable",
        Code::Network,
        "the provider can't be reached",
        "check cable, Wi-Fi or modem, then try again; `rigpost doctor` finds out more",
    ),
    (
        "CaptivePortal",
        Code::Network,
        "this network answers with a log-in page of its own",
        "log in to the network (hotel, venue, airport) with a browser behind it, or use another one",
    ),
    (
        "ClockUntrusted",
        Code::Network,
        "the clock of this rig is wrong, so secure connections fail",
        "connect it to a network with a time server, or: sudo timedatectl set-time 'YYYY-MM-DD HH:MM'",
    ),
    (
        "ClientRejected",
        Code::Failure,
        "the provider does not accept this rig's identity or secret",
        "check both with whoever issued them, then: sudo rigpost provision",
    ),
    ("ProviderError", Code::Network, "the provider answered with an error", "try again in a few minutes"),
    ("RateLimited", Code::Network, "the provider asks to wait", "try again in a minute"),
    (
        "SecretUnavailable",
        Code::Failure,
        "this rig can't open its sealed secrets",
        "`rigpost doctor` says why; if the key is lost for good: sudo rigpost provision",
    ),
    (
        "StorageFull",
        Code::Failure,
        "the rig's own disk is full",
        "free some space on the disk of /var/lib/rigpost",
    ),
    ("NotFound", Code::Failure, "there is no such thing", "look at `rigpost queue --all`"),
    (
        "OutsideMediaDirs",
        Code::Failure,
        "the file is not beneath a media directory",
        "add its directory to `media_dirs` in /etc/rigpost/rigpost.toml, then: sudo systemctl restart rigpost",
    ),
    (
        "NotAllowed",
        Code::Failure,
        "the daemon does not take this",
        "clips must be regular files, not empty, and readable by the user rigpost",
    ),
    ("Cancelled", Code::Ended, "the pairing was cancelled", "start again: rigpost pair"),
];

fn from_ours(short: &str, detail: &str, doing: Doing) -> Failure {
    // What is said of clips at the door helps nobody with those that are in.
    if short == "NotAllowed" && doing != Doing::Add {
        let allow = (Code::NotAllowed, "set `allow` in [tokens] of the configuration, and restart rigpost");
        let clips = (Code::Failure, "`rigpost queue --all` shows the clips and their states");
        let (code, next) = if doing == Doing::Token { allow } else { clips };
        return Failure::new(code, say("the daemon does not do this", detail), next);
    }
    match OWN.iter().find(|(name, ..)| *name == short) {
        Some((_, code, what, next)) => Failure::new(*code, say(what, detail), *next),
        None => Failure::new(Code::Failure, say(&format!("the daemon failed ({short})"), detail), JOURNAL),
    }
}

/// "what: detail", without a detail that says nothing.
fn say(what: &str, detail: &str) -> String {
    let detail = detail.trim().trim_end_matches('.');
    // The daemon may begin with the same words.
    let detail = match detail.split_once(": ") {
        Some((head, rest)) if what.ends_with(head) => rest,
        Some(_) | None => detail,
    };
    match detail.is_empty() {
        true => what.to_owned(),
        false => format!("{what}: {detail}"),
    }
}

fn no_answer() -> Failure {
    Failure::new(
        Code::Unreachable,
        format!("the daemon gave no answer within {} seconds", super::bus::CALL_TIMEOUT.as_secs()),
        "systemctl status rigpost; journalctl -u rigpost -e",
    )
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
            Code::NotAllowed,
            "the system bus refused even root",
            "its policy file may be missing: `rigpost doctor` checks that",
        ),
        (false, Doing::Root(command)) => {
            Failure::new(Code::NotAllowed, "only root may do this", format!("sudo rigpost {command}"))
        }
        (false, Doing::Token) => Failure::new(
            Code::NotAllowed,
            "you are not allowed to fetch tokens: only root and the group rigpost-token are",
            format!("sudo usermod -aG rigpost-token {user}, then log out and log in again"),
        ),
        (false, Doing::Group | Doing::Add) => Failure::new(
            Code::NotAllowed,
            "you are not allowed to talk to rigpost: only root and the group rigpost-ui are",
            format!("sudo usermod -aG rigpost-ui {user}, then log out and log in again"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::{EXIT_STATUS, RigpostArgs};

    const CODES: [Code; 10] = [
        Code::Ok,
        Code::Failure,
        Code::Usage,
        Code::Unreachable,
        Code::NotAllowed,
        Code::Denied,
        Code::Ended,
        Code::NotPaired,
        Code::Network,
        Code::NotSent,
    ];

    #[test]
    fn documented_codes_are_the_codes() {
        let documented: Vec<u8> = EXIT_STATUS.iter().map(|(code, _)| *code).collect();
        let ours: Vec<u8> = CODES.iter().map(|code| *code as u8).collect();
        assert_eq!(documented, ours);
        let help = RigpostArgs::command().render_long_help().to_string();
        for code in ours {
            assert!(help.contains(&format!("\n  {code}  ")), "--help does not explain {code}");
        }
    }

    #[test]
    fn every_error_of_the_contract_has_words_and_a_next_step() {
        let contract = [
            ("NotProvisioned", Code::NotPaired),
            ("NotPaired", Code::NotPaired),
            ("AlreadyPaired", Code::Failure),
            ("InProgress", Code::Failure),
            ("NetworkUnavailable", Code::Network),
            ("CaptivePortal", Code::Network),
            ("ClockUntrusted", Code::Network),
            ("ClientRejected", Code::Failure),
            ("ProviderError", Code::Network),
            ("RateLimited", Code::Network),
            ("SecretUnavailable", Code::Failure),
            ("StorageFull", Code::Failure),
            ("NotFound", Code::Failure),
            ("OutsideMediaDirs", Code::Failure),
            ("NotAllowed", Code::Failure),
            ("Cancelled", Code::Ended),
        ];
        assert_eq!(contract.len(), OWN.len());
        for (name, code) in contract {
            let failure = from_name(&format!("{OURS}{name}"), "", Doing::Group);
            assert_eq!(failure.code, code, "{name}");
            assert!(!failure.next.is_empty(), "{name} leaves the person alone");
            assert!(!failure.what.contains(name), "{name} is jargon");
        }
    }

    #[test]
    fn details_are_kept_and_clean() {
        let failure = from_name("org.rigpost.Rigpost1.Error.NotFound", "item 12.", Doing::Group);
        assert_eq!(failure.what, "there is no such thing: item 12");
        let failure = from_name("com.example.Odd", "", Doing::Group);
        assert_eq!(
            (failure.code, failure.what.as_str()),
            (Code::Failure, "the daemon failed: com.example.Odd")
        );
    }

    #[test]
    fn nothing_is_said_twice_or_of_the_wrong_thing() {
        let failure = |short: &str, detail, doing| from_name(&format!("{OURS}{short}"), detail, doing);
        let outside = failure("OutsideMediaDirs", "not beneath a media directory: /etc/passwd", Doing::Add);
        assert_eq!(outside.what, "the file is not beneath a media directory: /etc/passwd");
        assert!(failure("NotAllowed", "/x is empty", Doing::Add).next.contains("regular files"));
        let steering = failure("NotAllowed", "item 3 is not over", Doing::Group);
        assert_eq!(steering.what, "the daemon does not do this: item 3 is not over");
        assert!(!steering.next.contains("regular files"));
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
                Code::Unreachable,
                "{name}"
            );
        }
    }

    #[test]
    fn refusals_name_the_exact_command() {
        let failure = denied_for(Doing::Group, false, Some("ana"));
        assert_eq!(failure.code, Code::NotAllowed);
        assert!(failure.next.starts_with("sudo usermod -aG rigpost-ui ana, then log out"));
        assert!(denied_for(Doing::Group, false, None).next.contains("rigpost-ui \"$USER\""));
        assert_eq!(denied_for(Doing::Root("provision"), false, None).next, "sudo rigpost provision");
        assert!(denied_for(Doing::Root("provision"), true, None).next.contains("policy"));
    }

    #[test]
    fn shown_as_two_lines() {
        let failure = Failure::new(Code::Failure, "no", "do this");
        assert_eq!(failure.to_string(), "rigpost: no\n  next: do this");
        assert_eq!(Failure::new(Code::Failure, "no", "").to_string(), "rigpost: no");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_closed_pipe());
        assert!(!Failure::from(io::Error::from(io::ErrorKind::StorageFull)).is_closed_pipe());
    }
}
