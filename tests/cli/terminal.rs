//! What a terminal does to a command: it closes, is resized, knows few letters, wants no colours; and two people look at once.
use std::fs::File;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use super::fake::{Bus, Fake, Step};
use super::{PATIENCE, Pairing as Program, unpaired};

const CODE: &str = "042137";
/// Two by two modules.
const QR: &str = "█▀\n";

/// A terminal, and a program in it.
struct Terminal {
    screen: Receiver,
    shown: Vec<u8>,
    child: Child,
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Terminal {
    /// `is_controlling`: it hangs up whoever runs in it when it closes, as those of people do.
    fn start(bus: &Bus, args: &[&str], env: &[(&str, &str)], is_controlling: bool) -> Terminal {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::io::ioctl_fionbio(&screen, true).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        tcsetwinsize(&screen, size(80, 24)).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        let line = File::options().read(true).write(true).open(name).unwrap();
        let of_line = || Stdio::from(line.try_clone().unwrap());
        let mut command = if is_controlling { Command::new("setsid") } else { Command::new("env") };
        if is_controlling {
            command.arg("--ctty");
        }
        command.arg(env!("CARGO_BIN_EXE_rigpost")).args(args);
        command.stdin(of_line()).stdout(of_line()).stderr(of_line()).kill_on_drop(true);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address).env("TERM", "xterm").env_remove("NO_COLOR");
        command.env("LC_ALL", "C.UTF-8").envs(env.iter().copied());
        Terminal {
            child: command.spawn().unwrap(),
            screen: Receiver::from_file_unchecked(File::from(screen)).unwrap(),
            shown: Vec::new(),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.shown.clone()).unwrap()
    }

    /// Reads until this is on the screen.
    async fn until(&mut self, wanted: &str) {
        let reading = async {
            while !self.text().contains(wanted) {
                self.screen.readable().await.unwrap();
                let mut buffer = [0; 4096];
                match self.screen.try_read(&mut buffer) {
                    Ok(n) => self.shown.extend_from_slice(&buffer[..n]),
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(e) => panic!("{e}: {:?}", String::from_utf8_lossy(&self.shown)),
                }
            }
        };
        if tokio::time::timeout(PATIENCE, reading).await.is_err() {
            panic!("{wanted:?} is not in {:?}", self.text());
        }
    }

    /// Closes it, and waits for the program to end.
    async fn close(self) {
        let Terminal { screen, mut child, .. } = self;
        drop(screen);
        tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    }
}

/// With a code on offer as soon as it is asked for.
fn offering() -> Fake {
    let fake = unpaired(vec![Step::Code(CODE), Step::Grant("Moonrise")]);
    {
        let mut world = fake.world();
        world.uri = "https://example.com/device".into();
        world.qr = QR.into();
    }
    fake
}

#[tokio::test]
async fn a_terminal_that_is_closed_cancels_its_pairing() {
    for is_controlling in [true, false] {
        let (bus, fake) = (Bus::new(), offering());
        let _service = fake.serve(&bus).await;
        let mut terminal = Terminal::start(&bus, &["pair"], &[], is_controlling);
        terminal.until("Ctrl-C cancels").await;
        terminal.close().await;
        assert_eq!(fake.world().calls, ["Start", "Cancel"], "controlling: {is_controlling}");
    }
}

#[tokio::test]
async fn whoever_only_looks_cancels_nothing() {
    let (bus, fake) = (Bus::new(), offering());
    let service = fake.serve(&bus).await;
    let mut first = Terminal::start(&bus, &["pair"], &[], true);
    first.until("Ctrl-C cancels").await;
    // The daemon answers at once where a code is on offer.
    fake.world().script.insert(0, Step::Code(CODE));
    let mut second = Terminal::start(&bus, &["pair"], &[], true);
    second.until("Ctrl-C leaves, and the pairing goes on").await;
    let pid = Pid::from_raw(second.child.id().unwrap() as i32).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    second.until("the pairing was begun elsewhere, and").await;
    let code = second.child.wait().await.unwrap().code();
    assert_eq!(
        (code, fake.world().calls.as_slice()),
        (Some(1), &["Start".to_owned(), "Start".to_owned()][..])
    );
    // A closed terminal is another way to leave.
    fake.world().script.insert(0, Step::Code(CODE));
    let mut third = Terminal::start(&bus, &["pair"], &[], false);
    third.until("Ctrl-C leaves").await;
    third.close().await;
    assert!(!fake.world().calls.contains(&"Cancel".to_owned()));
    fake.step(&service).await;
    first.until("Paired with Moonrise").await;
    assert_eq!(first.child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_terminal_that_is_resized_is_drawn_anew_and_whole() {
    let (bus, fake) = (Bus::new(), offering());
    let _service = fake.serve(&bus).await;
    let mut terminal = Terminal::start(&bus, &["pair"], &[], true);
    terminal.until("Ctrl-C cancels").await;
    terminal.shown.clear();
    tcsetwinsize(&terminal.screen, size(40, 20)).unwrap();
    terminal.until("Ctrl-C cancels").await;
    let text = terminal.text();
    let (_, anew) = text.split_once("\x1b[2J\x1b[H").unwrap();
    assert!(anew.contains(CODE) && anew.contains("https://example.com/device"), "{anew:?}");
}

#[tokio::test]
async fn whoever_wants_no_colours_still_gets_a_qr_code_that_phones_read() {
    let (bus, fake) = (Bus::new(), offering());
    let _service = fake.serve(&bus).await;
    let mut terminal = Terminal::start(&bus, &["pair"], &[("NO_COLOR", "1")], true);
    terminal.until("Ctrl-C cancels").await;
    let text = terminal.text();
    assert!(text.contains("\x1b[97;40m█▀\x1b[0m") && !text.contains("\x1b[1m"), "{text:?}");
}

#[tokio::test]
async fn where_the_locale_knows_only_ascii_nothing_else_is_drawn() {
    let (bus, fake) = (Bus::new(), offering());
    let service = fake.serve(&bus).await;
    let plain = [("LC_ALL", ""), ("LC_CTYPE", ""), ("LANG", "C")];
    let mut terminal = Terminal::start(&bus, &["pair"], &plain, true);
    terminal.until("Ctrl-C cancels").await;
    assert!(terminal.text().contains("\x1b[107m    \x1b[0m"), "{:?}", terminal.text());
    fake.step(&service).await;
    terminal.until("Is that the right project?").await;
    assert!(terminal.text().contains("+\x1b[0m \x1b[1mPaired with Moonrise"));
    assert!(terminal.shown.is_ascii(), "{:?}", terminal.text());
    let mut status = Terminal::start(&bus, &["status"], &plain, true);
    status.until("can be cut now").await;
    assert!(status.shown.is_ascii() && status.text().contains("*\x1b[0m "), "{:?}", status.text());
    // What reads it is no terminal, and gets names as they are.
    fake.world().project = "Mañana".into();
    let mut command = super::rigpost(&bus, &["status"]);
    let output = command.env("LC_ALL", "C").output().await.unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("* Paired with Mañana\n"));
}

#[tokio::test]
async fn a_failure_is_cut_between_words_where_a_person_reads_it() {
    let (bus, fake) = (Bus::new(), offering());
    let _service = fake.serve(&bus).await;
    let mut terminal = Terminal::start(&bus, &["queue", "cancel", "404"], &[], true);
    terminal.until("next: ").await;
    drop(terminal);
    let program = Program::start(&bus, &["queue", "cancel", "404"]);
    let (code, errors) = program.end().await;
    assert_eq!((code, errors.lines().count()), (1, 2), "{errors}");
}
