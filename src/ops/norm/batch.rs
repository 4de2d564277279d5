//! Batch normalisation (Ioffe and Szegedy 2015): per channel, over samples and pixels.

use candle_core::{Result, Tensor};

use super::groups::Groups;
use super::{Normalisation, Statistics};
use crate::autograd::Value;
use crate::ops::activation::Activation;

/// What a batch measured, to update running statistics with. Carries no gradient.
#[derive(Debug, Clone)]
pub struct BatchStats {
    /// mean of each channel (C)
    pub mean: Tensor,
    /// biased variance of each channel (C): divided by `count`
    pub var: Tensor,
    /// elements per channel; `var * count / (count - 1)` is the unbiased variance
    pub count: usize,
}

/// Normalises `x` (N, C) or (N, C, …) by its own statistics, scales by `gamma` (C), shifts by `beta` (C), and
/// applies `activation`.
///
/// Derivatives are exact, statistics included, to any order.
pub fn batch_norm_train(
    x: &Value,
    gamma: &Value,
    beta: &Value,
    eps: f64,
    activation: Activation,
) -> Result<(Value, BatchStats)> {
    let groups = Groups::of_batch(x.shape())?;
    let norm = Normalisation {
        groups,
        eps,
        given: None,
    };
    let (y, Statistics { mean, var }) = norm.apply(x, gamma, beta, activation)?;
    let count = groups.size();
    Ok((y, BatchStats { mean, var, count }))
}

/// Normalises `x` (N, C) or (N, C, …) by given statistics (C), scales, shifts, and applies `activation`.
/// Differentiable in `x`, `gamma` and `beta`, to any order.
pub fn batch_norm_eval(
    x: &Value,
    gamma: &Value,
    beta: &Value,
    mean: &Tensor,
    var: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<Value> {
    let groups = Groups::of_batch(x.shape())?;
    for statistic in [mean, var] {
        if statistic.dims() != [groups.count()] {
            candle_core::bail!(
                "batch_norm: statistics of shape {:?} do not fit {} channels",
                statistic.shape(),
                groups.count()
            );
        }
    }
    let norm = Normalisation {
        groups,
        eps,
        given: Some(Statistics {
            mean: mean.clone(),
            var: var.clone(),
        }),
    };
    Ok(norm.apply(x, gamma, beta, activation)?.0)
}
