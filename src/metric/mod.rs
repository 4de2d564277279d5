//! Measures of generated images, over features and scores that a network has already given.
//!
//! ```text
//! scores (N, K) ─────────────▶ accuracy, inception_score
//! features (N, D) ─▶ Moments ▶ frechet ▶ bias: what few images add to it
//!                │           ▶ diversity: effective rank
//!                ├─ resample ▶ extrapolate (to infinitely many images), bootstrap (an interval)
//!                ├─ products ▶ kid
//!                └─ distances▶ manifold (precision, recall, density, coverage), nearest (memorisation), diversity
//! ```
//!
//! Nothing here knows networks, files or stages. [`Metric`] is THE list; [`MetricRow`] is one measured value with
//! everything that a reader needs to judge whether it may be compared with another.
//!
//! Everything is computed in f64, in blocks of a fixed size that are summed in order: no bit depends on batches or on the
//! number of threads.

pub mod accuracy;
pub mod bias;
pub mod bootstrap;
mod distances;
pub mod diversity;
pub mod document;
mod error;
pub mod extrapolate;
pub mod features;
pub mod frechet;
pub mod inception_score;
pub mod kid;
pub mod manifold;
pub mod nearest;
mod products;
pub mod random_state;
pub mod request;
mod resample;
mod row;
pub mod scores;
mod spread;
pub mod stats;

pub use error::MetricError;
pub use request::Request;
pub use row::{Direction, MetricRow, best};

/// What is measured. By whose features, says a [`Request`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Fréchet distance between the features of generated and reference images (Heusel et al. 2017).
    Fid,
    /// What the Fréchet distance of endless samples would be, extrapolated (Chong and Forsyth 2020).
    FidInfinity,
    /// Kernel distance between the features of generated and reference images (Bińkowski et al. 2018).
    Kid,
    /// How sure a classifier is of single images and how unsure of all (Salimans et al. 2016).
    InceptionScore,
    /// The share of generated images among the reference's (Kynkäänniemi et al. 2019).
    Precision,
    /// The share of the reference's images among the generated.
    Recall,
    /// How densely the reference lies around generated images (Naeem et al. 2020).
    Density,
    /// The share of the reference's images with a generated one nearby.
    Coverage,
    /// How often the judge finds what the condition asked for: the share of right labels among its top k, with k the
    /// number of labels asked for. With one label per image, plain accuracy.
    Accuracy,
    /// How often a model's own discriminator tells real images from generated ones: near ½ it cannot.
    DiscriminatorAccuracy,
    /// Mean distance between the features of two images: how different images are from each other. A generator that
    /// collapses to few images loses it.
    Diversity,
    /// The same among images of equal labels, averaged over labels.
    LabelDiversity,
    /// Effective rank of the features' covariance: in how many directions images differ.
    Rank,
    /// How near generated images are to reference images, as a share of how near those are to each other: below 1 the
    /// model may have learnt images by heart.
    Memorisation,
}

impl Metric {
    /// All of them, in the order of messages.
    pub const ALL: [Self; 14] = [
        Self::Fid,
        Self::FidInfinity,
        Self::Kid,
        Self::InceptionScore,
        Self::Precision,
        Self::Recall,
        Self::Density,
        Self::Coverage,
        Self::Accuracy,
        Self::DiscriminatorAccuracy,
        Self::Diversity,
        Self::LabelDiversity,
        Self::Rank,
        Self::Memorisation,
    ];

    /// Its name in YAML, tables and keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fid => "fid",
            Self::FidInfinity => "fid-infinity",
            Self::Kid => "kid",
            Self::InceptionScore => "is",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::Density => "density",
            Self::Coverage => "coverage",
            Self::Accuracy => "accuracy",
            Self::DiscriminatorAccuracy => "d-accuracy",
            Self::Diversity => "diversity",
            Self::LabelDiversity => "label-diversity",
            Self::Rank => "rank",
            Self::Memorisation => "memorisation",
        }
    }

    /// Whether less or more of it is better.
    pub const fn direction(self) -> Direction {
        match self {
            Self::Fid | Self::FidInfinity | Self::Kid => Direction::Lower,
            // A discriminator may err for good reasons and bad, and what is like nothing is no copy either.
            Self::DiscriminatorAccuracy | Self::Memorisation => Direction::Neither,
            Self::InceptionScore
            | Self::Precision
            | Self::Recall
            | Self::Density
            | Self::Coverage
            | Self::Accuracy
            | Self::Diversity
            | Self::LabelDiversity
            | Self::Rank => Direction::Higher,
        }
    }

    /// What it is computed from.
    pub const fn needs(self) -> Needs {
        let nothing = Needs {
            scores: false,
            guesses: false,
            moments: false,
            rows: false,
            labels: false,
            discriminator: false,
            reference_moments: false,
            reference_rows: false,
        };
        match self {
            Self::Fid => Needs {
                moments: true,
                reference_moments: true,
                ..nothing
            },
            Self::FidInfinity => Needs {
                rows: true,
                reference_moments: true,
                ..nothing
            },
            Self::Kid
            | Self::Precision
            | Self::Recall
            | Self::Density
            | Self::Coverage
            | Self::Memorisation => Needs {
                rows: true,
                reference_rows: true,
                ..nothing
            },
            Self::InceptionScore => Needs {
                scores: true,
                ..nothing
            },
            Self::Accuracy => Needs {
                guesses: true,
                labels: true,
                ..nothing
            },
            Self::DiscriminatorAccuracy => Needs {
                discriminator: true,
                ..nothing
            },
            Self::Diversity => Needs {
                rows: true,
                ..nothing
            },
            Self::LabelDiversity => Needs {
                rows: true,
                labels: true,
                ..nothing
            },
            Self::Rank => Needs {
                moments: true,
                ..nothing
            },
        }
    }

    /// The fewest images it can be computed on.
    pub const fn least(self) -> u64 {
        match self {
            Self::Accuracy | Self::DiscriminatorAccuracy => 1,
            Self::Fid
            | Self::Kid
            | Self::Diversity
            | Self::LabelDiversity
            | Self::Rank
            | Self::Memorisation => 2,
            Self::Precision | Self::Recall => 4,
            Self::Density | Self::Coverage => 6,
            Self::InceptionScore => 10,
            Self::FidInfinity => 30,
        }
    }

    /// How it is computed: values of different protocols do not compare.
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Fid => "frechet distance, f64, N-1",
            Self::FidInfinity => "frechet distance, f64, N-1, extrapolated in 1/N over 15 sizes",
            Self::Kid => "polynomial kernel distance, degree 3, unbiased",
            Self::InceptionScore => "inception score, 10 splits",
            Self::Precision => {
                "share of generated images within reach of a reference image's 3 nearest"
            }
            Self::Recall => {
                "share of reference images within reach of a generated image's 3 nearest"
            }
            Self::Density => "mean number of neighbourhoods / 5, 5 nearest neighbours",
            Self::Coverage => "share of neighbourhoods hit, 5 nearest neighbours",
            Self::Accuracy => "micro top-k recall",
            Self::DiscriminatorAccuracy => {
                "mean over real and generated images, the model's own discriminator, above 0 is real"
            }
            Self::Diversity => "mean pairwise euclidean distance, f64, first 2048 at most",
            Self::LabelDiversity => "mean pairwise euclidean distance within labels, f64",
            Self::Rank => "effective rank of the covariance, f64, N-1",
            Self::Memorisation => {
                "mean distance to the nearest reference image / the same within the reference"
            }
        }
    }
}

/// What a metric is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// scores of images
    pub scores: bool,
    /// how often the best of the scores are the labels
    pub guesses: bool,
    /// mean and covariance of their features
    pub moments: bool,
    /// the features themselves
    pub rows: bool,
    /// the labels of images
    pub labels: bool,
    /// the model's own discriminator
    pub discriminator: bool,
    /// mean and covariance of the reference's features
    pub reference_moments: bool,
    /// the reference's features themselves
    pub reference_rows: bool,
}

impl Needs {
    /// Whether any network looks at the images for it.
    pub const fn looks(self) -> bool {
        self.scores || self.guesses || self.moments || self.rows
    }

    /// Whether there is a reference at all.
    pub const fn reference(self) -> bool {
        self.discriminator || self.reference_moments || self.reference_rows
    }

    /// What either needs.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            scores: self.scores || other.scores,
            guesses: self.guesses || other.guesses,
            moments: self.moments || other.moments,
            rows: self.rows || other.rows,
            labels: self.labels || other.labels,
            discriminator: self.discriminator || other.discriminator,
            reference_moments: self.reference_moments || other.reference_moments,
            reference_rows: self.reference_rows || other.reference_rows,
        }
    }
}
