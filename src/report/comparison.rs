//! Figures that others have reported, beside those of the runs.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::history::History;
use super::number::{mean_sd, significant, statistics};
use super::runs::text;
use super::summary::{Summary, SummaryColumn, SummaryRow};

/// What others have reported of experiments that the runs repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// the axis whose values name the experiments; `row` if not given
    #[serde(default = "row")]
    pub axis: String,
    /// who has reported it, and on which data
    pub source: String,
    /// on which data the runs were made
    pub here: String,
    /// value of the axis → what was reported of it, as text
    pub rows: BTreeMap<String, String>,
    /// figures of the runs' histories that answer what was reported
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryFigure>,
}

fn row() -> String {
    "row".to_owned()
}

/// One number of a run's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryFigure {
    /// the history's column
    pub column: String,
    /// which of its values
    pub pick: HistoryPick,
}

/// Which value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryPick {
    /// the largest
    Max,
    /// the smallest
    Min,
    /// the mean
    Mean,
    /// the last
    Last,
}

/// A trained run: its point in the matrix, and its history.
#[derive(Debug, Clone)]
pub struct Trained {
    /// the stage's name
    pub stage: String,
    /// its point in the matrix
    pub axes: IndexMap<String, Value>,
    /// figures by step
    pub history: History,
}

/// The table: a row an experiment, with the summary's cells of every group of runs that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// heading of the experiments' names
    pub axis: String,
    /// see [`Reported`]
    pub source: String,
    /// see [`Reported`]
    pub here: String,
    /// the summary's columns that any row has a value in
    pub columns: Vec<SummaryColumn>,
    /// the columns after those
    pub history: Vec<HistoryFigure>,
    /// by name
    pub rows: Vec<ComparedRow>,
}

/// One experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComparedRow {
    /// its name
    pub name: String,
    /// what was reported
    pub reported: String,
    /// the runs' stage, with the values of their other axes
    pub stage: String,
    /// how many runs
    pub runs: usize,
    /// `12.35 ± 0.50`, `–` without a value; in the order of the columns
    pub cells: Vec<String>,
    /// the same of histories
    pub history: Vec<String>,
}

/// What was reported beside what the runs gave; experiments without runs have a row too.
pub fn compare(reported: &Reported, summary: Option<&Summary>, trained: &[Trained]) -> Comparison {
    let empty = Summary::default();
    let summary = summary.unwrap_or(&empty);
    let position = summary
        .labels
        .iter()
        .position(|label| *label == reported.axis);
    let members = |name: &str| -> Vec<&SummaryRow> {
        let is_member =
            |row: &&SummaryRow| position.is_some_and(|position| row.labels[position] == name);
        summary.rows.iter().filter(is_member).collect()
    };
    let shown: Vec<usize> = (0..summary.columns.len())
        .filter(|column| {
            let names = reported.rows.keys();
            names
                .flat_map(|name| members(name))
                .any(|row| row.cells[*column].text != NOTHING)
        })
        .collect();
    let mut rows = Vec::new();
    for (name, text) in &reported.rows {
        let before = rows.len();
        let nodes: Vec<&Trained> = trained
            .iter()
            .filter(|node| node.is_at(&reported.axis, name))
            .collect();
        let figures = reported.history.iter();
        let history: Vec<String> = figures.map(|figure| figure.of(&nodes)).collect();
        rows.extend(members(name).into_iter().map(|row| {
            ComparedRow {
                name: name.clone(),
                reported: text.clone(),
                stage: row.name.clone(),
                runs: row.runs,
                cells: shown
                    .iter()
                    .map(|column| row.cells[*column].text.clone())
                    .collect(),
                history: history.clone(),
            }
        }));
        if rows.len() == before {
            rows.push(ComparedRow {
                name: name.clone(),
                reported: text.clone(),
                stage: nodes
                    .first()
                    .map_or(NOTHING.to_owned(), |node| node.stage.clone()),
                runs: nodes.len(),
                cells: shown.iter().map(|_| NOTHING.to_owned()).collect(),
                history,
            });
        }
    }
    Comparison {
        axis: reported.axis.clone(),
        source: reported.source.clone(),
        here: reported.here.clone(),
        columns: shown
            .iter()
            .map(|column| summary.columns[*column].clone())
            .collect(),
        history: reported.history.clone(),
        rows,
    }
}

impl Trained {
    fn is_at(&self, axis: &str, value: &str) -> bool {
        self.axes.get(axis).is_some_and(|own| text(own) == value)
    }
}

impl HistoryFigure {
    /// The mean and standard deviation over `nodes`; `–` where none has the column.
    fn of(&self, nodes: &[&Trained]) -> String {
        let values: Vec<f64> = nodes
            .iter()
            .filter_map(|node| self.pick.of(node.history.measured(&self.column)))
            .collect();
        let (mean, sd) = statistics(&values);
        match values.as_slice() {
            [] => NOTHING.to_owned(),
            [value] => significant(*value),
            _ => mean_sd(mean, sd),
        }
    }
}

impl HistoryPick {
    fn of(self, values: impl Iterator<Item = f64>) -> Option<f64> {
        match self {
            Self::Max => values.reduce(f64::max),
            Self::Min => values.reduce(f64::min),
            Self::Last => values.last(),
            Self::Mean => {
                let values: Vec<f64> = values.collect();
                (!values.is_empty()).then(|| statistics(&values).0)
            }
        }
    }
}

/// What the summary shows where it has no value.
const NOTHING: &str = "–";
