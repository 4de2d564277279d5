//! How long a run is going to take: the schedule, played through with what nodes took before.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::expected::Expected;
use super::queue::{Queue, Waiting};
use super::resolve::Session;
use super::slots::Pool;
use super::survey::{Standing, State};
use crate::hash::Digest;
use crate::stage::Slots;

/// What is known of a run before it begins.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Forecast {
    /// wall time in seconds, of the nodes that something is known of
    pub seconds: f64,
    /// nodes to run of which nothing is known
    pub unknown: usize,
}

/// The forecast of a run of everything among `standings` that is not cached, on a machine with these `slots`. Nodes that
/// perhaps run (an input may come out as it was) count as if they did. `None` when no duration is known.
pub fn forecast(session: &Session<'_>, standings: &[Standing], slots: Slots) -> Option<Forecast> {
    let mut expected = Expected::new(session, super::reasons::last_keys(session));
    let runs = |standing: &&Standing| !matches!(standing.state, State::Cached | State::Blocked);
    let mut seconds: HashMap<usize, f64> = HashMap::new();
    let mut unknown = 0;
    for standing in standings.iter().filter(runs) {
        let known = expected.seconds(standing.id);
        unknown += usize::from(known.is_none());
        seconds.insert(standing.id, known.unwrap_or(0.0));
    }
    if unknown == seconds.len() {
        return None;
    }
    Some(Forecast {
        seconds: play(session, standings, &seconds, slots),
        unknown,
    })
}

/// The time at which the last node ends.
fn play(
    session: &Session<'_>,
    standings: &[Standing],
    seconds: &HashMap<usize, f64>,
    slots: Slots,
) -> f64 {
    let nodes = &session.plan.nodes;
    let mut open: HashMap<usize, usize> = HashMap::new();
    let mut dependents: HashMap<usize, Vec<usize>> = HashMap::new();
    for id in seconds.keys() {
        let needs: HashSet<usize> = nodes[*id]
            .needs()
            .filter(|n| seconds.contains_key(n))
            .collect();
        for need in &needs {
            dependents.entry(*need).or_default().push(*id);
        }
        open.insert(*id, needs.len());
    }
    let mut queue = Queue::default();
    let add = |queue: &mut Queue, id: usize| {
        queue.add(Waiting {
            id,
            // Lengths of one trajectory have one name; until keys are known, a node is a trajectory of its own.
            trajectory: Digest::of_bytes(&id.to_le_bytes()),
            reach: 0,
            expected: (seconds[&id] * 1e3) as u64,
            slots: nodes[id].slots,
        });
    };
    for standing in standings
        .iter()
        .filter(|standing| open.get(&standing.id) == Some(&0))
    {
        add(&mut queue, standing.id);
    }
    let mut pool = Pool::new(slots);
    // Microseconds, which have an order.
    let mut now = 0_u64;
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut held: HashMap<usize, Slots> = HashMap::new();
    loop {
        while let Some((id, slots)) = queue.next(&mut pool) {
            held.insert(id, slots);
            running.push(Reverse((now + (seconds[&id] * 1e6) as u64, id)));
        }
        let Some(Reverse((end, id))) = running.pop() else {
            return now as f64 / 1e6;
        };
        now = end;
        if let Some(slots) = held.remove(&id) {
            pool.give_back(slots);
        }
        for dependent in dependents.remove(&id).unwrap_or_default() {
            if let Some(count) = open.get_mut(&dependent) {
                *count -= 1;
                if *count == 0 {
                    add(&mut queue, dependent);
                }
            }
        }
    }
}
