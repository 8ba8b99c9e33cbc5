//! What somebody said, line by line, and waiting for the next.
use std::sync::Arc;

use tokio::sync::watch;

/// A growing list; clones share it.
#[derive(Clone)]
pub(crate) struct Lines(Arc<watch::Sender<Vec<String>>>);

impl Lines {
    pub(crate) fn new() -> Lines {
        Lines(Arc::new(watch::Sender::new(Vec::new())))
    }

    pub(crate) fn push(&self, line: String) {
        self.0.send_modify(|lines| lines.push(line));
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Waits until there are so many.
    pub(crate) async fn grown_to(&self, len: usize) {
        let mut news = self.0.subscribe();
        let grown = news.wait_for(|lines| lines.len() >= len).await;
        drop(grown.expect("the list outlives its readers"));
    }

    /// The first line after the first `skip` that holds `wanted`, once it is there.
    pub(crate) async fn wait(&self, skip: usize, wanted: &str) -> String {
        let mut news = self.0.subscribe();
        let found = |lines: &[String]| lines.iter().skip(skip).find(|l| l.contains(wanted)).cloned();
        let seen =
            super::soon(&format!("the line \"{wanted}\""), news.wait_for(|l| found(l).is_some())).await;
        found(&seen.expect("the list outlives its readers")).expect("it was there a moment ago")
    }
}
