//! Measures of generated images, over features and scores that a network has already given.
//!
//! features → [`stats::Moments`] → [`frechet::frechet_distance`]; scores → [`accuracy::TopK`];
//! features → [`diversity`]. Nothing here knows
//! networks, files or stages. [`Metric`] is THE list; [`MetricRow`] is one measured value with everything
//! that a reader needs to judge whether it may be compared with another.

pub mod accuracy;
pub mod diversity;
pub mod document;
pub mod frechet;
pub mod stats;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hash::Digest;

/// A metric that `evaluate` computes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schemars(transform = short_form)]
pub enum Metric {
    /// Fréchet distance between generated and reference images on the features of a judge that was
    /// trained in the pipeline. Not Inception FID: values compare under one judge only. `fid` is a
    /// short form of the name.
    #[serde(alias = "fid")]
    FidJudge,
    /// How often the judge finds what the condition asked for: the share of right labels among its
    /// top k, with k the number of labels asked for. With one label per image, plain accuracy.
    Accuracy,
    /// Mean distance between the features that a judge sees in two images: how different images are from each other.
    /// A generator that collapses to few images loses it. `diversity` is a short form of the name.
    #[serde(alias = "diversity")]
    DiversityJudge,
    /// Effective rank of the covariance of a judge's features: in how many directions images differ. `rank` is a short
    /// form of the name.
    #[serde(alias = "rank")]
    RankJudge,
}

/// Lets the schema take short forms, which serde's aliases do not tell it.
fn short_form(schema: &mut Schema) {
    if let Some(variants) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        for (short, name) in [
            ("fid", "fid-judge"),
            ("diversity", "diversity-judge"),
            ("rank", "rank-judge"),
        ] {
            let description = format!("Short for `{name}`.");
            variants.push(json!({"type": "string", "const": short, "description": description}));
        }
    }
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::FidJudge,
        Self::Accuracy,
        Self::DiversityJudge,
        Self::RankJudge,
    ];

    /// Its name in YAML, tables and keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FidJudge => "fid-judge",
            Self::Accuracy => "accuracy",
            Self::DiversityJudge => "diversity-judge",
            Self::RankJudge => "rank-judge",
        }
    }

    /// Whether less or more of it is better.
    pub const fn direction(self) -> Direction {
        match self {
            Self::FidJudge => Direction::Lower,
            Self::Accuracy | Self::DiversityJudge | Self::RankJudge => Direction::Higher,
        }
    }

    /// The fewest images it can be computed on.
    pub const fn least(self) -> u64 {
        match self {
            Self::Accuracy => 1,
            Self::FidJudge | Self::DiversityJudge | Self::RankJudge => 2,
        }
    }

    /// How it is computed, with a version: values of different protocols do not compare.
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::FidJudge => "frechet distance, f64, N-1, uint8 images, judge features/1",
            Self::Accuracy => "micro top-k recall, uint8 images, judge logits/1",
            Self::DiversityJudge => {
                "mean pairwise euclidean distance, f64, first 2048 at most, uint8 images, judge features/1"
            }
            Self::RankJudge => {
                "effective rank of the covariance, f64, N-1, uint8 images, judge features/1"
            }
        }
    }
}

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// less is better
    Lower,
    /// more is better
    Higher,
}

impl Direction {
    /// Whether `a` is strictly better than `b`; NaN never is.
    pub fn better(self, a: f64, b: f64) -> bool {
        match self {
            Self::Lower => a < b,
            Self::Higher => a > b,
        }
    }

    /// `↓` or `↑`, for table headers.
    pub const fn arrow(self) -> &'static str {
        match self {
            Self::Lower => "↓",
            Self::Higher => "↑",
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
}

impl MetricRow {
    /// Whether two values may stand in one ranking: same metric, protocol, sample count, extractor and
    /// reference.
    pub fn comparable(&self, other: &Self) -> bool {
        self.metric == other.metric && self.protocol_digest() == other.protocol_digest()
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

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Too few samples for a covariance.
    #[error("{0} sample(s) have no covariance: at least 2 are needed")]
    TooFew(u64),
    /// A NaN or infinite feature or score.
    #[error("sample {sample} has a value that is not finite at position {position}")]
    NotFinite {
        /// which sample, counted from 0
        sample: u64,
        /// which feature or class
        position: usize,
    },
    /// Two sets of features that do not fit.
    #[error("features of {left} and {right} dimensions cannot be compared")]
    Dimensions {
        /// of the first set
        left: usize,
        /// of the second set
        right: usize,
    },
    /// Scores or features whose number is not a whole number of rows.
    #[error("{values} values do not make rows of {width}")]
    Ragged {
        /// how many values
        values: usize,
        /// the row's width
        width: usize,
    },
    /// The eigenvalue iteration did not converge.
    #[error("the eigenvalues of a covariance matrix could not be found")]
    Eigen,
    /// Nothing to be right or wrong about.
    #[error("no sample has a label, so there is no accuracy")]
    NoLabels,
    /// Stored statistics that cannot be read.
    #[error("stored statistics are damaged")]
    Damaged,
}
