//! A few things in order.
//!
//! # Decisions
//! - Not `sort`, and not `collect` into a set, which sorts: each brings four kilobytes of code for each type, made for
//!   many. Here is what it takes for a few.
use std::collections::BTreeSet;

/// A set, each put in by itself.
pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

/// Puts a few in order; those with the same key stay as they are. The time grows with the square of their number.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && key(&items[at - 1]) > key(&items[at]) {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::Jitter;

    #[test]
    fn they_are_in_the_order_that_sorting_gives() {
        let mut dice = Jitter::new(3);
        for length in 0..40 {
            let mut ours: Vec<(u32, usize)> = (0..length).map(|n| ((dice.unit() * 9.0) as u32, n)).collect();
            let mut theirs = ours.clone();
            sort_by_key(&mut ours, |(key, _)| *key);
            theirs.sort_by_key(|(key, _)| *key);
            assert_eq!(ours, theirs);
            assert_eq!(set(ours.clone()), ours.into_iter().collect());
        }
    }
}
