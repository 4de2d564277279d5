//! y = activation((x − mean) / std · gamma + beta).

use candle_core::{Result, Tensor};

use super::{Center, Fused};
use crate::ops::activation::piecewise;
use crate::ops::dispatch::{by_dtype, with_elements};
use crate::ops::real::Real;
use crate::ops::reduce::{planewise, rowwise};

/// `gamma` and `beta` are per channel (C); all tensors are contiguous.
pub(super) fn forward(fused: &Fused, x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<Tensor> {
    by_dtype!(x, T => {
        let y = with_elements([x, gamma, beta], |[x, gamma, beta]: [&[T]; 3]| {
            match fused.groups.row() {
                Some(length) => by_rows(fused, length, x, gamma, beta),
                None => by_planes(fused, x, gamma, beta),
            }
        })?;
        Tensor::from_vec(y, x.shape(), x.device())
    })
}

fn by_planes<T: Real>(fused: &Fused, x: &[T], gamma: &[T], beta: &[T]) -> Vec<T> {
    let groups = fused.groups;
    let activation = piecewise(T::from_f64(fused.factor_below_zero));
    planewise(groups.planes, |plane, at, out| {
        let scale = &fused.scales[groups.of_plane(plane)];
        let channel = plane % gamma.len();
        let Center { mean, rest } = scale.center::<T>();
        let factor = T::from_f64(scale.inverse_std) * gamma[channel];
        let shift = beta[channel] - T::from_f64(rest) * factor;
        let x = &x[at];
        out.fill(move |i| activation((x[i] - mean) * factor + shift))
    })
}

fn by_rows<T: Real>(fused: &Fused, length: usize, x: &[T], gamma: &[T], beta: &[T]) -> Vec<T> {
    let activation = piecewise(T::from_f64(fused.factor_below_zero));
    rowwise(x.len(), length, |row, at, out| {
        let scale = &fused.scales[row];
        let Center { mean, rest } = scale.center::<T>();
        let (rest, inverse_std) = (T::from_f64(rest), T::from_f64(scale.inverse_std));
        let channels = at.start % gamma.len()..;
        let gamma = &gamma[channels.clone()][..length];
        let beta = &beta[channels][..length];
        let x = &x[at];
        out.fill(move |i| activation((x[i] - mean - rest) * (inverse_std * gamma[i]) + beta[i]))
    })
}
