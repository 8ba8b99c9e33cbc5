//! A grant in force: renewed, shown, and ended by the provider.
use super::*;

//= frameio-c2c#3.3
//= type=test
//# After every pairing and after every refresh GET /v2/devices/me is asked.
#[test]
fn who_we_are_is_asked_after_every_grant_and_refresh_and_until_there_is_an_answer() {
    let mut b = Bench::unpaired();
    let mut seq = b.grant(1);
    for _ in 0..5 {
        assert_eq!(b.on(Event::Identified(seq, Err(trouble(Cause::Provider)))), []);
        assert_eq!(b.shows(), (State::Paired, Reason::Provider));
        b.due();
        let actions = b.on(Event::Timer);
        let [Action::Ask(Question::Identify(next, _))] = actions[..] else { panic!("{actions:?}") };
        seq = next;
    }
    b.identified("one");
    assert_eq!(b.shows(), (State::Paired, Reason::None));
    let seq = b.refresh_leaves();
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.shows().0, State::Paired, "a refresh is not seen");
    let actions = b.on(Event::TokensSaved(seq, Ok(())));
    assert!(matches!(&actions[..], [Action::Ask(Question::Identify(_, q))] if q.token == access(2)));
    assert_eq!(b.rig.access(), Some((&access(2), &device("one"))), "the same grant, the same project");
}

#[test]
fn network_trouble_changes_the_reason_and_never_the_state() {
    for (cause, reason) in [
        (Cause::Network, Reason::Network),
        (Cause::CaptivePortal, Reason::CaptivePortal),
        (Cause::Clock, Reason::Clock),
        (Cause::Provider, Reason::Provider),
        (Cause::RateLimited, Reason::Provider),
    ] {
        let mut b = Bench::paired();
        let seq = b.refresh_leaves();
        let _ = b.on(Event::Refreshed(seq, Err(trouble(cause))));
        assert_eq!(b.shows(), (State::Paired, reason));
        assert_eq!(b.view().online, matches!(cause, Cause::Provider | Cause::RateLimited));
        assert_eq!(b.rig.access(), Some((&access(1), &device("one"))));
        assert!(!b.view().tokens_at_risk);
    }
}

#[test]
fn each_ending_has_its_reason_and_a_failed_pairing_after_it_too() {
    for (ending, reason) in [
        (Ending::Revoked, Reason::Revoked),
        (Ending::InterruptedRefresh, Reason::InterruptedRefresh),
        (Ending::ClientRejected, Reason::ClientRejected),
        (Ending::Unreadable, Reason::NoKey),
    ] {
        let (mut b, actions) = Bench::load(Loaded { ended: Some(ending), ..usable() });
        assert_eq!(actions, []);
        assert_eq!(b.shows(), (State::NeedsPairing, reason));
        b.show_code();
        let seq = b.poll();
        let _ = b.on(Event::Polled(seq, Err(TokenError::AccessDenied)));
        assert_eq!(b.shows(), (State::NeedsPairing, Reason::Denied));
    }
}

#[test]
fn a_lost_answer_then_a_refusal_is_shown_as_an_interrupted_refresh() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    assert_eq!(b.on(Event::Refreshed(seq, Err(network()))), []);
    b.due();
    let actions = b.on(Event::Timer);
    let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let ended = [Action::Write(Change::EndGrant(Ending::InterruptedRefresh))];
    assert_eq!(b.on(Event::Refreshed(seq, Err(refused()))), ended);
    assert_eq!(b.shows(), (State::NeedsPairing, Reason::InterruptedRefresh));
    assert_eq!(b.view().access_expires_at, None);
}

#[test]
fn a_reboot_with_an_interrupted_mark_asks_at_once() {
    let loaded = Loaded { tokens: Some((set(1), true)), device: Some(device("one")), ..usable() };
    let (mut b, actions) = Bench::load(loaded);
    let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.shows(), (State::Paired, Reason::None));
    let ended = [Action::Write(Change::EndGrant(Ending::InterruptedRefresh))];
    assert_eq!(b.on(Event::Refreshed(seq, Err(refused()))), ended);
}

#[test]
fn tokens_from_another_boot_in_1970_are_refreshed_and_the_clock_is_not_trusted() {
    let loaded = Loaded { tokens: Some((set(1), false)), device: Some(device("one")), ..usable() };
    let mut rig = Rig::new(ProviderKind::Frameio, 1, FLOOR, Presence::default());
    let now = Now { boot_id: BootId(9), boot: BootTime(secs(12)), wall: WallTime(40) };
    let actions = rig.on(Event::Loaded(Box::new(loaded), Protection::Tpm2), now);
    assert!(matches!(actions[..], [Action::Ask(Question::Identify(..))]), "{actions:?}");
    assert_eq!(rig.deadline(), Some(now.boot));
    assert!(matches!(rig.on(Event::Timer, now)[..], [Action::Write(Change::MarkRefresh(_))]));
    let view = rig.view(now);
    assert_eq!((view.state, view.clock_trusted), (State::Paired, false));
}

#[test]
fn the_clock_is_judged_as_it_stands_now() {
    let mut b = Bench::paired();
    assert!(b.view().clock_trusted, "nobody said otherwise");
    let _ = b.on(Event::ServerDate(b.now.wall.0 + 299));
    assert!(b.view().clock_trusted);
    let _ = b.on(Event::ServerDate(b.now.wall.0 + 4000));
    assert!(!b.view().clock_trusted);
    b.after(HOUR);
    assert!(!b.view().clock_trusted);
    b.now.wall = WallTime(b.now.wall.0 + 4000);
    assert!(b.view().clock_trusted, "it was set");
    b.now.wall = WallTime(b.now.wall.0 + 10 * 366 * 86_400);
    assert!(!b.view().clock_trusted, "it stepped away");
    for odd in [i64::MIN, i64::MAX, 0, -1] {
        let _ = b.on(Event::ServerDate(odd));
        b.now.wall = WallTime(odd);
        assert!(b.view().clock_trusted == (odd > EPOCH));
    }
}

//= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
//= type=test
//# clients must not try to use the token after receipt of an HTTP 200 response
#[test]
fn unpairing_revokes_and_erases_and_says_so() {
    let mut b = Bench::paired();
    let (id, actions) = b.command(UNPAIR);
    let parting = keeps(1, Revocable::Refresh(refresh(1)), b.now);
    assert_eq!(actions, [Action::Write(Change::EraseTokens(id, parting))]);
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));
    assert_eq!(b.view().revocations_pending, 1);
    let erase = Change::EraseRevocation(RevocationId(1), Over::Confirmed);
    assert_eq!(b.on(Event::Revoked(seq, Ok(Revoked::Confirmed))), [Action::Write(erase)]);
    let actions = b.on(Event::RevocationErased(RevocationId(1), Ok(())));
    assert_eq!(b.ended(&actions, id), (Revocation::Revoked, String::new(), false));
    assert_eq!(b.view().revocations_pending, 0);
    let view = b.view();
    assert_eq!((view.device, view.refreshed_at, view.access_expires_at), (None, None, None));
    assert_eq!(b.rig.deadline(), None);
    assert_eq!(b.answer(UNPAIR), Ok(()), "again does no harm");
}

#[test]
fn unpairing_or_forgetting_while_refreshing_waits_and_revokes_the_new_token() {
    for forget in [false, true] {
        let mut b = Bench::paired();
        let seq = b.refresh_leaves();
        let (id, actions) = b.command(if forget { FORGET } else { UNPAIR });
        assert_eq!(actions, [], "the answer may hold the only token that can be revoked");
        let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
        let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
        let actions = b.on(Event::TokensSaved(seq, Ok(())));
        let parting = keeps(1, Revocable::Refresh(refresh(2)), b.now);
        let (erase, erased) = if forget {
            (Action::Write(Change::Forget(id, parting)), forgotten(id, "rig-8"))
        } else {
            (Action::Write(Change::EraseTokens(id, parting)), Event::TokensErased(id, Ok(())))
        };
        assert!(actions.contains(&erase), "{actions:?}");
        b.asks(erased, 1);
        let expected = if forget { State::Unprovisioned } else { State::Unpaired };
        assert_eq!(b.shows(), (expected, Reason::None));
        assert_eq!(b.view().client_id, if forget { "rig-8" } else { "rig-7" });
    }
}

#[test]
fn a_rejected_client_is_tried_again_with_a_new_secret() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let refused = || TokenError::ClientRejected("invalid_client: who?".to_owned());
    assert_eq!(b.on(Event::Refreshed(seq, Err(refused()))), []);
    assert_eq!(b.shows(), (State::Paired, Reason::ClientRejected));
    assert_eq!(b.view().detail, "invalid_client: who?");
    let (id, _) = b.command(RigCommand::Provision(ClientSecret(Secret::new("s"))));
    let actions = b.on(provisioned(id, "rig-7", None));
    assert!(
        matches!(actions[..], [Action::Ask(Question::Refresh(..)), Action::Reply(..)]),
        "the mark is on disk already: {actions:?}"
    );
}

#[test]
fn a_project_that_was_named_is_not_lost_to_an_answer_that_names_none() {
    let mut b = Bench::paired();
    let known = b.rig.access().map(|(_, device)| device.project_id.clone());
    let seq = b.refresh_leaves();
    let saves = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = saves[..] else { panic!("{saves:?}") };
    let _ = b.on(Event::TokensSaved(seq, Ok(())));
    let nameless =
        DeviceInfo { nameless: true, project_id: "https://cloud".to_owned(), ..DeviceInfo::default() };
    let seq = b.question;
    let _ = b.on(Event::Identified(seq, Ok(nameless)));
    let _ = b.on(Event::DeviceSaved(seq, Ok(())));
    assert_eq!(b.rig.access().map(|(_, device)| device.project_id.clone()), known);
    assert!(known.is_some_and(|id| id != "https://cloud"));
}

#[test]
fn the_word_that_ended_a_grant_is_shown() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let word = "interaction_required: AADSTS50079".to_owned();
    let _ = b.on(Event::Refreshed(seq, Err(TokenError::InvalidGrant(word.clone()))));
    assert_eq!(b.shows(), (State::NeedsPairing, Reason::Revoked));
    assert_eq!(b.view().detail, word);
}

#[test]
fn a_stop_waits_for_tokens_and_for_what_may_bring_them() {
    let mut b = Bench::unpaired();
    b.show_code();
    assert!(!b.rig.busy());
    b.poll();
    assert!(b.rig.busy(), "the answer to a poll is given only once");
    let mut b = Bench::paired();
    assert!(!b.rig.busy());
    let seq = b.refresh_leaves();
    assert!(b.rig.busy());
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let _ = b.on(Event::TokensSaved(seq, Err(DiskError::Full)));
    assert!(b.rig.busy());
}

#[test]
fn an_upload_that_reaches_nobody_shows_a_rig_without_a_cloud_and_still_paired() {
    let mut b = Bench::paired();
    let _ = b.on(Event::Accepted(set(1).access));
    assert!(b.view().online);
    assert_eq!(b.on(Event::Unreached(Cause::Network)), []);
    assert!(!b.view().online);
    assert_eq!(b.shows().0, State::Paired);
    assert_eq!(b.on(Event::Unreached(Cause::Provider)), []);
    assert!(b.view().online, "an error of the provider's own comes from the provider");
}
