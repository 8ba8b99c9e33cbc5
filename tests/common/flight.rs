//! Parts on their way, as the cloud's log tells of them.
use std::collections::{BTreeMap, BTreeSet};

use rigpost_sim::{Endpoint, Event, EventKind};

use super::{PATIENCE, Rig};

/// Slots that the line has beside those for parts in flight at once, for what is more important.
pub(crate) const EXPRESS: usize = 2;

/// What a look at the log shows.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// Clip and part of every call that has no end yet.
    pub(crate) now: Vec<(String, u64)>,
    /// The most that were under way at one time.
    pub(crate) most: usize,
    /// Clip and part, in the order in which their sending was begun.
    pub(crate) begun: Vec<(String, u64)>,
    /// Clip and part, in the order in which they were there.
    pub(crate) there: Vec<(String, u64)>,
}

impl Flight {
    /// How many parts of this clip are under way.
    pub(crate) fn of(&self, name: &str) -> usize {
        self.now.iter().filter(|(clip, _)| clip == name).count()
    }

    /// How many clips have parts under way.
    pub(crate) fn clips(&self) -> usize {
        self.now.iter().map(|(clip, _)| clip).collect::<BTreeSet<_>>().len()
    }
}

impl Rig {
    /// The parts of all clips until now.
    pub(crate) fn flight(&self) -> Flight {
        let names: BTreeMap<String, String> = self.sim.assets().into_iter().map(|a| (a.id, a.name)).collect();
        let (mut flight, mut open) = (Flight::default(), BTreeMap::new());
        for event in self.sim.log().into_iter().filter(|e| e.endpoint == Endpoint::Part) {
            let (Some(asset), Some(part)) = (&event.asset, event.part) else { continue };
            let (call, place) = ((event.connection, event.request), (names[asset].clone(), part));
            match event.kind {
                EventKind::Received => {
                    flight.begun.push(place.clone());
                    open.insert(call, place);
                    flight.most = flight.most.max(open.len());
                }
                EventKind::Effect => flight.there.push(place),
                EventKind::Replied | EventKind::Cut => drop(open.remove(&call)),
                EventKind::Assembled | EventKind::Action => {}
            }
        }
        flight.now = open.into_values().collect();
        flight
    }

    /// Looks at the parts at once and after each event of the cloud, until they are as wanted.
    pub(crate) async fn wait_flight(&self, what: &str, wanted: impl Fn(&Flight) -> bool) -> Flight {
        loop {
            let (after, flight) = (self.now(), self.flight());
            if wanted(&flight) {
                return flight;
            }
            let part = |e: &Event| e.endpoint == Endpoint::Part;
            let news = self.sim.wait_for_after(after, part, PATIENCE).await;
            assert!(news.is_some(), "waited for {what} in vain; the parts were {flight:#?}");
        }
    }
}
