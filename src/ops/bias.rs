//! Adding one number per channel, and an activation with it.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::activation::{Activation, piecewise};
use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use super::reduce::{Planes, planewise};
use crate::autograd::Value;
use crate::kernel::buffer::collect_chunks;
use crate::kernel::pointwise::CHUNK;
use crate::kernel::simd::vectorised;

/// What becomes of the sums of a linear operation: a number is added for each channel, and an activation applied.
#[derive(Debug, Clone, Copy)]
pub struct Finish<'a> {
    /// added to each channel (C)
    pub bias: Option<&'a Value>,
    /// applied then
    pub activation: Activation,
}

impl<'a> From<Option<&'a Value>> for Finish<'a> {
    fn from(bias: Option<&'a Value>) -> Self {
        Self {
            bias,
            activation: Activation::Identity,
        }
    }
}

impl Finish<'_> {
    /// The sums as they are.
    pub(super) const NONE: Self = Self {
        bias: None,
        activation: Activation::Identity,
    };

    /// Fails unless there are as many biases as channels.
    pub(super) fn check(&self, channels: usize) -> Result<()> {
        match self.bias {
            Some(bias) if bias.dims() != [channels] => candle_core::bail!(
                "a bias of shape {:?} does not fit {channels} channels",
                bias.shape()
            ),
            _ => Ok(()),
        }
    }

    /// The factor below zero with which a kernel for sums like `x` finishes them on the way; `None` if they must be
    /// finished afterwards.
    pub(super) fn on_the_way(&self, x: &Tensor) -> Option<f64> {
        self.activation
            .factor_below_zero()
            .filter(|_| has_kernel(x))
    }

    /// What becomes of `x` (N, C, …).
    pub fn apply(self, x: &Value) -> Result<Value> {
        let channels = x.tensor().dim(1)?;
        self.check(channels)?;
        let (bias, activation) = match self {
            Self {
                bias: None,
                activation,
            } => return activation.apply(x),
            Self {
                bias: Some(bias),
                activation,
            } => (bias, activation),
        };
        let sum = match self.on_the_way(x.tensor()) {
            Some(factor_below_zero) => {
                let (x, bias) = (x.tensor().contiguous()?, bias.tensor().contiguous()?);
                x.apply_op2_no_bwd(&bias, &AddBias { factor_below_zero })?
            }
            None if activation == Activation::Identity => {
                let bias = bias.tensor().reshape(per_channel(channels, x.rank()))?;
                x.tensor().broadcast_add(&bias)?
            }
            None => return activation.apply(&Self::from(Some(bias)).apply(x)?),
        };
        Ok(activation.record(sum, &[x, bias], |back, gradient| {
            Ok(vec![
                back.when_wanted(0, || Ok(gradient.clone()))?,
                back.when_wanted(1, || channel_sum(gradient))?,
            ])
        }))
    }
}

/// (C) of `rank` dimensions, (1, C, 1, …), to broadcast.
pub(super) fn per_channel(channels: usize, rank: usize) -> Vec<usize> {
    let mut shape = vec![1; rank];
    shape[1] = channels;
    shape
}

/// (N, C, …) to (C).
pub(super) fn channel_sum(x: &Value) -> Result<Value> {
    let channels = x.tensor().dim(1)?;
    x.sum_to(per_channel(channels, x.rank()))?.reshape(channels)
}

/// The kernel of [`Finish::apply`].
struct AddBias {
    factor_below_zero: f64,
}

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of(x_layout.shape())?;
        by_type!(self.name(), x, T => {
            let factor = T::from_f64(self.factor_below_zero);
            let y = add::<T>(planes, elements(x, x_layout)?, elements(bias, bias_layout)?, factor);
            Ok((T::to_cpu_storage_owned(y), x_layout.shape().clone()))
        })
    }
}

fn add<T: Real>(planes: Planes, x: &[T], bias: &[T], factor_below_zero: T) -> Vec<T> {
    let finish = piecewise(factor_below_zero);
    if planes.pixels > 1 {
        return planewise(planes, |plane, at, out| {
            let (x, bias) = (&x[at], bias[plane % planes.channels]);
            out.fill(move |i| finish(x[i] + bias))
        });
    }
    let rows = (CHUNK / planes.channels.max(1)).max(1) * planes.channels;
    collect_chunks(x.len(), rows, |part, out| {
        let x = &x[part * rows..][..out.len()];
        vectorised!(out.fill_chunks(planes.channels, |row, out| {
            let x = &x[row * planes.channels..][..planes.channels];
            out.fill(move |i| finish(x[i] + bias[i]))
        }))
    })
}
