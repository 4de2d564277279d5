//! Pooling over windows of any size, stride and padding.
//!
//! Max pooling picks the first largest element of a window (NaN counts as largest), padding never.
//! Mean pooling divides by the window's size, padding included, as PyTorch does unless told otherwise.

mod adaptive;
mod fold;
mod max;
mod mean;
mod reference;
mod windows;

use candle_core::Result;

pub use adaptive::{adaptive_avg_pool2d, adaptive_max_pool2d};

use super::Padding;
use crate::autograd::Value;
use mean::Counted;
use windows::Windows;

/// The largest element of each window of `x` (N, C, H, W). Padding must be smaller than the kernel.
pub fn max_pool2d(
    x: &Value,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: Padding,
) -> Result<Value> {
    max::max(x, Windows::new(x.tensor(), kernel, stride, padding)?)
}

/// The mean of each window of `x` (N, C, H, W), zeros of the padding counted.
pub fn avg_pool2d(
    x: &Value,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: Padding,
) -> Result<Value> {
    let windows = Windows::new(x.tensor(), kernel, stride, padding)?;
    mean::mean(x, windows, Counted::Whole)
}

/// The mean of what each window has inside `x` (N, C, H, W): the padding does not count.
pub fn avg_pool2d_inside(
    x: &Value,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: Padding,
) -> Result<Value> {
    let windows = Windows::new(x.tensor(), kernel, stride, padding)?;
    mean::mean(x, windows, Counted::Inside)
}

/// The mean of each channel of `x` (N, C, H, W): (N, C).
pub fn global_avg_pool2d(x: &Value) -> Result<Value> {
    let (n, c, h, w) = x.tensor().dims4()?;
    avg_pool2d(x, (h, w), (1, 1), Padding::default())?.reshape((n, c))
}
