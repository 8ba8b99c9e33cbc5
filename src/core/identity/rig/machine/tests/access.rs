//! Access tokens for other programs: who gets which, when, and what it costs.
use super::*;
use crate::oauth::{Binding, Thumbprint};

fn wish(min_validity: u64) -> AccessOptions {
    AccessOptions { min_validity: secs(min_validity), refused: None, dpop: false }
}

fn refused_token(n: u32) -> AccessOptions {
    AccessOptions { min_validity: secs(0), refused: Some(access(n)), dpop: false }
}

type Answer = Result<(AccessToken, BootTime), Refusal>;

impl Bench {
    fn wants(&mut self, options: AccessOptions) -> (AccessId, Vec<Action>) {
        self.commands += 1;
        let id = AccessId(self.commands);
        let actions = self.on(Event::Access(id, options));
        (id, actions)
    }

    /// A question that is answered at once, and its answer.
    fn asked(&mut self, options: AccessOptions) -> Answer {
        let (id, actions) = self.wants(options);
        reply(&actions, id).unwrap_or_else(|| panic!("no answer: {actions:?}"))
    }
}

/// The token of that number, fetched at `came`.
fn given(n: u32, came: BootTime) -> Answer {
    Ok((access(n), came + secs(8 * HOUR)))
}

/// When the grant of a paired bench came.
const CAME: BootTime = BootTime(Duration::from_millis(15_250));

/// The one reply among these actions.
fn reply(actions: &[Action], to: AccessId) -> Option<Answer> {
    actions.iter().find_map(|a| match a {
        Action::Reply(Reply::Access(id, answer)) if *id == to => Some(answer.clone()),
        _ => None,
    })
}

/// A refresh that somebody has caused, up to the request.
fn leaving(b: &mut Bench, actions: &[Action]) -> Seq {
    let [Action::Write(Change::MarkRefresh(seq))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::Marked(seq, Ok(())));
    let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
    seq
}

#[test]
fn the_token_in_force_is_given_out_with_its_end() {
    let mut b = Bench::paired();
    let (id, actions) = b.after(3600).wants(wish(0));
    assert_eq!(reply(&actions, id), Some(given(1, CAME)));
    assert_eq!(actions.len(), 1, "and costs nothing");
    let (id, actions) = b.wants(wish(7 * HOUR));
    assert_eq!(reply(&actions, id), Some(given(1, CAME)));
}

#[test]
fn all_who_need_a_longer_life_share_one_refresh_and_nobody_is_served_before_the_disk() {
    let mut b = Bench::paired();
    b.after(4 * HOUR);
    let (one, actions) = b.wants(wish(5 * HOUR));
    let seq = leaving(&mut b, &actions);
    let (two, more) = b.wants(wish(6 * HOUR));
    let (three, ready) = b.wants(wish(3600));
    assert_eq!(more, [], "no second refresh");
    assert_eq!(reply(&ready, three), Some(given(1, CAME)), "the old one still serves others");
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let (four, waits) = b.wants(wish(0));
    assert_eq!(waits, [], "on its way to the disk");
    let actions = b.on(Event::TokensSaved(seq, Ok(())));
    let fresh = given(2, b.now.boot);
    for id in [one, two, four] {
        assert_eq!(reply(&actions, id), Some(fresh.clone()), "{id:?}");
    }
}

#[test]
fn more_than_any_token_lives_is_refused_and_a_young_one_is_as_good_as_it_gets() {
    let mut b = Bench::paired();
    assert!(matches!(b.asked(wish(8 * HOUR + 1)), Err(Refusal::LimitsExceeded(_))));
    let (id, actions) = b.after(29).wants(wish(8 * HOUR));
    assert_eq!((reply(&actions, id), actions.len()), (Some(given(1, CAME)), 1));
    b.now.boot = CAME + secs(30);
    let (_, actions) = b.wants(wish(8 * HOUR));
    leaving(&mut b, &actions);
}

#[test]
fn a_refresh_that_fails_is_told_at_once_and_not_repeated_for_them() {
    let mut b = Bench::paired();
    b.after(9 * HOUR);
    // Its own refresh came due long ago and failed for want of a network.
    let actions = b.on(Event::Timer);
    let seq = leaving(&mut b, &actions);
    let (one, waits) = b.wants(wish(0));
    assert_eq!(waits, []);
    let actions = b.on(Event::Refreshed(seq, Err(network())));
    assert!(matches!(reply(&actions, one), Some(Err(Refusal::NetworkUnavailable(_)))), "{actions:?}");
    let (two, actions) = b.wants(wish(0));
    assert!(matches!(reply(&actions, two), Some(Err(Refusal::NetworkUnavailable(_)))), "{actions:?}");
    assert_eq!(actions.len(), 1, "it waits for its own time");
    b.due();
    assert!(matches!(b.on(Event::Timer)[..], [Action::Ask(Question::Refresh(..))]));
    assert_eq!(b.wants(wish(0)).1, [], "who asks while it is tried again hears what comes of that");
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
    let mut b = Bench::paired();
    let (id, actions) = b.after(6 * HOUR).wants(wish(5 * HOUR));
    leaving(&mut b, &actions);
    let asked = b.now.boot;
    b.due();
    let actions = b.on(Event::Timer);
    assert_eq!(reply(&actions, id), Some(Err(Refusal::RateLimited)));
    assert!(b.now.boot <= asked + secs(25), "within what a bus client waits");
}

#[test]
fn the_number_of_programs_that_wait_is_bounded() {
    let mut b = Bench::paired();
    let (_, actions) = b.after(4 * HOUR).wants(wish(5 * HOUR));
    leaving(&mut b, &actions);
    for _ in 1..64 {
        assert_eq!(b.wants(wish(5 * HOUR)).1, [], "it waits");
    }
    assert!(matches!(b.asked(wish(5 * HOUR)), Err(Refusal::LimitsExceeded(_))));
}

#[test]
fn a_refused_token_costs_a_refresh_at_most_and_never_the_grant() {
    let mut b = Bench::paired();
    assert_eq!(
        b.after(5).asked(refused_token(1)),
        Err(Refusal::RateLimited),
        "a newborn one is not to blame"
    );
    b.after(23);
    assert_eq!(b.on(Event::Timer), [], "it was answered once and for all");
    let (id, actions) = b.wants(refused_token(7));
    assert_eq!(reply(&actions, id), Some(given(1, CAME)), "it is not the one in force");
    let mut b = Bench::paired();
    let (id, actions) = b.after(60).wants(refused_token(1));
    let seq = leaving(&mut b, &actions);
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::TokensSaved(seq, Ok(())));
    assert_eq!(reply(&actions, id), Some(given(2, b.now.boot)));
    assert_eq!(b.after(31).asked(refused_token(2)), Err(Refusal::RateLimited), "each time the wait doubles");
    assert!(b.rig.life.granted());
}

/// Paired by a grant that brings nothing to renew it with.
fn one_hour_only() -> Bench {
    let mut b = Bench::unpaired();
    b.show_code();
    let seq = b.poll();
    let bare = TokenResponse { refresh_token: None, expires_in: Some(secs(HOUR)), ..response(1) };
    let actions = b.on(Event::Polled(seq, Ok(bare)));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    assert!(matches!(b.on(Event::TokensSaved(seq, Ok(())))[..], [Action::Ask(Question::Identify(..))]));
    b.identified("one");
    b
}

#[test]
fn what_can_t_be_renewed_is_said_when_it_runs_out_and_a_new_pairing_is_let_in() {
    let mut b = one_hour_only();
    assert_eq!(b.answer(START), Err(Refusal::AlreadyPaired));
    assert_eq!(b.asked(refused_token(1)), Err(Refusal::RanOut), "nor is a grant ended by a program's word");
    let view = b.rig.view(b.now);
    assert_eq!((view.state, view.reason), (State::Paired, Reason::None));
    let end = b.rig.deadline();
    assert_eq!(b.after(60).on(Event::Timer), []);
    assert_eq!(b.rig.deadline(), end, "an early timer is harmless");
    b.due();
    assert_eq!(b.on(Event::Timer), []);
    let view = b.rig.view(b.now);
    assert_eq!(
        (view.state, view.reason),
        (State::Paired, Reason::AccessExpired),
        "the server has not ended it"
    );
    assert_eq!(b.rig.deadline(), None, "and nothing wakes the board for it any more");
    assert_eq!(b.asked(wish(0)), Err(Refusal::RanOut));
    let (_, actions) = b.command(START);
    assert!(matches!(actions[..], [Action::Ask(Question::RequestCode(_))]), "{actions:?}");
}

#[test]
fn why_a_token_that_can_t_be_renewed_is_not_given_out() {
    let mut b = one_hour_only();
    assert!(
        matches!(b.after(1800).asked(wish(HOUR)), Err(Refusal::LimitsExceeded(_))),
        "not so long any more"
    );
    let later = Now { boot_id: BootId(2), ..at(9999) };
    let tokens = TokenSet { refresh: None, obtained: later, ..set(1) };
    let (mut b, _) = Bench::load(Loaded { tokens: Some((tokens, false)), ..usable() });
    assert!(matches!(b.asked(wish(0)), Err(Refusal::ClockUntrusted(_))), "it came later than now");
}

/// A rig whose tokens are bound to its key.
fn bound(access: bool) -> Bench {
    let binding = Some(Binding { key: Thumbprint("k".to_owned()), access });
    let tokens = TokenSet { binding, obtained: at(0), ..set(1) };
    Bench::load(Loaded { tokens: Some((tokens, false)), ..usable() }).0
}

#[test]
fn a_token_that_needs_a_proof_is_for_whoever_asks_for_proofs() {
    let with_proofs = AccessOptions { dpop: true, ..wish(0) };
    let mut b = bound(true);
    assert!(matches!(b.asked(wish(0)), Err(Refusal::NotSupported(why)) if why.contains("GetDPoPProof")));
    assert_eq!(b.asked(with_proofs.clone()).unwrap().0, access(1));
    assert_eq!(b.rig.bound_token(), Ok((&access(1), &Thumbprint("k".to_owned()))));
    // Of these only the refresh token may be bound.
    let mut b = bound(false);
    assert_eq!(b.asked(wish(0)).unwrap().0, access(1));
    assert!(matches!(b.rig.bound_token(), Err(Refusal::NotSupported(why)) if why.contains("Bearer")));
    assert_eq!(b.asked(with_proofs).unwrap().0, access(1));
    let none = Bench::unpaired();
    assert_eq!(none.rig.bound_token(), Err(Refusal::NotPaired));
}

#[test]
fn who_waits_for_a_token_that_turns_out_to_be_bound_is_told() {
    let mut b = bound(false);
    let (plain, actions) = b.after(6 * HOUR).wants(wish(5 * HOUR));
    let (with_proofs, _) = b.wants(AccessOptions { dpop: true, ..wish(5 * HOUR) });
    let seq = leaving(&mut b, &actions);
    let binding = Some(Binding { key: Thumbprint("k".to_owned()), access: true });
    let actions = b.on(Event::Refreshed(seq, Ok(TokenResponse { binding, ..response(2) })));
    let [Action::Write(Change::SaveTokens(seq, ref tokens))] = actions[..] else { panic!("{actions:?}") };
    assert!(tokens.access_key().is_some());
    let actions = b.on(Event::TokensSaved(seq, Ok(())));
    assert!(matches!(reply(&actions, plain), Some(Err(Refusal::NotSupported(_)))), "{actions:?}");
    assert_eq!(reply(&actions, with_proofs), Some(given(2, b.now.boot)));
}

#[test]
fn nobody_gets_anything_where_there_is_no_grant() {
    assert_eq!(Bench::unpaired().asked(wish(0)), Err(Refusal::NotPaired));
    let mut b = Bench::paired();
    let (id, actions) = b.after(6 * HOUR).wants(wish(5 * HOUR));
    let seq = leaving(&mut b, &actions);
    let actions = b.on(Event::Refreshed(seq, Err(refused())));
    assert_eq!(reply(&actions, id), Some(Err(Refusal::NotPaired)));
    let lost = Loaded { unusable: Some(DiskError::NoKey("no key".to_owned())), ..usable() };
    let (mut b, _) = Bench::load(lost);
    assert_eq!(b.asked(wish(0)), Err(Refusal::SecretUnavailable("no key".to_owned())));
}

#[test]
fn who_said_yes_stays_known_when_a_refresh_does_not_say_it_again() {
    let mut b = Bench::unpaired();
    let seq = b.grant(1);
    let named = DeviceInfo { authorized_by: "Jess".to_owned(), ..device("one") };
    let actions = b.on(Event::Identified(seq, Ok(named)));
    let [Action::Write(Change::SaveDevice(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let _ = b.on(Event::DeviceSaved(seq, Ok(())));
    let (_, actions) = b.after(6 * HOUR).wants(wish(5 * HOUR));
    let seq = leaving(&mut b, &actions);
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let _ = b.on(Event::TokensSaved(seq, Ok(())));
    let _ = b.on(Event::Identified(b.question, Ok(device("one"))));
    assert_eq!(b.rig.view(b.now).device.map(|d| d.authorized_by), Some("Jess".to_owned()));
    let nobody = AccessToken(Secret::new("a2"));
    assert_eq!(b.rig.life.access_token(), Some(&nobody));
}

#[test]
fn why_the_disk_keeps_no_tokens_is_told_to_programs_and_to_the_screen() {
    let no_key = || "the root key is gone".to_owned();
    for (e, refusal, detail) in [
        (DiskError::Full, Refusal::StorageFull, "there is no space left"),
        (DiskError::ReadOnly, Refusal::StorageFailed("it is read-only".to_owned()), "it is read-only"),
        (DiskError::NoKey(no_key()), Refusal::SecretUnavailable(no_key()), "the root key is gone"),
        (DiskError::Failed("EIO".to_owned()), Refusal::StorageFailed("EIO".to_owned()), "EIO"),
    ] {
        for marked in [false, true] {
            let mut b = Bench::paired();
            let (id, actions) = b.after(6 * HOUR).wants(wish(5 * HOUR));
            let actions = if marked {
                let seq = leaving(&mut b, &actions);
                let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
                let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
                b.on(Event::TokensSaved(seq, Err(e.clone())))
            } else {
                let [Action::Write(Change::MarkRefresh(seq))] = actions[..] else { panic!("{actions:?}") };
                b.on(Event::Marked(seq, Err(e.clone())))
            };
            assert_eq!(reply(&actions, id), Some(Err(refusal.clone())), "{e:?}, {marked}");
            let view = b.view();
            assert_eq!(
                (view.state, view.reason, view.detail.as_str()),
                (State::Paired, Reason::Storage, detail)
            );
        }
    }
}

#[test]
fn a_program_that_asks_while_the_grant_is_erased_is_answered_when_that_is_done() {
    let mut b = Bench::paired();
    let (unpair, _) = b.command(UNPAIR);
    let (id, actions) = b.wants(wish(0));
    assert_eq!(actions, [], "nobody knows yet");
    let actions = b.on(Event::TokensErased(unpair, Ok(())));
    assert_eq!(reply(&actions, id), Some(Err(Refusal::NotPaired)));
}
