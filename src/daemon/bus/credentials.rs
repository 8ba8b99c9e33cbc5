//! What the bus says of a connection: the dictionary that `GetConnectionCredentials` answers with.
//!
//! # Decisions
//! - Read from its bytes: the library's type for it, with all that it can hold, is 50 kB of the program.
use crate::bus::call::{number, text};

/// What is asked for of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `UnixUserID`.
    pub uid: Option<u32>,
    /// `ProcessID`.
    pub pid: Option<u32>,
    /// `UnixGroupIDs`: all, or nothing is said. Empty: nothing is said.
    pub groups: Vec<u32>,
}

/// Of the body of an `a{sv}`. Ends where it can't be read on; what came before holds.
pub fn read(body: &[u8], little: bool) -> Credentials {
    let mut found = Credentials::default();
    // The entries begin at a multiple of eight.
    let end = usize::try_from(number(body, 0, little)).unwrap_or_default().saturating_add(8).min(body.len());
    let (mut at, body) = (8, &body[..end]);
    while let Some(next) = entry(body, at, little, &mut found) {
        at = next;
    }
    found
}

/// Reads one entry, and says where the next one begins.
fn entry(body: &[u8], at: usize, little: bool, found: &mut Credentials) -> Option<usize> {
    let (key, at) = text(body, at, little)?;
    let length = usize::from(*body.get(at)?);
    let signature = std::str::from_utf8(body.get(at + 1..at + 1 + length)?).ok()?;
    let at = at + length + 2;
    let of_four = at.next_multiple_of(4);
    let value = number(body, of_four, little);
    let after = match signature {
        "y" => at + 1,
        "u" | "i" | "b" | "h" => of_four + 4,
        "s" | "o" => text(body, of_four, little)?.1,
        // Elements of eight bytes begin at a multiple of eight, which nothing of today has.
        "ay" | "au" | "ai" | "as" | "ah" => (of_four + 4).checked_add(usize::try_from(value).ok()?)?,
        _ => return None,
    };
    body.get(..after)?;
    match (key, signature) {
        ("UnixUserID", "u") => found.uid = Some(value),
        ("ProcessID", "u") => found.pid = Some(value),
        ("UnixGroupIDs", "au") => {
            let ids = (of_four + 4..after).step_by(4);
            found.groups = ids.map(|at| number(body, at, little)).collect();
        }
        _ => {}
    }
    Some(after.next_multiple_of(8))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use zbus::Variant;
    use zbus::wire::serialized::Context;
    use zbus::wire::{BE, Endian, LE, to_bytes};

    use super::*;

    fn told(all: &[(&'static str, Variant<'static>)], endian: Endian) -> Vec<u8> {
        let all: BTreeMap<_, _> = all.iter().map(|(key, value)| (*key, value.clone())).collect();
        to_bytes(Context::new(endian, 0), &all).unwrap().to_vec()
    }

    #[test]
    fn what_a_bus_says_is_read_whatever_else_it_says() {
        let all = [
            ("LinuxSecurityLabel", Variant::from(b"unconfined\0".to_vec())),
            ("ProcessID", Variant::from(4321u32)),
            ("UnixGroupIDs", Variant::from(vec![4u32, 27, 1000])),
            ("UnixUserID", Variant::from(1000u32)),
            ("WindowsSID", Variant::from("S-1-5")),
            ("a.newer.one", Variant::from(true)),
        ];
        let wanted = Credentials { uid: Some(1000), pid: Some(4321), groups: vec![4, 27, 1000] };
        for (endian, little) in [(LE, true), (BE, false)] {
            let bytes = told(&all, endian);
            assert_eq!(read(&bytes, little), wanted);
            for cut in 0..bytes.len() {
                let found = read(&bytes[..cut], little);
                assert!(
                    found.uid.is_none_or(|uid| uid == 1000)
                        && (found.groups.is_empty() || found.groups == wanted.groups)
                );
            }
        }
        let odd = [("A", Variant::from(vec![1u64])), ("UnixUserID", Variant::from(1u32))];
        assert_eq!(read(&told(&odd, LE), true), Credentials::default(), "what is not known ends the reading");
        let wrong = [("UnixUserID", Variant::from("0")), ("UnixGroupIDs", Variant::from(vec!["x"]))];
        assert_eq!(read(&told(&wrong, LE), true), Credentials::default(), "a text is no number");
        assert_eq!(read(&[0xff; 40], true), Credentials::default());
    }
}
