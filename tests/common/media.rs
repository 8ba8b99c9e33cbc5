//! Clips.
use std::io::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Writes `size` bytes that differ for each `seed` and do not repeat within a part.
pub(crate) fn fill(path: &Path, size: usize, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(&bytes[..size]).unwrap();
    // Of a writer that has been done for a while.
    let changed = file.metadata().unwrap().modified().unwrap();
    file.set_modified(changed - std::time::Duration::from_secs(60)).unwrap();
}

/// Hexadecimal, as the cloud shows it.
pub(crate) fn sha256(path: &Path) -> String {
    let hash = Sha256::digest(std::fs::read(path).unwrap());
    hash.iter().map(|b| format!("{b:02x}")).collect()
}
