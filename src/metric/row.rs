//! One measured value, with everything that a reader needs to judge whether it may be compared with another.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bias::SmallSample;
use super::scores::Scores;
use crate::hash::Digest;

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// less is better
    Lower,
    /// more is better
    Higher,
    /// neither: values are shown and not ranked
    Neither,
}

impl Direction {
    /// Whether `a` is strictly better than `b`; NaN never is.
    pub fn better(self, a: f64, b: f64) -> bool {
        match self {
            Self::Lower => a < b,
            Self::Higher => a > b,
            Self::Neither => false,
        }
    }

    /// `↓`, `↑` or nothing, for table headers.
    pub const fn arrow(self) -> &'static str {
        match self {
            Self::Lower => "↓",
            Self::Higher => "↑",
            Self::Neither => "",
        }
    }
}

/// One measured value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// the metric's name
    pub metric: String,
    /// the checkpoint's epoch; `None` for images that no checkpoint made
    pub epoch: Option<u64>,
    /// the value
    pub value: f64,
    /// which values are better
    pub direction: Direction,
    /// how many images were measured
    pub samples: u64,
    /// digest of the network that gave features or scores
    pub extractor: Option<Digest>,
    /// digest of the reference data (images or labels)
    pub reference: Option<Digest>,
    /// how it was computed
    pub protocol: String,
    /// what the images being few does to it, where that is worth saying
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<SmallSample>,
    /// `d-accuracy`: the scores that it comes of
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
}

impl MetricRow {
    /// How much of the value comes of the images being few, where that is worth saying and can be said.
    pub fn bias(&self) -> Option<f64> {
        self.small?.bias
    }

    /// Whether two values may stand in one ranking: same metric, protocol, sample count, extractor and
    /// reference.
    pub fn comparable(&self, other: &Self) -> bool {
        let Self {
            metric,
            samples,
            extractor,
            reference,
            protocol,
            ..
        } = self;
        (metric, protocol, samples) == (&other.metric, &other.protocol, &other.samples)
            && (extractor, reference) == (&other.extractor, &other.reference)
    }

    /// Names everything but value and epoch that two comparable values share.
    pub fn protocol_digest(&self) -> Digest {
        Digest::of_value(&json!({
            "metric": self.metric,
            "protocol": self.protocol,
            "samples": self.samples,
            "extractor": self.extractor,
            "reference": self.reference,
        }))
    }
}

/// The best of `rows` by their own direction: `(epoch, value)`; the earliest of equals.
pub fn best<'a>(rows: impl IntoIterator<Item = &'a MetricRow>) -> Option<&'a MetricRow> {
    rows.into_iter()
        .filter(|row| row.value.is_finite())
        .reduce(|best, row| {
            if row.direction.better(row.value, best.value) {
                row
            } else {
                best
            }
        })
}
