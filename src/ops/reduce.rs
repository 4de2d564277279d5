//! Sums in a fixed order, and tensors seen as channels of planes.

use std::ops::Range;

use candle_core::{Result, Shape, bail};

use super::real::Real;
use crate::kernel::buffer::{Slots, collect_chunks};
use crate::kernel::simd::vectorised;

/// Lanes of a sum: independent partial sums that vectorise, added up in order at the end.
const LANES: usize = 16;

pub(super) use crate::kernel::pointwise::CHUNK;

/// Σ `term`(a, b) over two slices of equal length.
pub(super) fn sum_of<T: Real>(a: &[T], b: &[T], term: impl Fn(T, T) -> T) -> f64 {
    let mut lanes = [T::ZERO; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f64 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(&a, &b)| term(a, b).to_f64())
        .sum();
    lanes.iter().map(|lane| lane.to_f64()).sum::<f64>() + rest
}

/// A tensor (N, C) or (N, C, H, W) as N × C planes of pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub samples: usize,
    pub channels: usize,
    pub pixels: usize,
}

impl Planes {
    pub(super) fn of(shape: &Shape) -> Result<Self> {
        match *shape.dims() {
            [samples, channels, ref rest @ ..] => Ok(Self {
                samples,
                channels,
                pixels: rest.iter().product(),
            }),
            _ => bail!("expected (N, C, …), got {shape:?}"),
        }
    }

    /// Elements of one sample.
    pub(super) fn sample(&self) -> usize {
        self.channels * self.pixels
    }

    /// Σ `term`(a, b) over one channel of two tensors of this shape.
    pub(super) fn channel_sum<T: Real>(
        &self,
        a: &[T],
        b: &[T],
        channel: usize,
        term: impl Fn(T, T) -> T,
    ) -> f64 {
        (0..self.samples)
            .map(|sample| {
                let start = sample * self.sample() + channel * self.pixels;
                let plane = start..start + self.pixels;
                sum_of(&a[plane.clone()], &b[plane], &term)
            })
            .sum()
    }
}

/// A tensor of these planes, computed plane by plane: `fill` gets a plane's number, its place, and room for it.
pub(super) fn planewise<T: Send>(
    planes: Planes,
    fill: impl for<'a> Fn(usize, Range<usize>, Slots<'a, T>) -> &'a mut [T] + Sync,
) -> Vec<T> {
    rowwise(planes.samples * planes.sample(), planes.pixels, fill)
}

/// A tensor of `length` elements, computed in rows of `row`, which divides it.
pub(super) fn rowwise<T: Send>(
    length: usize,
    row: usize,
    fill: impl for<'a> Fn(usize, Range<usize>, Slots<'a, T>) -> &'a mut [T] + Sync,
) -> Vec<T> {
    let row = row.max(1);
    let together = (CHUNK / row).max(1);
    let fill = &fill;
    collect_chunks(length, together * row, |task, out| {
        vectorised!(out.fill_chunks(row, |number, out| {
            let number = task * together + number;
            fill(number, number * row..(number + 1) * row, out)
        }))
    })
}
