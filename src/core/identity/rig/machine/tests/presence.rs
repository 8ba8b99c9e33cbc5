//! That we are there, how the project sees us, a way that opens again, and what time it really is.
use super::*;
use crate::identity::socket::{SocketNews, SocketUse};
use crate::oauth::{DeviceStatus, IdToken, Identify, Revoked, Wanting};
use crate::provider::SocketEnd;

const BEAT: Duration = Duration::from_secs(120);

/// Paired with project "one" by the tokens 1, with a heartbeat.
fn beating() -> Bench {
    let mut b = Bench::new(Some(BEAT));
    assert_eq!(b.on(Event::Loaded(Box::new(usable()), Protection::File)), []);
    b.grant(1);
    b.identified("one");
    b
}

/// Lets the beat that is due leave.
fn beat(b: &mut Bench) -> Seq {
    b.due();
    match b.on(Event::Timer)[..] {
        [Action::Ask(Question::Beat(seq, ref token))] => {
            assert_eq!(Some(token), b.rig.access().map(|(token, _)| token));
            seq
        }
        ref other => panic!("not one beat: {other:?}"),
    }
}

fn paused() -> DeviceInfo {
    DeviceInfo { status: DeviceStatus::Paused, ..device("one") }
}

#[test]
fn only_a_paired_rig_beats() {
    let mut b = Bench::new(Some(BEAT));
    let _ = b.on(Event::Loaded(Box::new(usable()), Protection::File));
    assert_eq!(b.rig.deadline(), None);
    let mut b = beating();
    beat(&mut b);
    let (id, actions) = b.command(UNPAIR);
    assert!(matches!(actions[..], [Action::Write(Change::EraseTokens(..))]));
    assert_eq!(b.rig.deadline(), None, "not while the disk erases");
    assert_eq!(b.on(Event::Accepted(access(1))), [], "late news");
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    let _ = b.on(Event::Revoked(seq, Ok(Revoked::Confirmed)));
    let _ = b.on(Event::RevocationErased(RevocationId(1), Ok(())));
    assert_eq!(b.rig.deadline(), None);
}

#[test]
fn only_a_call_with_the_token_in_force_counts_as_a_beat() {
    let mut b = beating();
    let before = b.rig.deadline();
    b.after(50);
    assert_eq!(b.on(Event::Accepted(access(9))), []);
    assert_eq!(b.rig.deadline(), before, "late news of a token before this one");
    assert_eq!(b.on(Event::Accepted(access(1))), []);
    assert_eq!(b.rig.deadline(), Some(b.now.boot + BEAT));
}

#[test]
fn the_question_who_we_are_says_when_the_tokens_came() {
    let mut b = beating();
    let granted = 15;
    let actions = b.after(900).on(Event::Accepted(access(1)));
    let [Action::Ask(Question::Identify(_, question))] = &actions[..] else { panic!("{actions:?}") };
    let came = question.came.expect("the clock is trusted").0 - EPOCH;
    assert!((granted..=granted + 1).contains(&came), "{came}");
}

#[test]
fn who_we_are_may_be_known_without_asking_and_that_is_no_beat() {
    let mut b = Bench::new(Some(BEAT));
    assert_eq!(b.on(Event::Loaded(Box::new(usable()), Protection::File)), []);
    let seq = b.grant(1);
    let before = b.rig.deadline();
    let actions = b.after(50).on(Event::Known(seq, Ok(device("one"))));
    assert_eq!(actions, [Action::Write(Change::SaveDevice(seq, device("one")))]);
    assert_eq!(b.on(Event::DeviceSaved(seq, Ok(()))), []);
    assert_eq!(b.rig.deadline(), before);
}

#[test]
fn a_401_leads_to_a_refresh_unless_the_grant_is_being_erased() {
    let mut b = Bench::paired();
    let (id, _) = b.after(60).command(UNPAIR);
    assert_eq!(b.on(Event::Unauthorized(access(1))), []);
    let _ = b.on(Event::TokensErased(id, Err(DiskError::Full)));
    let actions = b.on(Event::Unauthorized(access(1)));
    assert!(matches!(actions[..], [Action::Write(Change::MarkRefresh(_))]), "{actions:?}");
}

#[test]
fn an_erasure_that_failed_leaves_a_rig_that_beats() {
    let mut b = beating();
    let (id, _) = b.command(UNPAIR);
    let _ = b.on(Event::TokensErased(id, Err(DiskError::Full)));
    let seq = b.question;
    let _ = b.on(Event::Identified(seq, Ok(device("one"))));
    beat(&mut b);
}

#[test]
fn a_beat_that_comes_to_nothing_changes_the_reason_and_never_the_state() {
    for (cause, reason, online) in [
        (Cause::Network, Reason::Network, false),
        (Cause::CaptivePortal, Reason::CaptivePortal, false),
        (Cause::Clock, Reason::Clock, false),
        (Cause::Provider, Reason::None, true),
        (Cause::RateLimited, Reason::None, true),
    ] {
        let mut b = beating();
        let seq = beat(&mut b);
        assert_eq!(b.on(Event::Beaten(seq, Err(trouble(cause)))), []);
        assert_eq!((b.shows(), b.view().online), ((State::Paired, reason), online), "{cause:?}");
        // Another call that works says as much as a beat.
        let _ = b.on(Event::Accepted(access(1)));
        assert_eq!((b.shows(), b.view().online), ((State::Paired, Reason::None), true), "{cause:?}");
        let seq = beat(&mut b);
        assert_eq!(b.on(Event::Beaten(seq, Ok(()))), []);
    }
}

#[test]
fn a_beat_that_is_refused_leads_to_a_refresh_like_any_other_call() {
    let mut b = beating();
    let seq = beat(&mut b);
    let actions = b.on(Event::Beaten(seq, Err(TokenError::Unauthorized)));
    assert!(matches!(actions[..], [Action::Write(Change::MarkRefresh(_))]), "{actions:?}");
    assert_eq!(b.shows(), (State::Paired, Reason::None));
}

#[test]
fn a_beat_waits_for_a_refresh_that_is_under_way() {
    let mut b = beating();
    b.after(6 * HOUR);
    let actions = b.on(Event::Timer);
    let [Action::Write(Change::MarkRefresh(seq))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::Marked(seq, Ok(())));
    let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.rig.deadline(), None, "the old token may be dead already");
    let _ = b.on(Event::Refreshed(seq, Err(trouble(Cause::Provider))));
    let actions = b.on(Event::Timer);
    assert!(
        matches!(actions[..], [Action::Ask(Question::Beat(..))]),
        "and comes where the refresh came to nothing: {actions:?}"
    );
}

#[test]
fn a_pause_in_the_project_is_known_without_writing_and_so_is_its_end() {
    let mut b = beating();
    let mut asked = 0;
    while asked == 0 {
        let seq = beat(&mut b);
        asked = b
            .on(Event::Beaten(seq, Ok(())))
            .iter()
            .filter(|a| matches!(a, Action::Ask(Question::Identify(..))))
            .count();
    }
    let question = b.question;
    assert_eq!(b.on(Event::Identified(question, Ok(paused()))), [], "nothing of it goes to disk");
    assert_eq!(b.rig.access(), Some((&access(1), &paused())));
    assert_eq!(b.shows(), (State::Paired, Reason::None));
    for _ in 0..3 {
        let seq = beat(&mut b);
        let actions = b.on(Event::Beaten(seq, Ok(())));
        assert!(matches!(actions[..], [Action::Ask(Question::Identify(..))]), "every beat asks: {actions:?}");
        let question = b.question;
        let _ = b.on(Event::Identified(question, Ok(paused())));
    }
    let seq = beat(&mut b);
    let _ = b.on(Event::Beaten(seq, Ok(())));
    let renamed = DeviceInfo { project_name: "Autumn".to_owned(), ..device("one") };
    let question = b.question;
    let save = Action::Write(Change::SaveDevice(question, renamed.clone()));
    assert_eq!(b.on(Event::Identified(question, Ok(renamed.clone()))), [save], "a new name does");
    let _ = b.on(Event::DeviceSaved(question, Ok(())));
    assert_eq!(b.view().device, Some(renamed));
}

#[test]
fn when_the_network_comes_up_what_waits_for_it_is_tried_within_seconds() {
    // A refresh, backing off for minutes.
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let _ = b.on(Event::Refreshed(seq, Err(network())));
    for _ in 0..12 {
        b.due();
        let actions = b.on(Event::Timer);
        let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
        let _ = b.on(Event::Refreshed(seq, Err(network())));
    }
    assert!(b.rig.deadline() > Some(b.now.boot + secs(300)));
    assert_eq!(b.on(Event::NetworkUp), [], "nothing leaves in step with all the other rigs");
    assert!(b.rig.deadline() <= Some(b.now.boot + HURRY));
    b.due();
    let actions = b.on(Event::Timer);
    assert!(matches!(actions[..], [Action::Ask(Question::Refresh(..))]), "{actions:?}");
    assert_eq!(b.on(Event::NetworkUp), [], "one at a time");
    b.after(60);
    assert_eq!(b.on(Event::Timer), []);

    // A code on offer: no sooner than the provider's interval.
    let mut b = Bench::unpaired();
    b.show_code();
    for _ in 0..4 {
        let seq = b.poll();
        let _ = b.on(Event::Polled(seq, Err(network())));
    }
    assert!(b.rig.deadline() > Some(b.now.boot + secs(20)));
    let _ = b.on(Event::NetworkUp);
    assert!(b.rig.deadline() >= Some(b.now.boot + secs(5)));
    assert!(b.rig.deadline() <= Some(b.now.boot + secs(6)));

    // Who we are.
    let mut b = Bench::unpaired();
    b.grant(1);
    for _ in 0..12 {
        let question = b.question;
        let _ = b.on(Event::Identified(question, Err(network())));
        b.due();
        let _ = b.on(Event::Timer);
    }
    let question = b.question;
    let _ = b.on(Event::Identified(question, Err(network())));
    assert!(b.rig.deadline() > Some(b.now.boot + secs(300)));
    let _ = b.on(Event::NetworkUp);
    assert!(b.rig.deadline() <= Some(b.now.boot + HURRY));

    // A beat.
    let mut b = beating();
    let seq = beat(&mut b);
    let unsent = TokenError::Transient(Trouble { maybe_applied: false, ..network_trouble() });
    let _ = b.on(Event::Beaten(seq, Err(unsent)));
    assert!(b.rig.deadline() >= Some(b.now.boot + secs(60)));
    let _ = b.on(Event::NetworkUp);
    assert!(b.rig.deadline() <= Some(b.now.boot + HURRY));
}

/// The longest from a network to the first try on it.
const HURRY: Duration = Duration::from_secs(2);

fn network_trouble() -> Trouble {
    match network() {
        TokenError::Transient(trouble) => trouble,
        other => panic!("{other}"),
    }
}

#[test]
fn a_network_that_flaps_makes_no_storm() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let _ = b.on(Event::Refreshed(seq, Err(network())));
    let began = b.now.boot;
    let mut tries = 0;
    while b.now.boot.since(began) < secs(600) {
        b.after(1);
        let _ = b.on(Event::NetworkUp);
        for action in b.on(Event::Timer) {
            let Action::Ask(Question::Refresh(seq, _)) = action else { panic!("{action:?}") };
            tries += 1;
            let _ = b.on(Event::Refreshed(seq, Err(network())));
        }
    }
    assert!((60..=150).contains(&tries), "one in a few seconds, and it is tried: {tries}");
}

#[test]
fn networks_that_come_up_together_count_as_one() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let _ = b.on(Event::Refreshed(seq, Err(network())));
    let began = b.now.boot;
    for _ in 0..5 {
        let _ = b.on(Event::NetworkUp);
    }
    b.due();
    let actions = b.on(Event::Timer);
    let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let patience = Trouble { retry_after: Some(secs(300)), ..network_trouble() };
    let _ = b.on(Event::Refreshed(seq, Err(TokenError::Transient(patience))));
    assert!(b.rig.deadline() >= Some(b.now.boot + secs(300)));
    let _ = b.on(Event::NetworkUp);
    assert!(b.rig.deadline() <= Some(began + secs(5) + HURRY), "the next counts after its gap");
}

#[test]
fn other_troubles_do_not_end_with_a_new_network() {
    for cause in [Cause::Provider, Cause::RateLimited, Cause::Clock] {
        let mut b = Bench::paired();
        let seq = b.refresh_leaves();
        let _ = b.on(Event::Refreshed(seq, Err(trouble(cause))));
        let before = b.rig.deadline();
        let _ = b.on(Event::NetworkUp);
        assert_eq!(b.rig.deadline(), before, "{cause:?}");
    }
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let _ = b.on(Event::Refreshed(seq, Err(trouble(Cause::Clock))));
    for _ in 0..12 {
        b.due();
        let actions = b.on(Event::Timer);
        let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
        let _ = b.on(Event::Refreshed(seq, Err(trouble(Cause::Clock))));
    }
    let _ = b.on(Event::ClockStepped);
    assert!(b.rig.deadline() <= Some(b.now.boot + HURRY), "but with a clock that was set this one does");
}

/// What happens to the clock of a boot.
enum Step {
    /// The daemon starts; what an earlier run has written.
    Start(Option<i64>),
    /// Somebody sets the wall clock.
    Set(i64),
    /// The provider's `Date`.
    Date(i64),
}

#[test]
fn the_ledger_of_boots_table() {
    use Step::{Date, Set, Start};

    const YEARS: i64 = 10 * 366 * 86_400;
    // True time at boot is EPOCH; each step comes 100 seconds after the one before, the first at 100.
    let rows: &[(&str, &[Step], &[i64])] = &[
        ("1970, then a server's date", &[Set(100), Start(None), Date(EPOCH + 300)], &[EPOCH]),
        ("1970, then set", &[Set(100), Start(None), Set(EPOCH + 300)], &[EPOCH]),
        ("1970, and nobody knows better", &[Set(100), Start(None), Set(900)], &[]),
        ("right from the start", &[Start(None), Date(EPOCH + 201), Date(EPOCH + 299)], &[EPOCH]),
        (
            "years ahead and back, no server",
            &[Start(None), Set(EPOCH + YEARS), Set(EPOCH + 300)],
            &[EPOCH, EPOCH + YEARS - 200, EPOCH],
        ),
        ("back to 1970, no server", &[Start(None), Set(5), Set(EPOCH + 300)], &[EPOCH]),
        (
            "a server knows better than a clock that steps",
            &[Date(EPOCH + 100), Start(None), Set(EPOCH + YEARS), Set(EPOCH - 900), Set(7)],
            &[EPOCH],
        ),
        (
            "a clock that is wrong by days, then a server",
            &[Set(EPOCH + 86_400), Start(None), Date(EPOCH + 300)],
            &[EPOCH + 86_300, EPOCH],
        ),
        ("a server from before this program", &[Set(100), Start(None), Date(12)], &[]),
        ("an earlier run knew it", &[Set(EPOCH + YEARS), Start(Some(EPOCH)), Date(EPOCH + 300)], &[]),
        ("an earlier run knew it, read twice", &[Set(EPOCH + YEARS), Start(Some(EPOCH)), Start(None)], &[]),
        ("an earlier run had it wrong", &[Start(Some(EPOCH - 99)), Date(EPOCH + 200)], &[EPOCH]),
    ];
    for (name, steps, expected) in rows {
        let mut b = Bench::new(None);
        b.now = at(0);
        for step in *steps {
            b.after_wall(100);
            match step {
                Start(boot_wall) => {
                    let loaded = Loaded { boot_wall: boot_wall.map(BootWall), ..usable() };
                    let _ = b.on(Event::Loaded(Box::new(loaded), Protection::File));
                }
                Set(wall) => {
                    b.now.wall = WallTime(*wall);
                    // Before the daemon runs nobody notices.
                    if b.view().state != State::SecretUnavailable {
                        let _ = b.on(Event::ClockStepped);
                    }
                }
                Date(date) => drop(b.on(Event::ServerDate(*date))),
            }
        }
        let noted: Vec<i64> = b.noted.iter().map(|w| w.0).collect();
        assert_eq!(noted, *expected, "{name}");
    }
}

#[test]
fn a_ledger_that_cant_be_written_is_tried_again_with_the_next_news() {
    let mut rig = Rig::new(ProviderKind::Frameio, 1, FLOOR, Presence::default());
    let note = [Action::Write(Change::NoteBoot(BootWall(EPOCH)))];
    assert_eq!(rig.on(Event::Loaded(Box::new(usable()), Protection::File), at(10)), note);
    assert_eq!(rig.on(Event::ServerDate(EPOCH + 11), at(11)), [], "one write at a time");
    assert_eq!(rig.on(Event::BootNoted(Err(DiskError::Full)), at(12)), []);
    assert_eq!(rig.on(Event::ServerDate(EPOCH + 20), at(20)), note);
    assert_eq!(rig.on(Event::BootNoted(Ok(())), at(21)), []);
    assert_eq!(rig.on(Event::ServerDate(EPOCH + 30), at(30)), []);
}

#[test]
fn a_disk_that_is_of_no_use_is_not_written_to() {
    let mut rig = Rig::new(ProviderKind::Frameio, 1, FLOOR, Presence::default());
    let unusable = || {
        Box::new(Loaded {
            unusable: Some(DiskError::ReadOnly),
            client_id: "rig-7".to_owned(),
            ..Loaded::default()
        })
    };
    for s in [10, 12] {
        assert_eq!(rig.on(Event::Loaded(unusable(), Protection::None), at(s)), []);
        assert_eq!(rig.on(Event::BootNoted(Err(DiskError::ReadOnly)), at(s)), []);
        assert_eq!(rig.on(Event::ServerDate(EPOCH + s as i64), at(s)), []);
        assert_eq!(rig.on(Event::ClockStepped, at(s)), []);
    }
    let note = [Action::Write(Change::NoteBoot(BootWall(EPOCH)))];
    assert_eq!(rig.on(Event::Loaded(Box::new(usable()), Protection::File), at(14)), note);
}

/// A grant whose ID token has come, and the question that carries it.
fn stated(b: &mut Bench) -> (Seq, Identify) {
    b.show_code();
    let seq = b.poll();
    b.now.wall = at(b.now.boot.0.as_secs()).wall;
    let id_token = Some(IdToken(Secret::new("i1")));
    let actions = b.on(Event::Polled(seq, Ok(TokenResponse { id_token, ..response(1) })));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::TokensSaved(seq, Ok(())));
    let [Action::Ask(Question::Identify(seq, ref question))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(question.id_token, Some(IdToken(Secret::new("i1"))));
    (seq, question.clone())
}

fn said(by: &str, wanting: Wanting) -> DeviceInfo {
    DeviceInfo { authorized_by: by.to_owned(), wanting, ..device("one") }
}

fn by(b: &Bench) -> String {
    b.view().device.unwrap().authorized_by
}

/// Answered; written where it is new.
fn identified(b: &mut Bench, seq: Seq, info: DeviceInfo) {
    let actions = b.on(Event::Identified(seq, Ok(info)));
    if let [Action::Write(Change::SaveDevice(seq, _))] = actions[..] {
        let _ = b.on(Event::DeviceSaved(seq, Ok(())));
    }
    assert_eq!(b.shows(), (State::Paired, Reason::None));
}

/// The same statement, which came then; to a second, which is how walls count.
fn assert_same(question: &Identify, first: &Identify) {
    assert_eq!(question.id_token, first.id_token);
    let came = |q: &Identify| q.came.expect("the clock is trusted").0;
    assert!(came(question).abs_diff(came(first)) <= 1, "{question:?} {first:?}");
}

/// As [`Bench::due`], by every clock.
fn passes(b: &mut Bench) {
    b.due();
    b.now.wall = at(b.now.boot.0.as_secs()).wall;
}

/// A renewal that brings no ID token, and the question after it.
fn renewed(b: &mut Bench, n: u32) -> (Seq, Identify) {
    let seq = loop {
        passes(b);
        match b.on(Event::Timer)[..] {
            [Action::Write(Change::MarkRefresh(seq))] => break seq,
            [Action::Ask(Question::Identify(seq, _))] => {
                identified(b, seq, said("", Wanting::Passing(Cause::Network)));
            }
            ref other => panic!("{other:?}"),
        }
    };
    let actions = b.on(Event::Marked(seq, Ok(())));
    let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::Refreshed(seq, Ok(response(n))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::TokensSaved(seq, Ok(())));
    let [Action::Ask(Question::Identify(seq, ref question))] = actions[..] else { panic!("{actions:?}") };
    (seq, question.clone())
}

#[test]
fn a_hiccup_while_a_name_is_looked_for_does_not_cost_it() {
    let mut b = Bench::unpaired();
    let (seq, first) = stated(&mut b);
    identified(&mut b, seq, said("", Wanting::Passing(Cause::Network)));
    assert_eq!(by(&b), "");
    passes(&mut b);
    let actions = b.on(Event::Timer);
    let [Action::Ask(Question::Identify(seq, ref again))] = actions[..] else { panic!("{actions:?}") };
    assert_same(again, &first);
    identified(&mut b, seq, said("Ada", Wanting::Nothing));
    assert_eq!(by(&b), "Ada");
    // With the next tokens, which bring no statement, nothing is left to verify.
    let (seq, question) = renewed(&mut b, 2);
    assert_eq!(question.id_token, None);
    identified(&mut b, seq, said("", Wanting::Nothing));
    assert_eq!(by(&b), "Ada");
}

#[test]
fn a_statement_that_nobody_could_verify_is_shown_again_after_a_renewal_and_to_no_other_grant() {
    let mut b = Bench::unpaired();
    let (seq, first) = stated(&mut b);
    identified(&mut b, seq, said("auth0|7", Wanting::Passing(Cause::Network)));
    assert_eq!(by(&b), "auth0|7", "better than nothing");
    let (seq, question) = renewed(&mut b, 2);
    assert_same(&question, &first);
    assert_eq!(question.token, access(2));
    identified(&mut b, seq, said("Ada", Wanting::Nothing));
    // What is known for certain is not lost to less.
    let (seq, _) = renewed(&mut b, 3);
    identified(&mut b, seq, said("auth0|7", Wanting::Passing(Cause::Provider)));
    assert_eq!(by(&b), "Ada");

    let mut b = Bench::unpaired();
    let (seq, _) = stated(&mut b);
    identified(&mut b, seq, said("", Wanting::Document));
    let (id, _) = b.command(UNPAIR);
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    let _ = b.on(Event::Revoked(seq, Ok(Revoked::Confirmed)));
    b.show_code();
    let seq = b.poll();
    let actions = b.on(Event::Polled(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::TokensSaved(seq, Ok(())));
    let [Action::Ask(Question::Identify(_, ref question))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(question.id_token, None);
}

/// Paired by the tokens 1, with a socket while there is something to see, and no heartbeat.
fn seen() -> Bench {
    let mut b = Bench::with(Presence { heartbeat: None, socket: SocketUse::WhenBusy });
    assert_eq!(b.on(Event::Loaded(Box::new(usable()), Protection::File)), []);
    b.grant(1);
    b.identified("one");
    // What the provider calls the device is never on disk.
    assert_eq!(b.on(Event::Sends(true)), []);
    assert!(b.rig.deadline() > Some(at(HOUR).boot), "without a name there is no socket");
    let seq = b.rig.whoami.ask(access(1)).iter().find_map(|action| match action {
        crate::identity::whoami::Action::Ask(seq, _) => Some(*seq),
        _ => None,
    });
    assert_eq!(b.on(Event::Identified(seq.unwrap(), Ok(named(DeviceStatus::Online)))), []);
    b
}

fn named(status: DeviceStatus) -> DeviceInfo {
    DeviceInfo { status, names: vec!["d1".to_owned(), "p1".to_owned()], ..device("one") }
}

/// Opens the socket that is due and has it joined; the question that follows has left.
fn open(b: &mut Bench) -> Seq {
    b.due();
    let actions = b.on(Event::Timer);
    let [Action::Ask(Question::OpenSocket(seq, ref token, ref names))] = actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!((token, names.len()), (&access(1), 2));
    let actions = b.on(Event::Socket(seq, SocketNews::Joined));
    assert!(matches!(actions[..], [Action::Ask(Question::Identify(..))]), "{actions:?}");
    seq
}

#[test]
fn a_pause_that_a_socket_tells_of_is_asked_for_at_once() {
    let mut b = seen();
    let socket = open(&mut b);
    // It comes while the answer from before it is on its way.
    assert_eq!(b.on(Event::Socket(socket, SocketNews::Updated)), []);
    let question = b.question;
    let actions = b.after(2).on(Event::Identified(question, Ok(named(DeviceStatus::Online))));
    assert!(matches!(actions[..], [Action::Ask(Question::Identify(..))]), "{actions:?}");
    let question = b.question;
    assert_eq!(b.on(Event::Identified(question, Ok(named(DeviceStatus::Paused)))), []);
    assert_eq!(b.rig.access().map(|(_, device)| device.status), Some(DeviceStatus::Paused));
    assert_eq!(b.on(Event::Sends(false)), []);
    b.due();
    assert_eq!(b.on(Event::Timer), [Action::Ask(Question::CloseSocket)]);
}

#[test]
fn the_socket_ends_with_the_grant() {
    let mut b = seen();
    open(&mut b);
    let (_, actions) = b.command(UNPAIR);
    let [Action::Ask(Question::CloseSocket), Action::Write(Change::EraseTokens(..))] = actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(b.rig.deadline(), None, "no other one while the disk erases");
}

#[test]
fn no_socket_is_opened_beside_a_refresh_and_an_open_one_stays() {
    let mut b = seen();
    open(&mut b);
    let question = b.question;
    let _ = b.on(Event::Identified(question, Ok(named(DeviceStatus::Online))));
    b.after(7 * HOUR);
    let actions = b.on(Event::Timer);
    let [Action::Write(Change::MarkRefresh(_))] = actions[..] else { panic!("{actions:?}") };
    let mut b = seen();
    b.after(7 * HOUR);
    let actions = b.on(Event::Timer);
    let [Action::Write(Change::MarkRefresh(seq))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::Marked(seq, Ok(())));
    let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::TokensSaved(seq, Ok(())));
    let [Action::Ask(Question::Identify(..)), Action::Ask(Question::OpenSocket(_, ref token, _))] =
        actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!(*token, access(2));
}

#[test]
fn a_refusal_of_sockets_is_no_trouble_of_the_rig() {
    let mut b = seen();
    b.due();
    let actions = b.on(Event::Timer);
    let [Action::Ask(Question::OpenSocket(seq, ..))] = actions[..] else { panic!("{actions:?}") };
    let end = SocketEnd::Refused("403".to_owned());
    assert_eq!(b.on(Event::Socket(seq, SocketNews::Over(end))), []);
    assert_eq!((b.shows(), b.view().online), ((State::Paired, Reason::None), true));
    assert!(b.rig.deadline() > Some(b.now.boot + secs(200)));
}
