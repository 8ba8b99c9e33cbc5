use std::convert::Infallible;

use ItemState::{Cancelled, Held};

use super::*;
use crate::time::BootTime;

fn paired(project: &str) -> Pairing {
    Pairing { project: Some(project.to_owned()), since: None }
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
