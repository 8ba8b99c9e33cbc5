//! Frame.io's dialect, against rigpost-sim. The simulator runs inside the test, with every rig.
use rigpost_sim::{Endpoint, Event, EventKind, Lifetimes};

use crate::cloud::{Answer, Cloud, Lives, Place, Trouble};
use crate::common::*;

/// The server is the rig's own.
pub(crate) struct Frameio;

fn endpoint(place: Place) -> Endpoint {
    match place {
        Place::Code => Endpoint::DeviceCode,
        Place::Poll => Endpoint::TokenPoll,
        Place::Refresh => Endpoint::Refresh,
        Place::Revoke => Endpoint::Revoke,
    }
}

fn is_answer(event: &Event, place: Place) -> bool {
    event.endpoint == endpoint(place) && matches!(event.kind, EventKind::Replied | EventKind::Cut)
}

fn answer(e: Event) -> Answer {
    Answer { n: e.n, ms: e.ms, status: e.status, error: e.error }
}

impl Cloud for Frameio {
    const SECRET: Option<&'static str> = Some(SECRET);

    async fn setup(lives: Lives) -> (Setup, Frameio) {
        let setup = Setup::cloud(|c| {
            c.access_expires_in = lives.access;
            c.code_expires_in = lives.code as f64;
        });
        (setup, Frameio)
    }

    fn project(&self) -> String {
        PROJECT.to_owned()
    }

    async fn live(&self, rig: &Rig, lives: Lives) {
        let now = rig.sim.lifetimes();
        let code_expires_in = lives.code as f64;
        rig.sim.set_lifetimes(Lifetimes { access_expires_in: lives.access, code_expires_in, ..now });
    }

    async fn approve(&self, rig: &Rig, code: &str) {
        rig.sim.approve(code, PROJECT).unwrap();
    }

    async fn deny(&self, rig: &Rig, code: &str) {
        rig.sim.deny(code).unwrap();
    }

    async fn expire(&self, rig: &Rig, _code: &str) {
        rig.sim.inject("token-poll:expired_token".parse().unwrap());
    }

    async fn revoke(&self, rig: &Rig) {
        rig.sim.revoke_device(&rig.device_id().await).unwrap();
    }

    async fn steal(&self, rig: &Rig) {
        rig.sim.burn_refresh(&rig.device_id().await).unwrap();
    }

    async fn trouble(&self, rig: &Rig, place: Place, trouble: Trouble) {
        let kind = match trouble {
            Trouble::SlowDown => "slow_down",
            Trouble::Unavailable => "503",
            Trouble::Page => "captive-portal",
            Trouble::Portal => "redirect",
            Trouble::LostAnswer => "lost-answer",
        };
        if matches!((place, trouble), (Place::Refresh, Trouble::LostAnswer)) {
            // The second attempt with the same token, which the rig can't know to be spent.
            rig.allow_violations();
        }
        rig.sim.inject(format!("{}:{kind}", endpoint(place).word()).parse().unwrap());
    }

    async fn rejected() -> (Rig, Frameio) {
        let (setup, cloud) = Frameio::setup(crate::cloud::LONG).await;
        let rig = setup.start().await;
        rig.provision("not-the-secret").await.unwrap();
        (rig, cloud)
    }

    async fn accepted(&self, rig: &mut Rig) {
        rig.provision(SECRET).await.unwrap();
    }

    async fn answers(&self, rig: &Rig, place: Place) -> Vec<Answer> {
        rig.sim.log().into_iter().filter(|e| is_answer(e, place)).map(answer).collect()
    }

    async fn next(&self, rig: &Rig, place: Place, after: u64) -> Answer {
        let found = rig.sim.wait_for_after(after, |e| is_answer(e, place), PATIENCE).await;
        answer(found.unwrap_or_else(|| panic!("no answer of {}", endpoint(place).word())))
    }

    async fn authorized(&self, rig: &Rig) -> bool {
        rig.sim.devices().iter().any(|device| device.status != "forgotten")
    }
}
