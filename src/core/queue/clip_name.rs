//! What the cloud shall call the clips of a source, where the files' own names repeat: a template.
//!
//! # Decisions
//! - Few placeholders, all of them from the path: a name does not change when a clip is looked at again.
//! - A name ends as the file's does, because the cloud goes by that; and it has the file's own part, or all clips of a
//!   folder had one name.
//! - A name that is longer than [`MOST_BYTES`] loses its beginning: the end tells more.
use std::ffi::OsStr;
use std::path::Path;

use crate::queue::item::shown;

/// Bytes in a name at most; so in one that a person gives.
pub const MOST_BYTES: usize = 255;
/// Bytes in a template at most.
const MOST_TEMPLATE: usize = 128;

/// A template that passed its check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Of(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    /// `A001.mov`.
    File,
    /// `A001`.
    Stem,
    /// `.mov`; nothing where the file's name has none.
    Ext,
    /// The folder that it lies in.
    Parent,
    /// The name of the source.
    Source,
}

impl Placeholder {
    const ALL: [Placeholder; 5] =
        [Placeholder::File, Placeholder::Stem, Placeholder::Ext, Placeholder::Parent, Placeholder::Source];

    fn word(self) -> &'static str {
        match self {
            Placeholder::File => "file",
            Placeholder::Stem => "stem",
            Placeholder::Ext => "ext",
            Placeholder::Parent => "parent",
            Placeholder::Source => "source",
        }
    }

    fn of(self, path: &Path, source: &str) -> String {
        let plain = |part: Option<&OsStr>| part.map(|part| shown(Path::new(part))).unwrap_or_default();
        match self {
            Placeholder::File => plain(path.file_name()),
            Placeholder::Stem => plain(path.file_stem()),
            Placeholder::Ext => {
                path.extension().map(|ext| format!(".{}", plain(Some(ext)))).unwrap_or_default()
            }
            Placeholder::Parent => plain(path.parent().and_then(Path::file_name)),
            Placeholder::Source => source.to_owned(),
        }
    }
}

impl NameTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// One clause for the person who wrote it, without a full stop.
    pub fn parse(text: &str) -> Result<NameTemplate, String> {
        if text.len() > MOST_TEMPLATE || text.chars().any(|c| c.is_control() || c == '/') {
            return Err(format!(
                "must have at most {MOST_TEMPLATE} bytes in one line without \"/\", not {text:?}"
            ));
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            let (word, behind) = after
                .strip_prefix('{')
                .and_then(|after| after.split_once('}'))
                .ok_or_else(|| format!("has a brace that is alone, in {text:?}"))?;
            let placeholder = Placeholder::ALL.into_iter().find(|placeholder| placeholder.word() == word);
            let placeholder =
                placeholder.ok_or_else(|| format!("knows no {{{word}}}; there are {}", all()))?;
            pieces.extend((!before.is_empty()).then(|| Piece::Text(before.to_owned())));
            pieces.push(Piece::Of(placeholder));
            rest = behind;
        }
        pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.to_owned())));
        let has = |placeholder| pieces.contains(&Piece::Of(placeholder));
        if !has(Placeholder::File) && !has(Placeholder::Stem) {
            return Err("must have {file} or {stem}, or all clips of a folder have the same name".to_owned());
        }
        match pieces.last() {
            Some(Piece::Of(Placeholder::File | Placeholder::Ext)) => Ok(NameTemplate(pieces)),
            Some(
                Piece::Of(Placeholder::Stem | Placeholder::Parent | Placeholder::Source) | Piece::Text(_),
            )
            | None => {
                Err("must end with {file} or {ext}: by the ending the cloud knows what a clip is".to_owned())
            }
        }
    }

    /// The name of the clip at this path, which the source of this name has found. At most [`MOST_BYTES`].
    pub fn name(&self, path: &Path, source: &str) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Of(placeholder) => placeholder.of(path, source),
        };
        let name: String = self.0.iter().map(piece).collect();
        let from = (name.len().saturating_sub(MOST_BYTES)..=name.len()).find(|at| name.is_char_boundary(*at));
        name[from.unwrap_or(name.len())..].trim().to_owned()
    }
}

/// `{file}, {stem}, …`
fn all() -> String {
    Placeholder::ALL.map(|placeholder| format!("{{{}}}", placeholder.word())).join(", ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn name(template: &str, path: &str) -> String {
        NameTemplate::parse(template).unwrap().name(Path::new(path), "A camera")
    }

    #[test]
    fn a_template_makes_names() {
        for (template, path, wanted) in [
            ("{file}", "/media/card/A001.MOV", "A001.MOV"),
            ("{parent}_{file}", "/media/card/A001.MOV", "card_A001.MOV"),
            ("{source} {parent} {stem} (raw){ext}", "/media/card/A001.MOV", "A camera card A001 (raw).MOV"),
            ("{stem}{ext}", "/media/card/clip.a.mov", "clip.a.mov"),
            ("{stem}-{source}{ext}", "/media/card/README", "README-A camera"),
            ("{parent}{file}", "/A001.MOV", "A001.MOV"),
            ("{parent}_{file}", "/media/1. Tag \u{1f3ac}/a\nb.mov", "1. Tag \u{1f3ac}_a\u{fffd}b.mov"),
            ("day 1 \u{e9} {file}", "/m/a.mov", "day 1 \u{e9} a.mov"),
        ] {
            assert_eq!(name(template, path), wanted, "{template}");
        }
        let odd = Path::new(OsStr::from_bytes(b"/media/\xff/\xfe.mov"));
        assert_eq!(NameTemplate::parse("{parent}_{file}").unwrap().name(odd, ""), "\u{fffd}_\u{fffd}.mov");
    }

    #[test]
    fn a_name_that_is_too_long_keeps_its_end() {
        let folder = "\u{e9}".repeat(127);
        let (path, own) = (format!("/m/{folder}/C0001.MP4"), "_C0001.MP4");
        let long = name("{parent}_{file}", &path);
        assert_eq!(
            (long.len(), long.ends_with(own)),
            (254, true),
            "letters of two bytes are not cut in two: {long}"
        );
        assert_eq!(
            name("{parent}{parent}{file}", &format!("/m/{}/a.mov", "x".repeat(250))).len(),
            MOST_BYTES
        );
    }

    #[test]
    fn what_is_no_template_is_refused_with_a_reason() {
        for (template, why) in [
            ("{date}_{file}", "knows no {date}; there are {file}, {stem}, {ext}, {parent}, {source}"),
            ("{File}", "knows no {File}; "),
            ("{}{file}", "knows no {}; "),
            ("{parent}", "must have {file} or {stem}"),
            ("", "must have {file} or {stem}"),
            ("clip", "must have {file} or {stem}"),
            ("{parent}_{stem}", "must end with {file} or {ext}"),
            ("{file}_{source}", "must end with {file} or {ext}"),
            ("{file}.mov", "must end with {file} or {ext}"),
            ("{file", "has a brace that is alone"),
            ("file}", "has a brace that is alone"),
            ("{{file}}", "knows no {{file}; "),
            ("{parent}/{file}", "without \"/\""),
            ("a\n{file}", "in one line"),
        ] {
            let said = NameTemplate::parse(template).unwrap_err();
            assert!(said.contains(why), "{template}: {said}");
        }
        let long = format!("{}{{file}}", "x".repeat(MOST_TEMPLATE));
        assert!(NameTemplate::parse(&long).unwrap_err().contains("at most 128 bytes"));
    }
}
