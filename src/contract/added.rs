//! What `Queue.AddFiles` says of each file.
use crate::table::table;

struct Row {
    word: &'static str,
    clause: &'static str,
}

table! {
    /// What a file was to the queue when somebody asked for it.
    AddedAs: Row {
        /// It is queued now.
        New { word: "new", clause: "" }
        /// It was in the queue.
        Waiting { word: "waiting", clause: "is in the queue already" }
        /// It was delivered to the project that is paired; nothing was queued.
        Delivered { word: "delivered", clause: "was delivered already" }
        /// It was delivered to another project; nothing was queued.
        DeliveredElsewhere { word: "delivered-elsewhere", clause: "was delivered to another project" }
    }
}

impl AddedAs {
    /// Of one clip, behind its name; no full stop. Empty for [`AddedAs::New`].
    pub const fn clause(self) -> &'static str {
        self.row().clause
    }

    /// It waits for its turn now, or has it.
    pub const fn is_in_the_queue(self) -> bool {
        match self {
            AddedAs::New | AddedAs::Waiting => true,
            AddedAs::Delivered | AddedAs::DeliveredElsewhere => false,
        }
    }
}
