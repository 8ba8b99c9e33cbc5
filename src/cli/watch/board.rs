//! What `rigpost watch` has on the screen.
//!
//! # Decisions
//!
//! - indicatif draws the bars: it knows how to keep lines in place while others scroll past above them. Elsewhere than on
//!   a terminal there are only events, one line each, and now and then a line about how much is left.
//! - What stands in the way is there to be read: it is cut between words, and never in its middle.
//! - Rate and size of the whole are the daemon's own numbers; speed and time of a clip come from its bytes.

use std::collections::BTreeMap;
use std::io;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::pace::Pace;
use crate::bus::{Blocker, Item, Queue, Snapshot};
use crate::out::{Out, Tone};
use crate::text::{self, clean};
use crate::{clock, status, words};
use rigpost_contract::item::ItemState;

/// Columns for a clip's name, where there is room for it.
const NAME: usize = 28;
/// Lines of what stands in the way; more than these nobody reads while clips move.
const BLOCKERS: usize = 8;
/// Without a terminal: how often the rest is told, in microseconds.
const TOLD_EVERY: u64 = 30_000_000;

struct Clip {
    bar: ProgressBar,
    pace: Pace,
}

/// What is on the screen.
pub(super) struct Board<'a> {
    out: &'a mut Out,
    multi: MultiProgress,
    headline: ProgressBar,
    total: ProgressBar,
    blockers: Vec<ProgressBar>,
    clips: BTreeMap<u64, Clip>,
    /// Boot time of the last line about the rest, in microseconds.
    told: u64,
}

fn style(template: &str, is_ascii: bool) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars(if is_ascii { "#>-" } else { "█▌░" })
}

impl<'a> Board<'a> {
    /// An empty one.
    pub(super) fn new(out: &'a mut Out) -> Self {
        let target = if out.live { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let multi = MultiProgress::with_draw_target(target);
        let line = || multi.add(ProgressBar::new(0).with_style(style("{msg}", out.ascii)));
        let (headline, total) = (line(), line());
        let told = clock::boot_micros();
        let (blockers, clips) = (Vec::new(), BTreeMap::new());
        Self { out, multi, headline, total, blockers, clips, told }
    }

    /// How the rig is at the beginning.
    pub(super) fn begin(&mut self, now: &Snapshot) -> io::Result<()> {
        if !self.out.live {
            self.event(&summary(now))?;
            self.event(&left(&now.queue))?;
            for blocker in &now.device.blockers {
                self.event(&clean(&blocker.whole()))?;
            }
        }
        self.draw(now);
        Ok(())
    }

    /// Tells what is different, and moves the bars.
    pub(super) fn changed(&mut self, before: &Snapshot, now: &Snapshot) -> io::Result<()> {
        if summary(before) != summary(now) {
            self.event(&summary(now))?;
        }
        if before.queue.paused != now.queue.paused {
            self.event(if now.queue.paused { "sending is paused" } else { "no longer paused" })?;
        }
        if before.queue.recording != now.queue.recording {
            let what =
                if now.queue.recording { "the camera records" } else { "the camera stopped recording" };
            self.event(what)?;
        }
        if before.queue.bandwidth_limit != now.queue.bandwidth_limit {
            self.event(&match now.queue.bandwidth_limit {
                0 => "no limit any more".to_owned(),
                limit => format!("at most {}/s from now on", text::size(limit)),
            })?;
        }
        let known = |code: &str| before.device.blockers.iter().any(|before| before.code == code);
        for blocker in now.device.blockers.iter().filter(|blocker| !known(&blocker.code)) {
            self.event(&clean(&blocker.whole()))?;
        }
        if before.device.safe_to_power_off != now.device.safe_to_power_off && now.device.safe_to_power_off {
            self.event("the power can be cut now")?;
        }
        let micros = clock::boot_micros();
        if !self.out.live && left(&before.queue) != left(&now.queue) && micros >= self.told + TOLD_EVERY {
            self.told = micros;
            self.event(&left(&now.queue))?;
        }
        self.draw(now);
        Ok(())
    }

    /// An item entered a new state.
    pub(super) fn item(&mut self, item: &Item) -> io::Result<()> {
        let name = clean(item.title());
        let why = match item.why().as_str() {
            "" => String::new(),
            why => format!(": {}", clean(why)),
        };
        let size = text::size(item.size);
        let line = match item.state.parse() {
            Ok(ItemState::Queued) => format!("queued {name}, {size}{why}"),
            Ok(ItemState::Uploading) => format!("sending {name}, {size}"),
            Ok(ItemState::Recording) => format!("sending {name} while it is recorded"),
            Ok(ItemState::Done) => self.out.paint(Tone::Good, &format!("sent {name}, {size}")),
            Ok(ItemState::Held) => self.out.paint(Tone::Warn, &format!("holding {name}{why}")),
            Ok(ItemState::Away | ItemState::Incomplete) => {
                self.out.paint(Tone::Warn, &format!("waiting for {name}{why}"))
            }
            Ok(ItemState::Failed) => self.out.paint(Tone::Bad, &format!("failed {name}{why}")),
            Ok(ItemState::Cancelled) => format!("cancelled {name}"),
            Err(_) => format!("{} {name}{why}", clean(&item.state)),
        };
        self.event(&line)
    }

    /// One line with the time, above the bars.
    fn event(&mut self, line: &str) -> io::Result<()> {
        let time = text::time_of_day(clock::wall_seconds());
        let indent = " ".repeat(text::width(&time));
        let wrapped = text::wrap(line, self.out.columns().saturating_sub(text::width(&time) + 1));
        for (i, line) in wrapped.iter().enumerate() {
            let head = if i == 0 { self.out.paint(Tone::Dim, &time) } else { indent.clone() };
            let line = format!("{head} {line}");
            match self.out.live {
                true => self.multi.println(self.out.spelled(&line))?,
                false => self.out.line(&line)?,
            }
        }
        Ok(())
    }

    /// Moves the bars, on a terminal.
    pub(super) fn draw(&mut self, now: &Snapshot) {
        if !self.out.live {
            return;
        }
        let columns = self.out.size().0;
        self.draw_clips(&now.queue.current, columns);
        let room = columns.saturating_sub(4);
        // Last, because taking a bar away draws nothing by itself.
        self.draw_blockers(&now.device.blockers, room);
        // Where there is no room for the reason, it stands among the lines below.
        let (tone, short) = words::headline(&now.pairing, &now.device.provider);
        let summary = Some(summary(now)).filter(|summary| text::width(summary) <= room).unwrap_or(short);
        let strong = self.out.paint(Tone::Strong, &text::fit(&summary, room));
        let line = format!("{} {strong}", self.out.paint(tone, "●"));
        self.headline.set_message(self.out.spelled(&line).into_owned());
        let left = left(&now.queue);
        let all = now.queue.bytes_total.max(now.queue.bytes_left);
        let sent = all.saturating_sub(now.queue.to_go());
        if now.queue.files_left == 0 || columns < text::width(&left) + 16 {
            self.total.set_style(style("{msg}", self.out.ascii));
            self.total.set_message(self.out.spelled(&format!("  {}", text::fit(&left, room))).into_owned());
        } else {
            self.total.set_style(style("  {wide_bar} {msg}", self.out.ascii));
            self.total.set_length(all.max(1));
            self.total.set_position(sent);
            self.total.set_message(left);
        }
    }

    fn draw_clips(&mut self, sending: &[Item], columns: usize) {
        let (multi, out) = (&self.multi, &*self.out);
        self.clips.retain(|id, clip| {
            let is_sent = sending.iter().any(|item| item.id == *id);
            if !is_sent {
                multi.remove(&clip.bar);
            }
            is_sent
        });
        let name = NAME.min(columns / 4);
        for item in sending {
            let new = || Clip { bar: new_bar(multi, &self.total, out.ascii), pace: Pace::default() };
            let clip = self.clips.entry(item.id).or_insert_with(new);
            clip.pace.at(item.moved(), clock::boot_micros());
            let title = text::left(&text::fit(&clean(item.title()), name), name);
            clip.bar.set_prefix(out.spelled(&title).into_owned());
            clip.bar.set_length(item.size.max(1));
            clip.bar.set_position(item.moved());
            // Two of indent, a blank at each side of the bar, and a bar that shows something.
            clip.bar.set_message(progress(item, clip.pace.rate(), columns.saturating_sub(name + 10)));
        }
    }

    fn draw_blockers(&mut self, blockers: &[Blocker], room: usize) {
        let lines = lines(blockers, room);
        for bar in self.blockers.drain(lines.len().min(self.blockers.len())..) {
            self.multi.remove(&bar);
        }
        while self.blockers.len() < lines.len() {
            let line = ProgressBar::new(0).with_style(style("{msg}", self.out.ascii));
            self.blockers.push(self.multi.add(line));
        }
        for (bar, line) in self.blockers.iter().zip(&lines) {
            bar.set_message(self.out.paint(Tone::Warn, &self.out.spelled(line)));
        }
    }

    /// The daemon came or went.
    pub(super) fn daemon(&mut self, is_here: bool) -> io::Result<()> {
        self.event(if is_here { "the daemon is running" } else { "the daemon stopped" })?;
        if !is_here {
            self.away();
        }
        Ok(())
    }

    /// Nothing is known while the daemon does not run.
    fn away(&mut self) {
        for clip in std::mem::take(&mut self.clips).values() {
            self.multi.remove(&clip.bar);
        }
        self.draw_blockers(&[], 0);
        let line = format!("{} waiting for the daemon", self.out.paint(Tone::Bad, "●"));
        self.headline.set_message(self.out.spelled(&line).into_owned());
        self.total.set_style(style("{msg}", self.out.ascii));
        self.total.set_message("");
    }

    /// Leaves what was last seen where it is. Wiping it would hit the wrong lines: the "^C" that the terminal itself
    /// writes has moved the cursor.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.multi.set_draw_target(ProgressDrawTarget::hidden());
        if self.out.live { self.out.raw("\n") } else { Ok(()) }
    }
}

fn new_bar(multi: &MultiProgress, before: &ProgressBar, is_ascii: bool) -> ProgressBar {
    let style = style("  {prefix} {wide_bar} {msg}", is_ascii);
    multi.insert_before(before, ProgressBar::new(1).with_style(style))
}

/// What stands in the way, in lines of so many columns and a mark before each blocker; the first lines, where they are many.
fn lines(blockers: &[Blocker], columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for blocker in blockers {
        let wrapped = text::wrap(&clean(&blocker.text), columns);
        lines.extend(wrapped.iter().enumerate().map(|(i, line)| {
            let mark = if i == 0 { '!' } else { ' ' };
            format!("  {mark} {line}")
        }));
    }
    lines.truncate(BLOCKERS);
    lines
}

/// Share, size, speed and time left of a clip, in columns that don't move; the first of them where there is no room.
//= frameio-c2c#7
//# Shown are how many files and bytes are left, how far the current file is, and what became of each.
fn progress(item: &Item, rate: u64, room: usize) -> String {
    let share = format!("{:3} %", status::percent(item.moved(), item.size));
    let (speed, time) = match rate {
        0 => (String::new(), String::new()),
        rate => (
            format!("{}/s", text::size(rate)),
            text::countdown(item.size.saturating_sub(item.moved()) / rate),
        ),
    };
    let short = format!("{share} {time:>7}");
    let long = format!("{share} of {:>7} {speed:>9} {time:>7}", text::size(item.size));
    [long, short].into_iter().find(|line| text::width(line) <= room).unwrap_or(share)
}

fn summary(now: &Snapshot) -> String {
    words::summary(&now.pairing, &now.device.provider)
}

/// What is left to send.
//= frameio-c2c#7
//# Shown are how many files and bytes are left, how far the current file is, and what became of each.
fn left(queue: &Queue) -> String {
    if queue.files_left == 0 {
        return "Nothing left to send".to_owned();
    }
    let clips = text::count(queue.files_left.into(), "clip");
    let left = format!("{clips} left, {}", text::size(queue.bytes_left));
    match queue.rate {
        _ if queue.paused => format!("{left}; paused"),
        _ if queue.recording => format!("{left}; the camera records"),
        0 if queue.retry_at > 0 => format!("{left}; {}", status::next_try(queue.retry_at)),
        0 => left,
        rate => format!("{left}; {}/s; {}", text::size(rate), text::about(queue.to_go() / rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= frameio-c2c#7
    //= type=test
    //# Shown are how many files and bytes are left, how far the current file is, and what became of each.
    #[test]
    fn a_clips_numbers_keep_their_columns() {
        let item = |sent| Item { size: 2_000_000_000, sent, ..Item::default() };
        let lines = [(0, 0), (500_000_000, 12_300_000), (2_000_000_000, 9)]
            .map(|(sent, rate)| progress(&item(sent), rate, 60));
        assert_eq!(lines[1], " 25 % of 2.00 GB 12.3 MB/s    2:01");
        assert!(lines.iter().all(|line| text::width(line) == text::width(&lines[0])), "{lines:?}");
        assert_eq!(progress(&item(500_000_000), 12_300_000, 20), " 25 %    2:01");
        assert_eq!(progress(&item(500_000_000), 12_300_000, 8), " 25 %");
    }

    //= frameio-c2c#7
    //= type=test
    //# Shown are how many files and bytes are left, how far the current file is, and what became of each.
    #[test]
    fn reasons_are_read_to_their_end_at_80_and_40_columns() {
        let text = "The provider's certificate is not one that this rig trusts. A proxy or filter on this network opens \
                    what is sent, or a private authority is missing in the configuration.";
        let blocker = Blocker { text: text.into(), ..Blocker::default() };
        for columns in [80, 40] {
            let lines = lines(std::slice::from_ref(&blocker), columns - 4);
            assert!(lines.iter().all(|line| text::width(line) <= columns), "{lines:#?}");
            let said: Vec<&str> = lines.iter().map(|line| line.trim_start_matches(['!', ' '])).collect();
            assert_eq!(said.join(" "), text);
        }
    }

    #[test]
    fn what_is_left_says_why_it_waits() {
        let mut queue = Queue { files_left: 2, bytes_left: 80_000_000, rate: 1_000_000, ..Queue::default() };
        assert_eq!(left(&queue), "2 clips left, 80.0 MB; 1.00 MB/s; about 2 min");
        queue.recording = true;
        assert_eq!(left(&queue), "2 clips left, 80.0 MB; the camera records");
        queue.paused = true;
        assert_eq!(left(&queue), "2 clips left, 80.0 MB; paused");
    }
}
