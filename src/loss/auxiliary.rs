//! The auxiliary classifier of an ACGAN (Odena et al. 2017): what a discriminator's second head learns of labels.

use candle_core::{Result, Tensor, bail};

use crate::autograd::Value;
use crate::ops::{bce_with_logits, cross_entropy};

/// How label logits are held against labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuxiliaryLoss {
    /// Binary cross-entropy, the mean over samples and labels: any number of labels an image.
    Bce,
    /// Softmax cross-entropy of each group of labels, summed over groups. Groups are runs of labels of these
    /// lengths, of which an image has exactly one each.
    CrossEntropy {
        /// lengths of the groups; together all labels
        groups: Vec<usize>,
    },
}

impl AuxiliaryLoss {
    /// A scalar: `logits` (N, K) against `labels` (N, K), 0 or 1.
    pub fn value(&self, logits: &Value, labels: &Tensor) -> Result<Value> {
        match self {
            Self::Bce => bce_with_logits(logits, &labels.into()),
            Self::CrossEntropy { groups } => {
                if groups.iter().sum::<usize>() != labels.dim(1)? {
                    bail!(
                        "groups of {groups:?} labels do not make up {} labels",
                        labels.dim(1)?
                    );
                }
                let mut first = 0;
                let mut sum: Option<Value> = None;
                for &length in groups {
                    let classes = labels.narrow(1, first, length)?.argmax(1)?;
                    let loss = cross_entropy(&logits.narrow(1, first, length)?, &classes)?;
                    sum = Some(match sum {
                        Some(sum) => sum.add(&loss)?,
                        None => loss,
                    });
                    first += length;
                }
                match sum {
                    Some(sum) => Ok(sum),
                    None => bail!("no groups of labels"),
                }
            }
        }
    }
}
