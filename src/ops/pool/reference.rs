//! Pools as running sums and maxima over kernel elements: any device and type.

use candle_core::{DType, Result, Tensor};

use super::windows::Windows;

/// See [`pick`](super::max::pick).
pub(super) fn pick(key: &Tensor, values: &Tensor, windows: &Windows) -> Result<Tensor> {
    let values = windows.pad(values, 0.0)?;
    let mut picked: Option<Tensor> = None;
    first_largest(key, windows, |tap, largest| {
        let here = windows.seen(&values, tap)?;
        picked = Some(match picked.take() {
            None => here,
            Some(picked) => largest.where_cond(&here, &picked)?,
        });
        Ok(())
    })?;
    picked.ok_or_else(|| candle_core::Error::msg("a pool's kernel is not empty"))
}

/// See [`put`](super::max::put).
pub(super) fn put(key: &Tensor, map: &Tensor, windows: &Windows) -> Result<Tensor> {
    // Which kernel element won, as a number per window.
    let mut winner = map.zeros_like()?;
    first_largest(key, windows, |tap, largest| {
        let number = winner
            .ones_like()?
            .affine((tap.0 * windows.kernel.1 + tap.1) as f64, 0.0)?;
        winner = largest.where_cond(&number, &winner)?;
        Ok(())
    })?;
    windows.scatter(map, |tap, map| {
        let number = winner
            .ones_like()?
            .affine((tap.0 * windows.kernel.1 + tap.1) as f64, 0.0)?;
        winner.eq(&number)?.where_cond(map, &map.zeros_like()?)
    })
}

/// See [`mean`](super::mean::mean).
pub(super) fn mean(x: &Tensor, windows: &Windows) -> Result<Tensor> {
    let x = windows.pad(x, 0.0)?;
    let mut sum = windows.seen(&x, (0, 0))?;
    for tap in windows.taps().skip(1) {
        sum = (sum + windows.seen(&x, tap)?)?;
    }
    sum / (windows.kernel.0 * windows.kernel.1) as f64
}

/// See [`spread`](super::mean::spread).
pub(super) fn spread(map: &Tensor, windows: &Windows) -> Result<Tensor> {
    let share = (map / (windows.kernel.0 * windows.kernel.1) as f64)?;
    windows.scatter(&share, |_, share| Ok(share.clone()))
}

/// Calls `f`(kernel element, where it is larger than those before it) for every kernel element.
fn first_largest(
    key: &Tensor,
    windows: &Windows,
    mut f: impl FnMut((usize, usize), &Tensor) -> Result<()>,
) -> Result<()> {
    let key = windows.pad(key, lowest(key.dtype()))?;
    let mut best: Option<Tensor> = None;
    for tap in windows.taps() {
        let here = windows.seen(&key, tap)?;
        let largest = match &best {
            None => here.eq(&here)?,
            // NaN counts as largest.
            Some(best) => here.gt(best)?.add(&here.ne(&here)?)?,
        };
        f(tap, &largest)?;
        best = Some(match best {
            None => here,
            Some(best) => largest.where_cond(&here, &best)?,
        });
    }
    Ok(())
}

/// The smallest finite number of a type. Not −∞, of which a product with 0 would be NaN.
fn lowest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => -65504.0,
        // A `bf16` is the upper half of an `f32`.
        DType::BF16 => f64::from(f32::from_bits(f32::MIN.to_bits() & 0xffff_0000)),
        _ => f64::from(f32::MIN),
    }
}

impl Windows {
    fn taps(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (height, width) = self.kernel;
        (0..height).flat_map(move |i| (0..width).map(move |j| (i, j)))
    }

    fn padded(&self) -> (usize, usize) {
        (
            ((self.map.2 - 1) * self.stride.0 + self.kernel.0).max(self.origin.0 + self.image.2),
            ((self.map.3 - 1) * self.stride.1 + self.kernel.1).max(self.origin.1 + self.image.3),
        )
    }

    /// `x` with `value` around it.
    fn pad(&self, x: &Tensor, value: f64) -> Result<Tensor> {
        let (height, width) = self.padded();
        let padded = |x: &Tensor| {
            x.pad_with_zeros(2, self.origin.0, height - self.origin.0 - self.image.2)?
                .pad_with_zeros(3, self.origin.1, width - self.origin.1 - self.image.3)
        };
        let around = padded(&x.ones_like()?)?.affine(-value, value)?;
        padded(x)?.add(&around)
    }

    /// What a kernel element of each window sees of the padded image.
    fn seen(&self, padded: &Tensor, tap: (usize, usize)) -> Result<Tensor> {
        padded
            .index_select(&at(tap.0, self.stride.0, self.map.2, padded)?, 2)?
            .index_select(&at(tap.1, self.stride.1, self.map.3, padded)?, 3)
    }

    /// The sum over kernel elements of `term`(element, map), each added to the pixels that the element sees.
    fn scatter(
        &self,
        map: &Tensor,
        term: impl Fn((usize, usize), &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (samples, channels, ..) = self.image;
        let (height, width) = self.padded();
        let zeros = |height, width| {
            Tensor::zeros(
                (samples, channels, height, width),
                map.dtype(),
                map.device(),
            )
        };
        let mut image = zeros(height, width)?;
        for tap in self.taps() {
            let rows = at(tap.0, self.stride.0, self.map.2, map)?;
            let columns = at(tap.1, self.stride.1, self.map.3, map)?;
            let tall = zeros(height, self.map.3)?.index_add(&rows, &term(tap, map)?, 2)?;
            image = image.index_add(&columns, &tall, 3)?;
        }
        image
            .narrow(2, self.origin.0, self.image.2)?
            .narrow(3, self.origin.1, self.image.3)
    }
}

/// The pixels that element `offset` of each of `count` windows sees.
fn at(offset: usize, stride: usize, count: usize, like: &Tensor) -> Result<Tensor> {
    let pixels: Vec<u32> = (0..count).map(|k| (k * stride + offset) as u32).collect();
    Tensor::new(pixels, like.device())
}
