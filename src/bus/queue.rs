//! `org.rigpost.Rigpost1.Queue`.
use crate::{
    bus::{
        error::BusError,
        options::{self, Options},
    },
    domain::{
        command::{AddWish, QueueAnswer, QueueCommand, Refusal},
        item::{Item, ItemId, ItemState, shown},
        view::{QueueView, Sending},
    },
    link::Desk,
};
use std::{collections::HashMap, os::unix::ffi::OsStrExt, path::PathBuf};
use zbus::{OwnedVariant, Variant, object_server::SignalEmitter};

const MAX_PATHS: usize = 10_000;
const MAX_LIMIT: u32 = 1_000;
const MAX_NAME: usize = 255;

/// One item on the bus.
pub type Dict = HashMap<&'static str, Variant<'static>>;

/// Answers for the interface.
#[derive(Debug)]
pub struct Queue {
    desk: Desk,
}

impl Queue {
    /// All it needs is the desk.
    pub fn new(desk: Desk) -> Queue {
        Queue { desk }
    }

    fn view<T>(&self, read: impl FnOnce(&QueueView) -> T) -> T {
        read(&self.desk.queue_view.borrow())
    }

    async fn add_all(
        &self,
        paths: Vec<String>,
        options: HashMap<String, OwnedVariant>,
    ) -> Result<Vec<u64>, BusError> {
        let mut options = Options::new(options);
        let priority: Option<i32> = options.take("priority", "a number (i)")?;
        let name: Option<String> = options.take("name", "a text (s)")?;
        options.finish()?;
        if paths.len() > MAX_PATHS {
            return Err(Refusal::LimitsExceeded(format!("at most {MAX_PATHS} paths at once")).into());
        }
        if let Some(name) = &name {
            let fits =
                (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(|c| c.is_control() || c == '/');
            if !fits || paths.len() != 1 {
                let why = "option \"name\" must be 1 to 255 bytes without \"/\", and for one path";
                return Err(Refusal::InvalidArgs(why.to_owned()).into());
            }
        }
        let paths = paths.into_iter().map(PathBuf::from).collect();
        let command = QueueCommand::Add { paths, wish: AddWish { priority, name, ..AddWish::default() } };
        match self.desk.ask_queue(command).await? {
            QueueAnswer::Ids(ids) => Ok(ids.into_iter().map(|id| id.0).collect()),
            QueueAnswer::Done | QueueAnswer::Page(..) | QueueAnswer::Receipt(_) | QueueAnswer::Count(_) => {
                Ok(vec![])
            }
        }
    }

    async fn change(
        &self,
        ids: Vec<u64>,
        options: HashMap<String, OwnedVariant>,
        command: fn(Vec<ItemId>) -> QueueCommand,
    ) -> Result<(), BusError> {
        options::none(options)?;
        if ids.len() > MAX_PATHS {
            return Err(Refusal::LimitsExceeded(format!("at most {MAX_PATHS} items at once")).into());
        }
        self.desk.ask_queue(command(ids.into_iter().map(ItemId).collect())).await?;
        Ok(())
    }
}

#[zbus::interface(name = "org.rigpost.Rigpost1.Queue", introspection_docs = false)]
impl Queue {
    #[zbus(out_args("id"))]
    async fn add(&self, path: String, options: HashMap<String, OwnedVariant>) -> Result<u64, BusError> {
        let ids = self.add_all(vec![path], options).await?;
        ids.first().copied().ok_or_else(|| Refusal::Stopping.into())
    }

    #[zbus(out_args("ids"))]
    async fn add_many(
        &self,
        paths: Vec<String>,
        options: HashMap<String, OwnedVariant>,
    ) -> Result<Vec<u64>, BusError> {
        self.add_all(paths, options).await
    }

    #[zbus(out_args("items", "total"))]
    async fn list(
        &self,
        filter: HashMap<String, OwnedVariant>,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<Dict>, u32), BusError> {
        let mut filter = Options::new(filter);
        let state: Option<String> = filter.take("state", "a state (s)")?;
        filter.finish()?;
        let unknown = |_| Refusal::InvalidArgs("no such state; see the interface's documentation".to_owned());
        let state = state.map(|s| s.parse()).transpose().map_err(unknown)?;
        let limit = limit.min(MAX_LIMIT);
        match self.desk.ask_queue(QueueCommand::List { state, offset, limit }).await? {
            QueueAnswer::Page(items, total) => {
                Ok((items.iter().map(dict).collect(), u32::try_from(total).unwrap_or(u32::MAX)))
            }
            QueueAnswer::Done | QueueAnswer::Ids(_) | QueueAnswer::Receipt(_) | QueueAnswer::Count(_) => {
                Ok((vec![], 0))
            }
        }
    }

    async fn cancel(&self, ids: Vec<u64>, options: HashMap<String, OwnedVariant>) -> Result<(), BusError> {
        self.change(ids, options, QueueCommand::Cancel).await
    }

    async fn retry(&self, ids: Vec<u64>, options: HashMap<String, OwnedVariant>) -> Result<(), BusError> {
        self.change(ids, options, QueueCommand::Retry).await
    }

    async fn pause(&self, options: HashMap<String, OwnedVariant>) -> Result<(), BusError> {
        options::none(options)?;
        self.desk.ask_queue(QueueCommand::SetPaused(true)).await?;
        Ok(())
    }

    async fn resume(&self, options: HashMap<String, OwnedVariant>) -> Result<(), BusError> {
        options::none(options)?;
        self.desk.ask_queue(QueueCommand::SetPaused(false)).await?;
        Ok(())
    }

    /// An item entered a new state.
    #[zbus(signal)]
    pub async fn item_changed(emitter: &SignalEmitter<'_>, id: u64, item: Dict) -> zbus::Result<()>;

    #[zbus(property)]
    fn paused(&self) -> bool {
        self.view(|v| v.paused)
    }

    #[zbus(property)]
    fn files_left(&self) -> u32 {
        self.view(|v| saturated(v.counters.files_left))
    }

    #[zbus(property)]
    fn bytes_left(&self) -> u64 {
        self.view(|v| v.counters.bytes_left)
    }

    #[zbus(property)]
    fn held(&self) -> u32 {
        self.view(|v| saturated(v.counters.held))
    }

    #[zbus(property)]
    fn failed(&self) -> u32 {
        self.view(|v| saturated(v.counters.failed))
    }

    #[zbus(property)]
    fn rate(&self) -> u64 {
        self.view(|v| v.rate)
    }

    #[zbus(property)]
    fn current(&self) -> Vec<Current> {
        self.view(|v| v.current.iter().map(Current::of).collect())
    }
}

/// An item that is being sent, as the property `Current` has it. A struct and not a [`Dict`]: zbus makes a variant of a
/// property by serde, and variants inside of it would cost the daemon forty kilobytes.
#[derive(zbus::SerializeDict, zbus::Type)]
#[zbus(signature = "a{sv}")]
struct Current {
    id: u64,
    name: String,
    size: u64,
    sent: u64,
    state: &'static str,
}

impl Current {
    fn of(s: &Sending) -> Current {
        Current {
            id: s.id.0,
            name: s.name.clone(),
            size: s.size,
            sent: s.sent,
            state: ItemState::Uploading.as_str(),
        }
    }
}

/// Counts on the bus are `u`.
pub fn saturated(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The same for the signal that announces it.
pub fn sending(s: &Sending) -> Dict {
    HashMap::from([
        ("id", s.id.0.into()),
        ("name", s.name.clone().into()),
        ("size", s.size.into()),
        ("sent", s.sent.into()),
        ("state", ItemState::Uploading.as_str().into()),
    ])
}

fn dict(item: &Item) -> Dict {
    let mut dict: Dict = HashMap::from([
        ("id", item.id.0.into()),
        ("path", shown(&item.new.path).into()),
        ("name", item.new.name.clone().into()),
        ("size", item.new.facts.size.into()),
        ("sent", item.sent.into()),
        ("state", item.state.as_str().into()),
        ("reason", item.reason.clone().into()),
        ("detail", item.detail.clone().into()),
        ("priority", item.new.priority.into()),
        ("project_id", item.new.project_id.clone().unwrap_or_default().into()),
        ("asset_id", item.asset_id.clone().into()),
        ("attempts", item.attempts.into()),
        ("added", item.new.added.wall.0.into()),
    ]);
    if item.new.path.to_str().is_none() {
        dict.insert("path_bytes", item.new.path.as_os_str().as_bytes().to_vec().into());
    }
    dict
}
