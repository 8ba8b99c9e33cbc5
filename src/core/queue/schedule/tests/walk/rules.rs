//! What must hold after each step, and of each thing that the machine wants done.
use super::*;

impl Walk {
    pub(super) fn rules(&self) {
        let in_flight: usize = self.s.turns().map(|t| t.upload.in_flight()).sum();
        let turns = self.s.turns().count();
        assert!(
            turns <= self.options.slots.count.max(SLOTS + 2) + EXTRA_SLOTS + OVERTAKEN,
            "{turns} files are open"
        );
        let parts = self.calls.iter().filter(|(_, call)| matches!(call, Call::Part { .. })).count();
        assert_eq!(parts, in_flight, "a part that nobody waits for, or one that is not sent");
        for turn in self.s.turns() {
            assert_eq!(self.stages.get(&turn.item.id), Some(&Stage::Turn), "{}", turn.item.id);
        }
        assert_eq!(self.s.claim.is_some(), self.claiming);
        let ending = |s: &Stage| !matches!(s, Stage::Kept(_));
        let busy = self.claiming || self.stages.values().any(ending);
        assert_eq!(self.s.busy(), busy, "{:?}", self.stages);
        if self.stopping {
            assert_eq!(self.s.deadline(), None);
        }
    }

    /// Nothing may begin to leave now.
    pub(super) fn held(&self) -> bool {
        self.recording || self.disk.paused || self.pauses > 0 || self.stopping
    }

    pub(super) fn end(&mut self, end: End) {
        let stage = self.stages.insert(end.id, Stage::Ending(end.clone()));
        match &stage {
            Some(Stage::Claimed | Stage::Comparing | Stage::Turn | Stage::Looking) => {}
            Some(Stage::Kept(kept)) => assert_eq!(*kept, end, "another end than the one that was kept"),
            Some(Stage::Ending(_)) | None => panic!("a second end: {end:?}"),
        }
        assert!(self.torn != Some(end.id) || end.to != ItemState::Done, "what was torn is called sent");
        let is_copy = stage == Some(Stage::Comparing);
        assert!(
            is_copy || end.reason != ItemReason::Duplicate || end.to == ItemState::Queued,
            "a copy of nothing"
        );
        let row = self.disk.rows.get(&end.id).filter(|_| !is_copy);
        if let (ItemState::Done, Some(row)) = (end.to, row.filter(|r| r.item.state == ItemState::Uploading)) {
            let stored = &self.cloud.assets[&row.item.asset_id];
            assert!((0..stored.parts).all(|n| {
                let all = row.asset.as_ref().is_some_and(|a| a.finished.contains(&n));
                let nothing =
                    row.asset.as_ref().is_some_and(|a| a.range(n, row.item.clip.facts.size).is_none());
                nothing || (all && stored.received.contains(&n))
            }));
            assert_eq!(Some(&stored.project), row.item.clip.project_id.as_ref(), "in another project");
            assert!(stored.complete || !self.options.promises.completes, "nobody was told");
        }
        self.job(Job::Machine(Action::WriteEnd(end)));
    }

    pub(super) fn create(&mut self, id: ItemId, seq: Seq, at: BootTime, token: AccessToken) {
        assert_eq!(self.stages.get(&id), Some(&Stage::Turn));
        assert!(!self.stopping && !self.disk.paused && self.pauses == 0, "asks for an asset while paused");
        assert!(at >= self.now.boot && self.access.as_ref().is_some_and(|a| a.token == token));
        let project = Some(self.cloud.tokens[number(&token)].as_str());
        assert_eq!(self.s.turn(id).unwrap().item.clip.project_id.as_deref(), project, "another's token");
        let paced = self.last_create.replace(at).is_none_or(|last| at >= last + Duration::from_millis(250));
        assert!(paced, "assets are asked for too fast");
        let twice = |(_, c): &(BootTime, Call)| matches!(c, Call::Create { id: of, .. } if *of == id);
        assert!(!self.calls.iter().any(twice), "two assets for one clip");
        let at = at + self.seconds(8.0);
        self.calls.push((at, Call::Create { id, seq, token }));
    }

    pub(super) fn complete(&mut self, id: ItemId, seq: Seq, token: AccessToken) {
        self.tally.completed += 1;
        assert_eq!(self.stages.get(&id), Some(&Stage::Turn));
        assert!(self.access.as_ref().is_some_and(|a| a.token == token));
        let turn = self.s.turn(id).expect("of no turn");
        let stored = &self.cloud.assets[&turn.item.asset_id];
        let row = &self.disk.rows[&id];
        let has_bytes =
            |n: &u32| row.asset.as_ref().is_none_or(|a| a.range(*n, row.item.clip.facts.size).is_some());
        assert!(
            (0..stored.parts).filter(has_bytes).all(|n| stored.received.contains(&n)),
            "parts are missing"
        );
        let twice = |(_, c): &(BootTime, Call)| matches!(c, Call::Complete { id: of, .. } if *of == id);
        assert!(!self.calls.iter().any(twice), "told twice at once");
        let asset = turn.item.asset_id.clone();
        let at = self.now.boot + self.seconds(8.0);
        self.calls.push((at, Call::Complete { id, seq, asset, token }));
    }

    pub(super) fn send(&mut self, id: ItemId, n: u32) {
        assert!(!self.held(), "sends while held");
        assert!(!self.cancelled.contains(&id), "sends what is cancelled");
        assert_eq!(self.stages.get(&id), Some(&Stage::Turn));
        let turn = self.s.turn(id).expect("a part of no turn");
        let other =
            self.access.as_ref().is_some_and(|a| turn.item.clip.project_id.as_ref() != Some(&a.project_id));
        assert!(!other, "sends what is another project's");
        let row = self.disk.rows.get(&id).filter(|r| r.item.state == ItemState::Uploading);
        if let Some(asset) = row.and_then(|r| r.asset.as_ref()) {
            assert_eq!(asset.id, turn.item.asset_id, "the asset is not the one on disk");
            assert!(!asset.finished.contains(&n), "sends a part that is confirmed");
        }
        let asset = turn.item.asset_id.clone();
        assert_eq!(self.cloud.assets[&asset].item, id);
        let twice =
            |(_, c): &(BootTime, Call)| matches!(c, Call::Part { id: of, n: m, .. } if (*of, *m) == (id, n));
        assert!(!self.calls.iter().any(twice), "one part twice at once");
        let parts = self.calls.iter().filter(|(_, c)| matches!(c, Call::Part { .. })).count();
        let extra = if self.options.slots.limit { 0 } else { EXTRA_SLOTS };
        assert!(parts < self.options.slots.count + extra, "too many parts at once");
        let at = self.now.boot + self.seconds(20.0);
        self.calls.push((at, Call::Part { id, n, asset }));
    }

    /// What is in flight of it ends now; what the cloud was asked for is heard out.
    pub(super) fn cut(&mut self, id: ItemId) {
        let now = self.now.boot;
        for (at, call) in &mut self.calls {
            if let Call::Compare(of, _, stopped) = call
                && *of == id
            {
                (*at, *stopped) = (now, true);
            }
            if matches!(call, Call::Part { id: of, .. } if *of == id) {
                (*at, self.tally.cut) = (now, self.tally.cut + 1);
                // Nobody knows what arrived of it.
                if let Call::Part { asset, .. } = call {
                    asset.clear();
                }
            }
        }
    }

    /// All parts in flight that satisfy this have been let go.
    pub(super) fn all_cut(&self, which: impl Fn(ItemId) -> bool) -> bool {
        let flows = |c: &Call| matches!(c, Call::Part { id, asset, .. } if which(*id) && !asset.is_empty());
        !self.calls.iter().any(|(_, c)| flows(c))
    }
}
