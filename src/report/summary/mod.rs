//! The summary table: runs grouped over their seeds, mean ± sd, the best in bold.
//!
//! Values are ranked within one protocol only; where a column holds several, each is marked and named below the
//! table. Runs that diverged do not enter the mean of last values, since they have no last epoch.

mod leads;
mod rank;
mod values;

use indexmap::IndexMap;
use serde::Serialize;

pub use self::leads::{Lead, Placed};
pub use self::rank::{Way, leaders, ways};
use self::rank::{mark_best, mark_protocols};
pub(super) use self::values::{Lists, Picked, aggregate};
use super::ReportError;
use super::inference::{Interval, interval};
use super::number::{mean_sd, range, significant, statistics};
pub use super::runs::Pick;
use super::runs::{Ending, Run, axes_of, metrics_of, outcome, text};
use super::table::NOTHING;
use crate::metric::MetricRow;

/// The axis that is averaged over.
pub const SEED: &str = "seed";

/// One column of values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SummaryColumn {
    /// the metric's name
    pub metric: String,
    /// `↓` when less is better, `↑` when more is, nothing when neither
    pub arrow: &'static str,
    /// last or best checkpoint
    pub pick: Pick,
}

impl SummaryColumn {
    /// Whether one run can be better than another in it.
    pub fn is_ranked(&self) -> bool {
        !self.arrow.is_empty()
    }
}

/// One value with its spread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryCell {
    /// `12.35 ± 0.50`, `12.3 @ 40`, `diverged @ epoch 37` or `–`
    pub text: String,
    /// the mean; none without values
    pub mean: Option<f64>,
    /// the standard deviation over seeds
    pub sd: Option<f64>,
    /// the 95 % confidence interval of the mean; none below two values
    pub interval: Option<Interval>,
    /// the same as text, `[11.1, 13.6]`; empty without one
    pub range: String,
    /// how many runs entered it
    pub n: usize,
    /// whether it is the best of its column and protocol
    pub best: bool,
    /// the mark of its protocol, where the column holds several
    pub mark: &'static str,
    /// short digest of its protocol
    pub protocol: String,
    /// how it was measured, in words
    pub method: String,
    /// on how many images
    pub samples: u64,
}

/// Runs that differ in their seed only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryRow {
    /// `stage[axis=value,…]` without the seed
    pub name: String,
    /// the stage, then the values of the axes
    pub labels: Vec<String>,
    /// how many runs
    pub runs: usize,
    /// `ok`, or how many diverged and when
    pub outcome: String,
    /// in the order of the columns
    pub cells: Vec<SummaryCell>,
}

/// The table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// headings of the labels
    pub labels: Vec<String>,
    /// the columns of values
    pub columns: Vec<SummaryColumn>,
    /// the groups, in declared order
    pub rows: Vec<SummaryRow>,
    /// whether any group holds several runs
    pub grouped: bool,
    /// whether any run ended otherwise than as asked: diverged or collapsed
    pub diverged: bool,
    /// what the marks mean: mark, metric, and what its protocol was
    pub protocols: Vec<(&'static str, String, String)>,
    /// how much of which values comes of the images being few
    pub biases: Vec<String>,
    /// the best of each column before the one after it, and whether the lead is clear
    pub leads: Vec<Lead>,
}

/// Groups `runs` over the axis `seed`, but only where their values compare.
pub fn summarise(runs: &[Run]) -> Result<Summary, ReportError> {
    let groups = groups(runs);
    let lists = aggregate(runs, groups.iter().map(|(_, members)| members.as_slice()))?;
    // A group holds values of one protocol only: the key names one list.
    let lists: IndexMap<(usize, &str), &Lists> = lists
        .iter()
        .map(|lists| ((lists.group, lists.metric.as_str()), lists))
        .collect();
    let axes: Vec<String> = axes_of(runs)
        .into_iter()
        .filter(|axis| axis != SEED || seeds_apart(runs, &groups))
        .collect();
    let columns = columns(runs);
    let mut rows = Vec::with_capacity(groups.len());
    for (index, (name, members)) in groups.iter().enumerate() {
        let first = &runs[members[0]];
        let mut labels = vec![first.stage.clone()];
        labels.extend(axes.iter().map(|axis| label(first, axis, members.len())));
        let cells = columns
            .iter()
            .map(|column| {
                cell(
                    column,
                    lists.get(&(index, column.metric.as_str())).copied(),
                    first,
                    runs,
                    members,
                )
            })
            .collect();
        rows.push(SummaryRow {
            name: name.clone(),
            labels,
            runs: members.len(),
            outcome: outcome(members.iter().map(|run| &runs[*run])),
            cells,
        });
    }
    let protocols = mark_protocols(runs, &columns, &mut rows);
    mark_best(runs, &columns, &mut rows);
    let members: Vec<&[usize]> = groups
        .iter()
        .map(|(_, members)| members.as_slice())
        .collect();
    let leads = leads::leads(runs, &columns, &rows, &members);
    Ok(Summary {
        labels: ["stage".to_owned()].into_iter().chain(axes).collect(),
        columns,
        grouped: rows.iter().any(|row| row.runs > 1),
        diverged: runs.iter().any(|run| run.ending != Ending::Ok),
        rows,
        protocols,
        biases: biases(runs),
        leads,
    })
}

/// The value of an axis; a group of several runs has none of `seed`.
fn label(run: &Run, axis: &str, members: usize) -> String {
    match run.axes.get(axis) {
        Some(value) if axis != SEED || members == 1 => text(value),
        _ => NOTHING.to_owned(),
    }
}

/// Name → runs. A group whose members were measured by different protocols falls apart into its runs.
fn groups(runs: &[Run]) -> Vec<(String, Vec<usize>)> {
    let mut by_name: IndexMap<String, Vec<usize>> = IndexMap::new();
    for (index, run) in runs.iter().enumerate() {
        by_name
            .entry(run.name_without(&[SEED]))
            .or_default()
            .push(index);
    }
    let mixed = |members: &[usize]| {
        let mut seen: IndexMap<&str, &MetricRow> = IndexMap::new();
        members.iter().flat_map(|run| &runs[*run].rows).any(|row| {
            !seen
                .entry(row.metric.as_str())
                .or_insert(row)
                .comparable(row)
        })
    };
    by_name
        .into_iter()
        .flat_map(|(name, members)| {
            if mixed(&members) {
                let alone = |run: usize| (runs[run].name(), vec![run]);
                members.into_iter().map(alone).collect()
            } else {
                vec![(name, members)]
            }
        })
        .collect()
}

/// Whether some group had to be shown by its seeds, since they were measured differently.
fn seeds_apart(runs: &[Run], groups: &[(String, Vec<usize>)]) -> bool {
    groups.iter().any(|(name, members)| {
        let first = &runs[members[0]];
        *name == first.name() && *name != first.name_without(&[SEED])
    })
}

/// What small samples do to each metric at worst, where that is worth saying.
fn biases(runs: &[Run]) -> Vec<String> {
    let share = |row: &MetricRow| row.bias().unwrap_or(f64::MAX) / row.value.max(f64::MIN_POSITIVE);
    let said = metrics_of(runs).into_iter().filter_map(|metric| {
        let rows = runs.iter().flat_map(|run| &run.rows);
        let small = rows.filter(|row| row.metric == metric && row.small.is_some());
        let worst = small.max_by(|a, b| share(a).total_cmp(&share(b)))?;
        Some(format!(
            "{metric}, at worst: {}.",
            worst.small?.said(worst.value)
        ))
    });
    said.collect()
}

/// A column of last values for every metric, and of best values where any run has several checkpoints.
fn columns(runs: &[Run]) -> Vec<SummaryColumn> {
    let mut columns = Vec::new();
    for metric in metrics_of(runs) {
        let rows = |run: &Run| run.rows.iter().filter(|row| row.metric == metric).count();
        let first = runs
            .iter()
            .flat_map(|run| &run.rows)
            .find(|row| row.metric == metric);
        let arrow = first.map_or("", |row| row.direction.arrow());
        let several = !arrow.is_empty() && runs.iter().any(|run| rows(run) > 1);
        let picks: &[Pick] = if several {
            &[Pick::Last, Pick::Best]
        } else {
            &[Pick::Last]
        };
        columns.extend(picks.iter().map(|pick| SummaryColumn {
            metric: metric.clone(),
            arrow,
            pick: *pick,
        }));
    }
    columns
}

fn cell(
    column: &SummaryColumn,
    lists: Option<&Lists>,
    first: &Run,
    runs: &[Run],
    members: &[usize],
) -> SummaryCell {
    let none = Picked::default();
    let Picked { values, epochs } = lists.map_or(&none, |lists| lists.of(column.pick));
    let (mean, sd) = statistics(values);
    let mut text = match (values.as_slice(), first.ending) {
        ([], Ending::Diverged { .. }) => outcome(members.iter().map(|run| &runs[*run])),
        ([], _) => NOTHING.to_owned(),
        ([value], _) => significant(*value),
        _ => mean_sd(mean, sd),
    };
    if let (Pick::Best, Some(low), Some(high)) =
        (column.pick, epochs.iter().min(), epochs.iter().max())
    {
        text = if low == high {
            format!("{text} @ {low}")
        } else {
            format!("{text} @ {low}–{high}")
        };
    }
    let interval = interval(values);
    // All values of a cell were measured alike.
    let mut rows = members.iter().flat_map(|run| &runs[*run].rows);
    let row = rows.find(|row| lists.is_some() && row.metric == column.metric);
    SummaryCell {
        text,
        range: interval.map_or_else(String::new, |interval| range(interval, mean)),
        mean: (!values.is_empty()).then_some(mean),
        sd: sd.filter(|_| !values.is_empty()),
        interval,
        n: values.len(),
        best: false,
        mark: "",
        protocol: lists
            .map(|lists| lists.protocol.clone())
            .unwrap_or_default(),
        method: row.map(|row| row.protocol.clone()).unwrap_or_default(),
        samples: row.map_or(0, |row| row.samples),
    }
}
