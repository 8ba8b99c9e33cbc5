//! Every method that is on the bus.
use crate::interface::Interface;

/// Items or paths in one call, at most; what is more is refused.
pub const MAX_MANY: usize = 10_000;
/// Items in one page of the list, at most; what is more is left out.
pub const MAX_PAGE: u32 = 1000;
/// Bytes of a call that takes a list of them, its header included.
pub const LONG_CALL: usize = 1 << 20;
/// Bytes of every other call, of the standard interfaces too: a path and an access token are the longest that they carry.
pub const SHORT_CALL: usize = 32 << 10;
/// Calls of one connection that wait for their answers.
pub const MAX_CALLS: usize = 32;

/// A method: its name, and the D-Bus signatures of what it takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Whose it is.
    pub interface: Interface,
    /// Its name.
    pub name: &'static str,
    /// All arguments in a row.
    pub takes: &'static str,
    /// The answer; empty where there is only that it is done.
    pub gives: &'static str,
}

const fn method(
    interface: Interface,
    name: &'static str,
    takes: &'static str,
    gives: &'static str,
) -> Method {
    Method { interface, name, takes, gives }
}

impl Method {
    /// The caller wants something to be otherwise than it is. To add is none of it: each clip says where it is from.
    pub fn changes(self) -> bool {
        !["Add", "Get", "List", "QrCode"].iter().any(|begins| self.name.starts_with(begins))
    }

    /// Bytes that a call of it may have, its header included.
    pub fn longest(self) -> usize {
        // `Clear` has its list among its options.
        let list = self.takes.starts_with("as") || self.takes.starts_with("at") || self.name == "Clear";
        if list { LONG_CALL } else { SHORT_CALL }
    }
}

/// Bytes of a comment, at most.
pub const MOST_OF_A_COMMENT: usize = 4096;

/// All of them, in the order of the documentation.
pub const METHODS: &[Method] = &[
    method(Interface::Device, "Provision", "ha{sv}", ""),
    method(Interface::Device, "Forget", "a{sv}", "a{sv}"),
    method(Interface::Pairing, "Start", "a{sv}", ""),
    method(Interface::Pairing, "Cancel", "a{sv}", ""),
    method(Interface::Pairing, "Unpair", "a{sv}", "a{sv}"),
    method(Interface::Pairing, "QrCode", "sa{sv}", "ay"),
    method(Interface::Queue, "Add", "sa{sv}", "t"),
    method(Interface::Queue, "AddMany", "asa{sv}", "at"),
    method(Interface::Queue, "AddFiles", "asaaya{sv}", "a(ts)"),
    method(Interface::Queue, "AddFd", "hsa{sv}", "ts"),
    method(Interface::Queue, "List", "a{sv}uu", "aa{sv}u"),
    method(Interface::Queue, "GetItem", "ta{sv}", "a{sv}"),
    method(Interface::Queue, "GetReceipt", "ta{sv}", "a{sv}"),
    method(Interface::Queue, "Cancel", "ata{sv}", "a(ts)"),
    method(Interface::Queue, "Retry", "ata{sv}", "a(ts)"),
    method(Interface::Queue, "Release", "ata{sv}", "a(ts)"),
    method(Interface::Queue, "SetPriority", "atia{sv}", "a(ts)"),
    method(Interface::Queue, "Comment", "tsua{sv}", ""),
    method(Interface::Queue, "Clear", "a{sv}", "ta(ts)"),
    method(Interface::Queue, "Pause", "a{sv}", ""),
    method(Interface::Queue, "Resume", "a{sv}", ""),
    method(Interface::Tokens, "GetAccessToken", "a{sv}", "st"),
    method(Interface::Tokens, "GetDPoPProof", "sssa{sv}", "s"),
];

/// The method of that name.
pub fn find(interface: Interface, name: &str) -> Option<Method> {
    METHODS.iter().copied().find(|method| method.interface == interface && method.name == name)
}
