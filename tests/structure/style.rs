//! One way to import, one way to lay out modules, one line for each module of a crate.
use std::collections::BTreeSet;
use std::fmt::Write as _;

use syn::{Attribute, Item, ItemUse, Meta, UseTree, Visibility};

use crate::read::{Texts, is_test};
use crate::{SOURCES, texts};

/// Files whose imports are still to be sorted. The list only gets shorter.
const UNTIDY: &[&str] = &[];

/// The groups of imports, in their order, with a blank line in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Std,
    External,
    Own,
}

/// To a test program the crates are other people's, as to any client.
fn group(first: &str, children: &[String], program: bool) -> Group {
    match first {
        "std" | "core" | "alloc" => Group::Std,
        "crate" | "self" | "super" => Group::Own,
        own if children.iter().any(|child| child == own) => Group::Own,
        own if own.starts_with("rigpost_") && !program => Group::Own,
        _ => Group::External,
    }
}

/// The path before what is imported: `a::b` for `a::b::C` and for `a::b::{C, D}`.
fn module(tree: &UseTree) -> String {
    match tree {
        UseTree::Path(path) => match module(&path.tree) {
            rest if rest.is_empty() => path.ident.to_string(),
            rest => format!("{}::{rest}", path.ident),
        },
        _ => String::new(),
    }
}

fn nested(tree: &UseTree) -> bool {
    match tree {
        UseTree::Path(path) => nested(&path.tree),
        UseTree::Group(group) => {
            group.items.iter().any(|tree| matches!(tree, UseTree::Path(_) | UseTree::Group(_)))
        }
        _ => false,
    }
}

/// What is wrong with the imports of one module. Blank lines are not for the parser: `text` is the module's, as rustfmt
/// has written it.
fn imports(text: &str, items: &[Item], program: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut children = Vec::new();
    let mut uses: Vec<&ItemUse> = Vec::new();
    for item in items {
        match item {
            Item::Mod(module) => children.push(module.ident.to_string()),
            Item::Use(item) => uses.push(item),
            _ => {}
        }
    }
    let mut modules: BTreeSet<(String, bool)> = BTreeSet::new();
    for item in uses {
        let module = module(&item.tree);
        if nested(&item.tree) {
            wrong.push(format!(
                "{module}: a path or a group within a group, and not one line for each module"
            ));
        }
        let private = matches!(item.vis, Visibility::Inherited);
        if item.attrs.is_empty() && !modules.insert((module.clone(), private)) {
            wrong.push(format!("{module} has two lines"));
        }
    }
    wrong.extend(groups(text, &children, program));
    for item in items {
        if let Item::Mod(module) = item
            && let Some((_, inner)) = &module.content
        {
            wrong.extend(imports("", inner, program));
        }
    }
    wrong
}

/// The private imports at the beginning of a file: std, other people's crates, own, with a blank line in between.
fn groups(text: &str, children: &[String], program: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut before: Option<Group> = None;
    let (mut blank, mut within) = (false, false);
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("use ") {
            let first = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let now = group(first, children, program);
            match before {
                Some(before) if before > now => wrong.push(format!("{first}: {now:?} after {before:?}")),
                Some(before) if before == now && blank => {
                    wrong.push(format!("{first}: a blank line within {now:?}"))
                }
                Some(before) if before != now && !blank => {
                    wrong.push(format!("{first}: no blank line between {before:?} and {now:?}"));
                }
                _ => {}
            }
            before = Some(now);
            blank = false;
            within = !line.ends_with(';');
        } else if within {
            within = line != "};";
        } else if line.is_empty() {
            blank = true;
        } else if before.is_some() && !line.starts_with("#[") && !line.starts_with("//") {
            break;
        }
    }
    wrong
}

/// Modules of a crate that its `lib.rs` says nothing of, or more than one line.
fn untold(items: &[Item]) -> Vec<String> {
    let doc = |attr: &&Attribute| matches!(&attr.meta, Meta::NameValue(pair) if pair.path.is_ident("doc"));
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    modules
        .filter(|module| !is_test(&module.attrs) && module.attrs.iter().filter(doc).count() != 1)
        .map(|module| module.ident.to_string())
        .collect()
}

fn all() -> Texts {
    let mut all = SOURCES.clone();
    all.append(&mut texts("tests"));
    all
}

#[test]
fn imports_are_written_one_way() {
    let mut wrong = String::new();
    for (name, text) in all() {
        let found = imports(&text, &syn::parse_file(&text).unwrap().items, name.starts_with("tests/"));
        if UNTIDY.contains(&name.as_str()) {
            assert!(!found.is_empty(), "{name} is tidy: take it off the list");
            continue;
        }
        for what in found {
            writeln!(wrong, "{name}: {what}").unwrap();
        }
    }
    for name in UNTIDY {
        assert!(all().contains_key(*name), "{name} is gone: take it off the list");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn modules_are_laid_out_one_way() {
    let wrong: Vec<String> = all().into_keys().filter(|name| name.ends_with("/mod.rs")).collect();
    assert!(wrong.is_empty(), "`x.rs` beside `x/`: {wrong:?}");
    // The manual pages are made of the arguments' own files.
    let pages = ["src/build.rs", "src/cli/args.rs"];
    for (name, text) in SOURCES.iter().filter(|(name, _)| !pages.contains(&name.as_str())) {
        assert!(!text.contains("#[path"), "{name}: a module lies where its name says");
    }
}

#[test]
fn each_crate_says_what_its_modules_hold() {
    for (name, text) in
        SOURCES.iter().filter(|(name, _)| name.starts_with("src/") && name.ends_with("/lib.rs"))
    {
        let untold = untold(&syn::parse_file(text).unwrap().items);
        assert!(untold.is_empty(), "{name}: a line of documentation for {untold:?}");
    }
}

#[test]
fn the_rules_of_imports_are_what_is_meant() {
    let wrong = |text: &str| imports(text, &syn::parse_file(text).unwrap().items, false).len();
    let good = "//! A head.\nmod child;\n\nuse std::fs;\nuse std::io::Write as _;\n\nuse a::b::{\n    C, D,\n};\n\nuse child::X;\nuse crate::e::F;\nuse rigpost_core::g::H;\n\npub use child::Y;\n";
    assert_eq!(wrong(good), 0);
    assert_eq!(wrong("use a::{b::C, d::E};"), 1, "a path in a group");
    assert_eq!(wrong("use a::{b, c::{D, E}};"), 1, "a group in a group");
    assert_eq!(wrong("use a::b;\nuse a::c;"), 1, "one line for each module");
    assert_eq!(wrong("use a::b;\n\nuse std::fs;"), 1, "std goes first");
    assert_eq!(wrong("use std::fs;\nuse a::b;"), 1, "a blank line between groups");
    assert_eq!(wrong("use std::fs;\n\nuse std::io::Read;"), 1, "none within");
    assert_eq!(wrong("mod child;\nuse a::b;\nuse child::X;"), 1, "a child is one's own");
    assert_eq!(wrong("mod inner {\n    use a::b;\n    use a::c;\n}"), 1, "within, too");
    assert_eq!(wrong("use a::b;\npub use a::c;"), 0, "what is passed on stands apart");
    let client = "use a::b;\nuse rigpost_core::g::H;\n\nuse crate::e::F;\n";
    assert_eq!(imports(client, &syn::parse_file(client).unwrap().items, true).len(), 0, "a test program's");
}
