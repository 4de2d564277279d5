//! Nearest-neighbour upsampling.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, WithDType};
use rayon::prelude::*;

use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements, has_kernel};
use crate::ops::real::Real;
use crate::ops::{Padding, avg_pool2d};

/// Repeats each pixel of `x` (N, C, H, W) `scale` times in both directions.
pub fn upsample_nearest2d(x: &Value, scale: usize) -> Result<Value> {
    let (n, c, h, w) = x.tensor().dims4()?;
    if scale == 0 {
        candle_core::bail!("upsample_nearest2d: scale must not be 0");
    }
    let y = if has_kernel(x.tensor()) {
        x.tensor()
            .contiguous()?
            .apply_op1_no_bwd(&Upsample(scale))?
    } else {
        x.tensor()
            .reshape((n, c, h, 1, w, 1))?
            .broadcast_as((n, c, h, scale, w, scale))?
            .reshape((n, c, h * scale, w * scale))?
    };
    Ok(Value::record(y, &[x], move |back| {
        // The sum over the copies: mean pooling times their number.
        let window = (scale, scale);
        let mean = avg_pool2d(back.gradient(), window, window, Padding::default())?;
        Ok(vec![Some(mean.affine((scale * scale) as f64, 0.0)?)])
    }))
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
