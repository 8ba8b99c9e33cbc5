use std::convert::Infallible;

use ItemState::{Cancelled, Done, Failed, Held, Queued, Uploading};

use super::*;
use crate::time::BootTime;

const STATES: [ItemState; 6] = [Queued, Uploading, Held, Done, Failed, Cancelled];

fn row(id: u64, state: ItemState, project: Option<&str>) -> Row {
    Row {
        id: ItemId(id),
        state,
        reason: ItemReason::None,
        project: project.map(str::to_owned),
        begun: false,
        watched: false,
    }
}

fn begun(row: Row) -> Row {
    Row { begun: true, ..row }
}

fn paired(project: &str) -> Pairing {
    Pairing { project: Some(project.to_owned()), since: None }
}

const FACTS: FileFacts = FileFacts { size: 5, mtime_ns: 6, dev: 7, ino: 8 };

#[test]
fn what_a_person_asks_for_by_the_row_that_is_meant() {
    let known = Asked::Known(ItemId(1));
    let again = |drop_asset| Asked::Again { id: ItemId(1), drop_asset };
    assert_eq!(asked(&[], Some("p")), Asked::New, "nobody knew it");
    // Of this project, of none yet, of another.
    let rows = [
        (Queued, known, known, known),
        (Uploading, known, known, known),
        (Held, known, known, known),
        (Done, known, known, Asked::New),
        (Failed, again(false), again(true), again(true)),
        (Cancelled, again(false), again(true), again(true)),
    ];
    for (state, own, unbound, other) in rows {
        assert_eq!(asked(&[row(1, state, Some("p"))], Some("p")), own, "{state:?}");
        assert_eq!(asked(&[row(1, state, None)], Some("p")), unbound, "{state:?} of no project");
        assert_eq!(asked(&[row(1, state, Some("q"))], Some("p")), other, "{state:?} of another project");
        assert_eq!(asked(&[row(1, state, None)], None), own, "{state:?}, and nothing is paired");
    }
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
        ("the first of two that are alike", [row(1, Held, Some("q")), row(2, Held, Some("r"))], 1),
    ];
    for (name, rows, want) in rows {
        assert_eq!(meant(&rows, Some("p")).map(|r| r.id), Some(ItemId(want)), "{name}");
    }
    assert_eq!(meant(&[row(1, Done, Some("q")), row(2, Done, Some("r"))], Some("p")), None);
}

#[test]
fn what_a_source_finds_and_somebody_knew_changes_nothing() {
    for state in STATES {
        for project in [Some("p"), Some("q"), None] {
            let known = Candidates { same: vec![row(1, state, project)], ..Candidates::default() };
            assert!(known.is_same_file());
            assert_eq!(found(FACTS, &known, true, &paired("p")), Finding::Known(vec![]), "{state:?}");
        }
    }
    let gone = Candidates { remembered: true, ..Candidates::default() };
    assert!(gone.is_same_file() && !Candidates::default().is_same_file());
    assert_eq!(found(FACTS, &gone, true, &paired("p")), Finding::Known(vec![]));
}

#[test]
fn a_file_that_was_out_of_reach_and_is_back_waits_again() {
    let held = Place { state: Held, reason: ItemReason::OtherProject };
    let rows = [
        (Failed, ItemReason::Vanished, Some("p"), Some(QUEUED)),
        (Failed, ItemReason::Unreadable, Some("p"), Some(QUEUED)),
        (Failed, ItemReason::Vanished, None, Some(QUEUED)),
        (Failed, ItemReason::Vanished, Some("q"), Some(held)),
        (Failed, ItemReason::Changed, Some("p"), None),
        (Failed, ItemReason::Refused, Some("p"), None),
        (Cancelled, ItemReason::Vanished, Some("p"), None),
        (Queued, ItemReason::Vanished, Some("p"), None),
    ];
    for (state, reason, project, want) in rows {
        let there = Row { reason, ..row(1, state, project) };
        let other = row(2, Done, Some("p"));
        let known = Candidates { same: vec![there, other], ..Candidates::default() };
        let want = want.map(|place| (ItemId(1), place)).into_iter().collect();
        assert_eq!(
            found(FACTS, &known, true, &paired("p")),
            Finding::Known(want),
            "{state:?} {reason} {project:?}"
        );
    }
}

#[test]
fn a_file_under_another_name_is_followed_while_its_row_is_not_over() {
    for state in STATES {
        for asset in [false, true] {
            let there = Row { begun: asset, ..row(1, state, Some("p")) };
            let known =
                Candidates { inode: Some(there), path: Some(row(2, Queued, None)), ..Candidates::default() };
            let want = match state {
                Queued | Uploading | Held => Finding::Renamed(ItemId(1)),
                Done | Failed | Cancelled => Finding::Grown(ItemId(2)),
            };
            assert_eq!(found(FACTS, &known, true, &paired("p")), want, "{state:?}");
            let none = FileFacts { ino: 0, ..FACTS };
            let got = found(none, &known, true, &paired("p"));
            assert_eq!(got, Finding::Grown(ItemId(2)), "no inode numbers there");
        }
    }
}

#[test]
fn a_file_that_has_grown_is_its_row_while_that_waits_without_an_asset() {
    for state in STATES {
        for asset in [false, true] {
            let there = Row { begun: asset, ..row(1, state, Some("p")) };
            let known = Candidates { path: Some(there), ..Candidates::default() };
            let follows = !asset && matches!(state, Queued | Held);
            let want = if follows { Finding::Grown(ItemId(1)) } else { Finding::New };
            assert_eq!(found(FACTS, &known, true, &paired("p")), want, "{state:?} {asset}");
            let want = if follows { Finding::Grown(ItemId(1)) } else { Finding::LeftOut };
            assert_eq!(found(FACTS, &known, false, &paired("p")), want, "{state:?} {asset}: no room");
        }
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
fn an_item_whose_file_has_grown() {
    use Regrown::{Duplicate, Takes, TooLate};

    let me = |state| row(5, state, Some("p"));
    let older = |state| vec![row(3, state, Some("p"))];
    let younger = |state| vec![row(7, state, Some("p"))];
    for state in STATES {
        let open = matches!(state, Queued | Uploading | Held);
        let want = if open { Takes(None) } else { TooLate };
        assert_eq!(regrown(&me(state), vec![]), want, "{state:?}");
        assert_eq!(regrown(&me(state), vec![me(state)]), want, "{state:?}: its own row is no other");
        assert_eq!(regrown(&begun(me(state)), vec![]), TooLate, "{state:?} with an asset");
        assert_eq!(regrown(&me(Queued), older(state)), Duplicate(ItemId(3)), "{state:?}, older");
        let goes = matches!(state, Queued | Held);
        let want = if goes { Takes(Some(ItemId(7))) } else { Duplicate(ItemId(7)) };
        assert_eq!(regrown(&me(Queued), younger(state)), want, "{state:?}, younger");
    }
    assert_eq!(regrown(&me(Queued), vec![begun(row(7, Queued, Some("p")))]), Duplicate(ItemId(7)));
    assert_eq!(regrown(&me(Queued), vec![row(3, Done, Some("q"))]), Takes(None), "done for another project");
    assert_eq!(regrown(&me(Queued), vec![row(3, Failed, Some("q"))]), Duplicate(ItemId(3)));
}

/// A moment: the boot, seconds in it, and what the wall clock said.
fn moment(boot: u128, secs: u64, wall: i64) -> Now {
    Now { boot_id: BootId(boot), boot: BootTime(Duration::from_secs(secs)), wall: WallTime(wall) }
}

fn placed(new: &Clip, pairing: &Pairing, walls: &[(u128, i64)]) -> Place {
    let known = |id: BootId| walls.iter().find(|(boot, _)| BootId(*boot) == id).map(|(_, s)| BootWall(*s));
    let Ok(place) = place(new, pairing, |id| Ok::<_, Infallible>(known(id)));
    place
}

const TODAY: i64 = 1_790_000_000;

#[test]
fn where_a_file_belongs_by_its_project() {
    let held = Place { state: Held, reason: ItemReason::OtherProject };
    let rows = [
        (Some("p"), Some("p"), QUEUED),
        (Some("q"), Some("p"), held),
        (Some("q"), None, QUEUED),
        (None, Some("p"), QUEUED),
        (None, None, QUEUED),
    ];
    for (project, current, want) in rows {
        let pairing = Pairing { project: current.map(str::to_owned), since: Some(moment(1, 100, TODAY)) };
        assert_eq!(place_of(project, &pairing), want, "{project:?} {current:?}");
        let new = Clip {
            project_id: project.map(str::to_owned),
            created: moment(1, 500, TODAY),
            added: moment(1, 500, TODAY),
            before_pairing: BeforePairing::Ignore,
            ..Clip::default()
        };
        assert_eq!(placed(&new, &pairing, &[]), want, "{project:?} {current:?}");
        let bound = project_of(new.project_id, &pairing);
        assert_eq!(bound.as_deref(), project.or(current));
    }
}

#[test]
fn where_a_file_belongs_that_is_older_than_the_pairing() {
    let held = Place { state: Held, reason: ItemReason::BeforePairing };
    let cancelled = Place { state: Cancelled, reason: ItemReason::BeforePairing };
    let other = Place { state: Held, reason: ItemReason::OtherProject };
    let since = Some(moment(1, 100, TODAY));
    for (policy, older, elsewhere) in [
        (BeforePairing::Queue, QUEUED, other),
        (BeforePairing::Ask, held, other),
        (BeforePairing::Ignore, cancelled, other),
    ] {
        let new = |project: &str, secs| Clip {
            project_id: Some(project.to_owned()),
            created: moment(1, secs, TODAY),
            added: moment(1, 500, TODAY),
            before_pairing: policy,
            ..Clip::default()
        };
        let pairing = Pairing { since, ..paired("p") };
        assert_eq!(placed(&new("p", 50), &pairing, &[]), older, "{policy:?}");
        assert_eq!(placed(&new("p", 150), &pairing, &[]), QUEUED, "{policy:?}: younger");
        assert_eq!(placed(&new("q", 50), &pairing, &[]), elsewhere, "{policy:?}: another project's anyway");
        assert_eq!(placed(&new("p", 50), &paired("p"), &[]), QUEUED, "{policy:?}: nobody knows since when");
    }
}

#[test]
fn what_is_certainly_older_than_the_pairing() {
    type Walls = &'static [(u128, i64)];
    let rows: [(&str, Now, Now, Now, Walls, bool); 11] = [
        (
            "paired in an earlier boot whose clock was set later",
            moment(1, 9, 9),
            moment(2, 9, 9),
            moment(3, 20, TODAY + 5000),
            &[(1, TODAY), (2, TODAY + 1000)],
            true,
        ),
        (
            "paired in an earlier boot by a clock that was right",
            moment(1, 9, TODAY),
            moment(2, 9, TODAY + 60),
            moment(3, 20, TODAY + 100),
            &[],
            true,
        ),
        ("before it", moment(1, 98, 0), moment(1, 100, 0), moment(1, 200, 0), &[], true),
        (
            "to the second it may be after it",
            moment(1, 99, 0),
            moment(1, 100, 0),
            moment(1, 200, 0),
            &[],
            false,
        ),
        ("after it", moment(1, 101, 0), moment(1, 100, 0), moment(1, 200, 0), &[], false),
        (
            "yesterday's boot",
            moment(1, 9, TODAY),
            moment(2, 9, TODAY + 60),
            moment(2, 20, TODAY + 71),
            &[],
            true,
        ),
        (
            "paired yesterday",
            moment(2, 9, TODAY + 60),
            moment(1, 9, TODAY),
            moment(2, 20, TODAY + 71),
            &[],
            false,
        ),
        (
            "before by clocks that were set later",
            moment(1, 9, 9),
            moment(2, 9, 9),
            moment(2, 20, 20),
            &[(1, TODAY), (2, TODAY + 60)],
            true,
        ),
        (
            "a boot that nobody knows is at least as old as this one",
            moment(1, 9, 9),
            moment(2, 9, 9),
            moment(2, 20, 20),
            &[],
            true,
        ),
        (
            "paired in a boot that nobody knows",
            moment(2, 9, TODAY),
            moment(1, 9, 9),
            moment(2, 20, TODAY + 11),
            &[],
            false,
        ),
        (
            "both in boots that nobody knows",
            moment(1, 9, 9),
            moment(2, 9, 9),
            moment(3, 20, TODAY),
            &[],
            false,
        ),
    ];
    for (name, then, since, now, walls, want) in rows {
        let known =
            |id: BootId| walls.iter().find(|(boot, _)| BootId(*boot) == id).map(|(_, s)| BootWall(*s));
        let Ok(got) = is_before(then, since, now, |id| Ok::<_, Infallible>(known(id)));
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn a_clock_that_can_t_be_read_is_an_error_only_where_it_matters() {
    let new = |policy, boot| Clip {
        project_id: Some("p".to_owned()),
        created: moment(boot, 5, TODAY),
        added: moment(2, 500, TODAY),
        before_pairing: policy,
        ..Clip::default()
    };
    let pairing = Pairing { since: Some(moment(2, 100, TODAY)), ..paired("p") };
    let fails = |new: Clip| place(&new, &pairing, |_| Err(())).is_err();
    assert!(!fails(new(BeforePairing::Queue, 1)), "its policy does not ask");
    assert!(!fails(new(BeforePairing::Ask, 2)), "one boot needs no clock");
    assert!(fails(new(BeforePairing::Ask, 1)));
}
