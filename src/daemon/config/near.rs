//! What somebody may have meant.
//!
//! # Decisions
//! - The distance is that of `strsim`: no dependencies, and clap brings it to the command line anyway.

/// The candidate that is at most three typing mistakes away, and less than half of the word.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let measured = candidates.map(|candidate| (strsim::levenshtein(word, candidate), candidate));
    let (far, nearest) = measured.min_by_key(|(far, _)| *far)?;
    (far <= 3.min(nearest.len() / 2)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_few_typing_mistakes_are_seen_through() {
        let words = ["state.dir", "log.level", "log"];
        for (word, meant) in [
            ("log.levle", Some("log.level")),
            ("state.dri", Some("state.dir")),
            ("lgo", None),
            ("lo", Some("log")),
            ("log.leeeevel", Some("log.level")),
            ("log.leeeeevel", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, words.into_iter()), meant, "{word}");
        }
        assert_eq!(nearest("log", [].into_iter()), None);
    }
}
