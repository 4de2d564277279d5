//! One factor for each channel of each sample, and the sums that are its derivative.

use candle_core::{CpuStorage, CustomOp2, D, Layout, Result, Shape, WithDType};
use rayon::prelude::*;

use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use super::reduce::{Planes, planewise, sum_of};
use crate::autograd::Value;

/// `x` (N, C, …), each channel of each sample multiplied by its number in `scale` (N, C).
pub fn scale_channels(x: &Value, scale: &Value) -> Result<Value> {
    let planes = Planes::of(x.shape())?;
    if scale.dims() != [planes.samples, planes.channels] {
        candle_core::bail!(
            "scale_channels: factors of shape {:?} for {:?}",
            scale.shape(),
            x.shape()
        );
    }
    let (tensor, factors) = (x.tensor(), scale.tensor());
    let scaled = if has_kernel(tensor) {
        tensor
            .contiguous()?
            .apply_op2_no_bwd(&factors.contiguous()?, &Scale)?
    } else {
        let mut shape = vec![1; x.rank()];
        shape[..2].copy_from_slice(&[planes.samples, planes.channels]);
        tensor.broadcast_mul(&factors.reshape(shape)?)?
    };
    let (kept_x, kept_scale) = (x.kept_for(scale), scale.kept_for(x));
    Ok(Value::record(scaled, &[x, scale], move |back| {
        let gradient = back.gradient();
        Ok(vec![
            back.with_kept(0, kept_scale.as_ref(), |scale| {
                scale_channels(gradient, scale)
            })?,
            back.with_kept(1, kept_x.as_ref(), |x| channel_products(gradient, x))?,
        ])
    }))
}

/// Σ a · b over each channel of each sample of `a` and `b` (N, C, …): (N, C).
fn channel_products(a: &Value, b: &Value) -> Result<Value> {
    let (x, y) = (a.tensor(), b.tensor());
    let sums = if has_kernel(x) {
        x.contiguous()?
            .apply_op2_no_bwd(&y.contiguous()?, &Products)?
    } else {
        x.mul(y)?
            .reshape((x.dim(0)?, x.dim(1)?, ()))?
            .sum(D::Minus1)?
    };
    let (kept_a, kept_b) = (a.kept_for(b), b.kept_for(a));
    Ok(Value::record(sums, &[a, b], move |back| {
        let gradient = back.gradient();
        Ok(vec![
            back.with_kept(0, kept_b.as_ref(), |b| scale_channels(b, gradient))?,
            back.with_kept(1, kept_a.as_ref(), |a| scale_channels(a, gradient))?,
        ])
    }))
}

struct Scale;

impl CustomOp2 for Scale {
    fn name(&self) -> &'static str {
        "scale-channels"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of(x_layout.shape())?;
        by_type!(self.name(), x, T => {
            let (x, scale): (&[T], &[T]) = (elements(x, x_layout)?, elements(scale, scale_layout)?);
            let scaled = planewise(planes, |plane, at, out| {
                let (x, factor) = (&x[at], scale[plane]);
                out.fill(move |i| x[i] * factor)
            });
            Ok((T::to_cpu_storage_owned(scaled), x_layout.shape().clone()))
        })
    }
}

struct Products;

impl CustomOp2 for Products {
    fn name(&self) -> &'static str {
        "channel-products"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of(a_layout.shape())?;
        by_type!(self.name(), a, T => {
            let (a, b): (&[T], &[T]) = (elements(a, a_layout)?, elements(b, b_layout)?);
            let sums: Vec<T> = products(planes, a, b);
            Ok((T::to_cpu_storage_owned(sums), (planes.samples, planes.channels).into()))
        })
    }
}

fn products<T: Real>(planes: Planes, a: &[T], b: &[T]) -> Vec<T> {
    (0..planes.samples * planes.channels)
        .into_par_iter()
        .map(|plane| {
            let at = plane * planes.pixels..(plane + 1) * planes.pixels;
            T::from_f64(sum_of(&a[at.clone()], &b[at], |a, b| a * b))
        })
        .collect()
}
