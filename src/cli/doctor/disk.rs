//! The files of the daemon: its state, its key, and the clips that it is to read.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::account::{Account, NoAccount, USER};
use super::config::Facts;
use super::report::Check;
use crate::text;
use rigpost_daemon::watch::mountinfo::{MOUNT_TABLE, entries, holding};

/// Less than this, in bytes, and a long queue may not fit.
const FEW: u64 = 100 << 20;

/// The daemon's account, as far as it could be found.
type Owner<'a> = Result<&'a Account, &'a NoAccount>;

/// Checks directory, room and mount of the state.
pub(super) fn state(dir: &Path, owner: Owner<'_>) -> Vec<Check> {
    const NAME: &str = "state";
    let meta = match fs::metadata(dir) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return vec![Check::skipped(NAME, "needs root")];
        }
        Err(error) => {
            let next = "systemd makes it when the service starts: sudo systemctl start rigpost";
            return vec![Check::fail(NAME, format!("{}: {error}", dir.display()), next)];
        }
    };
    let own = match meta.is_dir() {
        true => ownership(NAME, dir, &meta, 0o700, owner),
        false => Check::fail(NAME, format!("{} is not a directory", dir.display()), "move it away"),
    };
    vec![own, room(dir), mount(dir)]
}

/// Checks the key file, where one is configured. Where systemd holds the key, there is none: `is_needed` is false.
pub(super) fn key_file(facts: &Facts, is_needed: bool, owner: Owner<'_>) -> Option<Check> {
    const NAME: &str = "key file";
    let path = facts.key_file.as_deref()?;
    Some(match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => ownership(NAME, path, &meta, 0o600, owner),
        Ok(_) => {
            Check::fail(NAME, format!("{} is not a regular file", path.display()), "check `vault.key_file`")
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Check::skipped(NAME, "needs root"),
        Err(error) if error.kind() == ErrorKind::NotFound && !is_needed => return None,
        Err(error) => Check::fail(
            NAME,
            format!("{}: {error}", path.display()),
            "check `vault.key_file`; without its key the rig has to be provisioned again",
        ),
    })
}

/// Owner and mode of something that only the daemon may read.
fn ownership(name: &'static str, path: &Path, meta: &Metadata, wanted: u32, owner: Owner<'_>) -> Check {
    let (shown, mode) = (path.display(), meta.permissions().mode() & 0o7777);
    if mode & 0o077 != 0 {
        let next = format!("sudo chmod {wanted:o} {shown}");
        return Check::fail(name, format!("{shown} is open to other users (mode {mode:04o})"), next);
    }
    match owner {
        Err(why) => Check::warn(name, format!("{shown} has mode {mode:04o}, but {why}"), next_for(why)),
        Ok(account) if account.uid == meta.uid() => {
            Check::ok(name, format!("{shown} belongs to {USER}, mode {mode:04o}"))
        }
        Ok(_) => Check::fail(
            name,
            format!("{shown} belongs to the user with number {}, not to {USER}", meta.uid()),
            format!("sudo chown -R {USER}: {shown}"),
        ),
    }
}

fn next_for(why: &NoAccount) -> &'static str {
    match why {
        NoAccount::Missing(_) => "installing the package rigpost makes it",
        NoAccount::Unknown(_) => "check the name services: getent passwd rigpost",
    }
}

fn room(dir: &Path) -> Check {
    const NAME: &str = "free space";
    match rustix::fs::statvfs(dir) {
        Ok(stat) => judge_room(stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_favail, stat.f_files),
        Err(error) => Check::fail(NAME, format!("{}: {error}", dir.display()), "check the disk: dmesg"),
    }
}

/// `free` in bytes; `inodes` left of `all_inodes`, of which some file systems have none.
fn judge_room(free: u64, inodes: u64, all_inodes: u64) -> Check {
    const NAME: &str = "free space";
    let next = "remove what is not needed from this disk; queued clips are safe";
    match () {
        () if free == 0 => Check::fail(NAME, "the disk of the state is full", next),
        () if all_inodes > 0 && inodes == 0 => {
            Check::fail(NAME, "the disk of the state takes no more files", next)
        }
        () if free < FEW => Check::warn(NAME, format!("only {} left for the state", text::size(free)), next),
        () => Check::ok(NAME, format!("{} left for the state", text::size(free))),
    }
}

fn mount(dir: &Path) -> Check {
    const NAME: &str = "mount";
    let table = fs::read(MOUNT_TABLE).unwrap_or_default();
    match fs::canonicalize(dir) {
        Ok(dir) => {
            judge_mount(&table, &dir).unwrap_or_else(|| Check::skipped(NAME, "the mount was not found"))
        }
        Err(_) => Check::skipped(NAME, "needs root"),
    }
}

/// Finds the mount that holds the directory, and judges it.
fn judge_mount(table: &[u8], dir: &Path) -> Option<Check> {
    const NAME: &str = "mount";
    let entry = holding(table, dir)?;
    let text = String::from_utf8_lossy;
    let (at, kind) = (entry.point, text(entry.kind));
    let options = format!("{},{}", text(entry.options), text(entry.super_options));
    let has = |option: &str| options.split(',').any(|o| o == option);
    let shown = format!("{} is {kind} ({})", at.display(), first_options(&options));
    Some(match &*kind {
        _ if has("ro") => Check::fail(
            NAME,
            format!("{shown}: read-only, so nothing can be saved"),
            "after a fault of the disk the system makes it read-only: dmesg; else correct /etc/fstab",
        ),
        "tmpfs" | "ramfs" => Check::warn(
            NAME,
            format!("{shown}: lost at power off, with the pairing and the queue"),
            "put the state on a real disk",
        ),
        "vfat" | "exfat" | "msdos" | "ntfs" | "ntfs3" => Check::fail(
            NAME,
            format!("{shown}: knows no owners, so the secrets can't be protected"),
            "put the state on ext4, btrfs, xfs or f2fs",
        ),
        _ if has("nobarrier") || has("barrier=0") || has("data=writeback") => Check::warn(
            NAME,
            format!("{shown}: may lose what was saved when the power is cut"),
            "remove nobarrier and data=writeback from /etc/fstab",
        ),
        _ => Check::ok(NAME, shown),
    })
}

fn first_options(options: &str) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for option in options.split(',').filter(|option| !option.contains('/')) {
        if !seen.contains(&option) {
            seen.push(option);
        }
    }
    seen.truncate(6);
    seen.join(",")
}

/// Checks the directories that clips come from.
pub(super) fn media(dirs: &[PathBuf], owner: Owner<'_>) -> Vec<Check> {
    const NAME: &str = "media";
    if dirs.is_empty() {
        let next = "name at least one directory in `queue.media_dirs`, then: sudo systemctl restart rigpost";
        return vec![Check::warn(NAME, "no media directory is configured, so no clip can be queued", next)];
    }
    let table = fs::read(MOUNT_TABLE).unwrap_or_default();
    let cards = owner.iter().flat_map(|account| closed_cards(&table, dirs, account));
    dirs.iter().map(|dir| media_dir(dir, owner)).chain(cards).collect()
}

/// Mounts beneath the directories that a desktop made for the person in front of it alone.
fn closed_cards(table: &[u8], dirs: &[PathBuf], owner: &Account) -> Vec<Check> {
    let points = entries(table).map(|entry| entry.point);
    let inside = points.filter(|point| dirs.iter().any(|dir| point.starts_with(dir) && point != dir));
    let closed = inside.filter_map(|point| {
        let at = owner.stopped_at(&point)?;
        let finding =
            format!("{} can't be read by {USER}: {} is closed to it", point.display(), at.display());
        let next = "rigpost add sends clips from it at once, for whoever can read it; for cards that are sent by themselves, \
                    share them: \"Cards on a desktop\" in /usr/share/doc/rigpost/README.Debian";
        Some(Check::fail("card", finding, next))
    });
    closed.collect()
}

fn media_dir(dir: &Path, owner: Owner<'_>) -> Check {
    const NAME: &str = "media";
    let shown = dir.display();
    match fs::metadata(dir) {
        Ok(meta) if !meta.is_dir() => {
            return Check::fail(NAME, format!("{shown} is not a directory"), "correct `queue.media_dirs`");
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Check::skipped(NAME, "needs root");
        }
        Err(error) => {
            let next = "mount the card or disk; if the name is wrong, correct `queue.media_dirs`";
            return Check::warn(NAME, format!("{shown}: {error}"), next);
        }
    }
    let account = match owner {
        Ok(account) => account,
        Err(why) => return Check::skipped(NAME, &format!("{shown} is there, but {why}")),
    };
    match account.stopped_at(dir) {
        None => Check::ok(NAME, format!("{shown} can be read by {USER}")),
        Some(at) => Check::fail(
            NAME,
            format!("{shown} can't be read by {USER}: {} is closed to it", at.display()),
            format!("sudo setfacl -m u:{USER}:rx {}", at.display()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::doctor::report::Verdict;

    static MISSING: LazyLock<NoAccount> = LazyLock::new(|| NoAccount::Missing(USER.to_owned()));

    fn nobody() -> Owner<'static> {
        Err(&MISSING)
    }

    const TABLE: &[u8] = b"\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw,errors=remount-ro
30 22 8:2 / /var rw,noatime shared:2 - ext4 /dev/mmcblk0p3 rw,data=writeback
31 22 8:3 / /srv ro - squashfs /dev/loop0 ro
32 22 0:9 / /run rw,nosuid - tmpfs tmpfs rw,size=10%
33 22 8:9 / /media/My\\040Card rw - exfat /dev/sda1 rw,uid=0
";

    #[test]
    fn the_nearest_mount_is_judged() {
        let verdict = |dir: &str| judge_mount(TABLE, Path::new(dir)).unwrap();
        assert_eq!(verdict("/home/rig").verdict, Verdict::Ok);
        assert_eq!(verdict("/home/rig").finding, "/ is ext4 (rw,relatime,errors=remount-ro)");
        assert_eq!(verdict("/var/lib/rigpost").verdict, Verdict::Warn);
        assert_eq!(verdict("/variety").verdict, Verdict::Ok);
        assert_eq!(verdict("/srv/rigpost").verdict, Verdict::Fail);
        assert_eq!(verdict("/run/rigpost").verdict, Verdict::Warn);
        assert_eq!(verdict("/media/My Card/x").verdict, Verdict::Fail);
        assert_eq!(judge_mount(b"", Path::new("/")), None);
    }

    #[test]
    fn room_is_judged() {
        assert_eq!(judge_room(0, 5, 9).verdict, Verdict::Fail);
        assert_eq!(judge_room(FEW, 0, 9).verdict, Verdict::Fail);
        assert_eq!(judge_room(FEW, 0, 0).verdict, Verdict::Ok);
        assert_eq!(judge_room(FEW - 1, 5, 9).verdict, Verdict::Warn);
    }

    #[test]
    fn what_others_can_read_fails() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let check = &state(dir.path(), nobody())[0];
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.next.starts_with("sudo chmod 700 /"), "{}", check.next);
        assert_eq!(state(Path::new("/nonexistent/state"), nobody())[0].verdict, Verdict::Fail);
    }

    #[test]
    fn a_card_that_is_mounted_for_one_person_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let card = dir.path().join("ana/CARD");
        fs::create_dir_all(&card).unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(dir.path(), 0o755);
        mode(&card, 0o755);
        let table = format!("33 22 8:9 / {} rw - exfat /dev/sda1 rw,uid=0\n", card.display());
        let checks =
            |dirs: &[PathBuf]| closed_cards(table.as_bytes(), dirs, &Account::of(64_321, vec![64_321]));
        let media = [dir.path().to_owned()];
        mode(&dir.path().join("ana"), 0o755);
        assert_eq!(checks(&media), []);
        mode(&dir.path().join("ana"), 0o750);
        assert!(checks(&media)[0].finding.ends_with("/ana is closed to it"), "{:?}", checks(&media));
        assert_eq!(checks(&["/srv".into()]), []);
        assert_eq!(checks(std::slice::from_ref(&card)), [], "that one is a directory of its own");
    }

    #[test]
    fn a_media_directory_that_is_missing_may_be_a_card_that_is_out() {
        assert_eq!(media(&["/nonexistent/card".into()], nobody())[0].verdict, Verdict::Warn);
        assert_eq!(media(&["/dev/null".into()], nobody())[0].verdict, Verdict::Fail);
        assert_eq!(media(&[], nobody())[0].verdict, Verdict::Warn);
    }
}
