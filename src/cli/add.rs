//! `rigpost add`: hands clips to the daemon by their absolute paths.
//!
//! # Decisions
//!
//! - Paths are made absolute but links in them are not resolved: whether a link leads out of a media directory is for the
//!   daemon to judge, on what was really given.
//! - A directory is refused unless `--recursive` was given: a slip of the finger must not queue a whole card.
//! - What a person names is passed on whole, so that the daemon can refuse it by name; what is merely found in a directory
//!   is filtered (hidden, empty, links), because one stray file must not make the daemon refuse the card.

use std::fs;
use std::path::{Path, PathBuf};

use zbus::Variant;

use super::args::AddArgs;
use super::bus::{Daemon, Options};
use super::exit::{Code, Doing, Failure, from_bus};
use super::out::{self, Out};
use super::text;

/// The most paths that one call takes.
const BATCH_PATHS: usize = 10_000;
/// The most bytes of paths in one call: well below what a system bus passes on.
const BATCH_BYTES: usize = 8 << 20;
/// More items than this are only counted on a terminal.
const SHOWN: usize = 20;

/// Queues what was given.
pub(crate) async fn run(args: &AddArgs, out: &mut Out) -> Result<(), Failure> {
    let found = collect(args)?;
    if found.skipped > 0 {
        out::remark(&format!("skipped {} (hidden, empty, or a link)", text::count(found.skipped, "file")));
    }
    if found.paths.is_empty() {
        return Err(Failure::new(Code::Failure, "there is nothing to queue in there", ""));
    }
    let daemon = Daemon::connect().await?;
    let mut done = 0;
    for batch in batches(&found.paths) {
        let ids = send(&daemon, batch, args.priority).await.map_err(|failure| match done {
            0 => failure,
            done => {
                Failure { what: format!("{} (the first {done} clips are queued)", failure.what), ..failure }
            }
        })?;
        done += batch.len();
        report(batch, &ids, found.paths.len(), out)?;
    }
    if found.paths.len() > 1 {
        out.line(&format!("Queued {}, {}.", text::count(done as u64, "clip"), text::size(found.bytes)))?;
    }
    Ok(())
}

async fn send(daemon: &Daemon, paths: &[String], priority: Option<i32>) -> Result<Vec<u64>, Failure> {
    let group = |error: zbus::Error| from_bus(&error, Doing::Group);
    let queue = daemon.queue().await.map_err(group)?;
    let options: Options<'_> = priority.map(|n| ("priority", Variant::from(n))).into_iter().collect();
    match paths {
        [path] => queue.add(path, options).await.map(|id| vec![id]).map_err(group),
        paths => {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            queue.add_many(&paths, options).await.map_err(group)
        }
    }
}

fn report(batch: &[String], ids: &[u64], total: usize, out: &mut Out) -> Result<(), Failure> {
    if out.live && total > SHOWN {
        return Ok(());
    }
    for (path, id) in batch.iter().zip(ids) {
        out.line(&format!("{id}  {}", text::clean(path)))?;
    }
    Ok(())
}

/// Splits into what one call takes.
fn batches(paths: &[String]) -> Vec<&[String]> {
    let (mut batches, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (i, path) in paths.iter().enumerate() {
        if i - start == BATCH_PATHS || bytes + path.len() > BATCH_BYTES && i > start {
            batches.push(&paths[start..i]);
            (start, bytes) = (i, 0);
        }
        bytes += path.len();
    }
    batches.push(&paths[start..]);
    batches
}

/// Files to be queued.
#[derive(Debug, Default)]
struct Found {
    paths: Vec<String>,
    bytes: u64,
    skipped: u64,
}

fn collect(args: &AddArgs) -> Result<Found, Failure> {
    let mut found = Found::default();
    for given in &args.files {
        let path = std::path::absolute(given)
            .map_err(|error| unusable(given, &error.to_string(), "check the name"))?;
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() && args.recursive => walk(&path, &mut found)?,
            Ok(meta) if meta.is_dir() => {
                return Err(unusable(given, "is a directory", "add --recursive to queue what is in it"));
            }
            Ok(meta) => {
                found.bytes += meta.len();
                found.paths.push(as_text(&path)?);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(unusable(given, "there is no such file", "check the name"));
            }
            // The daemon may be allowed to see what this user is not.
            Err(_) => found.paths.push(as_text(&path)?),
        }
    }
    Ok(found)
}

fn walk(dir: &Path, found: &mut Found) -> Result<(), Failure> {
    let failed = |error: std::io::Error| unusable(dir, &error.to_string(), "check its permissions");
    let mut entries = fs::read_dir(dir).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let meta = entry.metadata().map_err(failed)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        match () {
            () if is_hidden => found.skipped += 1,
            () if meta.is_dir() => walk(&entry.path(), found)?,
            () if meta.is_file() && meta.len() > 0 => {
                found.bytes += meta.len();
                found.paths.push(as_text(&entry.path())?);
            }
            () => found.skipped += 1,
        }
    }
    Ok(())
}

fn as_text(path: &Path) -> Result<String, Failure> {
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(unusable(path, "its name is not valid UTF-8", "rename the file")),
    }
}

fn unusable(path: &Path, why: &str, next: &str) -> Failure {
    let shown: PathBuf = path.into();
    Failure::new(Code::Failure, format!("{}: {why}", text::clean(&shown.to_string_lossy())), next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    fn args(files: &[&Path], recursive: bool) -> AddArgs {
        AddArgs { priority: None, recursive, files: files.iter().map(|file| file.to_path_buf()).collect() }
    }

    #[test]
    fn links_are_kept_and_paths_are_absolute() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("clip.mov"), b"x").unwrap();
        std::os::unix::fs::symlink("clip.mov", dir.path().join("link.mov")).unwrap();
        let link = dir.path().join("./link.mov");
        let found = collect(&args(&[&link], false)).unwrap();
        assert_eq!(found.paths, [dir.path().join("link.mov").to_str().unwrap()]);
        let relative = collect(&args(&[Path::new("Cargo.toml")], false)).unwrap();
        assert!(relative.paths[0].starts_with('/') && relative.paths[0].ends_with("/Cargo.toml"));
    }

    #[test]
    fn directories_need_the_option() {
        let dir = tempfile::tempdir().unwrap();
        let failure = collect(&args(&[dir.path()], false)).unwrap_err();
        assert!(failure.what.ends_with("is a directory") && failure.next.contains("--recursive"));
    }

    #[test]
    fn a_directory_is_walked_in_order_and_filtered() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("B");
        fs::create_dir(&sub).unwrap();
        fs::create_dir(dir.path().join(".trash")).unwrap();
        for (name, content) in
            [("a.mov", "12"), (".hidden", "x"), ("empty", ""), ("B/c.mov", "345"), (".trash/t", "x")]
        {
            fs::write(dir.path().join(name), content).unwrap();
        }
        std::os::unix::fs::symlink("/etc", dir.path().join("etc")).unwrap();
        let found = collect(&args(&[dir.path()], true)).unwrap();
        let expected = ["B/c.mov", "a.mov"].map(|name| dir.path().join(name).to_str().unwrap().to_owned());
        assert_eq!(found.paths, expected);
        assert_eq!((found.bytes, found.skipped), (5, 4));
    }

    #[test]
    fn bad_names_are_refused_here() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join(OsStr::from_bytes(b"clip\xff.mov"));
        fs::write(&odd, b"x").unwrap();
        assert!(collect(&args(&[&odd], false)).unwrap_err().what.contains("UTF-8"));
        let missing = dir.path().join("missing.mov");
        assert!(collect(&args(&[&missing], false)).unwrap_err().what.ends_with("there is no such file"));
    }

    #[test]
    fn batches_keep_to_the_limits() {
        let many: Vec<String> = (0..BATCH_PATHS * 2 + 1).map(|i| i.to_string()).collect();
        let sizes: Vec<usize> = batches(&many).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [BATCH_PATHS, BATCH_PATHS, 1]);
        let long = vec!["x".repeat(BATCH_BYTES / 2 + 1); 3];
        assert_eq!(batches(&long).len(), 3);
        assert_eq!(batches(&many[..1]).len(), 1);
    }
}
