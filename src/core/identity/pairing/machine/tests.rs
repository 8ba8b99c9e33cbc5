#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it waits for")]
use super::*;
use crate::oauth::{AccessToken, DeviceCode, RefreshToken, Trouble, UserCode};
use crate::secret::Secret;
use crate::time::{BootId, WallTime};

const INTERVAL: u64 = 5;
const LIFE: u64 = 120;

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn ms(ms: u64) -> Now {
    Now { boot_id: BootId(1), boot: BootTime(Duration::from_millis(ms)), wall: WallTime(0) }
}

fn at(s: u64) -> Now {
    ms(1000 * s)
}

fn auth(n: u32) -> DeviceAuthorization {
    DeviceAuthorization {
        device_code: device_code(n),
        user_code: UserCode(Secret::new(format!("{n:06}"))),
        verification_uri: None,
        verification_uri_complete: None,
        expires_in: secs(LIFE),
        interval: secs(INTERVAL),
        device_name: None,
    }
}

fn device_code(n: u32) -> DeviceCode {
    DeviceCode(Secret::new(format!("d{n}")))
}

fn tokens() -> TokenResponse {
    TokenResponse {
        access_token: AccessToken(Secret::new("a")),
        refresh_token: Some(RefreshToken(Secret::new("r"))),
        expires_in: None,
        id_token: None,
        binding: None,
    }
}

fn trouble(cause: Cause, retry_after: Option<u64>) -> TokenError {
    let why = "it did not work".to_owned();
    TokenError::Transient(Trouble { cause, why, retry_after: retry_after.map(secs), maybe_applied: true })
}

fn network() -> TokenError {
    trouble(Cause::Network, None)
}

fn requesting(actions: &[Action]) -> Seq {
    match actions {
        [Action::RequestCode(seq)] => *seq,
        other => panic!("not one code request: {other:?}"),
    }
}

fn saving(actions: &[Action]) -> Seq {
    match actions {
        [Action::SaveCode(seq, ..)] => *seq,
        other => panic!("not one save: {other:?}"),
    }
}

fn polling(actions: &[Action], code: u32) -> Seq {
    match actions {
        [Action::Poll(seq, c)] if *c == device_code(code) => *seq,
        other => panic!("not one poll with code {code}: {other:?}"),
    }
}

fn new() -> Pairing {
    Pairing::new(Jitter::new(1))
}

fn start(limit: Option<u64>) -> (Pairing, Seq) {
    let mut p = new();
    let seq = requesting(&p.on(Event::Start { limit: limit.map(secs) }, at(0)));
    (p, seq)
}

/// Code 1 is on the screen since second 0.
fn waiting(limit: Option<u64>) -> Pairing {
    let (mut p, seq) = start(limit);
    let seq = saving(&p.on(Event::Code(seq, Ok(auth(1))), at(0)));
    assert_eq!(p.on(Event::Saved(seq, Ok(())), at(0)), [Action::CodeReady]);
    p
}

fn due(p: &Pairing) -> Now {
    let boot = p.deadline().expect("something is due");
    Now { boot, ..at(0) }
}

/// Polls at the time that is due.
fn poll(p: &mut Pairing, code: u32) -> (Seq, Now) {
    let now = due(p);
    (polling(&p.on(Event::Timer, now), code), now)
}

#[test]
fn a_code_is_shown_only_once_it_is_on_disk() {
    let (mut p, seq) = start(None);
    let seq = saving(&p.on(Event::Code(seq, Ok(auth(1))), at(1)));
    assert!(p.active() && p.code().is_none());
    assert_eq!(p.on(Event::Saved(seq, Ok(())), at(2)), [Action::CodeReady]);
    let (shown, until) = p.code().unwrap();
    assert_eq!((shown, until), (&auth(1), BootTime(secs(1 + LIFE))));
}

#[test]
fn a_code_that_cant_be_written_down_ends_the_pairing_by_name() {
    for why in [DiskError::Full, DiskError::Failed("it is broken".to_owned())] {
        let (mut p, seq) = start(None);
        let seq = saving(&p.on(Event::Code(seq, Ok(auth(1))), at(1)));
        let finish = [Action::Finish(Outcome::Storage(why.clone()))];
        assert_eq!(p.on(Event::Saved(seq, Err(why)), at(2)), finish);
        assert!(!p.active());
    }
}

#[test]
fn a_start_without_a_limit_while_a_pairing_runs_changes_nothing() {
    let mut p = waiting(None);
    let before = format!("{p:?}");
    assert_eq!(p.on(Event::Start { limit: None }, at(1)), []);
    assert_eq!(p.on(Event::Resume(Running::default()), at(1)), []);
    assert_eq!(format!("{p:?}"), before);
}

#[test]
fn a_first_code_is_tried_for_as_long_as_a_person_waits_and_no_timer_makes_it_sooner() {
    for (retry_after, tried) in [(12, true), (13, false)] {
        let (mut p, seq) = start(None);
        let actions = p.on(Event::Code(seq, Err(trouble(Cause::Network, Some(retry_after)))), at(0));
        assert_eq!((actions.is_empty(), p.active()), (tried, tried), "{retry_after}");
        if tried {
            assert_eq!(p.on(Event::Timer, at(11)), [], "not before its time");
            requesting(&p.on(Event::Timer, at(12)));
        }
    }
}

#[test]
fn a_limit_that_is_no_sooner_than_the_one_before_is_not_written_again() {
    let mut p = waiting(Some(60));
    assert_eq!(p.on(Event::Start { limit: Some(secs(60)) }, at(0)), []);
    assert!(matches!(p.on(Event::Start { limit: Some(secs(59)) }, at(0))[..], [Action::SaveLimit(_)]));
}

#[test]
fn when_a_trouble_may_be_over_what_waits_for_that_one_is_tried_with_short_waits_again() {
    let is_network = |cause| cause == Cause::Network;
    for (cause, hurried) in [(Cause::Network, true), (Cause::Provider, false)] {
        // A new code is asked for, and comes to nothing for a while.
        let mut p = waiting(None);
        let (seq, mut now) = poll(&mut p, 1);
        let mut seq = requesting(&p.on(Event::Polled(seq, Err(TokenError::ExpiredToken)), now));
        for _ in 0..6 {
            assert_eq!(p.on(Event::Code(seq, Err(trouble(cause, None))), now), []);
            now = due(&p);
            seq = requesting(&p.on(Event::Timer, now));
        }
        assert_eq!(p.on(Event::Code(seq, Err(trouble(cause, None))), now), []);
        let (before, soon) = (due(&p), now.boot + secs(2));
        assert!(before.boot >= now.boot + secs(45), "a minute, less a quarter");
        p.hurry(soon, is_network);
        assert_eq!(due(&p).boot, if hurried { soon } else { before.boot }, "{cause:?}");
        now = due(&p);
        seq = requesting(&p.on(Event::Timer, now));
        assert_eq!(p.on(Event::Code(seq, Err(trouble(cause, None))), now), []);
        assert_eq!(due(&p).boot <= now.boot + secs(4), hurried, "{cause:?}");
        // A poll.
        let mut p = waiting(None);
        let mut now = at(0);
        for _ in 0..3 {
            let (seq, left) = poll(&mut p, 1);
            now = left;
            assert_eq!(p.on(Event::Polled(seq, Err(trouble(cause, None))), now), []);
        }
        let before = due(&p);
        assert!(before.boot >= now.boot + secs(40));
        p.hurry(now.boot, is_network);
        let soonest = now.boot + secs(INTERVAL) + POLL_SLACK;
        assert_eq!(due(&p).boot, if hurried { soonest } else { before.boot }, "{cause:?}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# The client SHOULD repeat the access token request to the token endpoint (a process known as polling).
//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# Before each new request, the client MUST wait at least the number of seconds specified by the "interval"
//# parameter
#[test]
fn every_poll_waits_for_the_interval_the_first_one_included() {
    let mut p = waiting(None);
    assert_eq!(p.on(Event::Timer, at(INTERVAL)), [], "exactly the interval reads as too early");
    let mut last = Duration::ZERO;
    for _ in 0..10 {
        let (seq, now) = poll(&mut p, 1);
        assert!(now.boot.0 - last > secs(INTERVAL) && now.boot.0 - last < secs(INTERVAL + 1));
        last = now.boot.0;
        assert_eq!(p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), now), []);
    }
}

#[test]
fn no_second_poll_while_one_is_in_flight() {
    let mut p = waiting(None);
    let (seq, now) = poll(&mut p, 1);
    assert_eq!(p.deadline(), None);
    for s in 0..200 {
        assert_eq!(p.on(Event::Timer, Now { boot: now.boot + secs(s), ..now }), []);
    }
    assert_eq!(p.on(Event::Polled(seq, Ok(tokens())), now).len(), 2);
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# the interval MUST be increased by 5 seconds for this and all subsequent requests
#[test]
fn slow_down_lasts_for_every_later_poll() {
    let mut p = waiting(None);
    let mut interval = INTERVAL;
    for _ in 0..3 {
        let (seq, now) = poll(&mut p, 1);
        let _ = p.on(Event::Polled(seq, Err(TokenError::SlowDown(None))), now);
        interval += 5;
        let (seq, later) = poll(&mut p, 1);
        assert!(later.boot.since(now.boot) >= secs(interval));
        let _ = p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), later);
        assert!(due(&p).boot.since(later.boot) >= secs(interval));
    }
}

/// A code that lives for an hour is on the screen since second 0.
fn waiting_slowly(interval: u64) -> Pairing {
    let (mut p, seq) = start(None);
    let slow = DeviceAuthorization { interval: secs(interval), expires_in: secs(3600), ..auth(1) };
    let seq = saving(&p.on(Event::Code(seq, Ok(slow)), at(0)));
    assert_eq!(p.on(Event::Saved(seq, Ok(())), at(0)), [Action::CodeReady]);
    p
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# On encountering a connection timeout, clients MUST unilaterally reduce their polling frequency before
//# retrying.
#[test]
fn after_trouble_polls_come_less_often_whatever_the_interval_is() {
    for interval in [1, INTERVAL, 40, 60, 65, 300] {
        let mut p = waiting_slowly(interval);
        loop {
            let (seq, now) = poll(&mut p, 1);
            if !p.on(Event::Polled(seq, Err(network())), now).is_empty() {
                break;
            }
            // Also where the code ends before that.
            let wait = due(&p).boot.since(now.boot);
            assert!(wait >= secs(2 * interval), "{wait:?} after trouble, every {interval} s before");
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# the interval MUST be increased by 5 seconds for this and all subsequent requests
#[test]
fn slow_down_outlives_a_kill() {
    let mut p = waiting(None);
    let (seq, now) = poll(&mut p, 1);
    let actions = p.on(Event::Polled(seq, Err(TokenError::SlowDown(None))), now);
    let [Action::SaveInterval(interval)] = actions[..] else { panic!("not written: {actions:?}") };
    let code = CodeOnOffer { auth: DeviceAuthorization { interval, ..auth(1) }, obtained: at(0) };
    let mut p = new();
    assert_eq!(p.on(Event::Resume(Running { code: Some(code), limit: None }), now), [Action::CodeReady]);
    assert!(due(&p).boot.since(now.boot) > secs(INTERVAL + 5));
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# The use of an exponential backoff algorithm to achieve this
#[test]
fn trouble_backs_off_and_an_answer_ends_it() {
    let mut p = waiting(None);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let (seq, now) = poll(&mut p, 1);
        assert_eq!(p.on(Event::Polled(seq, Err(trouble(Cause::CaptivePortal, None))), now), []);
        assert_eq!(p.trouble().map(|(cause, _)| cause), Some(Cause::CaptivePortal));
        waits.push(due(&p).boot.since(now.boot).as_secs());
    }
    assert_eq!(waits, [10, 20, 40]);
    let (seq, now) = poll(&mut p, 1);
    let _ = p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), now);
    assert_eq!(p.trouble(), None);
    assert_eq!(due(&p).boot.since(now.boot).as_secs(), INTERVAL);
}

#[test]
fn a_long_wait_does_not_keep_a_dead_code_on_the_screen() {
    let mut p = waiting(None);
    let (seq, now) = poll(&mut p, 1);
    let _ = p.on(Event::Polled(seq, Err(trouble(Cause::RateLimited, Some(3600)))), now);
    assert_eq!(due(&p).boot, BootTime(secs(LIFE)));
    let (seq, now) = poll(&mut p, 1);
    requesting(&p.on(Event::Polled(seq, Err(network())), now));
}

#[test]
fn tokens_that_arrive_late_are_kept() {
    let mut p = waiting(Some(60));
    let mut now = due(&p);
    while now.boot < BootTime(secs(55)) {
        let (seq, polled) = poll(&mut p, 1);
        let _ = p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), polled);
        now = due(&p);
    }
    let (seq, _) = poll(&mut p, 1);
    assert_eq!(p.on(Event::Timer, at(61)), [], "the limit waits for the answer");
    let granted = [Action::Grant(tokens()), Action::Finish(Outcome::Granted)];
    assert_eq!(p.on(Event::Polled(seq, Ok(tokens())), at(300)), granted);
    assert!(!p.active());
}

#[test]
fn the_limit_ends_every_state_as_expired() {
    let over = [Action::Finish(Outcome::Expired)];
    let (mut p, _) = start(Some(60));
    assert_eq!(due(&p).boot, BootTime(secs(60)));
    assert_eq!(p.on(Event::Timer, at(60)), over, "requesting");

    let (mut p, seq) = start(Some(60));
    let _ = p.on(Event::Code(seq, Ok(auth(1))), at(1));
    assert_eq!(p.on(Event::Timer, at(60)), over, "saving");

    let mut p = waiting(Some(60));
    assert_eq!(p.on(Event::Timer, at(60)), over, "waiting");
    assert!(!p.active() && p.deadline().is_none());

    let mut p = waiting(Some(60));
    let (seq, _) = poll(&mut p, 1);
    assert_eq!(p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), at(61)), over, "polling");

    let mut p = waiting(Some(60));
    let (seq, now) = poll(&mut p, 1);
    let seq = requesting(&p.on(Event::Polled(seq, Err(TokenError::ExpiredToken)), now));
    let _ = p.on(Event::Code(seq, Err(network())), now);
    assert_eq!(p.on(Event::Timer, at(60)), over, "to request later");
}

//= frameio-c2c#7
//= type=test
//# An authorization can be cancelled at every step.
#[test]
fn a_cancel_ends_every_state_and_an_idle_one_stays_so() {
    let over = [Action::Finish(Outcome::Cancelled)];
    assert_eq!(new().on(Event::Cancel, at(0)), []);
    let (mut p, seq) = start(None);
    assert_eq!(p.on(Event::Cancel, at(1)), over);
    assert_eq!(p.on(Event::Code(seq, Ok(auth(1))), at(2)), [], "a code that nobody wants");

    let (mut p, seq) = start(None);
    let seq = saving(&p.on(Event::Code(seq, Ok(auth(1))), at(1)));
    assert_eq!(p.on(Event::Cancel, at(1)), over);
    assert_eq!(p.on(Event::Saved(seq, Ok(())), at(2)), []);

    let mut p = waiting(None);
    assert_eq!(p.on(Event::Cancel, at(1)), over);

    let mut p = waiting(None);
    let (seq, now) = poll(&mut p, 1);
    assert_eq!(p.on(Event::Cancel, now), over);
    assert_eq!(p.on(Event::Polled(seq, Err(TokenError::AccessDenied)), now), []);
    assert_eq!(p.on(Event::Polled(seq, Ok(tokens())), now), [Action::Discard(tokens())], "to be revoked");
    assert!(!p.active());
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# If the client receives an error response with any other error code, it MUST stop polling
#[test]
fn an_answer_that_is_final_ends_the_pairing() {
    let rejected = TokenError::Rejected("invalid_request".to_owned());
    for (answer, outcome) in [
        (TokenError::AccessDenied, Outcome::Denied),
        (
            TokenError::ClientRejected(String::new()),
            Outcome::Failed(TokenError::ClientRejected(String::new())),
        ),
        (TokenError::Unauthorized, Outcome::Failed(TokenError::Unauthorized)),
        (rejected.clone(), Outcome::Failed(rejected)),
    ] {
        let mut p = waiting(None);
        let (seq, now) = poll(&mut p, 1);
        assert_eq!(p.on(Event::Polled(seq, Err(answer)), now), [Action::Finish(outcome)]);
        assert!(!p.active() && p.deadline().is_none() && p.code().is_none());
    }
}

#[test]
fn a_code_that_ran_out_is_replaced() {
    let mut p = waiting(None);
    let (seq, now) = poll(&mut p, 1);
    let seq = requesting(&p.on(Event::Polled(seq, Err(TokenError::ExpiredToken)), now));
    assert!(p.active() && p.code().is_none());
    let seq = saving(&p.on(Event::Code(seq, Ok(auth(2))), now));
    assert_eq!(p.on(Event::Saved(seq, Ok(())), now), [Action::CodeReady]);
    // The next that dies so soon is replaced, too, but not at once.
    let (seq, now) = poll(&mut p, 2);
    assert_eq!(p.on(Event::Polled(seq, Err(TokenError::ExpiredToken)), now), []);
    assert!(p.active() && p.code().is_none() && p.trouble().is_some());
    assert!(p.deadline().is_some_and(|at| at.since(now.boot) > secs(40) && at.since(now.boot) <= secs(60)));
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//= type=test
//# the client SHOULD only commence a device authorization request when prompted by the user and not
//# automatically
//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# SHOULD wait for user interaction before restarting
#[test]
fn a_pairing_goes_on_as_long_as_somebody_looks_and_a_limit_is_a_limit() {
    let attended = |p: &mut Pairing, time| p.on(Event::Attended(secs(900)), at(time));
    let mut p = waiting(None);
    assert!(
        matches!(attended(&mut p, 10)[..], [Action::SaveLimit(TimeLimit { left, .. })] if left == secs(900))
    );
    assert!(matches!(attended(&mut p, 300)[..], [Action::SaveLimit(_)]));
    assert_eq!(p.limit_at, Some(at(1200).boot));
    let mut now = at(300);
    while p.active() {
        now.boot = now.boot + secs(1);
        let polls = p.on(Event::Timer, now);
        if let [Action::Poll(seq, _)] = polls[..] {
            let _ = p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), now);
        }
        if let State::Requesting { seq, .. } = p.state {
            let _ = p.on(Event::Code(seq, Ok(auth(2))), now);
        }
        if let State::Saving { seq, .. } = p.state {
            let _ = p.on(Event::Saved(seq, Ok(())), now);
        }
    }
    assert!(now.boot.since(at(1200).boot) <= secs(2), "nobody looked for 15 minutes: {now:?}");
    let mut p = waiting(Some(60));
    assert_eq!(attended(&mut p, 10), [], "what was limited by word stays limited");
    let mut p = Pairing::new(Jitter::new(1));
    assert_eq!(attended(&mut p, 1), []);
}

fn unknown() -> Result<TokenResponse, TokenError> {
    Err(TokenError::InvalidGrant("invalid_grant: never heard".to_owned()))
}

//= frameio-c2c#3.2
//= type=test
//# invalid_grant to a poll: the code is dead, another is asked for.
#[test]
fn a_code_that_the_server_does_not_know_is_asked_about_once_more_and_replaced_once_a_minute() {
    let mut p = waiting(None);
    let (seq, now) = poll(&mut p, 1);
    assert_eq!(p.on(Event::Polled(seq, unknown()), now), []);
    assert_eq!(p.trouble(), Some((Cause::Provider, "invalid_grant: never heard")));
    assert!(p.code().is_some(), "not believed yet");
    let (seq, replaced) = poll(&mut p, 1);
    let seq = requesting(&p.on(Event::Polled(seq, unknown()), replaced));
    assert!(p.code().is_none() && p.active());
    let seq = saving(&p.on(Event::Code(seq, Ok(auth(2))), replaced));
    assert_eq!(p.on(Event::Saved(seq, Ok(())), replaced), [Action::CodeReady]);
    // It knows this one neither.
    for _ in 0..2 {
        let (seq, now) = poll(&mut p, 2);
        assert_eq!(p.on(Event::Polled(seq, unknown()), now), []);
    }
    let due = Now { boot: replaced.boot + secs(60), ..replaced };
    assert_eq!(p.deadline(), Some(due.boot), "a minute after the last");
    requesting(&p.on(Event::Timer, due));
    // Where the second answer is another, it was a mistake.
    let mut p = waiting(None);
    for answer in [unknown(), Err(TokenError::AuthorizationPending), unknown()] {
        let (seq, now) = poll(&mut p, 1);
        assert_eq!(p.on(Event::Polled(seq, answer), now), []);
    }
    assert!(p.code().is_some());
}

#[test]
fn after_its_end_whatever_is_said_of_a_code_means_another() {
    for answer in [
        TokenError::Rejected("invalid_request".to_owned()),
        TokenError::NotAllowed("unauthorized_client".to_owned()),
        TokenError::Unauthorized,
        TokenError::InvalidGrant("invalid_grant".to_owned()),
        trouble(Cause::Provider, None),
    ] {
        let mut p = waiting(None);
        let late = loop {
            let (seq, now) = poll(&mut p, 1);
            if now.boot >= BootTime(secs(LIFE)) {
                break p.on(Event::Polled(seq, Err(answer.clone())), now);
            }
            let _ = p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), now);
        };
        requesting(&late);
    }
}

#[test]
fn an_interval_that_the_answer_names_is_taken_where_it_is_longer() {
    for (named, least) in [(None, 10), (Some(secs(3)), 10), (Some(secs(30)), 30), (Some(secs(86_400)), 3600)]
    {
        let mut p = waiting(None);
        let (seq, now) = poll(&mut p, 1);
        let slower = [Action::SaveInterval(secs(least))];
        assert_eq!(p.on(Event::Polled(seq, Err(TokenError::SlowDown(named))), now), slower);
        assert_eq!(p.deadline(), Some(now.boot + secs(least) + POLL_SLACK), "{named:?}");
    }
}

#[test]
fn an_unanswered_code_is_asked_about_once_more_after_its_end_and_then_replaced() {
    let mut p = waiting(None);
    let mut polls = 0;
    loop {
        let (seq, now) = poll(&mut p, 1);
        polls += 1;
        assert!(polls < 30);
        let actions = p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), now);
        if now.boot < BootTime(secs(LIFE)) {
            assert_eq!(actions, []);
        } else {
            requesting(&actions);
            break;
        }
    }
}

#[test]
fn whatever_the_network_does_the_first_code_is_given_up_in_time() {
    for (duration, cause) in
        [(8, Cause::Network), (0, Cause::Network), (3, Cause::Provider), (8, Cause::Clock)]
    {
        let (mut p, mut seq) = start(None);
        let mut time = 0;
        loop {
            time += duration;
            let e = trouble(cause, None);
            let actions = p.on(Event::Code(seq, Err(e.clone())), at(time));
            if !actions.is_empty() {
                assert_eq!(actions, [Action::Finish(Outcome::Failed(e))]);
                break;
            }
            assert_eq!(p.trouble().map(|(cause, _)| cause), Some(cause));
            let now = due(&p);
            assert!(now.boot <= BootTime(FIRST_CODE_PATIENCE));
            seq = requesting(&p.on(Event::Timer, now));
            time = now.boot.0.as_secs();
        }
        assert!(time <= 20, "{cause:?}: {time}");
    }
}

#[test]
fn a_first_code_refused_for_good_ends_at_once() {
    for e in [
        TokenError::ClientRejected(String::new()),
        TokenError::Rejected("bad_request".to_owned()),
        TokenError::Unauthorized,
        TokenError::AccessDenied,
    ] {
        let (mut p, seq) = start(None);
        let over = [Action::Finish(Outcome::Failed(e.clone()))];
        assert_eq!(p.on(Event::Code(seq, Err(e)), at(1)), over);
    }
}

#[test]
fn a_slow_down_for_a_first_code_waits_five_seconds_and_is_named_in_the_end() {
    let (mut p, seq) = start(None);
    assert_eq!(p.on(Event::Code(seq, Err(TokenError::SlowDown(None))), at(1)), []);
    assert_eq!(due(&p), at(6));
    let seq = requesting(&p.on(Event::Timer, at(6)));
    let over = [Action::Finish(Outcome::Failed(TokenError::SlowDown(None)))];
    assert_eq!(p.on(Event::Code(seq, Err(TokenError::SlowDown(None))), at(8)), over);
}

#[test]
fn renewals_are_tried_for_ever() {
    let mut p = waiting(None);
    let (seq, mut now) = poll(&mut p, 1);
    let mut seq = requesting(&p.on(Event::Polled(seq, Err(TokenError::ExpiredToken)), now));
    for _ in 0..500 {
        assert_eq!(p.on(Event::Code(seq, Err(network())), now), []);
        assert!(p.active() && p.trouble() == Some((Cause::Network, "")));
        let next = due(&p);
        assert!(next.boot > now.boot && next.boot.since(now.boot) <= MAX_WAIT);
        now = next;
        seq = requesting(&p.on(Event::Timer, now));
    }
    let seq = saving(&p.on(Event::Code(seq, Ok(auth(2))), now));
    assert_eq!(p.on(Event::Saved(seq, Ok(())), now), [Action::CodeReady]);
    assert_eq!(p.trouble(), None);
}

#[test]
fn a_stored_code_is_resumed_only_where_it_can_still_be_good() {
    let stored = |obtained| Running { code: Some(CodeOnOffer { auth: auth(7), obtained }), limit: None };
    let mut p = new();
    assert_eq!(p.on(Event::Resume(stored(at(10))), at(100)), [Action::CodeReady]);
    assert_eq!(p.code(), Some((&auth(7), BootTime(secs(10 + LIFE)))));
    assert!(due(&p).boot > BootTime(secs(100 + INTERVAL)), "when the last poll was is not known");
    poll(&mut p, 7);

    let other_boot = Now { boot_id: BootId(2), ..at(10) };
    for gone in [stored(at(10)), stored(other_boot), Running::default()] {
        let now = if gone == stored(at(10)) { at(10 + LIFE) } else { at(20) };
        let mut p = new();
        requesting(&p.on(Event::Resume(gone), now));
        assert!(p.code().is_none());
    }
}

/// What is stored with the next code that is written down.
fn stored(actions: &[Action]) -> Running {
    match actions {
        [Action::SaveCode(_, code, limit)] => Running { code: Some(code.clone()), limit: *limit },
        other => panic!("not one save: {other:?}"),
    }
}

#[test]
fn the_limit_is_stored_with_each_code_and_outlives_a_kill() {
    let (mut p, seq) = start(Some(600));
    let running = stored(&p.on(Event::Code(seq, Ok(auth(1))), at(10)));
    assert_eq!(running.limit, Some(TimeLimit { since: at(10), left: secs(590) }));

    let mut p = new();
    let actions = p.on(Event::Resume(running.clone()), at(100));
    assert_eq!(
        actions,
        [Action::SaveLimit(TimeLimit { since: at(100), left: secs(500) }), Action::CodeReady]
    );
    let (seq, now) = poll(&mut p, 1);
    let seq = requesting(&p.on(Event::Polled(seq, Err(TokenError::ExpiredToken)), now));
    let left = stored(&p.on(Event::Code(seq, Ok(auth(2))), at(200))).limit;
    assert_eq!(left, Some(TimeLimit { since: at(200), left: secs(400) }));
    assert_eq!(p.on(Event::Timer, at(600)), [Action::Finish(Outcome::Expired)]);

    let mut p = new();
    assert_eq!(p.on(Event::Resume(running), at(600)), [Action::Finish(Outcome::Expired)]);
    assert!(!p.active() && p.deadline().is_none());
}

#[test]
fn across_boots_the_limit_counts_by_the_wall_clock_or_begins_anew() {
    let since = Now { wall: WallTime(1_790_000_000), ..at(10) };
    let running = Running { code: None, limit: Some(TimeLimit { since, left: secs(300) }) };
    let after = |wall: i64| Now { boot_id: BootId(2), wall: WallTime(1_790_000_000 + wall), ..at(20) };
    for (wall, left) in [(100, 200), (-1, 300)] {
        let mut p = new();
        let actions = p.on(Event::Resume(running.clone()), after(wall));
        let limit = Action::SaveLimit(TimeLimit { since: after(wall), left: secs(left) });
        assert!(matches!(&actions[..], [saved, Action::RequestCode(_)] if *saved == limit), "{actions:?}");
        assert_eq!(due(&p).boot, BootTime(secs(20 + left)));
    }
    assert_eq!(new().on(Event::Resume(running), after(300)), [Action::Finish(Outcome::Expired)]);
}

#[test]
fn a_start_while_a_pairing_runs_may_only_tighten_its_limit() {
    for before in [None, Some(60)] {
        let mut p = waiting(before);
        let limit = TimeLimit { since: at(1), left: secs(30) };
        assert_eq!(p.on(Event::Start { limit: Some(secs(30)) }, at(1)), [Action::SaveLimit(limit)]);
        for later in [Some(secs(30)), Some(secs(900)), None] {
            assert_eq!(p.on(Event::Start { limit: later }, at(2)), []);
        }
        assert!(p.code().is_some());
        assert_eq!(p.on(Event::Timer, at(30)).len(), 1, "only a poll");
        let (mut p, _) = start(before);
        assert_eq!(p.on(Event::Start { limit: Some(secs(30)) }, at(1)), [Action::SaveLimit(limit)]);
        assert_eq!(p.on(Event::Timer, at(31)), [Action::Finish(Outcome::Expired)]);
    }
}

#[test]
fn a_suspend_during_a_pairing_asks_about_the_old_code_and_shows_a_new_one() {
    let mut p = waiting(None);
    let morning = at(8 * 3600);
    let seq = polling(&p.on(Event::Timer, morning), 1);
    requesting(&p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), morning));
}

/// One random thing that happens; answers are to questions that were asked, unless they are made up.
fn event(open: &mut Vec<Action>, dice: &mut Jitter, n: &mut u32) -> Event {
    *n += 1;
    let error = |x: f64| match (x * 9.0) as u32 {
        0 => TokenError::SlowDown(None),
        1 => TokenError::AccessDenied,
        2 => TokenError::ExpiredToken,
        3 => TokenError::InvalidGrant(String::new()),
        4 => TokenError::ClientRejected(String::new()),
        5 => trouble(Cause::RateLimited, Some(4000)),
        6 => network(),
        _ => TokenError::AuthorizationPending,
    };
    let made_up = Seq((dice.unit() * 30.0) as u64);
    match (dice.unit() * 100.0) as u32 {
        0..40 if !open.is_empty() => {
            let question = open.remove((dice.unit() * open.len() as f64) as usize % open.len());
            let (good, x) = (dice.unit() < 0.4, dice.unit());
            match question {
                Action::RequestCode(seq) => Event::Code(seq, if good { Ok(auth(*n)) } else { Err(error(x)) }),
                Action::SaveCode(seq, ..) => {
                    Event::Saved(seq, if x < 0.9 { Ok(()) } else { Err(DiskError::Full) })
                }
                Action::Poll(seq, _) => {
                    Event::Polled(seq, if x < 0.05 { Ok(tokens()) } else { Err(error(dice.unit())) })
                }
                Action::CodeReady
                | Action::SaveLimit(_)
                | Action::SaveInterval(_)
                | Action::Grant(_)
                | Action::Discard(_)
                | Action::Finish(_) => Event::Timer,
            }
        }
        0..80 => Event::Timer,
        80..84 => Event::Cancel,
        84..88 => {
            let code = (dice.unit() < 0.5).then(|| CodeOnOffer { auth: auth(*n), obtained: at(1) });
            let limit = (dice.unit() < 0.3).then(|| TimeLimit { since: at(1), left: secs(40_000) });
            Event::Resume(Running { code, limit })
        }
        88..94 => Event::Start { limit: (dice.unit() < 0.3).then(|| secs((dice.unit() * 500.0) as u64)) },
        94..96 => Event::Code(made_up, Err(TokenError::ClientRejected(String::new()))),
        96..98 => Event::Saved(made_up, Err(DiskError::Full)),
        _ => Event::Polled(made_up, Err(TokenError::AccessDenied)),
    }
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# Before each new request, the client MUST wait at least the number of seconds specified by the "interval"
//# parameter
#[test]
fn whatever_happens_the_rules_hold_and_a_timer_gets_somewhere() {
    for seed in 0..16 {
        let mut dice = Jitter::new(seed);
        let mut p = Pairing::new(Jitter::new(seed));
        let (mut open, mut n, mut now, mut last_poll) = (Vec::new(), 0, at(1), None);
        for _ in 0..4000 {
            let step = match (dice.unit() * 10.0) as u32 {
                0..6 => p.deadline().map_or(secs(1), |at| at.since(now.boot)),
                6..9 => Duration::from_secs_f64(dice.unit() * 30.0),
                _ => secs(40_000),
            };
            now.boot = now.boot + step;
            now.wall = WallTime((dice.unit() * 4e9) as i64 - 1_000_000_000);
            let event = event(&mut open, &mut dice, &mut n);
            let timer = matches!(event, Event::Timer);
            let actions = p.on(event, now);
            for action in &actions {
                match action {
                    Action::Poll(_, code) => {
                        let interval = match &p.state {
                            State::Waiting { interval, .. } => *interval,
                            other => panic!("a poll in {other:?}"),
                        };
                        if let Some((before, other)) = last_poll.replace((now.boot, code.clone()))
                            && other == *code
                        {
                            assert!(now.boot.since(before) >= interval, "seed {seed}: polled too early");
                        }
                    }
                    Action::Finish(_) => {
                        assert!(!p.active());
                        open.clear();
                    }
                    Action::RequestCode(_)
                    | Action::SaveCode(..)
                    | Action::SaveLimit(_)
                    | Action::SaveInterval(_)
                    | Action::CodeReady
                    | Action::Grant(_)
                    | Action::Discard(_) => {}
                }
            }
            let asked =
                |a: &Action| matches!(a, Action::Poll(..) | Action::RequestCode(_) | Action::SaveCode(..));
            open.extend(actions.into_iter().filter(asked));
            assert!(open.len() <= 1, "seed {seed}: two questions at once: {open:?}");
            if timer {
                assert!(p.deadline().is_none_or(|at| at > now.boot), "seed {seed}: {p:?}");
            }
            assert_eq!(p.active(), p.deadline().is_some() || !open.is_empty(), "seed {seed}: stuck in {p:?}");
        }
    }
}

#[test]
fn late_answers_change_nothing() {
    for seed in 0..16 {
        let mut dice = Jitter::new(seed);
        let mut p = Pairing::new(Jitter::new(seed));
        let (mut open, mut n) = (Vec::new(), 0);
        for step in 0..1000 {
            let now = at(step * 3);
            let event = event(&mut open, &mut dice, &mut n);
            open.extend(p.on(event, now));
            let old = Seq(p.seq.0.saturating_sub(1));
            let before = format!("{p:?}");
            for late in [
                Event::Code(old, Ok(auth(9))),
                Event::Code(old, Err(TokenError::ClientRejected(String::new()))),
                Event::Saved(old, Ok(())),
                Event::Saved(old, Err(DiskError::Full)),
                Event::Polled(old, Err(TokenError::AccessDenied)),
                Event::Polled(old, Err(TokenError::ExpiredToken)),
            ] {
                assert_eq!(p.on(late, now), []);
            }
            assert_eq!(format!("{p:?}"), before);
        }
    }
}
