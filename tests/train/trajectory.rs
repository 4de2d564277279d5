//! The rule of trajectories, on numbers alone.

use std::collections::{BTreeMap, BTreeSet};

use retake::train::trajectory::{Kept, Segment, checkpoints, route, superseded};

const FULL: Kept = Kept {
    model: true,
    state: true,
};
const MODEL: Kept = Kept {
    model: true,
    state: false,
};
const HISTORY: Kept = Kept {
    model: false,
    state: false,
};

fn segments(epochs: u64, every: u64, kept: &[(u64, Kept)]) -> Vec<(u64, u64)> {
    let kept: BTreeMap<u64, Kept> = kept.iter().copied().collect();
    let route = route(epochs, &checkpoints(epochs, every), &kept);
    route
        .into_iter()
        .map(|Segment { from, to }| (from, to))
        .collect()
}

#[test]
fn checkpoints_are_the_multiples_and_the_last_epoch() {
    assert_eq!(checkpoints(10, 4), BTreeSet::from([4, 8, 10]));
    assert_eq!(checkpoints(8, 4), BTreeSet::from([4, 8]));
    assert_eq!(checkpoints(3, 5), BTreeSet::from([3]));
}

#[test]
fn nothing_kept_means_training_from_the_start() {
    assert_eq!(segments(5, 2, &[]), [(0, 5)]);
}

#[test]
fn a_longer_run_continues_from_the_last_state() {
    assert_eq!(
        segments(5, 1, &[(1, MODEL), (2, FULL), (3, FULL)]),
        [(3, 5)]
    );
}

#[test]
fn a_shorter_run_trains_nothing() {
    assert_eq!(segments(2, 1, &[(1, MODEL), (2, MODEL), (3, FULL)]), []);
}

#[test]
fn a_finer_grid_trains_only_up_to_what_it_lacks() {
    let kept = [
        (1, HISTORY),
        (2, HISTORY),
        (3, HISTORY),
        (4, FULL),
        (5, HISTORY),
        (6, FULL),
    ];
    assert_eq!(segments(6, 2, &kept), [(0, 2)]);
    assert_eq!(segments(6, 5, &kept), [(4, 5)]);
    assert_eq!(segments(6, 1, &kept), [(0, 3), (4, 5)]);
}

#[test]
fn a_lost_history_is_trained_again() {
    assert_eq!(segments(4, 1, &[(1, FULL), (3, FULL), (4, FULL)]), [(1, 2)]);
}

#[test]
fn the_last_two_states_and_those_of_requested_lengths_are_kept() {
    let states = BTreeSet::from([1, 2, 3, 4, 5, 9]);
    assert_eq!(superseded(&states, 5, &BTreeSet::from([2])), [1, 3]);
    assert_eq!(superseded(&states, 1, &BTreeSet::new()), Vec::<u64>::new());
}
