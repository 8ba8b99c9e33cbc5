//! Writes the table of file types that `media/filetype.rs` looks up: that of `mime_guess`, and over it our own.
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

/// What cameras make.
const OWN: &str = "media/filetypes";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={OWN}");
    let extensions = mime_guess::get_extensions("*", "*").into_iter().flatten();
    let guessed = extensions.filter_map(|extension| {
        Some((extension.to_ascii_lowercase(), mime_guess::from_ext(extension).first_raw()?))
    });
    let mut known: BTreeMap<String, &str> = guessed.collect();
    let own = fs::read_to_string(OWN)?;
    for line in own.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (extension, filetype) = line.split_once(' ').ok_or("an ending and its type")?;
        known.insert(extension.to_owned(), filetype);
    }
    let lines: String =
        known.iter().map(|(extension, filetype)| format!("{extension} {filetype}\n")).collect();
    let dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    Ok(fs::write(dir.join("filetypes"), lines)?)
}
