use super::*;
use crate::oauth::{Cause, Trouble};
use crate::time::BootId;

const HOUR: u64 = 3600;
const WEEK: u64 = 7 * 24 * HOUR;
const EPOCH: i64 = 1_790_000_000;

fn at(s: u64) -> Now {
    Now {
        boot_id: BootId(1),
        boot: BootTime(Duration::from_secs(s)),
        wall: WallTime(EPOCH + s.cast_signed()),
    }
}

fn trouble(retry_after: Option<Duration>) -> TokenError {
    let why = "HTTP 503".to_owned();
    TokenError::Transient(Trouble { cause: Cause::Provider, why, retry_after, maybe_applied: false })
}

fn down() -> Result<Revoked, TokenError> {
    Err(trouble(None))
}

fn told(revocation: Revocation, detail: &str, kept: bool) -> Told {
    Told { revocation, detail: detail.to_owned(), kept }
}

/// One that is on disk, and its request on the way.
fn asked(now: Now) -> (Revocations, RevocationId, Seq) {
    let mut all = Revocations::new(Jitter::new(1));
    let (id, gone) = all.keep(now);
    assert_eq!((gone, all.pending(), all.deadline(true)), (vec![], 0, None));
    let actions = all.saved(id, true, true, at(0));
    let [Action::Ask(seq, to)] = actions[..] else { panic!("{actions:?}") };
    assert_eq!((to, all.pending()), (id, 1));
    (all, id, seq)
}

fn asks(actions: &[Action]) -> Seq {
    let [Action::Ask(seq, _)] = actions else { panic!("{actions:?}") };
    *seq
}

fn due(all: &Revocations) -> Now {
    let boot = all.deadline(true).expect("something is due");
    at(boot.0.as_secs() + 1)
}

#[test]
fn what_is_not_on_disk_never_was() {
    let mut all = Revocations::new(Jitter::new(1));
    let (id, _) = all.keep(at(0));
    assert_eq!(all.saved(id, false, true, at(0)), []);
    assert_eq!((all.pending(), all.saved(id, true, true, at(0))), (0, vec![]));
}

#[test]
fn a_confirmation_is_told_once_nothing_is_left_of_it() {
    let (mut all, id, seq) = asked(at(0));
    let erase = Action::Erase(id, Over::Confirmed);
    assert_eq!(all.answered(seq, Ok(Revoked::Confirmed), at(1)), std::slice::from_ref(&erase));
    assert_eq!((all.pending(), all.deadline(true)), (1, None));
    let tell = Action::Tell(id, told(Revocation::Revoked, "", false));
    assert_eq!(
        all.erased(id, false, at(1)),
        std::slice::from_ref(&tell),
        "the disk does not change what the provider said"
    );
    assert_eq!(all.timer(true, due(&all)), [erase]);
    assert_eq!(all.erased(id, true, at(99)), [tell]);
    assert_eq!((all.pending(), all.deadline(true)), (0, None));
}

#[test]
fn each_answer_has_its_word() {
    let end = [
        (Ok(Revoked::NotOffered), Revocation::NotOffered, ""),
        (Err(TokenError::Rejected("invalid_request".into())), Revocation::Refused, "invalid_request"),
    ];
    for (answer, word, detail) in end {
        let (mut all, id, seq) = asked(at(0));
        assert!(matches!(all.answered(seq, answer, at(1))[..], [Action::Erase(..)]), "{word}");
        assert_eq!(all.erased(id, true, at(1)), [Action::Tell(id, told(word, detail, false))]);
    }
    let kept = [
        (trouble(None), Revocation::NotReached, "HTTP 503"),
        (TokenError::ClientRejected("invalid_client".into()), Revocation::Refused, "invalid_client"),
        (TokenError::SlowDown(None), Revocation::NotReached, "slow_down"),
        (TokenError::Unauthorized, Revocation::Refused, "not authorized"),
        (TokenError::AccessDenied, Revocation::Refused, "access_denied"),
        (TokenError::NotAllowed("unauthorized_client".into()), Revocation::Refused, "unauthorized_client"),
    ];
    for (answer, word, detail) in kept {
        let (mut all, id, seq) = asked(at(0));
        let progress = Progress { tries: 1, spent: Duration::from_secs(5), noted: at(5) };
        let expected =
            [Action::Note(id, progress, detail.to_owned()), Action::Tell(id, told(word, detail, true))];
        assert_eq!(all.answered(seq, Err(answer), at(5)), expected);
        assert_eq!(all.pending(), 1);
    }
}

//= https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1
//= type=test
//# If the server responds with HTTP status code 503, the client must assume the token still exists
#[test]
fn it_is_tried_again_after_half_a_minute_and_at_most_hourly() {
    let (mut all, _, mut seq) = asked(at(0));
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..12 {
        let _ = all.answered(seq, down(), now);
        let next = due(&all);
        waits.push(next.boot.since(now.boot).as_secs());
        now = next;
        seq = asks(&all.timer(true, now));
    }
    assert!((22..=31).contains(&waits[0]) && (44..=61).contains(&waits[1]), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= HOUR + 1) && waits[11] >= 45 * 60, "{waits:?}");
}

#[test]
fn the_provider_s_own_wait_is_kept_up_to_an_hour() {
    for (said, least, most) in [(600, 600, 601), (WEEK, HOUR, HOUR + 1)] {
        let (mut all, _, seq) = asked(at(0));
        let _ = all.answered(seq, Err(trouble(Some(Duration::from_secs(said)))), at(0));
        let wait = all.deadline(true).unwrap().0.as_secs();
        assert!((least..=most).contains(&wait), "{wait}");
    }
}

#[test]
fn after_a_week_it_is_given_up_with_a_last_try() {
    let (mut all, id, seq) = asked(at(0));
    let _ = all.answered(seq, down(), at(WEEK - 100));
    let seq = asks(&all.timer(true, at(WEEK)));
    assert_eq!(all.answered(seq, down(), at(WEEK)), [Action::Erase(id, Over::GivenUp("HTTP 503".into()))]);
}

#[test]
fn it_waits_while_a_grant_is_in_force_and_the_week_goes_on() {
    let (mut all, id, seq) = asked(at(0));
    let _ = all.answered(seq, down(), at(0));
    assert_eq!(all.deadline(false), Some(at(WEEK).boot), "nobody is woken for it");
    assert_eq!(all.timer(false, at(2 * HOUR)), []);
    let seq = asks(&all.timer(true, at(2 * HOUR)));
    let _ = all.answered(seq, down(), at(2 * HOUR));
    assert_eq!(all.timer(false, at(WEEK)), [Action::Erase(id, Over::GivenUp("HTTP 503".into()))]);
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let progress = Progress { tries: 4, spent: Duration::from_secs(WEEK - HOUR), noted: at(0) };
    let kept = |ours| Kept { id: RevocationId(3), ours, progress };
    let mut all = Revocations::new(Jitter::new(1));
    all.loaded(vec![kept(true)], at(60));
    let seq = asks(&all.timer(true, at(60)));
    let _ = all.answered(seq, down(), at(60));
    assert!(due(&all).boot.since(at(60).boot) >= Duration::from_secs(360), "the waits go on, too");
    assert_eq!(all.keep(at(60)).0, RevocationId(4));
    // Of another provider: nobody is asked.
    all.loaded(vec![kept(false)], at(60));
    assert_eq!(all.newest_now(), None);
    let over = HOUR + 60;
    assert_eq!((all.timer(true, at(over - 1)), all.deadline(true)), (vec![], Some(at(over).boot)));
    assert!(matches!(all.timer(true, at(over))[..], [Action::Erase(_, Over::GivenUp(_))]));
}

#[test]
fn a_clock_that_was_never_set_costs_no_week() {
    let next_boot = Now { boot_id: BootId(2), ..at(10) };
    let noted = Now { wall: WallTime(50), ..at(HOUR) };
    assert_eq!(passed(noted, next_boot), Duration::ZERO);
    assert_eq!(passed(at(0), Now { wall: WallTime(50), ..next_boot }), Duration::ZERO);
    assert_eq!(passed(at(0), next_boot), Duration::from_secs(10));
    // Even where it is over by the clock it is tried for an hour: the network comes up after the rig.
    let mut all = Revocations::new(Jitter::new(1));
    let progress = Progress { tries: 4, spent: Duration::from_secs(2 * WEEK), noted: at(0) };
    all.loaded(vec![Kept { id: RevocationId(1), ours: true, progress }], next_boot);
    let seq = asks(&all.timer(true, next_boot));
    assert!(matches!(all.answered(seq, down(), next_boot)[..], [Action::Note(..), Action::Tell(..)]));
    let last = Now { boot: next_boot.boot + LAST, ..next_boot };
    let seq = asks(&all.timer(true, last));
    assert!(matches!(all.answered(seq, down(), last)[..], [Action::Erase(_, Over::GivenUp(_))]));
}

#[test]
fn another_network_is_tried_at_once_and_makes_the_waits_short_again() {
    let (mut all, _, mut seq) = asked(at(0));
    for _ in 0..8 {
        let _ = all.answered(seq, down(), at(0));
        seq = asks(&all.timer(true, due(&all)));
    }
    let _ = all.answered(seq, down(), at(9 * HOUR));
    all.hurry(at(9 * HOUR + 1).boot);
    let seq = asks(&all.timer(true, at(9 * HOUR + 1)));
    let _ = all.answered(seq, down(), at(9 * HOUR + 1));
    assert!(all.deadline(true) <= Some(at(9 * HOUR + 122).boot));
}

#[test]
fn of_more_than_eight_the_oldest_goes() {
    let mut all = Revocations::new(Jitter::new(1));
    for n in 1..=8 {
        let (id, gone) = all.keep(at(n));
        assert_eq!(gone, []);
        let _ = all.saved(id, true, true, at(0));
    }
    let (id, gone) = all.keep(at(9));
    assert_eq!((gone.clone(), all.pending()), (vec![RevocationId(1)], 8), "until that is on disk");
    let _ = all.saved(id, true, true, at(0));
    all.gone(&gone);
    assert_eq!((all.pending(), all.stands(RevocationId(1)).kept), (8, false));
}

#[test]
fn who_asks_again_has_it_tried_now() {
    let (mut all, id, seq) = asked(at(0));
    assert_eq!(all.newest_now(), Some((id, vec![])), "on its way");
    let _ = all.answered(seq, down(), at(0));
    let (to, actions) = all.newest_now().unwrap();
    assert_eq!(to, id);
    let _ = all.answered(asks(&actions), Ok(Revoked::Confirmed), at(1));
    assert_eq!(all.newest_now(), None);
    assert_eq!(all.stands(id), told(Revocation::Revoked, "", false));
}

/// Random lives: nothing is asked while it may not be, no more than eight are kept, a timer always gets somewhere, and
/// everything ends.
#[test]
fn whatever_happens_each_one_ends() {
    for seed in 0..32 {
        let mut dice = Jitter::new(seed);
        let mut all = Revocations::new(Jitter::new(seed));
        let (mut now, mut may, mut asking) = (at(1), true, Vec::<Seq>::new());
        for step in 0..3000 {
            let quiet = step > 2000;
            let mut actions = Vec::new();
            match (dice.unit() * 12.0) as u32 {
                0 if !quiet && may => {
                    let (id, gone) = all.keep(now);
                    let on_disk = dice.unit() < 0.8;
                    actions = all.saved(id, on_disk, dice.unit() < 0.8, now);
                    if on_disk {
                        all.gone(&gone);
                    }
                }
                1 => may = !may,
                2 if !quiet && dice.unit() < 0.5 => all.hurry(now.boot),
                2 if !quiet => {
                    let under_way = asking.len();
                    actions = all.cut(now);
                    assert!(actions.len() <= under_way && !all.asking());
                    asking.clear();
                }
                3..7 if !asking.is_empty() => {
                    let seq = asking.swap_remove(0);
                    let answer = match (dice.unit() * 20.0) as u32 {
                        0 => Ok(Revoked::Confirmed),
                        1 => Err(TokenError::Rejected(String::new())),
                        2 => Err(TokenError::ClientRejected(String::new())),
                        _ => down(),
                    };
                    actions = all.answered(seq, answer, now);
                }
                _ => {
                    let next = all.deadline(may).unwrap_or(now.boot + Duration::from_secs(60));
                    now.boot = now.boot.max(next);
                    actions = all.timer(may, now);
                    assert!(all.deadline(may).is_none_or(|at| at > now.boot), "a timer that gets nowhere");
                    let asks = actions.iter().any(|action| matches!(action, Action::Ask(..)));
                    assert!(may || !asks, "a new grant might be taken along");
                }
            }
            for action in actions {
                match action {
                    Action::Ask(seq, _) => asking.push(seq),
                    Action::Erase(id, _) => {
                        let _ = all.erased(id, dice.unit() < 0.7, now);
                    }
                    Action::Note(_, progress, _) => assert!(progress.spent < PATIENCE),
                    Action::Tell(..) => {}
                }
            }
            assert!(all.pending() as usize <= MOST);
        }
        assert_eq!(all.pending(), 0, "seed {seed}");
    }
}
