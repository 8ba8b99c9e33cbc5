//! What all connections share, and what people (and tests) can do to it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use url::Url;

use super::clock::{Clock, Moment};
use super::error::SimError;
use super::event::{Event, Journal};
use super::fault::{Fault, Faults};
use super::model::World;
use super::options::{Etags, Lifetimes, SimOptions, Sockets};
use super::s3::Bucket;
use super::secret;
use super::storage::Storage;

/// The simulator behind its connections.
pub(crate) struct App {
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) storage: Storage,
    pub(crate) base: Url,
    /// The same for other machines, where it is not said in `base`.
    pub(crate) lan: Option<Url>,
    pub(crate) verification_base: Option<Url>,
    pub(crate) marker: String,
    pub(crate) tls: bool,
    pub(crate) etags: Etags,
    pub(crate) reject_early: bool,
    pub(crate) sockets: Sockets,
    /// Real storage, where upload addresses lead past this server.
    pub(crate) bucket: Option<Bucket>,
    world: Mutex<World>,
    faults: Mutex<Faults>,
}

impl App {
    pub(crate) fn new(
        options: &SimOptions,
        clock: Clock,
        base: Url,
        lan: Option<Url>,
    ) -> std::io::Result<Self> {
        let mut faults = Faults::default();
        options.faults.iter().cloned().for_each(|fault| faults.inject(fault));
        Ok(Self {
            clock,
            journal: Journal::open(options.log_file.as_deref())?,
            storage: Storage::open(options.storage_dir.as_deref())?,
            base,
            lan,
            verification_base: options.verification_base.clone(),
            marker: options.marker.clone(),
            tls: options.tls,
            etags: options.etags,
            reject_early: options.reject_early,
            sockets: options.sockets,
            bucket: options.s3.as_ref().map(Bucket::new).transpose()?,
            world: Mutex::new(World::new(options)),
            faults: Mutex::new(faults),
        })
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// The model, brought up to `now`: whatever happens by the passing of time has happened.
    pub(crate) fn world(&self, now: Moment) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        for (client_id, news) in world.tick(now) {
            self.journal.record(Event::action(Some(client_id), news), now.ms);
        }
        world
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, client_id: Option<String>, detail: String, now: Moment) {
        self.journal.record(Event::action(client_id, detail), now.ms);
    }

    /// Writes down what a person did to a device.
    fn done(&self, client_id: &str, what: &str, now: Moment) {
        self.log(Some(client_id.to_owned()), what.to_owned(), now);
    }

    pub(crate) fn approve(&self, code: &str, project: &str) -> Result<(), SimError> {
        let now = self.now();
        let client_id = self.world(now).approve(code, project, now)?;
        self.done(&client_id, &format!("code {} approved for {project}", secret::short(code)), now);
        Ok(())
    }

    pub(crate) fn deny(&self, code: &str) -> Result<(), SimError> {
        let now = self.now();
        let client_id = self.world(now).deny(code, now)?;
        self.done(&client_id, &format!("code {} denied", secret::short(code)), now);
        Ok(())
    }

    pub(crate) fn revoke(&self, client_id: &str) -> Result<(), SimError> {
        let now = self.now();
        self.world(now).forget(client_id)?;
        self.done(client_id, "device forgotten", now);
        Ok(())
    }

    pub(crate) fn pause(&self, client_id: &str) -> Result<(), SimError> {
        let now = self.now();
        self.world(now).pause(client_id, now)?;
        self.done(client_id, "device paused", now);
        Ok(())
    }

    pub(crate) fn resume(&self, client_id: &str) -> Result<(), SimError> {
        let now = self.now();
        self.world(now).resume(client_id, now)?;
        self.done(client_id, "device resumed", now);
        Ok(())
    }

    pub(crate) fn plug(&self, client_id: &str, index: u64, connected: bool) -> Result<(), SimError> {
        let now = self.now();
        self.world(now).plug(client_id, index, connected, now)?;
        let what = if connected { "connected" } else { "disconnected" };
        self.done(client_id, &format!("channel {index} {what}"), now);
        Ok(())
    }

    pub(crate) fn cut_sockets(&self, client_id: &str) -> Result<(), SimError> {
        let now = self.now();
        self.world(now).cut_sockets(client_id)?;
        self.done(client_id, "sockets cut off", now);
        Ok(())
    }

    pub(crate) fn move_device(&self, client_id: &str, project: &str) -> Result<(), SimError> {
        let now = self.now();
        self.world(now).move_device(client_id, project)?;
        self.done(client_id, &format!("device moved to {project}"), now);
        Ok(())
    }

    pub(crate) fn burn_refresh(&self, client_id: &str) -> Result<(), SimError> {
        let now = self.now();
        let burnt = self.world(now).burn_refresh(client_id);
        burnt.ok_or_else(|| SimError::NoSuchDevice(client_id.to_owned()))?;
        self.done(client_id, "refresh token burnt", now);
        Ok(())
    }

    pub(crate) fn expire_access(&self, client_id: &str) -> Result<(), SimError> {
        let now = self.now();
        let expired = self.world(now).expire_access(client_id, now);
        expired.ok_or_else(|| SimError::NoSuchDevice(client_id.to_owned()))?;
        self.done(client_id, "access token expired", now);
        Ok(())
    }

    pub(crate) fn end_pairing_in(&self, client_id: &str, seconds: u64) -> Result<(), SimError> {
        let now = self.now();
        let end = now.ms.saturating_add(seconds.saturating_mul(1000));
        self.world(now).device_mut(client_id)?.ends_ms = Some(end);
        self.done(client_id, &format!("pairing ends in {seconds} s"), now);
        Ok(())
    }

    pub(crate) fn set_lifetimes(&self, lives: Lifetimes) {
        let now = self.now();
        self.world(now).rules.lives = lives;
        self.log(None, "lifetimes changed".to_owned(), now);
    }

    pub(crate) fn set_skew(&self, seconds: i64) {
        self.clock.set_skew(seconds);
        self.log(None, format!("dates shifted by {seconds} s"), self.now());
    }

    pub(crate) fn paused_before(&self, client_id: &str, from: u64, until: u64) -> Result<(), SimError> {
        let now = self.now();
        self.world(now).paused_before(client_id, from, until, now)?;
        self.done(client_id, &format!("device was paused from {from} s to {until} s ago"), now);
        Ok(())
    }

    pub(crate) fn rename_project(&self, old: &str, new: &str) -> Result<(), SimError> {
        let now = self.now();
        self.world(now).rename_project(old, new)?;
        self.log(None, format!("project {old} renamed to {new}"), now);
        Ok(())
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(seconds);
        let now = self.now();
        self.log(None, format!("{seconds} s have passed"), now);
        // Whatever happens by the passing of time happens now.
        drop(self.world(now));
    }

    pub(crate) fn inject(&self, fault: Fault) {
        self.faults().inject(fault);
    }
}
