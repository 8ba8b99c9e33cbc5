use super::*;

const OFFLINE: RigCommand = RigCommand::Unpair(Asking::Nobody);

/// Unpaired, and the provider is in trouble.
fn unheard(b: &mut Bench) -> CommandId {
    let (id, _) = b.command(UNPAIR);
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    let actions = b.on(Event::Revoked(seq, Err(trouble(Cause::Provider))));
    assert!(matches!(actions[0], Action::Write(Change::NoteRevocation(..))), "{actions:?}");
    assert_eq!(b.ended(&actions, id), (Revocation::NotReached, "why".to_owned(), true));
    id
}

/// Until the next request leaves.
fn next_try(b: &mut Bench) -> Seq {
    b.due();
    let actions = b.on(Event::Timer);
    let [Action::Ask(Question::Revoke(seq, RevocationId(1)))] = actions[..] else { panic!("{actions:?}") };
    seq
}

fn whole(actions: &[Action]) -> &Ended {
    let [.., Action::Reply(Reply::Ended(_, ended))] = actions else { panic!("{actions:?}") };
    ended
}

#[test]
fn what_the_provider_did_not_hear_is_tried_again_until_it_has() {
    let mut b = Bench::paired();
    unheard(&mut b);
    assert_eq!(b.view().revocations_pending, 1);
    let seq = next_try(&mut b);
    let _ = b.on(Event::Revoked(seq, Err(network())));
    let seq = next_try(&mut b);
    let _ = b.on(Event::Revoked(seq, Ok(Revoked::Confirmed)));
    assert_eq!(b.on(Event::RevocationErased(RevocationId(1), Ok(()))), [], "nobody waits any more");
    assert_eq!((b.view().revocations_pending, b.rig.deadline()), (0, None));
}

#[test]
fn a_silent_provider_keeps_nobody_waiting_for_long() {
    let mut b = Bench::paired();
    let (id, _) = b.command(UNPAIR);
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    let before = b.now.boot;
    b.due();
    assert!(b.now.boot.since(before) <= secs(10));
    let actions = b.on(Event::Timer);
    assert_eq!(b.ended(&actions, id), (Revocation::NotReached, "no answer in time".to_owned(), true));
    let _ = b.on(Event::Revoked(seq, Ok(Revoked::Confirmed)));
    let _ = b.on(Event::RevocationErased(RevocationId(1), Ok(())));
    assert_eq!(b.view().revocations_pending, 0, "the answer counts when it comes");
}

#[test]
fn a_stop_says_how_it_stands() {
    let mut b = Bench::paired();
    let (id, _) = b.command(UNPAIR);
    b.asks(Event::TokensErased(id, Ok(())), 1);
    let actions = b.rig.stop();
    assert_eq!(b.ended(&actions, id), (Revocation::NotReached, "no answer in time".to_owned(), true));
}

#[test]
fn a_new_grant_is_not_taken_along_and_the_old_one_waits_for_its_end() {
    let mut b = Bench::paired();
    unheard(&mut b);
    b.grant(2);
    b.identified("two");
    b.after(2 * HOUR);
    let asks = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::Ask(Question::Revoke(..))));
    assert!(!asks(&b.on(Event::Timer)) && !asks(&b.on(Event::NetworkUp)));
    assert_eq!(b.shows().0, State::Paired);
    let (id, _) = b.command(UNPAIR);
    let seq = b.asks(Event::TokensErased(id, Ok(())), 2);
    let _ = b.on(Event::Revoked(seq, Ok(Revoked::Confirmed)));
    let actions = b.on(Event::RevocationErased(RevocationId(2), Ok(())));
    assert_eq!(b.ended(&actions, id).0, Revocation::Revoked);
    next_try(&mut b);
}

#[test]
fn unpairing_again_tries_again_and_says_what_came_of_it() {
    let mut b = Bench::paired();
    unheard(&mut b);
    let (id, actions) = b.command(UNPAIR);
    let [Action::Ask(Question::Revoke(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let _ = b.on(Event::Revoked(seq, Ok(Revoked::Confirmed)));
    let actions = b.on(Event::RevocationErased(RevocationId(1), Ok(())));
    assert_eq!(b.ended(&actions, id), (Revocation::Revoked, String::new(), false));
    let (id, actions) = b.command(UNPAIR);
    assert_eq!(b.ended(&actions, id), (Revocation::Nothing, String::new(), false));
}

#[test]
fn who_wants_nobody_asked_is_not_told_that_somebody_was() {
    let mut b = Bench::paired();
    let (id, actions) = b.command(OFFLINE);
    assert_eq!(actions, [Action::Write(Change::EraseTokens(id, Parting::default()))]);
    let actions = b.on(Event::TokensErased(id, Ok(())));
    assert_eq!(b.ended(&actions, id), (Revocation::NotAsked, String::new(), false));
    assert_eq!(whole(&actions).erased, [Erased::Tokens]);
    assert_eq!((b.view().revocations_pending, b.rig.deadline()), (0, None));
    let (id, actions) = b.command(OFFLINE);
    assert_eq!(b.ended(&actions, id).0, Revocation::Nothing);
}

#[test]
fn a_person_can_end_the_tries() {
    let mut b = Bench::paired();
    unheard(&mut b);
    let (id, actions) = b.command(OFFLINE);
    let parting = Parting { keep: None, gone: vec![RevocationId(1)] };
    assert_eq!(actions, [Action::Write(Change::EraseTokens(id, parting))]);
    let actions = b.on(Event::TokensErased(id, Ok(())));
    assert_eq!(b.ended(&actions, id).0, Revocation::NotAsked);
    assert_eq!(whole(&actions).erased, [Erased::Revocations]);
    assert_eq!((b.view().revocations_pending, b.rig.deadline()), (0, None));
}

#[test]
fn forgetting_says_that_the_secret_is_gone_only_when_it_is() {
    let confirmed = [Erased::Tokens, Erased::ClientSecret, Erased::Identity];
    let kept = [Erased::Tokens, Erased::Identity];
    for (answer, expected) in [(Ok(Revoked::Confirmed), &confirmed[..]), (Err(network()), &kept[..])] {
        let mut b = Bench::paired();
        let (id, _) = b.command(FORGET);
        let seq = b.asks(forgotten(id, "rig-8"), 1);
        let is_over = answer.is_ok();
        let mut actions = b.on(Event::Revoked(seq, answer));
        if is_over {
            actions = b.on(Event::RevocationErased(RevocationId(1), Ok(())));
        }
        assert_eq!(whole(&actions).erased, expected);
        assert_eq!(whole(&actions).at, b.now.wall);
    }
}

#[test]
fn two_who_end_the_same_grant_hear_the_same() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let (first, second) = (b.command(UNPAIR).0, b.command(FORGET).0);
    let _ = b.on(Event::Refreshed(seq, Err(network())));
    let _ = b.on(Event::TokensErased(first, Err(DiskError::Full)));
    let seq = b.asks(forgotten(second, "rig-8"), 1);
    let _ = b.on(Event::Revoked(seq, Ok(Revoked::Confirmed)));
    let actions = b.on(Event::RevocationErased(RevocationId(1), Ok(())));
    assert_eq!(b.ended(&actions, second).0, Revocation::Revoked);
}

#[test]
fn a_disk_that_erases_nothing_leaves_the_grant_and_nothing_to_revoke() {
    let mut b = Bench::paired();
    let (id, _) = b.command(UNPAIR);
    let actions = b.on(Event::TokensErased(id, Err(DiskError::Full)));
    assert!(actions.contains(&Action::Reply(Reply::Done(id, Err(Refusal::StorageFull)))));
    assert_eq!((b.shows().0, b.view().revocations_pending), (State::Paired, 0));
}

#[test]
fn what_was_kept_before_a_restart_is_tried_after_it() {
    let progress = Progress { tries: 2, spent: secs(60), noted: at(0) };
    let kept = Kept { id: RevocationId(1), ours: true, progress };
    let (mut b, actions) = Bench::load(Loaded { revocations: vec![kept], ..usable() });
    assert_eq!((actions, b.view().revocations_pending), (vec![], 1));
    let seq = next_try(&mut b);
    let actions = b.on(Event::Revoked(seq, Err(TokenError::Rejected("invalid_request".to_owned()))));
    let over = Over::Refused("invalid_request".to_owned());
    assert_eq!(actions, [Action::Write(Change::EraseRevocation(RevocationId(1), over))]);
}
