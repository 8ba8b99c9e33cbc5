//! The command line of `rigpost-sim`. It imports only clap and std, because the build script reads it too, for
//! the manual page and the shell completions.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

const AFTER_HELP: &str = "\
FAULTS
  A fault is written ENDPOINT[#PART][@NAME]:KIND[=VALUE][:TIMES[:SKIP]]. TIMES is a number or
  `forever` (default 1); SKIP calls pass unharmed first. PART (from 1) and NAME choose parts and
  clips: part#2@A001.mov, create@A001.mov, register#7.

  Endpoints: device-code, token-poll, refresh, revoke, me, create, register (of parts of a clip that
  grows), part, comment, connect and disconnect (of channels), heartbeat, socket, health, any

  Instead of an answer (nothing has happened):
    slow_down, invalid_client, bad_request, ...   400 with that error word
    401, 402, 403, 404, 409, 422, detailed=STATUS
                                that status, with the cloud's detailed JSON (part: XML)
    paused                      409 \"Channel Paused\"
    refuse-again                400 to a registration of a part that is registered already; the
                                others pass, and don't count (only register)
    429[=SECONDS]               rate limited, with Retry-After
    500, 503, ...               that status, plain text (part: the storage's XML, also for 400)
    bare=STATUS, html-STATUS    not the cloud's words: plain text, or an HTML page
    captive-portal              an HTML page with status 200
    s3=CODE                     the storage's XML: Expired (short: expired), AccessDenied,
                                SignatureDoesNotMatch, RequestTimeTooSkewed, NoSuchUpload,
                                RequestTimeout, BadDigest, InternalError, SlowDown,
                                ServiceUnavailable
    reject-early[=CODE]         the same (default Expired), said at once; then the connection is
                                closed with the body of the part unread
    redirect                    302 to a log-in page
    stall                       never answers
    reset                       TCP reset
    reset-after=BYTES           TCP reset after that many bytes of a part
    stall-after=BYTES           reads that many bytes of a part and no more
    delay=MILLISECONDS          late, but normal
    slow=BYTES                  reads a part at so many bytes a second
    wrong-etag                  a byte of the part is stored wrong, and the ETag says so; the part
                                is missing until it arrives sound
    opaque-etag                 the ETag is no MD5

  After the effect (the cloud has done it, the device does not know):
    lost-answer                 the connection ends without an answer
    reset-mid-body              half of the answer, then a TCP reset
    trickle=MILLISECONDS        the answer comes a byte at a time, so long apart, without an end
    garbage, oversized          half of the JSON; 64 MiB of JSON
    wrong-types, missing-fields, negative-numbers, huge-numbers

EXAMPLES
  rigpost-sim --listen 127.0.0.1:8080 --auto-approve 3
  rigpost-sim --fault refresh:lost-answer --fault part:reset-after=65536:3
  rigpost-sim --listen 0.0.0.0:8080                  a phone reaches it at the address it prints
  rigpost-sim --listen 0.0.0.0:8443 --tls --ca-out ca.pem
  rigpost-sim --write-clip A001.mov
  AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... rigpost-sim --s3 http://127.0.0.1:9000 --s3-bucket clips

CLIPS THAT GROW
  A clip created with is_realtime_upload and without filesize gets its parts registered one after
  another (POST /v2/devices/assets/ID/realtime_upload/parts), each 5 MiB at least but the final one,
  and is whole when that is registered and all of them are there. A part may be registered again, as
  it was, for a fresh address. Whatever else is not as Frame.io documents it is refused, and printed
  as a violation of the protocol.

CHANNELS AND COMMENTS
  A sub-device of an allowed model is connected with POST /v2/devices/channels and gets an index,
  which creations name. Where a model is allowed (--device-model), any but index 0 that is not
  connected is refused. The control interface connects one without a call of the device. Comments on
  a clip (POST /v2/devices/assets/ID/comments) show on the page.

PRESENCE BY SOCKET
  GET /devices/websocket?Authorization=Bearer%20TOKEN opens a socket with Phoenix messages in JSON.
  A device that has joined its topic (devices:ID) is online, is told when it is paused or resumed
  (status_updated), and is closed after a minute without a message. Frame.io doesn't document the
  words of its socket; these are those of emulators that cameras are content with.

REAL STORAGE
  With --s3 the upload addresses are presigned for that server (AWS Signature Version 4, a plain
  PUT of one object a part, below parts/ in the bucket). The simulator looks into the bucket for
  them and puts the clip together from what lies there. It is not on the parts' way then: faults
  of part, slow links and ETags are the server's own business. The keys come from the environment
  variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.

  While it runs, GET /_sim/ describes the control interface.";

/// Whether polls carry the client secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PollSecret {
    /// With or without it
    Accept,
    /// Refuse polls without it
    Require,
    /// Refuse polls with it
    Refuse,
}

/// What the `ETag` of a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EtagKind {
    /// The MD5 of the bytes
    Md5,
    /// No MD5, as of storage that encrypts with a key service
    Opaque,
}

/// What becomes of a device that asks for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SocketRule {
    /// It gets one
    Served,
    /// 404
    Missing,
    /// 403
    Refused,
}

/// Validity of the TLS certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Validity {
    /// Valid now
    Valid,
    /// Ended last year
    Expired,
    /// Begins next year
    NotYetValid,
}

/// A cloud on your desk: pairs camera rigs, takes in their clips, and fails when told to.
#[derive(Clone, Debug, Parser)]
#[command(name = "rigpost-sim", version, after_help = AFTER_HELP)]
pub struct Args {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Serve HTTPS, with a certificate of an authority made at start
    #[arg(long)]
    pub tls: bool,

    /// Show a certificate that is expired or not valid yet
    #[arg(long, value_name = "WHEN", value_enum, default_value = "valid", requires = "tls")]
    pub tls_validity: Validity,

    /// Write the authority's certificate (PEM) here, for devices to trust, and its key to FILE.key; with that key there,
    /// it is the authority of the last time
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub ca_out: Option<PathBuf>,

    /// Seconds a pairing code lives
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0, value_parser = seconds)]
    pub code_expires: f64,

    /// Seconds between two polls
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    pub interval: f64,

    /// Seconds an access token lives
    #[arg(long, value_name = "SECONDS", default_value_t = 28_800)]
    pub access_expires: u64,

    /// Seconds a refresh token lives
    #[arg(long, value_name = "SECONDS", default_value_t = 1_209_600)]
    pub refresh_expires: u64,

    /// Seconds an upload URL lives
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    pub url_expires: u64,

    /// Approve every code by itself after this long, for the first project
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub auto_approve: Option<f64>,

    /// A project clips can go to; repeatable [default: Testbed, Second Unit]
    #[arg(long, value_name = "NAME")]
    pub project: Vec<String>,

    /// The secret devices must show
    #[arg(long, value_name = "SECRET", default_value = "sim-client-secret")]
    pub client_secret: String,

    /// A word inside every secret handed out, to search logs for
    #[arg(long, value_name = "WORD", default_value = "SIMSECRET")]
    pub marker: String,

    /// Whether polls carry the client secret
    #[arg(long, value_name = "RULE", value_enum, default_value = "accept")]
    pub secret_on_poll: PollSecret,

    /// Answer 429 to more than five asset creations a second, to more than a hundred registrations of parts or comments a minute, and to
    /// a second heartbeat within a minute
    #[arg(long)]
    pub enforce_rate_limit: bool,

    /// Bytes per part when a device does not ask for a number of parts
    #[arg(long, value_name = "BYTES", default_value_t = 10_485_760)]
    pub chunk_size: u64,

    /// A device model that may be connected as a channel: its uuid, and what its channels are called; repeatable
    /// [default: d5b1c3a0-5f0e-4c86-9a57-2f1f6c0e7b11=Simulated sub-device]
    #[arg(long, value_name = "UUID[=NAME]")]
    pub device_model: Vec<String>,

    /// What the ETag of a part is
    #[arg(long, value_name = "KIND", value_enum, default_value = "md5")]
    pub etags: EtagKind,

    /// Hang up on refused parts without reading them, as storage may do with an expired address
    #[arg(long)]
    pub reject_early: bool,

    /// What becomes of a device that asks for a socket
    #[arg(long, value_name = "RULE", value_enum, default_value = "served")]
    pub sockets: SocketRule,

    /// Hand out presigned upload addresses of this S3 server; the keys come from the environment, see below
    #[arg(long, value_name = "URL")]
    pub s3: Option<String>,

    /// The bucket for parts, made if it is not there
    #[arg(long, value_name = "NAME", default_value = "rigpost-sim", requires = "s3")]
    pub s3_bucket: String,

    /// The region signatures name
    #[arg(long, value_name = "REGION", default_value = "us-east-1", requires = "s3")]
    pub s3_region: String,

    /// Keep finished clips here [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub storage_dir: Option<PathBuf>,

    /// Where a phone reaches this simulator, for the QR code [default: the address the device called, or this machine's
    /// in its network, where the device runs beside a simulator that listens at 0.0.0.0]
    #[arg(long, value_name = "URL")]
    pub verification_base: Option<String>,

    /// Append every event here, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,

    /// Write the simulator's URL here once it listens
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,

    /// Write a clip to send to this file, colour bars of eight seconds (QuickTime, 8.6 MB), and end
    #[arg(long, value_name = "FILE", exclusive = true)]
    pub write_clip: Option<PathBuf>,

    /// A fault in force from the start; repeatable, see below
    #[arg(long, value_name = "SPEC")]
    pub fault: Vec<String>,

    /// Do not print events
    #[arg(long, short)]
    pub quiet: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0e9).contains(&number) {
        Ok(number)
    } else {
        Err("must be between 0 and a billion".to_owned())
    }
}
