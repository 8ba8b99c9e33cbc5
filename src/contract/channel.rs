//! Channels of a rig: cameras and recorders behind it that the project knows by themselves.
use crate::table::table;

struct Row {
    word: &'static str,
    clause: &'static str,
}

table! {
    /// Where a channel stands.
    ChannelState: Row {
        /// Its number is known.
        Connected { word: "connected", clause: "" }
        /// It was not asked for yet, or nobody has answered.
        Waiting { word: "waiting", clause: "is not connected yet" }
        /// The provider does not allow its model, or does not know it.
        ModelNotAllowed { word: "model-not-allowed", clause: "is not connected: its model is not allowed for this rig" }
        /// The provider says that it is in use elsewhere (409).
        Conflict { word: "conflict", clause: "is not connected: the provider says that it is in use" }
    }
}

impl ChannelState {
    /// Behind the channel's name, no full stop; empty for [`ChannelState::Connected`].
    pub const fn clause(self) -> &'static str {
        self.row().clause
    }
}
