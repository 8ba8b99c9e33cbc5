//! What the tasks have in common.
use std::sync::Arc;

use crate::clock::Clock;
use crate::link::DEPTH;
use crate::store::Store;
use crate::tasks::delivery::Deliverer;
use crate::tasks::prover::Prover;
use rigpost_core::command::Refusal;
use rigpost_core::provider::Provider;

/// Of somebody whose command is one more than a task has room for.
pub(super) fn too_many() -> Refusal {
    Refusal::LimitsExceeded(format!("{DEPTH} requests are under way; try again in a moment"))
}

/// What every task works with.
pub struct Deps<T> {
    /// What to say to the cloud.
    pub provider: Provider,
    /// Where clips go; `None`: nowhere.
    pub delivery: Option<Deliverer<T>>,
    /// The way there.
    pub transport: Arc<T>,
    /// The disk.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The rig's key.
    pub prover: Arc<Prover>,
}

impl<T> Deps<T> {
    /// With a prover of their own.
    pub fn new(
        provider: Provider,
        delivery: Option<Deliverer<T>>,
        transport: Arc<T>,
        store: Store,
        clock: Clock,
    ) -> Deps<T> {
        let prover = Arc::new(Prover::new(store.clone(), clock.clone()));
        Deps { provider, delivery, transport, store, clock, prover }
    }
}

// Derived, it would ask the transport to be `Clone`.
impl<T> Clone for Deps<T> {
    fn clone(&self) -> Deps<T> {
        let Deps { provider, delivery, transport, store, clock, prover } = self;
        Deps {
            provider: provider.clone(),
            delivery: delivery.clone(),
            transport: transport.clone(),
            store: store.clone(),
            clock: clock.clone(),
            prover: prover.clone(),
        }
    }
}
