//! Where parts and finished clips lie on disk.
//!
//! # Decisions
//! A part is written beside its final name and renamed when it is whole, so a broken re-send never harms what
//! has arrived, as in real object storage. Bodies go to disk in blocks of at most a mebibyte, hashed on the
//! way, on the blocking pool: the runtime that serves the test's client keeps running.
//! A part is hashed twice: MD5 for its `ETag`, as object storage does it for a plain PUT, and SHA-256 to compare
//! with. The crate `md-5` is of the same family as `sha2`, which is here anyway.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::secret;

const BLOCK: usize = 1 << 20;

/// The simulator's directory.
#[derive(Debug)]
pub(crate) struct Storage {
    root: PathBuf,
    temporary: bool,
}

impl Storage {
    pub(crate) fn open(dir: Option<&Path>) -> io::Result<Self> {
        let temporary = dir.is_none();
        let made_up = || std::env::temp_dir().join(format!("rigpost-sim-{}", secret::id()));
        let root = dir.map_or_else(made_up, Path::to_path_buf);
        fs::create_dir_all(&root)?;
        Ok(Self { root, temporary })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn incoming(&self, asset: &str) -> PathBuf {
        self.root.join(".incoming").join(asset)
    }

    /// Begins to take in one part; `unique` tells concurrent attempts apart.
    pub(crate) fn part(&self, asset: &str, n: u64, unique: &str) -> PartWriter {
        let dir = self.incoming(asset);
        let writer = Writer {
            temporary: dir.join(format!("{n}.{unique}")),
            whole: dir.join(n.to_string()),
            file: None,
            hash: Sha256::new(),
            md5: Md5::new(),
            size: 0,
        };
        PartWriter { writer: Some(writer), waiting: Vec::new(), waiting_bytes: 0 }
    }

    /// Puts the parts of a finished asset together, in the order of their numbers. Returns the SHA-256 of the whole, in hexadecimal. Blocking.
    pub(crate) fn assemble(&self, asset: &str, name: &str, parts: &[u64]) -> io::Result<String> {
        let dir = self.incoming(asset);
        let target = dir.join("whole");
        let mut hash = Sha256::new();
        let mut out = File::create(&target)?;
        let mut block = vec![0; BLOCK];
        for n in parts {
            let mut part = File::open(dir.join(n.to_string()))?;
            loop {
                let read = part.read(&mut block)?;
                if read == 0 {
                    break;
                }
                hash.update(&block[..read]);
                out.write_all(&block[..read])?;
            }
        }
        drop(out);
        fs::rename(&target, self.root.join(file_name(asset, name)))?;
        // The clip is whole, whatever is left: another attempt at a part may be writing there still.
        let _in_use = fs::remove_dir_all(&dir);
        Ok(secret::hex(hash.finalize().as_slice()))
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if self.temporary {
            // Nothing depends on the directory being gone.
            let _left_behind = fs::remove_dir_all(&self.root);
        }
    }
}

/// The file a finished clip is stored as: `<asset id>-<name>`, the name reduced to what every file system takes.
pub(crate) fn file_name(asset: &str, name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let safe: String = name.chars().map(plain).take(120).collect();
    format!("{asset}-{safe}")
}

/// A part that arrived whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartFile {
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) md5: String,
}

impl PartFile {
    /// The `ETag` of a plain PUT.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.md5)
    }

    /// An `ETag` of the same look that is the hash of nothing a client knows, as storage gives it that encrypts
    /// with a key service.
    pub(crate) fn opaque_etag(&self) -> String {
        format!("\"{}\"", self.sha256.get(..32).unwrap_or_default())
    }
}

struct Writer {
    temporary: PathBuf,
    whole: PathBuf,
    file: Option<File>,
    hash: Sha256,
    md5: Md5,
    size: u64,
}

impl Writer {
    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            // An attempt that gives up may remove the directory between our two steps.
            None => self.create().or_else(|_raced| self.create())?,
        };
        Ok(self.file.insert(file))
    }

    fn create(&self) -> io::Result<File> {
        if let Some(dir) = self.temporary.parent() {
            fs::create_dir_all(dir)?;
        }
        File::create(&self.temporary)
    }

    fn write(&mut self, blocks: &[Bytes]) -> io::Result<()> {
        for block in blocks {
            self.hash.update(block);
            self.md5.update(block);
            self.size += block.len() as u64;
        }
        let file = self.file()?;
        blocks.iter().try_for_each(|block| file.write_all(block))
    }

    fn finish(mut self, keep: bool) -> io::Result<PartFile> {
        self.file()?;
        if keep {
            self.file = None;
            match fs::rename(&self.temporary, &self.whole) {
                // The asset was put together in the meantime; this part was a copy.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
        }
        let (hash, md5) = (std::mem::take(&mut self.hash), std::mem::take(&mut self.md5));
        let sha256 = secret::hex(hash.finalize().as_slice());
        Ok(PartFile { size: self.size, sha256, md5: secret::hex(md5.finalize().as_slice()) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Unfinished or not wanted. The directory goes too, unless other parts lie in it.
            let _gone = fs::remove_file(&self.temporary);
            let _in_use = self.temporary.parent().map(fs::remove_dir);
        }
    }
}

/// Takes one part in. Dropped before [`PartWriter::finish`], it leaves nothing behind.
pub(crate) struct PartWriter {
    writer: Option<Writer>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
}

impl PartWriter {
    pub(crate) async fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        self.waiting_bytes += bytes.len();
        self.waiting.push(bytes);
        if self.waiting_bytes >= BLOCK { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let blocks = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let mut writer = self.writer.take().ok_or_else(|| io::Error::other("part writer failed before"))?;
        let work = move || writer.write(&blocks).map(|()| writer);
        self.writer = Some(tokio::task::spawn_blocking(work).await.map_err(io::Error::other)??);
        Ok(())
    }

    /// Ends the part. Without `keep` it is only hashed: a copy of a part whose asset is complete.
    pub(crate) async fn finish(mut self, keep: bool) -> io::Result<PartFile> {
        self.flush().await?;
        let writer = self.writer.take().ok_or_else(|| io::Error::other("part writer failed before"))?;
        tokio::task::spawn_blocking(move || writer.finish(keep)).await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_harmless() {
        assert_eq!(file_name("a1", "../x y/é.mov"), "a1-.._x_y__.mov");
        assert_eq!(file_name("a1", &"n".repeat(500)).len(), 123);
    }
}
