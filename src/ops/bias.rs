//! Adding one number per channel.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, WithDType};
use rayon::prelude::*;

use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use super::reduce::Planes;
use crate::autograd::Value;

/// `x` (N, C, …) plus `bias` (C), if there is one.
pub(super) fn add_bias(x: Value, bias: Option<&Value>) -> Result<Value> {
    let Some(bias) = bias else { return Ok(x) };
    let channels = x.tensor().dim(1)?;
    if bias.dims() != [channels] {
        candle_core::bail!(
            "a bias of shape {:?} does not fit {channels} channels",
            bias.shape()
        );
    }
    let sum = if has_kernel(x.tensor()) {
        let (x, bias) = (x.tensor().contiguous()?, bias.tensor().contiguous()?);
        x.apply_op2_no_bwd(&bias, &AddBias)?
    } else {
        x.tensor()
            .broadcast_add(&bias.tensor().reshape(per_channel(channels, x.rank()))?)?
    };
    Ok(Value::record(sum, &[&x, bias], |back| {
        Ok(vec![
            back.when_wanted(0, || Ok(back.gradient().clone()))?,
            back.when_wanted(1, || channel_sum(back.gradient()))?,
        ])
    }))
}

/// (C) of `rank` dimensions, (1, C, 1, …), to broadcast.
pub(super) fn per_channel(channels: usize, rank: usize) -> Vec<usize> {
    let mut shape = vec![1; rank];
    shape[1] = channels;
    shape
}

/// (N, C, …) to (C).
pub(super) fn channel_sum(x: &Value) -> Result<Value> {
    let shape = x.shape().clone();
    let channels = x.tensor().dim(1)?;
    if !has_kernel(x.tensor()) {
        return x.sum_to(per_channel(channels, x.rank()))?.reshape(channels);
    }
    let sums = x.tensor().contiguous()?.apply_op1_no_bwd(&ChannelSum)?;
    Ok(Value::record(sums, &[x], move |back| {
        let gradient = back
            .gradient()
            .reshape(per_channel(channels, shape.rank()))?;
        Ok(vec![Some(gradient.broadcast_as(shape.clone())?)])
    }))
}

struct AddBias;

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
            let y = add::<T>(planes, elements(x, x_layout)?, elements(bias, bias_layout)?);
            Ok((T::to_cpu_storage_owned(y), x_layout.shape().clone()))
        })
    }
}

fn add<T: Real>(planes: Planes, x: &[T], bias: &[T]) -> Vec<T> {
    let mut y = x.to_vec();
    if y.is_empty() {
        return y;
    }
    y.par_chunks_mut(planes.sample()).for_each(|sample| {
        for (plane, &bias) in sample.chunks_exact_mut(planes.pixels).zip(bias) {
            for y in plane {
                *y += bias;
            }
        }
    });
    y
}

/// The kernel of [`channel_sum`].
struct ChannelSum;

impl CustomOp1 for ChannelSum {
    fn name(&self) -> &'static str {
        "channel-sum"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of(layout.shape())?;
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let sums: Vec<T> = (0..planes.channels)
                .into_par_iter()
                .map(|channel| T::from_f64(planes.channel_sum(x, x, channel, |x, _| x)))
                .collect();
            Ok((T::to_cpu_storage_owned(sums), planes.channels.into()))
        })
    }
}
