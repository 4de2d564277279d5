//! Runs as one long polars table: a row for each (node, metric, checkpoint).

use polars::prelude::*;
use serde_json::Value;

use super::ReportError;
use super::runs::{Run, axes_of};
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
        format!("axis:{axis}")
    } else {
        axis.to_owned()
    }
}

/// The table of `runs`, in their order: stage, axes, then metric, epoch, value, direction (`lower` or
/// `higher` is better, or `neither`), samples, the part of the value that comes of their being few (where any has one), extractor and reference (short digests), protocol (a short digest of all
/// that must agree for two values to compare) and outcome. A run without values has one row with nulls.
pub fn long(runs: &[Run]) -> Result<DataFrame, ReportError> {
    let rows: Vec<(&Run, Option<&MetricRow>)> = runs
        .iter()
        .flat_map(|run| {
            let none = run.rows.is_empty().then_some((run, None));
            none.into_iter()
                .chain(run.rows.iter().map(move |row| (run, Some(row))))
        })
        .collect();
    let strings = |name: &str, text: &dyn Fn(&Run, Option<&MetricRow>) -> Option<String>| {
        let values: Vec<Option<String>> = rows.iter().map(|(run, row)| text(run, *row)).collect();
        Column::new(name.into(), values)
    };
    let short = |digest: Option<crate::hash::Digest>| digest.map(|digest| digest.short());
    let mut columns = vec![strings("stage", &|run, _| Some(run.stage.clone()))];
    for axis in axes_of(runs) {
        let values: Vec<Option<&Value>> = rows.iter().map(|(run, _)| run.axes.get(&axis)).collect();
        columns.push(axis_values(&axis_column(&axis), &values));
    }
    let epochs: Vec<Option<u64>> = rows
        .iter()
        .map(|(_, row)| row.and_then(|r| r.epoch))
        .collect();
    let values: Vec<Option<f64>> = rows.iter().map(|(_, row)| row.map(|r| r.value)).collect();
    let samples: Vec<Option<u64>> = rows.iter().map(|(_, row)| row.map(|r| r.samples)).collect();
    columns.extend([
        strings("metric", &|_, row| row.map(|r| r.metric.clone())),
        Column::new("epoch".into(), epochs),
        Column::new("value".into(), values),
        strings("better", &|_, row| row.map(|r| better(r.direction))),
        Column::new("samples".into(), samples),
    ]);
    let biases: Vec<Option<f64>> = rows
        .iter()
        .map(|(_, row)| row.and_then(MetricRow::bias))
        .collect();
    if biases.iter().any(Option::is_some) {
        columns.push(Column::new("bias".into(), biases));
    }
    columns.extend([
        strings("extractor", &|_, row| row.and_then(|r| short(r.extractor))),
        strings("reference", &|_, row| row.and_then(|r| short(r.reference))),
        strings("protocol", &|_, row| {
            row.map(|r| r.protocol_digest().short())
        }),
        strings("outcome", &|run, _| Some(run.ending.to_string())),
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
        strings("better", &|row| Some(better(row.direction))),
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

fn better(direction: Direction) -> String {
    match direction {
        Direction::Lower => "lower".to_owned(),
        Direction::Higher => "higher".to_owned(),
        Direction::Neither => "neither".to_owned(),
    }
}

/// A column of axis values in the narrowest type that holds them all: integer, number, boolean or text.
fn axis_values(name: &str, values: &[Option<&Value>]) -> Column {
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
