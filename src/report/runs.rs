//! What a table or report is made of: runs, their point in the matrix, their metrics, their outcome.

use std::fmt;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::metric::{Direction, MetricRow, best};

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
    /// its images became nearly all the same ([`super::collapse`])
    Collapsed {
        /// from this checkpoint on
        epoch: u64,
    },
}

impl Ending {
    /// Whether training came to its end, so that the last checkpoint is the one asked for.
    pub const fn has_last(self) -> bool {
        !matches!(self, Self::Diverged { .. })
    }

    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Diverged { .. } => "diverged",
            Self::Collapsed { .. } => "collapsed",
        }
    }

    /// When it went wrong.
    pub const fn epoch(self) -> Option<u64> {
        match self {
            Self::Ok => None,
            Self::Diverged { epoch } | Self::Collapsed { epoch } => Some(epoch),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self.epoch() {
            Some(epoch) => write!(f, " @ epoch {epoch}"),
            None => Ok(()),
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
    /// the settings (`with`, defaults filled in) of the model that was measured; of real images none
    pub settings: Option<Arc<Value>>,
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

    /// The setting at a dotted path below `with`: `batch_size`, `lr.generator`. A map whose values are all equal stands
    /// for that value: `lr` where all networks learn at one rate.
    pub fn setting(&self, name: &str) -> Option<Value> {
        let settings = self.settings.as_deref()?;
        let found = name
            .split('.')
            .try_fold(settings, |value, part| value.as_object()?.get(part))?;
        shown(found)
    }

    /// The names of all settings that [`Run::setting`] finds, in their order; no lists of maps (layers).
    pub fn settings(&self) -> Vec<String> {
        let mut names = Vec::new();
        if let Some(Value::Object(map)) = self.settings.as_deref() {
            collect("", map, &mut names);
        }
        names
    }

    /// The value of an axis, of a setting, or of `stage`: what runs may be grouped by.
    pub fn facet(&self, name: &str) -> Option<Value> {
        if name == STAGE {
            return Some(self.stage.clone().into());
        }
        let axis = name.strip_prefix(AXIS_MARK).unwrap_or(name);
        let axis = self.axes.get(axis).filter(|value| !value.is_null());
        axis.cloned().or_else(|| self.setting(name))
    }

    /// The row that counts of the rows of `metric`: of the last checkpoint (none of a run that diverged), or of the
    /// best.
    pub fn pick(&self, metric: &str, pick: Pick) -> Option<&MetricRow> {
        let rows = self.rows.iter().filter(|row| row.metric == metric);
        let ranked = rows.clone().any(|row| row.direction != Direction::Neither);
        match pick {
            // Of what is not ranked no checkpoint is the best.
            Pick::Best if !ranked => rows.max_by_key(|row| row.epoch),
            Pick::Last if !self.ending.has_last() => None,
            Pick::Last => rows.max_by_key(|row| row.epoch),
            Pick::Best => best(rows),
        }
    }
}

/// The name of the stage where axes are named.
pub const STAGE: &str = "stage";

/// Before the name of an axis where a column of tables has the same.
pub const AXIS_MARK: &str = "axis:";

/// Which value of a run counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pick {
    /// at the last checkpoint
    #[default]
    Last,
    /// at the checkpoint where the metric is best
    Best,
}

impl Pick {
    /// `last` or `best`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Best => "best",
        }
    }
}

/// A setting as a table shows it; none of what is too large for one.
fn shown(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(map) => {
            let mut values = map.values().filter_map(shown);
            let first = values.next()?;
            if values.all(|value| value == first) {
                return Some(first);
            }
            let parts = map
                .iter()
                .filter_map(|(name, value)| Some(format!("{name}: {}", text(&shown(value)?))));
            Some(parts.collect::<Vec<_>>().join(", ").into())
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => None,
        Value::Array(_) => Some(value.to_string().into()),
        plain => Some(plain.clone()),
    }
}

fn collect(prefix: &str, map: &Map<String, Value>, names: &mut Vec<String>) {
    for (name, value) in map {
        let name = format!("{prefix}{name}");
        match value {
            Value::Object(inner) => {
                names.push(name.clone());
                collect(&format!("{name}."), inner, names);
            }
            value if shown(value).is_some() => names.push(name),
            _ => {}
        }
    }
}

/// The metrics of `runs`, in order of first appearance.
pub fn metrics_of(runs: &[Run]) -> Vec<String> {
    let mut names: IndexSet<&str> = IndexSet::new();
    let rows = runs.iter().flat_map(|run| &run.rows);
    names.extend(rows.map(|row| row.metric.as_str()));
    names.into_iter().map(str::to_owned).collect()
}

/// The axes of all `runs`, in order of first appearance.
pub fn axes_of(runs: &[Run]) -> Vec<String> {
    let axes: IndexSet<&String> = runs.iter().flat_map(|run| run.axes.keys()).collect();
    axes.into_iter().cloned().collect()
}

/// A value as it stands in a table: strings bare, everything else as JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How several runs ended: `ok`, `diverged @ epoch 37`, or `1 of 3 diverged @ epoch 37, 1 of 3 collapsed @ epoch 20`.
pub fn outcome<'a>(runs: impl IntoIterator<Item = &'a Run>) -> String {
    let mut all = 0;
    let mut faults: IndexMap<&'static str, Vec<u64>> = IndexMap::new();
    for run in runs {
        all += 1;
        if let Some(epoch) = run.ending.epoch() {
            faults.entry(run.ending.word()).or_default().push(epoch);
        }
    }
    // Divergence first, whichever run is listed first.
    faults.sort_by(|a, _, b, _| b.cmp(a));
    let said = faults.into_iter().map(|(word, mut epochs)| {
        epochs.sort_unstable();
        let listed: Vec<String> = epochs.iter().map(u64::to_string).collect();
        let share = if epochs.len() == all {
            String::new()
        } else {
            format!("{} of {all} ", epochs.len())
        };
        format!("{share}{word} @ epoch {}", listed.join(", "))
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() {
        return Ending::Ok.to_string();
    }
    said.join(", ")
}
