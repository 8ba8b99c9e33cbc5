//! Clips in the queue: their states, why they are in them, and the keys of the dictionaries that tell of them.
//!
//! # Decisions
//! - The database spells states and reasons as the bus does, so a reader of either needs one list. A word that goes out of
//!   use keeps its row: databases of older versions hold it.
use crate::pairing::Reason;
use crate::table::table;

struct StateRow {
    word: &'static str,
    meaning: &'static str,
}

table! {
    /// Where an item stands.
    ItemState: StateRow {
        /// Waits for its turn.
        Queued { word: "queued", meaning: "Waiting for its turn" }
        /// Has its turn. On disk it says only that an asset may exist: after a start it goes on from its parts.
        Uploading { word: "uploading", meaning: "Being sent now" }
        /// It is being recorded, and sent meanwhile; or its recorder is done and the rest of it follows.
        Recording { word: "recording", meaning: "Being recorded, and sent meanwhile" }
        /// Waits for a person: it belongs to another project than the one that is paired, or is older than the pairing.
        Held { word: "held", meaning: "Bound to another project or older than the pairing, waiting for a person" }
        /// Its file is not where it was: the card is out, or another one is in its place.
        Away { word: "away", meaning: "Its card is not there; it goes on when the card is back" }
        /// Its file is visibly cut. It is looked at again when it changes.
        Incomplete { word: "incomplete", meaning: "Cut off: waiting for the rest of it" }
        /// Every part is confirmed.
        Done { word: "done", meaning: "In the cloud" }
        /// Trying again would not help; reason and detail say why.
        Failed { word: "failed", meaning: "Given up, with a reason" }
        /// A person took it off the queue, or nobody wants it sent.
        Cancelled { word: "cancelled", meaning: "Taken off the queue" }
    }
}

impl ItemState {
    /// For lists of states: no full stop.
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// Nothing more happens to it by itself.
    pub const fn is_over(self) -> bool {
        match self {
            ItemState::Done | ItemState::Failed | ItemState::Cancelled => true,
            ItemState::Queued
            | ItemState::Uploading
            | ItemState::Recording
            | ItemState::Held
            | ItemState::Away
            | ItemState::Incomplete => false,
        }
    }
}

struct ReasonRow {
    word: &'static str,
    clause: &'static str,
}

table! {
    /// Why an item is in its state.
    ItemReason: ReasonRow {
        /// The state says it all.
        None { word: "none", clause: "" }
        /// Held: it is bound to a project which is not the one that is paired.
        OtherProject {
            word: "other-project",
            clause: "it belongs to another project than the one that is paired",
        }
        /// Held or cancelled: it is older than the pairing.
        BeforePairing { word: "before-pairing", clause: "it was made before the pairing" }
        /// Held: it was in the queue when the identity was erased.
        Forgotten { word: "forgotten", clause: "it was in the queue when the identity of this rig was erased" }
        /// Cancelled: another item brings the same clip to the same project. Done: another one has brought it.
        Duplicate { word: "duplicate", clause: "another item brings the same clip to this project" }
        /// Cancelled: another project has it already.
        DeliveredElsewhere {
            word: "delivered-elsewhere",
            clause: "the same clip was delivered to another project",
        }
        /// Done: it was cut off, and stayed so for as long as its source says.
        AsItIs { word: "as-it-is", clause: "it was cut off, and went as it was" }
        /// Queued: its writer may not be done.
        Settling { word: "settling", clause: "the file may still be being written" }
        /// Failed: its file is gone.
        Vanished { word: "vanished", clause: "the file is not there any more" }
        /// Failed: its file is there and can't be read.
        Unreadable { word: "unreadable", clause: "the file can't be read" }
        /// Queued: its card does not answer. It goes on when the card does.
        NotAnswering { word: "not-answering", clause: "its card does not answer" }
        /// Failed: its file is another one now.
        Changed {
            word: "changed",
            clause: "the file is not the one that was queued: its size or time changed",
        }
        /// Failed: the provider took everything else, and not this.
        Refused { word: "refused", clause: "the provider does not take this clip" }
        /// Failed: the project never takes such clips.
        RecordedWhilePaused {
            word: "recorded-while-paused",
            clause: "the clip was made while the device was paused in the project",
        }
        /// Queued: no way to the provider, at its last turn. So for the next ones.
        Network { word: Reason::Network.as_str(), clause: Reason::Network.clause() }
        /// [`Reason::CaptivePortal`].
        CaptivePortal { word: Reason::CaptivePortal.as_str(), clause: Reason::CaptivePortal.clause() }
        /// [`Reason::Certificate`].
        Certificate { word: Reason::Certificate.as_str(), clause: Reason::Certificate.clause() }
        /// [`Reason::Proxy`].
        Proxy { word: Reason::Proxy.as_str(), clause: Reason::Proxy.clause() }
        /// [`Reason::Clock`].
        Clock { word: Reason::Clock.as_str(), clause: Reason::Clock.clause() }
        /// [`Reason::ClientRejected`].
        ClientRejected { word: Reason::ClientRejected.as_str(), clause: Reason::ClientRejected.clause() }
        /// [`Reason::Provider`].
        Provider { word: Reason::Provider.as_str(), clause: Reason::Provider.clause() }
        /// [`Reason::Storage`].
        Storage { word: Reason::Storage.as_str(), clause: Reason::Storage.clause() }
        /// Failed, in a database of the first versions: [`ItemReason::Vanished`] or [`ItemReason::Unreadable`].
        Source { word: "source", clause: "the file could not be read" }
        /// A database holds a word that is not of this version. Nobody writes it.
        Unknown { word: "unknown", clause: "this version does not know why" }
    }
}

impl ItemReason {
    /// Small letter, no full stop; empty for [`ItemReason::None`].
    pub const fn clause(self) -> &'static str {
        self.row().clause
    }
}

/// What stood in the way of a turn. How a pairing ended is nothing that an item has to say.
impl From<Reason> for ItemReason {
    fn from(reason: Reason) -> ItemReason {
        match reason {
            Reason::None
            | Reason::Denied
            | Reason::Expired
            | Reason::AccessExpired
            | Reason::Revoked
            | Reason::InterruptedRefresh
            | Reason::SignInBlocked
            | Reason::Configuration
            | Reason::NoKey => ItemReason::None,
            Reason::Network => ItemReason::Network,
            Reason::CaptivePortal => ItemReason::CaptivePortal,
            Reason::Certificate => ItemReason::Certificate,
            Reason::Proxy => ItemReason::Proxy,
            Reason::Clock => ItemReason::Clock,
            Reason::ClientRejected => ItemReason::ClientRejected,
            Reason::Provider => ItemReason::Provider,
            Reason::Storage => ItemReason::Storage,
        }
    }
}

struct PolicyRow {
    word: &'static str,
}

table! {
    /// What becomes of clips that were made before the pairing they would be sent under; a word of the configuration and of
    /// the database.
    BeforePairing: PolicyRow {
        /// They are sent like the others.
        Queue { word: "queue" }
        /// They are held until a person releases them.
        Ask { word: "ask" }
        /// They are listed as cancelled and never sent, unless a person asks for them.
        Ignore { word: "ignore" }
    }
}

#[expect(clippy::derivable_impls, reason = "the table's enums share their derives")]
impl Default for BeforePairing {
    fn default() -> BeforePairing {
        BeforePairing::Queue
    }
}

struct KeyRow {
    word: &'static str,
    signature: &'static str,
    of: KeyOf,
}

/// Which dictionaries have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOf {
    /// Items and receipts.
    Item,
    /// Items that are being sent, in `Queue.Current` only.
    Sending,
    /// Items and receipts, where the path is not UTF-8.
    OddItem,
    /// Items that are asked for by their number, only.
    OneItem,
    /// Receipts only.
    Receipt,
}

table! {
    /// A key of the dictionary that tells of an item (`Queue.List`, `Queue.GetItem`, `Queue.Current`, `ItemChanged`) or of a
    /// receipt.
    ItemKey: KeyRow {
        /// Number of the item; never used twice.
        Id { word: "id", signature: "t", of: KeyOf::Item }
        /// Where its file lies, with replacement characters where that is not UTF-8.
        Path { word: "path", signature: "s", of: KeyOf::Item }
        /// What the cloud calls it.
        Name { word: "name", signature: "s", of: KeyOf::Item }
        /// Bytes in all.
        Size { word: "size", signature: "t", of: KeyOf::Item }
        /// Bytes that the cloud has confirmed.
        Sent { word: "sent", signature: "t", of: KeyOf::Item }
        /// [`ItemState`].
        State { word: "state", signature: "s", of: KeyOf::Item }
        /// [`ItemReason`].
        Reason { word: "reason", signature: "s", of: KeyOf::Item }
        /// One sentence.
        Detail { word: "detail", signature: "s", of: KeyOf::Item }
        /// Larger goes first.
        Priority { word: "priority", signature: "i", of: KeyOf::Item }
        /// `proxy`, `audio`, ...; may be empty.
        Class { word: "class", signature: "s", of: KeyOf::Item }
        /// Which camera or recorder behind this rig.
        Channel { word: "channel", signature: "y", of: KeyOf::Item }
        /// The media source that found it; empty: somebody asked for it.
        Source { word: "source", signature: "s", of: KeyOf::Item }
        /// The user who asked.
        Uid { word: "uid", signature: "u", of: KeyOf::Item }
        /// What it is bound to; empty as long as that is nothing.
        ProjectId { word: "project_id", signature: "s", of: KeyOf::Item }
        /// What people call that; empty where the rig does not know.
        ProjectName { word: "project_name", signature: "s", of: KeyOf::Item }
        /// What the cloud keeps it under; empty before there is an asset.
        AssetId { word: "asset_id", signature: "s", of: KeyOf::Item }
        /// Times it had its turn.
        Attempts { word: "attempts", signature: "u", of: KeyOf::Item }
        /// Unix seconds.
        Added { word: "added", signature: "x", of: KeyOf::Item }
        /// Its open file was handed over: the path is only what that was called then.
        HandedOver { word: "handed_over", signature: "b", of: KeyOf::Item }
        /// The whole path, without a NUL at its end.
        PathBytes { word: "path_bytes", signature: "ay", of: KeyOf::OddItem }
        /// The asset that its clip is a new version of; empty where it is none.
        VersionOf { word: "version_of", signature: "s", of: KeyOf::OneItem }
        /// It goes, or went, though it is cut off.
        AsIs { word: "as_is", signature: "b", of: KeyOf::OneItem }
        /// Bytes of its parts that have left and are not confirmed.
        OnTheWay { word: "on_the_way", signature: "t", of: KeyOf::Sending }
        /// Microseconds of `CLOCK_BOOTTIME` before which nothing is done with it; 0 where it waits for no time.
        NextTry { word: "next_try", signature: "t", of: KeyOf::OneItem }
        /// Unix seconds at which the last part was confirmed.
        Delivered { word: "delivered", signature: "x", of: KeyOf::Receipt }
        /// `xxh64`.
        Algorithm { word: "algorithm", signature: "s", of: KeyOf::Receipt }
        /// Bytes in every part but the last.
        ChunkSize { word: "chunk_size", signature: "t", of: KeyOf::Receipt }
        /// One digest for each part.
        Parts { word: "parts", signature: "as", of: KeyOf::Receipt }
        /// Of the file, or of the parts' digests.
        Digest { word: "digest", signature: "s", of: KeyOf::Receipt }
        /// What the storage has vouched for.
        Vouched { word: "vouched", signature: "s", of: KeyOf::Receipt }
    }
}

/// What `ItemChanged` tells besides the number: what a screen needs.
pub const TOLD: [ItemKey; 6] =
    [ItemKey::State, ItemKey::Reason, ItemKey::Detail, ItemKey::Name, ItemKey::Size, ItemKey::Sent];

impl ItemKey {
    /// The D-Bus signature of the value.
    pub const fn signature(self) -> &'static str {
        self.row().signature
    }

    /// Where it is to be found.
    pub const fn of(self) -> KeyOf {
        self.row().of
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BeforePairing, ItemKey, ItemReason, ItemState};
    use crate::pairing::Reason;

    #[test]
    fn the_words_are_those_that_databases_hold() {
        let states: Vec<_> = ItemState::ALL.iter().map(|s| s.as_str()).collect();
        assert_eq!(
            states,
            ["queued", "uploading", "recording", "held", "away", "incomplete", "done", "failed", "cancelled"]
        );
        let policies: Vec<_> = BeforePairing::ALL.iter().map(|p| p.as_str()).collect();
        assert_eq!(policies, ["queue", "ask", "ignore"]);
        let reasons: Vec<_> = ItemReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(
            reasons.join(" "),
            "none other-project before-pairing forgotten duplicate delivered-elsewhere as-it-is settling vanished unreadable not-answering \
             changed refused recorded-while-paused network captive-portal certificate proxy clock client-rejected provider \
             storage source unknown"
        );
    }

    #[test]
    fn every_word_is_one_of_its_kind_and_is_read_back() {
        let reasons: BTreeSet<&str> = ItemReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(reasons.len(), ItemReason::ALL.len());
        assert!(ItemReason::ALL.iter().all(|r| r.as_str().parse() == Ok(*r)));
        assert!(ItemState::ALL.iter().all(|s| s.as_str().parse() == Ok(*s)));
        assert!("lost".parse::<ItemState>().is_err() && "".parse::<ItemReason>().is_err());
        let keys: BTreeSet<&str> = ItemKey::ALL.iter().map(|k| k.as_str()).collect();
        assert_eq!(keys.len(), ItemKey::ALL.len());
    }

    #[test]
    fn a_trouble_of_the_way_is_the_same_word_for_the_item() {
        for reason in Reason::ALL {
            let of_item = ItemReason::from(*reason);
            let told = of_item != ItemReason::None;
            assert!(!told || of_item.as_str() == reason.as_str(), "{reason}");
            assert!(!told || of_item.clause() == reason.clause(), "{reason}");
        }
    }

    #[test]
    fn every_reason_but_none_is_said_in_words() {
        for reason in ItemReason::ALL {
            let clause = reason.clause();
            assert_eq!(clause.is_empty(), *reason == ItemReason::None, "{reason}");
            assert!(!clause.ends_with('.') && !clause.starts_with(char::is_uppercase), "{reason}");
        }
        assert_eq!((ItemReason::ALL[0], BeforePairing::default()), (ItemReason::None, BeforePairing::Queue));
    }
}
