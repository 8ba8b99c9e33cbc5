//! How a pairing ends, and how long it may last.
use super::*;

#[test]
fn a_start_without_a_limit_while_a_pairing_runs_changes_nothing() {
    let mut p = waiting(None);
    let before = format!("{p:?}");
    assert_eq!(p.on(Event::Start { limit: None }, at(1)), []);
    assert_eq!(p.on(Event::Resume(Running::default()), at(1)), []);
    assert_eq!(format!("{p:?}"), before);
}

#[test]
fn a_limit_that_is_no_sooner_than_the_one_before_is_not_written_again() {
    let mut p = waiting(Some(60));
    assert_eq!(p.on(Event::Start { limit: Some(secs(60)) }, at(0)), []);
    assert!(matches!(p.on(Event::Start { limit: Some(secs(59)) }, at(0))[..], [Action::SaveLimit(_)]));
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
