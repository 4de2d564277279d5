//! Batch normalisation (Ioffe and Szegedy 2015): per channel, over samples and pixels.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, WithDType,
};
use rayon::prelude::*;

use super::bias::per_channel;
use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use super::reduce::Planes;
use crate::autograd::Value;

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

/// Normalises `x` (N, C) or (N, C, H, W) by its own statistics, then scales by `gamma` (C) and shifts
/// by `beta` (C).
///
/// Derivatives are exact, statistics included, to any order.
pub fn batch_norm_train(
    x: &Value,
    gamma: &Value,
    beta: &Value,
    eps: f64,
) -> Result<(Value, BatchStats)> {
    let planes = Planes::of(x.shape())?;
    check_channels(planes, &[gamma.tensor(), beta.tensor()])?;
    if x.elem_count() == 0 {
        candle_core::bail!(
            "batch_norm: no elements in a batch of shape {:?}",
            x.shape()
        );
    }
    if !has_kernel(x.tensor()) {
        return reference::batch_norm_train(x, gamma, beta, eps);
    }
    let tensor = x.tensor().contiguous()?;
    let moments = tensor.apply_op1_no_bwd(&Moments)?;
    let stats = BatchStats {
        mean: moments.get(0)?,
        var: moments.get(1)?,
        count: planes.count(),
    };
    let op = Normalise {
        moments: moments.clone(),
        eps,
    };
    let (scale, shift) = (gamma.tensor().contiguous()?, beta.tensor().contiguous()?);
    let y = tensor.apply_op3_no_bwd(&scale, &shift, &op)?;
    let (kept_x, kept_gamma, kept_beta) = (x.kept(), gamma.kept(), beta.kept());
    let y = Value::record(y, &[x, gamma, beta], move |back| {
        let (x, gamma) = (back.kept(&kept_x), back.kept(&kept_gamma));
        if back.is_differentiable() {
            let beta = back.kept(&kept_beta);
            return back.through([&x, &gamma, &beta], |[x, gamma, beta]| {
                Ok(reference::batch_norm_train(x, gamma, beta, eps)?.0)
            });
        }
        let x = x.tensor().contiguous()?;
        let gradient = back.gradient().tensor().contiguous()?;
        let sums = x.apply_op2_no_bwd(
            &gradient,
            &Sums {
                moments: moments.clone(),
                eps,
            },
        )?;
        let for_x = back.when_wanted(0, || {
            let op = InputGradient {
                moments: moments.clone(),
                eps,
                sums: sums.clone(),
            };
            let gamma = gamma.tensor().contiguous()?;
            Ok(x.apply_op3_no_bwd(&gamma, &gradient, &op)?.into())
        })?;
        let for_gamma = back.when_wanted(1, || Ok(sums.get(1)?.into()))?;
        let for_beta = back.when_wanted(2, || Ok(sums.get(0)?.into()))?;
        Ok(vec![for_x, for_gamma, for_beta])
    });
    Ok((y, stats))
}

/// Normalises `x` (N, C) or (N, C, H, W) by given statistics (C), then scales and shifts. Differentiable
/// in every argument.
pub fn batch_norm_eval(
    x: &Value,
    gamma: &Value,
    beta: &Value,
    mean: &Tensor,
    var: &Tensor,
    eps: f64,
) -> Result<Value> {
    let planes = Planes::of(x.shape())?;
    check_channels(planes, &[gamma.tensor(), beta.tensor(), mean, var])?;
    let inverse_std = Value::constant(var.affine(1.0, eps)?.sqrt()?.recip()?);
    let scale = gamma.mul(&inverse_std)?;
    let shift = beta.sub(&scale.mul(&Value::constant(mean.clone()))?)?;
    let spread = |vector: &Value| {
        vector
            .reshape(per_channel(planes.channels, x.rank()))?
            .broadcast_as(x.shape().clone())
    };
    x.mul(&spread(&scale)?)?.add(&spread(&shift)?)
}

fn check_channels(planes: Planes, vectors: &[&Tensor]) -> Result<()> {
    for vector in vectors {
        if vector.dims() != [planes.channels] {
            candle_core::bail!(
                "batch_norm: a parameter of shape {:?} does not fit {} channels",
                vector.shape(),
                planes.channels
            );
        }
    }
    Ok(())
}

/// Mean and biased variance of each channel: (2, C).
struct Moments;

impl CustomOp1 for Moments {
    fn name(&self) -> &'static str {
        "batch-norm-moments"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of(layout.shape())?;
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let count = planes.count() as f64;
            Ok(two_per_channel::<T>(planes, |channel| {
                let mean = planes.channel_sum(x, x, channel, |x, _| x) / count;
                let center = T::from_f64(mean);
                let squares = planes.channel_sum(x, x, channel, |x, _| (x - center) * (x - center));
                (mean, squares / count)
            }))
        })
    }
}

fn two_per_channel<T: Real>(
    planes: Planes,
    of_channel: impl Fn(usize) -> (f64, f64) + Sync + Send,
) -> (CpuStorage, Shape) {
    let pairs: Vec<(f64, f64)> = (0..planes.channels)
        .into_par_iter()
        .map(of_channel)
        .collect();
    let firsts = pairs.iter().map(|pair| T::from_f64(pair.0));
    let seconds = pairs.iter().map(|pair| T::from_f64(pair.1));
    let rows: Vec<T> = firsts.chain(seconds).collect();
    let shape = (2, planes.channels).into();
    (T::to_cpu_storage_owned(rows), shape)
}

/// A channel's constants.
struct Channel<T> {
    mean: T,
    /// 1 / √(variance + eps)
    inverse_std: T,
}

fn channels<T: Real>(moments: &Tensor, eps: f64) -> Result<Vec<Channel<T>>> {
    let rows = moments.to_vec2::<T>()?;
    let pairs = rows[0].iter().zip(&rows[1]);
    Ok(pairs
        .map(|(&mean, var)| Channel {
            mean,
            inverse_std: T::from_f64(1.0 / (var.to_f64() + eps).sqrt()),
        })
        .collect())
}

/// y = (x − mean) / std · gamma + beta.
struct Normalise {
    moments: Tensor,
    eps: f64,
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of(x_layout.shape())?;
        by_type!(self.name(), x, T => {
            let channels = channels::<T>(&self.moments, self.eps)?;
            let gamma: &[T] = elements(gamma, gamma_layout)?;
            let beta: &[T] = elements(beta, beta_layout)?;
            let y = planewise(planes, elements(x, x_layout)?, &[], |c, y, x, _| {
                let Channel { mean, inverse_std } = channels[c];
                let (scale, beta) = (gamma[c] * inverse_std, beta[c]);
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - mean) * scale + beta);
            });
            Ok((T::to_cpu_storage_owned(y), x_layout.shape().clone()))
        })
    }
}

/// Per channel Σ g and Σ g · (x − mean) / std, the gradients of beta and gamma: (2, C).
struct Sums {
    moments: Tensor,
    eps: f64,
}

impl CustomOp2 for Sums {
    fn name(&self) -> &'static str {
        "batch-norm-parameter-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of(x_layout.shape())?;
        by_type!(self.name(), x, T => {
            let channels = channels::<T>(&self.moments, self.eps)?;
            let x: &[T] = elements(x, x_layout)?;
            let gradient: &[T] = elements(gradient, gradient_layout)?;
            Ok(two_per_channel::<T>(planes, |c| {
                let mean = channels[c].mean;
                let plain = planes.channel_sum(x, gradient, c, |_, g| g);
                let centered = planes.channel_sum(x, gradient, c, |x, g| g * (x - mean));
                (plain, centered * channels[c].inverse_std.to_f64())
            }))
        })
    }
}

/// gamma / std · (g − mean(g) − x̂ · mean(g · x̂)), with x̂ the normalised x.
struct InputGradient {
    moments: Tensor,
    eps: f64,
    sums: Tensor,
}

impl CustomOp3 for InputGradient {
    fn name(&self) -> &'static str {
        "batch-norm-input-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of(x_layout.shape())?;
        by_type!(self.name(), x, T => {
            let channels = channels::<T>(&self.moments, self.eps)?;
            let sums = self.sums.to_vec2::<T>()?;
            let gamma: &[T] = elements(gamma, gamma_layout)?;
            let count = T::from_f64(planes.count() as f64);
            let (x, gradient) = (elements(x, x_layout)?, elements(gradient, gradient_layout)?);
            let out = planewise(planes, x, gradient, |c, out, x, g| {
                let Channel { mean, inverse_std } = channels[c];
                let scale = gamma[c] * inverse_std;
                let offset = sums[0][c] / count;
                let tilt = sums[1][c] / count * inverse_std;
                for (out, (&x, &g)) in out.iter_mut().zip(x.iter().zip(g)) {
                    *out = scale * (g - offset - (x - mean) * tilt);
                }
            });
            Ok((T::to_cpu_storage_owned(out), x_layout.shape().clone()))
        })
    }
}

/// Calls `f`(channel, result, a, b) for every plane; `b` may be empty and is then passed empty.
fn planewise<T: Real>(
    planes: Planes,
    a: &[T],
    b: &[T],
    f: impl Fn(usize, &mut [T], &[T], &[T]) + Sync,
) -> Vec<T> {
    let mut out = vec![T::ZERO; a.len()];
    out.par_chunks_mut(planes.sample())
        .enumerate()
        .for_each(|(sample, out)| {
            for (channel, out) in out.chunks_exact_mut(planes.pixels).enumerate() {
                let start = sample * planes.sample() + channel * planes.pixels;
                let plane = start..start + planes.pixels;
                f(
                    channel,
                    out,
                    &a[plane.clone()],
                    b.get(plane).unwrap_or_default(),
                );
            }
        });
    out
}

pub(super) mod reference {
    use candle_core::Result;

    use super::{BatchStats, Planes, per_channel};
    use crate::autograd::Value;

    /// [`batch_norm_train`](crate::ops::batch_norm_train).
    pub fn batch_norm_train(
        x: &Value,
        gamma: &Value,
        beta: &Value,
        eps: f64,
    ) -> Result<(Value, BatchStats)> {
        let planes = Planes::of(x.shape())?;
        let channels = per_channel(planes.channels, x.rank());
        let share = 1.0 / planes.count() as f64;
        let mean_of = |x: &Value| x.sum_to(channels.clone())?.affine(share, 0.0);
        let whole = x.shape().clone();
        let mean = mean_of(x)?;
        let centered = x.sub(&mean.broadcast_as(whole.clone())?)?;
        let var = mean_of(&centered.sqr()?)?;
        let std = var.affine(1.0, eps)?.sqrt()?;
        let scale = gamma.reshape(channels.clone())?.div(&std)?;
        let shift = beta
            .reshape(channels.clone())?
            .broadcast_as(whole.clone())?;
        let y = centered.mul(&scale.broadcast_as(whole)?)?.add(&shift)?;
        let stats = BatchStats {
            mean: mean.tensor().flatten_all()?,
            var: var.tensor().flatten_all()?,
            count: planes.count(),
        };
        Ok((y, stats))
    }
}
