//! Plots of a report: curves of one run, metrics of several.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::gather::read;
use crate::report::ReportError;
use crate::report::document::{Figure, Files};
use crate::report::history::History;
use crate::report::plot::{Chart, Line};
use crate::report::runs::Run;
use crate::stage::{InputNode, StageError};

/// The history of a trained node.
pub fn history(node: &InputNode) -> Result<Option<History>, StageError> {
    let Some(path) = node.paths.get("history") else {
        return Ok(None);
    };
    History::from_csv(&read(path)?)
        .map(Some)
        .map_err(super::failed)
}

/// Plots of losses and accuracies by step, and of learning rates that change.
pub fn curves(
    history: &History,
    label: &str,
    files: &mut Files,
) -> Result<Vec<Figure>, StageError> {
    let mut figures = Vec::new();
    for what in ["loss", "accuracy", "lr"] {
        let mut lines = history.lines(what);
        if what == "lr" {
            lines.retain(|line| {
                line.points
                    .iter()
                    .any(|(_, rate)| rate.to_bits() != line.points[0].1.to_bits())
            });
        }
        if lines.is_empty() {
            continue;
        }
        let chart = Chart {
            title: format!("{what} of {label}"),
            x_label: "step".to_owned(),
            y_label: match lines.as_slice() {
                [line] => line.name.clone(),
                _ => what.to_owned(),
            },
            lines,
            levels: Vec::new(),
        };
        figures.push(files.chart(&chart).map_err(super::failed)?);
    }
    Ok(figures)
}

/// One plot a metric and protocol, where any run has several checkpoints. Values that do not belong to an
/// epoch (of real images) are levels.
pub fn by_epoch(runs: &[Run], files: &mut Files) -> Result<Vec<Figure>, ReportError> {
    let mut charts: IndexMap<(String, String), Chart> = IndexMap::new();
    let mut levels: Vec<(String, String, f64)> = Vec::new();
    for run in runs {
        let mut lines: BTreeMap<(String, String), Line> = BTreeMap::new();
        for row in &run.rows {
            let Some(epoch) = row.epoch else {
                levels.push((row.metric.clone(), run.name(), row.value));
                continue;
            };
            let key = (row.metric.clone(), row.protocol_digest().short());
            charts.entry(key.clone()).or_insert_with(|| Chart {
                title: format!("{} by epoch", row.metric),
                x_label: "epoch".to_owned(),
                y_label: format!("{} {}", row.metric, row.direction.arrow()),
                ..Chart::default()
            });
            let line = lines.entry(key).or_insert_with(|| Line {
                name: run.name(),
                points: Vec::new(),
            });
            line.points.push((epoch as f64, row.value));
        }
        for (key, line) in lines {
            charts.entry(key).and_modify(|chart| chart.lines.push(line));
        }
    }
    let mut figures = Vec::new();
    for ((metric, _), mut chart) in charts {
        if chart.lines.iter().all(|line| line.points.len() < 2) {
            continue;
        }
        let of_metric = levels.iter().filter(|(name, ..)| *name == metric);
        chart.levels = of_metric
            .map(|(_, name, value)| (name.clone(), *value))
            .collect();
        figures.push(files.chart(&chart)?);
    }
    Ok(figures)
}
