//! Codes: the first one, and those that replace it.
use super::*;

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

#[test]
fn a_suspend_during_a_pairing_asks_about_the_old_code_and_shows_a_new_one() {
    let mut p = waiting(None);
    let morning = at(8 * 3600);
    let seq = polling(&p.on(Event::Timer, morning), 1);
    requesting(&p.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)), morning));
}
