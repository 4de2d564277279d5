//! Which parts of a training run exist, which are asked for, and what must be trained to close the gap.
//!
//! A *trajectory* is a training run whatever its length. What is kept of it is kept by epoch: the
//! history of that epoch, at a checkpoint the model, and at some checkpoints the full resume state. One rule
//! serves extending a run, shortening it and going on after a kill: train only what is missing, from the
//! latest state before it.

use std::collections::{BTreeMap, BTreeSet};

/// Full states that are kept at the head of a trajectory, besides those of requested lengths.
const STATES_KEPT: usize = 2;

/// The epochs of a run of `epochs` epochs that have a checkpoint: the multiples of `every`, and the last.
/// Epochs count from 1; `every` of 0 counts as 1.
pub fn checkpoints(epochs: u64, every: u64) -> BTreeSet<u64> {
    let multiples = (1..=epochs).filter(|epoch| epoch.is_multiple_of(every.max(1)));
    multiples.chain((epochs > 0).then_some(epochs)).collect()
}

/// What is kept of one epoch; its history always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// the model after it
    pub model: bool,
    /// the full resume state after it
    pub state: bool,
}

/// A stretch of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// the epoch whose state it starts from; 0 is the initial state
    pub from: u64,
    /// its last epoch
    pub to: u64,
}

/// The segments to train so that epochs 1 … `epochs` all have their history, and `wanted` their models.
/// Empty when nothing is missing. Segments start at the latest state before what they are to make.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use retake::train::trajectory::{Kept, Segment, checkpoints, route};
/// let full = Kept { model: true, state: true };
/// let kept = BTreeMap::from([(1, full), (2, full)]);
/// assert_eq!(route(4, &checkpoints(4, 1), &kept), [Segment { from: 2, to: 4 }]);
/// assert_eq!(route(1, &checkpoints(1, 1), &kept), []);
/// ```
pub fn route(epochs: u64, wanted: &BTreeSet<u64>, kept: &BTreeMap<u64, Kept>) -> Vec<Segment> {
    let missing = |epoch: &u64| match kept.get(epoch) {
        None => true,
        Some(kept) => wanted.contains(epoch) && !kept.model,
    };
    let mut segments: Vec<Segment> = Vec::new();
    for epoch in (1..=epochs).filter(missing) {
        let mut states = kept.range(..epoch).filter(|(_, kept)| kept.state);
        let from = states.next_back().map_or(0, |(epoch, _)| *epoch);
        match segments.last_mut() {
            Some(segment) if segment.to >= from => segment.to = epoch,
            _ => segments.push(Segment { from, to: epoch }),
        }
    }
    segments
}

/// The states that may be dropped once there is one of epoch `now`: all before the last two up to `now`,
/// but for those in `lengths` (the final epochs of requested lengths). Later ones belong to a longer run.
pub fn superseded(states: &BTreeSet<u64>, now: u64, lengths: &BTreeSet<u64>) -> Vec<u64> {
    let earlier: Vec<u64> = states.range(..=now).copied().collect();
    let droppable = &earlier[..earlier.len().saturating_sub(STATES_KEPT)];
    droppable
        .iter()
        .copied()
        .filter(|epoch| !lengths.contains(epoch))
        .collect()
}
