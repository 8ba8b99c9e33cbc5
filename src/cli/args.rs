//! What `rigpost` can be told on its command line.
//!
//! # Decisions
//!
//! - clap with derive, the words of the contract, and nothing else: the build script includes this file to write the man pages and the shell
//!   completions, so that the three can't disagree.
//! - `queue cancel` and `queue retry` rather than `cancel-item` and `retry`: `rigpost cancel` ends a pairing, and nobody
//!   should have to remember which of two cancels is which. What concerns the whole rig (`pause`, `limit`) stands alone.
//! - What a person can regret (footage to another project, taking clips off in bulk) asks first, on a terminal. Without a
//!   terminal it says that `--yes` is needed and ends; it never waits for an answer that can't come.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

use rigpost_contract::exit::ExitCode;

#[path = "args/identity.rs"]
mod identity;
#[path = "args/queue.rs"]
mod queue;

pub use identity::*;
pub use queue::*;

/// Exit codes, as `--help` lists them.
fn exit_help() -> String {
    let line = |code: &ExitCode| format!("\n  {}  {code}", code.number());
    format!("Exit status:{}", ExitCode::ALL.iter().map(line).collect::<String>())
}

/// Pair this rig with a cloud project and watch its clips go up
///
/// rigpost speaks to the daemon rigpostd over the system bus. Members of the group rigpost-ui may look, pair and steer
/// the queue; only root may provision a rig or make it forget who it is.
///
/// On a new rig: `sudo rigpost provision` once, then `rigpost pair`, then `rigpost add CLIP`. Whenever something looks
/// wrong: `rigpost status` says what stands in the way, and `rigpost doctor` looks for the cause.
#[derive(Debug, Parser)]
#[command(name = "rigpost", version, after_long_help = exit_help(), propagate_version = true, max_term_width = 100)]
pub struct RigpostArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `rigpost`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how this rig is doing, on one screen
    ///
    /// Says whether the rig is paired and with which project or account, what is left to send, what stands in the way,
    /// what to do next, and whether the power can be cut without making anything slower.
    ///
    /// With --json, prints one object: "summary" and "next" for a person, and "device", "pairing" and "queue" with the
    /// properties of the D-Bus interfaces of these names, in snake_case, and "verification_host", where the link leads. Times
    /// that count from the start of the rig are given as seconds from now ("code_expires_in", "access_expires_in"), others
    /// as Unix seconds; null means that there is none. Keys may be added but are never renamed.
    ///
    /// Ends with 0 whenever the daemon could be asked, whatever the state of the rig is. Where it can't start, says why: the
    /// line of the configuration, or what the service manager knows.
    Status(StatusArgs),
    /// Pair this rig with a project, or with an account
    ///
    /// Shows a code in large digits, where to type it, and (where the provider offers a link) a QR code. The code renews
    /// itself until somebody accepts or denies it. Leave with Ctrl-C: that cancels the pairing.
    ///
    /// Below the code stand the host that the link leads to, by itself, and the rig's name and serial: whoever enters the
    /// code can compare both with the page that they look at.
    ///
    /// When the output is not a terminal, each step is one plain line: "code: …", "open: …", "host: …", "rig: …",
    /// "paired: …".
    ///
    /// With --json, each change is one object on a line of its own, for the program behind a screen: "summary" for a person,
    /// the keys of "pairing" in `rigpost status --json` with the code, "device_id", and "qr", the QR code as a data URL (PNG)
    /// or null. The last line has "exit_status", which is null before, and "next", what to do then; its "summary" says how
    /// it ended. Keys may be added but are never renamed.
    Pair(PairArgs),
    /// Cancel a pairing that is under way
    ///
    /// Does nothing when there is none. A rig that is already paired stays paired; use `rigpost unpair` to end that.
    ///
    /// With --json, prints "cancelled": whether there was one.
    Cancel(JsonArgs),
    /// End this rig's authorization
    ///
    /// Erases the tokens on this rig, has the provider revoke them, and says what came of that. Clips that are still queued
    /// stay queued, and the rig can be paired again.
    ///
    /// Ends with 0 when the provider has confirmed it, offers no way to do so, or had given nothing; with 11 when it refused
    /// or could not be reached. The rig is unpaired then, too: what is needed to revoke the tokens is kept, sealed, and tried
    /// again for a week, except while the rig is paired anew; `rigpost status` shows how many are left. On a rig that is not
    /// paired, tries such a one now.
    Unpair(UnpairArgs),
    /// Erase this rig's identity and its secrets (root only)
    ///
    /// Erases tokens, client secret and identity, has the provider revoke the tokens, and says what came of that. The rig has
    /// to be provisioned again before it can pair. Queued clips stay, held. For a rig that changes hands; `rigpost unpair` is
    /// the gentler way.
    ///
    /// Ends as `rigpost unpair` does. With 11, a sealed copy of the tokens and the client secret stays until the provider has
    /// heard, for a week at most; --offline leaves nothing.
    ///
    /// With --json, the receipt is one object: device_id, provider, project_name, authorized_by, revocation ("revoked",
    /// "refused", "not-reached", "not-offered", "nothing" or "not-asked"), detail, kept, erased ("tokens", "client-secret",
    /// "identity", "storage-key", "revocations"), at (UTC), clock_trusted. Keys and words may be added but are never renamed.
    ///
    /// For example: `sudo rigpost forget --yes --receipt`
    Forget(ForgetArgs),
    /// Give this rig its client secret (root only)
    ///
    /// Reads the secret from standard input, or asks for it (without showing it) when that is a terminal. It reaches the
    /// daemon through a pipe, never as an argument: other users could see those, and shells remember them.
    ///
    /// With --s3-key it is the key of a user of the bucket that clips go to, where the configuration has [delivery] keys = "vault".
    ///
    /// For example: `sudo rigpost provision < /run/secrets/client-secret`
    Provision(ProvisionArgs),
    /// Print an access token, for a program that calls an API of its own
    ///
    /// For root and members of the group rigpost-token, where the configuration allows it (`allow` in [tokens]). The token
    /// is renewed first where it does not live long enough. Each call leaves a line in the journal.
    ///
    /// Whoever has the token may act as this rig until it runs out: keep it out of files and of command lines. For example:
    /// `rigpost token | my-program`
    ///
    /// A token that is bound to the rig's key (DPoP, RFC 9449) is of no use without a proof for each request, in the header
    /// DPoP beside `Authorization: DPoP`: `rigpost token --dpop`, and `rigpost token --proof GET https://api.example/me`.
    Token(TokenArgs),
    /// Queue clips for upload
    ///
    /// When this returns, the clips are on the queue for good: a power cut does not lose them. Files must lie beneath one
    /// of the configured media directories. Up to 10,000 files at a time are accepted all together or not at all; with
    /// --keep-going those that are refused are named and the others are accepted.
    ///
    /// A clip is known by its bytes, wherever it lies and whatever it is called. One that is in the queue already, or in the
    /// project, is said to be so with its number and is not queued again: that ends with 0 as well, and --again sends it
    /// once more. One that was delivered to another project is not queued either: that ends with 1, the others are queued,
    /// and --to-this-project sends it here too.
    ///
    /// A name with *, ? or [ that is no file is taken for a pattern and expanded, so that it may be quoted: the shell's own
    /// limit on the number of arguments then does not count. ** stands for any number of directories, and case does not
    /// matter.
    ///
    /// With --wait, shows how the clips that wait are sent and ends with 0 when all of them are in the cloud, or with 9 as
    /// soon as each of them is in the cloud, failed, cancelled, held or away, or is incomplete and kept so by its source
    /// (`incomplete = "hold"`), and not all are in the cloud. Ctrl-C ends the waiting, also with 9; the clips stay queued.
    ///
    /// With --json, prints one object: "files", in the order in which they were queued, each with id, found ("new", "waiting",
    /// "delivered" or "delivered-elsewhere"; words may be added), path, and path_bytes where the path is not UTF-8. With --wait
    /// besides, that object is the first line, and each line after it is one of `rigpost watch --json`.
    ///
    /// For example: `rigpost add --recursive --pattern '*.mov' --wait /media/card`
    Add(AddArgs),
    /// Show the clips that are on their way, or steer them
    ///
    /// Without --state or --all, shows what is being sent, what waits, and what is held, away, incomplete or failed and why; the
    /// newest last.
    ///
    /// With --json, prints one object: "total" (how many items match, whatever the limit is) and "items", the newest
    /// last, each with the keys of an item on D-Bus: id, path, name, size, sent, state, reason, detail, priority,
    /// class, channel, source, uid, project_id, asset_id, attempts, added (Unix seconds), and path_bytes where the path is
    /// not UTF-8. Keys may be added but are never renamed.
    #[command(args_conflicts_with_subcommands = true)]
    Queue(QueueArgs),
    /// Show what was delivered, check it against a file, or write it down for a card
    ///
    /// A receipt has the digests of the bytes that left, part by part, and what the storage itself has named of what arrived. With
    /// --check, the file is read and compared with them.
    ///
    /// With --mhl, every file of the folder is read that has the name and the size of a delivered clip. Those that are what was
    /// delivered are written to the folder's history (ASC MHL 2.0, in `ascmhl`) as a new generation, which the reference tool
    /// `ascmhl` and others verify. What else lies there is named, and is not in it. Ends with 1 where a file is not what was
    /// delivered under its name, or nothing was.
    ///
    /// With --json, prints one object: for an item its keys (see `rigpost queue`) and delivered (Unix seconds), algorithm,
    /// chunk_size, parts, digest and vouched, as documented for GetReceipt on D-Bus; with --mhl, "manifest" (empty where none
    /// was written), "delivered" and "others" (paths in the folder), and "differ" and "unknown", each with "path" and "why".
    ///
    /// For example: `rigpost receipt --mhl /media/card`
    Receipt(ReceiptArgs),
    /// Stop sending, until `rigpost resume`
    ///
    /// The parts in flight are finished first. The pause survives a restart of the rig.
    Pause(PauseArgs),
    /// Go on sending after `rigpost pause`
    ///
    /// With --json, prints "paused", "recording", "files_left" and "bytes_left", as they are then.
    Resume(JsonArgs),
    /// Limit how fast clips are sent, or show the limit
    ///
    /// Counts for the whole rig, from now on, and survives a restart. For example: `rigpost limit 5MB` (bytes per second),
    /// `rigpost limit 40Mbit`, `rigpost limit off`.
    Limit(LimitArgs),
    /// Wait until the rig is paired, online, done, or can be switched off
    ///
    /// For scripts. Ends with 0, and says nothing, as soon as all that is asked for is so at the same time, which may be at
    /// once. The daemon may be restarted meanwhile. Ctrl-C ends the waiting; nothing is stopped by that.
    ///
    /// With --timeout, ends with 10 when the time is up, and says what is not so and why.
    ///
    /// With --json, prints one object at either end: "holds" (true or false), "waiting_for" (what is not so, by the names of
    /// the options) and "status", which is what `rigpost status --json` prints, or null while the daemon does not run.
    ///
    /// For example: `rigpost wait --empty --safe-to-power-off --timeout 600 && poweroff`
    Wait(WaitArgs),
    /// Follow the rig live: pairing, clips being sent, events
    ///
    /// Shows progress bars on a terminal and plain lines elsewhere. Leave with Ctrl-C; nothing is stopped by that.
    ///
    /// With --json, prints one object for each change, on a line of its own, each with "time" (Unix seconds) and "event":
    /// "status" (at first, and when anything that `rigpost status --json` prints is different: "status"), "item" (an item entered
    /// a new state: "item", with id, name, size, sent, state, reason and detail), "stopped" and "running" (the daemon). Keys and
    /// events may be added.
    Watch(JsonArgs),
    /// Look for what keeps this rig from working
    ///
    /// Checks the configuration, the clock, the way to the provider, the bus, the protection of secrets, and the disk.
    /// Each line says ok, warn, FAIL, or what was not checked and why, and what to do about it. Works without the daemon;
    /// some checks need root. Nothing is changed, and nothing secret is printed: the output is safe to post.
    ///
    /// Ends with 0 when no check failed, else with 1.
    Doctor(DoctorArgs),
    /// Check the configuration, before the daemon reads it
    ///
    /// Names each mistake with its file, its line and its key. As root, also the files that the daemon's user can't read. Ends
    /// with 0 when there is none, else with 1.
    ///
    /// With --json, prints one object: "ok", "files" and "problems", each with file, line, key and reason.
    CheckConfig(ConfigArgs),
    /// Show what the configuration says
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show the daemon's lines in the journal
    ///
    /// The same as `journalctl --unit=rigpost.service`, which says what is missing where nothing is shown: reading the journal
    /// takes root, or membership of the group systemd-journal.
    Log(LogArgs),
    /// Write what whoever helps needs to know into one file
    ///
    /// A .tar.gz with `status`, `queue`, `doctor`, `config show` and `version`, the last lines of the daemon's journal, and what
    /// the system says of the units, the packages, the clock, the mounts, the room on the disks and the files of the daemon;
    /// about.json says what each part is and what came of it. As root it is complete; works without the daemon, which is not
    /// started, and takes two minutes at most.
    ///
    /// No secret and no code is in it, of addresses neither user nor query, and the names of clips, projects and people are
    /// numbers, the same one wherever a name stands. What mounts and media directories are called is in it.
    ///
    /// For example: `sudo rigpost support-bundle --output /tmp/rig.tar.gz`
    SupportBundle(BundleArgs),
    /// Show the version of this program and of the daemon
    ///
    /// With --json, prints "rigpost" and "rigpostd", which is null where the daemon does not run.
    Version(JsonArgs),
}

/// Of commands that take nothing else.
#[derive(Debug, Args)]
pub struct JsonArgs {
    /// Print one JSON object instead
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print one JSON object instead
    #[arg(long)]
    pub json: bool,
    /// With --json: include the pairing code and the link that contains it
    ///
    /// Left out by default, because such output tends to end up in files and tickets.
    #[arg(long, requires = "json")]
    pub show_code: bool,
    /// The configuration that is looked at where the daemon does not run, or does not say what server it asks
    #[arg(long, value_name = "FILE", default_value = "/etc/rigpost/rigpost.toml")]
    pub config: PathBuf,
}

/// Options of `rigpost pair`.
#[derive(Debug, Args)]
pub struct PairArgs {
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub limit: Option<u32>,
    /// Don't show the QR code
    #[arg(long)]
    pub no_qr: bool,
    /// Print one JSON object for each change instead
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost wait`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("condition").required(true).multiple(true))]
pub struct WaitArgs {
    /// The rig is paired
    #[arg(long, group = "condition")]
    pub paired: bool,
    /// The provider itself answered the last time that the rig asked it something
    #[arg(long, group = "condition")]
    pub online: bool,
    /// Nothing is queued or being sent
    ///
    /// What is held, away, incomplete or failed is not waited for: only a person can do something about it. How many of
    /// these there are is then said on standard error.
    #[arg(long, group = "condition")]
    pub empty: bool,
    /// The power can be cut, and nothing is to be done again
    #[arg(long, group = "condition")]
    pub safe_to_power_off: bool,
    /// Give up after this many seconds; 0 only looks
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=604_800))]
    pub timeout: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// It must live for so many more seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub min_validity: u32,
    /// Also one that is bound to the rig's key: each request then carries a proof
    #[arg(long)]
    pub dpop: bool,
    /// Print a proof for one request with the token in force, instead of the token
    #[arg(long, num_args = 2, value_names = ["METHOD", "URL"], conflicts_with_all = ["dpop", "min_validity"])]
    pub proof: Vec<String>,
    /// What the API has last said in its header DPoP-Nonce
    #[arg(long, requires = "proof", default_value = "", hide_default_value = true)]
    pub nonce: String,
    /// Print one JSON object instead: "token" and "expires_in" (seconds), or "proof"
    #[arg(long)]
    pub json: bool,
}

/// The commands of `rigpost config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every key: its value, and which line of which file says so
    ///
    /// Written like a file of the configuration. What the daemon that runs has read may be older: `systemctl reload rigpost`, or
    /// restart, takes over what is shown. A proxy's password is left out.
    ///
    /// With --json, prints one object: "files", and "values", each with key, of (the name of its [[section]], if it is in one),
    /// value (as it is written in a file, or null where it is not set), file and line (null where it is the default).
    Show(ConfigArgs),
}

/// Options of `rigpost check-config` and `rigpost config show`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The main file; its conf.d stands beside it
    #[arg(long, value_name = "FILE", default_value = "/etc/rigpost/rigpost.toml")]
    pub config: PathBuf,
    /// Print one JSON object instead
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Go on with what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Only so many of the newest lines
    #[arg(long, short = 'n', value_name = "N")]
    pub lines: Option<u32>,
    /// Only what is not older: "today", "2026-11-29 12:00", "-1h"
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Print one JSON object for each line, as journalctl has them
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost support-bundle`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// Write this file, which must not exist; without it, one with the time in its name, here
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// With the names of clips, projects and people
    #[arg(long)]
    pub with_names: bool,
    /// Print one JSON object: "file", "bytes" and "missing" (names of the parts that could not be had)
    #[arg(long)]
    pub json: bool,
    /// The configuration that is told of
    #[arg(long, value_name = "FILE", default_value = "/etc/rigpost/rigpost.toml")]
    pub config: PathBuf,
}

/// Options of `rigpost doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print one JSON object instead
    #[arg(long)]
    pub json: bool,
    /// The configuration to check
    #[arg(long, value_name = "FILE", default_value = "/etc/rigpost/rigpost.toml")]
    pub config: PathBuf,
}
