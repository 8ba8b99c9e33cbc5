//! A generation, as ASC MHL writes it.

use jiff::Timestamp;

use super::hash::Format;
use crate::clock;

/// Who makes it.
pub(super) const TOOL: &str = "rigpost";
/// What no history has, where nobody has said otherwise.
const LEFT_OUT: [&str; 3] = [".DS_Store", "ascmhl", "ascmhl/"];

/// What a hash is to the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The first of its file.
    Original,
    /// As before.
    Verified,
}

/// A hash of a file.
#[derive(Clone, Debug)]
pub(super) struct Hash {
    pub(super) format: Format,
    pub(super) sum: String,
    pub(super) action: Action,
    /// When it was computed.
    pub(super) at: Timestamp,
}

/// A file that was delivered.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its path in the folder, with slashes.
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
    pub(super) hashes: Vec<Hash>,
}

impl Entry {
    /// For the person: the first hash, and whether the history knew it.
    pub(super) fn shown(&self) -> String {
        let shown = self.hashes.first().map(|hash| {
            let word = match hash.action {
                Action::Original => "delivered",
                Action::Verified => "delivered, as its history has it",
            };
            format!("{} {}  {word}", hash.format.as_str(), hash.sum)
        });
        shown.unwrap_or_default()
    }
}

/// XML can hold it.
pub(super) fn is_writable(name: &str) -> bool {
    !name.chars().any(|c| c.is_control() || matches!(c, '\u{fffd}' | '\u{fffe}' | '\u{ffff}'))
}

/// A text in XML, also between quotes.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// By this board's clock.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(clock::wall_seconds()).unwrap_or_default()
}

/// A moment, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// The manifest of these, made on this board at this moment. `patterns`: of what the history leaves out so far.
pub(super) fn write(
    entries: &[Entry],
    patterns: &[String],
    host: &str,
    version: &str,
    at: Timestamp,
) -> String {
    let mut xml = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0">
  <creatorinfo>
    <creationdate>{}</creationdate>
    <hostname>{}</hostname>
    <tool version="{}">{TOOL}</tool>
    <comment>Delivered: each file was read whole, and is what its receipt says was sent.</comment>
  </creatorinfo>
  <processinfo>
    <process>in-place</process>
    <ignore>
"#,
        moment(at),
        escaped(host),
        escaped(version)
    );
    let usual = LEFT_OUT.map(str::to_owned);
    for pattern in if patterns.is_empty() { &usual[..] } else { patterns } {
        xml += &format!("      <pattern>{}</pattern>\n", escaped(pattern));
    }
    xml += "    </ignore>\n  </processinfo>\n  <hashes>\n";
    for entry in entries {
        let (name, size, modified) = (escaped(&entry.name), entry.size, moment(entry.modified));
        xml += &format!(
            "    <hash>\n      <path size=\"{size}\" lastmodificationdate=\"{modified}\">{name}</path>\n"
        );
        for Hash { format, sum, action, at } in &entry.hashes {
            let action = match action {
                Action::Original => "original",
                Action::Verified => "verified",
            };
            let (format, at) = (format.as_str(), moment(*at));
            xml += &format!("      <{format} action=\"{action}\" hashdate=\"{at}\">{sum}</{format}>\n");
        }
        xml += "    </hash>\n";
    }
    xml + "  </hashes>\n</hashlist>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_holds_every_name() {
        let at = Timestamp::from_second(1_796_000_000).unwrap();
        let hash =
            Hash { format: Format::Xxh64, sum: "e4c191d091bd8853".to_owned(), action: Action::Original, at };
        let name = "Clips/Ä & <b> \"c\" 'd'.mov";
        assert!(is_writable(name) && !is_writable("a\nb") && !is_writable("a\u{fffd}b"));
        let entry = Entry { name: name.to_owned(), size: 6, modified: at, hashes: vec![hash] };
        let xml = write(&[entry], &[], "rig <7>", "0.1.0", at);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let text = |name: &str| {
            document.descendants().find(|node| node.tag_name().name() == name).and_then(|node| node.text())
        };
        assert_eq!((text("path"), text("hostname")), (Some(name), Some("rig <7>")));
        assert_eq!(
            (text("xxh64"), text("creationdate")),
            (Some("e4c191d091bd8853"), Some("2026-11-30T00:53:20+00:00"))
        );
    }
}
