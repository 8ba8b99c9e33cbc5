//! A wall clock of the daemon's own. Uses libfaketime.
use std::fs;
use std::path::PathBuf;

use super::setup::Setup;

/// A battery-less board at its start.
pub(crate) const EARLY: &str = "@1970-01-01 00:05:00";

/// A file whose text is the daemon's time, in the notation of libfaketime, and the environment that makes it so.
pub(crate) fn clock_of(setup: &mut Setup, time: &str) -> tempfile::NamedTempFile {
    let dirs = fs::read_dir("/usr/lib").unwrap().map(|d| d.unwrap().path().join("faketime/libfaketime.so.1"));
    let library: PathBuf = dirs.into_iter().find(|l| l.exists()).expect("faketime is installed");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), time).unwrap();
    let env = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", file.path().to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("TZ", "UTC"),
    ];
    setup.env.extend(env.map(|(k, v)| (k.to_owned(), v.to_owned())));
    file
}
