//! Losses of a classifier.

use candle_core::{Result, Tensor};

use crate::autograd::Value;
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
    /// The mean loss, a scalar: `logits` (N, K) against `labels` (N, K), multi-hot, or `classes` (N).
    pub fn value(self, logits: &Value, labels: &[f32], classes: &[u32]) -> Result<Value> {
        match self {
            Self::MultiLabel => {
                let labels = Tensor::from_slice(labels, logits.shape(), logits.device())?;
                bce_with_logits(logits, &labels.into())
            }
            Self::CrossEntropy => {
                let classes = Tensor::from_slice(classes, classes.len(), logits.device())?;
                cross_entropy(logits, &classes)
            }
        }
    }
}
