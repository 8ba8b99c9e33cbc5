//! `rigpost unpair` and `rigpost forget`: what was ended here, and what the provider knows of it.
//!
//! # Decisions
//!
//! - What is done here is done whatever the provider says. A provider that has not revoked the authorization is a failure
//!   with a code of its own: a rig that goes back to its owner with somebody's access in force is what nobody would notice.
//! - A receipt goes to standard output in either case; what went wrong is said beside it.

use serde::Serialize;
use serde_json::json;
use zbus::Variant;

use super::args::{ForgetArgs, UnpairArgs};
use super::bus::{Daemon, Device, Ended, Options, Pairing};
use super::control::confirm;
use super::exit::{Doing, ExitCode, Failure, from_bus, group};
use super::out::Out;
use super::text::{self, clean};
use super::words;
use rigpost_contract::ending::{Erased, Revocation};
use rigpost_contract::option::OptionKey;
use rigpost_contract::pairing::State;
use rigpost_contract::provider::ProviderKind;

const BY_HAND: &str =
    "end the authorization in your account at the provider, which may call it a device or an application";

/// `rigpost unpair`.
pub(crate) async fn unpair(args: &UnpairArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    let before = daemon.read_pairing().await.map_err(group)?;
    let with = clean(&before.project_name);
    let from = if with.is_empty() { String::new() } else { format!(" from {with}") };
    confirm(args.yes, &format!("Unpair this rig{from}? Queued clips stay queued."))?;
    let mut answer = daemon.pairing().unpair(options(args.offline)).await.map_err(group)?;
    let ended = Ended::read(&mut answer);
    let was_paired = matches!(before.state.parse(), Ok(State::Paired | State::NeedsPairing));
    if args.json {
        out.json(&json!({
            "was_paired": was_paired,
            "revocation": ended.revocation,
            "detail": ended.detail,
            "kept": ended.kept,
            "erased": ended.erased,
            "at": text::utc(ended.at),
        }))?;
    }
    if !was_paired && ended.revocation == Revocation::Nothing.as_str() {
        return if args.json { Ok(()) } else { Ok(out.say("This rig was not paired.")?) };
    }
    let done =
        if was_paired { format!("unpaired{from}") } else { "this rig was not paired any more".to_owned() };
    let again = "`rigpost status` shows when it is done; the rig tries again for a week, `rigpost unpair` tries now, and \
                 `rigpost unpair --offline` gives up";
    let after = if was_paired { " To pair again: rigpost pair" } else { "" };
    if args.json && exit_code(&ended) == ExitCode::Done {
        return Ok(());
    }
    report(&ended, &done, after, again, out)
}

/// `rigpost forget`.
pub(crate) async fn forget(args: &ForgetArgs, out: &mut Out) -> Result<(), Failure> {
    let root = |error: zbus::Error| from_bus(&error, Doing::Root("forget"));
    let daemon = Daemon::connect().await?;
    let device = daemon.read_device().await.map_err(root)?;
    let pairing = daemon.read_pairing().await.map_err(root)?;
    confirm(args.yes, "Erase this rig's identity, client secret and authorization? This can't be undone.")?;
    let mut answer = daemon.device().forget(options(args.offline)).await.map_err(root)?;
    let ended = Ended::read(&mut answer);
    if args.receipt || args.json {
        let receipt = Receipt::new(&device, &pairing, &ended);
        if args.json {
            out.json(&receipt)?;
        } else {
            for (label, value) in receipt.rows(&ended) {
                out.line(&format!("{} {value}", text::left(&format!("{label}:"), LABEL)))?;
            }
        }
    }
    let again = "a sealed copy of what that takes stays on the rig, which tries again for a week; to erase it now: \
                 sudo rigpost forget --offline";
    let after = " To use this rig again: sudo rigpost provision";
    let quiet = (args.receipt || args.json) && exit_code(&ended) == ExitCode::Done;
    if quiet { Ok(()) } else { report(&ended, "identity and secrets are erased", after, again, out) }
}

fn options(offline: bool) -> Options<'static> {
    // An older daemon does not know this option.
    offline.then(|| (OptionKey::Offline.as_str(), Variant::from(true))).into_iter().collect()
}

/// How a command ends. A word of a newer daemon is no failure that this program knows.
fn exit_code(ended: &Ended) -> ExitCode {
    ended.revocation.parse().map_or(ExitCode::Done, Revocation::exit_code)
}

/// What became of the authorization at the provider: a clause.
fn at_the_provider(ended: &Ended) -> String {
    let detail = clean(&ended.detail);
    let said = match ended.revocation.parse::<Revocation>() {
        Ok(Revocation::NotOffered) => {
            format!("{}; it may list this rig until somebody removes it there", Revocation::NotOffered.clause())
        }
        Ok(Revocation::NotAsked) => {
            format!("{}; what it gave is in force there until somebody ends it", Revocation::NotAsked.clause())
        }
        Ok(word @ (Revocation::Revoked | Revocation::Refused | Revocation::NotReached | Revocation::Nothing)) => {
            word.clause().to_owned()
        }
        Err(_) if ended.revocation.is_empty() => {
            "the daemon that runs is older than this program, and does not say what became of it at the provider".to_owned()
        }
        Err(_) => format!("of the authorization at the provider it says \"{}\"", clean(&ended.revocation)),
    };
    if detail.is_empty() { said } else { format!("{said}: {detail}") }
}

/// One line, or a failure: `done` here, and what is so there.
fn report(ended: &Ended, done: &str, after: &str, again: &str, out: &mut Out) -> Result<(), Failure> {
    let (there, code) = (at_the_provider(ended), exit_code(ended));
    if code == ExitCode::Done {
        return Ok(out.say(&format!("{}; {there}.{after}", text::capitalized(done)))?);
    }
    let next = if ended.kept { again } else { BY_HAND };
    Err(Failure::new(code, format!("{done}, but {there}"), next))
}

/// Columns of the labels of a receipt.
const LABEL: usize = 11;

/// What a person who takes a rig back wants on paper. Keys may be added but are never renamed.
#[derive(Serialize)]
struct Receipt {
    device_id: String,
    provider: String,
    project_name: String,
    authorized_by: String,
    /// What became of the authorization at the provider, in the word of the bus.
    revocation: String,
    detail: String,
    /// The rig tries again, with a sealed copy of what that takes.
    kept: bool,
    erased: Vec<String>,
    /// UTC, by the rig's own clock.
    at: String,
    clock_trusted: bool,
}

impl Receipt {
    fn new(device: &Device, pairing: &Pairing, ended: &Ended) -> Self {
        Self {
            device_id: device.device_id.clone(),
            provider: device.provider.clone(),
            project_name: pairing.project_name.clone(),
            authorized_by: pairing.authorized_by.clone(),
            revocation: ended.revocation.clone(),
            detail: ended.detail.clone(),
            kept: ended.kept,
            erased: ended.erased.clone(),
            at: text::utc(ended.at),
            clock_trusted: device.clock_trusted,
        }
    }

    fn rows(&self, ended: &Ended) -> Vec<(&'static str, String)> {
        let name = |word: &String| word.parse().map_or_else(|_| clean(word), |e: Erased| e.name().to_owned());
        let erased: Vec<String> = self.erased.iter().map(name).collect();
        let more = if self.kept { "; kept sealed, and tried again for a week" } else { "" };
        let doubt = if self.clock_trusted { "" } else { " by a clock that can't be right" };
        let rows = [
            ("device", clean(&self.device_id)),
            ("provider", words::provider(&self.provider)),
            (words::kind(&self.provider).map_or("with", ProviderKind::label), clean(&self.project_name)),
            ("person", clean(&self.authorized_by)),
            ("there", format!("{}{more}", at_the_provider(ended))),
            ("erased", if erased.is_empty() { "nothing".to_owned() } else { erased.join(", ") }),
            ("at", format!("{}{doubt}", self.at)),
        ];
        rows.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(word: &str, detail: &str, kept: bool) -> Ended {
        Ended { revocation: word.into(), detail: detail.into(), kept, ..Ended::default() }
    }

    #[test]
    fn each_word_has_its_code_and_one_of_a_newer_daemon_is_shown() {
        for word in Revocation::ALL {
            assert_eq!(exit_code(&ended(word.as_str(), "", false)), word.exit_code());
        }
        let newer = ended("postponed", "until\u{1b}[2J noon", false);
        assert_eq!(exit_code(&newer), ExitCode::Done);
        let said = at_the_provider(&newer);
        assert!(said.contains("\"postponed\"") && !said.contains('\u{1b}'), "{said}");
    }

    #[test]
    fn a_receipt_says_when_by_everybody_s_clock() {
        let device = Device { clock_trusted: false, ..Device::default() };
        let ended = Ended { at: 1_790_000_000, erased: vec!["tokens".into()], ..ended("revoked", "", false) };
        let receipt = Receipt::new(&device, &Pairing::default(), &ended);
        assert_eq!(receipt.at, "2026-09-21T14:13:20Z");
        let rows = receipt.rows(&ended);
        assert!(rows.iter().any(|(label, value)| *label == "at" && value.ends_with("can't be right")));
        assert!(rows.iter().all(|(label, _)| !matches!(*label, "project" | "with")), "nothing is no row");
    }
}
