//! Bilinear upsampling.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;

use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements, has_kernel};
use crate::ops::real::{Real, with_scratch};

/// Enlarges `x` (N, C, H, W) `scale` times in both directions: each pixel is a blend of the four around
/// its place in `x`, those beyond the border being that of the border (PyTorch's `interpolate` with
/// `align_corners=False`).
pub fn upsample_bilinear2d(x: &Value, scale: usize) -> Result<Value> {
    let small = x.tensor().dims4()?;
    if scale == 0 {
        bail!("upsample_bilinear2d: scale must not be 0");
    }
    Blend { small, scale }.enlarge(x)
}

#[derive(Debug, Clone, Copy)]
struct Blend {
    /// (N, C, H, W)
    small: (usize, usize, usize, usize),
    scale: usize,
}

impl Blend {
    /// (N, C, H · scale, W · scale)
    fn large(&self) -> (usize, usize, usize, usize) {
        let (n, c, h, w) = self.small;
        (n, c, h * self.scale, w * self.scale)
    }

    fn enlarge(self, x: &Value) -> Result<Value> {
        let y = if has_kernel(x.tensor()) {
            x.tensor().contiguous()?.apply_op1_no_bwd(&Enlarge(self))?
        } else {
            reference::enlarge(self, x.tensor())?
        };
        Ok(Value::record(y, &[x], move |back| {
            Ok(vec![Some(self.reduce(back.gradient())?)])
        }))
    }

    /// The adjoint of [`enlarge`](Self::enlarge).
    fn reduce(self, y: &Value) -> Result<Value> {
        let x = if has_kernel(y.tensor()) {
            y.tensor().contiguous()?.apply_op1_no_bwd(&Reduce(self))?
        } else {
            reference::reduce(self, y.tensor())?
        };
        Ok(Value::record(x, &[y], move |back| {
            Ok(vec![Some(self.enlarge(back.gradient())?)])
        }))
    }
}

/// How a pixel of an enlarged side blends two of the small one.
struct Tap<T> {
    low: usize,
    high: usize,
    /// weights of the two
    of_low: T,
    of_high: T,
}

fn taps<T: Real>(length: usize, scale: usize) -> Vec<Tap<T>> {
    let tap = |pixel: usize| {
        // Centre on centre.
        let place = ((pixel as f64 + 0.5) / scale as f64 - 0.5).max(0.0);
        let low = place as usize;
        let beyond = place - low as f64;
        Tap {
            low,
            high: (low + 1).min(length - 1),
            of_low: T::from_f64(1.0 - beyond),
            of_high: T::from_f64(beyond),
        }
    };
    (0..length * scale).map(tap).collect()
}

struct Enlarge(Blend);

impl CustomOp1 for Enlarge {
    fn name(&self) -> &'static str {
        "upsample-bilinear2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), x, T => {
            let y = enlarge::<T>(self.0, elements(x, layout)?);
            Ok((T::to_cpu_storage_owned(y), self.0.large().into()))
        })
    }
}

/// Widens the rows of each plane, then blends widened rows.
fn enlarge<T: Real>(blend: Blend, x: &[T]) -> Vec<T> {
    let ((.., height, width), (.., wide)) = (blend.small, blend.large());
    let mut y = vec![T::ZERO; x.len() * blend.scale * blend.scale];
    if y.is_empty() {
        return y;
    }
    let (rows, columns) = (
        taps::<T>(height, blend.scale),
        taps::<T>(width, blend.scale),
    );
    y.par_chunks_mut(rows.len() * wide)
        .zip(x.par_chunks(height * width))
        .for_each(|(y, x)| {
            with_scratch(height * wide, |widened| {
                for (widened, x) in widened.chunks_exact_mut(wide).zip(x.chunks_exact(width)) {
                    for (pixel, tap) in widened.iter_mut().zip(&columns) {
                        *pixel = x[tap.low] * tap.of_low + x[tap.high] * tap.of_high;
                    }
                }
                for (y, tap) in y.chunks_exact_mut(wide).zip(&rows) {
                    let low = &widened[tap.low * wide..][..wide];
                    let high = &widened[tap.high * wide..][..wide];
                    for (y, (&low, &high)) in y.iter_mut().zip(low.iter().zip(high)) {
                        *y = low * tap.of_low + high * tap.of_high;
                    }
                }
            });
        });
    y
}

struct Reduce(Blend);

impl CustomOp1 for Reduce {
    fn name(&self) -> &'static str {
        "upsample-bilinear2d-gradient"
    }

    fn cpu_fwd(&self, y: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), y, T => {
            let x = reduce::<T>(self.0, elements(y, layout)?);
            Ok((T::to_cpu_storage_owned(x), self.0.small.into()))
        })
    }
}

/// The steps of [`enlarge`], transposed and in reverse order.
fn reduce<T: Real>(blend: Blend, y: &[T]) -> Vec<T> {
    let ((.., height, width), (.., wide)) = (blend.small, blend.large());
    let mut x = vec![T::ZERO; y.len() / (blend.scale * blend.scale)];
    if x.is_empty() {
        return x;
    }
    let (rows, columns) = (
        taps::<T>(height, blend.scale),
        taps::<T>(width, blend.scale),
    );
    x.par_chunks_mut(height * width)
        .zip(y.par_chunks(rows.len() * wide))
        .for_each(|(x, y)| {
            with_scratch(height * wide, |widened| {
                widened.fill(T::ZERO);
                for (y, tap) in y.chunks_exact(wide).zip(&rows) {
                    for (row, weight) in [(tap.low, tap.of_low), (tap.high, tap.of_high)] {
                        let sums = &mut widened[row * wide..][..wide];
                        sums.iter_mut()
                            .zip(y)
                            .for_each(|(sum, &y)| *sum += y * weight);
                    }
                }
                for (x, widened) in x.chunks_exact_mut(width).zip(widened.chunks_exact(wide)) {
                    for (&pixel, tap) in widened.iter().zip(&columns) {
                        x[tap.low] += pixel * tap.of_low;
                        x[tap.high] += pixel * tap.of_high;
                    }
                }
            });
        });
    x
}

/// Products with matrices of the weights: any device and type.
mod reference {
    use super::{Blend, Result, Tensor, taps};

    pub(super) fn enlarge(blend: Blend, x: &Tensor) -> Result<Tensor> {
        let (n, c, h, w) = blend.small;
        let wide = x
            .reshape((n * c * h, w))?
            .matmul(&weights(w, blend.scale, x)?.t()?)?
            .reshape((n * c, h, w * blend.scale))?;
        weights(h, blend.scale, x)?
            .broadcast_matmul(&wide)?
            .reshape(blend.large())
    }

    pub(super) fn reduce(blend: Blend, y: &Tensor) -> Result<Tensor> {
        let (n, c, h, w) = blend.small;
        let flat = weights(h, blend.scale, y)?
            .t()?
            .broadcast_matmul(&y.reshape((n * c, h * blend.scale, w * blend.scale))?)?;
        flat.reshape((n * c * h, w * blend.scale))?
            .matmul(&weights(w, blend.scale, y)?)?
            .reshape(blend.small)
    }

    /// (length · scale, length), of the type and on the device of `like`.
    fn weights(length: usize, scale: usize, like: &Tensor) -> Result<Tensor> {
        let mut matrix = vec![0.0; length * scale * length];
        for (row, tap) in matrix
            .chunks_exact_mut(length)
            .zip(taps::<f64>(length, scale))
        {
            row[tap.low] += tap.of_low;
            row[tap.high] += tap.of_high;
        }
        Tensor::from_vec(matrix, (length * scale, length), like.device())?.to_dtype(like.dtype())
    }
}
