use super::*;
use crate::oauth;
use crate::secret::Secret;

fn at(s: u64) -> Now {
    Now { boot: BootTime(Duration::from_secs(s)), ..Now::default() }
}

fn token(n: u32) -> AccessToken {
    AccessToken(Secret::new(format!("a{n}")))
}

fn info() -> DeviceInfo {
    DeviceInfo { project_id: "p1".to_owned(), ..DeviceInfo::default() }
}

fn network() -> TokenError {
    TokenError::Transient(oauth::Trouble {
        cause: Cause::Network,
        why: String::new(),
        retry_after: None,
        maybe_applied: true,
    })
}

fn asking(actions: &[Action], n: u32) -> Seq {
    match actions {
        [Action::Ask(seq, t)] if *t == token(n) => *seq,
        other => panic!("not one question with token {n}: {other:?}"),
    }
}

#[test]
fn a_project_is_known_once_it_is_on_disk() {
    let mut me = Whoami::new(Jitter::new(1));
    let seq = asking(&me.ask(token(1)), 1);
    let answered = me.answered(seq, Ok(info()), None, at(1));
    assert_eq!(answered, [Action::Accepted(token(1)), Action::Save(seq, info())]);
    assert_eq!(me.saved(seq, Ok(()), at(1)), [Action::Known(info())]);
    assert_eq!((me.deadline(), me.trouble()), (None, None));
    assert_eq!(me.saved(seq, Ok(()), at(1)), [], "only once");
}

#[test]
fn every_trouble_is_tried_again_with_the_token_of_then() {
    let mut me = Whoami::new(Jitter::new(1));
    let mut seq = asking(&me.ask(token(1)), 1);
    let mut time = 0;
    for n in 1..50 {
        let answer = if n % 2 == 0 { TokenError::Rejected("bad_request".to_owned()) } else { network() };
        assert_eq!(me.answered(seq, Err(answer), None, at(time)), []);
        assert!(me.trouble().is_some());
        let due = me.deadline().expect("it is tried again").0.as_secs();
        assert!(due >= time && due <= time + 600);
        assert_eq!(me.timer(Some(&token(n)), at(due.saturating_sub(1).min(time))), []);
        time = due + 1;
        seq = asking(&me.timer(Some(&token(n)), at(time)), n);
    }
    assert!(time > 10_000, "it backs off");
}

#[test]
fn a_full_disk_is_named_and_does_not_make_a_storm() {
    let mut me = Whoami::new(Jitter::new(1));
    let mut seq = asking(&me.ask(token(1)), 1);
    let (mut time, mut asked) = (0, 1);
    while time < 86_400 {
        let _ = me.answered(seq, Ok(info()), None, at(time));
        assert_eq!(me.saved(seq, Err(DiskError::Full), at(time)), []);
        assert_eq!(me.trouble(), Some(&Trouble::Storage(DiskError::Full)));
        time = me.deadline().expect("it is tried again").0.as_secs() + 1;
        seq = asking(&me.timer(Some(&token(1)), at(time)), 1);
        asked += 1;
    }
    assert!(asked < 250, "{asked}");
    let _ = me.answered(seq, Ok(info()), None, at(time));
    assert_eq!(me.saved(seq, Ok(()), at(time)), [Action::Known(info())]);
    assert_eq!(me.trouble(), None);
}

#[test]
fn a_refused_token_waits_for_the_next_one() {
    let mut me = Whoami::new(Jitter::new(1));
    let seq = asking(&me.ask(token(1)), 1);
    assert_eq!(
        me.answered(seq, Err(TokenError::Unauthorized), None, at(1)),
        [Action::Unauthorized(token(1))]
    );
    assert_eq!(me.deadline(), None);
    asking(&me.ask(token(2)), 2);
}

#[test]
fn a_question_for_a_new_token_overtakes_the_old_one() {
    let mut me = Whoami::new(Jitter::new(1));
    let old = asking(&me.ask(token(1)), 1);
    let new = asking(&me.ask(token(2)), 2);
    assert_eq!(me.answered(old, Ok(info()), None, at(1)), []);
    assert_eq!(me.answered(old, Err(TokenError::Unauthorized), None, at(1)), []);
    assert_eq!(me.answered(new, Ok(info()), None, at(1)).len(), 2);
    let newest = asking(&me.ask(token(3)), 3);
    assert_eq!(me.saved(new, Ok(()), at(1)), [], "the answer before is not the newest");
    assert_eq!(me.answered(newest, Ok(info()), None, at(1)).len(), 2);
}

#[test]
fn without_a_token_or_a_grant_nothing_is_asked() {
    let mut me = Whoami::new(Jitter::new(1));
    let seq = asking(&me.ask(token(1)), 1);
    let _ = me.answered(seq, Err(network()), None, at(1));
    assert_eq!(me.timer(None, at(100)), []);
    assert_eq!(me.deadline(), None);
    let seq = asking(&me.ask(token(1)), 1);
    me.stop();
    assert_eq!(me.answered(seq, Ok(info()), None, at(1)), []);
    assert_eq!((me.deadline(), me.trouble()), (None, None));
}

#[test]
fn an_answer_that_is_on_disk_is_known_without_writing() {
    let paused = DeviceInfo { status: oauth::DeviceStatus::Paused, ..info() };
    let renamed = DeviceInfo { project_name: "Autumn".to_owned(), ..info() };
    for (answer, written) in [(info(), false), (paused, false), (renamed, true)] {
        let mut me = Whoami::new(Jitter::new(1));
        let seq = asking(&me.look(&token(1)), 1);
        assert_eq!(me.look(&token(1)), [], "one question at a time");
        let told = if written { Action::Save(seq, answer.clone()) } else { Action::Known(answer.clone()) };
        let actions = me.answered(seq, Ok(answer), Some(&info()), at(1));
        assert_eq!(actions, [Action::Accepted(token(1)), told]);
    }
}

#[test]
fn when_the_network_comes_up_a_question_that_waits_for_it_is_asked_and_no_other() {
    for (cause, hurried) in [(Cause::Network, true), (Cause::Provider, false)] {
        let mut me = Whoami::new(Jitter::new(1));
        let mut seq = asking(&me.ask(token(1)), 1);
        let mut time = 0;
        while time < 1000 {
            let failed = oauth::Trouble { cause, why: String::new(), retry_after: None, maybe_applied: true };
            let _ = me.answered(seq, Err(TokenError::Transient(failed)), None, at(time));
            time = me.deadline().expect("it is tried again").0.as_secs() + 1;
            seq = asking(&me.timer(Some(&token(1)), at(time)), 1);
        }
        let failed = oauth::Trouble { cause, why: String::new(), retry_after: None, maybe_applied: true };
        let _ = me.answered(seq, Err(TokenError::Transient(failed)), None, at(time));
        let long = me.deadline().expect("it is tried again");
        assert!(long > at(time + 400).boot);
        me.hurry(at(time + 3).boot, |c| c == Cause::Network);
        assert_eq!(me.deadline(), Some(if hurried { at(time + 3).boot } else { long }), "{cause:?}");
    }
}

#[test]
fn a_question_on_its_way_when_the_network_comes_up_is_not_backed_off_from() {
    let mut me = Whoami::new(Jitter::new(1));
    let mut seq = asking(&me.ask(token(1)), 1);
    let mut time = 0;
    while time < 1000 {
        let _ = me.answered(seq, Err(network()), None, at(time));
        time = me.deadline().expect("it is tried again").0.as_secs() + 1;
        seq = asking(&me.timer(Some(&token(1)), at(time)), 1);
    }
    me.hurry(at(time + 3).boot, |c| c == Cause::Network);
    let _ = me.answered(seq, Err(network()), None, at(time + 5));
    assert!(me.deadline() <= Some(at(time + 5 + 8).boot), "short waits again");
}

fn statement(n: u32) -> Statement {
    (IdToken(Secret::new(format!("i{n}"))), Some(WallTime(n.into())))
}

fn wanting(wanting: Wanting) -> DeviceInfo {
    DeviceInfo { wanting, ..info() }
}

/// Answered, and on disk where it is to be.
fn told(me: &mut Whoami, seq: Seq, wanted: Wanting, time: u64) {
    let actions = me.answered(seq, Ok(wanting(wanted)), None, at(time));
    assert!(matches!(actions[..], [Action::Accepted(_), Action::Save(..)]), "{actions:?}");
    assert_eq!(me.saved(seq, Ok(()), at(time)), [Action::Known(wanting(wanted))]);
    assert_eq!(me.trouble(), None, "nobody waits for a name");
}

#[test]
fn a_document_that_does_not_come_is_asked_for_again_so_often_and_the_id_token_stays() {
    let passing = Wanting::Passing(Cause::Network);
    let mut me = Whoami::new(Jitter::new(1));
    let mut seq = asking(&me.ask(token(1)), 1);
    assert_eq!(me.statement(Some(statement(1))), Some(statement(1)));
    let (mut time, mut asked) = (0, 1);
    loop {
        told(&mut me, seq, passing, time);
        let Some(due) = me.deadline() else { break };
        assert!(due.since(at(time).boot) <= MAX_RETRY);
        time = due.0.as_secs() + 1;
        seq = asking(&me.timer(Some(&token(1)), at(time)), 1);
        asked += 1;
    }
    assert_eq!(asked, 1 + MOST_MORE);
    assert!((1000..4000).contains(&time), "{time}");
    // The next tokens came without one.
    seq = asking(&me.ask(token(2)), 2);
    assert_eq!(me.statement(None), Some(statement(1)), "and when it came");
    told(&mut me, seq, passing, time);
    assert!(me.deadline().is_some(), "from the beginning");
    time += 100;
    seq = asking(&me.timer(Some(&token(2)), at(time)), 2);
    told(&mut me, seq, Wanting::Nothing, time);
    assert_eq!((me.deadline(), me.statement(None)), (None, None), "verified, or never to be believed");
}

#[test]
fn a_document_that_is_none_is_asked_for_with_the_next_token() {
    let mut me = Whoami::new(Jitter::new(1));
    let seq = asking(&me.ask(token(1)), 1);
    let _ = me.statement(Some(statement(1)));
    told(&mut me, seq, Wanting::Document, 1);
    assert_eq!(me.deadline(), None);
    me.hurry(at(5).boot, |_| true);
    assert_eq!(me.deadline(), None, "no way was closed");
    asking(&me.ask(token(2)), 2);
    assert_eq!(me.statement(None), Some(statement(1)));
    assert_eq!(me.statement(Some(statement(2))), Some(statement(2)), "the newest");
    me.stop();
    assert_eq!(me.statement(None), None, "of a grant that is over");
}

#[test]
fn what_is_on_disk_already_is_asked_for_again_too() {
    let mut me = Whoami::new(Jitter::new(1));
    let seq = asking(&me.ask(token(1)), 1);
    let answer = wanting(Wanting::Passing(Cause::Provider));
    let actions = me.answered(seq, Ok(answer.clone()), Some(&info()), at(1));
    assert_eq!(actions, [Action::Accepted(token(1)), Action::Known(answer)]);
    assert!(me.deadline().is_some());
}

#[test]
fn when_the_network_comes_up_a_name_that_did_not_come_for_that_is_asked_for() {
    for (cause, hurried) in [(Cause::Network, true), (Cause::Provider, false)] {
        let mut me = Whoami::new(Jitter::new(1));
        let mut seq = asking(&me.ask(token(1)), 1);
        let mut time = 0;
        told(&mut me, seq, Wanting::Passing(cause), 0);
        while let Some(due) = me.deadline() {
            time = due.0.as_secs() + 1;
            seq = asking(&me.timer(Some(&token(1)), at(time)), 1);
            told(&mut me, seq, Wanting::Passing(cause), time);
        }
        me.hurry(at(time + 3).boot, |c| c == Cause::Network);
        assert_eq!(me.deadline(), hurried.then_some(at(time + 3).boot), "{cause:?}");
    }
}
