//! A clip that is open.
//!
//! # Decisions
//! - It is closed by its volume's workers: some file systems ask their server when a file is closed.
use std::fs::File;
use std::io;

use super::workers::{NotAnswering, Volume};

/// Why a clip that is open can't be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not what it was.
    #[error("the file became shorter")]
    Shorter,
    /// Its card is gone, or its disk fails.
    #[error("the file can't be read ({0})")]
    Unreadable(io::Error),
    /// Its card does not answer.
    #[error(transparent)]
    NotAnswering(#[from] NotAnswering),
}

/// The file, and who reads it.
#[derive(Debug)]
pub struct MediaFile {
    /// Until it is closed.
    file: Option<File>,
    volume: Volume,
}

impl MediaFile {
    /// Of a file that lies on this volume.
    pub fn new(file: File, volume: Volume) -> MediaFile {
        MediaFile { file: Some(file), volume }
    }

    /// For the workers of its volume only, and for what does not touch it.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`]: it is closed.
    pub fn file(&self) -> Result<&File, ReadError> {
        let closed = || ReadError::Unreadable(io::Error::new(io::ErrorKind::NotFound, "it was closed"));
        self.file.as_ref().ok_or_else(closed)
    }

    /// Where it lies.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }
}

impl Drop for MediaFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            self.volume.last(move || drop(file));
        }
    }
}
