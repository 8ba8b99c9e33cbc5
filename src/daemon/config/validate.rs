//! Step three: values that make sense, or a sentence about why not.
use std::path::Path;

use super::check::{Checker, PRESET};
use super::keys::Key;
use super::merge::{Merged, Setting};
use super::problem::Problem;
use super::settings::{ClientIdSource, Delivery, Device, Level, Log, Queue, Settings, State, Vault};
use super::{delivery, lists, provider};

impl Default for Settings {
    /// What an empty configuration means, where systemd has made no state directory.
    fn default() -> Settings {
        settings(&Merged::default(), None, &mut Vec::new())
    }
}

/// Settings with the preset in the place of everything that is wrong and noted. `state_dir`: what systemd has made,
/// which is used unless a file names another.
pub(super) fn settings(merged: &Merged, state_dir: Option<&Path>, problems: &mut Vec<Problem>) -> Settings {
    let mut c = Checker { keys: &merged.keys, problems };
    let device = Device { client_id: client_id(&mut c) };
    let provider = provider::section(&mut c);
    let delivery = delivery::section(&mut c, &provider);
    let tokens = provider::tokens(&mut c, provider.kind);
    let dir = c.path(Key::StateDir).expect(PRESET);
    let made = state_dir.filter(|_| !merged.keys.contains_key(&Key::StateDir));
    let state = State { dir: made.map_or(dir, Path::to_owned) };
    let key_file = c.path(Key::VaultKeyFile).unwrap_or_else(|| state.dir.join("root.key"));
    let queue = queue(&mut c);
    let log = Log { level: c.word(Key::LogLevel, level).expect(PRESET) };
    let classes = lists::classes(&merged.lists, problems);
    let sources = lists::sources(&merged.lists, &classes, &queue.media_dirs, problems);
    match delivery {
        Delivery::Frameio => {}
        Delivery::Bucket(_) | Delivery::Tus(_) => lists::refuse_projects(&merged.lists, problems),
        Delivery::None => lists::refuse(&merged.lists, problems),
    }
    Settings {
        device,
        provider,
        delivery,
        state,
        tokens,
        vault: Vault { key_file },
        queue,
        log,
        classes,
        sources,
    }
}

/// Of a name and a file, the one that a later file sets wins: a site may override its maker either way.
fn client_id(c: &mut Checker<'_>) -> Option<ClientIdSource> {
    let id = c.text(Key::DeviceClientId).map(ClientIdSource::Literal);
    let file = c.path(Key::DeviceClientIdFile).map(ClientIdSource::File);
    let rank = |key| c.keys.get(&key).map(|setting: &Setting| setting.rank);
    let (id_rank, file_rank) = (rank(Key::DeviceClientId), rank(Key::DeviceClientIdFile));
    if let Some(setting) = c.keys.get(&Key::DeviceClientIdFile).filter(|_| id_rank == file_rank) {
        let reason = format!("can't stand beside `{}`: remove one of them", Key::DeviceClientId.name());
        c.wrong(Key::DeviceClientIdFile, setting, setting.line, reason);
    }
    if id_rank > file_rank { id } else { file }
}

fn queue(c: &mut Checker<'_>) -> Queue {
    Queue {
        media_dirs: c.paths(Key::QueueMediaDirs),
        take_open_files: c.flag(Key::QueueTakeOpenFiles),
        max_items: c.count(Key::QueueMaxItems),
        max_items_per_user: c.count(Key::QueueMaxItemsPerUser),
        parallel_parts: c.number(Key::QueueParallelParts).and_then(|n| usize::try_from(n).ok()),
        settle_seconds: c.count(Key::QueueSettleSeconds),
        before_pairing: c.word(Key::QueueBeforePairing, |word| word.parse().ok()).expect(PRESET),
    }
}

fn level(word: &str) -> Option<Level> {
    [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace]
        .into_iter()
        .find(|level| level.as_str() == word)
}
