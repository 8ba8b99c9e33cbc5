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
    /// The code that is shown; empty when none is.
    code: String,
    /// What the last line says.
    last: String,
    /// Lines above the last one that are ours.
    lines: usize,
}

const WIPE_LINE: &str = "\r\x1b[2K";
const WIPE_BELOW: &str = "\r\x1b[J";
const WIPE_ALL: &str = "\x1b[2J\x1b[H";
const WHITE_ON_BLACK: &str = "\x1b[97;40m";
const RESET: &str = "\x1b[0m";

impl<'a> Screen<'a> {
    /// Nothing is drawn yet, and the provider is not known.
    pub(crate) fn new(out: &'a mut Out) -> Self {
        let (provider, device_id) = (words::provider(""), String::new());
        Self { out, provider, device_id, kind: None, code: String::new(), last: String::new(), lines: 0 }
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
        !code.is_empty() && self.code == code
    }

    /// Says what is going on while there is no code. Only for a person who waits.
    pub(crate) fn note(&mut self, note: &str) -> io::Result<()> {
        if !self.code.is_empty() {
            self.wipe()?;
        }
        self.say(note)
    }

    /// Draws a code in place of what was there.
    pub(crate) fn show(&mut self, now: &Pairing, qr: &str) -> io::Result<()> {
        self.wipe()?;
        self.code.clone_from(&now.user_code);
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
        let lines = layout::block(qr, &directions, &code, &about, columns, rows);
        let paint = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Strong(text) => self.out.paint(Tone::Strong, text),
            Part::Qr(text) if self.out.colour => format!("{WHITE_ON_BLACK}{text}{RESET}"),
            Part::Qr(text) => text.clone(),
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
        if !self.out.live || self.code.is_empty() {
            return Ok(());
        }
        let (code, limit) = time_left(now, give_up);
        let renewed = match code {
            0 => "A new code is on its way".to_owned(),
            left => format!("A new code in {}", text::countdown(left)),
        };
        let limit = limit.map(|left| format!(" · gives up in {}", text::countdown(left))).unwrap_or_default();
        let trouble = words::reason(&now.reason).map(|why| format!(" · {why}")).unwrap_or_default();
        let line = format!("{renewed}{limit}{trouble} · Ctrl-C cancels");
        self.say(&line)
    }

    /// The last line, in place of what it said before.
    fn say(&mut self, line: &str) -> io::Result<()> {
        if !self.out.live || self.last == line {
            return Ok(());
        }
        line.clone_into(&mut self.last);
        let room = self.out.size().0.saturating_sub(3);
        let shown = self.out.paint(Tone::Dim, &text::fit(line, room));
        self.out.raw(&format!("{WIPE_LINE}  {shown}"))
    }

    /// Removes what is drawn.
    pub(crate) fn wipe(&mut self) -> io::Result<()> {
        self.code.clear();
        if !self.out.live || self.last.is_empty() && self.lines == 0 {
            return Ok(());
        }
        let is_whole = self.lines < self.out.size().1;
        let up = if self.lines > 0 { format!("\x1b[{}A", self.lines) } else { String::new() };
        self.out.raw(&if is_whole { format!("{up}{WIPE_BELOW}") } else { WIPE_ALL.to_owned() })?;
        self.last.clear();
        self.lines = 0;
        Ok(())
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
mod tests {
    use std::cell::RefCell;
    use std::io::Write;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Rc<RefCell<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    fn of(provider: &str) -> Device {
        Device { provider: provider.into(), device_id: "SN-7".into(), ..Device::default() }
    }

    fn waiting(code: &str) -> Pairing {
        Pairing { state: "waiting-for-user".into(), user_code: code.into(), ..Pairing::default() }
    }

    #[test]
    fn a_renewed_code_replaces_the_old_one() {
        let sink = Sink::default();
        let mut out = Out::to(Box::new(sink.clone()), true, 80, 24);
        let mut screen = Screen::new(&mut out);
        screen.show(&waiting("042137"), "").unwrap();
        screen.tick(&waiting("042137"), None).unwrap();
        assert!(screen.shows("042137"));
        let drawn = sink.text().matches('\n').count();
        screen.show(&waiting("999999"), "").unwrap();
        assert!(sink.text().contains(&format!("\x1b[{drawn}A\r\x1b[J")), "{:?}", sink.text());
        assert!(!screen.shows("042137") && screen.shows("999999"));
    }

    #[test]
    fn frame_io_without_a_link_names_the_menu() {
        let sink = Sink::default();
        let mut out = Out::to(Box::new(sink.clone()), true, 80, 24);
        let mut screen = Screen::new(&mut out);
        screen.is_for(&of("frameio"));
        screen.show(&waiting("042137"), "").unwrap();
        assert!(sink.text().contains("C2C Connections"));
        assert!(sink.text().contains("Code: 042137"));
    }

    #[test]
    fn plain_lines_carry_no_escape_codes() {
        let sink = Sink::default();
        let mut out = Out::to(Box::new(sink.clone()), false, 80, 24);
        let mut screen = Screen::new(&mut out);
        screen.note("Asking").unwrap();
        screen.show(&waiting("042137"), "").unwrap();
        screen.tick(&waiting("042137"), None).unwrap();
        screen.done("Moonrise", "ana", "rig").unwrap();
        assert_eq!(sink.text(), "code: 042137\nvalid for: 0 seconds\npaired: Moonrise\n");
    }

    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.3.1
    //= type=test
    //# it is RECOMMENDED for clients to still display the textual verification URI ("verification_uri")
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.3.1
    //= type=test
    //# Clients MUST still display the "user_code"
    #[test]
    fn beside_a_qr_code_stand_the_address_and_the_code() {
        for (columns, rows) in [(200, 60), (80, 40), (80, 24)] {
            let mut out = Out::to(Box::new(Sink::default()), true, columns, rows);
            let screen = Screen::new(&mut out);
            let mut now = waiting("WDJB-MJHT");
            now.verification_uri = "https://example.com/device".into();
            now.verification_uri_complete = "https://example.com/device?user_code=WDJB-MJHT".into();
            let drawn = screen.block(&now, &format!("{}\n", "█".repeat(30)).repeat(15)).join(" ");
            for part in ["██████", "https://example.com/device ", "Code: ", "WDJB-MJHT"] {
                assert!(drawn.contains(part), "{part} at {columns} by {rows}: {drawn}");
            }
        }
    }

    #[test]
    fn a_qr_code_that_does_not_fit_is_left_out() {
        let mut out = Out::to(Box::new(Sink::default()), true, 30, 24);
        let screen = Screen::new(&mut out);
        let wide = "█".repeat(40);
        let mut now = waiting("042137");
        now.verification_uri = "https://example.com/device".into();
        assert!(!screen.block(&now, &wide).join("\n").contains(&wide));
        let narrow = "█".repeat(20);
        assert!(screen.block(&now, &narrow).join("\n").contains(&narrow));
    }

    #[test]
    fn what_to_check_at_the_end_is_called_as_the_provider_calls_it() {
        for (provider, asked) in [
            ("frameio", "Is that the right project? If not: rigpost unpair"),
            ("oauth", "Is that the right account? If not: rigpost unpair"),
            ("newer", "Is that the right one? If not: rigpost unpair"),
        ] {
            let sink = Sink::default();
            let mut out = Out::to(Box::new(sink.clone()), true, 80, 24);
            let mut screen = Screen::new(&mut out);
            screen.is_for(&of(provider));
            screen.done("Moonrise", "ana", "rig").unwrap();
            assert!(sink.text().ends_with(&format!("  {asked}\n")), "{}", sink.text());
        }
    }

    #[test]
    fn the_host_of_the_link_and_the_rig_stand_beside_the_code() {
        for live in [true, false] {
            let sink = Sink::default();
            let mut out = Out::to(Box::new(sink.clone()), live, 80, 24);
            let mut screen = Screen::new(&mut out);
            screen.is_for(&of("oauth"));
            let mut now = waiting("WDJB-MJHT");
            now.verification_uri = "https://login.example/device".into();
            now.device_name = "CAM A".into();
            screen.show(&now, "").unwrap();
            let shown = sink.text();
            let expected = match live {
                true => "  Code: WDJB-MJHT\n  Host: login.example\n  Rig: CAM A (SN-7)\n",
                false => {
                    "code: WDJB-MJHT\nopen: https://login.example/device\nhost: login.example\nrig: CAM A (SN-7)\n"
                }
            };
            assert!(shown.contains(expected), "{shown}");
        }
    }
}
