//! Runs as one long polars table: a row for each (node, metric, checkpoint).

use polars::prelude::*;
use serde_json::Value;

use super::ReportError;
use super::runs::{AXIS_MARK, Run, axes_of};
use crate::metric::{Direction, MetricRow};

/// Columns that every table has besides its axes.
pub const COLUMNS: [&str; 11] = [
    "stage",
    "metric",
    "epoch",
    "value",
    "better",
    "samples",
    "bias",
    "extractor",
    "reference",
    "protocol",
    "outcome",
];

/// The column of an axis: its name, marked where a fixed column has the same.
pub fn axis_column(axis: &str) -> String {
    if COLUMNS.contains(&axis) {
        format!("{AXIS_MARK}{axis}")
    } else {
        axis.to_owned()
    }
}

/// The rows of the long table: of each run one for each of its values, or one without.
pub fn rows_of(runs: &[Run]) -> impl Iterator<Item = (&Run, Option<&MetricRow>)> {
    runs.iter().flat_map(|run| {
        let none = run.rows.is_empty().then_some((run, None));
        none.into_iter()
            .chain(run.rows.iter().map(move |row| (run, Some(row))))
    })
}

/// Short digests of protocols; rows that follow each other mostly share one.
#[derive(Default)]
pub(super) struct Protocols<'a> {
    last: Option<(&'a MetricRow, String)>,
}

impl<'a> Protocols<'a> {
    /// Of all that must agree for two values to compare.
    pub(super) fn short(&mut self, row: &'a MetricRow) -> String {
        match &self.last {
            Some((last, short)) if last.comparable(row) => short.clone(),
            _ => {
                let short = row.protocol_digest().short();
                self.last = Some((row, short.clone()));
                short
            }
        }
    }
}

/// The table of `runs`, in their order: stage, axes, `settings` of the models, then metric, epoch, value, direction
/// (`lower` or `higher` is better, or `neither`), samples, the part of the value that comes of their being few (where any
/// has one), extractor and reference (short digests), protocol (a short digest of all that must agree for two values to
/// compare) and outcome. A run without values has one row with nulls.
pub fn long(runs: &[Run], settings: &[String]) -> Result<DataFrame, ReportError> {
    let rows: Vec<(&Run, Option<&MetricRow>)> = rows_of(runs).collect();
    let strings = |name: &str, text: &dyn Fn(&Run, &MetricRow) -> Option<String>| {
        let values = rows.iter().map(|(run, row)| text(run, (*row)?));
        Column::new(name.into(), values.collect::<Vec<Option<String>>>())
    };
    let of_runs = |name: &str, value: &dyn Fn(&Run) -> Option<Value>| {
        let values: Vec<(Option<Value>, usize)> = runs
            .iter()
            .map(|run| (value(run), run.rows.len().max(1)))
            .collect();
        let repeated = values
            .iter()
            .flat_map(|(value, count)| std::iter::repeat_n(value.as_ref(), *count));
        column_of(name, &repeated.collect::<Vec<_>>())
    };
    let mut columns = vec![of_runs("stage", &|run| Some(run.stage.clone().into()))];
    for axis in axes_of(runs) {
        columns.push(of_runs(&axis_column(&axis), &|run| {
            run.axes.get(&axis).cloned()
        }));
    }
    // A setting that is an axis has its column already.
    let axes = axes_of(runs);
    for setting in settings.iter().filter(|setting| !axes.contains(setting)) {
        columns.push(of_runs(&axis_column(setting), &|run| run.setting(setting)));
    }
    let epochs: Vec<Option<u64>> = rows
        .iter()
        .map(|(_, row)| row.and_then(|r| r.epoch))
        .collect();
    let values: Vec<Option<f64>> = rows.iter().map(|(_, row)| row.map(|r| r.value)).collect();
    let samples: Vec<Option<u64>> = rows.iter().map(|(_, row)| row.map(|r| r.samples)).collect();
    columns.extend([
        strings("metric", &|_, row| Some(row.metric.clone())),
        Column::new("epoch".into(), epochs),
        Column::new("value".into(), values),
        strings("better", &|_, row| Some(better(row.direction).to_owned())),
        Column::new("samples".into(), samples),
    ]);
    let biases: Vec<Option<f64>> = rows
        .iter()
        .map(|(_, row)| row.and_then(MetricRow::bias))
        .collect();
    if biases.iter().any(Option::is_some) {
        columns.push(Column::new("bias".into(), biases));
    }
    let mut known = Protocols::default();
    let protocols: Vec<Option<String>> = rows
        .iter()
        .map(|(_, row)| row.map(|row| known.short(row)))
        .collect();
    let short = |digest: Option<crate::hash::Digest>| digest.map(|digest| digest.short());
    columns.extend([
        strings("extractor", &|_, row| short(row.extractor)),
        strings("reference", &|_, row| short(row.reference)),
        Column::new("protocol".into(), protocols),
        of_runs("outcome", &|run| Some(run.ending.to_string().into())),
    ]);
    Ok(DataFrame::new_infer_height(columns)?)
}

/// The values of one set of images: metric, value, direction, samples, the part of it that comes of their being few (where
/// any has one), extractor and reference (short digests), and protocol in words.
pub fn of_one(rows: &[MetricRow]) -> Result<DataFrame, ReportError> {
    let strings = |name: &str, text: &dyn Fn(&MetricRow) -> Option<String>| {
        let values: Vec<Option<String>> = rows.iter().map(text).collect();
        Column::new(name.into(), values)
    };
    let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    let samples: Vec<u64> = rows.iter().map(|row| row.samples).collect();
    let biases: Vec<Option<f64>> = rows.iter().map(MetricRow::bias).collect();
    let mut columns = vec![
        strings("metric", &|row| Some(row.metric.clone())),
        Column::new("value".into(), values),
        strings("better", &|row| Some(better(row.direction).to_owned())),
        Column::new("samples".into(), samples),
    ];
    if biases.iter().any(Option::is_some) {
        columns.push(Column::new("bias".into(), biases));
    }
    let short = |digest: Option<crate::hash::Digest>| digest.map(|digest| digest.short());
    columns.extend([
        strings("extractor", &|row| short(row.extractor)),
        strings("reference", &|row| short(row.reference)),
        strings("protocol", &|row| Some(row.protocol.clone())),
    ]);
    Ok(DataFrame::new_infer_height(columns)?)
}

/// A direction in a word.
pub(super) const fn better(direction: Direction) -> &'static str {
    match direction {
        Direction::Lower => "lower",
        Direction::Higher => "higher",
        Direction::Neither => "neither",
    }
}

/// A column of values in the narrowest type that holds them all: integer, number, boolean or text.
pub(super) fn column_of(name: &str, values: &[Option<&Value>]) -> Column {
    let name: PlSmallStr = name.into();
    let present = || values.iter().flatten();
    if present().all(|v| v.is_i64()) {
        let integers: Vec<Option<i64>> = values.iter().map(|v| v.and_then(Value::as_i64)).collect();
        Column::new(name, integers)
    } else if present().all(|v| v.is_number()) {
        let floats: Vec<Option<f64>> = values.iter().map(|v| v.and_then(Value::as_f64)).collect();
        Column::new(name, floats)
    } else if present().all(|v| v.is_boolean()) {
        let flags: Vec<Option<bool>> = values.iter().map(|v| v.and_then(Value::as_bool)).collect();
        Column::new(name, flags)
    } else {
        let texts: Vec<Option<String>> = values.iter().map(|v| v.map(super::runs::text)).collect();
        Column::new(name, texts)
    }
}
