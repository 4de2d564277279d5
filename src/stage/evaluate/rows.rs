//! From the values of units to the rows of a table and the stage's outputs.

use std::collections::BTreeMap;

use crate::hash::Digest;
use crate::metric::document::Metrics;
use crate::metric::{Direction, Metric, MetricRow, best};
use crate::stage::measure::Measured;
use crate::stage::{Outcome, Product, StageError};

/// What all rows of one metric of one target share.
pub struct About {
    /// its name in results
    pub name: String,
    /// the metric
    pub metric: Metric,
    /// the target's epoch
    pub epoch: Option<u64>,
    /// digest of what looked at the images
    pub extractor: Option<Digest>,
    /// digest of what was compared with
    pub reference: Option<Digest>,
    /// how it was computed
    pub protocol: String,
}

impl About {
    /// The rows for the values of one draw each. Of several draws the mean under the metric's name, then the sample
    /// standard deviation and the best, and the scores of the first; of one draw what was measured besides the value.
    pub fn rows(&self, draws: &[Measured]) -> Vec<MetricRow> {
        let direction = self.metric.direction();
        let [first, _, ..] = draws else {
            return draws.iter().flat_map(|one| self.of_one(one)).collect();
        };
        let values: Vec<f64> = draws.iter().map(|draw| draw.value).collect();
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
        let best = values.iter().fold(first.value, better);
        let row = |suffix: &str, value, direction, what: &str| {
            let note = format!("; {what} of {count} draws");
            self.row(suffix, value, direction, first.samples, &note)
        };
        let mut rows = vec![
            MetricRow {
                small: first.small,
                scores: first.scores.clone(),
                ..row("", mean, direction, "mean")
            },
            row("-sd", deviation, Direction::Neither, "standard deviation"),
        ];
        if direction != Direction::Neither {
            rows.push(row("-top", best, direction, "best"));
        }
        rows
    }

    fn of_one(&self, measured: &Measured) -> Vec<MetricRow> {
        let (direction, samples) = (self.metric.direction(), measured.samples);
        let mut rows = vec![MetricRow {
            small: measured.small,
            scores: measured.scores.clone(),
            ..self.row("", measured.value, direction, samples, "")
        }];
        if let Some((deviation, over)) = &measured.deviation {
            let note = format!("; standard deviation over {over}");
            rows.push(self.row("-sd", *deviation, Direction::Neither, samples, &note));
        }
        if let Some((low, high)) = measured.interval {
            let note = "; 95 % of bootstrap samples";
            rows.push(self.row("-low", low, Direction::Neither, samples, note));
            rows.push(self.row("-high", high, Direction::Neither, samples, note));
        }
        rows
    }

    fn row(
        &self,
        suffix: &str,
        value: f64,
        direction: Direction,
        samples: u64,
        note: &str,
    ) -> MetricRow {
        MetricRow {
            metric: self.name.clone() + suffix,
            epoch: self.epoch,
            value,
            direction,
            samples,
            extractor: self.extractor,
            reference: self.reference,
            protocol: self.protocol.clone() + note,
            small: None,
            scores: None,
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
        let ranked = rows().any(|row| row.direction != Direction::Neither);
        if with_best
            && ranked
            && let Some(row) = best(rows())
        {
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
