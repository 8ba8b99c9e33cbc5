//! What a rig does against a stranger who has somebody approve their code: the sentences at the head of
//! `identity/pairing.rs`.
use super::*;
use crate::view::{QueueView, blockers};

/// Lives as long as codes may.
fn lasting(n: u32) -> DeviceAuthorization {
    DeviceAuthorization { expires_in: secs(3600), interval: secs(60), ..auth(n) }
}

fn shown(auth: DeviceAuthorization) -> Bench {
    let mut b = Bench::unpaired();
    let (_, actions) = b.command(START);
    let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
    let actions = b.on(Event::Code(seq, Ok(auth)));
    let [Action::Write(Change::SaveCode(seq, ..))] = actions[..] else { panic!("{actions:?}") };
    let _ = b.on(Event::CodeSaved(seq, Ok(())));
    assert_eq!(b.view().state, State::WaitingForUser);
    b
}

/// When the code is off the screen, where nobody enters it.
fn over(b: &mut Bench) -> u64 {
    while b.view().user_code.is_some() {
        b.due();
        if let [Action::Ask(Question::Poll(seq, _))] = b.on(Event::Timer)[..] {
            let _ = b.on(Event::Polled(seq, Err(TokenError::AuthorizationPending)));
        }
    }
    b.now.boot.0.as_secs()
}

#[test]
fn a_code_ends_fifteen_minutes_after_somebody_looked_at_it_last() {
    let mut b = shown(lasting(1));
    let looked = b.now.boot.0.as_secs();
    assert_eq!(over(&mut b), looked + 900);
    assert_eq!(b.shows(), (State::Unpaired, Reason::Expired));
    assert_eq!(b.rig.deadline(), None, "and no other comes");

    let mut b = shown(lasting(1));
    for _ in 0..3 {
        b.after(800);
        assert_eq!(b.answer(START), Ok(()));
    }
    let looked = b.now.boot.0.as_secs();
    assert_eq!(over(&mut b), looked + 900);
}

#[test]
fn the_rig_s_name_and_serial_stand_beside_the_code() {
    let b = shown(lasting(1));
    let view = b.view();
    assert_eq!((view.device_name.as_str(), view.client_id.as_str()), ("Rig 7", "rig-7"));
    // Paired before, under another name: the page that asks for consent has the new one.
    let mut b = Bench::paired();
    assert_eq!(b.view().device_name, device("one").device_name);
    let seq = b.refresh_leaves();
    let _ = b.on(Event::Refreshed(seq, Err(TokenError::InvalidGrant("over".to_owned()))));
    let (_, actions) = b.command(START);
    let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
    let named = DeviceAuthorization { device_name: Some("B camera".to_owned()), ..lasting(2) };
    let actions = b.on(Event::Code(seq, Ok(named)));
    let [Action::Write(Change::SaveCode(seq, ..))] = actions[..] else { panic!("{actions:?}") };
    let _ = b.on(Event::CodeSaved(seq, Ok(())));
    assert_eq!(b.view().device_name, "B camera");
}

#[test]
fn whatever_is_shown_can_be_cancelled() {
    let cancelled = |b: &mut Bench| {
        assert!(b.view().user_code.is_some());
        assert_eq!(b.answer(RigCommand::Cancel), Ok(()));
        let view = b.view();
        assert_eq!((view.state, view.user_code, b.rig.deadline()), (State::Unpaired, None, None));
    };
    cancelled(&mut shown(lasting(1)));
    let mut b = shown(lasting(1));
    b.poll();
    cancelled(&mut b);
    let mut b = shown(lasting(1));
    let seq = b.poll();
    let _ = b.on(Event::Polled(seq, Err(network())));
    assert_eq!(b.view().reason, Reason::Network);
    cancelled(&mut b);
    // As it was found after a restart.
    let code = CodeOnOffer { auth: lasting(1), obtained: at(10) };
    let running = Running { code: Some(code), limit: None };
    let (mut b, _) = Bench::load(Loaded { pairing: Some(running), ..usable() });
    cancelled(&mut b);
}

#[test]
fn an_organisation_that_allows_no_sign_in_by_code_is_a_reason_of_its_own() {
    let no = || TokenError::NotAllowed("invalid_grant: AADSTS53003: blocked".to_owned());
    let mut asked = Bench::unpaired();
    let (_, actions) = asked.command(START);
    let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
    let _ = asked.on(Event::Code(seq, Err(no())));
    let mut polled = shown(lasting(1));
    let seq = polled.poll();
    let _ = polled.on(Event::Polled(seq, Err(no())));
    for b in [asked, polled] {
        assert_eq!(b.shows(), (State::Unpaired, Reason::SignInBlocked));
        let all = blockers(&b.view(), &QueueView::default());
        let (_, said, detail) = all.iter().find(|(code, ..)| *code == "sign-in-blocked").unwrap();
        assert!(said.ends_with("Its administrator has to allow it."), "{said}");
        assert!(detail.contains("AADSTS53003"), "{detail}");
        assert!(Reason::SignInBlocked.advice().contains("allow the device code flow for this application"));
    }
}
