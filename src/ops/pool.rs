//! Pooling over windows of any size, stride and padding.
//!
//! Max pooling picks the first largest element of a window (NaN counts as largest), padding never.
//! Mean pooling divides by the window's size, padding included, as PyTorch does.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, WithDType, bail,
};
use rayon::prelude::*;

use super::Padding;
use super::dispatch::{by_type, elements, has_kernel, if_tracked};
use super::real::Real;

/// The largest element of each window of `x` (N, C, H, W). Padding must be smaller than the kernel.
pub fn max_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: Padding,
) -> Result<Tensor> {
    let windows = Windows::new(x, kernel, stride, padding)?;
    if has_kernel(x) {
        let x = x.contiguous()?;
        return x.apply_op2(&x, Pick(windows));
    }
    reference::max_pool2d(x, kernel, stride, padding)
}

/// The mean of each window of `x` (N, C, H, W), zeros of the padding counted.
pub fn avg_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: Padding,
) -> Result<Tensor> {
    let windows = Windows::new(x, kernel, stride, padding)?;
    if has_kernel(x) {
        return x.contiguous()?.apply_op1(Mean(windows));
    }
    reference::avg_pool2d(x, kernel, stride, padding)
}

/// The mean of each channel of `x` (N, C, H, W): (N, C).
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    avg_pool2d(x, (h, w), (1, 1), Padding::default())?.reshape((n, c))
}

#[derive(Debug, Clone, Copy)]
struct Windows {
    /// (N, C, H, W) and (N, C, OH, OW)
    image: (usize, usize, usize, usize),
    map: (usize, usize, usize, usize),
    kernel: (usize, usize),
    stride: (usize, usize),
    origin: (usize, usize),
}

impl Windows {
    fn new(
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

    fn pixels(&self) -> usize {
        self.image.2 * self.image.3
    }

    fn positions(&self) -> usize {
        self.map.2 * self.map.3
    }

    fn planes(&self) -> usize {
        self.image.0 * self.image.1
    }

    /// Calls `f`(map pixel, image rows, image columns) for each window, clipped to the image.
    fn each(&self, mut f: impl FnMut(usize, std::ops::Range<usize>, std::ops::Range<usize>)) {
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

    /// Calls `f`(map pixel, image pixel of the largest element) for each window of one plane.
    fn each_largest<T: Real>(&self, plane: &[T], mut f: impl FnMut(usize, usize)) {
        self.each(|position, rows, columns| {
            let mut best = rows.start * self.image.3 + columns.start;
            for row in rows {
                for pixel in row * self.image.3 + columns.start..row * self.image.3 + columns.end {
                    let (value, largest) = (plane[pixel], plane[best]);
                    let is_nan = value.partial_cmp(&value).is_none();
                    if value > largest || (is_nan && largest.partial_cmp(&largest).is_some()) {
                        best = pixel;
                    }
                }
            }
            f(position, best);
        });
    }

    /// One parallel task per plane: `f`(plane of the result, plane number).
    fn planewise<T: Real>(&self, size: usize, f: impl Fn(&mut [T], usize) + Sync) -> Vec<T> {
        let mut out = vec![T::ZERO; self.planes() * size];
        out.par_chunks_mut(size)
            .enumerate()
            .for_each(|(plane, out)| f(out, plane));
        out
    }
}

/// From each window of `key`, the position of its largest element; of `values`, the element there.
struct Pick(Windows);

impl CustomOp2 for Pick {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn cpu_fwd(
        &self,
        key: &CpuStorage,
        key_layout: &Layout,
        values: &CpuStorage,
        values_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let pixels = self.0.pixels();
        by_type!(self.name(), key, T => {
            let (key, values): (&[T], &[T]) = (elements(key, key_layout)?, elements(values, values_layout)?);
            let picked = self.0.planewise(self.0.positions(), |out, plane| {
                let span = plane * pixels..(plane + 1) * pixels;
                let values = &values[span.clone()];
                self.0.each_largest(&key[span], |position, pixel| out[position] = values[pixel]);
            });
            Ok((T::to_cpu_storage_owned(picked), self.0.map.into()))
        })
    }

    fn bwd(
        &self,
        key: &Tensor,
        values: &Tensor,
        _picked: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let for_key = if_tracked(key, || key.zeros_like())?;
        let for_values = if_tracked(values, || {
            key.apply_op2(&gradient.contiguous()?, Put(self.0))
        })?;
        Ok((for_key, for_values))
    }
}

/// The adjoint of [`Pick`]: adds each map pixel to where the window of `key` is largest.
struct Put(Windows);

impl CustomOp2 for Put {
    fn name(&self) -> &'static str {
        "max-pool2d-gradient"
    }

    fn cpu_fwd(
        &self,
        key: &CpuStorage,
        key_layout: &Layout,
        map: &CpuStorage,
        map_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (pixels, positions) = (self.0.pixels(), self.0.positions());
        by_type!(self.name(), key, T => {
            let (key, map): (&[T], &[T]) = (elements(key, key_layout)?, elements(map, map_layout)?);
            let image = self.0.planewise(pixels, |out, plane| {
                let map = &map[plane * positions..(plane + 1) * positions];
                let key = &key[plane * pixels..(plane + 1) * pixels];
                self.0.each_largest(key, |position, pixel| out[pixel] += map[position]);
            });
            Ok((T::to_cpu_storage_owned(image), self.0.image.into()))
        })
    }

    fn bwd(
        &self,
        key: &Tensor,
        map: &Tensor,
        _image: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let for_key = if_tracked(key, || key.zeros_like())?;
        let for_map = if_tracked(map, || key.apply_op2(&gradient.contiguous()?, Pick(self.0)))?;
        Ok((for_key, for_map))
    }
}

/// The mean of each window.
struct Mean(Windows);

impl CustomOp1 for Mean {
    fn name(&self) -> &'static str {
        "avg-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (pixels, width) = (self.0.pixels(), self.0.image.3);
        let share = 1.0 / (self.0.kernel.0 * self.0.kernel.1) as f64;
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let map = self.0.planewise(self.0.positions(), |out: &mut [T], plane| {
                let image = &x[plane * pixels..(plane + 1) * pixels];
                self.0.each(|position, rows, columns| {
                    let mut sum = T::ZERO;
                    for row in rows {
                        for &pixel in &image[row * width + columns.start..row * width + columns.end] {
                            sum += pixel;
                        }
                    }
                    out[position] = sum * T::from_f64(share);
                });
            });
            Ok((T::to_cpu_storage_owned(map), self.0.map.into()))
        })
    }

    fn bwd(&self, _x: &Tensor, _map: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gradient.contiguous()?.apply_op1(Spread(self.0)).map(Some)
    }
}

/// The adjoint of [`Mean`].
struct Spread(Windows);

impl CustomOp1 for Spread {
    fn name(&self) -> &'static str {
        "avg-pool2d-gradient"
    }

    fn cpu_fwd(&self, map: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (positions, width) = (self.0.positions(), self.0.image.3);
        let share = 1.0 / (self.0.kernel.0 * self.0.kernel.1) as f64;
        by_type!(self.name(), map, T => {
            let map: &[T] = elements(map, layout)?;
            let image = self.0.planewise(self.0.pixels(), |out: &mut [T], plane| {
                let map = &map[plane * positions..(plane + 1) * positions];
                self.0.each(|position, rows, columns| {
                    let value = map[position] * T::from_f64(share);
                    for row in rows {
                        for pixel in &mut out[row * width + columns.start..row * width + columns.end] {
                            *pixel += value;
                        }
                    }
                });
            });
            Ok((T::to_cpu_storage_owned(image), self.0.image.into()))
        })
    }

    fn bwd(&self, _map: &Tensor, _image: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gradient.contiguous()?.apply_op1(Mean(self.0)).map(Some)
    }
}

pub(super) mod reference {
    use candle_core::{Result, Tensor};

    use super::{Padding, Windows};

    /// [`max_pool2d`](crate::ops::max_pool2d): the running maximum over kernel elements.
    pub fn max_pool2d(
        x: &Tensor,
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: Padding,
    ) -> Result<Tensor> {
        let shifted = shifts(x, kernel, stride, padding, f64::MIN)?;
        let mut shifted = shifted.into_iter();
        let first = shifted.next().expect("a kernel has at least one element");
        shifted.try_fold(first, |best, next| next.gt(&best)?.where_cond(&next, &best))
    }

    /// [`avg_pool2d`](crate::ops::avg_pool2d): the sum over kernel elements, divided.
    pub fn avg_pool2d(
        x: &Tensor,
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: Padding,
    ) -> Result<Tensor> {
        let shifted = shifts(x, kernel, stride, padding, 0.0)?;
        let mut shifted = shifted.into_iter();
        let first = shifted.next().expect("a kernel has at least one element");
        let sum = shifted.try_fold(first, |sum, next| sum.add(&next))?;
        sum / (kernel.0 * kernel.1) as f64
    }

    /// For each kernel element, the map of what it sees, `outside` where that is padding.
    fn shifts(
        x: &Tensor,
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: Padding,
        outside: f64,
    ) -> Result<Vec<Tensor>> {
        let windows = Windows::new(x, kernel, stride, padding)?;
        let padded = |x: &Tensor| {
            x.pad_with_zeros(2, padding.top, padding.bottom)?
                .pad_with_zeros(3, padding.left, padding.right)
        };
        // −max where there is padding, 0 elsewhere; f32::MIN when the type is f32.
        let limit = if x.dtype() == candle_core::DType::F64 {
            outside
        } else {
            outside.max(f64::from(f32::MIN))
        };
        let mask = padded(&x.ones_like()?.detach())?.affine(-limit, limit)?;
        let x = padded(x)?.add(&mask)?;
        let mut maps = Vec::new();
        for i in 0..kernel.0 {
            for j in 0..kernel.1 {
                let at = |offset: usize, stride: usize, count: usize| {
                    let list: Vec<u32> = (0..count).map(|k| (k * stride + offset) as u32).collect();
                    Tensor::new(list, x.device())
                };
                maps.push(
                    x.index_select(&at(i, stride.0, windows.map.2)?, 2)?
                        .index_select(&at(j, stride.1, windows.map.3)?, 3)?,
                );
            }
        }
        Ok(maps)
    }
}
