use super::*;
use crate::oauth::Trouble;
use crate::secret::Secret;

fn at(s: u64) -> Now {
    Now { boot: BootTime(Duration::from_secs(s)), ..Now::default() }
}

fn token() -> AccessToken {
    AccessToken(Secret::new("a1"))
}

fn socket(when: SocketUse) -> Socket {
    Socket::new(when, Jitter::new(1))
}

fn turn(socket: &mut Socket, s: u64) -> Vec<Action> {
    socket.turn(Some(&token()), true, at(s))
}

/// Opens the one that is due, and has it joined at the same second; its number.
fn open(socket: &mut Socket, s: u64) -> Seq {
    let [Action::Open(seq, ref t)] = turn(socket, s)[..] else { panic!("nothing to open at {s}") };
    assert_eq!(*t, token());
    socket.news(seq, SocketNews::Joined, at(s));
    assert_eq!(turn(socket, s), [Action::Look], "it may have been paused a moment before");
    seq
}

fn trouble(cause: Cause, retry_after: Option<u64>) -> SocketNews {
    SocketNews::Over(SocketEnd::Trouble(Trouble {
        cause,
        why: "why".to_owned(),
        retry_after: retry_after.map(Duration::from_secs),
        maybe_applied: true,
    }))
}

fn refused() -> SocketNews {
    SocketNews::Over(SocketEnd::Refused("403".to_owned()))
}

/// The first whole second at which it is worth a turn.
fn due(socket: &Socket) -> u64 {
    socket.deadline().expect("something is due").0.as_secs_f64().ceil() as u64
}

#[test]
fn an_idle_rig_holds_none_and_is_not_woken_for_it() {
    for when in [SocketUse::Never, SocketUse::WhenBusy] {
        let mut socket = socket(when);
        assert_eq!(turn(&mut socket, 1000), [], "{when:?}");
        assert_eq!(socket.deadline(), None, "{when:?}");
    }
    let mut never = socket(SocketUse::Never);
    never.sends(true, at(1));
    never.watched(at(1));
    assert_eq!((turn(&mut never, 10), never.deadline()), (vec![], None));
}

#[test]
fn one_is_held_while_clips_are_on_their_way_and_a_little_longer() {
    let mut socket = socket(SocketUse::WhenBusy);
    socket.sends(true, at(10));
    assert_eq!(turn(&mut socket, 10), [], "most clips of a phone are through before");
    assert_eq!(due(&socket), 12);
    open(&mut socket, 12);
    assert_eq!(socket.deadline(), None, "nothing to wake up for");
    socket.sends(false, at(100));
    assert_eq!(turn(&mut socket, 100), []);
    assert_eq!(due(&socket), 130);
    // The next clip.
    socket.sends(true, at(120));
    assert_eq!((turn(&mut socket, 131), socket.deadline()), (vec![], None));
    socket.sends(false, at(140));
    assert_eq!(turn(&mut socket, 170), [Action::Close]);
    assert_eq!((turn(&mut socket, 171), socket.deadline()), (vec![], None));
}

#[test]
fn short_work_opens_none() {
    let mut socket = socket(SocketUse::WhenBusy);
    socket.sends(true, at(10));
    assert_eq!(turn(&mut socket, 10), []);
    socket.sends(false, at(11));
    // It lingers, so this opens one all the same when more of it follows; but not for a rig without a grant.
    assert_eq!(socket.turn(None, true, at(12)), []);
    assert_eq!(socket.deadline(), None);
    assert_eq!((turn(&mut socket, 60), socket.deadline()), (vec![], None));
}

#[test]
fn one_is_held_while_somebody_asks() {
    let mut socket = socket(SocketUse::WhenBusy);
    socket.watched(at(10));
    assert_eq!(turn(&mut socket, 10), []);
    open(&mut socket, 12);
    socket.watched(at(100));
    assert_eq!((turn(&mut socket, 130), due(&socket)), (vec![], 220));
    assert_eq!(turn(&mut socket, 220), [Action::Close]);
}

#[test]
fn what_is_always_wanted_is_opened_at_once_and_anew() {
    let mut socket = socket(SocketUse::Always);
    assert_eq!(socket.turn(None, true, at(1)), []);
    assert_eq!(socket.deadline(), None, "not without a grant");
    let seq = open(&mut socket, 5);
    assert_eq!(socket.deadline(), None);
    socket.news(seq, trouble(Cause::Network, None), at(100));
    let again = due(&socket);
    assert!((104..=105).contains(&again), "{again}");
    assert_eq!(turn(&mut socket, 103), []);
    open(&mut socket, again);
}

#[test]
fn trouble_is_tried_again_later_and_later_and_at_once_when_it_is_over() {
    let mut socket = socket(SocketUse::Always);
    let mut now = 0;
    let mut waits = vec![];
    for _ in 0..9 {
        let [Action::Open(seq, _)] = turn(&mut socket, now)[..] else { panic!("nothing opened at {now}") };
        socket.news(seq, trouble(Cause::Network, None), at(now));
        waits.push(due(&socket) - now);
        now = due(&socket);
    }
    for (wait, most) in waits.iter().zip([5, 10, 20, 40, 80, 160, 300, 300, 300]) {
        assert!((most * 3 / 4..=most).contains(wait), "{waits:?}");
    }
    socket.hurry(at(now - 10).boot, |cause| cause == Cause::Clock);
    assert_eq!(due(&socket), now, "another trouble is over");
    socket.hurry(at(now - 10).boot, |cause| cause == Cause::Network);
    assert_eq!(due(&socket), now - 10);
    let [Action::Open(seq, _)] = turn(&mut socket, now)[..] else { panic!("nothing opened") };
    socket.news(seq, trouble(Cause::RateLimited, Some(500)), at(now));
    assert_eq!(due(&socket), now + 500);
}

#[test]
fn a_refusal_costs_more_and_more_patience_and_a_new_grant_none() {
    let mut socket = socket(SocketUse::Always);
    let mut now = 0;
    for most in [300, 600, 1200] {
        let [Action::Open(seq, _)] = turn(&mut socket, now)[..] else { panic!("nothing opened at {now}") };
        socket.news(seq, refused(), at(now));
        let wait = due(&socket) - now;
        assert!((most * 3 / 4..=most).contains(&wait), "{wait} of {most}");
        socket.hurry(at(now).boot, |_| true);
        assert_eq!(due(&socket) - now, wait, "a network that came changes nothing");
        now = due(&socket);
    }
    assert_eq!(socket.stop(), []);
    open(&mut socket, now);
}

#[test]
fn one_that_was_open_for_a_minute_was_not_in_trouble() {
    for (held, most) in [(59, 40), (60, 5)] {
        let mut socket = socket(SocketUse::Always);
        let mut now = 0;
        for _ in 0..3 {
            let [Action::Open(seq, _)] = turn(&mut socket, now)[..] else { panic!("nothing opened") };
            socket.news(seq, trouble(Cause::Network, None), at(now));
            now = due(&socket);
        }
        let seq = open(&mut socket, now);
        socket.news(seq, trouble(Cause::Network, None), at(now + held));
        let wait = due(&socket) - (now + held);
        assert!((most * 3 / 4..=most).contains(&wait), "{wait} of {most}");
    }
}

#[test]
fn it_looks_when_it_is_told_to_and_once_a_second_at_most() {
    let mut socket = socket(SocketUse::Always);
    let seq = open(&mut socket, 10);
    for _ in 0..100 {
        socket.news(seq, SocketNews::Updated, at(10));
        assert_eq!(turn(&mut socket, 10), []);
    }
    assert_eq!(due(&socket), 11);
    assert_eq!(turn(&mut socket, 11), [Action::Look]);
    assert_eq!((turn(&mut socket, 12), socket.deadline()), (vec![], None));
    // An answer that is on its way may be from before the change.
    socket.news(seq, SocketNews::Updated, at(20));
    assert_eq!((socket.turn(Some(&token()), false, at(20)), socket.deadline()), (vec![], None));
    assert_eq!(turn(&mut socket, 22), [Action::Look]);
}

#[test]
fn the_end_of_the_grant_closes_it_and_late_news_changes_nothing() {
    let mut socket = socket(SocketUse::Always);
    let seq = open(&mut socket, 10);
    assert_eq!(socket.stop(), [Action::Close]);
    assert_eq!(socket.stop(), []);
    for news in [SocketNews::Joined, SocketNews::Updated, refused()] {
        socket.news(seq, news, at(11));
        assert_eq!((socket.turn(None, true, at(12)), socket.deadline()), (vec![], None));
    }
    let next = open(&mut socket, 20);
    socket.news(seq, trouble(Cause::Network, None), at(21));
    assert_eq!(turn(&mut socket, 21), [], "of the one before");
    assert_ne!(seq, next);
}
