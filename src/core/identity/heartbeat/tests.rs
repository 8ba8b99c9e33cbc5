use super::*;
use crate::oauth::Trouble;
use crate::secret::Secret;

fn at(s: u64) -> Now {
    Now { boot: BootTime(Duration::from_secs(s)), ..Now::default() }
}

fn token() -> AccessToken {
    AccessToken(Secret::new("a1"))
}

fn heart(every: u64) -> Heartbeat {
    Heartbeat::new(Some(Duration::from_secs(every)), Jitter::new(1))
}

/// One that has just been heard and looked, at second 0.
fn beating(every: u64) -> Heartbeat {
    let mut heart = heart(every);
    heart.looked(false, at(0));
    assert_eq!(heart.heard(at(0)), []);
    heart
}

fn trouble(cause: Cause, maybe_applied: bool) -> TokenError {
    TokenError::Transient(Trouble { cause, why: String::new(), retry_after: None, maybe_applied })
}

/// The first whole second at which the beat may leave.
fn due(heart: &Heartbeat) -> u64 {
    heart.deadline().expect("a beat is due").0.as_secs_f64().ceil() as u64
}

/// Sends the beat that is due; when it left, and its number.
fn beat(heart: &mut Heartbeat) -> (u64, Seq) {
    let when = due(heart);
    match &heart.timer(Some(&token()), at(when))[..] {
        [Action::Beat(seq, t)] if *t == token() => (when, *seq),
        other => panic!("not one beat: {other:?}"),
    }
}

//= frameio-c2c#4.3
//= type=test
//# The cloud hears from the device at least every five minutes, and of heartbeats at most one a minute; parts
//# do not count.
#[test]
fn a_quiet_rig_beats_at_its_rate_and_looks_with_every_fifth() {
    let mut heart = beating(120);
    let mut looks = Vec::new();
    for n in 1..=20 {
        assert_eq!(heart.timer(Some(&token()), at(120 * n - 1)), [], "too early");
        let (when, seq) = beat(&mut heart);
        assert_eq!(when, 120 * n);
        assert_eq!(heart.deadline(), None, "one at a time, and nothing to wake up for");
        let actions = heart.answered(seq, Ok(()), at(when + 3));
        assert_eq!(actions[0], Action::Accepted(token()));
        if actions[1..] == [Action::Look] {
            looks.push(n);
            heart.looked(false, at(when + 4));
        }
    }
    assert_eq!(looks, [5, 10, 15, 20], "with no wake-up of its own");
}

#[test]
fn while_somebody_has_paused_the_rig_every_beat_looks() {
    let mut heart = beating(120);
    heart.looked(true, at(0));
    for _ in 0..5 {
        let (when, seq) = beat(&mut heart);
        assert_eq!(heart.answered(seq, Ok(()), at(when)), [Action::Accepted(token()), Action::Look]);
        heart.looked(true, at(when));
    }
}

#[test]
fn what_the_provider_accepts_counts_as_a_beat_and_carries_the_look() {
    let mut heart = beating(120);
    let mut looks = 0;
    for s in (50..3050).step_by(50) {
        assert_eq!(heart.timer(Some(&token()), at(s)), [], "no beat is due at {s}");
        if heart.heard(at(s)) == [Action::Look] {
            looks += 1;
            heart.looked(false, at(s));
        }
    }
    assert_eq!(looks, 5, "one in about ten minutes");
    assert_eq!(due(&heart), 3000 + 120);
}

//= frameio-c2c#4.3
//= type=test
//# The cloud hears from the device at least every five minutes, and of heartbeats at most one a minute; parts
//# do not count.
#[test]
fn trouble_is_tried_again_within_the_providers_bounds() {
    for (cause, shown) in [
        (Cause::Network, true),
        (Cause::CaptivePortal, true),
        (Cause::Clock, true),
        (Cause::Provider, false),
        (Cause::RateLimited, false),
    ] {
        let mut heart = beating(120);
        let (mut last, mut longest) = (0, 0);
        for _ in 0..50 {
            let (when, seq) = beat(&mut heart);
            assert!(when - last >= 60, "{cause:?}: at most once a minute");
            longest = longest.max(when - last);
            last = when;
            assert_eq!(heart.answered(seq, Err(trouble(cause, true)), at(when)), []);
            assert_eq!(heart.trouble(), shown.then_some(cause));
        }
        assert!((240..300).contains(&longest), "{cause:?}: at least every five minutes: {longest}");
        let (when, seq) = beat(&mut heart);
        let _ = heart.answered(seq, Ok(()), at(when));
        assert_eq!((heart.trouble(), due(&heart)), (None, when + 120), "{cause:?}");
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let mut heart = beating(60);
    let (when, seq) = beat(&mut heart);
    let retry_after = Some(Duration::from_secs(900));
    let busy = Trouble { cause: Cause::Provider, why: String::new(), retry_after, maybe_applied: true };
    let _ = heart.answered(seq, Err(TokenError::Transient(busy)), at(when));
    assert_eq!(due(&heart), when + 900);
}

#[test]
fn a_provider_that_refuses_beats_for_ever_is_left_in_peace() {
    for (answer, told) in
        [(TokenError::Unauthorized, true), (TokenError::Rejected("bad_request".to_owned()), false)]
    {
        let mut heart = beating(120);
        let mut sent = 0;
        while due(&heart) < 7 * 86_400 {
            let (when, seq) = beat(&mut heart);
            sent += 1;
            let actions = heart.answered(seq, Err(answer.clone()), at(when));
            assert_eq!(actions == [Action::Unauthorized(token())], told, "{answer}");
            assert!(due(&heart) >= when + 240, "{answer}: longer than its rate");
            // The refresh that may follow is accepted, and so is all the rest of the day's work.
            let _ = heart.heard(at(when + 1));
            assert_eq!(heart.trouble(), None);
        }
        assert!(sent < 60, "{answer}: {sent} beats in a week");
        let (when, seq) = beat(&mut heart);
        let _ = heart.answered(seq, Ok(()), at(when));
        assert_eq!(due(&heart), when + 120, "{answer}: and forgiven at once");
    }
}

#[test]
fn when_the_network_comes_up_a_beat_that_waits_for_it_is_tried_and_no_other() {
    let network = |c| c == Cause::Network;
    let moment = |s| BootTime(Duration::from_secs(s));
    let mut well = beating(120);
    well.hurry(moment(30), network);
    assert_eq!(due(&well), 120, "nothing was in its way");
    for (cause, maybe_applied, expected) in [
        (Cause::Network, false, 130),
        (Cause::Network, true, 180),
        (Cause::Clock, false, 180),
        (Cause::Provider, false, 180),
    ] {
        let mut heart = beating(120);
        let (when, seq) = beat(&mut heart);
        let _ = heart.answered(seq, Err(trouble(cause, maybe_applied)), at(when));
        assert!(due(&heart) >= 180);
        heart.hurry(moment(130), network);
        assert_eq!(due(&heart), expected, "{cause:?} {maybe_applied}");
    }
}

#[test]
fn without_a_grant_or_a_token_or_a_wish_nothing_beats() {
    let mut heart = beating(120);
    assert_eq!(heart.timer(None, at(120)), []);
    assert_eq!(heart.deadline(), None);
    let _ = heart.heard(at(130));
    let (when, seq) = beat(&mut heart);
    heart.stop();
    assert_eq!(heart.answered(seq, Ok(()), at(when)), [], "late news");
    assert_eq!((heart.deadline(), heart.trouble()), (None, None));

    let mut never = Heartbeat::new(None, Jitter::new(1));
    assert_eq!(never.heard(at(1)), []);
    assert_eq!(never.deadline(), None);
}

#[test]
fn a_new_grant_is_looked_at_at_once() {
    let mut heart = beating(120);
    heart.stop();
    assert_eq!(heart.heard(at(5)), [Action::Look]);
}

#[test]
fn while_clips_are_on_their_way_a_pause_is_looked_for_in_each_beat_s_time() {
    let mut heart = beating(120);
    let _ = heart.heard(at(0));
    heart.looked(false, at(0));
    heart.sends(true, at(10));
    let (mut looks, mut beats) = (Vec::new(), Vec::new());
    while due(&heart) < 1000 {
        let when = due(&heart);
        for action in heart.timer(Some(&token()), at(when)) {
            match action {
                Action::Look => looks.push(when),
                Action::Beat(seq, _) => {
                    beats.push(when);
                    let more = heart.answered(seq, Ok(()), at(when));
                    looks.extend(more.iter().filter(|action| **action == Action::Look).map(|_| when));
                }
                Action::Unauthorized(_) | Action::Accepted(_) => {}
            }
        }
        if looks.last() == Some(&when) {
            heart.looked(false, at(when));
        }
    }
    assert!(looks.windows(2).all(|pair| pair[1] - pair[0] == 120) && looks.len() >= 7, "{looks:?}");
    assert!(beats.windows(2).all(|pair| pair[1] - pair[0] >= 60), "{beats:?}");
    heart.sends(false, at(1000));
    assert!(due(&heart) >= beats.last().unwrap() + 120, "an idle rig wakes for its beats only");
}

#[test]
fn a_provider_that_refuses_beats_is_still_asked_for_a_pause_while_clips_are_on_their_way() {
    let mut heart = beating(120);
    for _ in 0..6 {
        let (when, seq) = beat(&mut heart);
        let _ = heart.answered(seq, Err(TokenError::Rejected("no".to_owned())), at(when));
    }
    let now = due(&heart) - 3600;
    heart.sends(true, at(now));
    let first = due(&heart);
    assert!(first <= now + 120, "{first}");
    assert_eq!(heart.timer(Some(&token()), at(first)), [Action::Look]);
    assert_eq!(due(&heart), first + 120);
}
