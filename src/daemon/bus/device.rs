//! `org.rigpost.Rigpost1.Device`.
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use zbus::message::Header;
use zbus::{Connection, OwnedFd};
use zeroize::Zeroizing;

use crate::bus::caller::Callers;
use crate::bus::ending;
use crate::bus::error::BusError;
use crate::bus::limits::Limits;
use crate::bus::options::Options;
use crate::bus::queue::Dict;
use crate::link::Handle;
use rigpost_contract::option::OptionKey;
use rigpost_core::command::{Refusal, RigCommand};
use rigpost_core::delivery::keys::Keys;
use rigpost_core::oauth::ClientSecret;
use rigpost_core::secret::Secret;
use rigpost_core::view::{Stands, blockers, safe_to_power_off};

const MAX_SECRET: usize = 4096;
/// A writer that neither writes nor closes must not hold a thread for longer.
const SECRET_TIMEOUT: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// What never changes while the program runs.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Of the program.
    pub version: &'static str,
    /// The kind of provider.
    pub provider: &'static str,
    /// Access tokens are given out to other programs.
    pub gives_tokens: bool,
}

/// Answers for the interface.
#[derive(Debug)]
pub struct Device {
    handle: Handle,
    callers: Callers,
    limits: Limits,
    about: About,
}

impl Device {
    /// All it needs.
    pub fn new(handle: Handle, callers: Callers, limits: Limits, about: About) -> Device {
        Device { handle, callers, limits, about }
    }

    /// What concerns the identity itself is root's. The bus policy says so too; this holds under any policy.
    async fn only_root(&self, header: &Header<'_>, connection: &Connection) -> Result<(), BusError> {
        match self.callers.uid(header, connection).await {
            Ok(0) => Ok(()),
            Ok(_) | Err(_) => Err(Refusal::AccessDenied.into()),
        }
    }
}

#[zbus::interface(name = "org.rigpost.Rigpost1.Device", introspection_docs = false)]
impl Device {
    async fn provision(
        &self,
        secret: OwnedFd,
        options: Options,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), BusError> {
        self.only_root(&header, connection).await?;
        let mut options = options;
        let kind: Option<String> = options.take(OptionKey::Kind)?;
        options.finish()?;
        let is_of_storage = match kind.as_deref() {
            None | Some("client-secret") => false,
            Some("storage-key") => true,
            Some(_) => {
                let meaning = OptionKey::Kind.meaning();
                return Err(Refusal::InvalidArgs(format!("option \"kind\" must be {meaning}")).into());
            }
        };
        // It only stands for the one that the call carries.
        drop(secret);
        let secret = self.limits.pick_up(&header)?.into_fd().ok_or(Refusal::Stopping)?;
        // A panic ends the daemon, so what does not come back was not begun.
        let lines = if is_of_storage { 2 } else { 1 };
        let secret = tokio::task::spawn_blocking(move || read_secret(&secret, lines)).await;
        let secret = secret.map_err(|_| Refusal::Stopping)??;
        if is_of_storage {
            let keys = Keys::of_user(&secret).ok_or_else(|| {
                Refusal::InvalidArgs(
                    "a storage's key is written AccessKeyId:SecretAccessKey, or in two lines".to_owned(),
                )
            })?;
            return Ok(self.handle.storage_key(keys).await?);
        }
        Ok(self.handle.ask_rig(RigCommand::Provision(ClientSecret(secret))).await?)
    }

    #[zbus(out_args("ended"))]
    async fn forget(
        &self,
        options: Options,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Dict, BusError> {
        self.only_root(&header, connection).await?;
        let asking = ending::asking(options)?;
        Ok(ending::dict(self.handle.end(RigCommand::Forget(asking)).await?))
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &str {
        self.about.version
    }

    #[zbus(property)]
    fn device_id(&self) -> String {
        self.handle.rig_view.borrow().client_id.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn provider(&self) -> &str {
        self.about.provider
    }

    #[zbus(property)]
    fn protection(&self) -> &str {
        self.handle.rig_view.borrow().protection.as_str()
    }

    #[zbus(property)]
    fn clock_trusted(&self) -> bool {
        self.handle.rig_view.borrow().clock_trusted
    }

    #[zbus(property)]
    fn online(&self) -> bool {
        self.handle.rig_view.borrow().online
    }

    #[zbus(property)]
    fn safe_to_power_off(&self) -> bool {
        safe_to_power_off(&self.handle.rig_view.borrow(), &self.handle.queue_view.borrow())
    }

    #[zbus(property)]
    fn blockers(&self) -> Vec<Stands> {
        blockers(&self.handle.rig_view.borrow(), &self.handle.queue_view.borrow())
    }
}

/// `lines`: it may have so many.
fn read_secret(fd: &impl AsFd, lines: usize) -> Result<Secret, Refusal> {
    let unreadable =
        |e: Errno| Refusal::InvalidArgs(format!("the secret's file descriptor can't be read: {e}"));
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 2));
    let mut buffer = Zeroizing::new([0u8; 512]);
    loop {
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        if poll(&mut fds, Some(&SECRET_TIMEOUT)).map_err(unreadable)? == 0 {
            return Err(Refusal::InvalidArgs(
                "the secret's file descriptor delivered nothing for 5 s".to_owned(),
            ));
        }
        let got = match read(fd, buffer.as_mut_slice()) {
            Ok(0) => break,
            Ok(got) => got,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(e) => return Err(unreadable(e)),
        };
        if bytes.len() + got > MAX_SECRET + 2 {
            return Err(Refusal::InvalidArgs("the secret is longer than 4096 bytes".to_owned()));
        }
        bytes.extend_from_slice(&buffer[..got]);
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Refusal::InvalidArgs("the secret is not text".to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Refusal::InvalidArgs("the secret is empty".to_owned()));
    }
    if text.len() > MAX_SECRET {
        return Err(Refusal::InvalidArgs("the secret is longer than 4096 bytes".to_owned()));
    }
    let mut read = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    if read.clone().count() > lines || read.any(|line| line.chars().any(char::is_control)) {
        let what = if lines == 1 { "a second line" } else { "too many lines" };
        return Err(Refusal::InvalidArgs(format!("the secret holds a control character or {what}")));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn given(bytes: &[u8], lines: usize) -> Result<Secret, Refusal> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        read_secret(&file, lines)
    }

    #[test]
    fn a_secret_is_one_line_of_text() {
        assert_eq!(given(b"s3cret\r\n", 1).unwrap().expose(), "s3cret");
        assert_eq!(given(&[b'x'; MAX_SECRET], 1).unwrap().expose().len(), MAX_SECRET);
        for bad in [&b""[..], b"\n", b"two\nlines", b"\xff\xfe", &[b'x'; MAX_SECRET + 1], &[b'x'; 100_000]] {
            assert!(matches!(given(bad, 1), Err(Refusal::InvalidArgs(_))), "{} bytes", bad.len());
        }
    }

    #[test]
    fn a_key_may_be_two() {
        assert_eq!(given(b"account:user\r\ns3cret\r\n", 2).unwrap().expose(), "account:user\r\ns3cret");
        for bad in [&b"a\nb\nc"[..], b"a\tb\nc", b"a\rb\nc"] {
            assert!(matches!(given(bad, 2), Err(Refusal::InvalidArgs(_))), "{bad:?}");
        }
    }
}
