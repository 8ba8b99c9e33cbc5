//! What can't be read, kept or written down.
use super::*;

#[test]
fn before_the_store_is_read_everything_is_unavailable() {
    let mut b = Bench::new(None);
    assert_eq!(b.view().state, State::SecretUnavailable);
    assert!(matches!(b.answer(START), Err(Refusal::SecretUnavailable(_))));
}

#[test]
fn an_unreadable_vault_refuses_everything_but_provisioning() {
    let broken = || {
        let unusable = Some(DiskError::NoKey("the key is gone".to_owned()));
        Loaded { unusable, ..Loaded::default() }
    };
    let (mut b, actions) = Bench::load(broken());
    assert_eq!(actions, []);
    assert_eq!(b.shows(), (State::SecretUnavailable, Reason::NoKey), "no disk helps it");
    assert_eq!(b.view().detail, "the key is gone");
    let unavailable = Err(Refusal::SecretUnavailable("the key is gone".to_owned()));
    for command in [START, UNPAIR, FORGET] {
        assert_eq!(b.answer(command), unavailable);
    }
    let secret = ClientSecret(Secret::new("s"));
    let (id, actions) = b.command(RigCommand::Provision(secret.clone()));
    assert_eq!(actions, [Action::Write(Change::SaveSecret(id, secret))]);
    let reloaded = Some((Box::new(usable()), Protection::File));
    assert_eq!(b.on(provisioned(id, "rig-7", reloaded)), [Action::Reply(Reply::Done(id, Ok(())))]);
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));
}

#[test]
fn a_disk_that_cant_be_read_yet_is_named_and_forgotten_when_it_is_good() {
    let failed = |why: &str| Refusal::StorageFailed(why.to_owned());
    for (disk, why, refusal) in [
        (DiskError::Full, "there is no space left", Refusal::StorageFull),
        (DiskError::ReadOnly, "it is read-only", failed("it is read-only")),
        (DiskError::Failed("an I/O error".to_owned()), "an I/O error", failed("an I/O error")),
    ] {
        assert!(disk.may_pass());
        let unreadable = || Loaded { unusable: Some(disk.clone()), ..Loaded::default() };
        let (mut b, actions) = Bench::load(unreadable());
        assert_eq!((actions, b.rig.deadline()), (vec![], None));
        let view = b.view();
        let shown = (view.state, view.reason, view.detail.as_str());
        assert_eq!(shown, (State::SecretUnavailable, Reason::Storage, why));
        for command in [START, UNPAIR, FORGET] {
            assert_eq!(b.answer(command), Err(refusal.clone()));
        }
        // It may be read many times in vain.
        assert_eq!(b.on(Event::Loaded(Box::new(unreadable()), Protection::None)), []);
        let paired = Loaded { tokens: Some((set(1), false)), device: Some(device("one")), ..usable() };
        let _ = b.on(Event::Loaded(Box::new(paired), Protection::File));
        assert_eq!(b.shows(), (State::Paired, Reason::None));
    }
}

#[test]
fn a_database_that_is_damaged_or_newer_is_trouble_of_the_disk_and_not_of_the_key() {
    let why = "the database has version 9";
    let unusable = Some(DiskError::Database(why.to_owned()));
    let (mut b, actions) = Bench::load(Loaded { unusable, ..Loaded::default() });
    assert_eq!((actions, b.rig.deadline()), (vec![], None));
    assert_eq!((b.shows(), b.view().detail.as_str()), ((State::SecretUnavailable, Reason::Storage), why));
    for command in [START, UNPAIR, FORGET] {
        assert_eq!(b.answer(command), Err(Refusal::StorageFailed(why.to_owned())));
    }
    let blockers = crate::view::blockers(&b.view(), &crate::view::QueueView::default());
    let [("storage", sentence, detail)] = blockers.as_slice() else { panic!("{blockers:?}") };
    assert_eq!(detail, why);
    assert!(!sentence.contains(why) && !sentence.contains("rovision"), "{sentence}");
}

#[test]
fn a_secret_that_cant_be_kept_is_refused_by_name() {
    let (mut b, _) = Bench::load(Loaded { provisioned: false, ..usable() });
    assert_eq!(b.shows(), (State::Unprovisioned, Reason::None));
    assert_eq!(b.answer(START), Err(Refusal::NotProvisioned));
    let (id, _) = b.command(RigCommand::Provision(ClientSecret(Secret::new("s"))));
    let full = [Action::Reply(Reply::Done(id, Err(Refusal::StorageFull)))];
    assert_eq!(b.on(Event::SecretSaved(id, Err(DiskError::Full))), full);
    let (id, _) = b.command(RigCommand::Provision(ClientSecret(Secret::new("s"))));
    let no_key = [Action::Reply(Reply::Done(id, Err(Refusal::SecretUnavailable("no key".to_owned()))))];
    assert_eq!(b.on(Event::SecretSaved(id, Err(DiskError::NoKey("no key".to_owned())))), no_key);
    assert_eq!(b.shows(), (State::Unprovisioned, Reason::None));
    assert_eq!(b.view().client_id, "rig-7");
    // The identity may have been made only now.
    let (id, _) = b.command(RigCommand::Provision(ClientSecret(Secret::new("s"))));
    let done = provisioned(id, "rig-8", None);
    assert_eq!(b.on(done), [Action::Reply(Reply::Done(id, Ok(())))]);
    assert_eq!((b.shows(), b.view().client_id), ((State::Unpaired, Reason::None), "rig-8".to_owned()));
}

#[test]
fn a_code_that_cant_be_written_down_says_why() {
    for (disk, refusal) in [
        (DiskError::Full, Refusal::StorageFull),
        (DiskError::Failed("broken".to_owned()), Refusal::StorageFailed("broken".to_owned())),
    ] {
        let mut b = Bench::unpaired();
        let (id, actions) = b.command(START);
        let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
        let _ = b.on(Event::Code(seq, Ok(auth(1))));
        let seq = Seq(seq.0 + 1);
        let told = [Action::Write(Change::ErasePairing), Action::Reply(Reply::Done(id, Err(refusal)))];
        assert_eq!(b.on(Event::CodeSaved(seq, Err(disk))), told);
        assert_eq!(b.shows(), (State::Unpaired, Reason::Storage));
    }
}

#[test]
fn a_project_that_cant_be_written_down_is_not_served() {
    let mut b = Bench::unpaired();
    let seq = b.grant(1);
    let _ = b.on(Event::Identified(seq, Ok(device("one"))));
    assert_eq!(b.on(Event::DeviceSaved(seq, Err(DiskError::Full))), []);
    assert_eq!(b.shows(), (State::Paired, Reason::Storage));
    assert_eq!(b.rig.access(), None);
}

#[test]
fn a_full_disk_during_a_refresh_keeps_the_rig_paired_and_offers_nothing() {
    for known in [true, false] {
        let mut b = if known { Bench::paired() } else { Bench::unpaired() };
        if !known {
            let seq = b.grant(1);
            let _ = b.on(Event::Identified(seq, Err(TokenError::Unauthorized)));
        }
        let seq = b.refresh_leaves();
        let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
        let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
        assert_eq!(b.on(Event::TokensSaved(seq, Err(DiskError::Full))), []);
        assert_eq!(b.shows(), (State::Paired, Reason::Storage), "known: {known}");
        assert!(b.view().tokens_at_risk && b.rig.access().is_none());
    }
    let mut b = Bench::unpaired();
    let seq = b.granted(1);
    assert_eq!(b.on(Event::TokensSaved(seq, Err(DiskError::Full))), []);
    assert_eq!(b.shows(), (State::WaitingForUser, Reason::Storage), "a first grant is not paired yet");
}

#[test]
fn unpairing_when_new_tokens_cant_be_stored_does_not_wait_for_the_disk_for_ever() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let (id, actions) = b.command(UNPAIR);
    assert_eq!(actions, []);
    let erases =
        |actions: &[Action], id| matches!(actions, [Action::Write(Change::EraseTokens(to, _))] if *to == id);
    assert!(erases(&b.on(Event::TokensSaved(seq, Err(DiskError::Full))), id));
    b.after(3600);
    assert_eq!(b.on(Event::Timer), [], "no tokens are written behind the erasure");
    let full = [Action::Reply(Reply::Done(id, Err(Refusal::StorageFull)))];
    assert_eq!(b.on(Event::TokensErased(id, Err(DiskError::Full))), full);
    assert_eq!(b.shows().0, State::Paired, "nothing was changed");
    b.due();
    assert!(
        matches!(b.on(Event::Timer)[..], [Action::Write(Change::SaveTokens(..))]),
        "and the tokens are tried again"
    );

    let (id, _) = b.command(UNPAIR);
    let seq = Seq(seq.0 + 1);
    assert!(erases(&b.on(Event::TokensSaved(seq, Err(DiskError::Full))), id));
    b.asks(Event::TokensErased(id, Ok(())), 1);
}

#[test]
fn nothing_begins_while_an_erasure_is_on_its_way_to_the_disk() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let _ = b.on(Event::Refreshed(seq, Err(network())));
    let (id, actions) = b.command(UNPAIR);
    assert!(matches!(actions[..], [Action::Write(Change::EraseTokens(..))]));
    assert_eq!(b.rig.deadline(), None);
    b.after(HOUR);
    assert_eq!(b.on(Event::Timer), [], "a refresh now would leave a grant that nobody knows");
    assert_eq!(b.on(Event::Unauthorized(access(1))), []);
    let (start, actions) = b.command(START);
    assert_eq!(actions, [], "held back until the disk has answered");
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    let actions = b.on(Event::Revoked(seq, Err(network())));
    let [.., Action::Ask(Question::RequestCode(_))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.view().state, State::RequestingCode);
    let (cancel, actions) = b.command(RigCommand::Cancel);
    assert!(actions.contains(&Action::Reply(Reply::Done(start, Err(Refusal::Cancelled)))));
    assert!(actions.contains(&Action::Reply(Reply::Done(cancel, Ok(())))));
}

#[test]
fn an_answer_who_we_are_is_not_written_behind_an_erasure() {
    let mut b = Bench::unpaired();
    let question = b.grant(1);
    let (id, _) = b.command(UNPAIR);
    assert_eq!(b.on(Event::Identified(question, Ok(device("one")))), []);
    let _ = b.on(Event::TokensErased(id, Err(DiskError::Full)));
    b.identified("one");
    assert_eq!(b.rig.access(), Some((&access(1), &device("one"))), "asked again where nothing was erased");
}
