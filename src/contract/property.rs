//! Every property that is on the bus.
//!
//! A property is written down in five places that no compiler holds together: here, in `dbus/*.xml`, in the daemon's
//! handlers, in its announcements, and in the daemon that tests of the command line pretend to have. Each of the other
//! four is held against this table by a test.
use crate::interface::Interface;
use crate::table::table;

struct Row {
    word: &'static str,
    interface: Interface,
    signature: &'static str,
    access: Access,
    changes: Changes,
}

/// Who may set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nobody.
    Read,
    /// Whoever may read it.
    ReadWrite,
}

impl Access {
    /// As introspection has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::ReadWrite => "readwrite",
        }
    }
}

/// What `PropertiesChanged` says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Nothing: it never changes while the daemon runs.
    Never,
    /// The new value.
    Told,
    /// That it changed. Everybody who may talk on the bus can listen to signals; this value is for whoever asks.
    Named,
}

impl Changes {
    /// The value of the annotation `org.freedesktop.DBus.Property.EmitsChangedSignal`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Changes::Never => "const",
            Changes::Told => "true",
            Changes::Named => "invalidates",
        }
    }
}

macro_rules! properties {
    ($($(#[$doc:meta])* $interface:ident.$name:ident: $signature:literal, $access:ident, $changes:ident;)*) => {
        table! {
            /// A property; no two interfaces have one of the same name.
            Property: Row {
                $($(#[$doc])* $name {
                    word: stringify!($name),
                    interface: Interface::$interface,
                    signature: $signature,
                    access: Access::$access,
                    changes: Changes::$changes,
                })*
            }
        }
    };
}

properties! {
    /// Of the daemon.
    Device.Version: "s", Read, Never;
    /// The client id.
    Device.DeviceId: "s", Read, Told;
    /// The kind of provider.
    Device.Provider: "s", Read, Never;
    /// [`crate::pairing::Protection`].
    Device.Protection: "s", Read, Told;
    /// The wall clock can be right.
    Device.ClockTrusted: "b", Read, Told;
    /// The provider itself answered the last exchange.
    Device.Online: "b", Read, Told;
    /// Nothing would be lost, ended or to be done again.
    Device.SafeToPowerOff: "b", Read, Told;
    /// [`crate::blocker::Blocker`]: codes, sentences, and details.
    Device.Blockers: "a(sss)", Read, Told;

    /// [`crate::pairing::State`].
    Pairing.State: "s", Read, Told;
    /// [`crate::pairing::Reason`].
    Pairing.Reason: "s", Read, Told;
    /// What a person types.
    Pairing.UserCode: "s", Read, Named;
    /// Where to type it.
    Pairing.VerificationUri: "s", Read, Told;
    /// The same with the code filled in.
    Pairing.VerificationUriComplete: "s", Read, Named;
    /// Boot time in microseconds; 0: there is no code.
    Pairing.CodeExpiresAt: "t", Read, Told;
    /// What the cloud calls this rig.
    Pairing.DeviceName: "s", Read, Told;
    /// What clips are bound to.
    Pairing.ProjectId: "s", Read, Told;
    /// What people call that.
    Pairing.ProjectName: "s", Read, Told;
    /// Who authorized the rig.
    Pairing.AuthorizedBy: "s", Read, Told;
    /// Unix seconds; 0: never.
    Pairing.AuthorizationExpires: "x", Read, Told;
    /// Boot time in microseconds; 0: there is no access token.
    Pairing.AccessExpiresAt: "t", Read, Told;
    /// Unix seconds; 0: never.
    Pairing.RefreshedAt: "x", Read, Told;
    /// Authorizations that were ended here, of which the provider has not heard.
    Pairing.RevocationsPending: "u", Read, Told;

    /// A person has paused sending.
    Queue.Paused: "b", Read, Told;
    /// A camera records, and sending is held for it.
    Queue.Recording: "b", Read, Told;
    /// Bytes per second for file data; 0: no limit.
    Queue.BandwidthLimit: "t", ReadWrite, Told;
    /// Items that are queued or being sent.
    Queue.FilesLeft: "u", Read, Told;
    /// Their bytes that are not confirmed.
    Queue.BytesLeft: "t", Read, Told;
    /// Items that are left, and those that were sent since nothing was left.
    Queue.FilesTotal: "u", Read, Told;
    /// Their bytes.
    Queue.BytesTotal: "t", Read, Told;
    /// Boot time in microseconds at which what waits for a better time goes on; 0: nothing does.
    Queue.RetryAt: "t", Read, Told;
    /// Items that wait for a person.
    Queue.Held: "u", Read, Told;
    /// Items whose card is not there.
    Queue.Away: "u", Read, Told;
    /// Items that are cut off.
    Queue.Incomplete: "u", Read, Told;
    /// Items that were given up.
    Queue.Failed: "u", Read, Told;
    /// Assets in the cloud that were begun and given up: nobody will finish them.
    Queue.Orphans: "u", Read, Told;
    /// Paths of media sources that are not there, as the configuration has them.
    Queue.MissingSources: "as", Read, Told;
    /// Cameras and recorders behind this rig that the project knows by themselves: media source, [`crate::channel`], number,
    /// and what the provider has said.
    Queue.Channels: "a(ssus)", Read, Told;
    /// Bytes per second now.
    Queue.Rate: "t", Read, Told;
    /// The items being sent now.
    Queue.Current: "aa{sv}", Read, Told;
}

impl Property {
    /// Whose it is.
    pub const fn interface(self) -> Interface {
        self.row().interface
    }

    /// The D-Bus signature of its value.
    pub const fn signature(self) -> &'static str {
        self.row().signature
    }

    /// Who may set it.
    pub const fn access(self) -> Access {
        self.row().access
    }

    /// What `PropertiesChanged` says of it.
    pub const fn changes(self) -> Changes {
        self.row().changes
    }

    /// Those of an interface, in the order of its documentation.
    pub fn of(interface: Interface) -> impl Iterator<Item = Property> {
        Property::ALL.iter().copied().filter(move |property| property.interface() == interface)
    }
}
