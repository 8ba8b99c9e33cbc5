//! The daemon on the bus: is it there, may this user talk to it, are its secrets protected.

use std::path::{Path, PathBuf};

use super::report::{Check, Report};
use crate::bus::{Daemon, Device};
use crate::exit::{Doing, ExitCode, Failure, from_bus};
use crate::{frames, text, words};
use rigpost_contract::blocker::Blocker;
use rigpost_contract::interface::BUS_NAME;
use rigpost_contract::pairing::{Protection, Reason, State};
use rigpost_core::provider::hint;

/// Checks the name and the access; gives the device's properties when they could be read.
pub(super) async fn check(daemon: &Daemon, report: &mut Report<'_>) -> Result<Option<Device>, Failure> {
    let is_running = match daemon.is_running().await {
        Ok(is_running) => is_running,
        Err(error) => {
            let failure = from_bus(&error, Doing::Group);
            report.add(Check::fail("daemon", failure.what, failure.next))?;
            return Ok(None);
        }
    };
    if !is_running {
        report.add(not_running(daemon).await)?;
        report.add(Check::skipped("access", "the daemon does not run"))?;
        return Ok(None);
    }
    match daemon.read_device().await {
        Ok(device) => {
            report.add(running(&device))?;
            report.add(Check::ok("access", "you may talk to the daemon"))?;
            Ok(Some(match daemon.read_pairing().await {
                Ok(pairing) => device.delivering(&pairing),
                Err(_) => device,
            }))
        }
        Err(error) => {
            let failure = from_bus(&error, Doing::Group);
            report.add(if failure.code == ExitCode::NotAllowed {
                Check::ok("daemon", "runs")
            } else {
                Check::fail("daemon", "runs, but does not answer", "journalctl -u rigpost -e")
            })?;
            report.add(Check::fail("access", failure.what, failure.next))?;
            Ok(None)
        }
    }
}

fn running(device: &Device) -> Check {
    let ours = env!("CARGO_PKG_VERSION");
    match device.version == ours {
        true => Check::ok("daemon", format!("version {ours} runs")),
        false => Check::warn(
            "daemon",
            format!("version {} runs, but this program is version {ours}", device.version),
            "after an upgrade: sudo systemctl restart rigpost",
        ),
    }
}

async fn not_running(daemon: &Daemon) -> Check {
    let names = match zbus::fdo::DBusProxy::new(daemon.bus()).await {
        Ok(bus) => bus.list_activatable_names().await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let next = "systemctl status rigpost; journalctl -u rigpost -e";
    if is_disabled(Path::new("/")) {
        let next = "sudo systemctl enable --now rigpost";
        return Check::warn("daemon", "does not run, and is disabled: nothing starts it", next);
    }
    match names.iter().any(|name| name.as_str() == BUS_NAME) {
        true => Check::warn("daemon", "does not run; the bus will start it when it is needed", next),
        false => Check::fail(
            "daemon",
            "does not run, and the bus does not know how to start it",
            "install the package rigpost again, then: sudo systemctl enable --now rigpost",
        ),
    }
}

/// systemd has no unit of the name by which the bus starts the daemon: it is there only while the service is enabled.
fn is_disabled(root: &Path) -> bool {
    const DIRS: [&str; 4] =
        ["etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
    let is_systemd = root.join("run/systemd/system").exists();
    let alias = format!("dbus-{BUS_NAME}.service");
    is_systemd && !DIRS.iter().any(|dir| root.join(dir).join(&alias).symlink_metadata().is_ok())
}

/// Checks that the bus was told who may talk to the daemon.
pub(super) fn policy() -> Check {
    const DIRS: [&str; 2] = ["/usr/share/dbus-1/system.d", "/etc/dbus-1/system.d"];
    policy_in(&DIRS.map(PathBuf::from))
}

fn policy_in(dirs: &[PathBuf]) -> Check {
    let file = format!("{BUS_NAME}.conf");
    let readable = |path: &Path| std::fs::File::open(path).is_ok();
    match dirs.iter().map(|dir| dir.join(&file)).find(|path| readable(path)) {
        Some(path) => Check::ok("bus policy", format!("{} is installed", path.display())),
        None => Check::fail(
            "bus policy",
            format!("{file} is not installed, so the bus lets nobody talk to the daemon"),
            "install the package rigpost again, then: sudo systemctl reload dbus",
        ),
    }
}

/// Clips that need an hour at least: mostly frames.
const MANY_CLIPS: u64 = 14_400;

/// Says how many clips are left, and how long very many take at least.
pub(super) fn queue(left: Option<u64>) -> Check {
    const NAME: &str = "queue";
    match left {
        None => Check::skipped(NAME, "the daemon could not be asked"),
        Some(left @ ..MANY_CLIPS) => Check::ok(NAME, format!("{} left to send", text::count(left, "clip"))),
        Some(left) => Check::warn(
            NAME,
            frames::pace(left),
            "frames of sequences are a clip each: sequences = false in [[source]] leaves them out",
        ),
    }
}

/// Says what the provider has against the rig, in its own words, and what helps where that is known.
pub(super) fn authorization(device: Option<&Device>) -> Check {
    const NAME: &str = "authorization";
    let Some(device) = device else { return Check::skipped(NAME, "the daemon could not be asked") };
    let of_provider = [
        Reason::Configuration,
        Reason::SignInBlocked,
        Reason::ClientRejected,
        Reason::Revoked,
        Reason::Provider,
    ];
    let of = |reason: Reason| {
        let code = Blocker::Reason(reason).code();
        let blocker = device.blockers.iter().find(|blocker| blocker.code == code)?;
        Some((reason, blocker.whole()))
    };
    match of_provider.into_iter().find_map(of) {
        None => Check::ok(NAME, "the provider has nothing against this rig, as far as it has said"),
        Some((reason, sentence)) => {
            let next = hint(&sentence).unwrap_or(reason.advice());
            Check::warn(NAME, sentence, next)
        }
    }
}

/// Says when the rig got its identity on another system. `rigpost-key` finds that out, and leaves a file.
pub(super) fn identity(root: &Path) -> Option<Check> {
    root.join("run/rigpost-key/copied").exists().then(|| {
        Check::warn(
            "identity",
            "was made on a system with another machine-id: if that rig is still there, the cloud takes both for one",
            "for an identity of its own, without pairing and queue: sudo systemctl stop rigpost; sudo systemctl clean \
             --what=state rigpost rigpost-key; sudo systemctl start rigpost. Where the other is gone: sudo rm \
             /var/lib/rigpost-key/machine; sudo systemctl restart rigpost",
        )
    })
}

/// Says how the secrets are protected.
pub(super) fn protection(device: Option<&Device>) -> Check {
    const NAME: &str = "protection";
    let Some(device) = device else { return Check::skipped(NAME, "the daemon could not be asked") };
    let secrets = format!("secrets are {}", words::protection(&device.protection));
    let stands = |blocker: Blocker| device.blockers.iter().any(|stands| stands.code == blocker.code());
    match device.protection.parse() {
        // The key was not looked for: it may be as good as ever.
        Ok(Protection::None)
            if stands(Blocker::Reason(Reason::Storage))
                && !stands(Blocker::State(State::SecretUnavailable)) =>
        {
            Check::skipped(NAME, "nothing is known of the key before the disk can be read")
        }
        Ok(Protection::Tpm2 | Protection::HostKey) => Check::ok(NAME, secrets),
        Ok(Protection::None) => Check::fail(
            NAME,
            secrets,
            "journalctl -u rigpost says why; if the key is lost for good: sudo rigpost provision",
        ),
        Ok(Protection::File) | Err(_) => {
            Check::warn(NAME, secrets, "on a rig, let systemd hold the key: leave out `vault.key_file`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus;
    use crate::doctor::report::Verdict;

    #[test]
    fn disabled_is_what_systemd_could_enable_and_has_not() {
        let root = tempfile::tempdir().unwrap();
        assert!(!is_disabled(root.path()), "nobody knows without systemd");
        std::fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        assert!(is_disabled(root.path()));
        let units = root.path().join("etc/systemd/system");
        std::fs::create_dir_all(&units).unwrap();
        let unit = "/usr/lib/systemd/system/rigpost.service";
        std::os::unix::fs::symlink(unit, units.join("dbus-org.rigpost.Rigpost1.service")).unwrap();
        assert!(!is_disabled(root.path()));
    }

    #[test]
    fn a_copy_of_another_rig_is_told_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        assert!(identity(root.path()).is_none());
        std::fs::create_dir_all(root.path().join("run/rigpost-key")).unwrap();
        assert!(identity(root.path()).is_none());
        std::fs::write(root.path().join("run/rigpost-key/copied"), "").unwrap();
        let check = identity(root.path()).unwrap();
        assert_eq!(check.verdict, Verdict::Warn);
        assert!(check.next.contains("clean --what=state rigpost rigpost-key"), "{}", check.next);
    }

    #[test]
    fn what_the_provider_says_is_said_with_what_helps() {
        let says = |code: &str, said: &str| {
            let (text, detail) = said.split_once(" [").unwrap_or((said, ""));
            let (text, detail) = (text.to_owned(), detail.trim_end_matches(']').to_owned());
            let paused = bus::Blocker { code: "queue-paused".into(), ..bus::Blocker::default() };
            let blockers = vec![paused, bus::Blocker { code: code.into(), text, detail }];
            authorization(Some(&Device { blockers, ..Device::default() }))
        };
        let blocked =
            says("sign-in-blocked", "It is blocked. [invalid_grant: AADSTS53003: by Conditional Access]");
        assert_eq!(blocked.verdict, Verdict::Warn);
        assert!(
            blocked.finding.contains("AADSTS53003") && blocked.next.contains("exempt"),
            "{}",
            blocked.next
        );
        assert!(
            says("client-rejected", "It. [invalid_client: AADSTS7000218: x]")
                .next
                .contains("public client flows")
        );
        assert!(
            says("configuration", "It. [access_denied: Service not found: https://a]")
                .next
                .contains("audience")
        );
        assert!(
            says("revoked", "It. [invalid_grant: Token has been expired or revoked.]")
                .next
                .contains("Testing")
        );
        assert_eq!(says("revoked", "It was ended.").next, Reason::Revoked.advice());
        assert_eq!(says("held", "Two clips are held.").verdict, Verdict::Ok);
        assert_eq!(authorization(None).verdict, Verdict::Skipped);
    }

    #[test]
    fn the_policy_is_looked_for_in_both_places() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let paths: Vec<PathBuf> = dirs.iter().map(|dir| dir.path().into()).collect();
        assert_eq!(policy_in(&paths).verdict, Verdict::Fail);
        std::fs::write(paths[1].join("org.rigpost.Rigpost1.conf"), "").unwrap();
        assert_eq!(policy_in(&paths).verdict, Verdict::Ok);
    }

    #[test]
    fn protection_is_judged() {
        let verdict =
            |name: &str| protection(Some(&Device { protection: name.into(), ..Device::default() })).verdict;
        assert_eq!(["tpm2", "host-key"].map(verdict), [Verdict::Ok; 2]);
        assert_eq!(verdict("file"), Verdict::Warn);
        assert_eq!(verdict("none"), Verdict::Fail);
        assert_eq!(protection(None).verdict, Verdict::Skipped);
        let blocked = |codes: &[&str]| Device {
            protection: "none".into(),
            blockers: codes
                .iter()
                .map(|code| bus::Blocker { code: (*code).into(), ..bus::Blocker::default() })
                .collect(),
            ..Device::default()
        };
        assert_eq!(
            protection(Some(&blocked(&["storage"]))).verdict,
            Verdict::Skipped,
            "it was not looked for"
        );
        assert_eq!(protection(Some(&blocked(&["secret-unavailable", "storage"]))).verdict, Verdict::Fail);
    }
}
