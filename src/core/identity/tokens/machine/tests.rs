#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it waits for")]
use super::*;
use crate::disk::DiskError;
use crate::oauth::{RefreshToken, Revocable};
use crate::secret::Secret;
use crate::time::{BootId, WallTime};

const HOUR: u64 = 3600;
const LIFE: u64 = 8 * HOUR;
/// The span in which a refresh of an 8 h token falls due.
const DUE: std::ops::RangeInclusive<u64> = 6 * LIFE / 10..=7 * LIFE / 10;

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn at(s: u64) -> Now {
    Now { boot_id: BootId(1), boot: BootTime(secs(s)), wall: WallTime(1_790_000_000 + s as i64) }
}

fn access(n: u32) -> AccessToken {
    AccessToken(Secret::new(format!("a{n}")))
}

fn refresh(n: u32) -> RefreshToken {
    RefreshToken(Secret::new(format!("r{n}")))
}

fn response(n: u32) -> TokenResponse {
    TokenResponse {
        access_token: access(n),
        refresh_token: Some(refresh(n)),
        expires_in: Some(secs(LIFE)),
        id_token: None,
        binding: None,
    }
}

fn set(n: u32, obtained: Now) -> TokenSet {
    TokenSet {
        access: access(n),
        refresh: Some(refresh(n)),
        obtained,
        expires_in: secs(LIFE),
        id_token: None,
        binding: None,
    }
}

fn trouble(cause: Cause, maybe_applied: bool) -> TokenError {
    TokenError::Transient(crate::oauth::Trouble {
        cause,
        why: "it did not work".to_owned(),
        retry_after: None,
        maybe_applied,
    })
}

/// A life with the first tokens on disk since second 0.
fn valid() -> TokenLife {
    let mut life = TokenLife::new(Jitter::new(1));
    let seq = saving(&life.on(Event::Granted(response(1)), at(0)));
    assert_eq!(life.on(Event::Saved(seq, Ok(())), at(0)), [Action::Ready]);
    life
}

/// The number of the one action, which must be a save.
fn saving(actions: &[Action]) -> Seq {
    match actions {
        [Action::SaveTokens(seq, _)] => *seq,
        other => panic!("not one save: {other:?}"),
    }
}

fn marking(actions: &[Action]) -> Seq {
    match actions {
        [Action::MarkRefresh(seq)] => *seq,
        other => panic!("not one mark: {other:?}"),
    }
}

fn refreshing(actions: &[Action], token: u32) -> Seq {
    match actions {
        [Action::Refresh(seq, t)] if t.token == refresh(token) => *seq,
        other => panic!("not one refresh with token {token}: {other:?}"),
    }
}

fn due(life: &TokenLife) -> u64 {
    life.deadline().expect("something is due").0.as_secs()
}

/// Lets the refresh that is due leave at its time.
fn leave(life: &mut TokenLife, token: u32) -> (Seq, u64) {
    let time = due(life) + 1;
    let mark = marking(&life.on(Event::Timer, at(time)));
    (refreshing(&life.on(Event::Marked(mark, Ok(())), at(time)), token), time)
}

#[test]
fn ready_is_said_only_after_the_tokens_are_on_disk() {
    let mut life = TokenLife::new(Jitter::new(1));
    let seq = saving(&life.on(Event::Granted(response(1)), at(0)));
    assert!(life.granted() && life.busy());
    assert_eq!(life.access_token(), None);
    assert_eq!(life.revocable(), Some(Revocable::Refresh(refresh(1))));
    assert_eq!(life.on(Event::Saved(seq, Ok(())), at(1)), [Action::Ready]);
    assert_eq!(life.access_token(), Some(&access(1)));
    assert!(!life.busy());
}

#[test]
fn a_refresh_falls_due_at_six_to_seven_tenths_of_the_life() {
    for seed in 0..100 {
        let mut life = TokenLife::new(Jitter::new(seed));
        let seq = saving(&life.on(Event::Granted(response(1)), at(0)));
        let _ = life.on(Event::Saved(seq, Ok(())), at(0));
        assert!(DUE.contains(&due(&life)), "seed {seed}: {}", due(&life));
        assert_eq!(life.on(Event::Timer, at(due(&life) - 1)), [], "an early timer is harmless");
    }
}

/// Lets tokens of this life follow each other; the waits in milliseconds between one and the next.
fn waits(life: &mut TokenLife, expires_in: Duration, n: usize) -> Vec<u128> {
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..n {
        let due = life.deadline().expect("something is due");
        waits.push(due.since(now.boot).as_millis());
        now.boot = due;
        let seq = marking(&life.on(Event::Timer, now));
        let actions = life.on(Event::Marked(seq, Ok(())), now);
        let [Action::Refresh(seq, _)] = actions[..] else { panic!("{actions:?}") };
        let new = TokenResponse { expires_in: Some(expires_in), ..response(1) };
        let seq = saving(&life.on(Event::Refreshed(seq, Ok(new)), now));
        assert_eq!(life.on(Event::Saved(seq, Ok(())), now), [Action::Ready]);
    }
    waits
}

#[test]
fn a_server_that_hands_out_lives_of_a_second_does_not_get_a_refresh_every_second() {
    let mut life = valid();
    let all = waits(&mut life, secs(1), 40);
    assert_eq!(all[1..=20], [1000; 20]);
    assert_eq!(all[21..26], [2000, 4000, 8000, 16_000, 30_000]);
    assert!(all[26..].iter().all(|wait| *wait == 30_000));
    waits(&mut life, secs(30), 1);
    assert_eq!(life.short_lives, 0, "half a minute is no short life");
    // The first token of a real life ends it, and so does a new grant.
    waits(&mut life, secs(LIFE), 1);
    assert!(waits(&mut life, secs(3), 20)[1..].iter().all(|wait| (1800..=2100).contains(wait)));
    let short = TokenResponse { expires_in: Some(secs(3)), ..response(1) };
    let seq = saving(&life.on(Event::Granted(short), at(0)));
    let _ = life.on(Event::Saved(seq, Ok(())), at(0));
    assert_eq!(life.short_lives, 1, "the first of another grant");
}

//= frameio-c2c#3.3
//= type=test
//# That a refresh is under way is on disk before it leaves, so that after a crash it is known why a token is
//# dead.
#[test]
fn the_mark_is_on_disk_before_the_refresh_leaves() {
    let mut life = valid();
    let time = due(&life) + 1;
    let mark = marking(&life.on(Event::Timer, at(time)));
    assert_eq!(life.on(Event::Timer, at(time)), []);
    assert_eq!(life.access_token(), Some(&access(1)), "the old token is in force meanwhile");
    refreshing(&life.on(Event::Marked(mark, Ok(())), at(time)), 1);
    assert_eq!(
        life.on(Event::Marked(mark, Ok(())), at(time)),
        [],
        "a repeated answer starts no second refresh"
    );
    assert_eq!(life.access_token(), Some(&access(1)));
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-6
//= type=test
//# the client MUST discard the old refresh token and replace it with the new refresh token
//= frameio-c2c#3.3
//= type=test
//# New tokens are on disk before one of them is used: both old ones are dead, and no answer comes twice.
#[test]
fn new_tokens_are_not_used_before_they_are_on_disk() {
    let mut life = valid();
    let (seq, time) = leave(&mut life, 1);
    let save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(time)));
    assert_eq!(life.access_token(), None);
    assert_eq!(life.tokens(), None);
    assert_eq!(life.revocable(), Some(Revocable::Refresh(refresh(2))), "the old one is spent");
    assert_eq!(life.on(Event::Saved(save, Ok(())), at(time)), [Action::Ready]);
    assert_eq!(life.access_token(), Some(&access(2)));
}

#[test]
fn a_full_disk_is_retried_with_the_new_tokens_and_nothing_is_offered_meanwhile() {
    let mut life = valid();
    let (seq, mut time) = leave(&mut life, 1);
    let mut save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(time)));
    for _ in 0..200 {
        assert_eq!(life.on(Event::Saved(save, Err(DiskError::Full)), at(time)), []);
        assert!(life.stuck_on_disk() && life.busy());
        assert_eq!(life.trouble(), Some(&Trouble::Storage(DiskError::Full)));
        assert_eq!(life.access_token(), None);
        assert!(due(&life) > time && due(&life) <= time + 60);
        time = due(&life) + 1;
        let actions = life.on(Event::Timer, at(time));
        let [Action::SaveTokens(seq, tokens)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!(tokens.refresh, Some(refresh(2)));
        assert_eq!(life.access_token(), None);
        save = *seq;
    }
    assert_eq!(life.on(Event::Saved(save, Ok(())), at(time)), [Action::Ready]);
    assert_eq!((life.access_token(), life.trouble()), (Some(&access(2)), None));
}

#[test]
fn no_refresh_leaves_while_the_disk_takes_no_mark() {
    let mut life = valid();
    for _ in 0..50 {
        let time = due(&life) + 1;
        let mark = marking(&life.on(Event::Timer, at(time)));
        assert_eq!(life.on(Event::Marked(mark, Err(DiskError::Full)), at(time)), []);
        assert_eq!(life.trouble(), Some(&Trouble::Storage(DiskError::Full)));
        assert_eq!(life.access_token(), Some(&access(1)), "the old token is still the one");
        assert!(due(&life) > time && due(&life) <= time + 60);
        assert!(!life.busy());
    }
    let (seq, time) = leave(&mut life, 1);
    let save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(time)));
    assert_eq!(life.on(Event::Saved(save, Ok(())), at(time)), [Action::Ready]);
}

#[test]
fn a_server_that_does_not_rotate_keeps_the_old_refresh_token() {
    let mut life = valid();
    let (seq, time) = leave(&mut life, 1);
    let answer = TokenResponse { refresh_token: None, expires_in: None, ..response(2) };
    let actions = life.on(Event::Refreshed(seq, Ok(answer)), at(time));
    let expected = TokenSet { refresh: Some(refresh(1)), ..set(2, at(time)) };
    assert!(matches!(&actions[..], [Action::SaveTokens(_, t)] if *t == expected), "{actions:?}");
}

#[test]
fn a_grant_without_a_life_or_a_refresh_token_is_taken_as_it_is() {
    let mut life = TokenLife::new(Jitter::new(1));
    let bare = TokenResponse {
        access_token: access(1),
        refresh_token: None,
        expires_in: None,
        id_token: None,
        binding: None,
    };
    let seq = saving(&life.on(Event::Granted(bare), at(0)));
    assert_eq!(life.on(Event::Saved(seq, Ok(())), at(0)), [Action::Ready]);
    assert_eq!(life.deadline(), None);
    assert!(!life.ran_out(at(30 * 366 * 86_400)), "nobody has said when: until the API says 401");
    assert_eq!(life.revocable(), Some(Revocable::Access(access(1))));
}

#[test]
fn a_grant_without_a_refresh_token_ends_by_a_401_never_by_a_clock() {
    let mut life = TokenLife::new(Jitter::new(1));
    let seq = saving(&life.on(Event::Granted(TokenResponse { refresh_token: None, ..response(1) }), at(0)));
    let _ = life.on(Event::Saved(seq, Ok(())), at(0));
    assert_eq!(life.deadline(), None);
    assert_eq!(life.on(Event::Timer, at(100 * LIFE)), []);
    assert_eq!(life.on(Event::Wanted, at(100 * LIFE)), [], "there is nothing to renew it with");
    assert_eq!(life.access_token(), Some(&access(1)));
    assert_eq!(life.on(Event::Unauthorized(access(1)), at(100 * LIFE)), [Action::End(Ending::Revoked)]);
}

//= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
//= type=test
//# A client compliant with [RFC6749] must be prepared to handle unexpected token invalidation at any time.
#[test]
fn only_the_answers_that_are_final_end_a_grant() {
    let refused = |w: &str| TokenError::InvalidGrant(w.to_owned());
    for (answer, ending) in [
        (refused("invalid_grant"), Ending::Revoked),
        (refused("invalid_request"), Ending::Revoked),
        (TokenError::Unauthorized, Ending::Revoked),
    ] {
        let mut life = valid();
        let (seq, time) = leave(&mut life, 1);
        let actions = life.on(Event::Refreshed(seq, Err(answer.clone())), at(time));
        assert_eq!(actions, [Action::End(ending)], "{answer:?}");
        assert_eq!((life.granted(), life.access_token(), life.deadline()), (false, None, None));
    }
    let every = [Cause::Network, Cause::CaptivePortal, Cause::Clock, Cause::Provider, Cause::RateLimited];
    let troubles = every.into_iter().flat_map(|c| [trouble(c, false), trouble(c, true)]);
    let others = [
        TokenError::ClientRejected("invalid_client".to_owned()),
        TokenError::NotAllowed("AADSTS53003".to_owned()),
        TokenError::SlowDown(None),
        TokenError::AuthorizationPending,
        TokenError::AccessDenied,
        TokenError::ExpiredToken,
        TokenError::Rejected("invalid_scope".to_owned()),
    ];
    for answer in troubles.chain(others) {
        let mut life = valid();
        for _ in 0..30 {
            let time = due(&life) + 1;
            let seq = match &life.on(Event::Timer, at(time))[..] {
                [Action::MarkRefresh(mark)] => {
                    refreshing(&life.on(Event::Marked(*mark, Ok(())), at(time)), 1)
                }
                [Action::Refresh(seq, _)] => *seq,
                other => panic!("{other:?}"),
            };
            assert_eq!(life.on(Event::Refreshed(seq, Err(answer.clone())), at(time)), [], "{answer:?}");
            assert!(life.trouble().is_some());
            assert_eq!(life.access_token(), Some(&access(1)));
            let most = if matches!(answer, TokenError::ClientRejected(_)) { 3600 } else { 600 };
            assert!(due(&life) > time && due(&life) <= time + most, "{answer:?}");
        }
    }
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept() {
    let mut life = valid();
    let (seq, time) = leave(&mut life, 1);
    let TokenError::Transient(mut t) = trouble(Cause::RateLimited, true) else { unreachable!() };
    t.retry_after = Some(secs(3000));
    let _ = life.on(Event::Refreshed(seq, Err(TokenError::Transient(t))), at(time));
    assert_eq!(due(&life), time + 3000);
}

#[test]
fn a_lost_answer_and_then_a_refusal_is_an_interrupted_refresh() {
    for (lost, ending) in [(true, Ending::InterruptedRefresh), (false, Ending::Revoked)] {
        let mut life = valid();
        let (seq, time) = leave(&mut life, 1);
        let _ = life.on(Event::Refreshed(seq, Err(trouble(Cause::Network, lost))), at(time));
        let time = due(&life) + 1;
        let seq = refreshing(&life.on(Event::Timer, at(time)), 1);
        let refused = TokenError::InvalidGrant("invalid_request".to_owned());
        assert_eq!(life.on(Event::Refreshed(seq, Err(refused)), at(time)), [Action::End(ending)]);
        assert_eq!(life.trouble(), None, "nothing is tried any more");
    }
}

#[test]
fn one_answer_that_may_have_been_lost_is_enough_whatever_came_before_and_after() {
    for (answers, ending) in [
        (&[][..], Ending::Revoked),
        (&[false], Ending::Revoked),
        (&[false, false], Ending::Revoked),
        (&[true], Ending::InterruptedRefresh),
        (&[true, false], Ending::InterruptedRefresh),
        (&[false, true], Ending::InterruptedRefresh),
        (&[true, true], Ending::InterruptedRefresh),
        (&[true, false, true], Ending::InterruptedRefresh),
        (&[false, true, false, false], Ending::InterruptedRefresh),
    ] {
        let mut life = valid();
        let (mut seq, mut time) = leave(&mut life, 1);
        for maybe_applied in answers {
            let lost = trouble(Cause::Network, *maybe_applied);
            assert_eq!(life.on(Event::Refreshed(seq, Err(lost)), at(time)), []);
            time = due(&life) + 1;
            seq = refreshing(&life.on(Event::Timer, at(time)), 1);
        }
        let refused = TokenError::InvalidGrant("invalid_grant".to_owned());
        let actions = life.on(Event::Refreshed(seq, Err(refused)), at(time));
        assert_eq!(actions, [Action::End(ending)], "{answers:?}");
    }
}

#[test]
fn a_lost_answer_that_was_made_good_is_forgotten() {
    let mut life = valid();
    let (seq, time) = leave(&mut life, 1);
    let _ = life.on(Event::Refreshed(seq, Err(trouble(Cause::Network, true))), at(time));
    let time = due(&life) + 1;
    let seq = refreshing(&life.on(Event::Timer, at(time)), 1);
    let save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(time)));
    let _ = life.on(Event::Saved(save, Ok(())), at(time));
    let (seq, time) = leave(&mut life, 2);
    let refused = TokenError::InvalidGrant("invalid_grant".to_owned());
    assert_eq!(life.on(Event::Refreshed(seq, Err(refused)), at(time)), [Action::End(Ending::Revoked)]);
}

#[test]
fn a_start_with_an_interrupted_mark_finds_out_at_once() {
    let mut life = TokenLife::new(Jitter::new(1));
    let seq = refreshing(&life.on(Event::Loaded(set(1, at(0)), true), at(10)), 1);
    assert!(life.busy());
    let refused = TokenError::InvalidGrant("invalid_request".to_owned());
    let actions = life.on(Event::Refreshed(seq, Err(refused)), at(11));
    assert_eq!(actions, [Action::End(Ending::InterruptedRefresh)]);

    let mut life = TokenLife::new(Jitter::new(1));
    let seq = refreshing(&life.on(Event::Loaded(set(1, at(0)), true), at(10)), 1);
    let save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(11)));
    assert_eq!(life.on(Event::Saved(save, Ok(())), at(12)), [Action::Ready]);
}

#[test]
fn a_restart_within_one_boot_keeps_the_refresh_where_it_was() {
    let mut life = TokenLife::new(Jitter::new(1));
    assert_eq!(life.on(Event::Loaded(set(1, at(0)), false), at(2 * HOUR)), [Action::Ready]);
    assert!(DUE.contains(&due(&life)));
    let stepped = Now { wall: WallTime(-5), ..at(2 * HOUR) };
    let mut life = TokenLife::new(Jitter::new(1));
    let _ = life.on(Event::Loaded(set(1, at(0)), false), stepped);
    assert!(DUE.contains(&due(&life)), "the wall clock does not matter within a boot");
}

#[test]
fn a_wall_clock_at_1970_means_refresh_now_and_nothing_worse() {
    let now = Now { boot_id: BootId(2), boot: BootTime(secs(20)), wall: WallTime(35) };
    let mut life = TokenLife::new(Jitter::new(1));
    assert_eq!(life.on(Event::Loaded(set(1, at(0)), false), now), [Action::Ready]);
    assert_eq!(life.access_token(), Some(&access(1)));
    assert_eq!(due(&life), 20);
    marking(&life.on(Event::Timer, now));
}

#[test]
fn wall_steps_of_ten_years_move_no_deadline_and_end_nothing() {
    let ten_years = 10 * 366 * 86_400;
    let mut life = valid();
    let mut n = 1;
    for step in 0..40 {
        let shift = if step % 2 == 0 { ten_years } else { -ten_years };
        let stepped = |s: u64| Now { wall: WallTime(1_790_000_000 + shift), ..at(s) };
        let time = due(&life) + 1;
        let mark = marking(&life.on(Event::Timer, stepped(time)));
        let seq = refreshing(&life.on(Event::Marked(mark, Ok(())), at(time)), n);
        n += 1;
        let save = saving(&life.on(Event::Refreshed(seq, Ok(response(n))), stepped(time)));
        assert_eq!(life.on(Event::Saved(save, Ok(())), at(time)), [Action::Ready]);
        assert!(DUE.contains(&(due(&life) - time)), "step {step}");
    }
}

#[test]
fn a_suspend_of_days_is_one_refresh() {
    let mut life = valid();
    let mark = marking(&life.on(Event::Timer, at(30 * 86_400)));
    let seq = refreshing(&life.on(Event::Marked(mark, Ok(())), at(30 * 86_400)), 1);
    let save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(30 * 86_400)));
    let _ = life.on(Event::Saved(save, Ok(())), at(30 * 86_400));
    assert_eq!(life.on(Event::Timer, at(30 * 86_400)), []);
    assert!(DUE.contains(&(due(&life) - 30 * 86_400)));
}

//= frameio-c2c#3.5
//= type=test
//# A 401 of the API: it is refreshed once, and asked again.
#[test]
fn ten_unauthorized_uploads_cause_one_refresh() {
    let mut life = valid();
    let mut all = Vec::new();
    for _ in 0..10 {
        all.extend(life.on(Event::Unauthorized(access(1)), at(1000)));
    }
    let seq = refreshing(&life.on(Event::Marked(marking(&all), Ok(())), at(1000)), 1);
    for _ in 0..10 {
        assert_eq!(life.on(Event::Unauthorized(access(1)), at(1001)), []);
    }
    let save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(1002)));
    assert_eq!(life.on(Event::Unauthorized(access(1)), at(1002)), []);
    let _ = life.on(Event::Saved(save, Ok(())), at(1002));
    assert_eq!(life.on(Event::Unauthorized(access(1)), at(5000)), [], "yesterday's token");
    assert!(DUE.contains(&(due(&life) - 1002)));
}

#[test]
fn a_401_for_a_newborn_token_refreshes_later() {
    let mut life = valid();
    assert_eq!(life.on(Event::Unauthorized(access(1)), at(3)), []);
    assert_eq!(due(&life), 30);
    assert_eq!(life.on(Event::Unauthorized(access(1)), at(20)), []);
    assert_eq!(due(&life), 30, "a second one does not move it");
    marking(&life.on(Event::Timer, at(30)));
}

/// Plays a provider that refreshes gladly and answers every call with 401, for a day. `accepts` is what it does with
/// the first call after each refresh.
fn storm(accepts: bool) -> Vec<u64> {
    let mut life = valid();
    let (mut n, mut time, mut refreshes) = (1, 0, Vec::new());
    while time < 86_400 {
        if accepts {
            assert_eq!(life.on(Event::Accepted(access(n)), at(time)), []);
        }
        let mut actions = life.on(Event::Unauthorized(access(n)), at(time));
        if actions.is_empty() {
            time = time.max(due(&life));
            actions = life.on(Event::Timer, at(time));
        }
        let seq = refreshing(&life.on(Event::Marked(marking(&actions), Ok(())), at(time)), n);
        n += 1;
        let save = saving(&life.on(Event::Refreshed(seq, Ok(response(n))), at(time)));
        let _ = life.on(Event::Saved(save, Ok(())), at(time));
        refreshes.push(time);
        time += 1;
    }
    refreshes
}

#[test]
fn a_server_that_answers_401_to_everything_costs_one_refresh_an_hour() {
    for accepts in [false, true] {
        let refreshes = storm(accepts);
        assert!((20..=34).contains(&refreshes.len()), "{accepts}: {}", refreshes.len());
        let late = refreshes.windows(2).filter(|w| w[0] > 2 * HOUR);
        assert!(late.into_iter().all(|w| w[1] - w[0] >= HOUR), "{refreshes:?}");
    }
}

#[test]
fn after_a_storm_a_token_that_proves_good_restores_the_short_wait() {
    let refreshed_by_401 = || {
        let mut life = valid();
        assert_eq!(life.on(Event::Unauthorized(access(1)), at(1)), []);
        let (seq, time) = leave(&mut life, 1);
        let save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(time)));
        assert_eq!(life.on(Event::Saved(save, Ok(())), at(time)), [Action::Ready]);
        (life, time)
    };
    let (mut life, time) = refreshed_by_401();
    let _ = life.on(Event::Accepted(access(2)), at(time + 10));
    assert_eq!(life.on(Event::Unauthorized(access(2)), at(time + 11)), []);
    assert_eq!(due(&life), time + 60, "accepted once, at once, proves nothing");

    let (mut life, time) = refreshed_by_401();
    let _ = life.on(Event::Accepted(access(2)), at(time + 61));
    marking(&life.on(Event::Unauthorized(access(2)), at(time + 62)));
    assert_eq!(life.storm, 1, "counted from zero");
}

/// Lets the refresh leave that these actions begin, and its tokens arrive.
fn renew(life: &mut TokenLife, actions: &[Action], time: u64) {
    let seq = match life.on(Event::Marked(marking(actions), Ok(())), at(time))[..] {
        [Action::Refresh(seq, _)] => seq,
        ref other => panic!("{other:?}"),
    };
    let save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(time)));
    assert_eq!(life.on(Event::Saved(save, Ok(())), at(time)), [Action::Ready]);
}

#[test]
fn what_a_refused_token_costs_the_next_one_table() {
    // When the first token is refused; how long the second, refused at once, is kept.
    for (name, refused, kept) in [
        ("never: it lived out its time", &[][..], 30),
        ("once, newborn", &[3], 60),
        ("again and again: it counts once", &[3, 4, 20], 60),
        ("when it was old enough", &[40], 60),
    ] {
        let mut life = valid();
        let mut actions = Vec::new();
        for time in refused {
            actions = life.on(Event::Unauthorized(access(1)), at(*time));
        }
        let mut time = refused.last().copied().unwrap_or_default();
        if actions.is_empty() {
            time = due(&life) + 1;
            actions = life.on(Event::Timer, at(time));
        }
        renew(&mut life, &actions, time);
        assert_eq!(life.on(Event::Unauthorized(access(2)), at(time + 1)), [], "{name}");
        assert_eq!(due(&life) - time, kept, "{name}");
    }
    // A storm is over when a token lives out its time without a word against it.
    let mut life = valid();
    let _ = life.on(Event::Unauthorized(access(1)), at(3));
    let mut time = 0;
    for _ in 0..2 {
        time = due(&life) + 1;
        let actions = life.on(Event::Timer, at(time));
        renew(&mut life, &actions, time);
    }
    assert_eq!(life.on(Event::Unauthorized(access(2)), at(time + 1)), []);
    assert_eq!(due(&life) - time, 30);
}

#[test]
fn a_late_refusal_of_the_old_grant_spares_the_new_one() {
    let mut life = valid();
    let (old, time) = leave(&mut life, 1);
    let save = saving(&life.on(Event::Granted(response(5)), at(time)));
    let refused = || TokenError::InvalidGrant("invalid_grant".to_owned());
    assert_eq!(life.on(Event::Refreshed(old, Err(refused())), at(time)), []);
    assert_eq!(life.on(Event::Saved(save, Ok(())), at(time)), [Action::Ready]);
    assert_eq!(life.on(Event::Refreshed(old, Err(refused())), at(time)), []);
    assert_eq!(life.access_token(), Some(&access(5)));
}

#[test]
fn a_rejected_client_keeps_its_tokens_and_is_tried_again_hourly_at_a_start_and_with_a_new_secret() {
    let rejected = || TokenError::ClientRejected("invalid_client".to_owned());
    let mut life = valid();
    let (seq, mut time) = leave(&mut life, 1);
    assert_eq!(life.on(Event::Refreshed(seq, Err(rejected())), at(time)), []);
    assert_eq!((life.ending(), life.access_token()), (None, Some(&access(1))), "the server judges that one");
    assert_eq!(life.trouble(), Some(&Trouble::Client("invalid_client".to_owned())));
    assert_eq!(life.revocable(), Some(Revocable::Refresh(refresh(1))));
    let mut waits = Vec::new();
    for _ in 0..12 {
        waits.push(due(&life) - time);
        time = due(&life) + 1;
        let seq = refreshing(&life.on(Event::Timer, at(time)), 1);
        assert_eq!(life.on(Event::Refreshed(seq, Err(rejected())), at(time)), []);
    }
    assert!(waits[0] <= 60 && waits.iter().all(|wait| *wait <= 3601), "{waits:?}");
    assert!(waits[11] > 1800, "hourly in the end: {waits:?}");
    let seq = refreshing(&life.on(Event::NewSecret, at(time + 9)), 1);
    let save = saving(&life.on(Event::Refreshed(seq, Ok(response(2))), at(time + 9)));
    assert_eq!(life.on(Event::Saved(save, Ok(())), at(time + 9)), [Action::Ready]);
    assert_eq!(life.trouble(), None);
    // An earlier version has taken it for an end.
    let mut life = TokenLife::new(Jitter::new(1));
    let kept = set(1, at(0));
    let mark = marking(&life.on(Event::Ended(Ending::ClientRejected, Some(kept)), at(1)));
    refreshing(&life.on(Event::Marked(mark, Ok(())), at(1)), 1);
}

#[test]
fn only_a_new_grant_revives_what_was_revoked() {
    for ending in [Ending::Revoked, Ending::InterruptedRefresh, Ending::Unreadable] {
        let mut life = TokenLife::new(Jitter::new(1));
        let _ = life.on(Event::Ended(ending, None), at(0));
        for event in [
            Event::Timer,
            Event::NewSecret,
            Event::Unauthorized(access(1)),
            Event::Accepted(access(1)),
            Event::Marked(Seq(1), Ok(())),
            Event::Saved(Seq(1), Ok(())),
            Event::Refreshed(Seq(1), Ok(response(1))),
        ] {
            assert_eq!(life.on(event, at(5)), []);
            assert_eq!(life.ending(), Some(ending));
        }
        saving(&life.on(Event::Granted(response(2)), at(9)));
        assert!(life.granted());
    }
}

#[test]
fn erased_tokens_leave_nothing_behind() {
    let mut life = valid();
    let (seq, time) = leave(&mut life, 1);
    assert_eq!(life.on(Event::Erased, at(time)), []);
    assert_eq!(life.on(Event::Refreshed(seq, Ok(response(2))), at(time)), []);
    assert!(!life.granted() && life.revocable().is_none() && life.deadline().is_none());
}

/// What a walk knows of the world outside the machine.
#[derive(Default)]
struct World {
    now: Now,
    /// Questions without an answer; the newest may still count.
    open: Vec<Action>,
    /// Access tokens that the disk has had.
    saved: Vec<AccessToken>,
    marked: bool,
    issued: u32,
    /// An answer to a refresh may have been lost since tokens were last saved.
    lost: bool,
    /// Tokens that were refused while they were in use, since one last proved good.
    refused: Vec<AccessToken>,
    endings: Vec<Ending>,
}

impl World {
    fn answer(&mut self, dice: &mut Jitter) -> Option<Event> {
        let n = self.open.len();
        if n == 0 {
            return None;
        }
        let question = self.open.remove((dice.unit() * n as f64) as usize % n);
        let good = dice.unit() < if matches!(question, Action::Refresh(..)) { 0.3 } else { 0.6 };
        let written = if good { Ok(()) } else { Err(DiskError::Full) };
        Some(match question {
            Action::MarkRefresh(seq) => Event::Marked(seq, written),
            Action::SaveTokens(seq, _) => Event::Saved(seq, written),
            Action::Refresh(seq, _) if good => {
                self.issued += 1;
                Event::Refreshed(seq, Ok(response(self.issued)))
            }
            Action::Refresh(seq, _) => Event::Refreshed(
                seq,
                Err(match (dice.unit() * 10.0) as u32 {
                    0..3 => TokenError::InvalidGrant(String::new()),
                    3 => TokenError::ClientRejected(String::new()),
                    4 => TokenError::Rejected(String::new()),
                    5 => TokenError::SlowDown(None),
                    n => trouble(Cause::Network, n % 2 == 0),
                }),
            ),
            Action::Ready | Action::End(_) => return None,
        })
    }

    fn event(&mut self, life: &TokenLife, dice: &mut Jitter) -> Event {
        let past = AccessToken(Secret::new(format!("a{}", (dice.unit() * 5.0) as u32)));
        let used = life.access_token().filter(|_| dice.unit() < 0.7).cloned().unwrap_or(past);
        match (dice.unit() * 100.0) as u32 {
            0..40 => self.answer(dice).unwrap_or(Event::Timer),
            40..75 => Event::Timer,
            75..85 => Event::Unauthorized(used),
            85..90 => Event::Accepted(used),
            90..93 => Event::Refreshed(Seq(dice.unit().to_bits() % 50), Ok(response(9999))),
            93..96 => Event::NewSecret,
            96..97 => Event::Erased,
            97..98 => Event::Ended(Ending::ClientRejected, None),
            _ => {
                self.issued += 1;
                Event::Granted(response(self.issued))
            }
        }
    }

    /// What follows from this event for what the machine must remember.
    fn note(&mut self, life: &TokenLife, event: &Event) {
        match (event, &life.state) {
            (Event::Refreshed(s, Err(TokenError::Transient(t))), State::Refreshing { seq, .. })
                if s == seq =>
            {
                self.lost |= t.maybe_applied;
            }
            (Event::Saved(s, Ok(())), State::Saving { seq, .. }) if s == seq => self.lost = false,
            (Event::Granted(_) | Event::Erased, _) => self.lost = false,
            (Event::Unauthorized(used), State::Valid { tokens, .. })
                if *used == tokens.access && !self.refused.contains(used) =>
            {
                self.refused.push(used.clone());
            }
            _ => {}
        }
    }

    /// How a grant ended, and how patient the machine is, against what has really happened.
    fn remembered(
        &mut self,
        before: Option<&AccessToken>,
        life: &TokenLife,
        actions: &[Action],
        timer: bool,
    ) {
        for action in actions {
            let Action::End(ending) = action else { continue };
            let told = if self.lost { Ending::InterruptedRefresh } else { Ending::Revoked };
            assert_eq!(*ending, told, "lost: {}", self.lost);
            self.endings.push(*ending);
        }
        if let (true, Some(before), State::Marking { .. }) = (timer, before, &life.state) {
            let blamed = self.refused.contains(before);
            assert_eq!(life.storm > 0, blamed, "forgiven only by a token that nobody refused");
        }
        if life.storm == 0 {
            self.refused.clear();
        }
        assert!(
            life.storm as usize <= self.refused.len(),
            "a token counts once, however often it is refused"
        );
    }

    fn advance(&mut self, life: &TokenLife, dice: &mut Jitter) {
        let step = match (dice.unit() * 10.0) as u32 {
            0..5 => life.deadline().map_or(secs(1), |at| at.since(self.now.boot)),
            5..9 => Duration::from_secs_f64(dice.unit() * 100.0),
            _ => secs(30 * 86_400),
        };
        self.now.boot = self.now.boot + step;
        self.now.wall = WallTime((dice.unit() * 4e9) as i64 - 1_000_000_000);
    }

    /// What the machine asked for, against what it was allowed to.
    fn check(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Refresh(..) => {
                    assert!(self.marked, "a refresh without its mark");
                    let others = self.open.iter().filter(|a| matches!(a, Action::Refresh(..)));
                    assert_eq!(others.count(), 0, "two refreshes in flight");
                }
                Action::End(_) => {}
                Action::MarkRefresh(_) | Action::SaveTokens(..) | Action::Ready => {}
            }
            self.open.push(action.clone());
        }
    }
}

#[test]
fn whatever_happens_the_rules_hold_and_a_timer_gets_somewhere() {
    let mut endings = Vec::new();
    for seed in 0..16 {
        let mut dice = Jitter::new(seed);
        let mut life = TokenLife::new(Jitter::new(seed));
        let mut world = World::default();
        for _ in 0..4000 {
            world.advance(&life, &mut dice);
            let event = world.event(&life, &mut dice);
            let fresh_start = matches!(event, Event::Granted(_) | Event::Erased | Event::Ended(..));
            let timer = matches!(event, Event::Timer);
            let revives = matches!(event, Event::Granted(_) | Event::Ended(..));
            match &event {
                Event::Marked(seq, Ok(())) => world.marked |= *seq == life.seq,
                Event::Saved(seq, Ok(())) if *seq == life.seq => {
                    let Some(Revocable::Refresh(token)) = life.revocable() else {
                        panic!("nothing was saved")
                    };
                    world.saved.push(AccessToken(Secret::new(token.expose().replace('r', "a"))));
                    world.marked = false;
                }
                _ if fresh_start => (world.open, world.marked) = (Vec::new(), false),
                _ => {}
            }
            let ended = life.ending().is_some();
            world.note(&life, &event);
            let before = match &life.state {
                State::Valid { tokens, .. } => Some(tokens.access.clone()),
                _ => None,
            };
            let actions = life.on(event, world.now);
            world.check(&actions);
            world.remembered(before.as_ref(), &life, &actions, timer);
            assert!(!(ended && life.granted() && !revives), "revived by something else");
            if let Some(token) = life.access_token() {
                assert_eq!(Some(token), world.saved.last(), "offered before it was on disk");
            }
            if timer {
                assert!(life.deadline().is_none_or(|at| at > world.now.boot), "seed {seed}: {life:?}");
            }
        }
        endings.append(&mut world.endings);
    }
    let seen = |ending| endings.iter().filter(|e| **e == ending).count();
    let seen = [Ending::Revoked, Ending::InterruptedRefresh].map(seen);
    assert!(seen.iter().all(|n| *n > 30), "it went everywhere: {seen:?}");
}

#[test]
fn late_answers_change_nothing() {
    for seed in 0..16 {
        let mut dice = Jitter::new(seed);
        let mut life = valid();
        let mut world = World { now: at(1), issued: 1, ..World::default() };
        for _ in 0..1000 {
            world.advance(&life, &mut dice);
            let event = world.event(&life, &mut dice);
            let actions = life.on(event, world.now);
            world.open.extend(actions);
            let old = Seq(life.seq.0.saturating_sub(1 + dice.unit().to_bits() % 5));
            let before = format!("{life:?}");
            for late in [
                Event::Marked(old, Ok(())),
                Event::Marked(old, Err(DiskError::Full)),
                Event::Saved(old, Ok(())),
                Event::Saved(old, Err(DiskError::Full)),
                Event::Refreshed(old, Ok(response(77))),
                Event::Refreshed(old, Err(TokenError::InvalidGrant(String::new()))),
            ] {
                assert_eq!(life.on(late, world.now), []);
            }
            assert_eq!(format!("{life:?}"), before);
        }
    }
}
