//! A comment on an asset.
use serde::Serialize;

/// A comment that a device made, as the model keeps it and tests and the page see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CommentView {
    /// Identifier the cloud gave it.
    pub id: String,
    /// What it says.
    pub text: String,
    /// The frame it is about, from 0; `None` for one about the whole clip.
    pub timestamp: Option<f64>,
    /// When it was made, RFC 3339.
    pub created: String,
}
