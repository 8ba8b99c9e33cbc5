//! The tables against `dbus/*.xml`.
use std::collections::BTreeSet;

use roxmltree::{Document, Node, ParsingOptions};

use crate::added::AddedAs;
use crate::blocker::Blocker;
use crate::ending::{EndedKey, Erased, Revocation};
use crate::error::ErrorName;
use crate::interface::{ITEM_CHANGED, ITEM_CHANGED_SIGNATURE, Interface, OBJECT_PATH};
use crate::item::{ItemKey, ItemReason, ItemState, KeyOf, TOLD};
use crate::method::METHODS;
use crate::option::OptionKey;
use crate::pairing::{Protection, Reason, State};
use crate::property::{Changes, Property};
use crate::provider::ProviderKind;
use crate::steered::Steered;

const EMITS: &str = "org.freedesktop.DBus.Property.EmitsChangedSignal";

fn parsed(interface: Interface) -> Document<'static> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(interface.xml(), options).unwrap()
}

/// Each member of a kind on a line of its own.
fn written(kind: &str, line: impl Fn(&Node<'_, '_>) -> String) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for interface in Interface::ALL {
        let document = parsed(*interface);
        let named = |n: &Node<'_, '_>| n.attribute("name") == Some(interface.as_str());
        let found = document.descendants().find(|n| n.has_tag_name("interface") && named(n));
        let found =
            found.unwrap_or_else(|| panic!("dbus/{interface}.xml describes no interface of that name"));
        for member in found.children().filter(|n| n.has_tag_name(kind)) {
            lines.insert(format!("{interface} {}", line(&member)));
        }
    }
    lines
}

fn attribute<'a>(node: &Node<'a, '_>, name: &str) -> &'a str {
    node.attribute(name).unwrap_or("?")
}

/// Both sides must be the same; the message says which side lacks what, and where to write it.
#[track_caller]
fn same(what: &str, table: &str, in_table: &BTreeSet<String>, in_xml: &BTreeSet<String>) {
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        a.difference(b).cloned().collect::<Vec<_>>().join("\n  ")
    };
    let (missing, extra) = (only(in_xml, in_table), only(in_table, in_xml));
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{what} differ.\nOnly in dbus/*.xml (add to {table}):\n  {missing}\nOnly in {table} (add to dbus/*.xml):\n  {extra}"
    );
}

#[test]
fn properties_are_those_of_the_files() {
    let in_xml = written("property", |n| {
        let emits = n.children().find(|c| c.attribute("name") == Some(EMITS));
        let emits = emits.map_or("true", |c| attribute(&c, "value"));
        format!("{} {} {} {emits}", attribute(n, "name"), attribute(n, "type"), attribute(n, "access"))
    });
    let line = |p: &Property| {
        let (access, changes) = (p.access().as_str(), p.changes().as_str());
        format!("{} {p} {} {access} {changes}", p.interface(), p.signature())
    };
    let in_table = Property::ALL.iter().map(line).collect();
    same("Properties", "src/contract/property.rs", &in_table, &in_xml);
}

#[test]
fn methods_and_signals_are_those_of_the_files() {
    let args = |n: &Node<'_, '_>, direction: &str| -> String {
        let of =
            n.children().filter(|c| c.has_tag_name("arg") && c.attribute("direction") == Some(direction));
        of.map(|c| attribute(&c, "type").to_owned()).collect()
    };
    let in_xml =
        written("method", |n| format!("{} {}->{}", attribute(n, "name"), args(n, "in"), args(n, "out")));
    let in_table =
        METHODS.iter().map(|m| format!("{} {} {}->{}", m.interface, m.name, m.takes, m.gives)).collect();
    same("Methods", "src/contract/method.rs", &in_table, &in_xml);
    let signals = written("signal", |n| {
        let args: String =
            n.children().filter(|c| c.has_tag_name("arg")).map(|c| attribute(&c, "type")).collect();
        format!("{} {args}", attribute(n, "name"))
    });
    let ours = BTreeSet::from([format!("{} {ITEM_CHANGED} {ITEM_CHANGED_SIGNATURE}", Interface::Queue)]);
    same("Signals", "src/contract/interface.rs", &ours, &signals);
}

#[test]
fn every_file_is_of_the_one_object() {
    for interface in Interface::ALL {
        assert_eq!(parsed(*interface).root_element().attribute("name"), Some(OBJECT_PATH), "{interface}");
    }
}

/// The comments of a file, in one line each.
fn comments(interface: Interface) -> String {
    let document = parsed(interface);
    let all = document.descendants().filter(Node::is_comment).filter_map(|n| n.text());
    all.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn told<'a>(interface: Interface, words: impl Iterator<Item = &'a str>) {
    let comments = comments(interface);
    for word in words {
        assert!(comments.contains(&format!("\"{word}\"")), "dbus/{interface}.xml says nothing of \"{word}\"");
    }
}

#[test]
fn the_files_name_every_word() {
    told(Interface::Pairing, State::ALL.iter().map(|word| word.as_str()));
    told(Interface::Pairing, Reason::ALL.iter().map(|word| word.as_str()));
    told(Interface::Pairing, Revocation::ALL.iter().map(|word| word.as_str()));
    told(Interface::Pairing, Erased::ALL.iter().map(|word| word.as_str()));
    told(Interface::Device, Protection::ALL.iter().map(|word| word.as_str()));
    told(Interface::Device, ProviderKind::ALL.iter().map(|word| word.as_str()));
    let reasons: Vec<_> = Reason::ALL.iter().map(|r| Blocker::Reason(*r)).collect();
    told(Interface::Device, Blocker::all().filter(|b| !reasons.contains(b)).map(Blocker::code));
    told(Interface::Queue, ItemState::ALL.iter().map(|word| word.as_str()));
    told(Interface::Queue, AddedAs::ALL.iter().map(|word| word.as_str()));
    told(Interface::Queue, Steered::ALL.iter().map(|word| word.as_str()));
    told(Interface::Queue, ItemReason::ALL.iter().map(|word| word.as_str()));
}

#[test]
fn the_files_tell_of_every_option() {
    let all: String = Interface::ALL.iter().map(|i| comments(*i)).collect();
    for key in OptionKey::ALL {
        let said = format!("\"{key}\" ({})", key.signature());
        assert!(all.contains(&said), "no file in dbus/ says: {said}");
    }
}

#[test]
fn the_files_tell_of_every_key_of_an_end() {
    let comments = comments(Interface::Pairing);
    for key in EndedKey::ALL {
        let said = format!("\"{key}\" ({})", key.signature());
        assert!(comments.contains(&said), "dbus/{}.xml does not say: {said}", Interface::Pairing);
    }
}

#[test]
fn the_files_tell_of_every_key_of_an_item() {
    let comments = comments(Interface::Queue);
    for key in ItemKey::ALL {
        let said = format!("{key} {}", key.signature());
        assert!(comments.contains(&said), "dbus/{}.xml does not say: {said}", Interface::Queue);
    }
    let told: Vec<_> = TOLD.iter().map(|key| key.as_str()).collect();
    assert!(comments.contains(&format!("({})", told.join(", "))), "of ItemChanged: {told:?}");
    assert!(TOLD.iter().all(|key| key.of() == KeyOf::Item));
}

#[test]
fn every_documented_error_exists_and_every_error_is_documented() {
    let mut documented = BTreeSet::new();
    for interface in Interface::ALL {
        for comment in comments(*interface).lines() {
            let Some((_, errors)) = comment.split_once("Errors") else { continue };
            documented.extend(words(errors));
        }
    }
    // The bus answers for a daemon that does not.
    let silent = [ErrorName::NoReply, ErrorName::Failed];
    let named =
        ErrorName::ALL.iter().filter(|name| !silent.contains(name)).map(|n| n.short().to_owned()).collect();
    same("Errors", "src/contract/error.rs", &named, &documented);
}

/// Names of errors in a text; what stands in brackets explains.
fn words(text: &str) -> Vec<String> {
    let mut depth = 0;
    let outside = |c: &char| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        depth == 0
    };
    let plain: String = text.chars().filter(outside).collect();
    let words = plain.split(|c: char| !c.is_alphabetic()).filter(|w| w.starts_with(char::is_uppercase));
    words.filter(|w| !["Add", "Cancel", "Errors"].contains(w)).map(str::to_owned).collect()
}

#[test]
fn what_is_secret_is_in_no_signal() {
    let named: Vec<_> = Property::ALL.iter().filter(|p| p.changes() == Changes::Named).collect();
    assert_eq!(named, [&Property::UserCode, &Property::VerificationUriComplete]);
}

/// The comment before an element, as `gdbus-codegen` takes it: whose it is, what stands of each argument, and the text.
fn documented(node: &Node<'_, '_>) -> Option<(String, BTreeSet<String>, String)> {
    let comment = node.prev_siblings().skip(1).find(|n| !n.is_text())?;
    let text = if comment.is_comment() { comment.text()? } else { return None };
    let mut lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    let name = lines.next()?.strip_suffix(':')?.to_owned();
    let lines: Vec<&str> = lines.collect();
    let of = |line: &&str| {
        line.strip_prefix('@').and_then(|line| line.split_once(": ")).map(|(of, _)| of.to_owned())
    };
    let arguments = lines.iter().map_while(of).collect::<BTreeSet<String>>();
    let body = lines[arguments.len()..].join(" ").trim().to_owned();
    Some((name, arguments, body))
}

#[test]
fn everything_is_documented_in_the_form_that_tools_read() {
    for interface in Interface::ALL {
        let document = parsed(*interface);
        let node = document.descendants().find(|n| n.has_tag_name("interface")).unwrap();
        let (name, given, body) = documented(&node).unwrap();
        assert_eq!((name.as_str(), given.contains("short_description")), (interface.as_str(), true));
        assert!(body.len() > 100, "{interface}: {body}");
        for member in node.children().filter(Node::is_element) {
            let name = attribute(&member, "name");
            let (of, given, body) =
                documented(&member).unwrap_or_else(|| panic!("dbus/{interface}.xml does not tell of {name}"));
            let arguments = member.children().filter(|n| n.has_tag_name("arg"));
            let arguments: BTreeSet<String> = arguments.map(|n| attribute(&n, "name").to_owned()).collect();
            assert_eq!((of.as_str(), given), (name, arguments), "{interface}");
            assert!(body.len() > 20 && !body.contains('@'), "{interface}.{name}: {body}");
        }
    }
}

/// `qdbusxml2cpp` takes a file only where these are named.
#[test]
fn types_that_qt_does_not_know_are_named_for_it() {
    const QT: &str = "org.qtproject.QtDBus.QtTypeName";
    for interface in Interface::ALL {
        let document = parsed(*interface);
        for member in document.descendants().filter(|n| n.has_attribute("type") || n.has_tag_name("method")) {
            let is_odd = |n: &Node<'_, '_>| attribute(n, "type").contains(['(', '{']);
            let named: BTreeSet<&str> = member
                .children()
                .filter_map(|n| n.attribute("name"))
                .filter(|name| name.starts_with(QT))
                .collect();
            let wanted: BTreeSet<String> = match member.tag_name().name() {
                "property" => is_odd(&member).then(|| QT.to_owned()).into_iter().collect(),
                "method" => ["in", "out"]
                    .into_iter()
                    .flat_map(|way| {
                        let args = member.children().filter(move |n| n.attribute("direction") == Some(way));
                        let odd = args.enumerate().filter(|(_, n)| attribute(n, "type").contains(['(', '{']));
                        let label = if way == "in" { "In" } else { "Out" };
                        odd.map(move |(i, _)| format!("{QT}.{label}{i}")).collect::<Vec<_>>()
                    })
                    .collect(),
                _ => continue,
            };
            let has: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
            assert!(has.is_subset(&named), "{interface}.{}: {wanted:?}", attribute(&member, "name"));
        }
    }
}
