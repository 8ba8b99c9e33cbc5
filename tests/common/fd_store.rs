//! Who keeps a service's descriptors while it is away, by systemd's rules (`sd_notify(3)`, `FileDescriptorStoreMax=`).
//!
//! # Decisions
//! - What is given back at a start is given by a program that becomes the daemon, as systemd's does: `LISTEN_PID` is its
//!   own, and the descriptors begin at 3.
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustix::fs::fstat;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::{UnixDatagram, UnixListener};

/// As the unit says.
const MOST: usize = 64;

/// Asks for what is kept, takes it from 3 on, and becomes the daemon.
const LAUNCH: &str = r#"
import fcntl, os, socket, sys
with socket.socket(socket.AF_UNIX) as manager:
    manager.connect(os.environ.pop("FD_STORE"))
    names, fds, _, _ = socket.recv_fds(manager, 8192, 64)
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for fd in fds]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n, inheritable=True)
os.closerange(3 + len(high), 400)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=names.decode().strip())
os.execvp(sys.argv[1], sys.argv[1:])
"#;

/// Clones are one.
#[derive(Clone, Default)]
pub(crate) struct FdStore(Arc<Mutex<Vec<(String, OwnedFd)>>>);

impl FdStore {
    /// The names of what is kept.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    /// As at a reboot, and when the service is stopped for good.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// One message of the service; what it brings is kept, or closed.
    fn heard(&self, text: &str, fds: Vec<OwnedFd>) {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let name = value("FDNAME").unwrap_or("stored");
        assert!(
            name.bytes().all(|b| b.is_ascii_graphic() && b != b':'),
            "systemd takes no such name: {name:?}"
        );
        let mut kept = self.0.lock().unwrap();
        if value("FDSTOREREMOVE") == Some("1") {
            kept.retain(|(known, _)| known != name);
        } else if value("FDSTORE") == Some("1") {
            for fd in fds {
                // One that is there already is not kept twice, whatever it is called now.
                let is_kept = kept.iter().any(|(_, other)| is_one(fd.as_fd(), other.as_fd()));
                if !is_kept && kept.len() < MOST {
                    kept.push((name.to_owned(), fd));
                }
            }
        }
    }

    /// Gives what is kept to whoever asks at this socket; how the daemon is started then.
    pub(crate) fn serve(&self, socket: &Path) -> (Vec<&'static str>, (String, String)) {
        let (listener, store) = (UnixListener::bind(socket).unwrap(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.async_io(Interest::WRITABLE, || store.give(stream.as_fd())).await.unwrap();
            }
        });
        (vec!["python3", "-c", LAUNCH], ("FD_STORE".to_owned(), socket.to_str().unwrap().to_owned()))
    }

    fn give(&self, to: BorrowedFd<'_>) -> io::Result<()> {
        let kept = self.0.lock().unwrap();
        let names: Vec<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
        let fds: Vec<BorrowedFd<'_>> = kept.iter().map(|(_, fd)| fd.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&fds));
        }
        let text = format!("{}\n", names.join(":"));
        sendmsg(to, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::empty())?;
        Ok(())
    }
}

/// By what they are open on: nearer to one open description nobody comes without `kcmp`.
fn is_one(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    let of = |fd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino)).unwrap();
    of(a) == of(b)
}

/// The next datagram at this socket, which may bring descriptors.
pub(crate) async fn heard(socket: &UnixDatagram, store: &FdStore) -> io::Result<String> {
    let mut buffer = vec![0; 8192];
    let receive = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut buffer)];
        let got = recvmsg(socket, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        Ok((got.bytes, fds))
    };
    let (bytes, fds) = socket.async_io(Interest::READABLE, receive).await?;
    let text = String::from_utf8_lossy(&buffer[..bytes]).into_owned();
    store.heard(&text, fds);
    Ok(text)
}
