//! `rigpost provision`: carries the client secret from a person or a file to the daemon.
//!
//! # Decisions
//!
//! - The secret comes from standard input or a hidden prompt and leaves through a pipe whose reading end the daemon gets:
//!   arguments, environments and D-Bus messages can all be watched by others.
//! - Standard input is read with the system call itself: the buffer of `std::io::Stdin` would keep a copy.
//! - rpassword for the prompt: it restores the terminal on every way out.

use std::io::{IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

use serde_json::json;
use zbus::Variant;
use zeroize::{Zeroize as _, Zeroizing};

use super::args::ProvisionArgs;
use super::bus::{Daemon, Options};
use super::exit::{Doing, ExitCode, Failure, from_bus};
use super::out::Out;
use rigpost_contract::option::OptionKey;

/// The longest secret that the daemon takes, in bytes.
const LONGEST: usize = 4096;

/// Reads the secret and hands it over.
pub(crate) async fn run(args: &ProvisionArgs, out: &mut Out) -> Result<(), Failure> {
    if !args.refused.is_empty() {
        return Err(Failure::new(
            ExitCode::Usage,
            "a secret is never taken from the command line: other users can see it there, and the shell remembers it",
            "clear it from the shell's history, then: sudo rigpost provision, which asks; or give it on standard input",
        ));
    }
    let root = |error: zbus::Error| from_bus(&error, Doing::Root("provision"));
    let daemon = Daemon::connect().await?;
    let stdin = std::io::stdin();
    let prompt = match args.s3_key {
        true => "AccessKeyId:SecretAccessKey (it is not shown): ",
        false => "Client secret (it is not shown): ",
    };
    let secret = if stdin.is_terminal() { ask(prompt)? } else { read_all(stdin.as_fd())? };
    let secret = trimmed(&secret)?;

    // Smaller than any pipe's buffer, so that this can't block before the daemon reads.
    let (reader, mut writer) = std::io::pipe().map_err(|error| broken(&error))?;
    writer.write_all(secret).map_err(|error| broken(&error))?;
    drop(writer);
    let device = daemon.device();
    let kind = (OptionKey::Kind.as_str(), Variant::from("storage-key"));
    let options: Options<'_> = args.s3_key.then_some(kind).into_iter().collect();
    device.provision(zbus::Fd::from(reader.as_fd()), options).await.map_err(root)?;
    if args.json {
        return Ok(out.json(&json!({ "provisioned": true }))?);
    }
    out.say(match args.s3_key {
        true => "The key for the bucket is stored. Clips that waited for it are tried now.",
        false => "The client secret is stored. To pair this rig: rigpost pair",
    })?;
    Ok(())
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::new(ExitCode::Failed, format!("can't read or pass on the secret: {error}"), "try again")
}

fn ask(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let typed = rpassword::prompt_password(prompt).map_err(|error| broken(&error))?;
    Ok(Zeroizing::new(typed.into_bytes()))
}

/// Reads to the end, or to one byte more than fits. The buffer never grows, so no copy is left behind.
fn read_all(from: impl std::os::fd::AsFd) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut buffer = Zeroizing::new(vec![0_u8; LONGEST + 3]);
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::read(&from, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(broken(&error.into())),
        }
    }
    buffer[filled..].zeroize();
    buffer.truncate(filled);
    Ok(buffer)
}

/// The secret without the line break at its end, if it has a permitted length.
fn trimmed(secret: &[u8]) -> Result<&[u8], Failure> {
    let secret = secret.strip_suffix(b"\n").unwrap_or(secret);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    match secret.len() {
        0 => Err(Failure::new(ExitCode::Usage, "the secret is empty", "rigpost provision --help")),
        1..=LONGEST => Ok(secret),
        _ => Err(Failure::new(
            ExitCode::Usage,
            format!("the secret is longer than {LONGEST} bytes"),
            "check that this is the client secret and not another file",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piped(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(bytes).unwrap();
        drop(writer);
        read_all(reader).unwrap()
    }

    #[test]
    fn one_line_break_is_cut_off() {
        for given in [&b"s3cret"[..], b"s3cret\n", b"s3cret\r\n"] {
            assert_eq!(trimmed(&piped(given)).unwrap(), b"s3cret");
        }
        assert_eq!(trimmed(b" two\n\n").unwrap(), b" two\n");
    }

    #[test]
    fn length_is_checked_before_anything_is_sent() {
        assert_eq!(trimmed(&piped(b"\n")).unwrap_err().code, ExitCode::Usage);
        assert_eq!(trimmed(&piped(&[b'x'; LONGEST])).unwrap().len(), LONGEST);
        assert_eq!(trimmed(&piped(&[b'x'; LONGEST + 1])).unwrap_err().code, ExitCode::Usage);
        assert_eq!(trimmed(&piped(&[b'x'; 3 * LONGEST])).unwrap_err().code, ExitCode::Usage);
    }
}
