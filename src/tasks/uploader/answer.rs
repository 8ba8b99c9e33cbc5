//! Answers to people's questions about the queue. They wait for the disk only.
use super::UploaderSettings;
use crate::{
    clock::Clock,
    domain::{
        command::{QueueAnswer, QueueCommand, Refusal},
        item::{NewItem, shown},
        time::Now,
    },
    media::{made, open_beneath},
    tasks::{Strongroom, strongroom::refusal},
};
use std::path::{Path, PathBuf};

pub(super) async fn answer(
    room: &Strongroom,
    settings: UploaderSettings,
    project: Option<String>,
    clock: &Clock,
    command: QueueCommand,
) -> Result<QueueAnswer, Refusal> {
    match command {
        QueueCommand::Add { paths, priority, name } => {
            let now = clock.now();
            let items = tokio::task::spawn_blocking(move || {
                let door = |p| door(&settings.media_dirs, p, priority, name.clone(), project.clone(), now);
                paths.into_iter().map(door).collect::<Result<Vec<_>, _>>()
            });
            let items = items.await.map_err(|_| Refusal::Stopping)??;
            let ids = room.add(items, settings.max_items).await.map_err(refusal)?;
            Ok(QueueAnswer::Ids(ids))
        }
        QueueCommand::List { state, offset, limit } => {
            let (items, total) = room.list(state, offset, limit).await.map_err(refusal)?;
            Ok(QueueAnswer::Page(items, total))
        }
        QueueCommand::Cancel(ids) => room.cancel(&ids).await.map(|()| QueueAnswer::Done).map_err(refusal),
        QueueCommand::Retry(ids) => room.retry(&ids).await.map(|()| QueueAnswer::Done).map_err(refusal),
        QueueCommand::SetPaused(paused) => {
            room.set_paused(paused).await.map(|()| QueueAnswer::Done).map_err(refusal)
        }
    }
}

/// The door: a path becomes an item, or is refused by name. Blocks on the disk.
fn door(
    dirs: &[PathBuf],
    path: PathBuf,
    priority: i32,
    name: Option<String>,
    project_id: Option<String>,
    now: Now,
) -> Result<NewItem, Refusal> {
    let (_, facts) = open_beneath(dirs, &path)?;
    let own_name = || path.file_name().map(|n| shown(Path::new(n))).unwrap_or_default();
    let name = name.unwrap_or_else(own_name);
    let filetype = mime_guess::from_path(&path).first_raw().unwrap_or("application/octet-stream").to_owned();
    Ok(NewItem { name, filetype, facts, priority, project_id, created: made(&facts, now), added: now, path })
}
