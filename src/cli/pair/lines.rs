//! What `rigpost pair --json` prints: a line for each change, and one for the end.
//!
//! # Decisions
//!
//! - The keys are those of "pairing" in `rigpost status --json`, so that a program reads both in the same way.
//! - The QR code as a data URL, which a browser or a toolkit shows as it is. PNG, because every toolkit on a small board
//!   draws it. `base64` encodes it: it is in the tree already, for certificates.
//! - No dead code on the last line, for the reason that there is none on a screen.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::bus::{Device, Pairing};
use crate::exit::{ExitCode, Failure};
use crate::out::Out;
use crate::status::PairingJson;
use crate::{text, words};

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    /// One sentence for a person.
    summary: String,
    /// What to do next, if anything.
    next: Option<&'a str>,
    /// The rig's serial, which the page that asks for consent may show.
    device_id: &'a str,
    /// `null` until the end.
    exit_status: Option<u8>,
    #[serde(flatten)]
    pairing: PairingJson,
    /// A data URL.
    qr: Option<&'a str>,
}

/// Lines on standard output.
pub(super) struct Lines<'a> {
    out: &'a mut Out,
    device: Device,
    /// What the daemon has said last.
    seen: Pairing,
    /// What the last line was about.
    told: Option<Pairing>,
    /// The code that the QR code is of, and its data URL.
    qr: (String, Option<String>),
}

impl<'a> Lines<'a> {
    /// Nothing is printed yet.
    pub(super) fn new(out: &'a mut Out) -> Self {
        Self {
            out,
            device: Device::default(),
            seen: Pairing::default(),
            told: None,
            qr: (String::new(), None),
        }
    }

    /// Codes are for this rig, of its provider.
    pub(super) fn is_for(&mut self, device: &Device) {
        self.device.clone_from(device);
    }

    /// The daemon says this.
    pub(super) fn saw(&mut self, now: &Pairing) {
        self.seen.clone_from(now);
    }

    /// True where there is no picture for this code yet.
    pub(super) fn wants_qr(&self, code: &str) -> bool {
        self.qr.0 != code
    }

    /// The picture for this code; empty: there is none.
    pub(super) fn set_qr(&mut self, code: &str, png: &[u8]) {
        let url = (!png.is_empty()).then(|| format!("data:image/png;base64,{}", STANDARD.encode(png)));
        self.qr = (code.to_owned(), url);
    }

    /// An error as soon as nobody reads any more.
    pub(super) fn heard(&self) -> io::Result<()> {
        self.out.heard()
    }

    /// Prints what is new, if anything is.
    pub(super) fn changed(&mut self) -> io::Result<()> {
        // These move by themselves.
        let now = Pairing { access_expires_at: 0, refreshed_at: 0, ..self.seen.clone() };
        if self.told.as_ref() == Some(&now) {
            return Ok(());
        }
        let has_code = !now.user_code.is_empty() && self.qr.0 == now.user_code;
        self.out.json_line(&Line {
            summary: words::summary(&now, &self.device.provider),
            next: None,
            device_id: &self.device.device_id,
            exit_status: None,
            pairing: PairingJson::new(&self.seen, true),
            qr: self.qr.1.as_deref().filter(|_| has_code),
        })?;
        self.told = Some(now);
        Ok(())
    }

    /// The good end.
    pub(super) fn done(&mut self) -> io::Result<()> {
        self.end(words::summary(&self.seen, &self.device.provider), None, ExitCode::Done)
    }

    /// Any other end.
    pub(super) fn failed(&mut self, failure: &Failure) -> io::Result<()> {
        let next = Some(failure.next.as_str()).filter(|next| !next.is_empty());
        self.end(text::capitalized(&failure.what), next, failure.code)
    }

    fn end(&mut self, summary: String, next: Option<&str>, code: ExitCode) -> io::Result<()> {
        let without_code = Pairing {
            user_code: String::new(),
            verification_uri: String::new(),
            verification_uri_complete: String::new(),
            code_expires_at: 0,
            ..self.seen.clone()
        };
        let pairing = PairingJson::new(&without_code, true);
        let (device_id, exit_status) = (self.device.device_id.as_str(), Some(code.number()));
        self.out.json_line(&Line { summary, next, device_id, exit_status, pairing, qr: None })
    }
}
