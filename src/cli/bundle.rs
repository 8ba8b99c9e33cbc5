//! `rigpost support-bundle`: one file for whoever helps from afar.
//!
//! # Decisions
//!
//! - What is in it is what the commands say that a support engineer would ask for, so that whoever sends it can look at each
//!   part before.
//! - It changes nothing and never starts the daemon: what it finds must be what was there before.
//! - Hidden is what would be told of other people's work, by [`veil`]; what is secret is in none of the parts to begin with.
//! - A part that can't be had is named with the reason, and the rest is written.

mod facts;
mod part;
mod veil;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::args::BundleArgs;
use super::bus::Daemon;
use super::exit::{ExitCode, Failure};
use super::out::{Out, Tone};
use super::start::INSTALLED;
use super::{clock, text};
use part::{Form, Made, Part};
use rigpost_contract::method::MAX_PAGE;
use rigpost_daemon::config::{Settings, load_installed};
use veil::Veil;

/// All that the daemon's units say.
const UNITS: [&str; 3] = ["rigpost.service", "rigpost-key.service", "rigpost-provision.service"];
/// What is asked of a unit. Not its environment, which may have a proxy's password, nor its status, which names the project.
const OF_UNIT: &str = "--property=Id,LoadState,ActiveState,SubState,Result,UnitFileState,FragmentPath,DropInPaths,\
    NRestarts,ExecMainStatus,ExecMainCode,ActiveEnterTimestamp,InactiveEnterTimestamp,MemoryCurrent,MemoryPeak,\
    CPUUsageNSec,TasksCurrent,ConditionResult,AssertResult,NeedDaemonReload";
/// Lines of the journal, the newest.
const LINES: &str = "--lines=5000";
/// Bytes of a part.
const MOST: u64 = 2 << 20;
/// The same, of the journal: each of its lines has some thirty fields, of which few are kept.
const MOST_OF_JOURNAL: u64 = 24 << 20;
/// What is kept of each line beside the daemon's own fields.
const KEPT: [&str; 5] =
    ["__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP", "_BOOT_ID", "_PID", "_SYSTEMD_UNIT"];
/// What is not, of those that are named like the daemon's own.
const LEFT_OUT: [&str; 4] = ["TID", "CODE_FILE", "CODE_LINE", "TARGET"];

/// Writes the file, and says where it is.
pub(crate) async fn run(args: &BundleArgs, out: &mut Out) -> Result<(), Failure> {
    // Only now, and for a moment: what somebody breaks off would pass for the whole.
    let (made, own) = collect(args).await;
    let (path, file) = create(args.output.as_deref())?;
    let bytes = write(file, &made, &own).map_err(|error| {
        let _ = std::fs::remove_file(&path);
        Failure::new(
            ExitCode::Failed,
            format!("{} can't be written: {error}", path.display()),
            "choose a place with more room: rigpost support-bundle --output FILE",
        )
    })?;
    let missing: Vec<&Made> = made.iter().filter(|made| made.output.is_empty()).collect();
    if args.json {
        let missing: Vec<&str> = missing.iter().map(|made| made.name).collect();
        return Ok(out.json(&json!({ "file": path, "bytes": bytes, "missing": missing }))?);
    }
    for made in &missing {
        let why = made.errors.lines().next().unwrap_or(if made.succeeded {
            "there is nothing"
        } else {
            &made.ended
        });
        out.say(&out.paint(Tone::Warn, &format!("Without {}: {}", made.name, text::clean(why))))?;
    }
    if !rustix::process::geteuid().is_root() {
        out.say("Some of it can be seen by root only: sudo rigpost support-bundle")?;
    }
    let names = if args.with_names { "with" } else { "without" };
    out.say(&format!("Written, {names} the names of clips, projects and people, to:"))?;
    out.line(&text::path(&path))?;
    Ok(())
}

/// The new file, which nobody else can read.
fn create(wanted: Option<&Path>) -> Result<(PathBuf, File), Failure> {
    let name =
        || format!("rigpost-support-{}.tar.gz", text::utc(clock::wall_seconds()).replace([':', '-'], ""));
    let path = wanted.map_or_else(|| PathBuf::from(name()), Path::to_owned);
    let path = std::path::absolute(&path).unwrap_or(path);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(file) => Ok((path, file)),
        Err(error) => Err(Failure::new(
            ExitCode::Failed,
            format!("{} can't be created: {error}", path.display()),
            "choose another place: rigpost support-bundle --output FILE",
        )),
    }
}

/// What a file of the bundle is called, and what is in it.
type Named = (&'static str, String);

/// What became of the parts, and what is said beside them.
async fn collect(args: &BundleArgs) -> (Vec<Made>, [Named; 4]) {
    let is_running = match Daemon::open().await {
        Ok(daemon) => daemon.is_running().await.unwrap_or_default(),
        Err(_) => false,
    };
    let named = (args.config != Path::new(INSTALLED)).then_some(args.config.as_path());
    let settings = load_installed(named).unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_else(|_| "rigpost".into());
    let mut all = part::make(parts(&args.config, is_running), &program).await;
    let mut veil = Veil::new(args.with_names, clip_dirs(&settings));
    let values: Vec<Vec<Value>> = all.iter().map(values).collect();
    for (made, values) in all.iter().zip(&values) {
        if ["status.json", "queue.json", "journal.json"].contains(&made.name) {
            values.iter().for_each(|value| veil.learn(value));
        }
    }
    for (made, values) in all.iter_mut().zip(values) {
        made.output = told(made, values, &veil);
        made.errors = veil.text(&made.errors);
    }
    let about = json!({
        "rigpost": env!("CARGO_PKG_VERSION"),
        "time": text::utc(clock::wall_seconds()),
        "user": rustix::process::geteuid().as_raw(),
        "names": args.with_names,
        "daemon_runs": is_running,
        "parts": all,
    });
    let own = [
        ("about.json", format!("{about:#}")),
        ("system.txt", veil.text(&facts::system())),
        ("mounts.txt", veil.text(&facts::mounts())),
        ("files.txt", veil.text(&facts::files(&settings.state.dir))),
    ];
    (all, own)
}

/// The length of what was written.
fn write(file: File, made: &[Made], own: &[Named]) -> io::Result<u64> {
    let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (name, text) in own {
        append(&mut tar, name, text.as_bytes())?;
    }
    for made in made.iter().filter(|made| !made.output.is_empty()) {
        append(&mut tar, made.name, &made.output)?;
    }
    let mut file = tar.into_inner()?.finish()?;
    file.flush()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn append(tar: &mut tar::Builder<GzEncoder<File>>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(clock::wall_seconds()).unwrap_or_default());
    tar.append_data(&mut header, format!("rigpost-support/{name}"), bytes)
}

/// Where clips lie.
fn clip_dirs(settings: &Settings) -> Vec<String> {
    let sources = settings.sources.iter().map(|source| &source.path);
    let all = settings.queue.media_dirs.iter().chain(sources);
    // What is not UTF-8 is in no line of text as it is.
    let mut all: Vec<String> = all.filter_map(|dir| dir.to_str()).map(str::to_owned).collect();
    // The innermost first: its own name is no clip of the outer one.
    all.sort_by_key(|dir| std::cmp::Reverse(dir.len()));
    all
}

/// All of the commands. One that would start the daemon is left out while it does not run.
fn parts(config: &Path, is_running: bool) -> Vec<Part> {
    let config = config.display().to_string();
    let most = MAX_PAGE.to_string();
    let units = |begin: &[&str]| -> Vec<String> {
        begin.iter().copied().map(str::to_owned).chain(UNITS.map(|unit| format!("--unit={unit}"))).collect()
    };
    let words = |words: &[&str]| words.iter().copied().map(str::to_owned).collect::<Vec<_>>();
    let part = |name, form, command| Part { name, form, command, most: MOST };
    let mut all = vec![
        part("doctor.json", Form::Json, words(&["rigpost", "doctor", "--json", "--config", &config])),
        part("config.json", Form::Json, words(&["rigpost", "config", "show", "--json", "--config", &config])),
        part("version.json", Form::Json, words(&["rigpost", "version", "--json"])),
        Part {
            most: MOST_OF_JOURNAL,
            ..part(
                "journal.json",
                Form::Journal,
                units(&["journalctl", "--quiet", "--no-pager", "--output=json", LINES]),
            )
        },
        part(
            "units.txt",
            Form::Text,
            [words(&["systemctl", "show", OF_UNIT]), UNITS.map(str::to_owned).into()].concat(),
        ),
        part("clock.txt", Form::Text, words(&["timedatectl", "show"])),
        part("space.txt", Form::Text, words(&["df", "--portability", "--print-type"])),
        part("inodes.txt", Form::Text, words(&["df", "--portability", "--inodes"])),
        part(
            "packages.txt",
            Form::Text,
            words(&[
                "dpkg-query",
                "--show",
                "rigpost*",
                "systemd",
                "dbus*",
                "libc6",
                "linux-image*",
                "tpm2-*",
            ]),
        ),
    ];
    if is_running {
        all.push(part("status.json", Form::Json, words(&["rigpost", "status", "--json"])));
        all.push(part(
            "queue.json",
            Form::Json,
            words(&["rigpost", "queue", "--json", "--all", "--limit", &most]),
        ));
    }
    all
}

/// What a part says, where that is JSON: what a program cut off in the middle of is none.
fn values(made: &Made) -> Vec<Value> {
    match made.form {
        Form::Json => serde_json::from_slice(&made.output).into_iter().collect(),
        Form::Journal => {
            let lines = made.output.split(|byte| *byte == b'\n');
            lines.filter_map(|line| serde_json::from_slice(line).ok()).map(entry).collect()
        }
        Form::Text => Vec::new(),
    }
}

/// Of an entry of the journal, what is worth its room; bytes that are no UTF-8 come as numbers.
fn entry(value: Value) -> Value {
    let Value::Object(all) = value else { return value };
    let kept = all.into_iter().filter(|(key, _)| {
        let is_foreign =
            key.starts_with('_') || key.starts_with("COREDUMP") || LEFT_OUT.contains(&key.as_str());
        KEPT.contains(&key.as_str()) || !is_foreign
    });
    let spelled = |value: Value| match serde_json::from_value::<Vec<u8>>(value.clone()) {
        Ok(bytes) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => value,
    };
    Value::Object(kept.map(|(key, value)| (key, spelled(value))).collect())
}

/// What is told of a part.
fn told(made: &Made, values: Vec<Value>, veil: &Veil) -> Vec<u8> {
    let mut told = String::new();
    for mut value in values {
        veil.value(&mut value);
        told += &match made.form {
            Form::Journal => value.to_string(),
            Form::Json | Form::Text => format!("{value:#}"),
        };
        told.push('\n');
    }
    if made.form == Form::Text {
        told += &veil.text(&String::from_utf8_lossy(&made.output));
    }
    told.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_journal_the_daemons_own_words_are_kept() {
        let line = json!({
            "MESSAGE": [72, 105, 255], "ITEM": "7", "CALLER_UID": "0", "_PID": "1", "_CMDLINE": "x", "_MACHINE_ID": "y",
            "CODE_FILE": "z", "__CURSOR": "c", "COREDUMP_ENVIRON": "A=b", "__REALTIME_TIMESTAMP": "1",
        });
        let kept = json!({
            "MESSAGE": "Hi\u{fffd}", "ITEM": "7", "CALLER_UID": "0", "_PID": "1", "__REALTIME_TIMESTAMP": "1",
        });
        assert_eq!(entry(line), kept);
    }

    #[test]
    fn nothing_that_is_asked_starts_the_daemon() {
        let of = |is_running| -> Vec<&str> {
            parts(Path::new("/a"), is_running).iter().map(|part| part.name).collect()
        };
        assert!(!of(false).contains(&"status.json") && !of(false).contains(&"queue.json"));
        assert!(of(true).contains(&"status.json") && of(true).contains(&"queue.json"));
    }
}
