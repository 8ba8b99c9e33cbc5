//! A camera that records.
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const MIB: usize = 1 << 20;

/// A recorder with a pace of its own: it writes until it is told to stop, and then what it writes at its stop.
pub(crate) struct Recorder {
    path: PathBuf,
    stop: mpsc::Sender<Stop>,
    thread: JoinHandle<()>,
}

/// How a recorder ends.
pub(crate) enum Stop {
    /// It closes its file.
    Close,
    /// It writes its header again, and closes.
    Header,
    /// It writes in the middle of the file again, and closes.
    At(u64),
    /// It renames the file, and closes it.
    Rename(PathBuf),
    /// It throws the file away.
    Delete,
}

impl Recorder {
    /// Writes a MiB every `pace`.
    pub(crate) fn start(path: &Path, pace: Duration) -> Recorder {
        Recorder::start_for(path, pace, usize::MAX)
    }

    /// The same, and stops by itself after so many MiB: it writes its header again.
    pub(crate) fn start_for(path: &Path, pace: Duration, most: usize) -> Recorder {
        let (stop, told) = mpsc::channel();
        let at = path.to_owned();
        let thread = std::thread::spawn(move || record(&at, pace, most, &told));
        Recorder { path: path.to_owned(), stop, thread }
    }

    /// Returns when it has stopped by itself.
    pub(crate) fn stop_itself(self) -> PathBuf {
        self.thread.join().unwrap();
        self.path
    }

    /// It has stopped by itself.
    pub(crate) fn has_stopped(&self) -> bool {
        self.thread.is_finished()
    }

    /// Returns when it is done.
    pub(crate) fn stop(self, how: Stop) -> PathBuf {
        let path = match &how {
            Stop::Rename(to) => to.clone(),
            Stop::Close | Stop::Header | Stop::At(_) | Stop::Delete => self.path,
        };
        // One that has stopped by itself hears nothing.
        let _ = self.stop.send(how);
        self.thread.join().unwrap();
        path
    }
}

fn record(path: &Path, pace: Duration, most: usize, told: &mpsc::Receiver<Stop>) {
    let mut file = fs::File::create(path).unwrap();
    let mut state = 88_172_645_463_325_252_u64;
    let mut piece = vec![0; MIB];
    let mut written = 0;
    let how = loop {
        for chunk in piece.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&piece).unwrap();
        written += 1;
        if written == most {
            break Stop::Header;
        }
        match told.recv_timeout(pace) {
            Ok(how) => break how,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    };
    file.write_all(&piece[..12_345]).unwrap();
    let mut again = |at| {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"written again at the stop").unwrap();
    };
    match how {
        Stop::Close => {}
        Stop::Header => again(4),
        Stop::At(at) => again(at),
        Stop::Rename(to) => fs::rename(path, to).unwrap(),
        Stop::Delete => fs::remove_file(path).unwrap(),
    }
}
