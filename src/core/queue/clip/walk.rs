//! Random lives of cards and people, held against a model that knows the bytes. After every step: no asset has bytes of
//! two clips, nothing goes to a project twice or to another's, unless a person said so; and in the end, when every card
//! was put in once more, each clip that is there was delivered or is listed with its reason.
//!
//! # Decisions
//! - What fails is made short: steps are left out as long as it still fails, and the rest is printed.
//! - What is counted and not refused: several of the same evidence of which only one is compared; what was written over
//!   before its first byte left, and is another clip at the last look; and what was written over in a turn that came to
//!   nothing, where the part that is read again at the next one happens to be the same.
//! - Not tried: bytes in the middle of a file that change in their place while both ends and the size stay. No look short
//!   of all bytes tells that.
mod cards;
mod life;
mod steps;
mod store;

use std::ops::Range;

use life::Life;
use steps::{Kind, STEPS, Step, Tally, steps};

/// A million steps.
const LIVES: u64 = 1_000_000 / STEPS as u64;

fn live(seed: u64, steps: &[Step]) -> Result<Tally, String> {
    let mut life = Life::new(seed);
    steps.iter().try_for_each(|step| life.step(*step))?;
    life.end()?;
    Ok(life.tally)
}

/// Which rule did not hold.
fn kind(why: &str) -> String {
    why.split(':').next().unwrap_or_default().replace(char::is_numeric, "")
}

/// As few of the steps as still fail.
fn shortest(mut steps: Vec<Step>, fails: impl Fn(&[Step]) -> bool) -> Vec<Step> {
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let (mut from, before) = (0, steps.len());
        while from < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + size).min(steps.len()));
            if fails(&fewer) {
                steps = fewer;
            } else {
                from += size;
            }
        }
        if size > 1 || steps.len() == before {
            size /= 2;
        }
    }
    steps
}

fn walk(lives: Range<u64>) -> Tally {
    let mut total = Tally::default();
    for seed in lives {
        let steps = steps(seed);
        match live(seed, &steps) {
            Ok(tally) => total.add(tally),
            Err(why) => {
                let fails = |fewer: &[Step]| live(seed, fewer).is_err_and(|now| kind(&now) == kind(&why));
                let steps = shortest(steps, fails);
                let list: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
                panic!("seed {seed}: {}\n{}", live(seed, &steps).err().unwrap_or(why), list.join("\n"));
            }
        }
    }
    total
}

/// It went everywhere, and what is not avoided is rare.
fn went_everywhere(total: Tally, lives: u64) {
    assert!(total.found > 6 * lives && total.parts > 10 * lives && total.delivered > 3 * lives, "{total:?}");
    assert!(
        total.copies > lives / 10 && total.unlike > lives / 10 && total.versions > lives / 50,
        "{total:?}"
    );
    assert!(
        total.hidden < lives / 10 && total.forgotten + total.torn + total.alike < lives / 50,
        "{total:?}"
    );
}

#[test]
fn whatever_becomes_of_cards_no_clip_is_lost_mixed_or_sent_twice() {
    went_everywhere(walk(0..LIVES), LIVES);
}

#[test]
#[ignore = "ten million other steps: minutes"]
fn many_more_lives() {
    let lives = 10 * LIVES;
    let total = walk(LIVES..LIVES + lives);
    println!("{total:?}");
    went_everywhere(total, lives);
}

#[test]
fn what_fails_is_made_short() {
    let is = |kind: Kind| move |step: &Step| step.kind == kind;
    let fails = |steps: &[Step]| {
        let pair = steps.iter().position(is(Kind::Pair));
        pair.is_some_and(|at| steps[at..].iter().any(is(Kind::Restart)))
    };
    let life = (0..).map(steps).find(|life| fails(life)).unwrap();
    let kinds: Vec<Kind> = shortest(life, fails).iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [Kind::Pair, Kind::Restart]);
}
