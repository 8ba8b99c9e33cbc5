//! What `rigpost pair` draws: a block with the code, and a line below it that counts down.

use std::io;

use super::layout::{self, Part};
use crate::bus::{Device, Pairing};
use crate::out::{Out, Tone};
use crate::text::{self, clean};
use crate::{clock, words};
use rigpost_contract::provider::ProviderKind;

/// The part of the terminal that belongs to the pairing.
pub(crate) struct Screen<'a> {
    out: &'a mut Out,
    provider: String,
    device_id: String,
    kind: Option<ProviderKind>,
    /// It ends with whoever looks at it.
    pub(super) is_ours: bool,
    /// What is shown, and its QR code; `None` when no code is.
    shown: Option<(Pairing, String)>,
    /// What the lines below say that move.
    last: String,
    /// How many they are.
    below: usize,
    /// Lines above them that are ours.
    lines: usize,
    /// Columns and rows for which all this was drawn.
    size: (usize, usize),
}

const WIPE_BELOW: &str = "\r\x1b[J";
const WIPE_ALL: &str = "\x1b[2J\x1b[H";
const WHITE_ON_BLACK: &str = "\x1b[97;40m";
const RESET: &str = "\x1b[0m";
const ON_WHITE: &str = "\x1b[107m";
const ON_BLACK: &str = "\x1b[40m";

fn up(lines: usize) -> String {
    if lines > 0 { format!("\x1b[{lines}A") } else { String::new() }
}

/// Of [`layout::in_spaces`]: blanks, on the colours that its letters stand for.
fn coloured(letters: &str) -> String {
    let mut line = String::new();
    let mut last = None;
    for letter in letters.chars() {
        if last != Some(letter) {
            line.push_str(if letter == layout::LIGHT { ON_WHITE } else { ON_BLACK });
            last = Some(letter);
        }
        line.push(' ');
    }
    line + RESET
}

impl<'a> Screen<'a> {
    /// Nothing is drawn yet, and the provider is not known.
    pub(crate) fn new(out: &'a mut Out) -> Self {
        let size = out.size();
        Self {
            out,
            provider: words::provider(""),
            device_id: String::new(),
            kind: None,
            is_ours: true,
            shown: None,
            last: String::new(),
            below: 0,
            lines: 0,
            size,
        }
    }

    /// Codes are for this rig, of its provider.
    pub(crate) fn is_for(&mut self, device: &Device) {
        (self.provider, self.kind) = (words::provider(&device.provider), words::kind(&device.provider));
        self.device_id.clone_from(&device.device_id);
    }

    /// A person looks at it.
    pub(crate) fn is_live(&self) -> bool {
        self.out.live
    }

    /// True when this code is what is drawn.
    pub(crate) fn shows(&self, code: &str) -> bool {
        self.shown.as_ref().is_some_and(|(now, _)| !code.is_empty() && now.user_code == code)
    }

    /// Says what is going on while there is no code. Only for a person who waits.
    pub(crate) fn note(&mut self, note: &str) -> io::Result<()> {
        if self.shown.is_some() {
            self.wipe()?;
        }
        self.say(note)
    }

    /// Draws a code in place of what was there.
    pub(crate) fn show(&mut self, now: &Pairing, qr: &str) -> io::Result<()> {
        self.wipe()?;
        self.shown = Some((now.clone(), qr.to_owned()));
        if !self.out.live {
            return self.show_plain(now);
        }
        let block = self.block(now, qr);
        for line in &block {
            self.out.line(line)?;
        }
        self.lines = block.len();
        Ok(())
    }

    fn show_plain(&mut self, now: &Pairing) -> io::Result<()> {
        self.out.line(&format!("code: {}", clean(&now.user_code)))?;
        if !now.verification_uri.is_empty() {
            self.out.line(&format!("open: {}", clean(&now.verification_uri)))?;
        }
        if !now.verification_uri_complete.is_empty() {
            self.out.line(&format!("link: {}", clean(&now.verification_uri_complete)))?;
        }
        for (label, value) in self.about(now) {
            self.out.line(&format!("{label}: {value}"))?;
        }
        self.out.line(&format!("valid for: {} seconds", time_left(now, None).0))
    }

    /// By what a person tells whether the page that they look at is the right one, and asks about this rig.
    fn about(&self, now: &Pairing) -> Vec<(&'static str, String)> {
        let all = [("host", words::host(now)), ("rig", words::rig(now, &self.device_id))];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    fn block(&self, now: &Pairing, qr: &str) -> Vec<String> {
        let (columns, rows) = self.out.size();
        let about: Vec<String> = self
            .about(now)
            .iter()
            .map(|(name, value)| format!("{}: {value}", text::capitalized(name)))
            .collect();
        let (directions, code) = (self.directions(now), clean(&now.user_code));
        // Below it the time is told, and what stands in the way: in one line more than at the best.
        let rows = rows.saturating_sub(1);
        let qr = if self.out.ascii { layout::in_spaces(qr) } else { qr.to_owned() };
        let text =
            layout::Text { directions: &directions, code: &code, about: &about, is_ascii: self.out.ascii };
        let lines = layout::block(&qr, text, columns, rows);
        let paint = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Strong(text) => self.out.paint(Tone::Strong, text),
            // Whatever the terminal's colours are, and whether or not somebody wants any: it has to be read by a phone.
            Part::Qr(text) if self.out.ascii => coloured(text),
            Part::Qr(text) => format!("{WHITE_ON_BLACK}{text}{RESET}"),
        };
        lines.iter().map(|line| line.iter().map(paint).collect()).collect()
    }

    /// Where to enter the code.
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.3.1
    //# it is RECOMMENDED for clients to still display the textual verification URI ("verification_uri")
    fn directions(&self, now: &Pairing) -> Vec<String> {
        let (plain, complete) = (clean(&now.verification_uri), clean(&now.verification_uri_complete));
        match (plain.as_str(), complete.as_str()) {
            ("", "") if self.kind == Some(ProviderKind::Frameio) => vec![
                "In Frame.io, open the project, then C2C Connections, then Add New Device,".to_owned()
                    + " and enter this code:",
            ],
            ("", "") => vec![format!("Enter this code at {}:", self.provider)],
            ("", link) => {
                vec![format!("Scan, or open {link}"), "and check that it shows this code:".to_owned()]
            }
            (place, "") => vec![format!("Open {place} and enter this code:")],
            (place, _) => vec![format!("Scan, or open {place} and enter this code:")],
        }
    }

    /// Moves the countdown.
    pub(crate) fn tick(&mut self, now: &Pairing, give_up: Option<u64>) -> io::Result<()> {
        self.out.heard()?;
        if !self.out.live || self.shown.is_none() {
            return Ok(());
        }
        if self.out.size() != self.size {
            self.draw_anew()?;
        }
        let (code, limit) = time_left(now, give_up);
        let renewed = match code {
            0 => "A new code is on its way".to_owned(),
            left => format!("A new code in {}", text::countdown(left)),
        };
        let limit = limit.map(|left| format!(" · gives up in {}", text::countdown(left))).unwrap_or_default();
        let trouble = words::reason(&now.reason).map(|why| format!(" · {why}")).unwrap_or_default();
        let leave = if self.is_ours { "Ctrl-C cancels" } else { "Ctrl-C leaves, and the pairing goes on" };
        self.say(&format!("{renewed}{limit}{trouble} · {leave}"))
    }

    /// The terminal has another size: whatever stands there was broken where nobody meant it to be.
    fn draw_anew(&mut self) -> io::Result<()> {
        if let Some((now, qr)) = self.shown.take() {
            self.out.raw(WIPE_ALL)?;
            self.forget();
            self.show(&now, &qr)?;
        }
        Ok(())
    }

    /// The lines below, in place of what they said before.
    fn say(&mut self, line: &str) -> io::Result<()> {
        if !self.out.live || self.last == line {
            return Ok(());
        }
        let wiped = up(self.below.saturating_sub(1));
        line.clone_into(&mut self.last);
        let lines = text::wrap(line, self.out.size().0.saturating_sub(3));
        self.below = lines.len();
        let lines: Vec<String> =
            lines.iter().map(|line| format!("  {}", self.out.paint(Tone::Dim, line))).collect();
        self.out.raw(&format!("{wiped}{WIPE_BELOW}{}", lines.join("\n")))
    }

    /// Removes what is drawn.
    pub(crate) fn wipe(&mut self) -> io::Result<()> {
        self.shown = None;
        if !self.out.live || self.last.is_empty() && self.lines == 0 {
            return Ok(());
        }
        let above = self.lines + self.below.saturating_sub(1);
        let is_whole = above < self.size.1 && self.size == self.out.size();
        self.out.raw(&if is_whole { format!("{}{WIPE_BELOW}", up(above)) } else { WIPE_ALL.to_owned() })?;
        self.forget();
        Ok(())
    }

    /// Nothing is drawn any more.
    fn forget(&mut self) {
        self.last.clear();
        (self.below, self.lines, self.size) = (0, 0, self.out.size());
    }

    /// The good end. `with`: what the provider calls what the rig is paired with; empty: it did not say.
    //= frameio-c2c#4.1
    //# After the pairing the name of the project is shown.
    pub(crate) fn done(&mut self, with: &str, person: &str, device: &str) -> io::Result<()> {
        self.wipe()?;
        let name = if with.is_empty() { "(the provider did not say its name)" } else { with };
        if !self.out.live {
            return self.out.line(&format!("paired: {name}"));
        }
        let headline = format!("Paired with {name}");
        self.out.line(&format!(
            "{} {}",
            self.out.paint(Tone::Good, "✔"),
            self.out.paint(Tone::Strong, &headline)
        ))?;
        for (label, value) in [("authorized by", person), ("known there as", device)] {
            if !value.is_empty() {
                self.out.line(&format!("  {label} {value}"))?;
            }
        }
        let noun = self.kind.map_or("one", ProviderKind::noun);
        self.out.line(&format!("  Is that the right {noun}? If not: rigpost unpair"))
    }
}

/// Time left for the code, and until the limit if there is one.
fn time_left(now: &Pairing, give_up: Option<u64>) -> (u64, Option<u64>) {
    (clock::seconds_until(now.code_expires_at), give_up.map(clock::seconds_until))
}

#[cfg(test)]
mod tests;
