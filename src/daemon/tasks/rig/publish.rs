//! What people and the other tasks see of the rig, and what waits until they do.
use super::{RigTask, tell};
use crate::http::Transport;
use crate::tasks::journal;
use rigpost_core::identity::rig::{Change, Reply};
use rigpost_core::oauth::DeviceStatus;
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
        let for_clips = self.rig.access().filter(|_| self.deps.provider.clips().is_some());
        let access = for_clips.map(|(token, device)| Access {
            token: token.clone(),
            project_id: device.project_id.clone(),
            paused: device.status == DeviceStatus::Paused,
        });
        self.access.send_if_modified(|old| {
            let changed = *old != access;
            if changed {
                *old = access;
            }
            changed
        });
        for answer in self.answers.drain(..) {
            match answer {
                Reply::Done(id, answer) => tell(self.commanders.remove(&id), answer.map(|()| None)),
                Reply::Ended(id, ended) => tell(self.commanders.remove(&id), Ok(Some(ended))),
                Reply::Access(id, answer) => tell(self.programs.remove(&id), answer),
            }
        }
    }
}
