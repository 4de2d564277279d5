//! What the names in conditions, groups and settings are.

use std::collections::HashMap;

use indexmap::IndexSet;
use serde_json::Value;

use crate::metric::MetricRow;
use crate::report::frame::{COLUMNS, Protocols, better, rows_of};
use crate::report::runs::{AXIS_MARK, Run, axes_of, metrics_of, text};
use crate::suggest;

/// What a name is, in the order in which it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// a column that every long table has
    Column(&'a str),
    /// an axis, or a setting of the model
    Facet(&'a str),
    /// a metric, at the row's own checkpoint
    Metric(&'a str),
}

impl<'a> Field<'a> {
    /// What `name` is in the table of `runs`.
    pub fn find(name: &'a str, runs: &[Run]) -> Option<Self> {
        if COLUMNS.contains(&name) {
            return Some(Self::Column(name));
        }
        let axis = name.strip_prefix(AXIS_MARK).unwrap_or(name);
        if runs
            .iter()
            .any(|run| run.axes.contains_key(axis) || run.setting(name).is_some())
        {
            return Some(Self::Facet(name));
        }
        let mut rows = runs.iter().flat_map(|run| &run.rows);
        rows.any(|row| row.metric == name)
            .then_some(Self::Metric(name))
    }

    /// Its values in the rows of `runs` ([`rows_of`]).
    pub fn values(self, runs: &[Run]) -> Vec<Option<Value>> {
        let mut protocols = Protocols::default();
        let mut values = Vec::new();
        for run in runs {
            let rows = rows_of(std::slice::from_ref(run));
            match self {
                Self::Facet(name) => {
                    let value = run.facet(name);
                    values.extend(rows.map(|_| value.clone()));
                }
                Self::Metric(name) => {
                    let mut known: HashMap<Option<u64>, f64> = HashMap::new();
                    for row in run.rows.iter().filter(|row| row.metric == name) {
                        known.entry(row.epoch).or_insert(row.value);
                    }
                    values.extend(rows.map(|(_, row)| number(*known.get(&row?.epoch)?)));
                }
                Self::Column(name) => {
                    values.extend(rows.map(|(_, row)| column(name, run, row, &mut protocols)));
                }
            }
        }
        values
    }
}

/// The value of a column that every long table has.
fn column<'a>(
    name: &str,
    run: &Run,
    row: Option<&'a MetricRow>,
    protocols: &mut Protocols<'a>,
) -> Option<Value> {
    match name {
        "stage" => return Some(run.stage.clone().into()),
        "outcome" => return Some(run.ending.to_string().into()),
        _ => {}
    }
    let row = row?;
    match name {
        "metric" => Some(row.metric.clone().into()),
        "epoch" => row.epoch.map(Value::from),
        "value" => number(row.value),
        "better" => Some(better(row.direction).into()),
        "samples" => Some(row.samples.into()),
        "bias" => row.bias().and_then(number),
        "extractor" => row.extractor.map(|digest| digest.short().into()),
        "reference" => row.reference.map(|digest| digest.short().into()),
        "protocol" => Some(protocols.short(row).into()),
        _ => None,
    }
}

/// A number; none of what JSON cannot hold.
fn number(value: f64) -> Option<Value> {
    serde_json::Number::from_f64(value).map(Value::Number)
}

/// What to say where `name` is nothing in the table of `runs`: a near name, one that ends or begins like it, or what there
/// is. `metrics`: whether it may be one.
pub fn suggestion(name: &str, runs: &[Run], metrics: bool) -> Option<String> {
    let axes = axes_of(runs);
    let settings: IndexSet<String> = runs.iter().flat_map(Run::settings).collect();
    let measured = if metrics {
        metrics_of(runs)
    } else {
        Vec::new()
    };
    let columns: &[&str] = if metrics { &COLUMNS } else { &["stage"] };
    let all: IndexSet<&str> = columns
        .iter()
        .copied()
        .chain(
            axes.iter()
                .chain(&measured)
                .chain(&settings)
                .map(String::as_str),
        )
        .collect();
    if let Some(near) = suggest::nearest(name, all.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let (within, after) = (format!(".{name}"), format!("{name}-"));
    let alike: Vec<&str> = all
        .iter()
        .copied()
        .filter(|known| known.ends_with(&within) || known.starts_with(&after))
        .collect();
    if !alike.is_empty() {
        return Some(format!(
            "there {} {}",
            if alike.len() == 1 { "is" } else { "are" },
            suggest::list(&alike)
        ));
    }
    let listed = |what: &str, names: &[String]| {
        (!names.is_empty()).then(|| format!("{what} {}", suggest::list(names)))
    };
    let top: Vec<String> = settings
        .into_iter()
        .filter(|name| !name.contains('.'))
        .collect();
    let known: Vec<String> = [
        metrics.then(|| format!("columns {}", suggest::list(&COLUMNS))),
        listed("axes", &axes),
        listed("metrics", &measured),
        listed("settings", &top),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!known.is_empty()).then(|| format!("there are {}", known.join("; ")))
}

/// A value as conditions compare it: its text, and its number where it is one.
pub fn both(value: &Value) -> (String, Option<f64>) {
    let text = text(value);
    let number = value.as_f64().or_else(|| text.parse().ok());
    (text, number.filter(|number: &f64| number.is_finite()))
}
