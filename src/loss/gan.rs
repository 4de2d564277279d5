//! Losses of a generator and a discriminator that play against each other.

use candle_core::Result;

use crate::autograd::Value;
use crate::ops::{bce_with_logits, mse, relu};

/// What both networks of a GAN minimise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GanLoss {
    /// Binary cross-entropy; the generator's form is the non-saturating one, −log D(G(z))
    /// (Goodfellow et al. 2014, section 3).
    Bce,
    /// The same discriminator; the generator minimises log(1 − D(G(z))) (Goodfellow et al. 2014, equation 1).
    Minimax,
    /// Least squares: ½(D(x) − a)² for the label a, 1 of real and 0 of generated images
    /// (Mao et al. 2017, equation 9).
    LeastSquares,
    /// max(0, 1 − D(x)) + max(0, 1 + D(G(z))), and −D(G(z)) for the generator (Lim & Ye 2017; Miyato et al.
    /// 2018, equations 16 and 17).
    Hinge,
    /// The Wasserstein distance as a critic sees it: E[D(G(z))] − E[D(x)] (Arjovsky et al. 2017). Means something
    /// only for a critic that is kept from growing steep: by a [penalty](super::slope_penalty()), by clipping, by
    /// spectral norms.
    Wasserstein,
}

impl GanLoss {
    /// The discriminator's loss on images of the data set, a scalar; `logits` (N, …). `labels` (N) are
    /// what a loss with labels wants to hear; 1 unless given.
    pub fn real(self, logits: &Value, labels: Option<&Value>) -> Result<Value> {
        match self {
            Self::Bce | Self::Minimax => bce_with_logits(logits, &label(logits, labels, 1.0)?),
            Self::LeastSquares => mse(logits, &label(logits, labels, 1.0)?)?.affine(0.5, 0.0),
            Self::Hinge => relu(&logits.affine(-1.0, 1.0)?)?.mean_all(),
            Self::Wasserstein => logits.mean_all()?.neg(),
        }
    }

    /// The discriminator's loss on the generator's images, a scalar; `logits` (N, …). `labels` are 0 unless given.
    pub fn fake(self, logits: &Value, labels: Option<&Value>) -> Result<Value> {
        match self {
            Self::Bce | Self::Minimax => bce_with_logits(logits, &label(logits, labels, 0.0)?),
            Self::LeastSquares => mse(logits, &label(logits, labels, 0.0)?)?.affine(0.5, 0.0),
            Self::Hinge => relu(&logits.affine(1.0, 1.0)?)?.mean_all(),
            Self::Wasserstein => logits.mean_all(),
        }
    }

    /// The generator's loss, a scalar, from the discriminator's `logits` (N, …) on its images.
    pub fn generator(self, logits: &Value) -> Result<Value> {
        match self {
            Self::Bce => bce_with_logits(logits, &label(logits, None, 1.0)?),
            Self::Minimax => bce_with_logits(logits, &label(logits, None, 0.0)?)?.neg(),
            Self::LeastSquares => mse(logits, &label(logits, None, 1.0)?)?.affine(0.5, 0.0),
            Self::Hinge | Self::Wasserstein => logits.mean_all()?.neg(),
        }
    }

    /// Whether the discriminator is told a label for each image, which may then be soft or noisy.
    pub const fn has_labels(self) -> bool {
        matches!(self, Self::Bce | Self::Minimax | Self::LeastSquares)
    }

    /// The logit above which an image counts as real; `None` for a critic, whose numbers only differ.
    pub const fn threshold(self) -> Option<f32> {
        match self {
            Self::Bce | Self::Minimax | Self::Hinge => Some(0.0),
            Self::LeastSquares => Some(0.5),
            Self::Wasserstein => None,
        }
    }
}

/// `labels` (N) for all logits of their sample, or `default` everywhere.
fn label(logits: &Value, labels: Option<&Value>, default: f64) -> Result<Value> {
    let Some(labels) = labels else {
        return Ok(logits.tensor().zeros_like()?.affine(1.0, default)?.into());
    };
    let mut shape = vec![1; logits.rank()];
    shape[0] = labels.elem_count();
    labels.reshape(shape)?.broadcast_as(logits.shape().clone())
}
