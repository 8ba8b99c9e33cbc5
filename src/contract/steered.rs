//! What `Queue.Cancel`, `Retry`, `Release`, `SetPriority` and `Clear` say of each item.
use crate::table::table;

struct Row {
    word: &'static str,
    clause: &'static str,
}

table! {
    /// What a wish came to for one item: it was done, or why not.
    Steered: Row {
        /// What was asked is done.
        Changed { word: "changed", clause: "" }
        /// Retry: it waits for its turn, and for nothing else now.
        Due { word: "due", clause: "" }
        /// It has that priority.
        SamePriority { word: "same-priority", clause: "had this priority already" }
        /// It is done.
        Delivered { word: "delivered", clause: "was delivered already" }
        /// Somebody took it off before.
        Cancelled { word: "cancelled", clause: "was taken off the queue before" }
        /// It was given up.
        Failed { word: "failed", clause: "has failed" }
        /// It waits for its turn.
        Waiting { word: "waiting", clause: "waits for its turn" }
        /// It has its turn.
        Sending { word: "sending", clause: "is being sent now" }
        /// It waits for a person to release it; a retry may have brought it there.
        Held { word: "held", clause: "is held until somebody releases it" }
        /// It waits for its card.
        Away { word: "away", clause: "waits for its card" }
        /// It waits for the rest of it.
        Incomplete { word: "incomplete", clause: "is cut off and waits for the rest of it" }
        /// Release: it was taken off the queue instead.
        Duplicate {
            word: "duplicate",
            clause: "was taken off the queue: another item is the same clip for this project",
        }
    }
}

impl Steered {
    /// Why it was not done: of one clip, behind its number; no full stop. Empty where it was done.
    pub const fn clause(self) -> &'static str {
        self.row().clause
    }

    /// Something is written of it that was not so before, what was asked or another thing.
    pub const fn has_moved(self) -> bool {
        match self {
            Steered::Changed | Steered::Held | Steered::Duplicate => true,
            Steered::Due
            | Steered::SamePriority
            | Steered::Delivered
            | Steered::Cancelled
            | Steered::Failed
            | Steered::Waiting
            | Steered::Sending
            | Steered::Away
            | Steered::Incomplete => false,
        }
    }

    /// What was asked was done.
    pub const fn is_done(self) -> bool {
        self.clause().is_empty()
    }
}
