//! The contract's words are spelled in the contract.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use rigpost_contract::item::{BeforePairing, ItemReason, ItemState};
use rigpost_contract::pairing::{Protection, Reason, State};
use rigpost_core::provider::ProviderKind;
use syn::LitStr;

use crate::{SOURCES, is_test};

/// How a grant ended is a column of its own, whose words the schema lists.
const ENDINGS: &str = "src/daemon/store/grant.rs";

/// The strings in code, as they are when it runs; none of comments, documentation or tests.
fn strings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(text.parse().expect("the compiler has read it"), &mut found);
    found
}

fn collect(tokens: TokenStream, found: &mut Vec<String>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let _ =
                    tokens.next_if(|next| matches!(next, TokenTree::Punct(punct) if punct.as_char() == '!'));
                let Some(attribute) = tokens.next_if(|next| matches!(next, TokenTree::Group(_))) else {
                    continue;
                };
                let attribute = attribute.to_string().replace(' ', "");
                if attribute.starts_with("[cfg(test)") {
                    // The item behind it.
                    let is_end = |token: &TokenTree| match token {
                        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                        TokenTree::Punct(punct) => punct.as_char() == ';',
                        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
                    };
                    let _ = tokens.find(is_end);
                }
            }
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Literal(literal) => {
                found.extend(syn::parse_str::<LitStr>(&literal.to_string()).map(|text| text.value()));
            }
            TokenTree::Punct(_) | TokenTree::Ident(_) => {}
        }
    }
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
        for text in strings(text) {
            assert!(!words.contains(text.as_str()), "{name}: use the enum in src/contract for {text:?}");
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
    let quoting = |text: &String| text.contains('\'');
    texts.extend(
        store.flat_map(|(name, text)| {
            strings(text).into_iter().filter(quoting).map(|sql| (name.clone(), sql))
        }),
    );
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

#[test]
fn strings_are_read_as_the_compiler_reads_them() {
    let text = r##"
        //! "comment"
        /// "documentation"
        #[expect(lint, reason = "attribute")]
        fn one() { say(r#"raw"#, "http://x", concat!("mac", "ro")) /* "comment" */ }
        #[cfg(test)]
        mod tests { const X: &str = "test"; }
        #[cfg(test)]
        use other::X;
        const LAST: &str = "la\u{73}t";
    "##;
    assert_eq!(strings(text), ["raw", "http://x", "mac", "ro", "last"]);
}
