//! What people and the other tasks see of the rig, and what waits until they do.
use tokio::sync::watch;

use super::{RigTask, tell};
use crate::http::Transport;
use crate::tasks::delivery::Deliverer;
use crate::tasks::journal;
use rigpost_core::identity::rig::{Change, Reply};
use rigpost_core::oauth::{DeviceInfo, DeviceStatus};
use rigpost_core::queue::schedule::Access;

impl<T: Transport> RigTask<T> {
    pub(super) fn publish(&mut self) {
        if self.ending || self.disk_queue.iter().any(|c| matches!(c, Change::EndGrant(_))) {
            return;
        }
        let view = self.rig.view(self.deps.clock.now());
        self.view.send_if_modified(|old| {
            let changed = *old != view;
            if changed {
                journal::rig_changed(old, &view);
                *old = view;
            }
            changed
        });
        let delivery = self.deps.delivery.as_ref();
        let binding = delivery.and_then(Deliverer::binding);
        // What the disk says of an earlier configuration is of no use before the provider has answered.
        let is_there = |device: &DeviceInfo| binding.as_ref().is_none_or(|(id, _)| *id == device.project_id);
        let for_clips = self.rig.access().filter(|(_, device)| delivery.is_some() && is_there(device));
        let sign_in = self.rig.sign_in();
        show(&self.sign_in, sign_in);
        let access = for_clips.map(|(token, device)| Access {
            token: token.clone(),
            project_id: device.project_id.clone(),
            paused: device.status == DeviceStatus::Paused,
        });
        show(&self.access, access);
        for answer in self.answers.drain(..) {
            match answer {
                Reply::Done(id, answer) => tell(self.commanders.remove(&id), answer.map(|()| None)),
                Reply::Ended(id, ended) => tell(self.commanders.remove(&id), Ok(Some(ended))),
                Reply::Access(id, answer) => tell(self.programs.remove(&id), answer),
            }
        }
    }
}

/// Wakes whoever watches it only where it is another.
fn show<V: PartialEq>(to: &watch::Sender<V>, value: V) {
    to.send_if_modified(|old| {
        let changed = *old != value;
        if changed {
            *old = value;
        }
        changed
    });
}
