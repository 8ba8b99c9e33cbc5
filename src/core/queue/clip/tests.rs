use ItemState::{Away, Cancelled, Done, Failed, Held, Incomplete, Queued, Recording, Uploading};

use super::*;
use crate::queue::evidence::{Fingerprint, Volume};
use crate::queue::item::{Clip, FileFacts, Item};

const STATES: [ItemState; 9] =
    [Queued, Uploading, Recording, Held, Away, Incomplete, Done, Failed, Cancelled];
const QUEUED: Place = Place { state: Queued, reason: ItemReason::None };
const OTHER_PROJECT: Place = Place { state: Held, reason: ItemReason::OtherProject };
const MIB: u64 = 1 << 20;

/// A look at `/card/C0001.MOV` on the first card, with these bytes.
fn seen(bytes: u64) -> Sighting {
    Sighting {
        path: "/card/C0001.MOV".into(),
        facts: FileFacts { size: MIB, mtime_ns: 5, ctime_ns: 5, dev: 1, ino: 9 },
        volume: Volume { id: "A".to_owned(), mount: 1 },
        fingerprint: Some(Fingerprint { whole: bytes, head: bytes }),
    }
}

fn with(bytes: u64, change: impl FnOnce(&mut Sighting)) -> Sighting {
    let mut other = seen(bytes);
    change(&mut other);
    other
}

fn redated() -> Sighting {
    with(1, |s| (s.facts.mtime_ns, s.facts.ctime_ns) = (6, 6))
}

fn remounted() -> Sighting {
    with(1, |s| s.volume.mount = 2)
}

fn recopied() -> Sighting {
    with(1, |s| (s.facts.ino, s.facts.ctime_ns) = (10, 6))
}

fn renamed_file() -> Sighting {
    with(1, |s| s.path = "/card/done/C0001.MOV".into())
}

fn rewritten() -> Sighting {
    with(2, |s| s.facts.size = 2 * MIB)
}

/// A tool has put another file of the same date into its place.
fn edited() -> Sighting {
    with(2, |s| (s.facts.ino, s.facts.ctime_ns) = (10, 6))
}

/// The same bytes on another card.
fn copied() -> Sighting {
    with(1, |s| s.volume = Volume { id: "B".to_owned(), mount: 2 })
}

/// Another card in the same reader, with a clip of the same name, size and date.
fn other_card() -> Sighting {
    with(2, |s| s.volume = Volume { id: "B".to_owned(), mount: 2 })
}

fn row(id: u64, state: ItemState, project: Option<&str>) -> Row {
    Row {
        id: ItemId(id),
        state,
        reason: ItemReason::None,
        project: project.map(str::to_owned),
        begun: false,
        watched: true,
        seen: seen(1),
    }
}

fn begun(row: Row) -> Row {
    Row { begun: true, ..row }
}

fn paired(project: &str) -> Pairing {
    Pairing { project: Some(project.to_owned()), since: None }
}

fn of(rows: &[Row]) -> Candidates {
    Candidates { rows: rows.to_vec(), remembered: None }
}

fn finds(seen: &Sighting, rows: &[Row]) -> Finding {
    found(seen, &of(rows), true, &paired("p"))
}

fn asks(seen: &Sighting, rows: &[Row], wanted: Wanted) -> Finding {
    asked(seen, &of(rows), Some("p"), wanted, &paired("p"))
}

const ME: ItemId = ItemId(1);
const NOTHING_SAID: Wanted = Wanted { again: false, to_this_project: false };

fn known(takes: bool, back: Option<Place>) -> Finding {
    let takes = takes.then_some(ME).into_iter().collect();
    Finding::Known { takes, back: back.map(|place| (ME, place)).into_iter().collect() }
}

fn brand_new() -> Finding {
    Finding::New(New::default())
}

fn displacing() -> Finding {
    Finding::New(New { displaced: vec![ME], ..New::default() })
}

fn version(project: &str) -> Finding {
    Finding::New(New { version_of: Some(ME), project: Some(project.to_owned()), ..New::default() })
}

/// What a source makes of a file by what it is to its row, in each state; without an asset, and with one.
#[test]
fn every_cell_of_what_a_source_finds() {
    let takes = known(true, None);
    let back = known(true, Some(QUEUED));
    let nothing = known(false, None);
    let there = known(false, Some(QUEUED));
    let stays = Finding::Renamed(ME, None);
    let stays_back = Finding::Renamed(ME, Some(QUEUED));
    let grown = Finding::Grown(ME, Some(QUEUED));
    let held = Place { state: Held, reason: ItemReason::None };
    let anew = Finding::Anew(ME, QUEUED);
    let (held_grown, held_anew) = (Finding::Grown(ME, Some(held)), Finding::Anew(ME, held));
    let still_off = Finding::Grown(ME, None);
    let of_p = version("p");
    let (fresh, displaces) = (brand_new(), displacing());
    // In the order of STATES; the second of two is with an asset.
    #[rustfmt::skip]
    let cells: [(&str, Sighting, [[&Finding; 2]; 9]); 9] = [
        ("as it was", seen(1), [
            [&nothing; 2], [&nothing; 2], [&nothing; 2], [&nothing; 2], [&there; 2], [&nothing; 2], [&nothing; 2],
            [&nothing; 2], [&nothing; 2],
        ]),
        ("in another mount", remounted(), [
            [&takes; 2], [&nothing; 2], [&nothing; 2], [&takes; 2], [&back; 2], [&takes; 2], [&takes; 2], [&takes; 2],
            [&takes; 2],
        ]),
        ("with another date", redated(), [
            [&takes; 2], [&nothing; 2], [&nothing; 2], [&takes; 2], [&back; 2], [&takes; 2], [&takes; 2], [&takes; 2],
            [&takes; 2],
        ]),
        ("copied over", recopied(), [
            [&takes; 2], [&nothing; 2], [&nothing; 2], [&takes; 2], [&back; 2], [&takes; 2], [&fresh; 2], [&takes; 2],
            [&takes; 2],
        ]),
        ("renamed", renamed_file(), [
            [&stays; 2], [&stays; 2], [&nothing; 2], [&stays; 2], [&stays_back; 2], [&stays; 2], [&stays; 2],
            [&stays; 2], [&stays; 2],
        ]),
        ("written on", rewritten(), [
            [&grown, &anew], [&nothing; 2], [&nothing; 2], [&held_grown, &held_anew], [&grown, &anew],
            [&grown, &anew], [&of_p; 2], [&grown, &anew], [&still_off; 2],
        ]),
        ("edited", edited(), [
            [&displaces; 2], [&fresh; 2], [&fresh; 2], [&displaces; 2], [&fresh; 2], [&displaces; 2], [&of_p; 2],
            [&fresh; 2], [&fresh; 2],
        ]),
        ("a copy on another card", copied(), [[&fresh; 2]; 9]),
        ("another clip on another card", other_card(), [
            [&displaces; 2], [&fresh; 2], [&fresh; 2], [&displaces; 2], [&fresh; 2], [&displaces; 2],
            [&fresh; 2], [&fresh; 2], [&fresh; 2],
        ]),
    ];
    for (name, file, wants) in &cells {
        for (state, [without, with_asset]) in STATES.into_iter().zip(wants) {
            let me = row(1, state, Some("p"));
            assert_eq!(finds(file, std::slice::from_ref(&me)), **without, "{name}, {state}");
            assert_eq!(finds(file, &[begun(me)]), **with_asset, "{name}, {state} with an asset");
        }
    }
    assert_eq!(finds(&seen(1), &[]), brand_new());
}

#[test]
fn a_file_that_was_out_of_reach_and_is_back_waits_again_where_it_belongs() {
    use ItemReason::{Changed, Duplicate, None, OtherProject, Refused, Unreadable, Vanished};

    let rows = [
        (Failed, Vanished, Some("p"), Some(QUEUED)),
        (Failed, Unreadable, Some("p"), Some(QUEUED)),
        (Failed, Vanished, Option::None, Some(QUEUED)),
        (Failed, Vanished, Some("q"), Some(OTHER_PROJECT)),
        (Failed, Changed, Some("p"), Option::None),
        (Failed, Refused, Some("p"), Option::None),
        (Away, None, Some("q"), Some(OTHER_PROJECT)),
        (Cancelled, Vanished, Some("p"), Some(QUEUED)),
        (Cancelled, Duplicate, Some("p"), Some(QUEUED)),
        (Held, OtherProject, Some("q"), Option::None),
        (Queued, Vanished, Some("p"), Option::None),
    ];
    for (state, reason, project, want) in rows {
        let there = Row { reason, ..row(1, state, project) };
        assert_eq!(finds(&seen(1), &[there]), known(false, want), "{state:?} {reason} {project:?}");
    }
    let unwatched = Row { reason: Duplicate, watched: false, ..row(1, Cancelled, Some("p")) };
    assert_eq!(finds(&seen(1), &[unwatched]), known(false, Some(QUEUED)), "a person's too");
    let of_none = Row { reason: Duplicate, ..row(1, Cancelled, Option::None) };
    assert_eq!(finds(&seen(1), &[of_none]), known(false, Option::None), "closed when it was to be bound");
    let changed = Row { reason: Changed, ..row(1, Failed, Some("p")) };
    assert_eq!(finds(&redated(), &[changed]), known(true, Some(QUEUED)), "only its date had changed");
}

#[test]
fn a_card_that_is_mounted_elsewhere_brings_its_clips_back() {
    let elsewhere = |id: &str| {
        with(1, |s| {
            s.path = "/media/card1/C0001.MOV".into();
            s.facts.ino = 77;
            s.volume = Volume { id: id.to_owned(), mount: 2 };
        })
    };
    let away = row(1, Away, Some("p"));
    for id in ["A", ""] {
        let back = finds(&elsewhere(id), std::slice::from_ref(&away));
        let known_to_be_another = id.is_empty();
        let want = if known_to_be_another { brand_new() } else { Finding::Renamed(ME, Some(QUEUED)) };
        assert_eq!(back, want, "{id:?}");
    }
    let nameless = Row { seen: with(1, |s| s.volume.id.clear()), ..away.clone() };
    assert_eq!(finds(&elsewhere("B"), &[nameless]), Finding::Renamed(ME, Some(QUEUED)));
    let in_doubt = [away.clone(), row(2, Held, Some("q"))];
    let theirs = Finding::New(New { project: Some("q".to_owned()), ..New::default() });
    assert_eq!(finds(&elsewhere("A"), &in_doubt), theirs, "another project has one like it");
    assert_eq!(finds(&elsewhere("A"), &[begun(away)]), brand_new(), "to be compared");
    assert_eq!(
        finds(&elsewhere("A"), &[row(1, Queued, Some("p"))]),
        brand_new(),
        "its file may be there still"
    );
}

#[test]
fn what_was_delivered_or_waits_elsewhere_is_never_sent_here_because_it_is_seen_again() {
    for file in [seen(1), redated(), renamed_file()] {
        for state in STATES {
            let found = finds(&file, &[row(1, state, Some("q"))]);
            assert!(!matches!(found, Finding::New(_)), "{state}: {found:?}");
        }
    }
    for state in [Queued, Held, Incomplete, Failed, Cancelled] {
        let found = finds(&copied(), &[row(1, state, Some("q"))]);
        assert_eq!(found, Finding::New(New { project: Some("q".to_owned()), ..New::default() }), "{state}");
    }
    for reason in [ItemReason::Duplicate, ItemReason::DeliveredElsewhere] {
        let closed = Row { reason, ..row(1, Cancelled, Some("q")) };
        assert_eq!(finds(&copied(), &[closed]), brand_new(), "another row has its clip");
    }
    assert_eq!(
        finds(&rewritten(), &[row(1, Done, Some("q"))]),
        version("q"),
        "its version is that project's"
    );
    let here = New { project: None, ..New::default() };
    assert_eq!(
        finds(&copied(), &[row(1, Done, Some("q"))]),
        Finding::New(here),
        "compared before it is sent"
    );
}

#[test]
fn of_several_rows_the_file_is_one() {
    let other = |id, state| Row { seen: other_card(), ..row(id, state, Some("p")) };
    let rows = [row(1, Away, Some("p")), other(2, Queued)];
    assert_eq!(finds(&seen(1), &rows), known(false, Some(QUEUED)), "the first card is back");
    assert_eq!(finds(&other_card(), &rows), Finding::Known { takes: vec![], back: vec![] });
    let third = with(3, |s| s.volume = Volume { id: "C".to_owned(), mount: 3 });
    let displaced = New { displaced: vec![ItemId(2)], ..New::default() };
    assert_eq!(finds(&third, &rows), Finding::New(displaced), "a third card: only what waits is displaced");
    let renamed = [row(1, Done, Some("p")), row(2, Queued, Some("p"))];
    assert_eq!(finds(&renamed_file(), &renamed), Finding::Renamed(ItemId(2), None), "what waits goes first");
    let grown = [row(1, Queued, Some("p")), row(2, Done, Some("p"))];
    let newest = New { version_of: Some(ItemId(2)), project: Some("p".to_owned()), ..New::default() };
    assert_eq!(finds(&rewritten(), &grown), Finding::New(newest), "the youngest decides");
}

#[test]
fn what_was_closed_for_another_row_and_is_written_on_is_a_row_of_its_own() {
    let closed = Row { reason: ItemReason::Duplicate, ..row(1, Cancelled, Some("p")) };
    assert_eq!(finds(&rewritten(), std::slice::from_ref(&closed)), brand_new(), "nobody gave it up");
    assert_eq!(asks(&rewritten(), &[closed], NOTHING_SAID), brand_new());
}

#[test]
fn what_is_remembered_is_known_and_what_does_not_fit_is_left_out() {
    let gone = Remembered { id: ME, delivered_to: None };
    let remembered = Candidates { rows: vec![], remembered: Some(gone) };
    assert_eq!(found(&seen(1), &remembered, true, &paired("p")), known(false, None));
    assert_eq!(found(&seen(1), &Candidates::default(), false, &paired("p")), Finding::LeftOut);
    assert_eq!(found(&seen(1), &of(&[row(1, Queued, None)]), false, &paired("p")), known(false, None));
    assert_eq!(found(&other_card(), &of(&[row(1, Queued, None)]), false, &paired("p")), Finding::LeftOut);
}

#[test]
fn what_a_person_asks_for_by_the_row_that_is_meant() {
    let waiting = Finding::Waiting(ME);
    let back = known(true, Some(QUEUED));
    let delivered = Finding::Delivered(ME);
    let elsewhere = Finding::Elsewhere(ME, "q".to_owned());
    let again = |drop_asset| Finding::Again { id: ME, drop_asset };
    assert_eq!(asks(&seen(1), &[], NOTHING_SAID), brand_new());
    let away_elsewhere = known(true, Some(OTHER_PROJECT));
    // Of this project, of none yet, of another.
    let rows = [
        (Queued, &waiting, &waiting, &waiting),
        (Uploading, &waiting, &waiting, &waiting),
        (Held, &waiting, &waiting, &waiting),
        (Incomplete, &waiting, &waiting, &waiting),
        (Away, &back, &back, &away_elsewhere),
        (Done, &delivered, &delivered, &elsewhere),
        (Failed, &again(false), &again(true), &again(true)),
        (Cancelled, &again(false), &again(true), &again(true)),
    ];
    for (state, own, unbound, other) in rows {
        for file in [seen(1), redated(), renamed_file()] {
            let ask = |project| asks(&file, &[row(1, state, project)], NOTHING_SAID);
            assert_eq!(ask(Some("p")), *own, "{state}");
            assert_eq!(ask(None), *unbound, "{state} of no project");
            assert_eq!(ask(Some("q")), *other, "{state} of another project");
        }
    }
}

#[test]
fn what_was_delivered_is_sent_again_only_where_a_person_says_so() {
    let anyway = Finding::New(New { anyway: true, ..New::default() });
    let again = Wanted { again: true, ..NOTHING_SAID };
    let here = Wanted { to_this_project: true, ..NOTHING_SAID };
    let (own, other) = ([row(1, Done, Some("p"))], [row(1, Done, Some("q"))]);
    assert_eq!(asks(&seen(1), &own, again), anyway);
    assert_eq!(asks(&seen(1), &own, here), Finding::Delivered(ME));
    assert_eq!(asks(&seen(1), &other, here), anyway);
    assert_eq!(asks(&seen(1), &other, again), Finding::Elsewhere(ME, "q".to_owned()));
    let both = [other[0].clone(), row(2, Queued, Some("p"))];
    assert_eq!(asks(&seen(1), &both, NOTHING_SAID), Finding::Waiting(ItemId(2)), "its own row is meant");
    let ask = |to: &str, wanted| {
        let gone = Remembered { id: ME, delivered_to: Some(to.to_owned()) };
        let known = Candidates { rows: vec![], remembered: Some(gone) };
        asked(&seen(1), &known, Some("p"), wanted, &paired("p"))
    };
    assert_eq!(ask("p", NOTHING_SAID), Finding::Delivered(ME), "its row is gone");
    assert_eq!((ask("p", again), ask("q", here)), (anyway.clone(), anyway));
    assert_eq!(ask("q", NOTHING_SAID), Finding::Elsewhere(ME, "q".to_owned()));
    let never = Candidates { rows: vec![], remembered: Some(Remembered { id: ME, delivered_to: None }) };
    assert_eq!(asked(&seen(1), &never, Some("p"), NOTHING_SAID, &paired("p")), brand_new());
}

#[test]
fn a_person_who_asks_for_another_clip_under_an_old_name_gets_a_row_for_it() {
    assert_eq!(asks(&other_card(), &[row(1, Done, Some("p"))], NOTHING_SAID), brand_new());
    assert_eq!(asks(&other_card(), &[row(1, Queued, Some("p"))], NOTHING_SAID), displacing());
    assert_eq!(asks(&edited(), &[row(1, Done, Some("p"))], NOTHING_SAID), version("p"));
    assert_eq!(asks(&recopied(), &[row(1, Done, Some("p"))], NOTHING_SAID), brand_new(), "compared");
    assert_eq!(
        asks(&rewritten(), &[row(1, Queued, Some("p"))], NOTHING_SAID),
        Finding::Grown(ME, Some(QUEUED))
    );
    let again = Finding::Again { id: ME, drop_asset: true };
    assert_eq!(asks(&rewritten(), &[row(1, Cancelled, Some("p"))], NOTHING_SAID), again);
}

#[test]
fn of_several_rows_of_a_file_one_is_meant() {
    let rows = [
        ("its own, though it is done", [row(1, Queued, Some("q")), row(2, Done, Some("p"))], 2),
        ("its own before one of no project", [row(1, Queued, None), row(2, Failed, Some("p"))], 2),
        ("one of no project before another's", [row(1, Held, Some("q")), row(2, Done, None)], 2),
        (
            "one that waits before one that was given up",
            [row(1, Failed, Some("q")), row(2, Held, Some("r"))],
            2,
        ),
        (
            "one that was given up before one that is done",
            [row(1, Done, Some("q")), row(2, Failed, Some("r"))],
            2,
        ),
        ("the younger of two that are alike", [row(1, Held, Some("q")), row(2, Held, Some("r"))], 2),
    ];
    for (name, rows, want) in rows {
        let rows: Vec<&Row> = rows.iter().collect();
        assert_eq!(meant(&rows, Some("p")).map(|r| r.id), Some(ItemId(want)), "{name}");
    }
    let done = [row(1, Done, Some("q")), row(2, Done, Some("r"))];
    assert_eq!(meant(&done.iter().collect::<Vec<_>>(), Some("p")), None);
}

#[test]
fn a_copy_lets_the_other_go_first_or_is_compared_with_it() {
    for has_asset in [false, true] {
        let copy = |others: &[Row]| copy_of(ItemId(9), Some("p"), has_asset, others);
        let me = row(9, Uploading, Some("p"));
        assert_eq!(copy(&[]), Copy::Free);
        assert_eq!(copy(std::slice::from_ref(&me)), Copy::Free, "itself is no other");
        for state in STATES {
            let want = match state {
                Uploading | Recording => Copy::After(ME),
                Done => Copy::Of(ME),
                Queued | Held | Away | Incomplete | Failed | Cancelled => Copy::Free,
            };
            assert_eq!(copy(&[row(1, state, Some("p")), me.clone()]), want, "{state}");
            let elsewhere = if state == Done { Copy::Of(ME) } else { Copy::Free };
            assert_eq!(copy(&[row(1, state, Some("q"))]), elsewhere, "{state} elsewhere");
        }
        let first = if has_asset { Copy::Free } else { Copy::After(ME) };
        assert_eq!(copy(&[begun(row(1, Queued, Some("p")))]), first, "of two that were begun one goes");
        let both = [row(1, Done, Some("q")), row(2, Done, Some("p"))];
        assert_eq!(copy(&both), Copy::Of(ItemId(2)), "this project's before another's");
    }
}

#[test]
fn what_a_row_is_called_whose_file_has_another_name() {
    let new = Clip {
        path: "/m/B_proxy.mov".into(),
        name: "B_proxy.mov".to_owned(),
        filetype: "video/quicktime".to_owned(),
        class: "proxy".to_owned(),
        priority: 300,
        ..Clip::default()
    };
    let item = |name: &str, class: &str, asset_id: &str| Item {
        id: ItemId(1),
        clip: Clip {
            path: "/m/A.mov".into(),
            name: name.to_owned(),
            class: class.to_owned(),
            priority: 9,
            ..Clip::default()
        },
        state: Queued,
        reason: ItemReason::None,
        detail: String::new(),
        attempts: 0,
        sent: 0,
        asset_id: asset_id.to_owned(),
        project_name: String::new(),
    };
    let of_source = |item: Item| Item { clip: Clip { source: Some("A".to_owned()), ..item.clip }, ..item };
    let naming = |name: &str, priority| {
        let (name, filetype) = (name.to_owned(), new.filetype.clone());
        Some(Naming { name, filetype, class: "proxy".to_owned(), priority })
    };
    let rows = [
        ("its own name", item("A.mov", "", ""), naming("B_proxy.mov", 300)),
        ("a name that a person chose", item("Scene 1", "", ""), naming("Scene 1", 300)),
        ("a name that its source made", of_source(item("A_A.mov", "", "")), naming("B_proxy.mov", 300)),
        ("the class stays, and what was said of it", item("A.mov", "proxy", ""), naming("B_proxy.mov", 9)),
        ("the cloud has been told", item("A.mov", "", "asset"), None),
    ];
    for (name, item, want) in rows {
        assert_eq!(renamed(&item, &new), want, "{name}");
    }
}

#[test]
fn what_is_open_is_there_whatever_lies_at_its_name() {
    for (path, finding) in [("/card/C0001.MOV", displacing()), ("card/C0001.MOV", brand_new())] {
        let at = |seen: Sighting| Sighting { path: path.into(), ..seen };
        let waits = Row { seen: at(seen(1)), ..row(1, Queued, Some("p")) };
        assert_eq!(asks(&at(other_card()), &[waits], NOTHING_SAID), finding, "{path}");
    }
}
