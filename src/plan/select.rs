//! Nodes as people name them: `gan`, `gan[loss=bce]`, `gan[loss=bce,seed=0]`.

use super::Plan;

/// A name that fits no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownStage {
    /// what is wrong, and what was perhaps meant
    pub message: String,
}

impl Plan {
    /// The nodes that `selector` names, in plan order.
    pub fn find(&self, selector: &str) -> Result<Vec<usize>, UnknownStage> {
        self.stages
            .get(selector)
            .cloned()
            .ok_or_else(|| UnknownStage {
                message: format!("unknown stage `{selector}`"),
            })
    }
}
