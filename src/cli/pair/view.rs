//! Who is told of the pairing: a person, or a program.

use super::lines::Lines;
use super::screen::Screen;
use crate::args::PairArgs;
use crate::bus::{Daemon, Device, Options, Pairing};
use crate::exit::Failure;
use crate::out::Out;
use crate::text::clean;
use crate::words;

/// One of the two ways to tell it.
enum Kind<'a> {
    Screen(Box<Screen<'a>>),
    Lines(Box<Lines<'a>>),
}

/// What is shown of the pairing.
pub(super) struct View<'a> {
    kind: Kind<'a>,
    with_qr: bool,
}

impl<'a> View<'a> {
    /// As the arguments ask for it.
    pub(super) fn new(args: &PairArgs, out: &'a mut Out) -> Self {
        let kind = match args.json {
            true => Kind::Lines(Box::new(Lines::new(out))),
            false => Kind::Screen(Box::new(Screen::new(out))),
        };
        Self { kind, with_qr: !args.no_qr }
    }

    /// Codes are for this rig, of its provider.
    pub(super) fn is_for(&mut self, device: &Device) {
        match &mut self.kind {
            Kind::Screen(screen) => screen.is_for(device),
            Kind::Lines(lines) => lines.is_for(device),
        }
    }

    /// The pairing was begun from here, and ends with whoever looks.
    pub(super) fn is_ours(&mut self, is_ours: bool) {
        if let Kind::Screen(screen) = &mut self.kind {
            screen.is_ours = is_ours;
        }
    }

    /// The daemon says this, and nothing is shown of it yet.
    pub(super) fn saw(&mut self, now: &Pairing) {
        if let Kind::Lines(lines) = &mut self.kind {
            lines.saw(now);
        }
    }

    /// A code is on its way. For a person who waits.
    pub(super) fn waits(&mut self) -> Result<(), Failure> {
        if let Kind::Screen(screen) = &mut self.kind {
            screen.note("Asking for a code …")?;
        }
        Ok(())
    }

    /// The daemon asks for a code.
    pub(super) fn asks(&mut self, now: &Pairing) -> Result<(), Failure> {
        match &mut self.kind {
            Kind::Screen(screen) => {
                let why = words::reason(&now.reason).map(|why| format!(": {why}")).unwrap_or_default();
                screen.note(&format!("Asking for a code{why} …"))?;
            }
            Kind::Lines(lines) => lines.changed()?,
        }
        Ok(())
    }

    /// A code is on offer.
    pub(super) async fn offers(&mut self, daemon: &Daemon, now: &Pairing) -> Result<(), Failure> {
        // A QR code that holds only the code itself helps nobody with a phone.
        let has_link = !now.verification_uri.is_empty() || !now.verification_uri_complete.is_empty();
        let with_qr = self.with_qr && has_link;
        match &mut self.kind {
            Kind::Screen(screen) if screen.shows(&now.user_code) => {}
            Kind::Screen(screen) => {
                let image = if with_qr && screen.is_live() { draw(daemon, "text").await } else { Vec::new() };
                screen.show(now, &String::from_utf8(image).unwrap_or_default())?;
            }
            Kind::Lines(lines) => {
                if lines.wants_qr(&now.user_code) {
                    let image = if with_qr { draw(daemon, "png").await } else { Vec::new() };
                    lines.set_qr(&now.user_code, &image);
                }
                lines.changed()?;
            }
        }
        Ok(())
    }

    /// The rig is paired, and with what is not known yet.
    pub(super) fn is_paired(&mut self) -> Result<(), Failure> {
        if let Kind::Lines(lines) = &mut self.kind {
            lines.changed()?;
        }
        Ok(())
    }

    /// Time passes. A failure as soon as nobody can see the code any more.
    pub(super) fn tick(&mut self, now: &Pairing, give_up: Option<u64>) -> Result<(), Failure> {
        match &mut self.kind {
            Kind::Screen(screen) => screen.tick(now, give_up)?,
            Kind::Lines(lines) => lines.heard()?,
        }
        Ok(())
    }

    /// The good end.
    pub(super) fn done(&mut self, now: &Pairing) -> Result<(), Failure> {
        match &mut self.kind {
            Kind::Screen(screen) => {
                screen.done(
                    &clean(&now.project_name),
                    &clean(&now.authorized_by),
                    &clean(&now.device_name),
                )?;
            }
            Kind::Lines(lines) => lines.done()?,
        }
        Ok(())
    }

    /// Any other end.
    pub(super) fn failed(&mut self, failure: &Failure) -> Result<(), Failure> {
        match &mut self.kind {
            Kind::Screen(screen) => screen.wipe()?,
            Kind::Lines(lines) => lines.failed(failure)?,
        }
        Ok(())
    }
}

/// The QR code. Without it the code can still be typed, so that a failure is not worth ending the pairing.
async fn draw(daemon: &Daemon, format: &str) -> Vec<u8> {
    daemon.pairing().qr_code(format, Options::new()).await.unwrap_or_default()
}
