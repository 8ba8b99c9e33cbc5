//! Arguments that are more than a number: what is to be added, what is to be cleared.
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use zbus::OwnedVariant;

use crate::bus::options::Options;
use rigpost_contract::option::OptionKey;
use rigpost_core::command::{AddOptions, Refusal};
use rigpost_core::queue::item::{ItemId, ItemState};

/// Items or paths in one call, at most.
pub const MAX_MANY: usize = 10_000;
const MAX_NAME: usize = 255;

/// Numbers of items, bounded.
pub fn ids(ids: Vec<u64>) -> Result<Vec<ItemId>, Refusal> {
    if ids.len() > MAX_MANY {
        return Err(Refusal::LimitsExceeded(format!("at most {MAX_MANY} items at once")));
    }
    Ok(ids.into_iter().map(ItemId).collect())
}

/// The files and the options of `Add` (`many` is false) and of `AddMany`. The user is left to the caller.
pub fn add(
    paths: Vec<String>,
    many: bool,
    options: HashMap<String, OwnedVariant>,
) -> Result<(Vec<PathBuf>, AddOptions), Refusal> {
    let mut options = Options::new(options);
    let priority: Option<i32> = options.take(OptionKey::Priority)?;
    let name: Option<String> = options.take(OptionKey::Name)?;
    let closed: Option<bool> = options.take(OptionKey::Closed)?;
    let channel: Option<u8> = options.take(OptionKey::Channel)?;
    let bytes: Option<Vec<Vec<u8>>> = if many { options.take(OptionKey::PathsBytes)? } else { None };
    options.finish()?;
    let bytes = bytes.unwrap_or_default();
    if paths.len() + bytes.len() > MAX_MANY {
        return Err(Refusal::LimitsExceeded(format!("at most {MAX_MANY} paths at once")));
    }
    let bytes = bytes.into_iter().map(path).collect::<Result<Vec<_>, _>>()?;
    let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).chain(bytes).collect();
    if let Some(name) = &name {
        let fits = (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(|c| c.is_control() || c == '/');
        if !fits || paths.len() != 1 {
            let why = "option \"name\" must be 1 to 255 bytes without \"/\", and for one path";
            return Err(Refusal::InvalidArgs(why.to_owned()));
        }
    }
    let (closed, channel) = (closed.unwrap_or_default(), channel.unwrap_or_default());
    Ok((paths, AddOptions { priority, name, closed, channel, ..AddOptions::default() }))
}

/// A path as bytes, with or without the NUL that ends byte strings on the bus.
fn path(mut bytes: Vec<u8>) -> Result<PathBuf, Refusal> {
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.contains(&0) {
        return Err(Refusal::InvalidArgs("a path in option \"paths_bytes\" holds a NUL".to_owned()));
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

/// The states and the items of `Clear`.
pub fn clear(options: HashMap<String, OwnedVariant>) -> Result<(Vec<ItemState>, Vec<ItemId>), Refusal> {
    let mut options = Options::new(options);
    let words: Option<Vec<String>> = options.take(OptionKey::States)?;
    let given: Option<Vec<u64>> = options.take(OptionKey::Ids)?;
    options.finish()?;
    let over = |word: &String| {
        word.parse().ok().filter(|state: &ItemState| state.is_over()).ok_or_else(|| {
            let over: Vec<_> =
                ItemState::ALL.iter().filter(|s| s.is_over()).map(|s| format!("\"{s}\"")).collect();
            Refusal::InvalidArgs(format!("option \"states\" may name {} only", over.join(", ")))
        })
    };
    let states = match (&words, &given) {
        (Some(words), _) => words.iter().map(over).collect::<Result<_, _>>()?,
        (None, Some(_)) => vec![],
        (None, None) => vec![ItemState::Done, ItemState::Cancelled],
    };
    Ok((states, ids(given.unwrap_or_default())?))
}

/// Bytes per second for file data: none (0), or enough to get somewhere.
pub fn bandwidth(limit: u64) -> Result<u64, Refusal> {
    const LEAST: u64 = 10_000;
    match limit {
        0 | LEAST.. => Ok(limit),
        _ => Err(Refusal::InvalidArgs(
            "BandwidthLimit must be 0 (no limit) or at least 10000 bytes per second".to_owned(),
        )),
    }
}
