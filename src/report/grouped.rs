//! Runs grouped by axes or settings, over everything else: a row for each (group, metric).

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use polars::prelude::*;
use serde_json::Value;

use super::ReportError;
use super::cells::{Cells, directions, heading, names_exist};
use super::frame::{better, column_of};
use super::inference::{Interval, interval};
use super::number::{mean_sd, range, significant, statistics};
use super::runs::{Pick, Run, STAGE, axes_of, outcome};
use super::summary::{SEED, aggregate, leaders};
use super::table::{NOTHING, Text};
use crate::metric::Direction;

/// Columns after those of the groups.
const COLUMNS: [&str; 14] = [
    "metric",
    "better",
    "pick",
    "mean",
    "sd",
    "n",
    "low",
    "high",
    "best",
    "first_epoch",
    "last_epoch",
    "runs",
    "outcome",
    "protocol",
];

/// What to group by so that runs differ in their seed only: the stage, and all other axes.
pub fn all_but_seed(runs: &[Run]) -> Vec<String> {
    let axes = axes_of(runs).into_iter().filter(|axis| axis != SEED);
    [STAGE.to_owned()].into_iter().chain(axes).collect()
}

/// One row of the table.
struct Row {
    group: usize,
    metric: Option<String>,
    protocol: Option<String>,
    values: Vec<f64>,
    epochs: Vec<u64>,
    best: bool,
}

/// The table: of each group and metric the mean of its runs, their standard deviation (N − 1), their number, the 95 %
/// interval of the mean, whether it is the best by the metric's direction, the epochs that the values are of, how many runs
/// the group has and how they ended. `by`: axes, settings of the model, or `stage`. Values that were measured
/// differently are in rows of their own, and not ranked against each other. A group without values has one row.
pub fn grouped(runs: &[Run], by: &[String], pick: Pick) -> Result<DataFrame, ReportError> {
    names_exist(runs, by)?;
    let mut groups: IndexMap<Vec<Option<String>>, Vec<usize>> = IndexMap::new();
    let facets: Vec<Vec<Option<Value>>> = runs
        .iter()
        .map(|run| by.iter().map(|name| run.facet(name)).collect())
        .collect();
    for (index, facets) in facets.iter().enumerate() {
        let texts = facets
            .iter()
            .map(|value| value.as_ref().map(super::runs::text));
        groups.entry(texts.collect()).or_default().push(index);
    }
    let mut rows: Vec<Row> = Vec::new();
    for lists in aggregate(runs, groups.values().map(Vec::as_slice))? {
        let picked = lists.of(pick);
        rows.push(Row {
            group: lists.group,
            values: picked.values.clone(),
            epochs: picked.epochs.clone(),
            metric: Some(lists.metric),
            protocol: Some(lists.protocol),
            best: false,
        });
    }
    let known: HashSet<usize> = rows.iter().map(|row| row.group).collect();
    let without = (0..groups.len()).filter(|group| !known.contains(group));
    rows.extend(without.map(|group| Row {
        group,
        metric: None,
        protocol: None,
        values: Vec::new(),
        epochs: Vec::new(),
        best: false,
    }));
    rows.sort_by_key(|row| row.group);
    let directions = directions(runs);
    mark_best(&directions, &mut rows);
    let members: Vec<&Vec<usize>> = groups.values().collect();
    let mut columns: Vec<Column> = by
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let values = rows
                .iter()
                .map(|row| facets[members[row.group][0]][place].as_ref());
            column_of(&heading(name, &COLUMNS), &values.collect::<Vec<_>>())
        })
        .collect();
    let text = |name: &str, of: &dyn Fn(&Row) -> Option<String>| {
        Column::new(name.into(), rows.iter().map(of).collect::<Vec<_>>())
    };
    let number = |name: &str, of: &dyn Fn(&Row) -> Option<f64>| {
        Column::new(name.into(), rows.iter().map(of).collect::<Vec<_>>())
    };
    let count = |name: &str, of: &dyn Fn(&Row) -> Option<u64>| {
        Column::new(name.into(), rows.iter().map(of).collect::<Vec<_>>())
    };
    let filled = |row: &Row| !row.values.is_empty();
    let directed = |row: &Row| Some(better(*directions.get(row.metric.as_deref()?)?).to_owned());
    columns.extend([
        text("metric", &|row| row.metric.clone()),
        text("better", &directed),
        text("pick", &|_| Some(pick.name().to_owned())),
        number("mean", &|row| {
            filled(row).then(|| statistics(&row.values).0)
        }),
        number("sd", &|row| statistics(&row.values).1),
        count("n", &|row| Some(row.values.len() as u64)),
        number("low", &|row| Some(interval(&row.values)?.low)),
        number("high", &|row| Some(interval(&row.values)?.high)),
        Column::new(
            "best".into(),
            rows.iter().map(|row| row.best).collect::<Vec<_>>(),
        ),
        count("first_epoch", &|row| row.epochs.iter().min().copied()),
        count("last_epoch", &|row| row.epochs.iter().max().copied()),
        count("runs", &|row| Some(members[row.group].len() as u64)),
        text("outcome", &|row| {
            Some(outcome(members[row.group].iter().map(|run| &runs[*run])))
        }),
        text("protocol", &|row| row.protocol.clone()),
    ]);
    Ok(DataFrame::new_infer_height(columns)?)
}

/// Marks the best means among the rows of one metric and protocol, where there are two or more.
fn mark_best(directions: &HashMap<&str, Direction>, rows: &mut [Row]) {
    for (metric, direction) in directions {
        let means = rows.iter().map(|row| {
            let counts = row.metric.as_deref() == Some(*metric) && !row.values.is_empty();
            (
                row.protocol.clone(),
                counts.then(|| statistics(&row.values).0),
            )
        });
        let is_best = leaders(*direction, means.collect());
        for (row, is_best) in rows.iter_mut().zip(is_best) {
            row.best |= is_best;
        }
    }
}

/// A table of [`grouped`] (in any order) as people read it: mean ± sd in one cell, the best in bold, and neither constants
/// nor columns that hold nothing.
pub fn text(frame: &DataFrame) -> Result<Text, ReportError> {
    let cells = Cells::new(frame);
    let mut text = Text::default();
    let rows = 0..frame.height();
    cells.copy_before("metric", &mut text)?;
    cells.metrics(&mut text);
    let value = |row: usize| -> String {
        match (cells.number("mean", row), cells.number("sd", row)) {
            (Some(mean), Some(sd)) => mean_sd(mean, Some(sd)),
            (Some(mean), None) => significant(mean),
            _ => NOTHING.to_owned(),
        }
    };
    let picked = cells.text("pick", 0).unwrap_or_default();
    let heading = format!("{picked}: mean ± sd");
    text.column(&heading, true, rows.clone().map(value));
    let place = text.header.len() - 1;
    for row in rows.clone() {
        if cells.flag("best", row) {
            text.bold.insert((row, place));
        }
    }
    let number = |row| cells.text("n", row).unwrap_or_default();
    text.column("n", true, rows.clone().map(number));
    let between = |row: usize| -> Option<String> {
        let (low, high) = (cells.number("low", row)?, cells.number("high", row)?);
        Some(range(Interval { low, high }, cells.number("mean", row)?))
    };
    cells.optional("95 % interval", true, &between, &mut text);
    let epochs = |row: usize| -> Option<String> {
        let (first, last) = (
            cells.text("first_epoch", row)?,
            cells.text("last_epoch", row)?,
        );
        Some(if first == last {
            first
        } else {
            format!("{first}–{last}")
        })
    };
    cells.optional("epoch", true, &epochs, &mut text);
    let ended = |row: usize| cells.text("outcome", row);
    if rows
        .clone()
        .any(|row| ended(row).is_some_and(|outcome| outcome != "ok"))
    {
        cells.optional("outcome", false, &ended, &mut text);
    }
    let protocol = |row: usize| cells.text("protocol", row);
    let mut first: HashMap<String, String> = HashMap::new();
    let several = rows.clone().any(|row| {
        let (Some(metric), Some(own)) = (cells.text("metric", row), protocol(row)) else {
            return false;
        };
        *first.entry(metric).or_insert_with(|| own.clone()) != own
    });
    if several {
        cells.optional("protocol", false, &protocol, &mut text);
    }
    Ok(text)
}
