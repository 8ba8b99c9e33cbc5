//! Whatever happens, in any order.
use super::*;

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
