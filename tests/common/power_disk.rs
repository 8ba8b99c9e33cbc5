//! A disk whose power can be cut: what was flushed stays, and the rest is as if it had never been written, as with a real
//! volatile write cache. It is nbdkit's cache over an image, as a block device by FUSE and a loop device, with ext4.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Bytes: room for the database, its log, and what ext4 keeps for itself.
const SIZE: u64 = 96 << 20;

/// Mounted as long as the power is on.
pub(crate) struct PowerDisk {
    dir: PathBuf,
    power: Option<Power>,
}

struct Power {
    /// Holds what was not flushed.
    cache: Child,
    bridge: Child,
    device: String,
}

/// Why there can be none here, if that is so.
pub(crate) fn no_power_disk() -> Option<&'static str> {
    let found = |program: &str| Command::new("which").arg(program).stdout(Stdio::null()).status();
    if !rustix::process::geteuid().is_root() {
        return Some("only root can mount one");
    }
    for (program, why) in [("nbdkit", "nbdkit is not installed"), ("nbdfuse", "nbdfuse is not installed")] {
        if !found(program).is_ok_and(|status| status.success()) {
            return Some(why);
        }
    }
    (!Path::new("/dev/loop-control").exists()).then_some("there are no loop devices")
}

impl PowerDisk {
    /// Formatted and mounted beneath this directory, which is there.
    pub(crate) fn new(dir: &Path) -> PowerDisk {
        let mut disk = PowerDisk { dir: dir.to_owned(), power: None };
        std::fs::create_dir(disk.place()).unwrap();
        std::fs::create_dir(dir.join("bridge")).unwrap();
        std::fs::File::create(disk.image()).unwrap().set_len(SIZE).unwrap();
        run(Command::new("mkfs.ext4").arg("-q").arg(disk.image()));
        disk.switch_on();
        disk
    }

    /// Where it is mounted.
    pub(crate) fn place(&self) -> PathBuf {
        self.dir.join("disk")
    }

    fn image(&self) -> PathBuf {
        self.dir.join("disk.img")
    }

    /// Mounts what survived.
    pub(crate) fn switch_on(&mut self) {
        let (socket, bridge) = (self.dir.join("nbd"), self.dir.join("bridge"));
        let _ = std::fs::remove_file(&socket);
        let mut cache = Command::new("nbdkit");
        cache.args(["-f", "-U"]).arg(&socket).args(["--filter=cache", "file"]).arg(self.image());
        let cache = cache.arg("cache=writeback").stdout(Stdio::null()).spawn().unwrap();
        until("nbdkit listens", || socket.exists());
        let mut nbdfuse = Command::new("nbdfuse");
        let bridged = bridge.join("disk");
        nbdfuse.arg(&bridged).arg("--unix").arg(&socket).stdout(Stdio::null());
        let bridge = nbdfuse.spawn().unwrap();
        until("nbdfuse has mounted", || bridged.metadata().is_ok_and(|m| m.len() == SIZE));
        let device = Command::new("losetup").args(["-f", "--show"]).arg(&bridged).output().unwrap();
        let device = String::from_utf8(device.stdout).unwrap().trim().to_owned();
        assert!(device.starts_with("/dev/loop"), "no loop device: {device}");
        run(Command::new("mount").arg(&device).arg(self.place()));
        self.power = Some(Power { cache, bridge, device });
    }

    /// What was not flushed is gone. Whoever has files there open meets errors from now on.
    pub(crate) fn cut(&mut self) {
        let Some(Power { mut cache, mut bridge, device }) = self.power.take() else { return };
        // SIGKILL: it flushes nothing.
        cache.kill().unwrap();
        cache.wait().unwrap();
        let quietly = |command: &mut Command| drop(command.stderr(Stdio::null()).status());
        quietly(Command::new("umount").arg("-l").arg(self.place()));
        quietly(Command::new("losetup").arg("-d").arg(&device));
        quietly(Command::new("umount").arg("-l").arg(self.dir.join("bridge")));
        let _ = bridge.kill();
        bridge.wait().unwrap();
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        self.cut();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// These programs say nothing when they are up.
fn until(what: &str, is_so: impl Fn() -> bool) {
    const STEP: Duration = Duration::from_millis(5);
    let steps = super::PATIENCE.as_millis() / STEP.as_millis();
    assert!(
        (0..steps).any(|_| is_so() || {
            std::thread::sleep(STEP);
            false
        }),
        "never: {what}"
    );
}
