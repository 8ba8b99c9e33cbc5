//! A project.
use serde::Serialize;

/// A project clips can go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProjectView {
    /// Stable identifier, made from the name.
    pub id: String,
    /// The name people see.
    pub name: String,
}
