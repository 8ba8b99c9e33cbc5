//! What tests see of the cloud.

use super::Sim;
use super::fault::FaultView;
use super::model::asset::AssetView;
use super::model::code::CodeView;
use super::model::device::DeviceView;
use super::model::part::PartView;
use super::model::socket::SocketView;
use super::options::Lifetimes;

impl Sim {
    /// The codes that wait for a person's answer, oldest first.
    pub fn codes(&self) -> Vec<CodeView> {
        let now = self.app.now();
        let mut codes = self.app.world(now).code_views(now);
        codes.retain(|code| code.state == "pending");
        codes
    }

    /// Every device ever paired.
    pub fn devices(&self) -> Vec<DeviceView> {
        let now = self.app.now();
        self.app.world(now).device_views(now)
    }

    /// Every asset ever created, oldest first.
    pub fn assets(&self) -> Vec<AssetView> {
        self.app.world(self.app.now()).asset_views()
    }

    /// Every clip, oldest first: each with its versions, first to last. A test that wants one clip, and no twins of it,
    /// checks that there is one of these.
    pub fn clips(&self) -> Vec<Vec<AssetView>> {
        self.app.world(self.app.now()).clip_views()
    }

    /// Every part whose sending was ever begun, by asset (oldest first) and number: how often, and what is there.
    pub fn parts(&self) -> Vec<PartView> {
        self.app.world(self.app.now()).part_views()
    }

    /// Every socket that a device ever opened, oldest first (the newest 1000).
    pub fn sockets(&self) -> Vec<SocketView> {
        self.app.world(self.app.now()).socket_views()
    }

    /// Those of [`Sim::parts`] whose sending was begun though they were there already. A test of resuming checks that
    /// there are none.
    pub fn parts_begun_again(&self) -> Vec<PartView> {
        self.parts().into_iter().filter(|part| part.begun_again > 0).collect()
    }

    /// The lifetimes in force.
    pub fn lifetimes(&self) -> Lifetimes {
        self.app.world(self.app.now()).rules.lives
    }

    /// The faults still in force.
    pub fn faults(&self) -> Vec<FaultView> {
        self.app.faults().views()
    }

    /// What clients did against the protocol, in plain words. A test checks at its end that this is empty.
    pub fn violations(&self) -> Vec<String> {
        self.app.world(self.app.now()).violations.clone()
    }
}
