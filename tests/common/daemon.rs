//! The daemon as a child process, what it writes to standard error, and what it tells the service manager.
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use super::fd_store::{FdStore, heard};
use super::{Lines, soon};

/// One run of the daemon.
pub(crate) struct Daemon {
    child: Child,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Daemon {
    /// Runs `command`; its lines go to `log`.
    pub(crate) fn spawn(mut command: Command, log: &Lines) -> Daemon {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the daemon starts");
        let stderr = child.stderr.take().unwrap().into_owned_fd().unwrap();
        let log = log.clone();
        // A thread, so that the last words are read even where nobody can wait any more.
        let reader = std::thread::spawn(move || {
            let mut stderr = BufReader::new(std::fs::File::from(stderr));
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
        Daemon { child, reader: Some(reader) }
    }

    pub(crate) fn pid(&self) -> Pid {
        let id = self.child.id().expect("the daemon runs");
        Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end of the process and of its output.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = soon("the daemon's end", self.child.wait()).await.unwrap();
        self.drain();
        status
    }

    /// Resolves when the process has ended; cancel-safe.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    fn drain(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        self.drain();
    }
}

/// Listens where `NOTIFY_SOCKET` points; each datagram's lines become lines, and its descriptors are kept.
pub(crate) fn listen(socket: &Path) -> (Lines, FdStore, tokio::task::JoinHandle<()>) {
    let (notes, store) = (Lines::new(), FdStore::default());
    let socket = UnixDatagram::bind(socket).unwrap();
    let (told, kept) = (notes.clone(), store.clone());
    let task = tokio::spawn(async move {
        while let Ok(text) = heard(&socket, &kept).await {
            text.lines().for_each(|l| told.push(l.to_owned()));
        }
    });
    (notes, store, task)
}
