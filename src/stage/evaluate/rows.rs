//! From the values of units to the rows of a table and the stage's outputs.

use std::collections::BTreeMap;

use crate::hash::Digest;
use crate::metric::document::Metrics;
use crate::metric::{Direction, Metric, MetricRow, best};
use crate::stage::{Outcome, Product, StageError};

/// What all rows of one metric of one target share.
pub struct About {
    /// the metric
    pub metric: Metric,
    /// the target's epoch
    pub epoch: Option<u64>,
    /// how many images were measured
    pub samples: u64,
    /// digest of the judge
    pub extractor: Option<Digest>,
    /// digest of what was compared with
    pub reference: Option<Digest>,
    /// how it was computed
    pub protocol: String,
}

impl About {
    /// The rows for the values of one draw each. Of several draws the mean under the metric's name, then the sample
    /// standard deviation and the best.
    pub fn rows(&self, values: &[f64]) -> Vec<MetricRow> {
        let direction = self.metric.direction();
        let [first, _, ..] = values else {
            let rows = values.iter();
            return rows
                .map(|value| self.row("", *value, direction, ""))
                .collect();
        };
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares = values.iter().map(|value| (value - mean) * (value - mean));
        let deviation = (squares.sum::<f64>() / (count - 1) as f64).sqrt();
        let better = |best: f64, value: &f64| {
            if direction.better(*value, best) {
                *value
            } else {
                best
            }
        };
        let best = values.iter().fold(*first, better);
        let row = |suffix: &str, value, direction, what: &str| {
            self.row(
                suffix,
                value,
                direction,
                &format!("; {what} of {count} draws"),
            )
        };
        vec![
            row("", mean, direction, "mean"),
            row("-sd", deviation, Direction::Lower, "standard deviation"),
            row("-top", best, direction, "best"),
        ]
    }

    fn row(&self, suffix: &str, value: f64, direction: Direction, note: &str) -> MetricRow {
        MetricRow {
            metric: self.metric.name().to_owned() + suffix,
            epoch: self.epoch,
            value,
            direction,
            samples: self.samples,
            extractor: self.extractor,
            reference: self.reference,
            protocol: self.protocol.clone() + note,
        }
    }
}

/// The stage's outputs: of each metric the last value, and with `with_best` the best of all checkpoints.
pub fn outcome(metrics: &Metrics, with_best: bool) -> Result<Outcome, StageError> {
    let failed = |error: &dyn std::fmt::Display| StageError::Failed(error.to_string());
    let json = metrics.to_json().map_err(|error| failed(&error))?;
    let csv = metrics.to_csv().map_err(|error| failed(&error))?;
    let mut names: Vec<&str> = Vec::new();
    for row in &metrics.rows {
        if !names.contains(&row.metric.as_str()) {
            names.push(&row.metric);
        }
    }
    let mut scalars = BTreeMap::new();
    for name in names {
        let rows = || metrics.of(name);
        scalars.extend(rows().last().map(|row| (row.metric.clone(), row.value)));
        if with_best && let Some(row) = best(rows()) {
            scalars.insert(format!("{}.best", row.metric), row.value);
            let epoch = row
                .epoch
                .map(|epoch| (format!("{}.best_epoch", row.metric), epoch as f64));
            scalars.extend(epoch);
        }
    }
    Ok(Outcome {
        outputs: BTreeMap::from([
            ("metrics".to_owned(), Product::Bytes(json)),
            ("table".to_owned(), Product::Bytes(csv)),
        ]),
        scalars,
        ..Outcome::default()
    })
}
