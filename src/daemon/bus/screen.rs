//! Notices that somebody looks: a program that has asked for something, and is still there a moment later.
//!
//! # Decisions
//! - A bus tells nobody who listens to signals, so this is as near as it comes. A command that has its answer and leaves is
//!   nobody who looks; a program that stays and asks for nothing any more may belong to a screen that is dark.
use std::time::Duration;

use tokio::sync::mpsc;
use zbus::Connection;

use crate::bus::caller::{self, Of};
use crate::bus::limits::Limits;
use crate::clock::Clock;
use crate::link::ToRig;

/// Longer than a command takes.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Tells the rig. Never returns.
pub async fn watch(connection: &Connection, limits: Limits, to_rig: &mpsc::Sender<ToRig>, clock: &Clock) {
    let (bus, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    loop {
        let Some(name) = limits.called().await else { continue };
        clock.sleep_until(clock.now().boot + A_MOMENT).await;
        let owner = caller::answer(connection, [bus, path, bus, "GetNameOwner"], Of::Connection(&name)).await;
        if owner.is_some() {
            // One that has no room for it has other news of the same kind, or is stopping.
            let _ = to_rig.try_send(ToRig::Watched);
        }
    }
}
