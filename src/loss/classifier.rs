//! Losses of a classifier.

use candle_core::{Result, Tensor};

use crate::ops::{bce_with_logits, cross_entropy};

/// What a classifier minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassifierLoss {
    /// Binary cross-entropy of every class on its own: any number of labels an image.
    MultiLabel,
    /// Softmax cross-entropy: exactly one label an image.
    CrossEntropy,
}

impl ClassifierLoss {
    /// The mean loss, a scalar: `logits` (N, K) against `labels` (N, K), multi-hot, or `classes` (N), `u32`.
    pub fn value(self, logits: &Tensor, labels: &Tensor, classes: &Tensor) -> Result<Tensor> {
        match self {
            Self::MultiLabel => bce_with_logits(logits, labels),
            Self::CrossEntropy => cross_entropy(logits, classes),
        }
    }
}
