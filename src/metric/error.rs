//! Why a metric has no value.

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Too few samples for a covariance or a distance.
    #[error("{0} sample(s) are too few: at least 2 are needed")]
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
    /// Fewer images than a subset of the kernel distance has.
    #[error(
        "kernel distances of subsets of {size} images need as many images on both sides, but there are {generated} \
         generated and {reference} reference images; take more images or smaller subsets (of 2 images at least)"
    )]
    SubsetSize {
        /// images of a subset
        size: usize,
        /// images of the first set
        generated: usize,
        /// images of the second set
        reference: usize,
    },
    /// A subset names an image that is not there.
    #[error("a subset names image {index}, but there are {samples}, counted from 0")]
    NoSuchSample {
        /// what was named
        index: u32,
        /// how many there are
        samples: usize,
    },
    /// Fewer images than parts to score.
    #[error("{samples} images cannot be cut into {splits} parts; take more images or fewer parts")]
    Splits {
        /// parts
        splits: usize,
        /// images
        samples: usize,
    },
    /// Fewer images than neighbours.
    #[error(
        "there are no {neighbours} nearest neighbours among {samples} images; take more images or fewer neighbours"
    )]
    Neighbours {
        /// neighbours of an image
        neighbours: usize,
        /// images they are looked for among
        samples: usize,
    },
    /// No label has two images.
    #[error("no label has 2 images whose distance could be taken")]
    NoPairs,
    /// All reference images are alike, so nothing can be near them by comparison.
    #[error(
        "all reference images have the features of another one, so no distance is small beside theirs"
    )]
    NoSpread,
    /// Too few images for a line through sizes.
    #[error(
        "an extrapolation over {sizes} sizes needs at least {least} images, but there are {samples}"
    )]
    Extrapolation {
        /// how many sizes
        sizes: usize,
        /// images needed
        least: usize,
        /// images there are
        samples: usize,
    },
    /// No resample, or a confidence that is none.
    #[error("a bootstrap interval needs 2 resamples at least and a confidence between 0 and 1")]
    Resamples,
    /// Nothing to be right or wrong about.
    #[error("no image has a label to go by")]
    NoLabels,
    /// Stored statistics that cannot be read.
    #[error("stored statistics are damaged")]
    Damaged,
}
