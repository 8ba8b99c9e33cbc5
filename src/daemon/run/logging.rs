//! Where log lines go: to the journal with their fields when systemd started us, else as text to standard error.
//!
//! # Decisions
//! - `JOURNAL_STREAM` decides, as `systemd.exec(5)` describes: it is set exactly when standard error is the journal.
//! - A level, and no filter language: the matching of filters by regular expressions would cost the daemon half a MiB.
//! - No spans, and so no `Registry`: its room for spans that nobody opens is 32 kB of memory and as much of code. The
//!   filter lets events through only, so that a span in some library is off and never looked up.
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, info};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{Extensions, ExtensionsMut, LookupSpan, SpanData};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::bus::Log;
use crate::config::Level;

/// Changes what is written from now on. Clones are one.
#[derive(Clone)]
pub struct LogLevel {
    handle: Handle<Ours, EventsOnly>,
    /// The lines go to the journal.
    to_journal: bool,
}

/// What syslog(3) calls the levels of our lines, as the journal has them; some are called by the nearest of ours.
const LEVELS: [(&str, LevelFilter); 8] = [
    ("debug", LevelFilter::TRACE),
    ("info", LevelFilter::DEBUG),
    ("notice", LevelFilter::INFO),
    ("warning", LevelFilter::WARN),
    ("err", LevelFilter::ERROR),
    ("crit", LevelFilter::ERROR),
    ("alert", LevelFilter::ERROR),
    ("emerg", LevelFilter::ERROR),
];

impl LogLevel {
    pub(super) fn set(&self, level: Level) {
        self.let_through(filter(level));
    }

    fn let_through(&self, filter: LevelFilter) {
        // Fails only when the subscriber is gone, and with it everything that is written.
        let _ = self.handle.reload(Ours(filter));
    }
}

impl Log for LogLevel {
    fn level(&self) -> &'static str {
        let level = self.handle.with_current(|ours| ours.0).unwrap_or(LevelFilter::INFO);
        LEVELS.iter().find(|(_, filter)| *filter == level).map_or("notice", |(name, _)| name)
    }

    fn set_level(&self, level: &str) -> bool {
        let Some((name, filter)) = LEVELS.iter().find(|(name, _)| *name == level) else { return false };
        info!("the log level is {name} until the next start or reload");
        self.let_through(*filter);
        true
    }

    fn target(&self) -> &'static str {
        if self.to_journal { "journal" } else { "console" }
    }
}

/// Our own events, up to a level.
struct Ours(LevelFilter);

impl<S: Subscriber> Layer<S> for Ours {
    fn enabled(&self, meta: &Metadata<'_>, _: Context<'_, S>) -> bool {
        meta.is_event() && *meta.level() <= self.0 && meta.target().starts_with("rigpost")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0)
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
pub fn start(level: Level) -> LogLevel {
    let (ours, handle) = reload::Layer::new(Ours(filter(level)));
    let events = EventsOnly.with(ours);
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let to_journal = journal.is_some();
    let done = match journal {
        Some(journal) => {
            let journal = journal.with_field_prefix(None).with_syslog_identifier("rigpostd".to_owned());
            events.with(journal).try_init()
        }
        None => {
            let text =
                fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false).without_time();
            events.with(text).try_init()
        }
    };
    if done.is_err() {
        tracing::debug!("logging was set up before");
    }
    LogLevel { handle, to_journal }
}

/// What the layers stand on: knows of no span.
struct EventsOnly;

impl Subscriber for EventsOnly {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl LookupSpan<'_> for EventsOnly {
    type Data = Never;

    fn span_data(&self, _: &Id) -> Option<Never> {
        None
    }
}

enum Never {}

impl SpanData<'_> for Never {
    fn id(&self) -> Id {
        match *self {}
    }

    fn metadata(&self) -> &'static Metadata<'static> {
        match *self {}
    }

    fn parent(&self) -> Option<&Id> {
        match *self {}
    }

    fn extensions(&self) -> Extensions<'_> {
        match *self {}
    }

    fn extensions_mut(&self) -> ExtensionsMut<'_> {
        match *self {}
    }
}
