//! What an object on a bus has, against the contract's tables.
use std::collections::BTreeSet;

use rigpost_contract::interface::{ITEM_CHANGED, ITEM_CHANGED_SIGNATURE, Interface};
use rigpost_contract::method::METHODS;
use rigpost_contract::property::Property;
use roxmltree::{Document, Node, ParsingOptions};

const EMITS: &str = "org.freedesktop.DBus.Property.EmitsChangedSignal";

/// Compares what `Introspect` answered with the contract. `handlers`: where the object's handlers are written.
#[track_caller]
pub(crate) fn hold_against_contract(introspected: &str, handlers: &str) {
    let (object, contract) = (members(introspected), contract());
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        a.difference(b).map(|line| format!("\n  {line}")).collect::<String>()
    };
    let (missing, extra) = (only(&contract, &object), only(&object, &contract));
    assert!(
        missing.is_empty(),
        "src/contract has what {handlers} does not answer for: add handlers{missing}"
    );
    assert!(
        extra.is_empty(),
        "{handlers} answers for what is not in src/contract: add it to property.rs or method.rs{extra}"
    );
}

fn contract() -> BTreeSet<String> {
    let properties = Property::ALL.iter().map(|p| {
        let (access, changes) = (p.access().as_str(), p.changes().as_str());
        format!("{} property {p} {} {access} {changes}", p.interface(), p.signature())
    });
    let methods =
        METHODS.iter().map(|m| format!("{} method {} {}->{}", m.interface, m.name, m.takes, m.gives));
    let signal = format!("{} signal {ITEM_CHANGED} {ITEM_CHANGED_SIGNATURE}", Interface::Queue);
    properties.chain(methods).chain([signal]).collect()
}

/// Each member of our interfaces on a line of its own, in the form of [`contract`].
fn members(introspected: &str) -> BTreeSet<String> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(introspected, options).unwrap();
    let ours = |n: &Node<'_, '_>| {
        let prefix = rigpost_contract::interface::BUS_NAME;
        n.has_tag_name("interface") && n.attribute("name").is_some_and(|name| name.starts_with(prefix))
    };
    let mut lines = BTreeSet::new();
    for interface in document.descendants().filter(ours) {
        for member in interface.children().filter(Node::is_element) {
            let kind = member.tag_name().name();
            let name = |n: &Node<'_, '_>, key| n.attribute(key).unwrap_or("?").to_owned();
            let args = |direction: Option<&str>| -> String {
                let of = member.children().filter(|c| c.has_tag_name("arg"));
                let of = of.filter(|c| direction.is_none() || c.attribute("direction") == direction);
                of.map(|c| name(&c, "type")).collect()
            };
            let what = match kind {
                "method" => format!("{}->{}", args(Some("in")), args(Some("out"))),
                "signal" => args(None),
                _ => {
                    let emits = member.children().find(|c| c.attribute("name") == Some(EMITS));
                    let emits = emits.map_or("true".to_owned(), |c| name(&c, "value"));
                    format!("{} {} {emits}", name(&member, "type"), name(&member, "access"))
                }
            };
            lines.insert(format!("{} {kind} {} {what}", name(&interface, "name"), name(&member, "name")));
        }
    }
    lines
}
