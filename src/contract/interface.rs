//! Where the daemon is found on the bus.
use crate::table::table;

/// The daemon's name.
pub const BUS_NAME: &str = "org.rigpost.Rigpost1";
/// Its one object.
pub const OBJECT_PATH: &str = "/org/rigpost/Rigpost1";
/// The signal that an item of the queue entered a new state.
pub const ITEM_CHANGED: &str = "ItemChanged";
/// Its arguments: the item's number, and [`crate::item::TOLD`].
pub const ITEM_CHANGED_SIGNATURE: &str = "ta{sv}";

struct Row {
    word: &'static str,
    xml: &'static str,
}

table! {
    /// An interface of the object; the word is its full name.
    Interface: Row {
        /// Who this rig is, and whether it can work.
        Device {
            word: "org.rigpost.Rigpost1.Device",
            xml: include_str!("../../dbus/org.rigpost.Rigpost1.Device.xml"),
        }
        /// The rig's authorization.
        Pairing {
            word: "org.rigpost.Rigpost1.Pairing",
            xml: include_str!("../../dbus/org.rigpost.Rigpost1.Pairing.xml"),
        }
        /// The clips on their way.
        Queue {
            word: "org.rigpost.Rigpost1.Queue",
            xml: include_str!("../../dbus/org.rigpost.Rigpost1.Queue.xml"),
        }
        /// Access tokens for other programs on the rig.
        Tokens {
            word: "org.rigpost.Rigpost1.Tokens",
            xml: include_str!("../../dbus/org.rigpost.Rigpost1.Tokens.xml"),
        }
    }
}

impl Interface {
    /// The file in `dbus/` that describes it, for whoever holds something against it.
    pub const fn xml(self) -> &'static str {
        self.row().xml
    }
}
