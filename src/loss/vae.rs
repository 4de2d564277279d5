//! Losses of a variational autoencoder (Kingma & Welling 2014).

use candle_core::Result;

use crate::autograd::Value;
use crate::ops::{exp, l1, mse};

/// How the terms of one image become a number; the mean over images follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// the mean over pixels, or over the dimensions of z
    Mean,
    /// their sum, as in the evidence lower bound
    Sum,
}

/// How far a reconstruction is from its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconstruction {
    /// (x − x̂)²
    Mse,
    /// |x − x̂|
    L1,
}

impl Reconstruction {
    /// A scalar: `image` (N, C, H, W) against its reconstruction.
    pub fn value(
        self,
        reconstruction: &Value,
        image: &Value,
        reduction: Reduction,
    ) -> Result<Value> {
        let mean = match self {
            Self::Mse => mse(reconstruction, image)?,
            Self::L1 => l1(reconstruction, image)?,
        };
        reduced(mean, image, reduction)
    }
}

/// −½ Σ (1 + log σ² − μ² − σ²): the Kullback-Leibler divergence of N(μ, σ²) from N(0, 1), a scalar, from `mean` and
/// `log_variance`, both (N, D).
pub fn kl_divergence(mean: &Value, log_variance: &Value, reduction: Reduction) -> Result<Value> {
    let spread = exp(log_variance)?.sub(log_variance)?.affine(1.0, -1.0)?;
    let each = mean.sqr()?.add(&spread)?.affine(0.5, 0.0)?;
    reduced(each.mean_all()?, mean, reduction)
}

/// μ + σ·`noise`: a draw from N(μ, σ²) that can be differentiated for both, all (N, D).
pub fn reparameterise(mean: &Value, log_variance: &Value, noise: &Value) -> Result<Value> {
    let deviation = exp(&log_variance.affine(0.5, 0.0)?)?;
    mean.add(&deviation.mul(noise)?)
}

/// `mean`, taken over all elements of a tensor like `like` (N, …), or the sum over those of one sample.
fn reduced(mean: Value, like: &Value, reduction: Reduction) -> Result<Value> {
    match reduction {
        Reduction::Mean => Ok(mean),
        Reduction::Sum => {
            let each = like.elem_count() / like.tensor().dim(0)?.max(1);
            mean.affine(each as f64, 0.0)
        }
    }
}
