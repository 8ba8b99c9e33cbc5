//! Polls: when each leaves, and what its answer means.
use super::*;

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
