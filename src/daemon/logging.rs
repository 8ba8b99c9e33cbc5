//! Where log lines go: to the journal with their fields when systemd started us, else as text to standard error.
use crate::config::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry, fmt, layer::SubscriberExt, reload::Handle, util::SubscriberInitExt,
};

/// Changes what is written from now on.
pub struct LogLevel(Handle<LevelFilter, Registry>);

impl LogLevel {
    pub(super) fn set(&self, level: Level) {
        // Fails only when the subscriber is gone, and with it everything that is written.
        let _ = self.0.reload(filter(level));
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

/// Installs the subscriber; a second call in one process changes nothing.
///
/// # Decisions
/// - `JOURNAL_STREAM` decides, as `systemd.exec(5)` describes: it is set exactly when standard error is the journal.
/// - A level, and no filter language: the matching of filters by regular expressions would cost the daemon half a MiB.
pub fn start(level: Level) -> LogLevel {
    let (level, handle) = tracing_subscriber::reload::Layer::new(filter(level));
    let ours = tracing_subscriber::filter::filter_fn(|meta| meta.target().starts_with("rigpost"));
    let registry = tracing_subscriber::registry();
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let done = match journal {
        Some(journal) => {
            let journal = journal.with_field_prefix(None).with_syslog_identifier("rigpostd".to_owned());
            registry.with(journal.with_filter(ours).with_filter(level)).try_init()
        }
        None => {
            let text =
                fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false).without_time();
            registry.with(text.with_filter(ours).with_filter(level)).try_init()
        }
    };
    if done.is_err() {
        tracing::debug!("logging was set up before");
    }
    LogLevel(handle)
}
