//! Pooling to a given size, over windows that are as equal as can be.
//!
//! Of `from` rows, window `i` of `to` takes those from ⌊i · from / to⌋ to ⌈(i + 1) · from / to⌉, as in PyTorch; windows
//! overlap where `to` does not divide `from`.

use std::ops::Range;

use candle_core::{Result, Tensor, bail};

use super::{avg_pool2d, max_pool2d};
use crate::autograd::Value;
use crate::ops::Padding;

/// The mean of each window of `x` (N, C, H, W): (N, C, `size`).
pub fn adaptive_avg_pool2d(x: &Value, size: (usize, usize)) -> Result<Value> {
    let (n, c, h, w) = x.tensor().dims4()?;
    if let Some(kernel) = equal((h, w), size)? {
        return avg_pool2d(x, kernel, kernel, Padding::default());
    }
    let across = x.reshape((n * c * h, w))?.matmul(&means(w, size.1, x)?)?;
    let turned = across.reshape((n * c, h, size.1))?.transpose(1, 2)?;
    let down = turned
        .reshape((n * c * size.1, h))?
        .matmul(&means(h, size.0, x)?)?;
    let turned = down.reshape((n * c, size.1, size.0))?.transpose(1, 2)?;
    turned.reshape((n, c, size.0, size.1))
}

/// The largest element of each window of `x` (N, C, H, W): (N, C, `size`).
pub fn adaptive_max_pool2d(x: &Value, size: (usize, usize)) -> Result<Value> {
    let (n, c, h, w) = x.tensor().dims4()?;
    if let Some(kernel) = equal((h, w), size)? {
        return max_pool2d(x, kernel, kernel, Padding::default());
    }
    let mut largest = Vec::with_capacity(size.0 * size.1);
    for rows in windows(h, size.0) {
        let band = x.narrow(2, rows.start, rows.len())?;
        for columns in windows(w, size.1) {
            let window = band.narrow(3, columns.start, columns.len())?;
            let kernel = (rows.len(), columns.len());
            largest.push(max_pool2d(&window, kernel, (1, 1), Padding::default())?);
        }
    }
    Value::cat(&largest.iter().collect::<Vec<_>>(), 3)?.reshape((n, c, size.0, size.1))
}

/// The size of the windows, if they are all equal and do not overlap.
fn equal(from: (usize, usize), to: (usize, usize)) -> Result<Option<(usize, usize)>> {
    if [from.0, from.1, to.0, to.1].contains(&0) {
        bail!("adaptive pooling from {from:?} to {to:?}: no side can be 0");
    }
    let even = from.0.is_multiple_of(to.0) && from.1.is_multiple_of(to.1);
    Ok(even.then(|| (from.0 / to.0, from.1 / to.1)))
}

fn windows(from: usize, to: usize) -> impl Iterator<Item = Range<usize>> {
    (0..to).map(move |i| i * from / to..((i + 1) * from).div_ceil(to))
}

/// The matrix (`from`, `to`) whose columns average the windows; of the type of `x`.
fn means(from: usize, to: usize, x: &Value) -> Result<Value> {
    let mut matrix = vec![0.0f64; from * to];
    for (i, window) in windows(from, to).enumerate() {
        let share = 1.0 / window.len() as f64;
        for row in window {
            matrix[row * to + i] = share;
        }
    }
    let matrix = Tensor::from_vec(matrix, (from, to), x.device())?;
    Ok(Value::constant(matrix.to_dtype(x.dtype())?))
}
