//! Arguments of the commands that fill and steer the queue.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use rigpost_contract::item::ItemState;

/// Options of `rigpost add`.
#[derive(Debug, Default, Args)]
pub struct AddArgs {
    /// Larger goes first; without it, the kind of the clip decides
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    pub priority: Option<i32>,
    /// Queue what is in a directory, and in the directories beneath it
    ///
    /// Skipped are hidden names, those of unfinished files (*.tmp, *.part, *~ and the like), what systems keep for themselves
    /// (System Volume Information, Thumbs.db, lost+found and the like, with everything in them), empty files and links.
    /// Files are queued in the order of their names.
    #[arg(long, short)]
    pub recursive: bool,
    /// Of what is in directories, only files that match; may be repeated; implies --recursive
    ///
    /// Case does not matter. A pattern with a / is held against the whole path, one without against the file's name.
    #[arg(long, value_name = "GLOB")]
    pub pattern: Vec<String>,
    /// Leave out the frames of sequences: CinemaDNG, ARRIRAW, DPX, OpenEXR, numbered TIFF
    ///
    /// To the cloud each frame is a clip. It takes five new ones a second from all devices of one person, and a rig asks for
    /// four: 86400 frames, which are an hour at 24 a second, need at least 6 hours on any line.
    #[arg(long)]
    pub no_sequences: bool,
    /// What the cloud shall call it, for a single clip
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Which camera or recorder behind this rig made the clips
    #[arg(long, value_name = "N")]
    pub channel: Option<u8>,
    /// The clips are complete: don't wait until they no longer change
    #[arg(long)]
    pub closed: bool,
    /// Send clips once more that were delivered to this project already
    #[arg(long)]
    pub again: bool,
    /// Send clips to this project that were delivered to another one
    #[arg(long)]
    pub to_this_project: bool,
    /// Hand the clips over open, and not by their paths
    ///
    /// What the daemon's user can't reach and you can read is handed over open by itself: a clip on a card that a desktop has
    /// mounted for you alone. This option does so with every clip, outside the media directories too. The card can't be
    /// unmounted before a clip is sent; after a reboot it has to be added again, and goes on where it was. At most 64 clips
    /// at a time.
    #[arg(long)]
    pub by_descriptor: bool,
    /// Queue the others when some are refused; ends with 1 then
    #[arg(long, short)]
    pub keep_going: bool,
    /// Wait until the clips are in the cloud
    #[arg(long, short)]
    pub wait: bool,
    /// Print one JSON object instead
    #[arg(long)]
    pub json: bool,
    /// The clips
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Options of `rigpost pause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// Only as long as this program runs: what a camera does while it records
    ///
    /// Ends with Ctrl-C, or however this program ends; survives nothing. A pause by a person is another thing: neither ends
    /// the other.
    #[arg(long)]
    pub while_recording: bool,
    /// Print one JSON object instead: "paused" or, with --while-recording, "recording"
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost limit`.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Per second: a number with B, kB, MB, GB, kbit, Mbit or Gbit; at least 10kB; or "off". Without it, shows the limit
    #[arg(value_name = "RATE", value_parser = rate)]
    pub rate: Option<u64>,
    /// Print one JSON object instead: "bandwidth_limit" (bytes per second, or null)
    #[arg(long)]
    pub json: bool,
}

/// Bytes per second from what a person writes; 0: no limit.
///
/// # Errors
///
/// One sentence about what is wrong with it.
pub fn rate(text: &str) -> Result<u64, String> {
    let text = text.trim().trim_end_matches("/s");
    if matches!(text, "off" | "none" | "0") {
        return Ok(0);
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()]
        .parse()
        .map_err(|_| "write a number and a unit, like 5MB or 40Mbit, or \"off\"".to_owned())?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "kbit" => 125.0,
        "mbit" => 125e3,
        "gbit" => 125e6,
        "" => return Err("a unit is missing: 5MB are five million bytes per second".to_owned()),
        _ => return Err("the unit must be B, kB, MB, GB, kbit, Mbit or Gbit".to_owned()),
    };
    match number * factor {
        bytes if (1e4..1e15).contains(&bytes) => Ok(bytes as u64),
        _ => Err("it must be at least 10kB per second; `rigpost pause` stops the sending".to_owned()),
    }
}

/// States an item can be asked for, with what they mean.
fn item_state() -> impl TypedValueParser<Value = ItemState> {
    one_of(|_| true)
}

/// One of these states only: `--help` names no value that would be refused.
fn one_of(is_taken: fn(ItemState) -> bool) -> impl TypedValueParser<Value = ItemState> {
    let known = |state: &ItemState| PossibleValue::new(state.as_str()).help(state.meaning());
    let taken = ItemState::ALL.iter().filter(|state| is_taken(**state));
    let names = PossibleValuesParser::new(taken.map(known));
    names.try_map(|name| name.parse::<ItemState>())
}

/// What can be tried again.
fn is_tried(state: ItemState) -> bool {
    !matches!(state, ItemState::Uploading | ItemState::Recording | ItemState::Held | ItemState::Done)
}

/// What can be taken off the queue, or go earlier.
fn is_taken_off(state: ItemState) -> bool {
    !matches!(state, ItemState::Done | ItemState::Cancelled)
}

/// What can be released.
fn is_released(state: ItemState) -> bool {
    matches!(state, ItemState::Held | ItemState::Incomplete)
}

/// Options of `rigpost queue`.
#[derive(Debug, Args)]
pub struct QueueArgs {
    /// Steer items; without one, they are listed.
    #[command(subcommand)]
    pub command: Option<QueueCommand>,
    /// Show only items in this state
    #[arg(long, short, value_name = "STATE", group = "which", value_parser = item_state())]
    pub state: Option<ItemState>,
    /// Show only what failed, and why; the same as --state failed
    #[arg(long, group = "which")]
    pub failed: bool,
    /// Show only what waits for a person; the same as --state held
    #[arg(long, group = "which")]
    pub held: bool,
    /// Show finished and cancelled items too
    #[arg(long, short, group = "which")]
    pub all: bool,
    /// Show at most this many items, the newest
    #[arg(long, short, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Leave out this many of the newest
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub offset: u32,
    /// Print one JSON object instead
    #[arg(long)]
    pub json: bool,
}

/// What can be done to items of the queue.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Show all there is to say about one clip
    ///
    /// Where it stands and why, when it is tried again, its file, and what the cloud has of it.
    ///
    /// With --json, prints one object with the keys of the item (see `rigpost queue`) and version_of (the asset that it is a
    /// new version of), as_is (it goes, or went, though it is cut off) and next_try_in (seconds, or null).
    Show(ShowArgs),
    /// Try items again that failed, were cancelled, are away or incomplete, and waiting ones at once
    ///
    /// Their files are taken as they are now. --all means those that failed, unless --state says otherwise.
    #[command(mut_arg("state", |state| state.value_parser(one_of(is_tried))))]
    Retry(SelectArgs),
    /// Take items off the queue; the files themselves are never touched
    ///
    /// --all means all that are not over: queued, being sent, held, away or incomplete, unless --state says otherwise. It
    /// asks first.
    #[command(mut_arg("state", |state| state.value_parser(one_of(is_taken_off))))]
    Cancel(SelectArgs),
    /// Send held items to the project that is paired now, and incomplete ones as they are
    ///
    /// What is held goes whatever project it belonged to, and also when it was made before the pairing. What is incomplete
    /// goes cut off, as it is now. --all means all that are held, unless --state says incomplete. It asks first, also of clips
    /// that are named.
    #[command(mut_arg("state", |state| state.value_parser(one_of(is_released))))]
    Release(SelectArgs),
    /// Send items earlier (larger) or later than others
    ///
    /// --all means those that are queued, unless --state says otherwise. For example: `rigpost queue priority 10 4711`
    #[command(mut_arg("state", |state| state.value_parser(one_of(is_taken_off))))]
    Priority(PriorityArgs),
    /// Say something of a clip in the cloud, at a frame of it
    ///
    /// It is sent as soon as the cloud has an asset of the clip, which may be while it is recorded. For example:
    /// `rigpost queue comment 4711 "circle this one" --frame 240`
    Comment(CommentArgs),
    /// Take what is over off the list; the files themselves are never touched
    ///
    /// Without --state or numbers: what is done or cancelled. The receipts of what is cleared are gone too.
    ///
    /// With --json, prints "count", and "items" as `rigpost queue retry` does.
    Clear(ClearArgs),
    /// Show what was delivered: `rigpost receipt`
    Receipt(ReceiptArgs),
}

/// Items by their number, or all in a state.
#[derive(Debug, Args)]
pub struct SelectArgs {
    /// Numbers of the items, as `rigpost queue` shows them
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<u64>,
    /// All items that this makes sense for
    #[arg(long, short)]
    pub all: bool,
    /// With --all: those in this state
    #[arg(long, short, value_name = "STATE", requires = "all", value_parser = item_state())]
    pub state: Option<ItemState>,
    /// Don't ask
    #[arg(long, short)]
    pub yes: bool,
    /// Print one JSON object instead: "items", each with "id" and "result", a word of the D-Bus interface
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost queue priority`.
#[derive(Debug, Args)]
pub struct PriorityArgs {
    /// Larger goes first
    #[arg(value_name = "N", allow_negative_numbers = true)]
    pub priority: i32,
    /// By number, or all in a state.
    #[command(flatten)]
    pub items: SelectArgs,
}

/// Options of `rigpost queue clear`.
#[derive(Debug, Args)]
pub struct ClearArgs {
    /// Numbers of the items; not of those that wait or are being sent
    #[arg(value_name = "ID", conflicts_with = "state")]
    pub ids: Vec<u64>,
    /// All in this state: done, cancelled or failed (which asks first); may be repeated
    #[arg(long, short, value_name = "STATE", value_parser = one_of(ItemState::is_over))]
    pub state: Vec<ItemState>,
    /// Don't ask
    #[arg(long, short)]
    pub yes: bool,
    /// Print one JSON object instead: "items", each with "id" and "result", a word of the D-Bus interface
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost queue show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Number of the item, as `rigpost queue --all` shows it
    #[arg(value_name = "ID")]
    pub id: u64,
    /// Print one JSON object instead
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost receipt`.
#[derive(Debug, Args)]
pub struct ReceiptArgs {
    /// Number of the item, as `rigpost queue --all` shows it
    #[arg(value_name = "ID", required_unless_present = "mhl")]
    pub id: Option<u64>,
    /// Print one JSON object instead
    #[arg(long)]
    pub json: bool,
    /// Read this file, or the one that was queued, and compare it with what was sent; ends with 1 when it differs
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub check: Option<Option<PathBuf>>,
    /// Read this folder, a card or a copy of one, and add to its ASC MHL history what of it was delivered
    #[arg(long, value_name = "DIR", conflicts_with_all = ["id", "check"])]
    pub mhl: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rigpost_core::queue::steer;

    #[test]
    fn states_are_offered_as_the_queue_takes_them() {
        for state in ItemState::ALL {
            assert_eq!(is_taken_off(*state), steer::cancel(*state).is_ok(), "{state}");
            assert_eq!(state.is_over(), steer::clear(*state).is_ok(), "{state}");
        }
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("off", 0),
            ("0", 0),
            ("10kB", 10_000),
            ("5MB", 5_000_000),
            ("5 mb/s", 5_000_000),
            ("1.5GB", 1_500_000_000),
            ("40Mbit", 5_000_000),
            ("250kbit/s", 31_250),
            ("20000B", 20_000),
        ] {
            assert_eq!(rate(text), Ok(bytes), "{text}");
        }
        for (text, why) in [
            ("", "number"),
            ("fast", "number"),
            ("-5MB", "number"),
            ("5", "unit is missing"),
            ("5MiB", "unit must be"),
            ("9kB", "at least 10kB"),
            ("1e300GB", "unit must be"),
            ("99999999999999GB", "at least"),
            ("1.2.3MB", "number"),
        ] {
            let error = rate(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}

/// Options of `rigpost queue comment`.
#[derive(Debug, Args)]
pub struct CommentArgs {
    /// The number of the item
    #[arg(value_name = "ID")]
    pub id: u64,
    /// What is said of the clip
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// Where in the clip: frames from its beginning
    #[arg(long, short, value_name = "N", default_value_t = 0)]
    pub frame: u32,
    /// Print one JSON object instead: "commented"
    #[arg(long)]
    pub json: bool,
}
