//! Numbers that pair an answer with its question: an answer under any other number than the newest is late news.

/// One question's number. Each machine counts its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub u64);

impl Seq {
    /// Counts on, and answers with the new number. The first is 1.
    pub fn step(&mut self) -> Seq {
        self.0 += 1;
        *self
    }
}
