//! What was sent is of no use: of all of it, or from some part on, anew.
use super::{Action, Ending, State, Upload, Winding};

/// Assets whose URLs died at once, in one turn, before it is given up.
const ASSET_TRIES: u32 = 2;
/// A storage may lose so often in one turn what it had confirmed.
const REWINDS: u32 = 3;

impl Upload {
    pub(super) fn url_dead(&mut self, why: String) -> Vec<Action> {
        // Several parts of one asset may find it dead.
        if self.winding == Some(Winding::Anew) {
            return self.settle();
        }
        self.assets_tried += 1;
        self.early_cuts = 0;
        if self.assets_tried >= ASSET_TRIES {
            return self.wind_down(Winding::End(Ending::Aside(why)));
        }
        self.wind_down(Winding::Anew)
    }

    /// The storage has only so many bytes.
    pub(super) fn behind(&mut self, has: u64) -> Vec<Action> {
        self.rewinds += 1;
        if self.rewinds > REWINDS {
            let why = format!("the storage loses what it has confirmed: it has {has} bytes");
            return self.wind_down(Winding::End(Ending::Aside(why)));
        }
        let chunk = self.asset.as_ref().map_or(1, |asset| asset.chunk_size(self.size)).max(1);
        self.wind_down(Winding::Rewind(u32::try_from(has / chunk).unwrap_or(u32::MAX)))
    }

    pub(super) fn rewind(&mut self, n: u32) -> Vec<Action> {
        let seq = self.seq.step();
        self.state = State::Rewinding(seq, n);
        vec![Action::Rewind(seq, n)]
    }

    pub(super) fn create(&mut self) -> Vec<Action> {
        let seq = self.seq.step();
        self.state = State::Creating(seq);
        vec![Action::Create(seq)]
    }

    pub(super) fn forget(&mut self) -> Vec<Action> {
        self.winding = None;
        self.asset = None;
        self.todo.clear();
        let seq = self.seq.step();
        self.state = State::Forgetting(seq);
        vec![Action::Forget(seq)]
    }
}
