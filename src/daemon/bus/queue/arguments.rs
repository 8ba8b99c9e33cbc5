//! Arguments that are more than a number: what is to be added, what is to be cleared.
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::bus::options::{Bytes, Many, Options, too_many};
use rigpost_contract::method::{MAX_MANY, MOST_OF_A_COMMENT};
use rigpost_contract::option::OptionKey;
use rigpost_core::command::{AddOptions, Refusal};
use rigpost_core::queue::clip::Wanted;
use rigpost_core::queue::clip_name::MOST_BYTES;
use rigpost_core::queue::item::{ItemId, ItemState};
use rigpost_core::queue::rights::User;

/// Numbers of items, bounded.
pub fn ids(ids: Many<u64>) -> Result<Vec<ItemId>, Refusal> {
    Ok(ids.within("items")?.into_iter().map(ItemId).collect())
}

/// The files and the options of `Add` and its like; `bytes`: more paths, behind the others. The user is left to the caller.
pub fn add(
    paths: Many<String>,
    bytes: Option<Many<Bytes>>,
    mut options: Options,
) -> Result<(Vec<PathBuf>, AddOptions), Refusal> {
    let name: Option<String> = options.take(OptionKey::Name)?;
    let options = added(name, options)?;
    let (paths, bytes) = (paths.within("paths")?, bytes.map_or(Ok(vec![]), |bytes| bytes.within("paths"))?);
    if paths.len() + bytes.len() > MAX_MANY {
        return Err(too_many("paths"));
    }
    let bytes = bytes.into_iter().map(path).collect::<Result<Vec<_>, _>>()?;
    let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).chain(bytes).collect();
    match (&options.name, paths.len()) {
        (None, _) | (Some(_), 1) => Ok((paths, options)),
        (Some(_), _) => Err(bad_name()),
    }
}

/// The name and the options of `AddFd`; an empty name is none.
pub fn handed_over(name: String, options: Options) -> Result<AddOptions, Refusal> {
    added(Some(name).filter(|name| !name.is_empty()), options)
}

fn bad_name() -> Refusal {
    Refusal::InvalidArgs("option \"name\" must be 1 to 255 bytes without \"/\", and for one path".to_owned())
}

fn added(name: Option<String>, mut options: Options) -> Result<AddOptions, Refusal> {
    let priority: Option<i32> = options.take(OptionKey::Priority)?;
    let closed: Option<bool> = options.take(OptionKey::Closed)?;
    let channel: Option<u8> = options.take(OptionKey::Channel)?;
    let again: Option<bool> = options.take(OptionKey::Again)?;
    let to_this_project: Option<bool> = options.take(OptionKey::ToThisProject)?;
    options.finish()?;
    let fits = |name: &String| {
        (1..=MOST_BYTES).contains(&name.len()) && !name.chars().any(|c| c.is_control() || c == '/')
    };
    if !name.as_ref().is_none_or(fits) {
        return Err(bad_name());
    }
    let (closed, channel) = (closed.unwrap_or_default(), channel.unwrap_or_default());
    let wanted =
        Wanted { again: again.unwrap_or_default(), to_this_project: to_this_project.unwrap_or_default() };
    Ok(AddOptions { priority, name, closed, channel, wanted, user: User::default() })
}

/// A path as bytes, with or without the NUL that ends byte strings on the bus.
fn path(Bytes(mut bytes): Bytes) -> Result<PathBuf, Refusal> {
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.contains(&0) {
        return Err(Refusal::InvalidArgs("a path that is given as bytes holds a NUL".to_owned()));
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

/// The states and the items of `Clear`.
pub fn clear(mut options: Options) -> Result<(Vec<ItemState>, Vec<ItemId>), Refusal> {
    let words: Option<Many<String>> = options.take(OptionKey::States)?;
    let given: Option<Many<u64>> = options.take(OptionKey::Ids)?;
    options.finish()?;
    let over = |word: &String| {
        word.parse().ok().filter(|state: &ItemState| state.is_over()).ok_or_else(|| {
            let over: Vec<_> =
                ItemState::ALL.iter().filter(|s| s.is_over()).map(|s| format!("\"{s}\"")).collect();
            Refusal::InvalidArgs(format!("option \"states\" may name {} only", over.join(", ")))
        })
    };
    let words = words.map(|words| words.within("states")).transpose()?;
    let states = match (&words, &given) {
        (Some(words), _) => words.iter().map(over).collect::<Result<_, _>>()?,
        (None, Some(_)) => vec![],
        (None, None) => vec![ItemState::Done, ItemState::Cancelled],
    };
    Ok((states, given.map_or(Ok(vec![]), ids)?))
}

/// What is said of a clip: something, and no more than the cloud takes.
pub fn comment(text: String) -> Result<String, Refusal> {
    let fits = !text.trim().is_empty() && text.len() <= MOST_OF_A_COMMENT;
    let wrong = || Refusal::InvalidArgs(format!("a comment has 1 to {MOST_OF_A_COMMENT} bytes"));
    if fits { Ok(text) } else { Err(wrong()) }
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
