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
fn below_the_code_everything_that_is_said_is_readable_at_any_width() {
    for columns in [80, 40] {
        let sink = Sink::default();
        let mut out = Out::to(Box::new(sink.clone()), true, columns, 24);
        let mut screen = Screen::new(&mut out);
        let mut now = waiting("042137");
        screen.show(&now, "").unwrap();
        screen.tick(&now, None).unwrap();
        now.reason = "certificate".into();
        screen.tick(&now, Some(0)).unwrap();
        let drawn = sink.text();
        let (_, last) = drawn.rsplit_once("\x1b[J").unwrap();
        assert!(last.lines().all(|line| text::width(line) <= columns), "{last:?}");
        let said: String = last.split_whitespace().collect::<Vec<_>>().join(" ");
        let reason = "the provider's certificate is not one that this rig trusts";
        assert!(said.contains(reason) && said.ends_with("Ctrl-C cancels"), "{said}");
        let lines = last.lines().count();
        now.reason = "none".into();
        screen.tick(&now, Some(0)).unwrap();
        assert!(sink.text().contains(&format!("\x1b[{}A\r\x1b[J", lines - 1)), "all of them are replaced");
        screen.is_ours = false;
        screen.tick(&now, None).unwrap();
        assert!(sink.text().contains("leaves, and"), "{:?}", sink.text());
    }
}

#[test]
fn a_terminal_of_another_size_is_drawn_anew() {
    let sink = Sink::default();
    let mut out = Out::to(Box::new(sink.clone()), true, 80, 24);
    let mut screen = Screen::new(&mut out);
    screen.show(&waiting("042137"), "").unwrap();
    screen.tick(&waiting("042137"), None).unwrap();
    screen.out.resize(40, 12);
    screen.tick(&waiting("042137"), None).unwrap();
    let drawn = sink.text();
    let (_, anew) = drawn.split_once(WIPE_ALL).unwrap();
    assert!(anew.contains("Code: 042137") && anew.contains("Ctrl-C"), "{anew:?}");
    assert!(anew.lines().all(|line| text::width(line) <= 40), "{anew:?}");
    assert_eq!(drawn.matches(WIPE_ALL).count(), 1);
}

#[test]
fn a_qr_code_is_white_on_black_whatever_colours_somebody_wants() {
    let now = Pairing { verification_uri: "https://a.example/d".into(), ..waiting("042137") };
    for is_ascii in [false, true] {
        let mut out = Out::to(Box::new(Sink::default()), true, 80, 40);
        out.ascii = is_ascii;
        assert!(!out.colour);
        let drawn = Screen::new(&mut out).block(&now, "█▀\n█▄\n").join("\n");
        let expected = match is_ascii {
            false => "\x1b[97;40m█▀\x1b[0m".to_owned(),
            true => "\x1b[107m    \x1b[0m\n  \x1b[107m  \x1b[40m  \x1b[0m".to_owned(),
        };
        assert!(drawn.contains(&expected), "{drawn:?}");
    }
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
