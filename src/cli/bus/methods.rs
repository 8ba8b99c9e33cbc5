//! The methods of the daemon, with the types that they take and give.
//!
//! # Decisions
//!
//! - One table and not zbus's proxies: a test reads from it which signatures the calls have, and holds them against the
//!   contract, which is held against `dbus/*.xml`. Proxies can't be asked for that, and bring caches that nobody reads.

use super::daemon::Daemon;
use super::dict::{Dict, Options};
use rigpost_contract::interface::Interface;

macro_rules! methods {
    ($(
        $(#[$doc:meta])*
        $methods:ident of $interface:ident { $(fn $name:ident = $member:literal($($argument:ident: $type:ty),*) -> $answer:ty;)* }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            pub(crate) struct $methods<'d>(pub(super) &'d Daemon);

            impl $methods<'_> {
                $(
                    pub(crate) async fn $name(&self, $($argument: $type),*) -> zbus::Result<$answer> {
                        let answer = self.0.call(Interface::$interface, $member, &($($argument,)*)).await?;
                        let body = answer.body();
                        // An older daemon says only that it is done.
                        if body.is_empty() { Ok(<$answer>::default()) } else { body.deserialize() }
                    }
                )*
            }
        )*

        #[cfg(test)]
        fn called() -> Vec<tests::Called> {
            vec![$($(tests::Called {
                interface: Interface::$interface,
                name: $member,
                takes: tests::signature::<($($type,)*)>(),
                gives: tests::signature::<$answer>(),
            },)*)*]
        }
    };
}

methods! {
    /// Of the device.
    DeviceMethods of Device {
        fn provision = "Provision"(secret: zbus::Fd<'_>, options: Options<'_>) -> ();
        fn forget = "Forget"(options: Options<'_>) -> Dict;
    }
    /// Of the pairing.
    PairingMethods of Pairing {
        fn start = "Start"(options: Options<'_>) -> ();
        fn cancel = "Cancel"(options: Options<'_>) -> ();
        fn unpair = "Unpair"(options: Options<'_>) -> Dict;
        fn qr_code = "QrCode"(format: &str, options: Options<'_>) -> Vec<u8>;
    }
    /// Of the queue.
    QueueMethods of Queue {
        fn add_files = "AddFiles"(paths: &[&str], byte_paths: &[&[u8]], options: Options<'_>) -> Vec<(u64, String)>;
        fn add_fd = "AddFd"(file: zbus::Fd<'_>, name: &str, options: Options<'_>) -> (u64, String);
        fn list = "List"(filter: Options<'_>, offset: u32, limit: u32) -> (Vec<Dict>, u32);
        fn cancel = "Cancel"(ids: &[u64], options: Options<'_>) -> Vec<(u64, String)>;
        fn retry = "Retry"(ids: &[u64], options: Options<'_>) -> Vec<(u64, String)>;
        fn release = "Release"(ids: &[u64], options: Options<'_>) -> Vec<(u64, String)>;
        fn set_priority = "SetPriority"(ids: &[u64], priority: i32, options: Options<'_>) -> Vec<(u64, String)>;
        fn comment = "Comment"(id: u64, text: &str, frames: u32, options: Options<'_>) -> ();
        fn clear = "Clear"(options: Options<'_>) -> (u64, Vec<(u64, String)>);
        fn get_item = "GetItem"(id: u64, options: Options<'_>) -> Dict;
        fn get_receipt = "GetReceipt"(id: u64, options: Options<'_>) -> Dict;
        fn pause = "Pause"(options: Options<'_>) -> ();
        fn resume = "Resume"(options: Options<'_>) -> ();
    }
    /// For other programs.
    TokensMethods of Tokens {
        fn get_access_token = "GetAccessToken"(options: Options<'_>) -> (String, u64);
        fn get_dpop_proof = "GetDPoPProof"(method: &str, url: &str, nonce: &str, options: Options<'_>) -> String;
    }
}

impl Daemon {
    /// The methods of the device.
    pub(crate) fn device(&self) -> DeviceMethods<'_> {
        DeviceMethods(self)
    }

    /// The methods of the pairing.
    pub(crate) fn pairing(&self) -> PairingMethods<'_> {
        PairingMethods(self)
    }

    /// The methods of the queue.
    pub(crate) fn queue(&self) -> QueueMethods<'_> {
        QueueMethods(self)
    }

    /// The methods for other programs.
    pub(crate) fn tokens(&self) -> TokensMethods<'_> {
        TokensMethods(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use rigpost_contract::method::METHODS;

    /// `AddFiles` does what these do, and says more.
    const FOR_OTHERS: [&str; 2] = ["Add", "AddMany"];

    pub(super) struct Called {
        pub(super) interface: Interface,
        pub(super) name: &'static str,
        pub(super) takes: String,
        pub(super) gives: String,
    }

    /// Of what is in a message: arguments in a row.
    pub(super) fn signature<T: zbus::Type>() -> String {
        let whole = T::SIGNATURE.to_string();
        whole.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).map_or(whole.clone(), str::to_owned)
    }

    #[test]
    fn every_method_of_the_contract_is_called_as_the_contract_says() {
        let ours: BTreeSet<String> =
            called().iter().map(|m| format!("{} {} {}->{}", m.interface, m.name, m.takes, m.gives)).collect();
        let for_us = METHODS.iter().filter(|m| !FOR_OTHERS.contains(&m.name));
        let contract: BTreeSet<String> =
            for_us.map(|m| format!("{} {} {}->{}", m.interface, m.name, m.takes, m.gives)).collect();
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
        assert_eq!(
            only(&contract, &ours),
            Vec::<String>::new(),
            "add these to `methods!` in src/cli/bus/methods.rs"
        );
        assert_eq!(
            only(&ours, &contract),
            Vec::<String>::new(),
            "src/contract/method.rs has no such methods"
        );
    }
}
