//! Means and variances of groups.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::groups::{Groups, Strip};
use super::sums::block_sums;
use crate::kernel::pointwise::CHUNK;
use crate::kernel::simd::vectorised;
use crate::ops::dispatch::{by_dtype, with_elements};
use crate::ops::real::Real;

/// Mean and biased variance of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub mean: f64,
    pub var: f64,
}

/// Those of every group of `x`, which is contiguous.
pub(super) fn moments(groups: Groups, x: &Tensor) -> Result<Vec<Moments>> {
    by_dtype!(x, T => with_elements([x], |[x]: [&[T]; 1]| {
        (0..groups.count())
            .into_par_iter()
            .with_min_len(CHUNK.div_ceil(groups.size()))
            .map(|group| {
                let strip = groups.strip(group);
                vectorised!(moments_of(strip, x))
            })
            .collect()
    }))
}

/// Goes twice over each block, while it is in the cache, and joins the blocks' moments in `f64` (Chan, Golub and
/// `LeVeque` 1983): exact however far the mean is from zero.
#[inline]
fn moments_of<T: Real>(strip: Strip, x: &[T]) -> Moments {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for block in strip.blocks() {
        let size = block.size() as f64;
        let [sum] = block_sums(block, [x], |[x]| [x]);
        // The block's mean, rounded. What is left of it shows in `rest`.
        let center = T::from_f64(sum / size);
        let [rest, around_center] = block_sums(block, [x], |[x]| {
            let distance = x - center;
            [distance, distance * distance]
        });
        let block_squares = around_center - rest * rest / size;
        let apart = center.to_f64() + rest / size - mean;
        let total = count + size;
        mean += apart * size / total;
        squares += block_squares + apart * apart * count * size / total;
        count = total;
    }
    Moments {
        mean,
        var: squares / count,
    }
}
