//! `batch-norm`: batch normalisation (Ioffe and Szegedy 2015) with running statistics.

use candle_core::{Tensor, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use crate::autograd::Value;
use crate::model::build::{BufferSlot, Builder, Built, Forward, Layer, Slot, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::fold::{ChannelMap, Numbers};
use crate::model::init::Role;
use crate::model::inputs::{Mode, Run};
use crate::ops;

/// Normalises each channel over the batch, then scales and shifts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
pub struct BatchNorm {
    /// added to the variance
    pub eps: f64,
    /// the share of a batch's statistics in the running ones; with `keras`, the share of the old ones
    pub momentum: f64,
    /// whether it is Keras's: other defaults, and running variances divided by n instead of n − 1
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keras: bool,
}

/// Normalises each channel over the batch, then scales and shifts it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// added to the variance; 1e-5 unless given, in Keras's convention 1e-3
    eps: Option<f64>,
    /// the share of a batch's statistics in the running ones, 0.1 unless given; in Keras's convention the share of
    /// the old ones, 0.99 unless given
    momentum: Option<f64>,
    /// Keras's convention instead of PyTorch's
    #[serde(default)]
    keras: bool,
}

impl From<Written> for BatchNorm {
    fn from(written: Written) -> Self {
        let (eps, momentum) = if written.keras {
            (1e-3, 0.99)
        } else {
            (default_eps(), 0.1)
        };
        Self {
            eps: written.eps.unwrap_or(eps),
            momentum: written.momentum.unwrap_or(momentum),
            keras: written.keras,
        }
    }
}

pub(super) fn default_eps() -> f64 {
    1e-5
}

struct Computation {
    eps: f64,
    /// the share of a batch's statistics in the running ones
    share: f64,
    keras: bool,
    scale: Slot,
    shift: Slot,
    mean: BufferSlot,
    variance: BufferSlot,
    activation: ops::Activation,
}

impl Layer for BatchNorm {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let (&[channels] | &[channels, _, _]) = input else {
            return Err(builder.misfit(format_args!(
                "needs an input of (features) or (channels, height, width), but gets {}",
                text(input)
            )));
        };
        if !(self.eps >= 0.0 && (0.0..=1.0).contains(&self.momentum)) {
            return Err(builder.misfit(format_args!(
                "needs eps ≥ 0 and a momentum in [0, 1], but has {} and {}",
                self.eps, self.momentum
            )));
        }
        let computation = Computation {
            eps: self.eps,
            share: if self.keras {
                1.0 - self.momentum
            } else {
                self.momentum
            },
            keras: self.keras,
            scale: builder.parameter("weight", &[channels], Role::Scale)?,
            shift: builder.parameter("bias", &[channels], Role::Zero)?,
            mean: builder.buffer("running_mean", &[channels], Role::Zero)?,
            variance: builder.buffer("running_var", &[channels], Role::RunningVariance)?,
            activation: ops::Activation::Identity,
        };
        Ok(Built::new(input.to_vec(), computation))
    }
}

impl Forward for Computation {
    fn absorb(&mut self, activation: ops::Activation) -> bool {
        absorb(&mut self.activation, activation)
    }

    fn channel_map(&self, numbers: &Numbers<'_>) -> Result<Option<ChannelMap>, ModelError> {
        let deviation = (numbers.buffer(self.variance)? + self.eps)?.sqrt()?;
        let scale = numbers.parameter(self.scale)?.div(&deviation)?;
        let shift = numbers.parameter(self.shift)?;
        let shift = shift.sub(&numbers.buffer(self.mean)?.mul(&scale)?)?;
        Ok(Some(ChannelMap {
            scale,
            shift,
            activation: self.activation,
        }))
    }

    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let (scale, shift) = (run.parameter(self.scale), run.parameter(self.shift));
        let (mean, variance) = (run.buffer(self.mean), run.buffer(self.variance));
        match run.mode {
            Mode::Eval => Ok(ops::batch_norm_eval(
                x,
                &scale,
                &shift,
                mean,
                variance,
                self.eps,
                self.activation,
            )?),
            Mode::Train => {
                let (y, stats) =
                    ops::batch_norm_train(x, &scale, &shift, self.eps, self.activation)?;
                let batch_variance = if self.keras {
                    stats.var.clone()
                } else {
                    unbiased(&stats)?
                };
                self.drift(mean, &stats.mean)?;
                self.drift(variance, &batch_variance)?;
                Ok(y)
            }
        }
    }
}

/// The variance divided by n − 1, which is what PyTorch's running statistics keep.
fn unbiased(stats: &ops::BatchStats) -> candle_core::Result<Tensor> {
    if stats.count < 2 {
        bail!(
            "batch-norm needs more than one value a channel in training: take a batch size above 1"
        );
    }
    stats
        .var
        .affine(stats.count as f64 / (stats.count - 1) as f64, 0.0)
}

impl Computation {
    /// running ← (1 − share)·running + share·batch
    fn drift(&self, running: &Tensor, batch: &Tensor) -> candle_core::Result<()> {
        let kept = running.affine(1.0 - self.share, 0.0)?;
        running.slice_set(&kept.add(&batch.affine(self.share, 0.0)?)?, 0, 0)
    }
}
