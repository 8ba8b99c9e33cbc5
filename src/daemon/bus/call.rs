//! What a call is about, known from its bytes alone.
use zbus::message::{Header, Message, Type};

use rigpost_contract::interface::Interface;
use rigpost_contract::method::{self, Method};
use rigpost_contract::property::{Access, Property};
use rigpost_core::command::Refusal;

/// Numbers of items in a line.
const SHOWN: usize = 16;
/// The option of a camera that records: its name, and that a truth value follows at the next multiple of four.
const HOLD: &[u8] = b"while_recording\0\x01b\0";

/// The method of ours that is called.
pub fn called(header: &Header<'_>) -> Option<Method> {
    let interface: Interface = header.interface()?.as_str().parse().ok()?;
    let member = header.member().filter(|_| header.message_type() == Type::MethodCall)?;
    method::find(interface, member.as_str())
}

/// The number at this place; 0 beyond the end.
pub fn number(bytes: &[u8], at: usize, little: bool) -> u32 {
    let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or_default();
    if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
}

/// The text at this place, and where it ends.
pub fn text(body: &[u8], at: usize, little: bool) -> Option<(&str, usize)> {
    let end = at + 4 + usize::try_from(number(body, at, little)).ok()?;
    Some((std::str::from_utf8(body.get(at + 4..end)?).ok()?, end + 1))
}

/// What the journal says of a call that changes something, such as `Queue.Release of 3, 4`; nothing for one that only asks.
///
/// # Errors
/// It sets a property that is there to be read: the library has the name of one that is not there for it.
pub fn note(message: &Message) -> Result<Option<String>, Refusal> {
    let (header, body) = (message.header(), message.body());
    let (body, little) = (body.data().bytes(), message.data().first() == Some(&b'l'));
    let (interface, name, list) = if let Some((property, value)) = set(&header, body, little) {
        if property.access() == Access::Read {
            return Err(Refusal::PropertyReadOnly);
        }
        // A variant says first that it is a `t`.
        (property.interface(), property.as_str(), body.get((value + 3).next_multiple_of(8)..))
    } else {
        let Some(method) = called(&header).filter(|method| method.changes()) else { return Ok(None) };
        let end = 8 + usize::try_from(number(body, 0, little)).unwrap_or(usize::MAX - 8);
        let list = if method.takes.starts_with("at") { body.get(8..end) } else { None };
        (method.interface, method.name, list)
    };
    let mut line = format!("{}.{name}", interface.as_str().rsplit('.').next().unwrap_or_default());
    let (numbers, _) = list.unwrap_or_default().as_chunks();
    for (at, bytes) in numbers.iter().take(SHOWN).enumerate() {
        let number = if little { u64::from_le_bytes(*bytes) } else { u64::from_be_bytes(*bytes) };
        line += if at == 0 { " of " } else { ", " };
        line += &number.to_string();
    }
    if numbers.len() > SHOWN {
        line += " and others";
    }
    if body.windows(HOLD.len() + 5).any(|part| part.starts_with(HOLD) && part[HOLD.len()..].contains(&1)) {
        line += " while recording";
    }
    Ok(Some(line))
}

/// The property of ours that is set, and where its value begins.
fn set(header: &Header<'_>, body: &[u8], little: bool) -> Option<(Property, usize)> {
    if header.member()?.as_str() != "Set" || header.interface()?.as_str() != "org.freedesktop.DBus.Properties"
    {
        return None;
    }
    let (interface, end) = text(body, 0, little)?;
    let (name, end) = text(body, end.next_multiple_of(4), little)?;
    let property: Property = name.parse().ok()?;
    (property.interface().as_str() == interface).then_some((property, end))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use zbus::Variant;

    use super::*;

    type Dict = HashMap<&'static str, Variant<'static>>;

    const QUEUE: &str = "org.rigpost.Rigpost1.Queue";
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

    fn of<B: serde::Serialize + zbus::wire::DynamicType>(
        interface: &str,
        name: &str,
        body: &B,
    ) -> Option<String> {
        let built = ["little", "big"].map(|order| {
            let call = Message::method_call("/org/rigpost/Rigpost1", name).interface(interface);
            let endian = if order == "little" { zbus::wire::LE } else { zbus::wire::BE };
            note(&call.endian(endian).build(body).unwrap()).unwrap()
        });
        assert_eq!(built[0], built[1], "in both orders of bytes");
        built[0].clone()
    }

    #[test]
    fn what_changes_something_is_told_and_what_asks_is_not() {
        let none = Dict::new;
        let ids: Vec<u64> = (1..=17).collect();
        let said = |name| of(QUEUE, name, &(&ids[..2], none())).unwrap();
        for (name, line) in [("Release", "Queue.Release of 1, 2"), ("Cancel", "Queue.Cancel of 1, 2")] {
            assert_eq!(said(name), line);
        }
        let told = of(QUEUE, "SetPriority", &(&ids[..1], 5, none())).unwrap();
        assert_eq!(told, "Queue.SetPriority of 1", "the priority is none of the items");
        let many = of(QUEUE, "Retry", &(&ids, none())).unwrap();
        assert!(many.ends_with(", 15, 16 and others"), "{many}");
        let hold = |on: bool| of(QUEUE, "Pause", &(Dict::from([("while_recording", on.into())]),)).unwrap();
        assert_eq!([hold(true), hold(false)], ["Queue.Pause while recording", "Queue.Pause"]);
        let limit = |name| of(PROPERTIES, "Set", &(QUEUE, name, Variant::from(50_000u64)));
        assert_eq!(limit("BandwidthLimit").as_deref(), Some("Queue.BandwidthLimit of 50000"));
        assert_eq!(limit("Mood"), None);
        assert_eq!(
            of("org.rigpost.Rigpost1.Pairing", "Cancel", &(none(),)).as_deref(),
            Some("Pairing.Cancel")
        );
        for (name, body) in [("Add", ("/a", none())), ("Release", ("/a", none()))] {
            assert_eq!(of("org.example", name, &body), None);
        }
        assert_eq!(of(QUEUE, "Add", &("/a", none())), None);
        assert_eq!(of(QUEUE, "List", &(none(), 0u32, 7u32)), None);
    }

    #[test]
    fn a_call_without_sense_is_no_harm() {
        for name in ["Release", "Pause", "Set"] {
            for interface in [QUEUE, PROPERTIES] {
                let call = Message::method_call("/a", name).interface(interface);
                for bytes in [&b""[..], b"a", &[0xff; 3], &[0xff; 30]] {
                    let call = call.clone();
                    assert!(note(&call.build(&bytes).unwrap()).is_ok());
                }
            }
        }
    }
}
