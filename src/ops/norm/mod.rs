//! Normalisations: subtract a mean, divide by a standard deviation, scale and shift per channel.
//!
//! They differ in what is normalised together ([`Groups`]) and share everything else: the
//! [statistics](statistics), one fused pass [forward] that also applies an activation, and its way [back](backward).
//! Neither the normalised tensor nor the one before the activation is ever stored; the way back recomputes
//! them from the argument and the result, which the neighbouring operations keep anyway.

mod backward;
mod batch;
mod forward;
mod groups;
mod reference;
mod sample;
mod statistics;
mod sums;

use candle_core::{DType, Result, Tensor, bail};

use self::backward::{Given, Gradients, Wanted};
use self::groups::Groups;
use self::statistics::Moments;
use super::activation::Activation;
use super::dispatch::has_kernel;
use super::real::Real;
use crate::autograd::{Backward, Value};

pub use batch::{BatchStats, batch_norm_eval, batch_norm_train};
pub use sample::{Scaling, group_norm, instance_norm, layer_norm};

/// Everything about a fused normalisation but its tensors.
struct Fused {
    groups: Groups,
    /// of each group
    scales: Vec<Scale>,
    /// whether the statistics do not depend on what is normalised
    statistics_are_given: bool,
    /// of the activation: 1 without one
    factor_below_zero: f64,
}

/// What a group is normalised by.
struct Scale {
    mean: f64,
    /// 1 / √(variance + eps)
    inverse_std: f64,
}

/// What is subtracted in the element type: a mean as near as it can be written, and what is left of it, which
/// counts where the mean is large and the standard deviation small.
struct Center<T> {
    mean: T,
    rest: f64,
}

impl Scale {
    fn new(moments: Moments, eps: f64) -> Self {
        Self {
            mean: moments.mean,
            inverse_std: 1.0 / (moments.var + eps).sqrt(),
        }
    }

    fn center<T: Real>(&self) -> Center<T> {
        let mean = T::from_f64(self.mean);
        Center {
            mean,
            rest: self.mean - mean.to_f64(),
        }
    }
}

/// Means and biased variances, one number a group.
#[derive(Debug, Clone)]
struct Statistics {
    mean: Tensor,
    var: Tensor,
}

impl Statistics {
    /// As tensors like `like`.
    fn new(moments: &[Moments], like: &Tensor) -> Result<Self> {
        let tensor = |pick: fn(&Moments) -> f64| {
            let values: Vec<f64> = moments.iter().map(pick).collect();
            Tensor::from_vec(values, moments.len(), like.device())?.to_dtype(like.dtype())
        };
        Ok(Self {
            mean: tensor(|moments| moments.mean)?,
            var: tensor(|moments| moments.var)?,
        })
    }

    fn moments(&self) -> Result<Vec<Moments>> {
        let numbers = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.to_vec1();
        let pairs = numbers(&self.mean)?.into_iter().zip(numbers(&self.var)?);
        Ok(pairs.map(|(mean, var)| Moments { mean, var }).collect())
    }
}

/// A normalisation: of which groups, by which statistics.
#[derive(Clone)]
struct Normalisation {
    groups: Groups,
    eps: f64,
    /// those of the argument itself unless given
    given: Option<Statistics>,
}

impl Normalisation {
    /// `x` normalised, times `gamma` (C), plus `beta` (C), and `activation` of that; with the statistics.
    fn apply(
        self,
        x: &Value,
        gamma: &Value,
        beta: &Value,
        activation: Activation,
    ) -> Result<(Value, Statistics)> {
        for vector in [gamma, beta] {
            if vector.dims() != [self.groups.planes.channels] {
                bail!(
                    "normalisation: a parameter of shape {:?} does not fit {} channels",
                    vector.shape(),
                    self.groups.planes.channels
                );
            }
        }
        if !has_kernel(x.tensor()) {
            let (y, statistics) = reference::normalise(&self, x, gamma, beta)?;
            return Ok((activation.apply(&y)?, statistics));
        }
        if let Some(factor) = activation.factor_below_zero() {
            return self.apply_fused(x, gamma, beta, activation, factor);
        }
        let (y, statistics) = self.apply_fused(x, gamma, beta, Activation::Identity, 1.0)?;
        Ok((activation.apply(&y)?, statistics))
    }

    fn apply_fused(
        self,
        x: &Value,
        gamma: &Value,
        beta: &Value,
        activation: Activation,
        factor_below_zero: f64,
    ) -> Result<(Value, Statistics)> {
        let tensor = x.tensor().contiguous()?;
        let moments = match &self.given {
            Some(statistics) => statistics.moments()?,
            None => statistics::moments(self.groups, &tensor)?,
        };
        let statistics = Statistics::new(&moments, &tensor)?;
        let scales = moments.iter().map(|moments| Scale::new(*moments, self.eps));
        let fused = Fused {
            groups: self.groups,
            scales: scales.collect(),
            statistics_are_given: self.given.is_some(),
            factor_below_zero,
        };
        let (scale, shift) = (gamma.tensor().contiguous()?, beta.tensor().contiguous()?);
        let y = forward::forward(&fused, &tensor, &scale, &shift)?;
        let (kept_x, kept_gamma, kept_beta) = (x.kept(), gamma.kept(), beta.kept());
        let backward = move |back: &Backward<'_>| {
            let (x, gamma) = (back.kept(&kept_x), back.kept(&kept_gamma));
            if back.is_differentiable() {
                let beta = back.kept(&kept_beta);
                return back.through([&x, &gamma, &beta], |[x, gamma, beta]| {
                    activation.apply(&reference::normalise(&self, x, gamma, beta)?.0)
                });
            }
            let x = x.tensor().contiguous()?;
            let given = Given {
                y: match activation {
                    Activation::Identity => &x,
                    _ => back.output()?.tensor(),
                },
                x: &x,
                gradient: &back.gradient().tensor().contiguous()?,
                gamma: &gamma.tensor().contiguous()?,
            };
            let wanted = Wanted {
                x: back.wants(0),
                parameters: back.wants(1) || back.wants(2),
            };
            let Gradients { x, parameters } = backward::backward(&fused, &given, wanted)?;
            let [for_gamma, for_beta] = match parameters {
                Some(vectors) => vectors.map(|vector| Some(Value::from(vector))),
                None => [None, None],
            };
            Ok(vec![x.map(Value::from), for_gamma, for_beta])
        };
        let arguments = [x, gamma, beta];
        let y = match activation {
            Activation::Identity => Value::record(y, &arguments, backward),
            _ => Value::record_with_output(y, &arguments, backward),
        };
        Ok((y, statistics))
    }
}
