//! The manual page of the D-Bus interfaces, org.rigpost.Rigpost1(5), written from `dbus/*.xml`.

use std::error::Error;

use clap_mangen::roff::{Roff, bold, italic, roman};
use roxmltree::{Document, Node, ParsingOptions};

use rigpost_contract::interface::{BUS_NAME, Interface, OBJECT_PATH};

/// What is written of a node, in the comment before it.
#[derive(Default)]
struct Documentation {
    /// Of its arguments, each with its name. The node's own is `short_description`.
    arguments: Vec<(String, String)>,
    paragraphs: Vec<String>,
}

/// org.rigpost.Rigpost1(5). `date` as `2026-11-22`.
pub(super) fn page(date: &str) -> Result<String, Box<dyn Error>> {
    let mut roff = Roff::new();
    let source = format!("rigpost {}", env!("CARGO_PKG_VERSION"));
    roff.control("TH", [&*BUS_NAME.to_uppercase(), "5", date, &source, "rigpost"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{BUS_NAME} - D-Bus interfaces of rigpostd"))]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold("busctl introspect"), roman(" "), italic(BUS_NAME), roman(" "), italic(OBJECT_PATH)]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(format!(
        "rigpostd has the name {BUS_NAME} on the system bus, and one object, {OBJECT_PATH}, with the interfaces below. \
         The files that this page is made of are in /usr/share/dbus-1/interfaces, for programs that write code from them. \
         /usr/share/doc/rigpost/examples/screen.py is a small screen to copy."
    ))]);
    for interface in Interface::ALL {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(interface.xml(), options)?;
        let node = document.descendants().find(|node| node.has_tag_name("interface"));
        describe(&mut roff, &node.ok_or("a file in dbus/ without an interface")?);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("rigpostd(8), rigpost(1), rigpost.toml(5), busctl(1)")]);
    Ok(roff.render())
}

fn describe(roff: &mut Roff, interface: &Node<'_, '_>) {
    roff.control("SH", [name(interface)]);
    let says = documentation(interface);
    for paragraph in &says.paragraphs {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    for (kind, title) in [("property", "Properties"), ("method", "Methods"), ("signal", "Signals")] {
        let members = interface.children().filter(|node| node.has_tag_name(kind)).collect::<Vec<_>>();
        if members.is_empty() {
            continue;
        }
        roff.control("SS", [title]);
        for member in members {
            describe_member(roff, &member);
        }
    }
}

fn describe_member(roff: &mut Roff, member: &Node<'_, '_>) {
    let says = documentation(member);
    roff.control("TP", []);
    roff.text([bold(name(member)), roman(signature(member))]);
    let told_below = |name: &str| says.paragraphs.iter().any(|text| text.starts_with(&format!("{name}: ")));
    let arguments = says.arguments.iter().filter(|(name, _)| !told_below(name));
    let arguments = arguments.map(|(name, text)| [italic(name), roman(format!(": {text}"))]);
    let paragraphs = says.paragraphs.iter().map(|text| [roman(text), roman("")]);
    for (index, paragraph) in arguments.chain(paragraphs).enumerate() {
        // Beneath its member, as the first one is.
        if index > 0 {
            roff.control("sp", []);
        }
        roff.text(paragraph);
    }
}

fn name<'a>(node: &Node<'a, '_>) -> &'a str {
    node.attribute("name").unwrap_or_default()
}

/// As ` (path s, options a{sv}) -> id t`, or ` b, read`.
fn signature(member: &Node<'_, '_>) -> String {
    let attribute = |name| member.attribute(name).unwrap_or_default();
    if member.has_tag_name("property") {
        return format!(" {}, {}", attribute("type"), attribute("access"));
    }
    let arguments = |out: bool| {
        let of_kind = |node: &Node<'_, '_>| {
            node.has_tag_name("arg") && (node.attribute("direction") == Some("out")) == out
        };
        let one =
            |node: Node<'_, '_>| format!("{} {}", name(&node), node.attribute("type").unwrap_or_default());
        member.children().filter(of_kind).map(one).collect::<Vec<_>>().join(", ")
    };
    match arguments(true) {
        answer if answer.is_empty() => format!(" ({})", arguments(false)),
        answer => format!(" ({}) -> {answer}", arguments(false)),
    }
}

/// In the form that gdbus-codegen reads: a line with the name, a line that begins with `@` for each argument, and
/// paragraphs with empty lines between them.
fn documentation(node: &Node<'_, '_>) -> Documentation {
    let before = node.prev_siblings().skip(1).find(|node| node.is_comment() || node.is_element());
    let text = before.filter(Node::is_comment).and_then(|comment| comment.text()).unwrap_or_default();
    let mut out = Documentation::default();
    let mut blank = true;
    for line in text.lines().map(str::trim).filter(|line| *line != format!("{}:", name(node))) {
        let argument = line.strip_prefix('@').and_then(|line| line.split_once(": "));
        match (argument, out.paragraphs.last_mut()) {
            (Some((name, text)), _) => out.arguments.push((name.to_owned(), text.to_owned())),
            (None, Some(paragraph)) if !blank && !line.is_empty() => {
                paragraph.push(' ');
                paragraph.push_str(line);
            }
            (None, _) if !line.is_empty() => out.paragraphs.push(line.to_owned()),
            (None, _) => {}
        }
        blank = line.is_empty() || argument.is_some();
    }
    out
}
