//! What is read of the machine itself, without a program that may hang.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::clock;
use rigpost_daemon::watch::mountinfo::{MOUNT_TABLE, MountEntry, entries};

/// What the kernel, the distribution and the board are called, and how the machine is doing.
const FILES: [(&str, &str, usize); 8] = [
    ("kernel", "/proc/version", 1),
    ("system", "/etc/os-release", 1),
    ("board", "/proc/device-tree/model", 1),
    ("load", "/proc/loadavg", 1),
    ("memory", "/proc/meminfo", 5),
    ("pressure on memory", "/proc/pressure/memory", 2),
    ("pressure on the disks", "/proc/pressure/io", 2),
    ("file descriptors", "/proc/sys/fs/file-nr", 1),
];

/// `system.txt`.
pub(super) fn system() -> String {
    let mut all =
        format!("clock: {}, up for {} s\n", clock::wall_seconds(), clock::boot_micros() / 1_000_000);
    for (what, path, lines) in FILES {
        let said = fs::read_to_string(path).unwrap_or_else(|error| error.to_string());
        for line in said.trim_end_matches('\0').lines().take(lines) {
            let _ = writeln!(all, "{what}: {line}");
        }
    }
    // Its value would tell rigs apart for whoever has two bundles.
    let id = fs::read_to_string("/etc/machine-id").map(|id| id.trim().len());
    let _ = writeln!(
        all,
        "machine-id: {}",
        match id {
            Ok(32) => "there".to_owned(),
            Ok(0) => "empty".to_owned(),
            Ok(_) => "uninitialized, or no such thing".to_owned(),
            Err(error) => error.to_string(),
        }
    );
    all
}

/// `mounts.txt`: where, of what kind, and how. What a file system alone understands may be a password, and is left out.
pub(super) fn mounts() -> String {
    let table = fs::read(MOUNT_TABLE).unwrap_or_default();
    entries(&table).map(mount).collect()
}

fn mount(entry: MountEntry<'_>) -> String {
    let spelled = String::from_utf8_lossy;
    // The place last: what a card is called is hidden with all that stands behind it.
    format!("{} {} {}\n", spelled(entry.kind), spelled(entry.options), entry.point.display())
}

/// `files.txt`: what lies in this directory, with modes, owners, bytes and times, but not what is in it.
pub(super) fn files(dir: &Path) -> String {
    let mut all = format!("{}:\n", dir.display());
    match fs::read_dir(dir) {
        Ok(entries) => {
            let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            for name in names {
                let line = match fs::symlink_metadata(dir.join(&name)) {
                    Ok(of) => format!(
                        "{:o} {}:{} {} bytes, {}",
                        of.mode(),
                        of.uid(),
                        of.gid(),
                        of.len(),
                        of.mtime()
                    ),
                    Err(error) => error.to_string(),
                };
                let _ = writeln!(all, "{}: {line}", name.display());
            }
        }
        Err(error) => drop(writeln!(all, "{error}")),
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_told_of_without_what_its_file_system_alone_understands() {
        let line = "36 35 98:0 /mnt1 /media/card rw,nosuid shared:1 - cifs //nas/clips rw,username=ana,password=hunter2";
        let told: String = entries(line.as_bytes()).map(mount).collect();
        assert_eq!(told, "cifs rw,nosuid /media/card\n");
        assert!(mounts().lines().count() > 1);
    }

    #[test]
    fn files_are_told_of_and_not_what_is_in_them() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("rigpost.db"), b"secret").unwrap();
        let told = files(dir.path());
        assert!(
            told.contains("rigpost.db: 100") && told.contains(" 6 bytes") && !told.contains("secret"),
            "{told}"
        );
        assert!(files(Path::new("/no/such")).contains("No such file"));
        assert!(system().contains("machine-id: "));
    }
}
