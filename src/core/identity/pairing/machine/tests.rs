#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it waits for")]
mod codes;
mod limits;
mod polls;
mod walk;

use super::*;
use crate::oauth::{AccessToken, DeviceCode, RefreshToken, Trouble, UserCode};
use crate::secret::Secret;
use crate::time::{BootId, WallTime};

const INTERVAL: u64 = 5;
const LIFE: u64 = 120;

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn ms(ms: u64) -> Now {
    Now { boot_id: BootId(1), boot: BootTime(Duration::from_millis(ms)), wall: WallTime(0) }
}

fn at(s: u64) -> Now {
    ms(1000 * s)
}

fn auth(n: u32) -> DeviceAuthorization {
    DeviceAuthorization {
        device_code: device_code(n),
        user_code: UserCode(Secret::new(format!("{n:06}"))),
        verification_uri: None,
        verification_uri_complete: None,
        expires_in: secs(LIFE),
        interval: secs(INTERVAL),
        device_name: None,
    }
}

fn device_code(n: u32) -> DeviceCode {
    DeviceCode(Secret::new(format!("d{n}")))
}

fn tokens() -> TokenResponse {
    TokenResponse {
        access_token: AccessToken(Secret::new("a")),
        refresh_token: Some(RefreshToken(Secret::new("r"))),
        expires_in: None,
        id_token: None,
        binding: None,
    }
}

fn trouble(cause: Cause, retry_after: Option<u64>) -> TokenError {
    let why = "it did not work".to_owned();
    TokenError::Transient(Trouble { cause, why, retry_after: retry_after.map(secs), maybe_applied: true })
}

fn network() -> TokenError {
    trouble(Cause::Network, None)
}

fn requesting(actions: &[Action]) -> Seq {
    match actions {
        [Action::RequestCode(seq)] => *seq,
        other => panic!("not one code request: {other:?}"),
    }
}

fn saving(actions: &[Action]) -> Seq {
    match actions {
        [Action::SaveCode(seq, ..)] => *seq,
        other => panic!("not one save: {other:?}"),
    }
}

fn polling(actions: &[Action], code: u32) -> Seq {
    match actions {
        [Action::Poll(seq, c)] if *c == device_code(code) => *seq,
        other => panic!("not one poll with code {code}: {other:?}"),
    }
}

fn new() -> Pairing {
    Pairing::new(Jitter::new(1))
}

fn start(limit: Option<u64>) -> (Pairing, Seq) {
    let mut p = new();
    let seq = requesting(&p.on(Event::Start { limit: limit.map(secs) }, at(0)));
    (p, seq)
}

/// Code 1 is on the screen since second 0.
fn waiting(limit: Option<u64>) -> Pairing {
    let (mut p, seq) = start(limit);
    let seq = saving(&p.on(Event::Code(seq, Ok(auth(1))), at(0)));
    assert_eq!(p.on(Event::Saved(seq, Ok(())), at(0)), [Action::CodeReady]);
    p
}

fn due(p: &Pairing) -> Now {
    let boot = p.deadline().expect("something is due");
    Now { boot, ..at(0) }
}

/// Polls at the time that is due.
fn poll(p: &mut Pairing, code: u32) -> (Seq, Now) {
    let now = due(p);
    (polling(&p.on(Event::Timer, now), code), now)
}
