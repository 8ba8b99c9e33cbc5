//! The contract's words are spelled in the contract.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rigpost_contract::item::{BeforePairing, ItemReason, ItemState};
use rigpost_contract::pairing::{Protection, Reason, State};
use rigpost_core::provider::ProviderKind;

use crate::{SOURCES, is_test};

/// How a grant ended is a column of its own, whose words the schema lists.
const ENDINGS: &str = "src/daemon/store/grant.rs";

/// The text with comments blanked and without the tests at its end. Lines stay where they are.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end]
        .split_inclusive('\n')
        .map(|line| match line.find("//") {
            // Not the two slashes of a URL.
            Some(at) if !line[..at].ends_with(':') => format!("{}\n", &line[..at]),
            _ => line.to_owned(),
        })
        .collect()
}

#[test]
fn no_word_of_the_contract_is_spelled_elsewhere() {
    let all = State::ALL.iter().map(|w| w.as_str());
    let all = all.chain(Reason::ALL.iter().map(|w| w.as_str()));
    let all = all.chain(Protection::ALL.iter().map(|w| w.as_str()));
    let all = all.chain(ItemReason::ALL.iter().map(|w| w.as_str()));
    // Those of one part are words of English too.
    let words: BTreeSet<&str> = all.filter(|word| word.contains('-')).collect();
    assert!(words.len() > 10, "{words:?}");
    let apart =
        |name: &str| name.starts_with("src/contract/") || name.starts_with("src/sim/") || name == ENDINGS;
    for (name, text) in SOURCES.iter().filter(|(name, _)| !is_test(name) && !apart(name)) {
        for (n, line) in code(text).lines().enumerate() {
            let found = words.iter().find(|word| line.contains(&format!("\"{word}\"")));
            assert!(found.is_none(), "{name}:{}: use the enum in src/contract for {found:?}", n + 1);
        }
    }
}

/// Partial indexes are found only by statements that spell their conditions out, so not all words can be parameters.
#[test]
fn the_words_in_sql_are_those_of_the_contract() {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/daemon/store/migrations");
    let migrations = fs::read_dir(migrations).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<(String, String)> =
        migrations.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect();
    let store = SOURCES.iter().filter(|(name, _)| name.starts_with("src/daemon/store"));
    texts.extend(store.map(|(name, text)| (name.clone(), code(text))));
    assert!(texts.len() > 10, "this reads the wrong place");
    let known = |word: &str| {
        word.parse::<ItemState>().is_ok()
            || word.parse::<ItemReason>().is_ok()
            || word.parse::<BeforePairing>().is_ok()
            || ["revoked", "interrupted-refresh", "client-rejected"].contains(&word)
            // A provider's kind is a column of its own, too.
            || [ProviderKind::Frameio, ProviderKind::OAuth].iter().any(|kind| kind.as_str() == word)
    };
    let is_word = |text: &&str| text.len() > 2 && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    for (name, text) in &texts {
        for word in text.split('\'').filter(is_word) {
            assert!(known(word), "{name} says '{word}', which is no word in src/contract/item.rs");
        }
    }
}
