//! Windows folded into one number each, many at a time.
//!
//! A plane is copied into a frame of padding, where the elements of one tap of all windows lie as far apart as the
//! windows themselves; with a stride of 1 they lie side by side. Each number is folded from the elements of its window in
//! their order, as one by one, so that nothing but the time depends on how it is done.

use super::windows::Windows;
use crate::kernel::simd::vectorised;
use crate::ops::real::{Real, with_scratch};

/// What to fold with.
#[derive(Clone, Copy)]
pub(super) struct Fold<T, S, F> {
    /// what a window starts from; folding it in must change nothing, since the padding consists of it
    pub start: T,
    /// what has been folded, and the next element
    pub step: S,
    /// the result, and the window's place in the map
    pub finish: F,
}

/// Whether there are enough windows in a row, and few enough elements in a window, for this to be the faster way.
pub(super) fn pays(windows: &Windows) -> bool {
    windows.map.3 >= 4 && windows.kernel.0 * windows.kernel.1 <= 64
}

/// The map (N, C, OH, OW) of `x` (N, C, H, W).
pub(super) fn fold<T, S, F>(windows: &Windows, x: &[T], with: Fold<T, S, F>) -> Vec<T>
where
    T: Real + Default,
    S: Fn(T, T) -> T + Copy + Send + Sync,
    F: Fn(T, usize) -> T + Copy + Send + Sync,
{
    let frame = Frame::new(windows);
    let pixels = windows.pixels();
    windows.planewise(windows.positions(), |out: &mut [T], plane| {
        let image = &x[plane * pixels..(plane + 1) * pixels];
        with_scratch(frame.pixels + frame.sums, |scratch| {
            let (padded, sums) = scratch.split_at_mut(frame.pixels);
            let sums = &mut sums[..frame.sums];
            vectorised!(frame.fold(image, padded, sums, out, with));
        });
    })
}

/// A plane with its padding.
#[derive(Clone, Copy)]
struct Frame<'a> {
    windows: &'a Windows,
    /// elements from row to row
    pitch: usize,
    /// elements of the padded plane; 0 if the image needs no padding
    pixels: usize,
    /// rows of the map that are folded at once
    rows: usize,
    /// numbers that are folded at once, those between windows included
    sums: usize,
}

impl<'a> Frame<'a> {
    fn new(windows: &'a Windows) -> Self {
        let (_, _, h, w) = windows.image;
        let (_, _, oh, ow) = windows.map;
        let reach = |count: usize, stride: usize, kernel: usize| (count - 1) * stride + kernel;
        let height = reach(oh, windows.stride.0, windows.kernel.0);
        let width = reach(ow, windows.stride.1, windows.kernel.1);
        let plain = windows.origin == (0, 0) && height <= h && width <= w;
        let (pitch, pixels) = if plain {
            (w, 0)
        } else {
            (width, height * width)
        };
        // With steps of one row, the map's rows lie side by side in the frame.
        let rows = if windows.stride.0 == 1 { oh } else { 1 };
        Self {
            windows,
            pitch,
            pixels,
            rows,
            sums: (rows - 1) * pitch + (ow - 1) * windows.stride.1 + 1,
        }
    }

    #[inline(always)]
    fn fold<T: Real, S: Fn(T, T) -> T + Copy, F: Fn(T, usize) -> T + Copy>(
        self,
        image: &[T],
        padded: &mut [T],
        sums: &mut [T],
        out: &mut [T],
        with: Fold<T, S, F>,
    ) {
        let source = if self.pixels == 0 {
            image
        } else {
            self.pad(image, padded, with.start);
            &*padded
        };
        let Windows {
            kernel,
            stride,
            map,
            ..
        } = *self.windows;
        for first in (0..map.2).step_by(self.rows) {
            sums.fill(with.start);
            for tap in 0..kernel.0 {
                let row = &source[(first * stride.0 + tap) * self.pitch..];
                fold_row(sums, row, kernel.1, with.step);
            }
            for row in 0..self.rows {
                let at = (first + row) * map.3;
                let sums = &sums[row * self.pitch..];
                for (column, out) in out[at..at + map.3].iter_mut().enumerate() {
                    *out = (with.finish)(sums[column * stride.1], at + column);
                }
            }
        }
    }

    /// Copies what windows see of the image.
    #[inline(always)]
    fn pad<T: Real>(self, image: &[T], padded: &mut [T], padding: T) {
        let (top, left) = self.windows.origin;
        let width = self.windows.image.3;
        let copied = width.min(self.pitch - left);
        for (index, row) in padded.chunks_exact_mut(self.pitch).enumerate() {
            let inside = index.checked_sub(top);
            let from = inside.and_then(|index| image.get(index * width..(index + 1) * width));
            let Some(from) = from else {
                row.fill(padding);
                continue;
            };
            row[..left].fill(padding);
            row[left..left + copied].copy_from_slice(&from[..copied]);
            row[left + copied..].fill(padding);
        }
    }
}

/// Folds `taps` elements side by side into each sum, the sum's own first.
#[inline(always)]
fn fold_row<T: Real>(sums: &mut [T], row: &[T], taps: usize, step: impl Fn(T, T) -> T + Copy) {
    let count = sums.len();
    let mut tap = 0;
    while tap + 3 <= taps {
        let (a, b, c) = (
            &row[tap..][..count],
            &row[tap + 1..][..count],
            &row[tap + 2..][..count],
        );
        for i in 0..count {
            sums[i] = step(step(step(sums[i], a[i]), b[i]), c[i]);
        }
        tap += 3;
    }
    for tap in tap..taps {
        for (sum, &element) in sums.iter_mut().zip(&row[tap..][..count]) {
            *sum = step(*sum, element);
        }
    }
}
