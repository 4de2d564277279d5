//! Runs as one long polars table: a row for each (node, metric, checkpoint).

use polars::prelude::*;
use serde_json::Value;

use super::ReportError;
use super::runs::{Run, axes_of};
use crate::metric::{Direction, MetricRow};

/// Columns that every table has besides its axes.
pub const COLUMNS: [&str; 10] = [
    "stage",
    "metric",
    "epoch",
    "value",
    "better",
    "samples",
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
/// `higher` is better), samples, extractor and reference (short digests), protocol (a short digest of all
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
        strings("better", &|_, row| {
            row.map(|r| match r.direction {
                Direction::Lower => "lower".to_owned(),
                Direction::Higher => "higher".to_owned(),
            })
        }),
        Column::new("samples".into(), samples),
        strings("extractor", &|_, row| row.and_then(|r| short(r.extractor))),
        strings("reference", &|_, row| row.and_then(|r| short(r.reference))),
        strings("protocol", &|_, row| {
            row.map(|r| r.protocol_digest().short())
        }),
        strings("outcome", &|run, _| Some(run.ending.to_string())),
    ]);
    Ok(DataFrame::new_infer_height(columns)?)
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
