//! One clip's way from the claim to its row.
use super::*;

#[test]
fn nothing_is_claimed_before_the_last_run_is_queued_and_the_queue_is_read() {
    let mut b = Bench::new();
    assert_eq!(b.on(Event::Access(access("a1", "p"))), [Action::Read], "whether it is paused is not known");
    assert_eq!(b.on(Event::Started), [Action::Resume]);
    assert_eq!(b.read(false), [], "what had its turn is not queued yet");
    let actions = b.on(Event::Resumed(true));
    assert_eq!(actions, [Action::Read, b.claim_of(None, &[])]);
}

#[test]
fn where_the_last_run_can_t_be_queued_at_the_start_a_claim_does_it() {
    let mut b = Bench::new();
    drop(b.on(Event::Started));
    drop(b.on(Event::Access(access("a1", "p"))));
    drop(b.read(false));
    for answer in [Event::Resumed(false), Event::Claimed(Err("no disk".to_owned())), Event::Timer] {
        if matches!(answer, Event::Timer) {
            let actions = b.timer();
            assert!(matches!(&actions[..], [Action::Claim { resume: true, .. }]), "{actions:?}");
            continue;
        }
        let actions = b.on(answer);
        let resumes = actions.iter().filter(|a| matches!(a, Action::Claim { resume: true, .. })).count();
        assert_eq!(resumes, claims(&actions), "{actions:?}");
    }
    drop(b.nothing_waits());
    let actions = b.on(Event::Found);
    assert!(matches!(&actions[..], [Action::Claim { resume: false, .. }]), "once is enough: {actions:?}");
}

#[test]
fn a_clip_goes_from_the_claim_to_its_row() {
    let mut b = Bench::paired();
    let seq = b.creating(1);
    let made = Ok(("asset".to_owned(), urls(2)));
    let now = b.now();
    assert_eq!(
        b.on(Event::Created(ItemId(1), seq, made)),
        [Action::Record(ItemId(1), Seq(2), asset(2, &[], now))],
        "nothing is sent for an asset that is not on disk"
    );
    let actions = b.on(Event::Recorded(ItemId(1), Seq(2), true));
    assert_eq!(claims(&actions), 0, "the claim that left with the asset's request is still on its way");
    assert_eq!(parts(&actions), [(1, 0), (1, 1)]);
    drop(b.nothing_waits());
    for n in [0, 1] {
        let record = Action::RecordPart {
            id: ItemId(1),
            asset_id: "asset".to_owned(),
            n,
            bytes: 500,
            confirmed: confirmed(),
        };
        assert_eq!(b.sent(n, Ok(confirmed())), [record]);
    }
    let bytes =
        |b: &Bench| b.s.turn(ItemId(1)).map(|turn| (turn.item.sent, turn.upload.unrecorded())).unwrap();
    assert_eq!(bytes(&b), (0, SIZE), "confirmed, and not on disk");
    assert_eq!(b.on(Event::PartRecorded(ItemId(1), 1, true)), []);
    assert_eq!(bytes(&b), (500, SIZE - 500));
    let actions = b.on(Event::PartRecorded(ItemId(1), 0, true));
    assert!(matches!(&actions[..], [Action::LookAgain(item)] if item.id == ItemId(1)), "{actions:?}");
    let seen = look_at(&item(1, "p"), sighting(1, facts(SIZE)));
    let actions = b.on(Event::LookedAgain(ItemId(1), Ok(Box::new(seen)), Opened::Unknown));
    let done = End::to(ItemId(1), ItemState::Done, ItemReason::None, "");
    assert_eq!(actions, [Action::WriteEnd(done)]);
    assert!(b.s.busy() && !b.s.at_rest());
    assert_eq!(b.written(1, Written::Row(ItemState::Done)), [Action::Read]);
    assert_eq!(b.read(false), []);
    assert!(b.s.at_rest() && b.s.deadline().is_none());
}

#[test]
fn what_a_file_means_when_it_is_claimed() {
    let gone = || Err(FileError::Gone);
    let unreadable = || Err(FileError::Unreadable("I/O error".to_owned()));
    let hangs = || Err(FileError::NotAnswering("hangs".to_owned()));
    let begun = || Ok(Some(asset(2, &[0], at(0))));
    let sealed = || Err("it does not open".to_owned());
    let file = |facts| Ok(sighting(1, facts));
    let touched = || file(FileFacts { mtime_ns: 5, ..facts(SIZE) });
    let other_inode = || file(FileFacts { dev: 9, ino: 9, ..facts(SIZE) });
    let other_card = || {
        let volume = Volume { id: "B".to_owned(), mount: 2 };
        let fingerprint = Some(Fingerprint { whole: 77, head: 77 });
        Ok(Sighting { volume, fingerprint, ..sighting(1, facts(SIZE)) })
    };
    type File = Result<Sighting, FileError>;
    type Known = Result<Option<Asset>, String>;
    type Ends = Option<(ItemState, ItemReason)>;
    let away = Some((ItemState::Away, ItemReason::Vanished));
    let settling = Some((ItemState::Queued, ItemReason::Settling));
    let unread = Some((ItemState::Failed, ItemReason::Unreadable));
    let waits = Some((ItemState::Queued, ItemReason::NotAnswering));
    let rows: [(&str, bool, File, Known, Ends); 18] = [
        ("as it was", true, file(facts(SIZE)), Ok(None), None),
        ("another inode is no other clip", true, other_inode(), Ok(None), None),
        ("gone", true, gone(), Ok(None), away),
        ("gone in the middle", true, gone(), begun(), away),
        ("unreadable", true, unreadable(), Ok(None), unread),
        ("its card hangs", true, hangs(), Ok(None), waits),
        ("it hangs in the middle", true, hangs(), begun(), waits),
        ("grown", true, file(facts(2000)), Ok(None), settling),
        ("touched", true, touched(), Ok(None), None),
        ("touched in the middle", true, touched(), begun(), None),
        ("written on in the middle", true, file(facts(2000)), begun(), settling),
        ("another clip on another card", true, other_card(), Ok(None), away),
        ("another clip in the middle", true, other_card(), begun(), away),
        ("its writer may be at it", false, file(facts(SIZE)), Ok(None), settling),
        ("still growing", false, file(facts(2000)), Ok(None), settling),
        ("parts have left: its writer was done", false, file(facts(SIZE)), begun(), None),
        ("parts have left, and it was cut", false, file(facts(7)), begun(), settling),
        (
            "its asset can't be read",
            true,
            file(facts(SIZE)),
            sealed(),
            Some((ItemState::Queued, ItemReason::Storage)),
        ),
    ];
    for (name, settled, file, asset, want) in rows {
        let mut b = Bench::paired();
        let mut item = item(1, "p");
        item.clip.settled = settled;
        let file = file.map(|seen| look_at(&item, seen));
        let written_on = file.as_ref().is_ok_and(|seen| seen.relation == Relation::Rewritten);
        let actions = b.claimed_as(item, file, asset);
        let got = ends(&actions).first().map(|(_, to, reason)| (*to, *reason));
        assert_eq!(got, want, "{name}");
        assert_eq!(b.s.turn(ItemId(1)).is_some(), want.is_none(), "{name}");
        let told = actions.contains(&Action::Began(ItemId(1)));
        assert_eq!(told, want.is_none(), "{name}");
        let takes = actions.iter().any(|a| matches!(a, Action::WriteEnd(end) if end.rewritten.is_some()));
        assert_eq!(takes, written_on, "{name}: the row takes what the file is now");
        // One bad file never blocks the others.
        let next = actions.iter().find(|a| matches!(a, Action::Claim { .. }));
        assert_eq!(next, Some(&b.claim_of(None, &[1])), "{name}");
    }
}

#[test]
fn an_open_file_that_is_gone_is_to_be_handed_over_again() {
    for (path, says) in
        [("/card/1.mov", "when its card is back"), ("card/1.mov", "handed over again (rigpost add)")]
    {
        let mut b = Bench::paired();
        let mut item = item(1, "p");
        item.clip.path = path.into();
        let actions = b.claimed_as(item, Err(FileError::Gone), Ok(None));
        let says = |action: &Action| matches!(action, Action::WriteEnd(end) if end.detail.contains(says));
        assert_eq!(actions.iter().filter(|action| says(action)).count(), 1, "{actions:?}");
        assert_eq!(ends(&actions), [(ItemId(1), ItemState::Away, ItemReason::Vanished)]);
    }
}

#[test]
fn a_file_is_sent_once_two_looks_are_the_same() {
    let mut b = Bench::paired();
    let mut item = item(1, "p");
    item.clip.settled = false;
    for size in [SIZE, 2000, 3000] {
        let actions = b.claimed_as(item.clone(), Ok(look_at(&item, sighting(1, facts(size)))), Ok(None));
        assert_eq!(ends(&actions), [queued(1, ItemReason::Settling)]);
        assert_eq!(b.wait(), Some(SETTLE));
        assert_eq!(claims(&b.nothing_waits()), 0);
        drop(b.written(1, Written::Row(ItemState::Queued)));
        drop(b.read(false));
        item.clip.take(sighting(1, facts(size)));
        assert_eq!(b.timer(), [b.claim_of(None, &[])]);
    }
    let file = look_at(&item, sighting(1, facts(3000)));
    let actions = b.claimed_as(item, Ok(file), Ok(None));
    assert!(actions.contains(&Action::Began(ItemId(1))), "{actions:?}");
}

#[test]
fn the_first_look_at_a_file_serves_once() {
    let mut unsettled = item(1, "p");
    unsettled.clip.settled = false;
    let settling = |b: &mut Bench, written: Written| {
        assert_eq!(ends(&b.claimed(unsettled.clone(), None)), [queued(1, ItemReason::Settling)]);
        drop(b.nothing_waits());
        drop(b.written(1, written));
        drop(b.read(false));
        assert_eq!(claims(&b.timer()), 1);
    };
    let mut b = Bench::paired();
    settling(&mut b, Written::Row(ItemState::Queued));
    let seq = b.creating_of(unsettled.clone());
    drop(b.nothing_waits());
    drop(b.on(Event::Created(ItemId(1), seq, Err(CreateError::Conflict(String::new())))));
    drop(b.written(1, Written::Row(ItemState::Queued)));
    drop(b.read(false));
    drop(b.timer());
    let actions = b.claimed(unsettled.clone(), None);
    assert_eq!(
        ends(&actions),
        [queued(1, ItemReason::Settling)],
        "somebody may have begun to write it meanwhile"
    );
    for left in [Written::Row(ItemState::Held), Written::Row(ItemState::Cancelled), Written::Gone] {
        let mut b = Bench::paired();
        settling(&mut b, left);
        let actions = b.claimed(unsettled.clone(), None);
        assert_eq!(ends(&actions), [queued(1, ItemReason::Settling)], "{left:?}: it was out of the queue");
    }
}

#[test]
fn with_another_asset_everything_begins_anew() {
    let sent = |etag: &str| {
        let digest = Some(PartDigest { md5: Some([7; 16]), xxh64: 1, checksum: None });
        Ok(Confirmed { etag: etag.to_owned(), digest })
    };
    let other = "\"ffffffffffffffffffffffffffffffff\"";
    let mut b = Bench::paired();
    let begun = Item { sent: 500, ..item(1, "p") };
    drop(b.claimed(begun, Some(asset(2, &[0], at(0)))));
    drop(b.nothing_waits());
    assert_eq!(parts(&b.sent(1, sent(other))), [(1, 1)], "a doubt");
    let actions = b.sent(1, Err(PartError::UrlDead(String::new())));
    assert_eq!(actions, [Action::Forget(ItemId(1), Seq(1))]);
    let actions = b.on(Event::Recorded(ItemId(1), Seq(1), true));
    assert!(
        matches!(&actions[..], [Action::Create { seq: Seq(2), .. }, Action::Read]),
        "and what is left is read again: {actions:?}"
    );
    drop(b.on(Event::Created(ItemId(1), Seq(2), Ok(("other".to_owned(), urls(2))))));
    let turn = b.s.turn(ItemId(1)).unwrap();
    assert_eq!((turn.item.sent, turn.item.asset_id.as_str()), (0, "other"));
    drop(b.on(Event::Recorded(ItemId(1), Seq(3), true)));
    assert_eq!(parts(&b.sent(1, sent(other))), [(1, 1)], "the first doubt about this one");
}

#[test]
fn the_last_look_decides_whether_what_was_sent_is_what_was_queued() {
    let looks = |facts: FileFacts| Ok(Box::new(look_at(&item(1, "p"), sighting(1, facts))));
    let done = (ItemState::Done, ItemReason::None);
    let other_inode = FileFacts { ino: 9, ctime_ns: 1, ..facts(SIZE + 1) };
    let torn = || Opened::WrittenOn(Box::new(sighting(1, facts(SIZE - 1))));
    let away = (ItemState::Away, ItemReason::Vanished);
    let settling = (ItemState::Queued, ItemReason::Settling);
    let rows = [
        ("the same", looks(facts(SIZE)), Opened::Unknown, done),
        ("gone, and sent all the same", Err(FileError::Gone), Opened::AsSent, done),
        ("gone, and nobody can tell more", Err(FileError::Gone), Opened::Unknown, done),
        ("written on, and gone", Err(FileError::Gone), torn(), away),
        ("unreadable by now", Err(FileError::Unreadable("I/O error".to_owned())), Opened::Unknown, done),
        ("another date", looks(FileFacts { mtime_ns: 1, ..facts(SIZE) }), Opened::AsSent, done),
        ("another date, and other bytes", looks(FileFacts { mtime_ns: 1, ..facts(SIZE) }), torn(), settling),
        ("another file in its place", looks(other_inode), Opened::AsSent, done),
        ("written on, and another in its place", looks(other_inode), torn(), away),
        ("written on", looks(facts(SIZE + 1)), Opened::Unknown, settling),
    ];
    for (name, seen, opened, want) in rows {
        let mut b = Bench::alone(1);
        drop(b.sent(0, Ok(confirmed())));
        let actions = b.on(Event::PartRecorded(ItemId(1), 0, true));
        assert!(matches!(actions[0], Action::LookAgain(_)), "{name}: {actions:?}");
        assert!(b.s.busy());
        let actions = b.on(Event::LookedAgain(ItemId(1), seen.clone(), opened.clone()));
        assert_eq!(ends(&actions), [(ItemId(1), want.0, want.1)], "{name}");
        let anew = actions.iter().any(|a| matches!(a, Action::WriteEnd(end) if end.rewritten.is_some()));
        assert_eq!(anew, want != done, "{name}: an asset of torn bytes is none");
        assert_eq!(b.on(Event::LookedAgain(ItemId(1), seen, opened)), [], "{name}: once");
    }
}

#[test]
fn a_file_that_could_not_be_read_to_its_end_is_looked_at_once_more() {
    let looks = |facts: FileFacts| Ok(Box::new(look_at(&item(1, "p"), sighting(1, facts))));
    let other = FileFacts { ino: 9, ctime_ns: 1, mtime_ns: 1, ..facts(SIZE + 1) };
    let io = || FileError::Unreadable("I/O error".to_owned());
    for trouble in [ItemReason::Unreadable, ItemReason::Changed] {
        let rows = [
            ("still there", looks(facts(SIZE)), (ItemState::Failed, trouble)),
            ("still unreadable", Err(io()), (ItemState::Failed, trouble)),
            ("its card was pulled", Err(FileError::Gone), (ItemState::Away, ItemReason::Vanished)),
            ("another card is there", looks(other), (ItemState::Away, ItemReason::Vanished)),
            ("written on", looks(facts(7)), (ItemState::Queued, ItemReason::Settling)),
        ];
        for (name, seen, want) in rows {
            let mut b = Bench::alone(1);
            let actions = b.sent(0, Err(PartError::File(trouble, "no more of it".to_owned())));
            assert!(actions.iter().any(|a| matches!(a, Action::LookAgain(_))), "{name}: {actions:?}");
            let got = ends(&b.on(Event::LookedAgain(ItemId(1), seen, Opened::Unknown)));
            assert_eq!(got, [(ItemId(1), want.0, want.1)], "{name}");
        }
    }
}

#[test]
fn a_clip_that_is_cut_off_waits_for_the_rest_and_then_goes_as_it_is() {
    let cut = |patience| {
        let item = item(1, "p");
        let file =
            Seen { cut: Some("its index is missing".to_owned()), ..look_at(&item, item.clip.sighting()) };
        Claimed { item, file: Ok(file), asset: Ok(None), copy: Copy::Free, patience }
    };
    let mut b = Bench::paired();
    let actions = b.take(cut(Some(Duration::from_secs(600))));
    assert_eq!(ends(&actions), [(ItemId(1), ItemState::Incomplete, ItemReason::None)]);
    drop(b.written(1, Written::Row(ItemState::Incomplete)));
    assert_eq!(b.s.deadline(), Some(at(b.ms).boot + Duration::from_secs(600)));
    let waits = b.s.waits_of(ItemId(1));
    assert_eq!(waits.of(ItemState::Incomplete), b.s.deadline(), "and people are told");
    assert_eq!(
        (waits.of(ItemState::Queued), b.s.waits_of(ItemId(2)).of(ItemState::Incomplete)),
        (None, None)
    );
    b.ms += 599_999;
    assert!(!b.on(Event::Timer).contains(&Action::SendAsItIs(ItemId(1))));
    b.ms += 1;
    assert!(b.on(Event::Timer).contains(&Action::SendAsItIs(ItemId(1))));
    assert!(
        b.s.waits_of(ItemId(1)).of(ItemState::Incomplete).is_some(),
        "without a time it would be a person's"
    );
    drop(b.on(Event::AsItIs(ItemId(1), false)));
    b.ms += 30_000;
    assert!(b.on(Event::Timer).contains(&Action::SendAsItIs(ItemId(1))), "the disk could not");
    drop(b.on(Event::AsItIs(ItemId(1), true)));
    assert_eq!(b.s.deadline(), None);

    let mut forever = Bench::paired();
    drop(forever.take(cut(None)));
    drop(forever.written(1, Written::Row(ItemState::Incomplete)));
    assert_eq!(forever.s.deadline(), None);

    for (name, claimed) in [
        ("at once", cut(Some(Duration::ZERO))),
        ("by a person's word", {
            let mut claimed = cut(None);
            claimed.item.clip.as_is = true;
            claimed
        }),
    ] {
        let mut b = Bench::paired();
        drop(b.take(claimed));
        assert!(b.s.turn(ItemId(1)).is_some_and(|turn| turn.item.clip.as_is), "{name}");
    }
}

#[test]
fn what_may_be_a_copy_is_compared_before_an_asset_is_made() {
    let copy = |id, copy| {
        let item = item(id, "p");
        let file = look_at(&item, item.clip.sighting());
        Claimed { item, file: Ok(file), asset: Ok(None), copy, patience: None }
    };
    let compare = |id| Action::Compare(ItemId(id), ItemId(9));
    let elsewhere = Some("q".to_owned());
    let unread = || Comparison::Unreadable("I/O error".to_owned());
    let rows = [
        (Comparison::Equal(ItemId(9), None), Some((ItemState::Done, ItemReason::Duplicate))),
        (
            Comparison::Equal(ItemId(9), elsewhere),
            Some((ItemState::Cancelled, ItemReason::DeliveredElsewhere)),
        ),
        (Comparison::Differs, None),
        (Comparison::Stopped, Some((ItemState::Queued, ItemReason::None))),
        (unread(), Some((ItemState::Failed, ItemReason::Unreadable))),
    ];
    for (comparison, want) in rows {
        let mut b = Bench::paired();
        let actions = b.take(copy(1, Copy::Of(ItemId(9))));
        assert!(actions.contains(&compare(1)) && b.s.busy() && b.s.reads(ItemId(1)), "{actions:?}");
        assert!(b.s.turn(ItemId(1)).is_none());
        let actions = b.on(Event::Compared(ItemId(1), comparison.clone()));
        assert_eq!(ends(&actions).first().map(|(_, to, why)| (*to, *why)), want, "{comparison:?}");
        assert_eq!(b.s.turn(ItemId(1)).is_some(), want.is_none(), "{comparison:?}");
        assert!(!b.on(Event::Compared(ItemId(1), Comparison::Differs)).contains(&Action::Began(ItemId(1))));
    }
    let mut b = Bench::paired();
    assert_eq!(claims(&b.take(copy(1, Copy::Of(ItemId(9))))), 1, "others go on meanwhile");
    assert_eq!(claims(&b.take(copy(2, Copy::Of(ItemId(9))))), 0, "two at a time");
    assert!(b.on(Event::Asked(Intent::Cancel(vec![ItemId(1)]))).contains(&Action::Cut(ItemId(1))));
    assert!(b.on(Event::Asked(Intent::Pause)).contains(&Action::Cut(ItemId(2))));

    let mut b = Bench::paired();
    let actions = b.take(copy(1, Copy::After(ItemId(9))));
    assert_eq!(ends(&actions), [queued(1, ItemReason::Duplicate)], "the other goes first");
    assert_eq!(b.s.deadline(), Some(at(b.ms).boot + Duration::from_secs(15)));
}

//= frameio-c2c#6.4
//= type=test
//# At most five assets are created in a second.
#[test]
fn assets_are_asked_for_at_a_pace() {
    let mut b = Bench::paired();
    let mut asked = Vec::new();
    for id in 1..=3 {
        let actions = b.claimed(item(id, "p"), None);
        let create = |a: &Action| {
            let Action::Create { at, token, .. } = a else { return None };
            Some((*at, token.clone()))
        };
        asked.extend(actions.iter().find_map(create));
        if claims(&actions) == 0 {
            // Both slots will be wanted: one of them falls away.
            drop(b.on(Event::Asked(Intent::Cancel(vec![ItemId(id)]))));
            drop(b.on(Event::Created(ItemId(id), Seq(1), Err(CreateError::Refused(String::new())))));
            drop(b.on(Event::Answered(Intent::Cancel(vec![ItemId(id)]), vec![])));
            drop(b.read(false));
        }
    }
    let start = b.now().boot;
    let want = [0, 250, 500].map(|ms| (start + Duration::from_millis(ms), token("a1")));
    assert_eq!(asked, want);
    b.pass(Duration::from_secs(60));
    let start = b.now().boot;
    drop(b.on(Event::Found));
    let mut b = Bench { ms: b.ms, ..Bench::paired() };
    let actions = b.claimed(item(9, "p"), None);
    assert!(
        actions.iter().any(|a| matches!(a, Action::Create { at, .. } if *at == start)),
        "no debt is kept"
    );
}

#[test]
fn an_etag_that_is_not_the_md5_is_tried_once_more_and_then_believed_to_be_of_another_kind() {
    let md5 = [7; 16];
    let other = "\"ffffffffffffffffffffffffffffffff\"";
    let ours = "\"07070707070707070707070707070707\"";
    let sent = |etag: &str| {
        Ok(Confirmed {
            etag: etag.to_owned(),
            digest: Some(PartDigest { md5: Some(md5), xxh64: 1, checksum: None }),
        })
    };
    let recorded = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::RecordPart { .. }));
    let mut b = Bench::alone(3);
    let actions = b.sent(0, sent(other));
    assert_eq!((recorded(&actions), parts(&actions)), (false, vec![(1, 0)]), "sent again");
    let actions = b.sent(0, sent(other));
    assert!(recorded(&actions), "the storage's ETags are of another kind");
    assert_eq!(actions.last(), Some(&Action::Send { id: ItemId(1), n: 2, md5: false }));

    let mut b = Bench::alone(3);
    assert!(recorded(&b.sent(0, sent(ours))), "this storage names parts by their MD5");
    for _ in 0..2 {
        assert_eq!(parts(&b.sent(1, sent(other))), [(1, 1)]);
    }
    let actions = b.sent(1, sent(other));
    assert!(!recorded(&actions), "damaged for sure");
    assert_eq!(ends(&actions), [], "part 2 is still on its way");
    let actions = b.sent(2, sent(ours));
    assert!(recorded(&actions));
    assert_eq!(ends(&b.on(Event::PartRecorded(ItemId(1), 2, true))), []);
    assert_eq!(ends(&b.on(Event::PartRecorded(ItemId(1), 0, true))), [queued(1, ItemReason::Provider)]);
}

#[test]
fn an_end_that_can_t_be_written_is_kept_and_written_later() {
    let mut b = Bench::paired();
    let actions = b.claimed_as(item(1, "p"), Err(FileError::Gone), Ok(None));
    let end =
        actions.iter().find_map(|a| if let Action::WriteEnd(end) = a { Some(end.clone()) } else { None });
    let end = end.expect("an end");
    assert_eq!(end.to, ItemState::Away);
    drop(b.nothing_waits());
    for _ in 0..5 {
        assert_eq!(b.written(1, Written::NotYet), [], "not at once");
        assert_eq!(b.s.trouble().map(|(reason, _)| *reason), Some(Reason::Storage));
        assert!(!b.s.busy() && !b.s.at_rest());
        assert_eq!(b.on(Event::Found), [], "nothing else begins before");
        let actions = b.timer();
        assert_eq!(actions[0], Action::WriteEnd(end.clone()));
        // What waits is looked for again, but not the item whose end is on its way.
        assert!(actions[1..].iter().all(|a| *a == b.claim_of(None, &[1])), "{actions:?}");
        if claims(&actions) > 0 {
            drop(b.nothing_waits());
        }
    }
    assert_eq!(b.written(1, Written::Row(ItemState::Away)), [Action::Read]);
    assert_eq!(b.written(1, Written::NotYet), [], "late news");
    assert_eq!(b.on(Event::NetworkUp), [], "once");
}

#[test]
fn late_news_change_nothing() {
    let mut b = Bench::alone(1);
    let before = format!("{:?}", b.s);
    let id = ItemId(9);
    let events = || {
        [
            Event::Resumed(false),
            Event::Claimed(Err(String::new())),
            Event::Created(id, Seq(1), Err(CreateError::Unauthorized)),
            Event::Recorded(id, Seq(1), false),
            Event::PartSent(id, 0, Ok(confirmed())),
            Event::PartRecorded(id, 0, false),
            Event::LookedAgain(id, Err(FileError::Gone), Opened::Unknown),
            Event::LookedAgain(ItemId(1), Err(FileError::Gone), Opened::AsSent),
            Event::Compared(id, Comparison::Differs),
            Event::Compared(ItemId(1), Comparison::Differs),
            Event::Written(id, Written::NotYet),
            Event::Written(ItemId(1), Written::NotYet),
            Event::Summary(Err(String::new())),
            Event::Timer,
        ]
    };
    for event in events() {
        let name = format!("{event:?}");
        assert_eq!(b.on(event), [], "{name}");
        assert_eq!(format!("{:?}", b.s), before, "{name}");
    }
}

#[test]
fn options_hold_from_the_moment_they_are_set() {
    let mut b = Bench::alone(9);
    assert_eq!(b.s.turn(ItemId(1)).unwrap().upload.in_flight(), SLOTS);
    let more = options(5);
    assert_eq!(parts(&b.on(Event::Options(more))), [(1, 2), (1, 3), (1, 4)]);
    let unusable = Options { usable: false, ..more };
    assert_eq!(b.on(Event::Options(unusable)), []);
    let actions = b.sent(0, Ok(confirmed()));
    assert_eq!(parts(&actions), [], "nothing begins that could not be kept");
    assert_eq!(parts(&b.on(Event::Options(more))), [(1, 5)]);
}
