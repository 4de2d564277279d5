//! Nearest-neighbour upsampling.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

use super::Padding;
use super::dispatch::{by_type, elements, has_kernel};
use super::pool::avg_pool2d;
use super::real::Real;

/// Repeats each pixel of `x` (N, C, H, W) `scale` times in both directions.
pub fn upsample_nearest2d(x: &Tensor, scale: usize) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    if scale == 0 {
        candle_core::bail!("upsample_nearest2d: scale must not be 0");
    }
    if has_kernel(x) {
        return x.contiguous()?.apply_op1(Upsample(scale));
    }
    x.reshape((n, c, h, 1, w, 1))?
        .broadcast_as((n, c, h, scale, w, scale))?
        .reshape((n, c, h * scale, w * scale))
}

struct Upsample(usize);

impl CustomOp1 for Upsample {
    fn name(&self) -> &'static str {
        "upsample-nearest2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, h, w) = layout.shape().dims4()?;
        by_type!(self.name(), x, T => {
            let y = repeat::<T>(elements(x, layout)?, w, self.0);
            Ok((T::to_cpu_storage_owned(y), (n, c, h * self.0, w * self.0).into()))
        })
    }

    /// Sums over the copies: mean pooling times their number.
    fn bwd(&self, _x: &Tensor, _y: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let window = (self.0, self.0);
        let mean = avg_pool2d(gradient, window, window, Padding::default())?;
        mean.affine((self.0 * self.0) as f64, 0.0).map(Some)
    }
}

fn repeat<T: Real>(x: &[T], width: usize, scale: usize) -> Vec<T> {
    let mut y = vec![T::ZERO; x.len() * scale * scale];
    if y.is_empty() {
        return y;
    }
    let rows = y
        .par_chunks_mut(width * scale * scale)
        .zip(x.par_chunks(width));
    rows.with_min_len(64).for_each(|(copies, row)| {
        let (first, others) = copies.split_at_mut(width * scale);
        for (copies, &pixel) in first.chunks_exact_mut(scale).zip(row) {
            copies.fill(pixel);
        }
        for other in others.chunks_exact_mut(width * scale) {
            other.copy_from_slice(first);
        }
    });
    y
}
