//! The least that sends a file over TLS, so that `tests/measure upload` can say what an upload costs beyond it: blocking
//! threads, one connection each, `read` and `write` through rustls.
//!
//! ```text
//! put CERTIFICATE-FILE URL FILE PART-SIZE CONNECTIONS [--hash | --hash-md5 | --hash-crc64nvme | --hash-sha256]
//! ```
//!
//! Sends FILE in parts of PART-SIZE bytes, each as one PUT, over CONNECTIONS connections that are used again, and prints
//! the processor seconds that this process used, and the wall seconds. `--hash` computes XXH64 of each part on the way,
//! `--hash-md5` MD5 too, `--hash-crc64nvme` and `--hash-sha256` these, as the daemon does.
//!
//! # Decisions
//!
//! - A hand-written request and nothing that is not needed: it is a floor, not a client.

#![expect(clippy::disallowed_methods, reason = "a stop-watch for a minute needs no suspend")]
#![expect(clippy::print_stdout, reason = "what it is for")]

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use ring::digest::{Context, SHA256};
use rustix::time::{ClockId, clock_gettime};
use tokio_rustls::rustls::crypto::ring as provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use xxhash_rust::xxh64::Xxh64;

type Failure = Box<dyn Error + Send + Sync>;

const BUFFER: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq)]
enum Hash {
    None,
    Xxh64,
    Md5Too,
    CrcToo,
    ShaToo,
}

struct Job {
    file: File,
    size: u64,
    part: u64,
    host: String,
    hash: Hash,
    next: AtomicU64,
}

fn config(certificate: &str) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Sends parts until there are none left.
fn run(job: &Job, config: Arc<ClientConfig>) -> Result<(), Failure> {
    let tcp = TcpStream::connect(&job.host)?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let mut stream = StreamOwned::new(ClientConnection::new(config, name)?, tcp);
    let mut buffer = vec![0; BUFFER];
    loop {
        let from = job.next.fetch_add(1, Ordering::Relaxed) * job.part;
        if from >= job.size {
            return Ok(());
        }
        let length = job.part.min(job.size - from);
        let head = format!("PUT /{from} HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\n\r\n", job.host);
        stream.write_all(head.as_bytes())?;
        let (mut xxh64, mut md5) = (Xxh64::new(0), Md5::new());
        let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        let mut sha = Context::new(&SHA256);
        let mut at = from;
        while at < from + length {
            let want = usize::try_from(from + length - at).unwrap_or(BUFFER).min(BUFFER);
            let got = job.file.read_at(&mut buffer[..want], at)?;
            if job.hash != Hash::None {
                xxh64.update(&buffer[..got]);
            }
            match job.hash {
                Hash::Md5Too => md5.update(&buffer[..got]),
                Hash::CrcToo => crc.update(&buffer[..got]),
                Hash::ShaToo => sha.update(&buffer[..got]),
                Hash::None | Hash::Xxh64 => {}
            }
            stream.write_all(&buffer[..got])?;
            at += got as u64;
        }
        std::hint::black_box((xxh64.digest(), md5.finalize(), crc.finalize(), sha.finish()));
        answer(&mut stream)?;
    }
}

/// The answer has no body.
fn answer(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> Result<(), Failure> {
    let mut seen = Vec::new();
    let mut byte = [0; 1];
    while !seen.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        seen.push(byte[0]);
    }
    if seen.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err("the storage refused a part".into()) }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [certificate, url, file, part, connections, rest @ ..] = &arguments[..] else {
        return Err(
            "usage: put CERTIFICATE-FILE URL FILE PART-SIZE CONNECTIONS [--hash[-md5|-crc64nvme|-sha256]]"
                .into(),
        );
    };
    let hash = match rest.first().map(String::as_str) {
        Some("--hash") => Hash::Xxh64,
        Some("--hash-md5") => Hash::Md5Too,
        Some("--hash-crc64nvme") => Hash::CrcToo,
        Some("--hash-sha256") => Hash::ShaToo,
        Some(_) | None => Hash::None,
    };
    let file = File::open(file)?;
    let size = file.metadata()?.len();
    let host = url.trim_start_matches("https://").trim_end_matches('/').to_owned();
    let job = Job { file, size, part: part.parse()?, host, hash, next: AtomicU64::new(0) };
    let config = config(certificate)?;
    let began = Instant::now();
    thread::scope(|scope| {
        let runs: Vec<_> =
            (0..connections.parse()?).map(|_| scope.spawn(|| run(&job, config.clone()))).collect();
        runs.into_iter().try_for_each(|run| run.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })?;
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec)?);
    println!("{:.3} {:.3}", used.as_secs_f64(), began.elapsed().as_secs_f64());
    Ok(())
}
