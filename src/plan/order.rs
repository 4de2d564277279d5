//! The graph of stages: which to expand first, and cycles.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// Stages in an order in which inputs come first (ties by name), and the cycles among the rest.
pub struct Order {
    /// indices of stages; those in or behind a cycle come last
    pub stages: Vec<usize>,
    /// each closed: the first stage is also the last
    pub cycles: Vec<Vec<usize>>,
}

/// Orders stages; `needs[stage]` are the stages that its inputs come from.
pub fn order(names: &[&str], needs: &[BTreeSet<usize>]) -> Order {
    let mut feeds: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    let mut open: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    for (stage, sources) in needs.iter().enumerate() {
        for source in sources {
            feeds[*source].push(stage);
        }
    }
    let entry = |stage: usize| Reverse((names[stage], stage));
    let mut ready: BinaryHeap<_> = (0..names.len())
        .filter(|s| open[*s] == 0)
        .map(entry)
        .collect();
    let mut stages = Vec::with_capacity(names.len());
    while let Some(Reverse((_, stage))) = ready.pop() {
        stages.push(stage);
        for next in &feeds[stage] {
            open[*next] -= 1;
            if open[*next] == 0 {
                ready.push(entry(*next));
            }
        }
    }
    let mut cycles = Vec::new();
    if stages.len() < names.len() {
        cycles = find_cycles(needs);
        stages.extend((0..names.len()).filter(|stage| open[*stage] > 0));
    }
    Order { stages, cycles }
}

/// One shortest cycle through the first stage of every strongly connected component.
fn find_cycles(needs: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    for _ in needs {
        graph.add_node(());
    }
    for (stage, sources) in needs.iter().enumerate() {
        for source in sources {
            graph.add_edge(NodeIndex::new(*source), NodeIndex::new(stage), ());
        }
    }
    let mut cycles: Vec<Vec<usize>> = kosaraju_scc(&graph)
        .into_iter()
        .filter_map(|component| {
            let first = component.iter().min()?.index();
            shortest_cycle(&graph, first)
        })
        .collect();
    cycles.sort();
    cycles
}

/// The shortest way from `start` along its consumers back to it.
fn shortest_cycle(graph: &DiGraph<(), ()>, start: usize) -> Option<Vec<usize>> {
    let start = NodeIndex::new(start);
    let mut from = vec![None; graph.node_count()];
    let mut queue = VecDeque::from([start]);
    while let Some(stage) = queue.pop_front() {
        let mut nexts: Vec<NodeIndex> = graph.neighbors(stage).collect();
        nexts.sort();
        for next in nexts {
            if next == start {
                let mut path = vec![start.index(), stage.index()];
                let mut at = stage;
                while at != start {
                    at = from[at.index()]?;
                    path.push(at.index());
                }
                path.reverse();
                return Some(path);
            }
            if from[next.index()].is_none() {
                from[next.index()] = Some(stage);
                queue.push_back(next);
            }
        }
    }
    None
}
