//! Two values of an axis or setting against each other: a paired test over seeds, within each point of the other axes.

use indexmap::{IndexMap, IndexSet};
use polars::prelude::*;
use serde_json::Value;

use super::ReportError;
use super::cells::{Cells, directions, heading, names_exist};
use super::frame::{better, column_of};
use super::inference::{Interval, Paired, paired};
use super::number::{range, significant, statistics};
use super::runs::{Pick, Run, STAGE, axes_of, metrics_of, text as plain};
use super::summary::SEED;
use super::table::{NOTHING, Text};
use crate::metric::MetricRow;
use crate::suggest;

/// Columns after those of the other axes.
const COLUMNS: [&str; 15] = [
    "metric",
    "better",
    "pick",
    "a",
    "b",
    "n",
    "mean_a",
    "mean_b",
    "difference",
    "low",
    "high",
    "t",
    "p",
    "note",
    "protocol",
];

/// What is compared: an axis, a setting or `stage`, and which two of its values (all pairs of them if not said).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contrast {
    /// the axis or setting
    pub name: String,
    /// the two values
    pub values: Option<(String, String)>,
}

impl std::str::FromStr for Contrast {
    type Err = String;

    /// `loss` or `loss=bce,wgan-gp`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "write AXIS, or AXIS=A,B with two of its values";
        let (name, values) = match text.split_once('=') {
            None => (text, None),
            Some((name, values)) => {
                let (a, b) = values.split_once(',').ok_or(wanted)?;
                let (a, b) = (a.trim(), b.trim());
                if a.is_empty() || b.is_empty() || b.contains(',') || a == b {
                    return Err(wanted.to_owned());
                }
                (name, Some((a.to_owned(), b.to_owned())))
            }
        };
        let name = name.trim().to_owned();
        if name.is_empty() {
            return Err(wanted.to_owned());
        }
        Ok(Self { name, values })
    }
}

/// One row: a metric of two values at one point.
struct Row {
    point: Vec<Option<Value>>,
    metric: String,
    a: String,
    b: String,
    pairs: Vec<(f64, f64)>,
    note: Option<String>,
    protocol: Option<String>,
}

/// The table: for each point of the other axes, metric and pair of values the number of pairs (one a seed), the means of both
/// over those pairs, the mean of their differences a − b with its 95 % interval, Student's t, p, and what to hold against
/// it. p is that of one test: it knows nothing of how many others are in the table.
pub fn contrast(runs: &[Run], of: &Contrast, pick: Pick) -> Result<DataFrame, ReportError> {
    names_exist(runs, std::slice::from_ref(&of.name))?;
    let values: IndexSet<String> = runs
        .iter()
        .filter_map(|run| run.facet(&of.name))
        .map(|value| plain(&value))
        .collect();
    let chosen = chosen(of, &values)?;
    let others = others(runs, &of.name);
    // point → value → runs
    let mut points: IndexMap<Vec<Option<String>>, IndexMap<String, Vec<&Run>>> = IndexMap::new();
    for run in runs {
        let Some(value) = run.facet(&of.name) else {
            continue;
        };
        let point = others
            .iter()
            .map(|name| run.facet(name).as_ref().map(plain));
        let at = points.entry(point.collect()).or_default();
        at.entry(plain(&value)).or_default().push(run);
    }
    let mut rows = Vec::new();
    for at in points.values() {
        for (a, b) in &chosen {
            let (Some(first), Some(second)) = (at.get(a), at.get(b)) else {
                continue;
            };
            let point: Vec<Option<Value>> =
                others.iter().map(|name| first[0].facet(name)).collect();
            for metric in metrics_of(runs) {
                let row = |pairs, note, protocol| Row {
                    point: point.clone(),
                    metric: metric.clone(),
                    a: a.clone(),
                    b: b.clone(),
                    pairs,
                    note,
                    protocol,
                };
                let sides = [first, second].map(|side| by_seed(side, &metric, pick));
                let [Ok(one), Ok(other)] = sides else {
                    let note = "several runs of one seed: choose among them by --where";
                    rows.push(row(Vec::new(), Some(note.to_owned()), None));
                    continue;
                };
                if one.is_empty() && other.is_empty() {
                    continue;
                }
                rows.extend(
                    matched(&one, &other)
                        .into_iter()
                        .map(|(pairs, note, protocol)| row(pairs, note, protocol)),
                );
            }
        }
    }
    if rows.is_empty() {
        return Err(ReportError::Name {
            what: "a pair of runs that differ in",
            name: of.name.clone(),
            help: Some(format!(
                "runs are paired where {} are equal",
                suggest::list(
                    &others
                        .iter()
                        .map(String::as_str)
                        .chain([SEED])
                        .collect::<Vec<_>>()
                )
            )),
        });
    }
    table(runs, &others, pick, &rows)
}

/// The pairs of values to compare, in the order of the runs.
fn chosen(of: &Contrast, values: &IndexSet<String>) -> Result<Vec<(String, String)>, ReportError> {
    let Some((a, b)) = &of.values else {
        let mut pairs = Vec::new();
        for (index, a) in values.iter().enumerate() {
            pairs.extend(
                values
                    .iter()
                    .skip(index + 1)
                    .map(|b| (a.clone(), b.clone())),
            );
        }
        if pairs.is_empty() {
            let only: Vec<&str> = values.iter().map(String::as_str).collect();
            return Err(ReportError::Name {
                what: "a second value of",
                name: of.name.clone(),
                help: Some(format!("there is only {}", suggest::list(&only))),
            });
        }
        return Ok(pairs);
    };
    for value in [a, b] {
        if !values.contains(value) {
            return Err(ReportError::Name {
                what: "a run with",
                name: format!("{}={value}", of.name),
                help: instead(value, values),
            });
        }
    }
    Ok(vec![(a.clone(), b.clone())])
}

/// A value that may have been meant, or what there is: of names as short as numbers are, all are near.
fn instead(value: &str, values: &IndexSet<String>) -> Option<String> {
    let known: Vec<&str> = values.iter().map(String::as_str).collect();
    if value.chars().count() > 2 {
        return suggest::help(value, known);
    }
    Some(format!("there are {}", suggest::list(&known)))
}

/// What must be equal in the two runs of a pair, beside the seed: stage and axes. Not those that decide over `name`, as an
/// axis `row` does that gives each of its values settings of its own: they would leave nothing to compare.
fn others(runs: &[Run], name: &str) -> Vec<String> {
    let names = [STAGE.to_owned()].into_iter().chain(axes_of(runs));
    let decides = |other: &str| {
        let mut seen: IndexMap<String, String> = IndexMap::new();
        let mut told = runs
            .iter()
            .filter_map(|run| Some((plain(&run.facet(other)?), plain(&run.facet(name)?))));
        let one_each =
            told.all(|(value, own)| *seen.entry(value).or_insert_with(|| own.clone()) == own);
        one_each && seen.len() > 1
    };
    names
        .filter(|other| other != name && other != SEED && !decides(other))
        .collect()
}

/// Seed → the row that counts. An error where a seed has several runs.
fn by_seed<'a>(
    runs: &[&'a Run],
    metric: &str,
    pick: Pick,
) -> Result<IndexMap<Option<String>, &'a MetricRow>, ()> {
    let mut rows = IndexMap::new();
    for run in runs {
        if let Some(row) = run.pick(metric, pick)
            && rows.insert(run.axes.get(SEED).map(plain), row).is_some()
        {
            return Err(());
        }
    }
    Ok(rows)
}

type Matched = (Vec<(f64, f64)>, Option<String>, Option<String>);

/// The pairs of two sides, apart where they were measured differently: pairs, what to say, and the protocol.
fn matched(
    one: &IndexMap<Option<String>, &MetricRow>,
    other: &IndexMap<Option<String>, &MetricRow>,
) -> Vec<Matched> {
    let mut by_protocol: IndexMap<String, Vec<(f64, f64)>> = IndexMap::new();
    let (mut both, mut differ) = (0, 0);
    for (seed, a) in one {
        let Some(b) = other.get(seed) else { continue };
        both += 1;
        if a.comparable(b) {
            let protocol = a.protocol_digest().short();
            by_protocol
                .entry(protocol)
                .or_default()
                .push((a.value, b.value));
        } else {
            differ += 1;
        }
    }
    let alone = one.len() + other.len() - 2 * both;
    let mut said = Vec::new();
    if differ > 0 {
        said.push(format!("{differ} measured differently, not compared"));
    }
    if alone > 0 {
        let seeds = if alone == 1 { "seed" } else { "seeds" };
        said.push(format!("{alone} {seeds} on one side only"));
    }
    let note = (!said.is_empty()).then(|| said.join("; "));
    if by_protocol.is_empty() {
        return vec![(Vec::new(), note, None)];
    }
    by_protocol
        .into_iter()
        .map(|(protocol, pairs)| (pairs, note.clone(), Some(protocol)))
        .collect()
}

fn table(
    runs: &[Run],
    others: &[String],
    pick: Pick,
    rows: &[Row],
) -> Result<DataFrame, ReportError> {
    let directions = directions(runs);
    let tests: Vec<Paired> = rows.iter().map(|row| paired(&row.pairs)).collect();
    let mut columns: Vec<Column> = others
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let values: Vec<Option<&Value>> =
                rows.iter().map(|row| row.point[place].as_ref()).collect();
            column_of(&heading(name, &COLUMNS), &values)
        })
        .collect();
    let text = |name: &str, of: &dyn Fn(&Row) -> Option<String>| {
        Column::new(name.into(), rows.iter().map(of).collect::<Vec<_>>())
    };
    let number = |name: &str, of: &dyn Fn(&Paired) -> Option<f64>| {
        Column::new(name.into(), tests.iter().map(of).collect::<Vec<_>>())
    };
    let mean = |name: &str, side: &dyn Fn(&(f64, f64)) -> f64| {
        let means = rows.iter().map(|row| {
            let values: Vec<f64> = row.pairs.iter().map(side).collect();
            (!values.is_empty()).then(|| statistics(&values).0)
        });
        Column::new(name.into(), means.collect::<Vec<_>>())
    };
    let notes: Vec<Option<String>> = rows
        .iter()
        .zip(&tests)
        .map(|(row, test)| {
            // Why there is no pair at all is said by the row.
            let own = test
                .note
                .clone()
                .filter(|_| test.n > 0 || row.note.is_none());
            let notes: Vec<String> = [own, row.note.clone()].into_iter().flatten().collect();
            (!notes.is_empty()).then(|| notes.join("; "))
        })
        .collect();
    let counts: Vec<u64> = tests.iter().map(|test| test.n as u64).collect();
    columns.extend([
        text("metric", &|row| Some(row.metric.clone())),
        text("better", &|row| {
            Some(better(*directions.get(row.metric.as_str())?).to_owned())
        }),
        text("pick", &|_| Some(pick.name().to_owned())),
        text("a", &|row| Some(row.a.clone())),
        text("b", &|row| Some(row.b.clone())),
        Column::new("n".into(), counts),
        mean("mean_a", &|pair| pair.0),
        mean("mean_b", &|pair| pair.1),
        number("difference", &|test| test.difference),
        number("low", &|test| Some(test.interval?.low)),
        number("high", &|test| Some(test.interval?.high)),
        number("t", &|test| test.t),
        number("p", &|test| test.p),
        Column::new("note".into(), notes),
        text("protocol", &|row| row.protocol.clone()),
    ]);
    Ok(DataFrame::new_infer_height(columns)?)
}

/// A table of [`contrast`] (in any order) as people read it. `name`: what is compared.
pub fn text(frame: &DataFrame, name: &str) -> Result<Text, ReportError> {
    let cells = Cells::new(frame);
    let mut text = Text::default();
    let rows = 0..frame.height();
    cells.copy_before("metric", &mut text)?;
    cells.metrics(&mut text);
    let shown = |column: &'static str| {
        let cells = &cells;
        move |row: usize| {
            cells
                .text(column, row)
                .unwrap_or_else(|| NOTHING.to_owned())
        }
    };
    let digits = |column: &'static str| {
        let cells = &cells;
        move |row: usize| cells.number(column, row).map(significant)
    };
    text.column(&format!("{name}: a"), false, rows.clone().map(shown("a")));
    text.column("b", false, rows.clone().map(shown("b")));
    text.column("n", true, rows.clone().map(shown("n")));
    cells.optional("mean a", true, &digits("mean_a"), &mut text);
    cells.optional("mean b", true, &digits("mean_b"), &mut text);
    cells.optional("a − b", true, &digits("difference"), &mut text);
    let between = |row: usize| -> Option<String> {
        let (low, high) = (cells.number("low", row)?, cells.number("high", row)?);
        let difference = cells.number("difference", row)?;
        Some(range(Interval { low, high }, difference))
    };
    cells.optional("95 % interval", true, &between, &mut text);
    cells.optional(
        "t",
        true,
        &|row| Some(format!("{:.2}", cells.number("t", row)?)),
        &mut text,
    );
    cells.optional(
        "p",
        true,
        &|row| cells.number("p", row).map(chance),
        &mut text,
    );
    cells.optional("note", false, &|row| cells.text("note", row), &mut text);
    Ok(text)
}

/// A probability as people read it: no more than three decimals.
pub fn chance(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}
