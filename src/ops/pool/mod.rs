//! Pooling over windows of any size, stride and padding.
//!
//! Max pooling picks the first largest element of a window (NaN counts as largest), padding never.
//! Mean pooling divides by the window's size, padding included, as PyTorch does.

mod max;
mod mean;
pub(super) mod reference;
mod windows;

use candle_core::{Result, Tensor};

use super::Padding;
use super::dispatch::has_kernel;
use max::Pick;
use mean::Mean;
use windows::Windows;

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
