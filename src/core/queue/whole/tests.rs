mod walk;

use super::*;

const SETTLE: Duration = Duration::from_secs(3);
const AGE: Duration = Duration::from_secs(9);

fn at(ms: u64) -> BootTime {
    BootTime(Duration::from_millis(ms))
}

fn size(size: u64) -> Option<FileFacts> {
    Some(FileFacts { size, mtime_ns: size as i64, ..FileFacts::default() })
}

fn file() -> PathBuf {
    "/m/a.mov".into()
}

fn settling() -> Settling {
    Settling::new(SETTLE, 2)
}

/// Made by being opened.
fn recording() -> Settling {
    let mut s = settling();
    s.made(file(), at(0)).unwrap();
    s.opened(&file(), at(0));
    s
}

/// Looks at it whenever that is wanted; when it was finished, and whether it appeared.
fn finished(s: &mut Settling, facts: impl Fn(BootTime) -> Option<FileFacts>) -> (u64, bool) {
    for _ in 0..100 {
        let now = s.deadline().expect("it waits");
        for path in s.due(10, now) {
            if let Verdict::Finished(appeared) = s.looked(&path, facts(now), now) {
                return (now.0.as_millis() as u64, appeared);
            }
        }
    }
    panic!("never finished");
}

fn seen(s: &mut Settling, sight: Sight) -> Verdict {
    s.seen(file(), size(5).unwrap(), sight, at(100_000)).unwrap()
}

#[test]
fn a_file_that_was_closed_is_finished_after_the_settle_time() {
    let mut s = recording();
    s.closed(file(), at(1000)).unwrap();
    assert_eq!(finished(&mut s, |_| size(5)), (4250, true));
    assert_eq!((s.deadline(), s.room()), (None, 2));
    s.closed(file(), at(10_000)).unwrap();
    assert_eq!(finished(&mut s, |_| size(5)), (13_250, false), "nobody saw it appear");
}

#[test]
fn a_writer_that_has_it_open_may_be_silent_for_an_hour() {
    let mut s = recording();
    let (when, _) = finished(&mut s, |now| size(if now < at(600_000) { 1 } else { 2 }));
    assert!((3_600_000 + 600_000..3_600_000 + 600_000 + 901_000).contains(&when), "{when}");
    let mut s = recording();
    for _ in 0..4 {
        let now = s.deadline().unwrap();
        let due = s.due(1, now);
        assert_eq!(s.looked(&due[0], size(0), now), Verdict::Wait, "an empty one is no exception");
    }
    assert!(s.deadline().unwrap() > at(1_800_000), "and it is looked at a few times only");
}

#[test]
fn each_time_it_is_opened_again_the_wait_after_its_close_doubles_up_to_a_minute() {
    let mut s = recording();
    let mut now = 0;
    for wait in [3, 6, 12, 24, 48, 60, 60, 60] {
        s.closed(file(), at(now)).unwrap();
        let mut trial = Settling { files: s.files.clone(), ..settling() };
        assert_eq!(finished(&mut trial, |_| size(5)).0, now + 250 + wait * 1000);
        s.opened(&file(), at(now + 1000));
        now += 1200;
    }
}

/// What it holds after so many pieces.
fn pieces(n: usize) -> Option<FileFacts> {
    size(50_000 * n as u64)
}

#[test]
fn whoever_appends_by_a_rhythm_is_done_with_the_last_piece_and_not_before() {
    let growing = vec![3000, 5900, 11_900, 23_900, 47_900, 59_900, 59_900];
    #[rustfmt::skip]
    let rhythms = [
        ("every second", vec![1000; 14]),
        ("every three seconds, as long as the file is left alone", vec![3000; 9]),
        ("ever longer", growing.clone()),
        ("ever shorter", vec![3000, 5000, 4000, 2000, 1000, 500, 100]),
        ("in bursts", [vec![100; 5], vec![50_000], vec![100; 5]].concat()),
        ("at once, and then the header", vec![0, 0, 0, 20_000]),
        ("every minute, once it is known", [growing, vec![60_000; 10]].concat()),
    ];
    for (name, gaps) in rhythms {
        let mut s = settling();
        let mut now = 0;
        s.made(file(), at(now)).unwrap();
        for n in 0..=gaps.len() {
            s.opened(&file(), at(now));
            s.closed(file(), at(now + 20)).unwrap();
            let Some(gap) = gaps.get(n) else { break };
            now += 20 + gap;
            while let Some(due) = s.deadline().filter(|due| *due < at(now)) {
                for path in s.due(1, due) {
                    let verdict = s.looked(&path, pieces(n + 1), due);
                    assert_eq!(verdict, Verdict::Wait, "{name}: after {} pieces, at {due:?}", n + 1);
                }
            }
        }
        let (when, appeared) = finished(&mut s, |_| pieces(gaps.len() + 1));
        assert!((now + 3000..=now + 61_000).contains(&when) && appeared, "{name}: {when}, from {now}");
    }
}

#[test]
fn a_reader_does_not_double_the_wait_and_ends_it_with_its_close() {
    let mut s = recording();
    s.closed(file(), at(0)).unwrap();
    s.opened(&file(), at(1000));
    assert_eq!(finished(&mut Settling { files: s.files.clone(), ..settling() }, |_| size(5)).0, 61_250);
    s.closed_unwritten(&file(), at(2000));
    assert_eq!(finished(&mut s, |_| size(5)).0, 5250);
    let mut s = recording();
    s.opened(&file(), at(1000));
    s.closed_unwritten(&file(), at(2000));
    assert!(finished(&mut s, |_| size(5)).0 >= 3_600_000, "the writer still has it");
}

#[test]
fn one_of_two_writers_may_close_it() {
    let mut s = recording();
    s.opened(&file(), at(6000));
    s.closed(file(), at(7000)).unwrap();
    let (when, _) = finished(&mut s, |now| size(if now < at(30_000) { now.as_micros() } else { 8 }));
    assert!(when >= 90_000, "{when}");
    let mut s = recording();
    s.opened(&file(), at(6000));
    s.closed(file(), at(7000)).unwrap();
    s.closed(file(), at(20_000)).unwrap();
    assert_eq!(finished(&mut s, |_| size(8)).0, 26_250);
}

#[test]
fn a_file_that_appears_by_a_link_is_finished_when_it_is_the_same_once() {
    let mut s = settling();
    s.made(file(), at(0)).unwrap();
    assert_eq!(finished(&mut s, |_| size(5)), (3250, true));
    // Its other name is still written by: nobody will tell of a close.
    s.made(file(), at(0)).unwrap();
    let (when, _) = finished(&mut s, |now| size(1 + now.0.as_secs().min(10)));
    assert!((20_000..70_000).contains(&when), "{when}");
    // A reader came at once, and was taken for its writer until it closed.
    s.made(file(), at(0)).unwrap();
    s.opened(&file(), at(100));
    s.closed_unwritten(&file(), at(200));
    assert_eq!(finished(&mut s, |_| size(5)).0, 60_450);
}

#[test]
fn a_file_keeps_its_writer_under_another_name() {
    let (old, new) = (file(), PathBuf::from("/m/b.mov"));
    let mut s = settling();
    s.closed(old.clone(), at(0)).unwrap();
    s.moved(Some(&old), new.clone(), at(100)).unwrap();
    assert_eq!(s.due(10, at(350)), std::slice::from_ref(&new), "only the last name is looked at");
    assert_eq!(s.looked(&new, size(5), at(350)), Verdict::Wait);
    assert_eq!(finished(&mut s, |_| size(5)).0, 3350);
    let mut s = recording();
    s.moved(Some(&old), new.clone(), at(1000)).unwrap();
    assert!(finished(&mut s, |_| size(5)).0 >= 3_600_000, "still open");
    s.moved(None, new.clone(), at(0)).unwrap();
    assert_eq!(finished(&mut s, |_| size(5)), (3250, true), "moved in from elsewhere");
    s.moved(None, new.clone(), at(0)).unwrap();
    assert!(finished(&mut s, |now| size(1 + now.0.as_secs().min(3))).0 >= 3_600_000, "and open");
}

#[test]
fn what_a_walk_finds_waits_by_its_date() {
    let of = |sight| {
        let mut s = settling();
        match seen(&mut s, sight) {
            Verdict::Finished(appeared) => (0, appeared),
            Verdict::Wait => {
                let (when, appeared) = finished(&mut s, |_| size(5));
                (when - 100_000, appeared)
            }
            Verdict::Forgotten => panic!(),
        }
    };
    let age = |seconds| Some(Duration::from_secs(seconds));
    let plain = Sight::default();
    assert_eq!(of(Sight { age: age(30), ..plain }), (0, false));
    assert_eq!(of(Sight { age: age(29), ..plain }), (1000, false));
    assert_eq!(of(Sight { age: age(9), ..plain }), (21_000, false));
    assert_eq!(of(plain), (30_000, false), "a card without dates");
    assert_eq!(of(Sight { appeared: true, ..plain }), (30_000, true));
    assert_eq!(of(Sight { age: age(60), appeared: true, ..plain }), (0, true));
    let elsewhere = Sight { elsewhere: true, ..plain };
    assert_eq!(of(elsewhere), (30_000, false));
    assert_eq!(of(Sight { age: age(4 * 3600), ..elsewhere }), (30_000, false), "another machine's clock");
    assert_eq!(of(Sight { age: age(24 * 3600), ..elsewhere }), (0, false));
}

#[test]
fn a_file_from_before_the_watch_that_changes_is_open_until_its_close() {
    let mut s = settling();
    seen(&mut s, Sight { age: Some(AGE), ..Sight::default() });
    let mut n = 5;
    for _ in 0..3 {
        let now = s.deadline().unwrap();
        let due = s.due(1, now);
        n += 1;
        assert_eq!(s.looked(&due[0], size(n), now), Verdict::Wait);
    }
    assert!(s.deadline().unwrap() > at(900_000), "its close will be told");
    s.closed(file(), at(500_000)).unwrap();
    assert_eq!(finished(&mut s, |_| size(5)).0, 503_250);
    // Elsewhere it won't be.
    seen(&mut s, Sight { elsewhere: true, ..Sight::default() });
    let (when, _) = finished(&mut s, |now| size(now.0.as_secs().min(140)));
    assert!((200_000..220_000).contains(&when), "{when}");
}

#[test]
fn a_new_date_is_no_new_byte() {
    let mut s = settling();
    seen(&mut s, Sight::default());
    s.touched(file(), at(101_000)).unwrap();
    assert_eq!(finished(&mut s, |_| size(6)).0, 131_250, "the writer may still be there");
    s.touched(file(), at(0)).unwrap();
    assert_eq!(finished(&mut s, |_| size(6)), (3250, false), "a look at one that was finished");
}

#[test]
fn an_empty_file_is_forgotten_until_something_happens_to_it() {
    let mut s = settling();
    s.closed(file(), at(0)).unwrap();
    let due = s.due(1, at(250));
    assert_eq!(s.looked(&due[0], size(0), at(250)), Verdict::Forgotten);
    assert!(!s.holds(&file()));
}

#[test]
fn a_file_that_vanished_is_forgotten() {
    let mut s = recording();
    let due = s.due(1, at(3000));
    assert_eq!(s.looked(&due[0], None, at(3000)), Verdict::Forgotten);
    s.closed(file(), at(0)).unwrap();
    let due = s.due(1, at(250));
    s.forget(&file());
    assert_eq!(s.looked(&due[0], size(5), at(250)), Verdict::Forgotten);
    assert_eq!(s.room(), 2);
}

#[test]
fn with_a_card_goes_what_waited_on_it() {
    let mut s = recording();
    s.closed("/n/b.mov".into(), at(0)).unwrap();
    s.forget_beneath(Path::new("/m"));
    assert_eq!((s.holds(&file()), s.room()), (false, 1));
    // Another card at the same place begins anew, and does not wait for the writer of the first.
    assert_eq!(seen(&mut s, Sight { age: Some(OLD), ..Sight::default() }), Verdict::Finished(false));
}

#[test]
fn what_happens_during_a_look_counts() {
    let mut s = settling();
    s.closed(file(), at(0)).unwrap();
    s.due(1, at(250));
    s.opened(&file(), at(260));
    assert_eq!(s.looked(&file(), size(5), at(270)), Verdict::Wait);
    assert_eq!(s.deadline(), Some(at(510)));
}

#[test]
fn after_a_doubt_an_open_file_is_one_that_somebody_may_have_open() {
    let mut s = recording();
    s.doubt(at(1000));
    assert_eq!(finished(&mut s, |_| size(5)), (61_250, true));
}

#[test]
fn seeing_a_file_again_does_not_start_its_wait_anew() {
    let mut s = settling();
    seen(&mut s, Sight::default());
    s.seen(file(), size(5).unwrap(), Sight::default(), at(110_000)).unwrap();
    assert_eq!(finished(&mut s, |_| size(5)).0, 130_000);
}

#[test]
fn a_long_settle_time_is_a_long_silence() {
    let s = |seconds| Settling::new(Duration::from_secs(seconds), 2).silence().as_secs();
    assert_eq!([s(1), s(3), s(10), s(600)], [20, 60, 60, 600]);
}

#[test]
fn the_number_of_files_is_bounded() {
    let mut s = settling();
    s.closed("/m/1".into(), at(0)).unwrap();
    s.closed("/m/2".into(), at(0)).unwrap();
    assert_eq!(s.closed("/m/3".into(), at(0)), Err(NoRoom));
    assert_eq!(s.made("/m/3".into(), at(0)), Err(NoRoom));
    assert_eq!(s.moved(None, "/m/3".into(), at(0)), Err(NoRoom));
    assert_eq!(s.touched("/m/3".into(), at(0)), Err(NoRoom));
    assert_eq!(s.seen("/m/3".into(), size(1).unwrap(), Sight::default(), at(0)), Err(NoRoom));
    s.made("/m/1".into(), at(10)).unwrap();
    s.moved(Some(Path::new("/m/1")), "/m/4".into(), at(10)).unwrap();
    assert_eq!(s.room(), 0);
    assert_eq!(s.due(1, at(99_999_999)).len(), 1);
}
