//! The `rigpost-sim` program: a simulator on the terminal.
//!
//! # Decisions
//! `qrcode` draws the address for a phone: nobody types one that has a port. The daemon draws with it too.

use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use tokio::signal::unix::{SignalKind, signal};
use url::Url;
use uuid::Uuid;

use super::args::{Args, EtagKind, PollSecret, SocketRule, Validity};
use super::event::{Endpoint, Event, EventKind};
use super::tls::write_whole;
use super::{
    DeviceModel, Etags, Fault, S3Options, SecretOnPoll, Sim, SimOptions, Sockets, TlsValidity, film,
};

/// Turns the command line into options.
///
/// # Errors
/// A sentence about the first argument that makes no sense.
pub fn options(args: &Args) -> Result<SimOptions, String> {
    let faults: Result<Vec<Fault>, String> = args
        .fault
        .iter()
        .map(|spec| spec.parse().map_err(|error| format!("--fault {spec}: {error}")))
        .collect();
    let verification_base = match &args.verification_base {
        None => None,
        Some(text) => {
            let url = Url::parse(text).map_err(|error| format!("--verification-base {text}: {error}"))?;
            Some(url)
        }
    };
    let faults = faults?;
    let s3 = args.s3.as_deref().map(|endpoint| s3(endpoint, args)).transpose()?;
    if s3.is_some() && faults.iter().any(|fault| fault.endpoint == Some(Endpoint::Part)) {
        return Err(
            "--fault part:... has no effect with --s3: parts don't pass through the simulator".to_owned()
        );
    }
    let defaults = SimOptions::default();
    Ok(SimOptions {
        listen: args.listen,
        tls: args.tls,
        tls_validity: match args.tls_validity {
            Validity::Valid => TlsValidity::Valid,
            Validity::Expired => TlsValidity::Expired,
            Validity::NotYetValid => TlsValidity::NotYetValid,
        },
        ca_file: args.ca_out.clone(),
        code_expires_in: args.code_expires,
        interval: args.interval,
        access_expires_in: args.access_expires,
        refresh_expires_in: args.refresh_expires,
        url_expires_in: args.url_expires,
        chunk_size: args.chunk_size,
        projects: if args.project.is_empty() { defaults.projects } else { args.project.clone() },
        client_secret: args.client_secret.clone(),
        marker: args.marker.clone(),
        auto_approve_after: args.auto_approve.map(Duration::from_secs_f64),
        secret_on_poll: match args.secret_on_poll {
            PollSecret::Accept => SecretOnPoll::Accept,
            PollSecret::Require => SecretOnPoll::Require,
            PollSecret::Refuse => SecretOnPoll::Refuse,
        },
        enforce_rate_limit: args.enforce_rate_limit,
        device_models: models(&args.device_model, defaults.device_models)?,
        etags: match args.etags {
            EtagKind::Md5 => Etags::Md5,
            EtagKind::Opaque => Etags::Opaque,
        },
        reject_early: args.reject_early,
        sockets: match args.sockets {
            SocketRule::Served => Sockets::Served,
            SocketRule::Missing => Sockets::Missing,
            SocketRule::Refused => Sockets::Refused,
        },
        s3,
        storage_dir: args.storage_dir.clone(),
        verification_base,
        log_file: args.log_file.clone(),
        faults,
    })
}

/// The models of `--device-model`.
fn models(given: &[String], default: Vec<DeviceModel>) -> Result<Vec<DeviceModel>, String> {
    let model = |text: &String| {
        let (id, name) = text.split_once('=').unwrap_or((text, "Sub-device"));
        let id = Uuid::parse_str(id).map_err(|_| format!("--device-model {text}: {id} is no uuid"))?;
        Ok(DeviceModel { id: id.to_string(), name: name.to_owned() })
    };
    if given.is_empty() { Ok(default) } else { given.iter().map(model).collect() }
}

/// The storage of `--s3`, with keys from the environment: a command line can be read by everybody.
fn s3(endpoint: &str, args: &Args) -> Result<S3Options, String> {
    let url = Url::parse(endpoint).map_err(|error| format!("--s3 {endpoint}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("--s3 {endpoint}: neither http:// nor https://"));
    }
    let key = |name: &str| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("--s3 needs {name} in the environment"))
    };
    Ok(S3Options {
        endpoint: url,
        bucket: args.s3_bucket.clone(),
        region: args.s3_region.clone(),
        access_key: key("AWS_ACCESS_KEY_ID")?,
        secret_key: key("AWS_SECRET_ACCESS_KEY")?,
    })
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// A sentence about what kept the simulator from starting.
pub async fn run(args: Args) -> Result<(), String> {
    if let Some(path) = &args.write_clip {
        return film::write(path).map_err(|error| format!("cannot write {}: {error}", path.display()));
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let options = options(&args)?;
    let listen = args.listen;
    let sim = Sim::start(options).await.map_err(|error| format!("cannot start at {listen}: {error}"))?;
    greet(&args, &sim);
    if let Some(path) = &args.ready_file {
        let url = format!("{}\n", sim.url().as_str().trim_end_matches('/'));
        write_whole(path, &url, 0o644).map_err(|error| error.to_string())?;
    }
    let mut printed = Printed::default();
    tokio::select! {
        () = printed.follow(&sim), if !args.quiet => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if !args.quiet {
        printed.catch_up(&sim);
    }
    for violation in sim.violations() {
        say(&format!("protocol violation: {violation}"));
    }
    Ok(())
}

fn say(line: &str) {
    // A closed terminal is no reason to stop serving.
    let _closed = writeln!(io::stdout().lock(), "{line}");
}

fn greet(args: &Args, sim: &Sim) {
    let url = sim.url().as_str().trim_end_matches('/');
    say(&format!("rigpost-sim listens at {url}"));
    say(&format!("  device: base URL {url}, client secret {}", args.client_secret));
    say(&format!("  you:    open {url}/ to approve the code the device shows"));
    say(&format!("  clips:  {}", sim.storage_dir().display()));
    say(&format!("  faults and state: {url}/_sim/"));
    if let Some(path) = &args.ca_out {
        say(&format!("  trust:  {}", path.display()));
    }
    if let Some(url) = sim.lan_url() {
        say(&format!("  phone:  {url}"));
        if let Some(code) = qr(url.as_str()) {
            say(&code);
        }
    }
    if !args.listen.ip().is_loopback() {
        let text = "warning: this address can be reached from the network, and a simulator has no access control: \
                    anyone there can approve devices and read clips";
        let _closed = writeln!(io::stderr().lock(), "{text}");
    }
}

/// For a phone's camera. Terminals are mostly light on dark, so the light modules are drawn.
fn qr(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let mut drawn = code.render::<Dense1x2>();
    drawn.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    Some(drawn.build())
}

/// What has been printed so far.
#[derive(Default)]
struct Printed {
    events: u64,
    violations: usize,
}

impl Printed {
    fn catch_up(&mut self, sim: &Sim) {
        for event in sim.log_since(self.events) {
            self.events = event.n;
            say(&event.to_string());
        }
        let all = sim.violations();
        for violation in all.iter().skip(self.violations) {
            say(&format!("       !  {violation}"));
        }
        self.violations = all.len();
    }

    /// One line per event; never ends.
    async fn follow(&mut self, sim: &Sim) {
        let mut news = sim.app.journal.watch();
        loop {
            news.borrow_and_update();
            self.catch_up(sim);
            if news.changed().await.is_err() {
                return;
            }
        }
    }
}

impl fmt::Display for Event {
    /// One line for people: number, time, connection, call, stage, and what is worth knowing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, thousandths) = (self.ms / 1000, self.ms % 1000);
        write!(f, "{:>5} {seconds:>5}.{thousandths:03}  ", self.n)?;
        match self.kind {
            EventKind::Action => write!(f, "{}", self.endpoint.word())?,
            EventKind::Assembled => write!(f, "clip")?,
            // A part that was found in a bucket belongs to no call.
            EventKind::Received | EventKind::Effect | EventKind::Replied | EventKind::Cut
                if self.connection == 0 =>
            {
                write!(f, "{}", self.endpoint.word())?;
            }
            EventKind::Received | EventKind::Effect | EventKind::Replied | EventKind::Cut => {
                write!(f, "{}/{} {} {}", self.connection, self.request, self.method, self.path)?;
            }
        }
        match self.kind {
            EventKind::Action | EventKind::Assembled => {}
            EventKind::Received => write!(f, " <-")?,
            EventKind::Effect => write!(f, " done")?,
            EventKind::Replied => write!(f, " -> {}", self.status.unwrap_or_default())?,
            EventKind::Cut => write!(f, " -> cut off")?,
        }
        for word in [&self.error, &self.client_id].into_iter().flatten() {
            write!(f, " {word}")?;
        }
        if let Some(fault) = &self.fault {
            write!(f, " (fault {fault})")?;
        }
        // A good answer repeats what its effect said.
        let repeats = self.kind == EventKind::Replied && self.error.is_none();
        match &self.detail {
            Some(detail) if !repeats => write!(f, ": {detail}"),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn the_command_line_has_the_library_s_defaults() {
        let mut given = options(&Args::parse_from(["rigpost-sim"])).unwrap();
        given.listen = SimOptions::default().listen;
        assert_eq!(format!("{given:?}"), format!("{:?}", SimOptions::default()));
    }

    #[test]
    fn device_models_have_names() {
        let id = "D5B1C3A0-5f0e-4c86-9a57-2f1f6c0e7b12";
        let args = ["rigpost-sim", "--device-model", id, "--device-model", &format!("{id}=Mic")];
        let models = options(&Args::parse_from(args)).unwrap().device_models;
        let model = |name: &str| DeviceModel { id: id.to_lowercase(), name: name.to_owned() };
        assert_eq!(models, [model("Sub-device"), model("Mic")]);
    }

    #[test]
    fn a_wrong_fault_or_address_is_named() {
        let said = |args: &[&str]| options(&Args::parse_from(args)).unwrap_err();
        assert!(said(&["rigpost-sim", "--fault", "me:explode"]).contains("--fault me:explode"));
        assert!(
            said(&["rigpost-sim", "--device-model", "mic"]).contains("--device-model mic: mic is no uuid")
        );
        assert!(said(&["rigpost-sim", "--verification-base", "phone"]).contains("--verification-base phone"));
        assert!(Args::try_parse_from(["rigpost-sim", "--interval=-1"]).is_err());
    }
}
