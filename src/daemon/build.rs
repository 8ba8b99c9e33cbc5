//! Writes the table of file types that `media/filetype.rs` looks up.
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let extensions = mime_guess::get_extensions("*", "*").into_iter().flatten();
    let known: BTreeMap<String, &str> = extensions
        .filter_map(|extension| {
            Some((extension.to_ascii_lowercase(), mime_guess::from_ext(extension).first_raw()?))
        })
        .collect();
    let lines: String =
        known.iter().map(|(extension, filetype)| format!("{extension} {filetype}\n")).collect();
    let dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    Ok(fs::write(dir.join("filetypes"), lines)?)
}
