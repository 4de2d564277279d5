//! Nodes as people name them: `gan`, `gan[loss=bce]`, `gan[loss=bce,seed=0]`.

use super::Plan;
use crate::spec::reference::Selection;
use crate::stage::context::plain;
use crate::suggest;

/// A name that fits no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownStage {
    /// what is wrong, and what was perhaps meant
    pub message: String,
}

impl UnknownStage {
    fn new(message: String, help: Option<String>) -> Self {
        let message = match help {
            Some(help) => format!("{message}: {help}"),
            None => message,
        };
        Self { message }
    }
}

impl Plan {
    /// The nodes that `selector` names, in matrix order. Axes it does not name may have any value.
    pub fn find(&self, selector: &str) -> Result<Vec<usize>, UnknownStage> {
        let selection = Selection::parse(selector)
            .map_err(|error| UnknownStage::new(error.to_string(), None))?;
        let name = &selection.stage;
        let Some(ids) = self.stages.get(name) else {
            let help = suggest::help(name, self.stages.keys().map(String::as_str));
            return Err(UnknownStage::new(format!("unknown stage `{name}`"), help));
        };
        let axes = ids.first().map(|id| &self.nodes[*id].name.axes);
        let mut found = ids.clone();
        for (axis, wanted) in &selection.fixed {
            if !axes.is_some_and(|axes| axes.contains_key(axis)) {
                let known = axes.into_iter().flat_map(|axes| axes.keys());
                let help = suggest::help(axis, known.map(String::as_str));
                return Err(UnknownStage::new(
                    format!("`{name}` has no axis `{axis}`"),
                    help,
                ));
            }
            let value = |id: &usize| plain(&self.nodes[*id].name.axes[axis]);
            found.retain(|id| value(id) == *wanted);
            if found.is_empty() {
                let mut known: Vec<String> = ids.iter().map(value).collect();
                known.sort();
                known.dedup();
                let help = suggest::help(wanted, known.iter().map(String::as_str));
                let message = format!("no such node of `{name}` with {axis}={wanted}");
                return Err(UnknownStage::new(message, help));
            }
        }
        Ok(found)
    }
}
