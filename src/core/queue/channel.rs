//! Channels: cameras and recorders behind this rig that the project knows by themselves (contract §5.6).
use rigpost_contract::channel::ChannelState;

/// One source's channel, as it stands in the project of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The media source, by name.
    pub source: String,
    /// In this project; empty before there is one.
    pub project: String,
    /// Where it stands.
    pub state: ChannelState,
    /// The number that clips are sent with; 0 before it is connected.
    pub index: u8,
    /// What the provider has said where it is not; empty where it has said nothing.
    pub detail: String,
}

impl Channel {
    /// One of which nothing was heard yet.
    pub fn waiting(source: &str) -> Channel {
        Channel {
            source: source.to_owned(),
            project: String::new(),
            state: ChannelState::Waiting,
            index: 0,
            detail: String::new(),
        }
    }

    /// Why its clips wait; nothing where they don't.
    pub fn stands_in_the_way(&self) -> Option<String> {
        let why = self.state.clause();
        let said = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
        (!why.is_empty()).then(|| format!("the channel of the media source \"{}\" {why}{said}", self.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_is_connected_lets_clips_go() {
        for state in ChannelState::ALL.iter().copied() {
            let channel = Channel { state, detail: "no".to_owned(), ..Channel::waiting("A") };
            let goes = state == ChannelState::Connected;
            assert_eq!(channel.stands_in_the_way().is_none(), goes, "{state}");
        }
        let said = Channel::waiting("A").stands_in_the_way().unwrap();
        assert_eq!(said, "the channel of the media source \"A\" is not connected yet");
    }
}
