use super::*;

/// For an answer to a refresh, and then for one to the end.
const PATIENCE: Duration = Duration::from_secs(8);
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
    assert_eq!(b.ended(&actions, id), not_in_time());
    let _ = b.on(Event::Revoked(seq, Ok(Revoked::Confirmed)));
    let _ = b.on(Event::RevocationErased(RevocationId(1), Ok(())));
    assert_eq!(b.view().revocations_pending, 0, "the answer counts when it comes");
}

/// The answer to an end of which the provider has not heard in time.
fn not_in_time() -> (Revocation, String, bool) {
    (Revocation::NotReached, "no answer in time".to_owned(), true)
}

#[test]
fn a_refresh_that_is_not_answered_is_not_waited_for_and_what_it_brings_is_revoked_too() {
    for (forget, answer) in [(false, Ok(response(2))), (true, Ok(response(2))), (false, Err(network()))] {
        let mut b = Bench::paired();
        let refreshing = b.refresh_leaves();
        let asked = b.now.boot;
        let (id, actions) = b.command(if forget { FORGET } else { UNPAIR });
        assert_eq!(actions, [], "its answer may hold the only token that can be revoked");
        b.due();
        assert_eq!(b.now.boot.since(asked), PATIENCE);
        let actions = b.on(Event::Timer);
        let parting = keeps(1, Revocable::Refresh(refresh(1)), b.now);
        let (erase, erased) = match forget {
            true => (Change::Forget(id, parting), forgotten(id, "rig-8")),
            false => (Change::EraseTokens(id, parting), Event::TokensErased(id, Ok(()))),
        };
        assert_eq!(actions, [Action::Write(erase)], "the token that is known");
        let actions = b.on(erased);
        let (word, detail, kept) = b.ended(&actions, id);
        assert_eq!((actions.len(), word, kept), (1, Revocation::NotReached, true), "{actions:?}");
        assert!(detail.contains("not answered yet"), "{detail}");
        assert!(b.rig.busy() && b.shows().0 != State::Paired, "a stop waits for the answer");
        assert_eq!((b.view().revocations_pending, b.on(Event::NetworkUp)), (1, vec![]));
        let actions = b.on(Event::Refreshed(refreshing, answer.clone()));
        assert!(!b.rig.busy());
        if answer.is_ok() {
            let mut parting = keeps(2, Revocable::Refresh(refresh(2)), b.now);
            // A rig that was forgotten is somebody else by now.
            parting.keep.as_mut().unwrap().like = Some(RevocationId(1));
            assert_eq!(actions, [Action::Write(Change::KeepRevocation(parting))]);
            b.asks(Event::RevocationKept(RevocationId(2), vec![], Ok(())), 2);
        }
        next_try(&mut b);
        assert_eq!(b.view().revocations_pending, if answer.is_ok() { 2 } else { 1 });
    }
}

#[test]
fn the_answer_to_a_refresh_that_nobody_waited_for_counts_where_nothing_was_erased() {
    for before in [true, false] {
        let mut b = Bench::paired();
        let refreshing = b.refresh_leaves();
        let (id, _) = b.command(UNPAIR);
        b.due();
        assert!(matches!(b.on(Event::Timer)[..], [Action::Write(Change::EraseTokens(..))]));
        let mut actions = vec![];
        if before {
            assert_eq!(b.on(Event::Refreshed(refreshing, Ok(response(2)))), [], "not behind the erasure");
        }
        actions.extend(b.on(Event::TokensErased(id, Err(DiskError::Full))));
        if !before {
            actions = b.on(Event::Refreshed(refreshing, Ok(response(2))));
        }
        let saved = |a: &Action| matches!(a, Action::Write(Change::SaveTokens(_, set)) if *set == TokenSet { obtained: b.now, ..set.clone() });
        assert!(actions.iter().any(saved), "{actions:?}");
        assert_eq!(b.view().revocations_pending, 0);
    }
    // Where nobody is to be asked, nobody is.
    let mut b = Bench::paired();
    let refreshing = b.refresh_leaves();
    let (id, _) = b.command(OFFLINE);
    b.due();
    let _ = b.on(Event::Timer);
    let actions = b.on(Event::TokensErased(id, Ok(())));
    assert_eq!(b.ended(&actions, id).0, Revocation::NotAsked);
    assert_eq!(b.on(Event::Refreshed(refreshing, Ok(response(2)))), []);
    // An error that comes late changes nothing.
    let mut b = Bench::paired();
    let refreshing = b.refresh_leaves();
    let (id, _) = b.command(UNPAIR);
    b.due();
    let _ = b.on(Event::Timer);
    let _ = b.on(Event::Refreshed(refreshing, Err(network())));
    let _ = b.on(Event::TokensErased(id, Ok(())));
    assert!(!b.rig.busy());
    next_try(&mut b);
}

#[test]
fn a_slow_refresh_leaves_a_little_time_for_the_end() {
    let mut b = Bench::paired();
    let refreshing = b.refresh_leaves();
    let asked = b.now.boot;
    let (id, _) = b.command(UNPAIR);
    b.after(7);
    let actions = b.on(Event::Refreshed(refreshing, Err(network())));
    assert!(matches!(actions[..], [Action::Write(Change::EraseTokens(..))]), "{actions:?}");
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    b.after(1);
    let _ = b.on(Event::Revoked(seq, Ok(Revoked::Confirmed)));
    let actions = b.on(Event::RevocationErased(RevocationId(1), Ok(())));
    assert_eq!(b.ended(&actions, id).0, Revocation::Revoked);
    assert!(b.now.boot.since(asked) <= secs(10));
}

/// Unpaired, and the provider is asked. Answers with whoever waits, and the request.
fn revoking() -> (Bench, CommandId, Seq) {
    let mut b = Bench::paired();
    let (id, _) = b.command(UNPAIR);
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    (b, id, seq)
}

#[test]
fn a_pairing_waits_for_a_revocation_under_way() {
    for answer in [Ok(Revoked::Confirmed), Err(network())] {
        let (mut b, _, seq) = revoking();
        let (start, actions) = b.command(START);
        let (second, more) = b.command(RigCommand::Start { limit: Some(secs(60)) });
        assert_eq!((actions, more), (vec![], vec![]));
        assert_eq!(b.shows().0, State::Unpaired);
        let actions = b.on(Event::Revoked(seq, answer));
        let [.., Action::Ask(Question::RequestCode(seq)), Action::Write(Change::NotePairing(..))] =
            actions[..]
        else {
            panic!("{actions:?}")
        };
        let actions = b.on(Event::Code(seq, Ok(auth(1))));
        let [Action::Write(Change::SaveCode(seq, _, Some(limit)))] = actions[..] else {
            panic!("{actions:?}")
        };
        assert_eq!(limit.left, secs(60));
        let both = [start, second].map(|id| Action::Reply(Reply::Done(id, Ok(()))));
        assert_eq!(b.on(Event::CodeSaved(seq, Ok(()))), both);
    }
}

#[test]
fn a_pairing_that_waits_too_long_cuts_the_revocation_which_is_kept() {
    let (mut b, unpair, seq) = revoking();
    let asked = b.now.boot;
    let (start, _) = b.command(START);
    b.due();
    assert!(b.now.boot.since(asked) <= secs(5));
    let actions = b.on(Event::Timer);
    let [
        Action::Ask(Question::StopRevoking),
        Action::Reply(Reply::Ended(to, ref ended)),
        Action::Ask(Question::RequestCode(code)),
    ] = actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!((to, ended.revocation, ended.kept), (unpair, Revocation::NotReached, true));
    assert!(ended.detail.contains("a new pairing began"), "{}", ended.detail);
    assert_eq!(b.on(Event::Revoked(seq, Ok(Revoked::Confirmed))), [], "late news");
    assert_eq!(b.view().revocations_pending, 1);
    let actions = b.on(Event::Code(code, Ok(auth(1))));
    let [Action::Write(Change::SaveCode(seq, ..))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.on(Event::CodeSaved(seq, Ok(()))), [Action::Reply(Reply::Done(start, Ok(())))]);
    assert!(b.now.boot.since(asked) <= secs(25));
    let (_, actions) = b.command(RigCommand::Cancel);
    assert!(!actions.iter().any(|a| matches!(a, Action::Ask(_))), "{actions:?}");
    next_try(&mut b);
}

#[test]
fn a_pairing_that_waits_for_a_revocation_can_be_cancelled_and_is_answered_in_time() {
    let (mut b, ..) = revoking();
    let (start, _) = b.command(START);
    let (cancel, actions) = b.command(RigCommand::Cancel);
    let told = [
        Action::Reply(Reply::Done(start, Err(Refusal::Cancelled))),
        Action::Reply(Reply::Done(cancel, Ok(()))),
    ];
    assert_eq!(actions, told);

    let (mut b, ..) = revoking();
    let asked = b.now.boot;
    let (start, _) = b.command(START);
    let mut code = None;
    loop {
        let actions = match code.take() {
            Some(seq) => b.after(7).on(Event::Code(seq, Err(network()))),
            None => {
                b.due();
                b.on(Event::Timer)
            }
        };
        assert!(b.now.boot.since(asked) <= secs(25), "answered in time");
        for action in actions {
            match action {
                Action::Ask(Question::RequestCode(seq)) => code = Some(seq),
                Action::Reply(Reply::Done(to, Err(_))) if to == start => return,
                _ => {}
            }
        }
    }
}

#[test]
fn a_stop_says_how_it_stands() {
    let mut b = Bench::paired();
    let (id, _) = b.command(UNPAIR);
    b.asks(Event::TokensErased(id, Ok(())), 1);
    let actions = b.rig.stop();
    assert_eq!(b.ended(&actions, id), not_in_time());
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
