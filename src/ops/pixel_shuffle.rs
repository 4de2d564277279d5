//! Channels into pixels and back (Shi et al. 2016).

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;

use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use crate::autograd::Value;

/// (N, C · `scale`², H, W) to (N, C, H · `scale`, W · `scale`): each block of `scale`² channels becomes
/// blocks of `scale` × `scale` pixels, in row-major order.
pub fn pixel_shuffle(x: &Value, scale: usize) -> Result<Value> {
    let (n, channels, h, w) = x.tensor().dims4()?;
    let block = scale * scale;
    if block == 0 || channels % block != 0 {
        bail!("pixel_shuffle: {channels} channels are not a multiple of {scale}²");
    }
    let blocks = (n, channels / block, h, w);
    Shuffle { blocks, scale }.join(x)
}

/// (N, C, H · `scale`, W · `scale`) to (N, C · `scale`², H, W): undoes [`pixel_shuffle`].
pub fn pixel_unshuffle(x: &Value, scale: usize) -> Result<Value> {
    let (n, c, height, width) = x.tensor().dims4()?;
    if scale == 0 || height % scale != 0 || width % scale != 0 {
        bail!("pixel_unshuffle: sides of {height}×{width} are not multiples of {scale}");
    }
    let blocks = (n, c, height / scale, width / scale);
    Shuffle { blocks, scale }.split(x)
}

/// Images as blocks of pixels.
#[derive(Debug, Clone, Copy)]
struct Shuffle {
    /// (N, C, H, W): blocks down and across each channel of the joined image
    blocks: (usize, usize, usize, usize),
    /// side of a block
    scale: usize,
}

impl Shuffle {
    /// One number per block in each of C · scale² channels.
    fn split_shape(&self) -> (usize, usize, usize, usize) {
        let (n, c, h, w) = self.blocks;
        (n, c * self.scale * self.scale, h, w)
    }

    fn joined_shape(&self) -> (usize, usize, usize, usize) {
        let (n, c, h, w) = self.blocks;
        (n, c, h * self.scale, w * self.scale)
    }

    fn join(self, x: &Value) -> Result<Value> {
        let y = if has_kernel(x.tensor()) {
            x.tensor().contiguous()?.apply_op1_no_bwd(&Join(self))?
        } else {
            reference::join(self, x.tensor())?
        };
        Ok(Value::record(y, &[x], move |back| {
            Ok(vec![Some(self.split(back.gradient())?)])
        }))
    }

    fn split(self, y: &Value) -> Result<Value> {
        let x = if has_kernel(y.tensor()) {
            y.tensor().contiguous()?.apply_op1_no_bwd(&Split(self))?
        } else {
            reference::split(self, y.tensor())?
        };
        Ok(Value::record(x, &[y], move |back| {
            Ok(vec![Some(self.join(back.gradient())?)])
        }))
    }

    /// Calls `f`(start of a row among the split channels, start of the row's first pixel in the joined
    /// channel) for each row of blocks of one joined channel. Both rows have W elements, the latter `scale` apart.
    fn each_row(&self, mut f: impl FnMut(usize, usize)) {
        let ((_, _, h, w), scale) = (self.blocks, self.scale);
        for i in 0..scale {
            for j in 0..scale {
                for row in 0..h {
                    let split = ((i * scale + j) * h + row) * w;
                    f(split, (row * scale + i) * w * scale + j);
                }
            }
        }
    }

    /// One parallel task per channel of the joined image: `f`(result, source).
    fn channelwise<T: Real>(&self, source: &[T], f: impl Fn(&mut [T], &[T]) + Sync) -> Vec<T> {
        let (_, _, h, w) = self.joined_shape();
        let mut result = vec![T::ZERO; source.len()];
        if !result.is_empty() {
            result
                .par_chunks_mut(h * w)
                .zip(source.par_chunks(h * w))
                .for_each(|(result, source)| f(result, source));
        }
        result
    }
}

struct Join(Shuffle);

impl CustomOp1 for Join {
    fn name(&self) -> &'static str {
        "pixel-shuffle"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (width, scale) = (self.0.blocks.3, self.0.scale);
        by_type!(self.name(), x, T => {
            let y = self.0.channelwise::<T>(elements(x, layout)?, |joined, split| {
                self.0.each_row(|from, to| {
                    let row = joined[to..].iter_mut().step_by(scale);
                    row.zip(&split[from..from + width]).for_each(|(y, &x)| *y = x);
                });
            });
            Ok((T::to_cpu_storage_owned(y), self.0.joined_shape().into()))
        })
    }
}

struct Split(Shuffle);

impl CustomOp1 for Split {
    fn name(&self) -> &'static str {
        "pixel-unshuffle"
    }

    fn cpu_fwd(&self, y: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (width, scale) = (self.0.blocks.3, self.0.scale);
        by_type!(self.name(), y, T => {
            let x = self.0.channelwise::<T>(elements(y, layout)?, |split, joined| {
                self.0.each_row(|to, from| {
                    let row = joined[from..].iter().step_by(scale);
                    split[to..to + width].iter_mut().zip(row).for_each(|(x, &y)| *x = y);
                });
            });
            Ok((T::to_cpu_storage_owned(x), self.0.split_shape().into()))
        })
    }
}

/// Exchanges of dimensions: any device and type.
mod reference {
    use super::{Result, Shuffle, Tensor};

    pub(super) fn join(shuffle: Shuffle, x: &Tensor) -> Result<Tensor> {
        let ((n, c, h, w), scale) = (shuffle.blocks, shuffle.scale);
        x.reshape((n * c, scale, scale, h, w))?
            .permute((0, 3, 1, 4, 2))?
            .reshape(shuffle.joined_shape())
    }

    pub(super) fn split(shuffle: Shuffle, y: &Tensor) -> Result<Tensor> {
        let ((n, c, h, w), scale) = (shuffle.blocks, shuffle.scale);
        y.reshape((n * c, h, scale, w, scale))?
            .permute((0, 2, 4, 1, 3))?
            .reshape(shuffle.split_shape())
    }
}
