//! `org.rigpost.Rigpost1.Queue`.
mod arguments;
mod shape;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd};

use crate::bus::caller::Callers;
use crate::bus::error::BusError;
use crate::bus::limits::Limits;
use crate::bus::options::{self, Bytes, Many, Options};
use crate::bus::recording::Holds;
use crate::link::Handle;
use rigpost_contract::method::MAX_PAGE;
use rigpost_contract::option::OptionKey;
use rigpost_core::command::{Added, Answers, QueueCommand, Refusal};
use rigpost_core::queue::channel::Channel;
use rigpost_core::queue::item::{ItemId, ItemState};
use rigpost_core::time::BootTime;
use rigpost_core::view::QueueView;
use shape::{Delivered, Items, OneItem};

pub use shape::{Dict, sending};

const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// Answers for the interface.
#[derive(Debug)]
pub struct Queue {
    handle: Handle,
    callers: Callers,
    limits: Limits,
    holds: Holds,
    /// One answer at a time that may be long: it is made when the one before is out, and light calls get in between.
    long_answers: Arc<Semaphore>,
}

impl Queue {
    /// `holds`: where [`recording`](crate::bus::recording) listens.
    pub fn new(handle: Handle, callers: Callers, limits: Limits, holds: Holds) -> Queue {
        Queue { handle, callers, limits, holds, long_answers: Arc::new(Semaphore::new(1)) }
    }

    fn view<T>(&self, read: impl FnOnce(&QueueView) -> T) -> T {
        read(&self.handle.queue_view.borrow())
    }

    /// Waits for the turn to make a long answer; it ends with the answer.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        self.long_answers.clone().acquire_owned().await.map_err(|_| Refusal::Stopping)
    }

    async fn add_all(
        &self,
        paths: Many<String>,
        bytes: Option<Many<Bytes>>,
        options: Options,
        header: &Header<'_>,
        connection: &Connection,
    ) -> Result<Vec<Added>, BusError> {
        let (paths, mut options) = arguments::add(paths, bytes, options)?;
        options.user = self.callers.user(header, connection).await?;
        Ok(self.handle.add(paths, options).await?)
    }

    async fn change(
        &self,
        ids: Many<u64>,
        options: Options,
        command: impl FnOnce(Vec<ItemId>) -> QueueCommand,
    ) -> Result<Said, BusError> {
        options::none(options)?;
        Ok(said(self.handle.ask_queue(command(arguments::ids(ids)?)).await?))
    }

    /// A person's pause, or the hold of a connection whose camera records.
    async fn halt(&self, halt: bool, mut options: Options, header: &Header<'_>) -> Result<(), BusError> {
        let recording: Option<bool> = options.take(OptionKey::WhileRecording)?;
        options.finish()?;
        if recording == Some(true) {
            let nobody = || Refusal::NotSupported("a hold belongs to a connection of the bus".to_owned());
            let sender = header.sender().ok_or_else(nobody)?;
            return Ok(self.holds.set(sender.to_owned().into(), halt).await?);
        }
        Ok(self.handle.ask_queue(QueueCommand::SetPaused(halt)).await.map(drop)?)
    }
}

#[zbus::interface(name = "org.rigpost.Rigpost1.Queue", introspection_docs = false)]
impl Queue {
    #[zbus(out_args("id"))]
    async fn add(
        &self,
        path: String,
        options: Options,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<u64, BusError> {
        let added = self.add_all(vec![path].into(), None, options, &header, connection).await?;
        // One path, one item.
        added.first().map(|added| added.id.0).ok_or_else(|| Refusal::OutcomeUnknown.into())
    }

    #[zbus(out_args("ids"))]
    async fn add_many(
        &self,
        paths: Many<String>,
        mut options: Options,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<u64>, BusError> {
        let bytes = options.take(OptionKey::PathsBytes)?;
        let added = self.add_all(paths, bytes, options, &header, connection).await?;
        Ok(added.into_iter().map(|added| added.id.0).collect())
    }

    #[zbus(out_args("found"))]
    async fn add_files(
        &self,
        paths: Many<String>,
        byte_paths: Many<Bytes>,
        options: Options,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Said, BusError> {
        let added = self.add_all(paths, Some(byte_paths), options, &header, connection).await?;
        Ok(added.into_iter().map(|added| (added.id.0, added.outcome.word().as_str())).collect())
    }

    /// The descriptor in the message only stands for the one that it carries.
    #[zbus(out_args("id", "found"))]
    async fn add_fd(
        &self,
        file: OwnedFd,
        name: String,
        options: Options,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(u64, &'static str), BusError> {
        drop(file);
        let file = self.limits.pick_up(&header)?;
        let mut options = arguments::handed_over(name, options)?;
        options.user = self.callers.user(&header, connection).await?;
        let added = self.handle.add_fd(file, options).await?;
        Ok((added.id.0, added.outcome.word().as_str()))
    }

    #[zbus(out_args("items", "total"))]
    async fn list(&self, filter: Options, offset: u32, limit: u32) -> Result<(Items, u32), BusError> {
        let mut filter = filter;
        let state: Option<String> = filter.take(OptionKey::State)?;
        let after: Option<u64> = filter.take(OptionKey::After)?;
        filter.finish()?;
        let unknown = |_| Refusal::InvalidArgs("no such state; see the interface's documentation".to_owned());
        let state = state.map(|s| s.parse::<ItemState>()).transpose().map_err(unknown)?;
        let limit = limit.min(MAX_PAGE);
        let turn = self.turn().await?;
        let page = self.handle.list(state, after.map(ItemId), offset, limit).await?;
        Ok((Items::new(page.items, turn), saturated(page.total)))
    }

    #[zbus(out_args("item"))]
    async fn get_item(&self, id: u64, options: Options) -> Result<OneItem, BusError> {
        options::none(options)?;
        Ok(OneItem(self.handle.item(ItemId(id)).await?))
    }

    #[zbus(out_args("receipt"))]
    async fn get_receipt(&self, id: u64, options: Options) -> Result<Delivered, BusError> {
        options::none(options)?;
        let turn = self.turn().await?;
        Ok(Delivered::new(self.handle.receipt(ItemId(id)).await?, turn))
    }

    //= frameio-c2c#7
    //# One upload can be cancelled, and all.
    #[zbus(out_args("found"))]
    async fn cancel(&self, ids: Many<u64>, options: Options) -> Result<Said, BusError> {
        self.change(ids, options, QueueCommand::Cancel).await
    }

    #[zbus(out_args("found"))]
    async fn retry(&self, ids: Many<u64>, options: Options) -> Result<Said, BusError> {
        self.change(ids, options, QueueCommand::Retry).await
    }

    #[zbus(out_args("found"))]
    async fn release(&self, ids: Many<u64>, options: Options) -> Result<Said, BusError> {
        self.change(ids, options, QueueCommand::Release).await
    }

    #[zbus(out_args("found"))]
    async fn set_priority(&self, ids: Many<u64>, priority: i32, options: Options) -> Result<Said, BusError> {
        self.change(ids, options, |ids| QueueCommand::SetPriority(ids, priority)).await
    }

    async fn comment(&self, id: u64, text: String, frames: u32, options: Options) -> Result<(), BusError> {
        options::none(options)?;
        let (id, text) = (ItemId(id), arguments::comment(text)?);
        let answers = self.handle.ask_queue(QueueCommand::Comment(id, text, frames)).await?;
        match answers.first() {
            Some((_, said)) if !said.is_done() => {
                Err(Refusal::NotAllowed(format!("item {id} {}", said.clause())).into())
            }
            Some(_) | None => Ok(()),
        }
    }

    #[zbus(out_args("count", "found"))]
    async fn clear(&self, options: Options) -> Result<(u64, Said), BusError> {
        let (states, ids) = arguments::clear(options)?;
        let (count, answers) = self.handle.clear(states, ids).await?;
        Ok((count, said(answers)))
    }

    async fn pause(&self, options: Options, #[zbus(header)] header: Header<'_>) -> Result<(), BusError> {
        self.halt(true, options, &header).await
    }

    async fn resume(&self, options: Options, #[zbus(header)] header: Header<'_>) -> Result<(), BusError> {
        self.halt(false, options, &header).await
    }

    /// An item entered a new state.
    #[zbus(signal)]
    pub async fn item_changed(emitter: &SignalEmitter<'_>, id: u64, item: Dict) -> zbus::Result<()>;

    #[zbus(property)]
    fn paused(&self) -> bool {
        self.view(|v| v.paused)
    }

    #[zbus(property)]
    fn recording(&self) -> bool {
        self.view(|v| v.recording)
    }

    #[zbus(property)]
    fn bandwidth_limit(&self) -> u64 {
        self.view(|v| v.bandwidth_limit)
    }

    #[zbus(property)]
    async fn set_bandwidth_limit(&self, limit: u64) -> Result<(), BusError> {
        let limit = arguments::bandwidth(limit)?;
        let mut seen = self.handle.queue_view.clone();
        self.handle.ask_queue(QueueCommand::SetBandwidthLimit(limit)).await?;
        // Somebody else may have set another one in the meantime; then that one is what is seen.
        let _ = tokio::time::timeout(SEEN_WITHIN, seen.wait_for(|v| v.bandwidth_limit == limit)).await;
        Ok(())
    }

    //= frameio-c2c#7
    //# Shown are how many files and bytes are left, how far the current file is, and what became of each.
    #[zbus(property)]
    fn files_left(&self) -> u32 {
        self.view(|v| saturated(v.counters.files_left))
    }

    #[zbus(property)]
    fn bytes_left(&self) -> u64 {
        self.view(|v| v.counters.bytes_left)
    }

    #[zbus(property)]
    fn files_total(&self) -> u32 {
        self.view(|v| saturated(v.files_total()))
    }

    #[zbus(property)]
    fn bytes_total(&self) -> u64 {
        self.view(QueueView::bytes_total)
    }

    #[zbus(property)]
    fn retry_at(&self) -> u64 {
        self.view(|v| v.retry_at.map_or(0, BootTime::as_micros))
    }

    #[zbus(property)]
    fn held(&self) -> u32 {
        self.view(|v| saturated(v.counters.held))
    }

    #[zbus(property)]
    fn away(&self) -> u32 {
        self.view(|v| saturated(v.counters.away))
    }

    #[zbus(property)]
    fn incomplete(&self) -> u32 {
        self.view(|v| saturated(v.counters.incomplete))
    }

    #[zbus(property)]
    fn failed(&self) -> u32 {
        self.view(|v| saturated(v.counters.failed))
    }

    #[zbus(property)]
    fn orphans(&self) -> u32 {
        self.view(|v| saturated(v.orphans))
    }

    #[zbus(property)]
    fn missing_sources(&self) -> Vec<String> {
        self.view(|v| v.missing_sources.clone())
    }

    #[zbus(property)]
    fn channels(&self) -> Vec<ChannelNow> {
        self.view(channels)
    }

    #[zbus(property)]
    fn rate(&self) -> u64 {
        self.view(|v| v.rate)
    }

    #[zbus(property)]
    fn current(&self) -> Vec<shape::Current> {
        self.view(|v| v.current.iter().map(shape::Current::of).collect())
    }
}

/// Source, state, number, and what the provider has said.
type ChannelNow = (String, &'static str, u32, String);

/// As `Channels` shows them.
pub fn channels(queue: &QueueView) -> Vec<ChannelNow> {
    let now = |c: &Channel| (c.source.clone(), c.state.as_str(), c.index.into(), c.detail.clone());
    queue.channels.iter().map(now).collect()
}

/// Numbers of items, and a word for each.
type Said = Vec<(u64, &'static str)>;

fn said(answers: Answers) -> Said {
    answers.into_iter().map(|(id, said)| (id.0, said.as_str())).collect()
}

/// Counts on the bus are `u`.
pub fn saturated(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
