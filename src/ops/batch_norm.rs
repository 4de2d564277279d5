//! Batch normalisation (Ioffe and Szegedy 2015): per channel, over samples and pixels.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, WithDType,
};
use rayon::prelude::*;

use super::bias::per_channel;
use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use super::reduce::Planes;

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
/// First derivatives are exact, statistics included; a second derivative is an error.
pub fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
) -> Result<(Tensor, BatchStats)> {
    let planes = Planes::of(x.shape())?;
    check_channels(planes, &[gamma, beta])?;
    if x.elem_count() == 0 {
        candle_core::bail!(
            "batch_norm: no elements in a batch of shape {:?}",
            x.shape()
        );
    }
    if !has_kernel(x) {
        return reference::batch_norm_train(x, gamma, beta, eps);
    }
    let x = x.contiguous()?;
    let moments = x.detach().apply_op1_no_bwd(&Moments)?;
    let stats = BatchStats {
        mean: moments.get(0)?,
        var: moments.get(1)?,
        count: planes.count(),
    };
    let y = x.apply_op3(
        &gamma.contiguous()?,
        &beta.contiguous()?,
        Normalise { moments, eps },
    )?;
    Ok((y, stats))
}

/// Normalises `x` (N, C) or (N, C, H, W) by given statistics (C), then scales and shifts. Differentiable
/// in every argument.
pub fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    check_channels(Planes::of(x.shape())?, &[gamma, beta, mean, var])?;
    let scale = gamma.div(&var.affine(1.0, eps)?.sqrt()?)?;
    let shift = beta.sub(&mean.mul(&scale)?)?;
    x.broadcast_mul(&per_channel(&scale, x.rank())?)?
        .broadcast_add(&per_channel(&shift, x.rank())?)
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

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let (moments, eps) = (self.moments.clone(), self.eps);
        let sums = x.apply_op2(&gradient, Sums { moments, eps })?;
        let (moments, eps) = (self.moments.clone(), self.eps);
        let for_x = if x.track_op() {
            let op = InputGradient {
                moments,
                eps,
                sums: sums.detach(),
            };
            Some(x.apply_op3(&gamma.contiguous()?, &gradient, op)?)
        } else {
            None
        };
        let for_beta = beta.track_op().then(|| sums.get(0)).transpose()?;
        let for_gamma = gamma.track_op().then(|| sums.get(1)).transpose()?;
        Ok((for_x, for_gamma, for_beta))
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
    use candle_core::{Result, Tensor};

    use super::{BatchStats, Planes, per_channel};

    /// [`batch_norm_train`](crate::ops::batch_norm_train).
    pub fn batch_norm_train(
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        eps: f64,
    ) -> Result<(Tensor, BatchStats)> {
        let planes = Planes::of(x.shape())?;
        let (n, c, p) = (planes.samples, planes.channels, planes.pixels);
        let flat = x.reshape((n, c, p))?;
        let mean = flat.mean_keepdim(2)?.mean_keepdim(0)?;
        let centered = flat.broadcast_sub(&mean)?;
        let var = centered.sqr()?.mean_keepdim(2)?.mean_keepdim(0)?;
        let normal = centered.broadcast_div(&var.affine(1.0, eps)?.sqrt()?)?;
        let y = normal
            .broadcast_mul(&per_channel(gamma, 3)?)?
            .broadcast_add(&per_channel(beta, 3)?)?;
        let stats = BatchStats {
            mean: mean.flatten_all()?.detach(),
            var: var.flatten_all()?.detach(),
            count: planes.count(),
        };
        Ok((y.reshape(x.shape())?, stats))
    }
}
