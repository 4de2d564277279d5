//! The way back of a normalisation. With g the gradient behind the activation, x̂ = (x − mean) / std and m the
//! size of a group:
//!
//! - of beta: Σ g, of gamma: Σ g · x̂, per channel;
//! - of x: (gamma · g − (Σ gamma · g + x̂ · Σ gamma · g · x̂) / m) / std, with sums over the group, which are
//!   how its statistics move with x.

use std::hint::select_unpredictable as select;

use candle_core::{Result, Tensor, WithDType};
use rayon::prelude::*;

use super::groups::planewise;
use super::sums::sums;
use super::{Center, Fused};
use crate::kernel::pointwise::CHUNK;
use crate::kernel::simd::vectorised;
use crate::ops::dispatch::{by_dtype, with_elements};
use crate::ops::real::Real;

/// What the way back reads, all contiguous.
pub(super) struct Given<'a> {
    pub x: &'a Tensor,
    /// the result, whose sign tells on which side of zero the activation was
    pub y: &'a Tensor,
    pub gradient: &'a Tensor,
    pub gamma: &'a Tensor,
}

/// Σ g and Σ g · x̂ of each segment of the groups.
pub(super) struct Sums(Vec<[f64; 2]>);

impl Sums {
    pub fn of(fused: &Fused, given: &Given<'_>) -> Result<Self> {
        let groups = fused.groups;
        let inputs = [given.x, given.y, given.gradient];
        by_dtype!(given.x, T => {
            let below_zero = T::from_f64(fused.factor_below_zero);
            let of_segment = |inputs: [&[T]; 3], segment: usize| {
                let group = &fused.scales[groups.of_plane(segment)];
                let Center { mean, rest } = group.center::<T>();
                let strip = groups.segment(segment);
                let [plain, centered] = vectorised!(sums(strip, inputs, |[x, y, g]| {
                    let g = select(y > T::ZERO, g, g * below_zero);
                    [g, g * (x - mean)]
                }));
                [plain, (centered - rest * plain) * group.inverse_std]
            };
            with_elements(inputs, |inputs| {
                (0..groups.segments())
                    .into_par_iter()
                    .with_min_len(CHUNK.div_ceil(groups.segment(0).size()))
                    .map(|segment| of_segment(inputs, segment))
                    .collect()
            })
            .map(Self)
        })
    }

    /// The gradient of beta (C).
    pub fn for_beta(&self, like: &Tensor) -> Result<Tensor> {
        self.per_channel(0, like)
    }

    /// The gradient of gamma (C).
    pub fn for_gamma(&self, like: &Tensor) -> Result<Tensor> {
        self.per_channel(1, like)
    }

    fn per_channel(&self, which: usize, like: &Tensor) -> Result<Tensor> {
        let mut totals = vec![0.0; like.elem_count()];
        for segments in self.0.chunks_exact(totals.len()) {
            for (total, sums) in totals.iter_mut().zip(segments) {
                *total += sums[which];
            }
        }
        Tensor::from_vec(totals, like.shape(), like.device())?.to_dtype(like.dtype())
    }

    /// Σ gamma · g / m and Σ gamma · g · x̂ / m of each group; zero where the statistics are not x's own.
    fn means<T: Real>(&self, fused: &Fused, gamma: &[T]) -> Vec<[f64; 2]> {
        let groups = fused.groups;
        let mut means = vec![[0.0; 2]; groups.count()];
        if fused.statistics_are_given {
            return means;
        }
        let share = 1.0 / groups.size() as f64;
        for (segment, sums) in self.0.iter().enumerate() {
            let weight = gamma[segment % gamma.len()].to_f64() * share;
            let mean = &mut means[groups.of_plane(segment)];
            mean[0] += weight * sums[0];
            mean[1] += weight * sums[1];
        }
        means
    }

    /// The gradient of x.
    pub fn for_x(&self, fused: &Fused, given: &Given<'_>) -> Result<Tensor> {
        let groups = fused.groups;
        let (x, inputs) = (given.x, [given.x, given.y, given.gradient, given.gamma]);
        by_dtype!(x, T => {
            let below_zero = T::from_f64(fused.factor_below_zero);
            let gradient = with_elements(inputs, |[x, y, g, gamma]: [&[T]; 4]| {
                let means = self.means(fused, gamma);
                planewise(groups.planes, |plane, at, out| {
                    let group = groups.of_plane(plane);
                    let (scale, means) = (&fused.scales[group], means[group]);
                    let Center { mean, rest } = scale.center::<T>();
                    let factor = T::from_f64(scale.inverse_std) * gamma[plane % gamma.len()];
                    let tilt = means[1] * scale.inverse_std * scale.inverse_std;
                    let offset = T::from_f64(means[0] * scale.inverse_std - rest * tilt);
                    let tilt = T::from_f64(tilt);
                    let (x, y, g) = (&x[at.clone()], &y[at.clone()], &g[at]);
                    out.fill(|i| {
                        let g = select(y[i] > T::ZERO, g[i], g[i] * below_zero);
                        factor * g - offset - (x[i] - mean) * tilt
                    })
                })
            })?;
            Tensor::from_vec(gradient, x.shape(), x.device())
        })
    }
}
