//! Pools as running sums and maxima over kernel elements: any device and type.

use candle_core::{Result, Tensor};

use super::windows::Windows;
use crate::ops::Padding;

/// [`max_pool2d`](crate::ops::max_pool2d).
pub fn max_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: Padding,
) -> Result<Tensor> {
    let windows = Windows::new(x, kernel, stride, padding)?;
    // As small as the smaller type allows.
    let x = pad(x, padding, f64::from(f32::MIN))?;
    let mut best = seen(&x, &windows, 0, 0)?;
    for (i, j) in elements(kernel).skip(1) {
        let next = seen(&x, &windows, i, j)?;
        best = next.gt(&best)?.where_cond(&next, &best)?;
    }
    Ok(best)
}

/// [`avg_pool2d`](crate::ops::avg_pool2d).
pub fn avg_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: Padding,
) -> Result<Tensor> {
    let windows = Windows::new(x, kernel, stride, padding)?;
    let x = pad(x, padding, 0.0)?;
    let mut sum = seen(&x, &windows, 0, 0)?;
    for (i, j) in elements(kernel).skip(1) {
        sum = (sum + seen(&x, &windows, i, j)?)?;
    }
    sum / (kernel.0 * kernel.1) as f64
}

fn elements(kernel: (usize, usize)) -> impl Iterator<Item = (usize, usize)> {
    (0..kernel.0).flat_map(move |i| (0..kernel.1).map(move |j| (i, j)))
}

/// `x` with `value` around it.
fn pad(x: &Tensor, padding: Padding, value: f64) -> Result<Tensor> {
    let padded = |x: &Tensor| {
        x.pad_with_zeros(2, padding.top, padding.bottom)?
            .pad_with_zeros(3, padding.left, padding.right)
    };
    let around = padded(&x.ones_like()?.detach())?.affine(-value, value)?;
    padded(x)?.add(&around)
}

/// What kernel element (`i`, `j`) of each window sees of the padded `x`.
fn seen(x: &Tensor, windows: &Windows, i: usize, j: usize) -> Result<Tensor> {
    let at = |offset: usize, stride: usize, count: usize| {
        let list: Vec<u32> = (0..count).map(|k| (k * stride + offset) as u32).collect();
        Tensor::new(list, x.device())
    };
    x.index_select(&at(i, windows.stride.0, windows.map.2)?, 2)?
        .index_select(&at(j, windows.stride.1, windows.map.3)?, 3)
}
