//! Losses of a generator and a discriminator that play against each other.

use candle_core::Result;

use crate::autograd::Value;
use crate::ops::bce_with_logits;

/// What both networks of a GAN minimise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GanLoss {
    /// Binary cross-entropy; the generator's form is the non-saturating one, -log D(G(z))
    /// (Goodfellow et al. 2014, section 3).
    Bce,
    /// The Wasserstein distance as a critic sees it: E[D(G(z))] − E[D(x)] (Arjovsky et al. 2017). Means something
    /// only for a critic that is kept from growing steep, see [`gradient_penalty`](super::gradient_penalty()).
    Wasserstein,
}

impl GanLoss {
    /// The discriminator's loss on images of the data set, a scalar; `logits` (N, …).
    pub fn real(self, logits: &Value) -> Result<Value> {
        match self {
            Self::Bce => bce_with_logits(logits, &logits.tensor().ones_like()?.into()),
            Self::Wasserstein => logits.mean_all()?.neg(),
        }
    }

    /// The discriminator's loss on the generator's images, a scalar; `logits` (N, …).
    pub fn fake(self, logits: &Value) -> Result<Value> {
        match self {
            Self::Bce => bce_with_logits(logits, &logits.tensor().zeros_like()?.into()),
            Self::Wasserstein => logits.mean_all(),
        }
    }

    /// The generator's loss, a scalar, from the discriminator's `logits` (N, …) on its images.
    pub fn generator(self, logits: &Value) -> Result<Value> {
        match self {
            Self::Bce => bce_with_logits(logits, &logits.tensor().ones_like()?.into()),
            Self::Wasserstein => logits.mean_all()?.neg(),
        }
    }
}
