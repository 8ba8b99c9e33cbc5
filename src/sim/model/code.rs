//! One pairing code: what may become of it, and how it is shown.
use serde::Serialize;

use super::project::ProjectView;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CodeState {
    Pending,
    Approved(ProjectView),
    Denied,
    Redeemed,
    /// The same device asked for a newer code.
    Superseded,
}

/// One pairing attempt.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
    pub(crate) client_id: String,
    pub(crate) name: String,
    pub(crate) state: CodeState,
    pub(super) issued_ms: u64,
    pub(crate) expires_ms: u64,
    pub(super) interval_ms: u64,
    pub(super) last_poll_ms: u64,
    pub(super) client_version: Option<String>,
}

impl Code {
    /// The project it was approved for and the tokens were not collected for yet.
    pub(super) fn project_mut(&mut self) -> Option<&mut ProjectView> {
        match &mut self.state {
            CodeState::Approved(project) => Some(project),
            CodeState::Pending | CodeState::Denied | CodeState::Redeemed | CodeState::Superseded => None,
        }
    }
}

/// A code a person can still approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeView {
    /// The six digits the device shows.
    pub user_code: String,
    /// The device that asks.
    pub client_id: String,
    /// The name it will have.
    pub name: String,
    /// Seconds left to approve and collect, rounded down.
    pub expires_in: u64,
    /// `pending`, or `approved` while the device has not collected its tokens yet.
    pub state: String,
}

/// A person may type "573 131" or "573-131"; only the digits count.
pub(crate) fn digits(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_digit).collect()
}
