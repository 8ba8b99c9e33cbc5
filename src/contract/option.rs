//! Keys of the `a{sv}` that every method ends in, and of the filter of `Queue.List`.
use crate::table::table;

struct Row {
    word: &'static str,
    signature: &'static str,
    meaning: &'static str,
}

table! {
    /// A key of a method's options.
    OptionKey: Row {
        /// `Pairing.Start`: seconds after which the pairing ends.
        Limit { word: "limit", signature: "u", meaning: "a number of seconds" }
        /// `Pairing.QrCode`: pixels per module.
        Scale { word: "scale", signature: "u", meaning: "a number of pixels" }
        /// `Pairing.QrCode`: pixels of the square that it shall fit in.
        Fit { word: "fit", signature: "u", meaning: "a number of pixels" }
        /// `Pairing.Unpair` and `Device.Forget`: the provider is not asked, now or later.
        Offline { word: "offline", signature: "b", meaning: "true or false" }
        /// `Queue.Add`: larger goes first.
        Priority { word: "priority", signature: "i", meaning: "a number" }
        /// `Queue.Add`: what the cloud shall call it.
        Name { word: "name", signature: "s", meaning: "a text" }
        /// `Queue.Add`: whoever wrote the file is done with it.
        Closed { word: "closed", signature: "b", meaning: "true or false" }
        /// `Queue.Add`: which camera or recorder behind this rig made it.
        Channel { word: "channel", signature: "y", meaning: "a number from 0 to 255" }
        /// `Queue.Add`: a clip that this project has is sent once more.
        Again { word: "again", signature: "b", meaning: "true or false" }
        /// `Queue.Add`: a clip that another project has is sent to this one too.
        ToThisProject { word: "to_this_project", signature: "b", meaning: "true or false" }
        /// `Queue.AddMany`: more paths, for names that are not UTF-8.
        PathsBytes { word: "paths_bytes", signature: "aay", meaning: "a list of byte strings" }
        /// `Queue.List`, in its filter: only items in this state.
        State { word: "state", signature: "s", meaning: "a state" }
        /// `Queue.List`, in its filter: only items with a greater number.
        After { word: "after", signature: "t", meaning: "the number of an item" }
        /// `Queue.Clear`: every item in one of these.
        States { word: "states", signature: "as", meaning: "a list of states" }
        /// `Queue.Clear`: these items.
        Ids { word: "ids", signature: "at", meaning: "a list of item numbers" }
        /// `Queue.Pause` and `Queue.Resume`: a hold of the caller's connection, and not a person's pause.
        WhileRecording { word: "while_recording", signature: "b", meaning: "true or false" }
        /// `Device.Provision`: what the secret is.
        Kind { word: "kind", signature: "s", meaning: "\"client-secret\" or \"storage-key\"" }
        /// `Tokens.GetAccessToken`: seconds that the token must still live.
        MinValidity { word: "min_validity", signature: "u", meaning: "a number of seconds" }
        /// `Tokens.GetAccessToken`: a token that the caller's API has refused.
        Refused { word: "refused", signature: "s", meaning: "an access token" }
        /// `Tokens.GetAccessToken`: the caller sends proofs with it.
        Dpop { word: "dpop", signature: "b", meaning: "true or false" }
    }
}

impl OptionKey {
    /// The D-Bus signature of the value.
    pub const fn signature(self) -> &'static str {
        self.row().signature
    }

    /// What the value must be, for whoever gave another: no full stop.
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }
}
