//! What the task waits for.
use std::collections::BTreeSet;
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::job::Done;
use crate::watch::{Mounts, WatchEvent, Watcher};
use rigpost_core::view::QueueView;

/// Waits until the queue changes, and then holds fewer items than its limit.
pub(super) async fn room_made(view: &mut watch::Receiver<QueueView>, max_items: u64) {
    while view.changed().await.is_ok() {
        if view.borrow_and_update().counters.unfinished() < max_items {
            return;
        }
    }
    // Nobody shows the queue any more: the daemon is stopping.
    std::future::pending().await
}

pub(super) async fn some(job: &mut Option<BoxFuture<'static, Done>>) -> Done {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

pub(super) async fn events(watcher: Option<&Watcher>) -> std::io::Result<Vec<WatchEvent>> {
    match watcher {
        Some(watcher) => watcher.events().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn mounts(mounts: &mut Option<Mounts>) -> std::io::Result<BTreeSet<PathBuf>> {
    match mounts {
        Some(mounts) => mounts.changed().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use rigpost_core::queue::item::Counters;

    use super::*;

    #[test]
    fn room_is_made_where_less_than_the_limit_is_not_sent_whatever_it_waits_for() {
        let of = |files_left, held, away, incomplete, failed| Counters {
            files_left,
            held,
            away,
            incomplete,
            failed,
            ..Counters::default()
        };
        for (counters, is_room) in [
            (of(5, 0, 0, 0, 0), false),
            (of(1, 1, 1, 1, 1), false),
            (of(0, 0, 5, 0, 0), false),
            (of(0, 0, 0, 5, 0), false),
            (of(0, 0, 4, 0, 0), true),
            (of(1, 1, 0, 1, 1), true),
        ] {
            let (shows, mut view) = watch::channel(QueueView::default());
            shows.send_modify(|view| view.counters = counters);
            assert_eq!(room_made(&mut view, 5).now_or_never().is_some(), is_room, "{counters:?}");
        }
    }
}
