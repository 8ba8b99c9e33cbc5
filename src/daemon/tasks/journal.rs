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
        if is_well(new) {
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
        info!(pairing_state, project_id, "the {} is called {project} now", new.provider.noun());
    }
    if old.refreshed_at.is_some() && new.refreshed_at.is_some() && old.refreshed_at != new.refreshed_at {
        info!(pairing_state, project_id, "tokens refreshed");
    }
    if old.clock_trusted && !new.clock_trusted {
        warn!("the clock is not to be trusted; nothing is lost by it, but TLS may refuse until it is set");
    }
}

/// A state that is a trouble by itself needs no reason: a disk may be back, and the key not.
fn is_well(view: &RigView) -> bool {
    match view.state {
        State::SecretUnavailable | State::NeedsPairing => false,
        State::Paired
        | State::WaitingForUser
        | State::RequestingCode
        | State::Unprovisioned
        | State::Unpaired => view.reason == Reason::None,
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
        | State::Unpaired => {
            let sentence = view.reason.sentence(view.state);
            if view.detail.is_empty() { sentence } else { format!("{sentence} [{}]", view.detail) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use rigpost_contract::provider::ProviderKind;
    use rigpost_core::oauth::DeviceInfo;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said(old: &RigView, new: &RigView) -> String {
        let lines = Lines::default();
        let to = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || to.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || rig_changed(old, new));
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_disk_that_is_back_without_the_key_is_not_well() {
        let of = |reason, detail: &str| RigView { reason, detail: detail.to_owned(), ..RigView::unread() };
        let lost = of(Reason::None, "there is no root key");
        let line = said(&of(Reason::Storage, "it is read-only"), &lost);
        assert!(line.contains("WARN") && line.contains("there is no root key"), "{line}");
        let line = said(&lost, &of(Reason::Storage, "it is read-only"));
        assert!(line.contains("WARN") && line.contains("it is read-only"), "{line}");
        let paired = RigView { state: State::Paired, ..RigView::unread() };
        let line = said(&RigView { reason: Reason::Network, ..paired.clone() }, &paired);
        assert!(line.contains("INFO") && line.contains("all is well again"), "{line}");
    }

    #[test]
    fn of_an_account_no_line_speaks_of_a_project() {
        let named = |name: &str| DeviceInfo {
            project_id: "https://login.example".to_owned(),
            project_name: name.to_owned(),
            ..DeviceInfo::default()
        };
        let mut all = String::new();
        for (state, reason) in State::ALL.iter().flat_map(|s| Reason::ALL.iter().map(move |r| (*s, *r))) {
            let mut before = RigView { provider: ProviderKind::OAuth, ..RigView::unread() };
            for device in [None, Some(named("login.example")), Some(named("sign-in.example"))] {
                let now = RigView { device, state, reason, ..before.clone() };
                all += &said(&before, &now);
                before = now;
            }
        }
        // The field's name is that of the property.
        let words = all.replace("project_id", "").to_lowercase();
        assert!(
            words.contains("paired with login.example") && words.contains("the account is called"),
            "{words}"
        );
        assert!(!words.contains("project"), "{words}");
    }
}
