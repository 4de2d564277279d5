//! What a table or report is made of: runs, their point in the matrix, their metrics, their outcome.

use std::fmt;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use crate::metric::MetricRow;

/// How a run ended, as tables say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// as asked
    #[default]
    Ok,
    /// a loss became NaN or infinite
    Diverged {
        /// in this epoch
        epoch: u64,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Diverged { epoch } => write!(f, "diverged @ epoch {epoch}"),
        }
    }
}

/// One node with what was measured of it.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// the stage's name
    pub stage: String,
    /// its point in the matrix, in declared order
    pub axes: IndexMap<String, Value>,
    /// how it ended
    pub ending: Ending,
    /// every metric of every checkpoint
    pub rows: Vec<MetricRow>,
}

impl Run {
    /// `stage[axis=value,…]` without the axes that `skip` names.
    pub fn name_without(&self, skip: &[&str]) -> String {
        let axes: Vec<String> = self
            .axes
            .iter()
            .filter(|(axis, _)| !skip.contains(&axis.as_str()))
            .map(|(axis, value)| format!("{axis}={}", text(value)))
            .collect();
        match axes.as_slice() {
            [] => self.stage.clone(),
            axes => format!("{}[{}]", self.stage, axes.join(",")),
        }
    }

    /// `stage[axis=value,…]`.
    pub fn name(&self) -> String {
        self.name_without(&[])
    }
}

/// The axes of all `runs`, in order of first appearance.
pub fn axes_of(runs: &[Run]) -> Vec<String> {
    let mut axes: Vec<String> = Vec::new();
    for axis in runs.iter().flat_map(|run| run.axes.keys()) {
        if !axes.contains(axis) {
            axes.push(axis.clone());
        }
    }
    axes
}

/// A value as it stands in a table: strings bare, everything else as JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
