//! `batch-norm`: batch normalisation (Ioffe and Szegedy 2015) with running statistics.

use candle_core::{Tensor, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use crate::autograd::Value;
use crate::model::build::{BufferSlot, Builder, Built, Forward, Layer, Slot, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::{Mode, Run};
use crate::ops;

/// Normalises each channel over the batch, then scales and shifts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// added to the variance
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// the share of a batch's statistics in the running ones (`PyTorch`'s convention; Keras gives 1 − this)
    #[serde(default = "default_momentum")]
    pub momentum: f64,
}

pub(super) fn default_eps() -> f64 {
    1e-5
}

fn default_momentum() -> f64 {
    0.1
}

struct Computation {
    eps: f64,
    momentum: f64,
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
            momentum: self.momentum,
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
                let unbiased = unbiased(&stats)?;
                self.drift(mean, &stats.mean)?;
                self.drift(variance, &unbiased)?;
                Ok(y)
            }
        }
    }
}

/// The variance divided by n − 1, which is what running statistics keep.
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
    /// running ← (1 − momentum)·running + momentum·batch
    fn drift(&self, running: &Tensor, batch: &Tensor) -> candle_core::Result<()> {
        let kept = running.affine(1.0 - self.momentum, 0.0)?;
        running.slice_set(&kept.add(&batch.affine(self.momentum, 0.0)?)?, 0, 0)
    }
}
