//! `org.freedesktop.LogControl1`, for `systemctl service-log-level`: what is written from now on, until the next start or
//! reload.
//!
//! # Decisions
//! - The levels are those that the lines have in the journal, one more than ours each: what people should notice is a
//!   `notice` there.
//! - Root's: who may steer the queue is not who may fill the journal.
use std::sync::Arc;

use zbus::Connection;
use zbus::message::Header;

use crate::bus::caller::Callers;
use crate::bus::error::BusError;
use rigpost_core::command::Refusal;

/// Whoever writes the lines.
pub trait Log: Send + Sync {
    /// A level as syslog(3) calls it.
    fn level(&self) -> &'static str;
    /// The same; false: there is none of that name.
    fn set_level(&self, level: &str) -> bool;
    /// `journal` or `console`.
    fn target(&self) -> &'static str;
}

/// Answers for the interface.
pub struct LogControl {
    log: Arc<dyn Log>,
    callers: Callers,
}

impl LogControl {
    /// All it needs.
    pub fn new(log: Arc<dyn Log>, callers: Callers) -> LogControl {
        LogControl { log, callers }
    }
}

#[zbus::interface(name = "org.freedesktop.LogControl1", introspection_docs = false)]
impl LogControl {
    #[zbus(property(emits_changed_signal = "false"))]
    fn log_level(&self) -> String {
        self.log.level().to_owned()
    }

    #[zbus(property)]
    async fn set_log_level(
        &self,
        level: String,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), BusError> {
        let header = header.ok_or(Refusal::AccessDenied)?;
        if self.callers.uid(&header, connection).await? != 0 {
            return Err(Refusal::AccessDenied.into());
        }
        if !self.log.set_level(&level) {
            return Err(Refusal::InvalidArgs("no such level; see syslog(3)".to_owned()).into());
        }
        Ok(())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn log_target(&self) -> String {
        self.log.target().to_owned()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn syslog_identifier(&self) -> String {
        "rigpostd".to_owned()
    }
}
