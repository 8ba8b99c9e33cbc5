//! The stop-watch of `tests/measure`: how long a program takes to say READY=1, and what it says afterwards.
//!
//! ```text
//! ready SOCKET RUNS -- COMMAND... [-- COMMAND...]
//! ready SOCKET
//! ```
//!
//! The first starts the commands in turn, A, B, A, B, each RUNS times and once more before that to warm up. For each
//! start it prints the number of the command (from 0) and the microseconds from just before the spawn to READY=1, and
//! then kills it. The second starts nothing: it prints every line that arrives on the socket, until it is killed.
//!
//! # Decisions
//!
//! - A program, not a part of the script: a shell can neither listen on a datagram socket nor time a millisecond.
//! - SIGKILL, because that is how a rig ends: each start also finds the database as a power cut would leave it.
//! - Only the standard library, so that the watch weighs nothing.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// A program that is not ready after this is broken.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at whether the program is still there.
const LOOK: Duration = Duration::from_millis(100);
/// After each run: the bus drops the killed program's name and the disk settles.
const REST: Duration = Duration::from_millis(50);
const USAGE: &str = "usage: ready SOCKET [RUNS -- COMMAND... [-- COMMAND...]]";

fn bind(path: &Path) -> io::Result<UnixDatagram> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => UnixDatagram::bind(path),
    }
}

/// Prints what arrives, for ever.
fn listen(path: &Path) -> io::Result<()> {
    let socket = bind(path)?;
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer)?;
        let mut out = io::stdout().lock();
        out.write_all(&buffer[..length])?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing is suspended between two ends of a stop-watch")]
fn now() -> Instant {
    Instant::now()
}

/// One start, timed and killed.
fn once(path: &Path, command: &[OsString]) -> io::Result<Duration> {
    let socket = bind(path)?;
    socket.set_read_timeout(Some(LOOK))?;
    let mut program = Command::new(&command[0]);
    program.args(&command[1..]).env("NOTIFY_SOCKET", path).stdin(Stdio::null()).stdout(Stdio::null());
    let began = now();
    let mut child = program.spawn()?;
    let ready = await_ready(&socket, &mut child, began);
    child.kill()?;
    child.wait()?;
    thread::sleep(REST);
    ready
}

fn await_ready(socket: &UnixDatagram, child: &mut Child, began: Instant) -> io::Result<Duration> {
    let mut buffer = [0; 4096];
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let took = began.elapsed();
                if buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                    return Ok(took);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if let Some(status) = child.try_wait()? {
                    return Err(io::Error::other(format!("ended before it was ready: {status}")));
                }
                if began.elapsed() > PATIENCE {
                    return Err(io::Error::other("is not ready in time"));
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn measure(path: &Path, runs: u32, commands: &[&[OsString]]) -> io::Result<()> {
    for run in 0..=runs {
        for (number, command) in commands.iter().enumerate() {
            let took = once(path, command).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", command[0].display()))
            })?;
            if run > 0 {
                writeln!(io::stdout(), "{number} {}", took.as_micros())?;
            }
        }
    }
    Ok(())
}

fn run(arguments: &[OsString]) -> io::Result<()> {
    let wrong = || io::Error::new(ErrorKind::InvalidInput, USAGE);
    let mut parts = arguments.split(|argument| argument == "--");
    match parts.next() {
        Some([path]) if arguments.len() == 1 => listen(Path::new(path)),
        Some([path, runs]) => {
            let runs = runs.to_str().and_then(|runs| runs.parse().ok()).ok_or_else(wrong)?;
            let commands: Vec<&[OsString]> = parts.collect();
            if commands.is_empty() || commands.iter().any(|command| command.is_empty()) {
                return Err(wrong());
            }
            measure(Path::new(path), runs, &commands)
        }
        _ => Err(wrong()),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "ready: {error}");
            ExitCode::FAILURE
        }
    }
}
