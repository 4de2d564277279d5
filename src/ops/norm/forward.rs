//! y = activation((x − mean) / std · gamma + beta).

use std::hint::select_unpredictable as select;

use candle_core::{Result, Tensor, WithDType};

use super::groups::planewise;
use super::{Center, Fused};
use crate::ops::dispatch::{by_dtype, with_elements};
use crate::ops::real::Real;

/// `gamma` and `beta` are per channel (C); all tensors are contiguous.
pub(super) fn forward(fused: &Fused, x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<Tensor> {
    let groups = fused.groups;
    let channels = groups.planes.channels;
    by_dtype!(x, T => {
        let below_zero = T::from_f64(fused.factor_below_zero);
        let y = with_elements([x, gamma, beta], |[x, gamma, beta]: [&[T]; 3]| {
            planewise(groups.planes, |plane, at, out| {
                let (group, channel) = (&fused.scales[groups.of_plane(plane)], plane % channels);
                let Center { mean, rest } = group.center::<T>();
                let scale = T::from_f64(group.inverse_std) * gamma[channel];
                let shift = beta[channel] - T::from_f64(rest) * scale;
                let x = &x[at];
                out.fill(|i| {
                    let y = (x[i] - mean) * scale + shift;
                    select(y > T::ZERO, y, y * below_zero)
                })
            })
        })?;
        Tensor::from_vec(y, x.shape(), x.device())
    })
}
