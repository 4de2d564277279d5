//! Figures that others have reported, beside those of the runs.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::history::History;
use super::inference::{Interval, interval};
use super::number::{mean_sd, range, significant, statistics};
pub use super::reported::{Figure, FigurePick, Reported, ReportedRow};
use super::runs::{Pick, Run, text};
use super::summary::{SEED, Summary, SummaryColumn, SummaryRow};
use super::table::NOTHING;

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
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// reported numbers, each beside ours; empty where none was reported as a number
    pub figures: Vec<ComparedFigure>,
}

/// One experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRow {
    /// its name
    pub name: String,
    /// what was reported
    pub reported: String,
    /// who has reported it, where that is not who has reported the others
    pub source: Option<String>,
    /// the runs' stage, with the values of their other axes
    pub stage: String,
    /// how many runs
    pub runs: usize,
    /// `12.35 ± 0.50`, `–` without a value; in the order of the columns
    pub cells: Vec<String>,
    /// the same of histories
    pub history: Vec<String>,
    /// the values behind the cells that hold any
    #[serde(skip)]
    pub ours: Vec<ComparedFigure>,
}

/// One reported number beside ours of one group of runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedFigure {
    /// the experiment's name
    pub row: String,
    /// the runs' stage, with the values of their other axes; `–` without runs
    pub stage: String,
    /// what the pipeline calls the number: mostly the metric
    pub label: String,
    /// the metric, or the history's column
    pub metric: String,
    /// `↓` when less is better, `↑` when more is, nothing when neither
    pub arrow: &'static str,
    /// which of a run's values is meant: `best`, `last`, `max`, `min` or `mean`
    pub pick: &'static str,
    /// the number that was reported; always there in [`Comparison::figures`]
    pub reported: Option<f64>,
    /// the epoch it was reported for
    pub epoch: Option<u64>,
    /// the mean of ours; none without a value
    pub ours: Option<f64>,
    /// ours as text: `12.35 ± 0.50 @ 40`, `diverged @ epoch 37` or `–`
    pub text: String,
    /// the standard deviation over seeds
    pub sd: Option<f64>,
    /// how many runs ours is the mean of
    pub n: usize,
    /// the 95 % interval of our mean; none below two runs
    pub interval: Option<Interval>,
    /// the same as text
    pub range: String,
    /// ours − reported
    pub difference: Option<f64>,
    /// whether the reported number lies in our interval: `within`, `outside`, or nothing where there is no interval
    pub verdict: &'static str,
    /// whether both were measured alike: `same`, `differs: …` or `not stated`; empty where we have measured nothing
    pub protocol: String,
    /// whether the difference says anything: not where protocols differ
    pub comparable: bool,
}

/// What was reported beside what the runs gave; experiments and figures without runs have a row too.
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
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for (name, said) in &reported.rows {
        let before = rows.len();
        let nodes: Vec<&Trained> = trained
            .iter()
            .filter(|node| node.is_at(&reported.axis, name))
            .collect();
        let history = reported.history.iter();
        let history: Vec<String> = history.map(|figure| figure.of(&nodes)).collect();
        let members = members(name);
        rows.extend(members.iter().map(|row| {
            ComparedRow {
                name: name.clone(),
                reported: said.text(),
                source: said.source(),
                stage: row.name.clone(),
                runs: row.runs,
                cells: shown
                    .iter()
                    .map(|column| row.cells[*column].text.clone())
                    .collect(),
                history: history.clone(),
                ours: shown
                    .iter()
                    .filter(|column| row.cells[**column].text != NOTHING)
                    .map(|column| ours(name, row, *column, summary))
                    .collect(),
            }
        }));
        if rows.len() == before {
            rows.push(ComparedRow {
                name: name.clone(),
                reported: said.text(),
                source: said.source(),
                stage: nodes
                    .first()
                    .map_or(NOTHING.to_owned(), |node| node.stage.clone()),
                runs: nodes.len(),
                cells: shown.iter().map(|_| NOTHING.to_owned()).collect(),
                history,
                ours: Vec::new(),
            });
        }
        for (label, figure) in said.figures() {
            let about = Reference {
                row: name,
                label,
                figure,
            };
            let of = members
                .iter()
                .copied()
                .filter(|row| figure.is_of(&row.labels[0]));
            figures.extend(about.beside(reported, summary, &of.collect::<Vec<_>>(), &nodes));
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
        figures,
    }
}

/// A reported number and where it stands.
struct Reference<'a> {
    row: &'a str,
    label: &'a str,
    figure: &'a Figure,
}

impl Reference<'_> {
    /// It beside ours: a row for each group of runs whose metric it is, or one for the runs' histories, or one of the number
    /// alone.
    fn beside(
        &self,
        reported: &Reported,
        summary: &Summary,
        members: &[&SummaryRow],
        nodes: &[&Trained],
    ) -> Vec<ComparedFigure> {
        let metric = self.figure.metric(self.label);
        if let Some(position) = self.column(summary, metric) {
            let shown = members
                .iter()
                .filter(|row| row.cells[position].text != NOTHING);
            let rows: Vec<ComparedFigure> = shown
                .map(|member| {
                    let cell = &member.cells[position];
                    let protocol = self
                        .figure
                        .protocol_beside(&cell.method, Some(cell.samples));
                    self.judged(ComparedFigure {
                        comparable: !protocol.starts_with("differs"),
                        protocol,
                        ..ours(self.row, member, position, summary)
                    })
                })
                .collect();
            if !rows.is_empty() {
                return rows;
            }
        }
        let pick = self.figure.pick();
        let of_history = pick.map(FigurePick::of_history);
        let told = reported.history.iter().find(|told| {
            told.column == metric && of_history.is_none_or(|wanted| wanted == Some(told.pick))
        });
        let Some(told) = told else {
            let pick = pick.map_or("best", FigurePick::name);
            return vec![self.judged(ComparedFigure::empty(self.row, metric, pick))];
        };
        let groups = alike(nodes);
        if groups.is_empty() {
            let empty = ComparedFigure::empty(self.row, metric, told.pick.name());
            return vec![self.judged(empty)];
        }
        let figures = groups.into_iter().map(|(stage, nodes)| {
            let values = told.values(&nodes);
            let (mean, sd) = statistics(&values);
            let interval = interval(&values);
            let protocol = if values.is_empty() {
                String::new()
            } else {
                self.figure.protocol_beside("the run's history", None)
            };
            self.judged(ComparedFigure {
                stage,
                comparable: !protocol.starts_with("differs"),
                protocol,
                ours: (!values.is_empty()).then_some(mean),
                text: told.of(&nodes),
                sd: sd.filter(|_| !values.is_empty()),
                n: values.len(),
                interval,
                range: interval.map_or_else(String::new, |interval| range(interval, mean)),
                ..ComparedFigure::empty(self.row, metric, told.pick.name())
            })
        });
        figures.collect()
    }

    /// The summary's column of `metric` by the pick asked for; of a metric that has no best value (one checkpoint, no
    /// direction) the last.
    fn column(&self, summary: &Summary, metric: &str) -> Option<usize> {
        let find = |pick: Pick| {
            let mut columns = summary.columns.iter();
            columns.position(|column| column.metric == metric && column.pick == pick)
        };
        match self.figure.pick().map(FigurePick::of_metric) {
            Some(None) => None,
            Some(Some(Pick::Last)) => find(Pick::Last),
            _ => find(Pick::Best).or_else(|| find(Pick::Last)),
        }
    }

    /// Ours with the reported number, the difference, and whether it lies within what seeds do.
    fn judged(&self, ours: ComparedFigure) -> ComparedFigure {
        let reported = self.figure.value();
        ComparedFigure {
            label: self.label.to_owned(),
            reported: Some(reported),
            epoch: self.figure.epoch(),
            difference: ours.ours.map(|ours| ours - reported),
            verdict: match ours.interval.filter(|_| ours.comparable) {
                Some(interval) if interval.contains(reported) => "within",
                Some(_) => "outside",
                None => "",
            },
            ..ours
        }
    }
}

/// Our value in a column of the summary, beside nothing yet.
fn ours(name: &str, row: &SummaryRow, position: usize, summary: &Summary) -> ComparedFigure {
    let (column, cell) = (&summary.columns[position], &row.cells[position]);
    ComparedFigure {
        stage: row.name.clone(),
        arrow: column.arrow,
        ours: cell.mean,
        text: cell.text.clone(),
        sd: cell.sd,
        n: cell.n,
        interval: cell.interval,
        range: cell.range.clone(),
        ..ComparedFigure::empty(name, &column.metric, column.pick.name())
    }
}

impl ComparedFigure {
    fn empty(row: &str, metric: &str, pick: &'static str) -> Self {
        Self {
            row: row.to_owned(),
            label: metric.to_owned(),
            stage: NOTHING.to_owned(),
            metric: metric.to_owned(),
            arrow: "",
            pick,
            reported: None,
            epoch: None,
            ours: None,
            text: NOTHING.to_owned(),
            sd: None,
            n: 0,
            interval: None,
            range: String::new(),
            difference: None,
            verdict: "",
            protocol: String::new(),
            comparable: true,
        }
    }
}

impl Trained {
    fn is_at(&self, axis: &str, value: &str) -> bool {
        self.axes.get(axis).is_some_and(|own| text(own) == value)
    }
}

/// Nodes that differ in their seed only, by what they are called without it.
fn alike<'a>(nodes: &[&'a Trained]) -> IndexMap<String, Vec<&'a Trained>> {
    let mut groups: IndexMap<String, Vec<&Trained>> = IndexMap::new();
    for node in nodes {
        let run = Run {
            stage: node.stage.clone(),
            axes: node.axes.clone(),
            ..Run::default()
        };
        groups
            .entry(run.name_without(&[SEED]))
            .or_default()
            .push(node);
    }
    groups
}

impl HistoryFigure {
    /// Its value in each of `nodes` that has the column.
    fn values(&self, nodes: &[&Trained]) -> Vec<f64> {
        let picked = nodes
            .iter()
            .filter_map(|node| self.pick.of(node.history.measured(&self.column)));
        picked.collect()
    }

    /// The mean and standard deviation over nodes that differ in their seed only, groups of such side by side; `–` where
    /// none has the column.
    fn of(&self, nodes: &[&Trained]) -> String {
        let groups = alike(nodes);
        let texts: Vec<String> = groups.values().map(|nodes| self.of_group(nodes)).collect();
        match texts.as_slice() {
            [] => NOTHING.to_owned(),
            texts => texts.join(" / "),
        }
    }

    fn of_group(&self, nodes: &[&Trained]) -> String {
        let values = self.values(nodes);
        let (mean, sd) = statistics(&values);
        match values.as_slice() {
            [] => NOTHING.to_owned(),
            [value] => significant(*value),
            _ => mean_sd(mean, sd),
        }
    }
}

impl HistoryPick {
    /// Its name in YAML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
            Self::Mean => "mean",
            Self::Last => "last",
        }
    }

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
