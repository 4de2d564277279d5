//! The graph of nodes.

use petgraph::graph::DiGraph;

use super::{Plan, Source};

impl Plan {
    /// The graph of nodes: weights are node ids, edges lead from an input to what needs it.
    pub fn graph(&self) -> DiGraph<usize, ()> {
        let mut graph = DiGraph::with_capacity(self.nodes.len(), self.nodes.len());
        let indices: Vec<_> = (0..self.nodes.len()).map(|id| graph.add_node(id)).collect();
        for node in &self.nodes {
            for id in node.needs() {
                graph.add_edge(indices[id], indices[node.id], ());
            }
        }
        graph
    }

    /// The given nodes and everything they need, in plan order.
    pub fn upstream(&self, ids: &[usize]) -> Vec<usize> {
        let mut wanted = vec![false; self.nodes.len()];
        let mut stack = ids.to_vec();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut wanted[id], true) {
                stack.extend(self.nodes[id].needs());
            }
        }
        (0..self.nodes.len()).filter(|id| wanted[*id]).collect()
    }
}

impl super::Node {
    /// The nodes it takes its inputs from, by input name; one may come up several times.
    pub fn needs(&self) -> impl Iterator<Item = usize> + '_ {
        self.inputs
            .values()
            .flat_map(|source| match source {
                Source::Nodes { nodes, .. } => nodes.as_slice(),
                Source::Files { .. } => &[],
            })
            .copied()
    }
}
