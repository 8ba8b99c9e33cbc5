//! From a start to a project on the screen.
use super::*;

#[test]
fn from_a_start_to_a_project_on_the_screen() {
    let mut b = Bench::unpaired();
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));
    b.show_code();
    let view = b.view();
    assert_eq!(view.state, State::WaitingForUser);
    assert_eq!(view.user_code, Some(auth(1).user_code));
    assert_eq!(view.verification_uri.as_deref(), Some("https://example.com/pair"));
    assert_eq!(view.code_expires_at, Some(BootTime(secs(130))));
    assert_eq!(view.device_name, "Rig 7");
    let seq = b.poll();
    let actions = b.on(Event::Polled(seq, Ok(response(1))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.view().state, State::WaitingForUser, "not paired before the disk says so");
    assert_eq!(b.view().user_code, None);
    assert!(b.view().tokens_at_risk && b.rig.access().is_none());
    assert_eq!(b.on(Event::TokensSaved(seq, Ok(()))).len(), 1);
    assert_eq!(b.shows(), (State::Paired, Reason::None));
    assert!(b.rig.access().is_none(), "the project is not known yet");
    b.identified("one");
    assert_eq!(b.rig.access(), Some((&access(1), &device("one"))));
    let view = b.view();
    assert_eq!(view.refreshed_at, Some(b.now.wall));
    assert_eq!(view.access_expires_at, Some(b.now.boot + secs(8 * HOUR)));
    assert!(view.online && !view.tokens_at_risk);
}

#[test]
fn a_second_start_joins_the_first_and_both_are_answered() {
    let mut b = Bench::unpaired();
    let (one, actions) = b.command(START);
    let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
    let (two, actions) = b.command(START);
    assert_eq!(actions, []);
    let actions = b.on(Event::Code(seq, Ok(auth(1))));
    let [Action::Write(Change::SaveCode(seq, ..))] = actions[..] else { panic!("{actions:?}") };
    let both = [Action::Reply(Reply::Done(one, Ok(()))), Action::Reply(Reply::Done(two, Ok(())))];
    assert_eq!(b.on(Event::CodeSaved(seq, Ok(()))), both);
    assert_eq!(b.answer(START), Ok(()), "and who comes later gets the code that is there");

    let mut b = Bench::unpaired();
    let (one, actions) = b.command(START);
    let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
    let (two, _) = b.command(START);
    let both = [
        Action::Write(Change::ErasePairing),
        Action::Reply(Reply::Done(one, Err(Refusal::ClientRejected(String::new())))),
        Action::Reply(Reply::Done(two, Err(Refusal::ClientRejected(String::new())))),
    ];
    assert_eq!(b.on(Event::Code(seq, Err(TokenError::ClientRejected(String::new())))), both);
    assert_eq!(b.shows(), (State::Unpaired, Reason::ClientRejected));
}

#[test]
fn every_failure_of_a_first_code_has_its_name_and_reason() {
    let why = || "why".to_owned();
    for (error, refusal, reason) in [
        (network(), Refusal::NetworkUnavailable(why()), Reason::Network),
        (trouble(Cause::Certificate), Refusal::Certificate(why()), Reason::Certificate),
        (trouble(Cause::Proxy), Refusal::Proxy(why()), Reason::Proxy),
        (trouble(Cause::CaptivePortal), Refusal::CaptivePortal(why()), Reason::CaptivePortal),
        (trouble(Cause::Clock), Refusal::ClockUntrusted(why()), Reason::Clock),
        (trouble(Cause::Provider), Refusal::ProviderError(why()), Reason::Provider),
        (trouble(Cause::RateLimited), Refusal::RateLimited, Reason::Provider),
        (TokenError::SlowDown(None), Refusal::RateLimited, Reason::Provider),
        (
            TokenError::ClientRejected(String::new()),
            Refusal::ClientRejected(String::new()),
            Reason::ClientRejected,
        ),
        (
            TokenError::NotAllowed("unauthorized_client".into()),
            Refusal::SignInBlocked("unauthorized_client".into()),
            Reason::SignInBlocked,
        ),
        (
            TokenError::Rejected("bad_request".into()),
            Refusal::Configuration("bad_request".into()),
            Reason::Configuration,
        ),
    ] {
        let mut b = Bench::unpaired();
        let (id, mut actions) = b.command(START);
        while let [Action::Ask(Question::RequestCode(seq))] = actions[..] {
            b.after(8);
            actions = b.on(Event::Code(seq, Err(error.clone())));
            if actions.is_empty() {
                assert_eq!(b.shows(), (State::RequestingCode, reason), "{error:?}");
                b.due();
                actions = b.on(Event::Timer);
            }
        }
        assert_eq!(
            actions,
            [Action::Write(Change::ErasePairing), Action::Reply(Reply::Done(id, Err(refusal)))]
        );
        assert_eq!(b.shows(), (State::Unpaired, reason), "{error:?}");
        assert!(b.now.boot <= BootTime(secs(35)), "answered in time");
        assert_eq!(b.rig.deadline(), None);
    }
}

#[test]
fn a_start_that_joins_a_renewal_is_answered_in_time_and_the_renewal_goes_on() {
    let mut b = Bench::unpaired();
    b.show_code();
    let seq = b.poll();
    let actions = b.on(Event::Polled(seq, Err(TokenError::ExpiredToken)));
    let [Action::Ask(Question::RequestCode(mut seq))] = actions[..] else { panic!("{actions:?}") };
    let asked = b.now.boot;
    let (id, actions) = b.command(START);
    assert_eq!(actions, []);
    let answered = loop {
        b.after(8);
        let _ = b.on(Event::Code(seq, Err(network())));
        let actions = loop {
            b.due();
            let actions = b.on(Event::Timer);
            if !actions.is_empty() {
                break actions;
            }
        };
        let reply = actions.iter().any(|a| matches!(a, Action::Reply(Reply::Done(to, Err(_))) if *to == id));
        let request = actions.iter().find_map(|a| match a {
            Action::Ask(Question::RequestCode(seq)) => Some(*seq),
            _ => None,
        });
        if reply {
            break b.now.boot;
        }
        seq = request.expect("it is tried again");
    };
    assert!(answered.since(asked) <= secs(25));
    assert_eq!(b.shows(), (State::RequestingCode, Reason::Network), "renewals are tried for ever");
}

#[test]
fn a_denial_a_limit_and_a_cancel_are_told_apart() {
    let mut b = Bench::unpaired();
    b.show_code();
    let seq = b.poll();
    assert_eq!(
        b.on(Event::Polled(seq, Err(TokenError::AccessDenied))),
        [Action::Write(Change::ErasePairing)]
    );
    assert_eq!(b.shows(), (State::Unpaired, Reason::Denied));

    let mut b = Bench::unpaired();
    let (_, actions) = b.command(RigCommand::Start { limit: Some(secs(20)) });
    let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
    let (id, _) = b.command(START);
    b.after(20);
    let actions = b.on(Event::Timer);
    assert!(actions.contains(&Action::Reply(Reply::Done(id, Err(Refusal::Expired)))), "{actions:?}");
    assert_eq!(b.shows(), (State::Unpaired, Reason::Expired));
    assert_eq!(b.on(Event::Code(seq, Ok(auth(1)))), []);

    let mut b = Bench::unpaired();
    let (start, _) = b.command(START);
    let (cancel, actions) = b.command(RigCommand::Cancel);
    let told = [
        Action::Write(Change::ErasePairing),
        Action::Reply(Reply::Done(start, Err(Refusal::Cancelled))),
        Action::Reply(Reply::Done(cancel, Ok(()))),
    ];
    assert_eq!(actions, told);
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));
    assert_eq!(b.answer(RigCommand::Cancel), Ok(()), "again does no harm");
}

#[test]
fn while_a_pairing_runs_the_identity_is_left_alone() {
    let mut b = Bench::unpaired();
    b.show_code();
    let provision = RigCommand::Provision(ClientSecret(Secret::new("s")));
    for command in [UNPAIR, FORGET, provision] {
        assert_eq!(b.answer(command), Err(Refusal::InProgress));
    }
}

#[test]
fn who_is_paired_does_not_pair_again() {
    let mut b = Bench::paired();
    assert_eq!(b.answer(START), Err(Refusal::AlreadyPaired));
    assert_eq!(b.answer(RigCommand::Cancel), Ok(()));
    assert_eq!(b.view().device_name, "Rig 7", "as the project names it");
    assert_eq!(b.shows(), (State::Paired, Reason::None));
}

#[test]
fn a_grant_for_a_cancelled_pairing_is_revoked() {
    let mut b = Bench::unpaired();
    b.show_code();
    let seq = b.poll();
    assert_eq!(b.answer(RigCommand::Cancel), Ok(()));
    let actions = b.on(Event::Polled(seq, Ok(response(1))));
    let parting = keeps(1, Revocable::Refresh(refresh(1)), b.now);
    assert_eq!(actions, [Action::Write(Change::KeepRevocation(parting))]);
    let kept = |outcome| Event::RevocationKept(RevocationId(1), vec![], outcome);
    assert!(matches!(b.on(kept(Ok(())))[..], [Action::Ask(Question::Revoke(_, RevocationId(1)))]));
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));

    let mut b = Bench::unpaired();
    b.show_code();
    let seq = b.poll();
    let _ = b.command(RigCommand::Cancel);
    let _ = b.command(START);
    let actions = b.on(Event::Polled(seq, Ok(response(1))));
    assert!(matches!(actions[..], [Action::Write(Change::KeepRevocation(_))]), "{actions:?}");
    assert_eq!(b.on(kept(Ok(()))), [], "a newer pairing might be taken along");
    let (_, actions) = b.command(RigCommand::Cancel);
    assert!(!actions.iter().any(|a| matches!(a, Action::Ask(_))), "{actions:?}");
    b.due();
    assert!(matches!(b.on(Event::Timer)[..], [Action::Ask(Question::Revoke(_, RevocationId(1)))]));
}

#[test]
fn the_clips_of_the_old_project_are_not_offered_the_tokens_of_a_new_grant() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    assert_eq!(
        b.on(Event::Refreshed(seq, Err(refused()))),
        [Action::Write(Change::EndGrant(Ending::Revoked))]
    );
    assert_eq!(b.shows(), (State::NeedsPairing, Reason::Revoked));
    assert_eq!(b.view().device, Some(device("one")), "the screen still says which project it was");
    let seq = b.granted(2);
    assert_eq!(b.view().state, State::WaitingForUser);
    let _ = b.on(Event::TokensSaved(seq, Ok(())));
    assert_eq!(b.view().state, State::Paired);
    assert_eq!(b.rig.access(), None, "nobody knows yet which project this is");
    assert_eq!(b.view().device, None);
    b.identified("two");
    assert_eq!(b.rig.access(), Some((&access(2), &device("two"))));
}

#[test]
fn a_pairing_that_ran_when_the_daemon_stopped_goes_on() {
    let code = CodeOnOffer { auth: auth(3), obtained: at(1) };
    let running = Running { code: Some(code), limit: None };
    let (b, actions) = Bench::load(Loaded { pairing: Some(running.clone()), ..usable() });
    assert_eq!(actions, []);
    assert_eq!(b.view().user_code, Some(auth(3).user_code));
    let (_, actions) = Bench::load(Loaded { pairing: Some(Running::default()), ..usable() });
    assert!(matches!(actions[..], [Action::Ask(Question::RequestCode(_))]));
    let unprovisioned = Loaded { pairing: Some(running.clone()), provisioned: false, ..usable() };
    assert_eq!(Bench::load(unprovisioned).1, []);
    let paired = Loaded { pairing: Some(running.clone()), tokens: Some((set(1), false)), ..usable() };
    assert!(matches!(Bench::load(paired).1[..], [Action::Ask(Question::Identify(..))]));
    let over = Running { limit: Some(TimeLimit { since: at(1), left: secs(5) }), ..running };
    let (b, actions) = Bench::load(Loaded { pairing: Some(over), ..usable() });
    assert_eq!(actions, [Action::Write(Change::ErasePairing)]);
    assert_eq!(b.shows(), (State::Unpaired, Reason::Expired));
}

#[test]
fn who_joins_a_pairing_with_a_limit_is_answered_and_tightens_it() {
    let mut b = Bench::unpaired();
    b.show_code();
    let (id, actions) = b.command(RigCommand::Start { limit: Some(secs(60)) });
    let limit = TimeLimit { since: b.now, left: secs(60) };
    assert_eq!(
        actions,
        [Action::Write(Change::NotePairing(Some(limit), None)), Action::Reply(Reply::Done(id, Ok(())))]
    );
    let (id, actions) = b.command(RigCommand::Start { limit: Some(secs(90)) });
    assert_eq!(actions, [Action::Reply(Reply::Done(id, Ok(())))]);
}
