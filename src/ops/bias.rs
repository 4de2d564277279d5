//! Adding one number per channel.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

use super::dispatch::{by_type, elements, has_kernel, if_tracked};
use super::real::Real;
use super::reduce::Planes;

/// `x` (N, C, …) plus `bias` (C), if there is one.
pub(super) fn add_bias(x: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let Some(bias) = bias else { return Ok(x) };
    let channels = x.dim(1)?;
    if bias.dims() != [channels] {
        candle_core::bail!(
            "a bias of shape {:?} does not fit {channels} channels",
            bias.shape()
        );
    }
    if has_kernel(&x) {
        return x.contiguous()?.apply_op2(&bias.contiguous()?, AddBias);
    }
    x.broadcast_add(&per_channel(bias, x.rank())?)
}

/// (C) as (1, C, 1, …) of `rank` dimensions, to broadcast.
pub(super) fn per_channel(vector: &Tensor, rank: usize) -> Result<Tensor> {
    let mut shape = vec![1; rank];
    shape[1] = vector.elem_count();
    vector.reshape(shape)
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

    fn bwd(
        &self,
        _x: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let for_bias = if_tracked(bias, || gradient.contiguous()?.apply_op1(ChannelSum))?;
        Ok((Some(gradient.clone()), for_bias))
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

/// (N, C, …) to (C).
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

    fn bwd(&self, x: &Tensor, _sums: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        per_channel(gradient, x.rank())?
            .broadcast_as(x.shape())
            .map(Some)
    }
}
