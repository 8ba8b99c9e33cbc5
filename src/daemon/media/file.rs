//! A clip that is open.
//!
//! # Decisions
//! - It is closed by its volume's workers: some file systems ask their server when a file is closed.
use std::fs::File;

use super::workers::Volume;

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

    /// For the workers of its volume only.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
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
