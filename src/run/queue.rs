//! Which node starts next: of those that are ready, the one expected to take longest.
//!
//! Longest first keeps the end of a run short (Graham, *Bounds on multiprocessing timing anomalies*, 1969: at most 4/3 of
//! the best there is). What was never timed comes first: it may be long. Of one trajectory, one node at a time, the
//! farthest first: the others then find their checkpoints. A node that needs more of the machine than is free is passed
//! over, but not for ever.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::slots::Pool;
use crate::hash::Digest;
use crate::stage::Slots;

/// So many others may start before a node that was first in line and did not fit; then everything waits for it.
const PATIENCE: usize = 32;

/// The first in this order starts first: longest expected duration, then order of the plan.
type Rank = (Reverse<u64>, usize);

/// A node that is ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// its place in the plan
    pub(super) id: usize,
    /// what it continues, or others continue
    pub(super) trajectory: Digest,
    /// how far along that it goes
    pub(super) reach: u64,
    /// what it is expected to take, in milliseconds; `u64::MAX` when nothing is known
    pub(super) expected: u64,
    /// what of the machine it occupies
    pub(super) slots: Slots,
}

impl Waiting {
    fn rank(&self) -> Rank {
        (Reverse(self.expected), self.id)
    }
}

/// The nodes that are ready.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// slots → nodes that may start, by rank; few distinct ones, many nodes
    lines: HashMap<Slots, BTreeSet<Rank>>,
    nodes: HashMap<usize, Waiting>,
    /// trajectory → its nodes, the farthest first; the first is in a line unless the trajectory is busy
    trajectories: HashMap<Digest, BTreeSet<(Reverse<u64>, usize)>>,
    busy: BTreeSet<Digest>,
    /// the node that was first in line and did not fit, and how many have started since
    passed: Option<(usize, usize)>,
}

impl Queue {
    /// Adds a node.
    pub(super) fn add(&mut self, node: Waiting) {
        self.step_back(&node.trajectory);
        self.nodes.insert(node.id, node);
        let group = self.trajectories.entry(node.trajectory).or_default();
        group.insert((Reverse(node.reach), node.id));
        self.step_forward(&node.trajectory);
    }

    /// Takes the node that starts next, and its slots out of `pool`; none when nothing fits.
    pub(super) fn next(&mut self, pool: &mut Pool) -> Option<(usize, Slots)> {
        let mut heads: Vec<(Rank, Slots)> = self
            .lines
            .iter()
            .filter_map(|(slots, line)| Some((*line.first()?, *slots)))
            .collect();
        heads.sort_unstable_by_key(|(rank, _)| *rank);
        let mut patient = true;
        for (position, ((_, id), wish)) in heads.into_iter().enumerate() {
            let Some(slots) = patient.then(|| pool.take(wish)).flatten() else {
                if position == 0 {
                    patient = self.pass(id);
                }
                continue;
            };
            if position == 0 {
                self.passed = None;
            } else if let Some((_, times)) = &mut self.passed {
                *times += 1;
            }
            self.start(id);
            return Some((id, slots));
        }
        None
    }

    /// Notes that the first in line does not fit; whether others may start instead.
    fn pass(&mut self, id: usize) -> bool {
        let times = match self.passed {
            Some((passed, times)) if passed == id => times,
            _ => 0,
        };
        self.passed = Some((id, times));
        times < PATIENCE
    }

    /// Notes that nothing of a trajectory is at work any more.
    pub(super) fn ended(&mut self, trajectory: &Digest) {
        self.busy.remove(trajectory);
        self.step_forward(trajectory);
    }

    fn start(&mut self, id: usize) {
        let Some(node) = self.nodes.get(&id).copied() else {
            return;
        };
        self.step_back(&node.trajectory);
        self.nodes.remove(&id);
        if let Some(group) = self.trajectories.get_mut(&node.trajectory) {
            group.remove(&(Reverse(node.reach), id));
            if group.is_empty() {
                self.trajectories.remove(&node.trajectory);
            }
        }
        self.busy.insert(node.trajectory);
    }

    /// Takes the first of a trajectory out of its line.
    fn step_back(&mut self, trajectory: &Digest) {
        if let Some(node) = self.first(trajectory)
            && let Some(line) = self.lines.get_mut(&node.slots)
        {
            line.remove(&node.rank());
        }
    }

    /// Puts the first of a trajectory that is not busy in its line.
    fn step_forward(&mut self, trajectory: &Digest) {
        if self.busy.contains(trajectory) {
            return;
        }
        if let Some(node) = self.first(trajectory) {
            self.lines
                .entry(node.slots)
                .or_default()
                .insert(node.rank());
        }
    }

    fn first(&self, trajectory: &Digest) -> Option<Waiting> {
        let (_, id) = self.trajectories.get(trajectory)?.first()?;
        self.nodes.get(id).copied()
    }
}
