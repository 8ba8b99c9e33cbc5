//! What the journal says when something changes: one line for people, fields for programs.
use tracing::{info, warn};

use rigpost_core::view::{Reason, RigView, State};

/// Compares two snapshots and says what a support engineer wants to read. Never a code, never a token.
pub fn rig_changed(old: &RigView, new: &RigView) {
    let project_id = new.device.as_ref().map(|d| d.project_id.as_str()).unwrap_or_default();
    let project = new.device.as_ref().map(|d| d.project_name.as_str()).unwrap_or_default();
    let (pairing_state, reason) = (new.state.as_str(), new.reason.as_str());
    let old_project = old.device.as_ref().map(|d| d.project_name.as_str()).unwrap_or_default();
    let old_project_id = old.device.as_ref().map(|d| d.project_id.as_str()).unwrap_or_default();
    if old.state != new.state || old_project_id != project_id {
        let line = match new.state {
            State::Paired if !project.is_empty() => format!("{} with {project}", State::Paired.headline()),
            State::NeedsPairing | State::SecretUnavailable => trouble(new),
            State::Paired
            | State::WaitingForUser
            | State::RequestingCode
            | State::Unprovisioned
            | State::Unpaired => new.state.headline().to_owned(),
        };
        match new.state {
            State::NeedsPairing | State::SecretUnavailable => {
                warn!(pairing_state, reason, project_id, "{line}")
            }
            State::Paired
            | State::WaitingForUser
            | State::RequestingCode
            | State::Unprovisioned
            | State::Unpaired => info!(pairing_state, reason, project_id, "{line}"),
        }
    } else if old.reason != new.reason {
        if new.reason == Reason::None {
            info!(pairing_state, reason, project_id, "all is well again");
        } else {
            warn!(pairing_state, reason, project_id, "{}", trouble(new));
        }
    }
    if old.is_paused_in_project() != new.is_paused_in_project() && new.state == State::Paired {
        if new.is_paused_in_project() {
            warn!(pairing_state, project_id, "somebody has paused this rig in the project");
        } else {
            info!(pairing_state, project_id, "the project takes clips of this rig");
        }
    } else if old_project_id == project_id && old.device.is_some() && old_project != project {
        info!(pairing_state, project_id, "the project is called {project} now");
    }
    if old.refreshed_at.is_some() && new.refreshed_at.is_some() && old.refreshed_at != new.refreshed_at {
        info!(pairing_state, project_id, "tokens refreshed");
    }
    if old.clock_trusted && !new.clock_trusted {
        warn!("the clock is not to be trusted; nothing is lost by it, but TLS may refuse until it is set");
    }
}

fn trouble(view: &RigView) -> String {
    match view.state {
        State::SecretUnavailable if !view.is_without_disk() => {
            format!("{}: {}", view.state.clause(), view.detail)
        }
        State::SecretUnavailable
        | State::NeedsPairing
        | State::Paired
        | State::WaitingForUser
        | State::RequestingCode
        | State::Unprovisioned
        | State::Unpaired => view.reason.sentence(&view.detail),
    }
}
