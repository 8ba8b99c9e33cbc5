//! `rigpost watch`: what the rig does, while it does it.
//!
//! # Decisions
//!
//! - indicatif draws the bars: it knows how to keep lines in place while others scroll past above them. Elsewhere than on
//!   a terminal there are only events, one line each.
//! - Rate and time left are the daemon's own numbers for the whole queue: the parts of several clips share one line, so a
//!   time for each would be made up.
//! - While the daemon is away nothing is asked, because asking would start it: watching must not change anything.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::bus::{Daemon, Event, Item, Queue, Snapshot};
use super::clock;
use super::exit::{Code, Doing, Failure, from_bus};
use super::leave::Leaving;
use super::out::{Out, Tone};
use super::text::{self, clean};
use super::{status, words};

/// Signals that come together are answered by one look.
const TOGETHER: Duration = Duration::from_millis(50);
/// Columns for a clip's name.
const NAME: usize = 28;

/// Shows events until Ctrl-C.
pub(crate) async fn run(out: &mut Out) -> Result<(), Failure> {
    let group = |error: zbus::Error| from_bus(&error, Doing::Group);
    let mut leaving = Leaving::new()?;
    let daemon = Daemon::connect().await?;
    let events = daemon.events().await.map_err(group)?;
    let now = daemon.read().await.map_err(group)?;
    let mut board = Board::new(out);
    let outcome = tokio::select! {
        outcome = follow(&daemon, events, now, &mut board) => outcome,
        () = leaving.next() => Ok(()),
    };
    board.end()?;
    outcome
}

/// Ends only when the bus goes away, or nobody reads any more.
async fn follow(
    daemon: &Daemon,
    mut events: BoxStream<'static, Event>,
    mut now: Snapshot,
    board: &mut Board<'_>,
) -> Result<(), Failure> {
    board.begin(&now)?;
    loop {
        let batch = next_batch(&mut events).await;
        if batch.is_empty() {
            return Err(Failure::new(Code::Unreachable, "the system bus went away", "rigpost doctor"));
        }
        let mut is_away = false;
        for event in &batch {
            match event {
                Event::Changed => {}
                Event::Item(item) => board.item(item)?,
                Event::Owner(is_here) => {
                    is_away = !is_here;
                    board.event(if *is_here { "the daemon is running" } else { "the daemon stopped" })?;
                }
            }
        }
        if is_away {
            board.away();
            continue;
        }
        // A daemon that is just stopping can't answer; the next event tells.
        if let Ok(next) = daemon.read().await {
            board.changed(&now, &next)?;
            now = next;
        }
    }
}

/// Waits for an event, then takes those that follow at once. Empty when the bus is gone.
async fn next_batch(events: &mut BoxStream<'static, Event>) -> Vec<Event> {
    let mut batch: Vec<Event> = events.next().await.into_iter().collect();
    while !batch.is_empty()
        && let Ok(Some(event)) = tokio::time::timeout(TOGETHER, events.next()).await
    {
        batch.push(event);
        // A steady stream of signals must not keep the screen from moving.
        if batch.len() >= 64 {
            break;
        }
    }
    batch
}

/// What is on the screen.
struct Board<'a> {
    out: &'a mut Out,
    multi: MultiProgress,
    headline: ProgressBar,
    total: ProgressBar,
    clips: BTreeMap<u64, ProgressBar>,
}

impl<'a> Board<'a> {
    fn new(out: &'a mut Out) -> Self {
        let target = if out.live { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let multi = MultiProgress::with_draw_target(target);
        let line = || {
            let style =
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            multi.add(ProgressBar::new(0).with_style(style))
        };
        let (headline, total) = (line(), line());
        Self { out, multi, headline, total, clips: BTreeMap::new() }
    }

    fn begin(&mut self, now: &Snapshot) -> io::Result<()> {
        if !self.out.live {
            self.event(&sentence(now))?;
            self.event(&left(&now.queue))?;
        }
        for (_, blocker) in &now.device.blockers {
            self.event(&clean(blocker))?;
        }
        self.draw(now);
        Ok(())
    }

    /// Tells what is different, and moves the bars.
    fn changed(&mut self, before: &Snapshot, now: &Snapshot) -> io::Result<()> {
        if sentence(before) != sentence(now) {
            self.event(&sentence(now))?;
        }
        if before.queue.paused != now.queue.paused {
            self.event(if now.queue.paused { "sending is paused" } else { "sending again" })?;
        }
        for blocker in now.device.blockers.iter().filter(|blocker| !before.device.blockers.contains(blocker))
        {
            self.event(&clean(&blocker.1))?;
        }
        if before.device.safe_to_power_off != now.device.safe_to_power_off && now.device.safe_to_power_off {
            self.event("the power can be cut now")?;
        }
        self.draw(now);
        Ok(())
    }

    fn item(&mut self, item: &Item) -> io::Result<()> {
        let name = clean(item.title());
        let why = match super::queue::why(item) {
            "" => String::new(),
            why => format!(": {}", clean(why)),
        };
        let size = text::size(item.size);
        let line = match item.state.as_str() {
            "queued" => format!("queued {name}, {size}{why}"),
            "uploading" => format!("sending {name}, {size}"),
            "done" => self.out.paint(Tone::Good, &format!("sent {name}, {size}")),
            "held" => self.out.paint(Tone::Warn, &format!("holding {name}{why}")),
            "failed" => self.out.paint(Tone::Bad, &format!("failed {name}{why}")),
            "cancelled" => format!("cancelled {name}"),
            other => format!("{} {name}{why}", clean(other)),
        };
        self.event(&line)
    }

    /// One line with the time, above the bars.
    fn event(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{} {line}", self.out.paint(Tone::Dim, &text::time_of_day(clock::wall_seconds())));
        match self.out.live {
            true => self.multi.println(line),
            false => self.out.line(&line),
        }
    }

    fn draw(&mut self, now: &Snapshot) {
        if !self.out.live {
            return;
        }
        let sending = &now.queue.current;
        let multi = &self.multi;
        self.clips.retain(|id, bar| {
            let is_sent = sending.iter().any(|item| item.id == *id);
            if !is_sent {
                multi.remove(bar);
            }
            is_sent
        });
        for item in sending {
            let bar = self.clips.entry(item.id).or_insert_with(|| new_bar(multi, &self.total, item));
            bar.set_length(item.size);
            bar.set_position(item.sent);
            let share = status::percent(item.sent, item.size);
            let sizes = format!("{share:3} %  {:>8} of {}", text::size(item.sent), text::size(item.size));
            bar.set_message(sizes);
        }
        // Last, because taking a bar away draws nothing by itself.
        let (tone, _) = words::headline(&now.pairing);
        let room = self.out.size().0.saturating_sub(4);
        self.headline.set_message(format!(
            "{} {}",
            self.out.paint(tone, "●"),
            self.out.paint(Tone::Strong, &text::fit(&sentence(now), room))
        ));
        self.total.set_message(format!("  {}", text::fit(&left(&now.queue), room)));
    }

    /// Nothing is known while the daemon does not run.
    fn away(&mut self) {
        for bar in std::mem::take(&mut self.clips).values() {
            self.multi.remove(bar);
        }
        self.headline.set_message(format!("{} waiting for the daemon", self.out.paint(Tone::Bad, "●")));
        self.total.set_message("");
    }

    /// Leaves what was last seen where it is. Wiping it would hit the wrong lines: the "^C" that the terminal itself
    /// writes has moved the cursor.
    fn end(&mut self) -> io::Result<()> {
        self.multi.set_draw_target(ProgressDrawTarget::hidden());
        if self.out.live { self.out.raw("\n") } else { Ok(()) }
    }
}

fn new_bar(multi: &MultiProgress, before: &ProgressBar, item: &Item) -> ProgressBar {
    let style = ProgressStyle::with_template("  {prefix} {wide_bar} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▌░");
    let name = text::left(&text::fit(&clean(item.title()), NAME), NAME);
    multi.insert_before(before, ProgressBar::new(item.size).with_style(style).with_prefix(name))
}

/// State and reason in one sentence.
fn sentence(now: &Snapshot) -> String {
    let (_, headline) = words::headline(&now.pairing);
    let why = words::reason(&now.pairing.reason).map(|why| format!(": {why}")).unwrap_or_default();
    format!("{headline}{why}")
}

/// What is left to send.
fn left(queue: &Queue) -> String {
    if queue.files_left == 0 {
        return "Nothing left to send".to_owned();
    }
    let clips = text::count(queue.files_left.into(), "clip");
    let left = format!("{clips} left, {}", text::size(queue.bytes_left));
    match queue.rate {
        _ if queue.paused => format!("{left}; paused"),
        0 => left,
        rate => format!("{left}; {}/s; {}", text::size(rate), text::about(queue.bytes_left / rate)),
    }
}
