//! The geometry of pooling.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use crate::ops::Padding;

/// Where the windows of a pool lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    /// (N, C, H, W) and (N, C, OH, OW)
    pub image: (usize, usize, usize, usize),
    pub map: (usize, usize, usize, usize),
    pub kernel: (usize, usize),
    pub stride: (usize, usize),
    pub origin: (usize, usize),
}

impl Windows {
    pub(super) fn new(
        x: &Tensor,
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: Padding,
    ) -> Result<Self> {
        let (n, c, h, w) = x.dims4()?;
        let Padding {
            top,
            bottom,
            left,
            right,
        } = padding;
        if stride.0 == 0 || stride.1 == 0 || h == 0 || w == 0 {
            bail!("pooling: stride {stride:?} and input {h}×{w} must not be 0");
        }
        if top.max(bottom) >= kernel.0 || left.max(right) >= kernel.1 {
            bail!("pooling: padding {padding:?} must be smaller than kernel {kernel:?}");
        }
        if h + top + bottom < kernel.0 || w + left + right < kernel.1 {
            bail!("pooling: kernel {kernel:?} is larger than the padded input of {h}×{w}");
        }
        let oh = (h + top + bottom - kernel.0) / stride.0 + 1;
        let ow = (w + left + right - kernel.1) / stride.1 + 1;
        Ok(Self {
            image: (n, c, h, w),
            map: (n, c, oh, ow),
            kernel,
            stride,
            origin: (top, left),
        })
    }

    pub(super) fn pixels(&self) -> usize {
        self.image.2 * self.image.3
    }

    pub(super) fn positions(&self) -> usize {
        self.map.2 * self.map.3
    }

    pub(super) fn planes(&self) -> usize {
        self.image.0 * self.image.1
    }

    /// Calls `f`(map pixel, image rows, image columns) for each window, clipped to the image.
    pub(super) fn each(
        &self,
        mut f: impl FnMut(usize, std::ops::Range<usize>, std::ops::Range<usize>),
    ) {
        let clip = |at: usize, stride: usize, origin: usize, kernel: usize, extent: usize| {
            let start = at * stride;
            start.saturating_sub(origin)..(start + kernel).saturating_sub(origin).min(extent)
        };
        for row in 0..self.map.2 {
            let rows = clip(
                row,
                self.stride.0,
                self.origin.0,
                self.kernel.0,
                self.image.2,
            );
            for column in 0..self.map.3 {
                let columns = clip(
                    column,
                    self.stride.1,
                    self.origin.1,
                    self.kernel.1,
                    self.image.3,
                );
                f(row * self.map.3 + column, rows.clone(), columns);
            }
        }
    }

    /// One parallel task per plane: `f`(plane of the result, plane number).
    pub(super) fn planewise<T: Clone + Default + Send>(
        &self,
        size: usize,
        f: impl Fn(&mut [T], usize) + Sync,
    ) -> Vec<T> {
        let mut out = vec![T::default(); self.planes() * size];
        out.par_chunks_mut(size)
            .enumerate()
            .for_each(|(plane, out)| f(out, plane));
        out
    }
}
