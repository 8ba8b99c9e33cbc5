//! The ways in which a person ends a program that would go on: Ctrl-C, `kill`, closing the terminal.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Failure;

/// Waits for one of them. Counts from when it was made, so that none is missed in between.
pub(crate) struct Leaving([Signal; 3]);

impl Leaving {
    /// From now on these signals no longer end the process by themselves.
    pub(crate) fn new() -> Result<Self, Failure> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Ends when a person wants to leave. Can be dropped and called again without missing anything.
    pub(crate) async fn next(&mut self) {
        let Self([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            _ = hangup.recv() => (),
        }
    }
}
