//! The nodes that a report shows, by name.

use indexmap::IndexMap;

use crate::report::quote::Names;
use crate::report::runs::Ending;
use crate::report::summary::SEED;
use crate::stage::context::plain;
use crate::stage::{NodeName, ShownNode, Status};

/// Everything upstream, in plan order.
pub struct Upstream<'a> {
    nodes: IndexMap<String, &'a ShownNode>,
}

impl<'a> Upstream<'a> {
    pub fn new(shown: &'a [ShownNode]) -> Self {
        Self {
            nodes: shown.iter().map(|node| (name(node), node)).collect(),
        }
    }

    pub fn get(&self, name: &str) -> Option<&'a ShownNode> {
        self.nodes.get(name).copied()
    }

    /// The place of a node in the plan.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.nodes.get_index_of(name)
    }

    /// The node that a result is about: the model that an evaluation measured or a grid was drawn by; of
    /// anything else the node itself.
    pub fn subject(&self, node: &'a ShownNode) -> &'a ShownNode {
        let model = node.inputs.get("model").and_then(|nodes| nodes.first());
        match model.and_then(|model| self.get(model)) {
            Some(model) if node.kind != "train" => model,
            _ => node,
        }
    }

    /// How the node ended; of an evaluation or a grid, how its model did.
    pub fn ending(&self, node: &'a ShownNode) -> Ending {
        match self.subject(node).status {
            Status::Ok => Ending::Ok,
            Status::Diverged { epoch, .. } => Ending::Diverged { epoch },
        }
    }
}

/// `stage[axis=value,…]`.
pub fn name(node: &ShownNode) -> String {
    NodeName {
        stage: node.stage.clone(),
        axes: node.axes.clone(),
    }
    .to_string()
}

/// `stage[axis=value,…]` without the seed.
pub fn seedless(node: &ShownNode) -> String {
    let mut axes = node.axes.clone();
    axes.shift_remove(SEED);
    NodeName {
        stage: node.stage.clone(),
        axes,
    }
    .to_string()
}

/// What `node` may be called in prose.
pub fn names(node: &ShownNode) -> Names {
    let axes = node.axes.iter().filter(|(axis, _)| *axis != SEED);
    let values = axes.map(|(_, value)| plain(value));
    Names {
        node: name(node),
        group: seedless(node),
        parts: [node.stage.clone()].into_iter().chain(values).collect(),
    }
}
