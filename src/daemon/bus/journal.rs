//! Who called what changes something, in the journal.
//!
//! # Decisions
//! - Said before it is done, in one place: a caller that has its answer may be gone a moment later, and nobody can say then
//!   who it was.
//! - systemd is asked for the unit: `/proc` shows the daemon its own processes only. Where it has not answered in time, it
//!   is left alone for some calls: all of them wait here in their turn.
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::info;
use zbus::{Connection, Message};

use crate::bus::call::text;
use crate::bus::caller::{Callers, Of, answer};
use crate::bus::transport::Noted;

/// So many calls are noted without a unit after systemd has not answered.
const LEFT_ALONE: u32 = 100;
/// A service manager that is busy with itself does not hold up what a person wants for longer.
const ASKING: Duration = Duration::from_millis(500);

/// Writes down the calls of `notes` that change something, as far as it can be told who made them, and passes all of them
/// on in their order.
pub async fn write(
    connection: Connection,
    callers: Callers,
    mut notes: mpsc::Receiver<Noted>,
    noted: mpsc::Sender<Message>,
) {
    let mut left_alone = 0u32;
    while let Some((message, line)) = notes.recv().await {
        let Some(called) = line else {
            let _ = noted.try_send(message);
            continue;
        };
        let (uid, pid) = callers.whoever(&message.header(), &connection).await;
        let unit = match pid {
            Some(pid) if left_alone == 0 => {
                let answer = timeout(ASKING, unit_of(&connection, pid)).await;
                left_alone = if answer.is_err() { LEFT_ALONE } else { 0 };
                answer.ok().flatten()
            }
            Some(_) | None => None,
        };
        left_alone = left_alone.saturating_sub(1);
        let gone = if uid.is_none() { " and left the bus" } else { "" };
        info!(caller_uid = uid, caller_pid = pid, caller_unit = unit.as_deref(), "called {called}{gone}");
        // As many find room as are taken at once, and the connection that is gone ends the daemon elsewhere.
        let _ = noted.try_send(message);
    }
}

/// The unit that a process is part of, such as `session-3.scope`. `None` where there is no systemd, or no such process.
async fn unit_of(connection: &Connection, pid: u32) -> Option<String> {
    let manager = [
        "org.freedesktop.systemd1",
        "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager",
        "GetUnitByPID",
    ];
    let answer = answer(connection, manager, Of::Process(pid)).await?;
    let body = answer.body();
    let (unit, _) = text(body.data().bytes(), 0, answer.data().first() == Some(&b'l'))?;
    Some(unescaped(unit.rsplit('/').next()?))
}

/// The name of a unit, of which its path has `_2e` for a point, and so for all that is no letter or digit.
fn unescaped(label: &str) -> String {
    let mut parts = label.split('_');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        match (code, part.get(2..)) {
            (Some(byte), Some(rest)) => {
                name.push(char::from(byte));
                name.push_str(rest);
            }
            (None, _) | (_, None) => name.push_str(part),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_called_as_systemd_calls_them() {
        for (label, name) in [
            ("session_2d3_2escope", "session-3.scope"),
            ("camera_2dui_2eservice", "camera-ui.service"),
            ("getty_40tty1_2eservice", "getty@tty1.service"),
            ("a", "a"),
            ("", ""),
            ("_", ""),
            ("a_zz_2", "azz2"),
        ] {
            assert_eq!(unescaped(label), name);
        }
    }
}
