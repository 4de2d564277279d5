//! Pools composed of candle's operations on whole tensors: any device and type.

use candle_core::{Result, Tensor};

use super::mean::Counted;
use super::windows::Windows;

/// See [`Winners`](super::max).
pub(super) fn winners(x: &Tensor, windows: &Windows) -> Result<Tensor> {
    let (_, _, h, w) = windows.image;
    let mut best: Option<(Tensor, Tensor)> = None;
    for tap in windows.taps() {
        // A window's pixel nearest to an element in the padding stands for it: that changes no maximum.
        let rows = nearest(tap.0, windows.stride.0, windows.origin.0, windows.map.2, h);
        let columns = nearest(tap.1, windows.stride.1, windows.origin.1, windows.map.3, w);
        let places: Vec<u32> = rows
            .iter()
            .flat_map(|row| columns.iter().map(move |column| row * w as u32 + column))
            .collect();
        let places = Tensor::from_vec(places, (1, 1, windows.map.2, windows.map.3), x.device())?
            .broadcast_as(windows.map)?
            .contiguous()?;
        let here = x
            .index_select(&Tensor::new(rows, x.device())?, 2)?
            .index_select(&Tensor::new(columns, x.device())?, 3)?;
        best = Some(match best {
            None => (here, places),
            Some((largest, winners)) => {
                // NaN counts as largest.
                let larger = here.gt(&largest)?.add(&here.ne(&here)?)?;
                (
                    larger.where_cond(&here, &largest)?,
                    larger.where_cond(&places, &winners)?,
                )
            }
        });
    }
    best.map(|(_, winners)| winners)
        .ok_or_else(|| candle_core::Error::msg("internal: a pool's kernel is empty"))
}

/// See [`pick`](super::max).
pub(super) fn pick(image: &Tensor, winners: &Tensor, windows: &Windows) -> Result<Tensor> {
    let image = image.flatten_from(2)?.contiguous()?;
    image
        .gather(&winners.flatten_from(2)?, 2)?
        .reshape(windows.map)
}

/// See [`put`](super::max).
pub(super) fn put(map: &Tensor, winners: &Tensor, windows: &Windows) -> Result<Tensor> {
    let (n, c, h, w) = windows.image;
    let map = map.flatten_from(2)?.contiguous()?;
    Tensor::zeros((n, c, h * w), map.dtype(), map.device())?
        .scatter_add(&winners.flatten_from(2)?, &map, 2)?
        .reshape(windows.image)
}

/// See [`mean`](super::mean::mean).
pub(super) fn mean(x: &Tensor, windows: &Windows, counted: Counted) -> Result<Tensor> {
    let (height, width) = windows.padded();
    let padded = x
        .pad_with_zeros(
            2,
            windows.origin.0,
            height - windows.origin.0 - windows.image.2,
        )?
        .pad_with_zeros(
            3,
            windows.origin.1,
            width - windows.origin.1 - windows.image.3,
        )?;
    let mut sum = Tensor::zeros(windows.map, x.dtype(), x.device())?;
    for tap in windows.taps() {
        let rows = at(tap.0, windows.stride.0, windows.map.2, x)?;
        let columns = at(tap.1, windows.stride.1, windows.map.3, x)?;
        sum = (sum + padded.index_select(&rows, 2)?.index_select(&columns, 3)?)?;
    }
    divided(&sum, windows, counted)
}

/// See [`spread`](super::mean::spread).
pub(super) fn spread(map: &Tensor, windows: &Windows, counted: Counted) -> Result<Tensor> {
    let share = divided(map, windows, counted)?.contiguous()?;
    let (samples, channels, ..) = windows.image;
    let (height, width) = windows.padded();
    let zeros = |height, width| {
        let shape = (samples, channels, height, width);
        Tensor::zeros(shape, map.dtype(), map.device())
    };
    let mut image = zeros(height, width)?;
    for tap in windows.taps() {
        let rows = at(tap.0, windows.stride.0, windows.map.2, map)?;
        let columns = at(tap.1, windows.stride.1, windows.map.3, map)?;
        let tall = zeros(height, windows.map.3)?.index_add(&rows, &share, 2)?;
        image = image.index_add(&columns, &tall, 3)?;
    }
    image
        .narrow(2, windows.origin.0, windows.image.2)?
        .narrow(3, windows.origin.1, windows.image.3)
}

/// A map divided by what each window's sum is divided by.
fn divided(map: &Tensor, windows: &Windows, counted: Counted) -> Result<Tensor> {
    if counted == Counted::Whole {
        return map / (windows.kernel.0 * windows.kernel.1) as f64;
    }
    let mut counts = vec![0.0f64; windows.positions()];
    windows.each(|position, rows, columns| counts[position] = (rows.len() * columns.len()) as f64);
    let shape = (1, 1, windows.map.2, windows.map.3);
    let counts = Tensor::from_vec(counts, shape, map.device())?;
    map.broadcast_div(&counts.to_dtype(map.dtype())?)
}

impl Windows {
    fn taps(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (height, width) = self.kernel;
        (0..height).flat_map(move |i| (0..width).map(move |j| (i, j)))
    }

    /// Height and width of the image with the padding that windows see.
    fn padded(&self) -> (usize, usize) {
        (
            ((self.map.2 - 1) * self.stride.0 + self.kernel.0).max(self.origin.0 + self.image.2),
            ((self.map.3 - 1) * self.stride.1 + self.kernel.1).max(self.origin.1 + self.image.3),
        )
    }
}

/// The rows or columns of an image of `extent` nearest to what element `offset` of each of `count` windows
/// sees.
fn nearest(offset: usize, stride: usize, origin: usize, count: usize, extent: usize) -> Vec<u32> {
    let place = |window: usize| (window * stride + offset).saturating_sub(origin);
    (0..count)
        .map(|window| place(window).min(extent - 1) as u32)
        .collect()
}

/// What element `offset` of each of `count` windows sees of the padded image.
fn at(offset: usize, stride: usize, count: usize, like: &Tensor) -> Result<Tensor> {
    let pixels: Vec<u32> = (0..count).map(|k| (k * stride + offset) as u32).collect();
    Tensor::new(pixels, like.device())
}
