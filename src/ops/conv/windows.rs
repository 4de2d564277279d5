//! Images as matrices of windows and back ("im2col" and "col2im"; Chellapilla et al. 2006).
//!
//! The matrix of an image has a row for each (channel, kernel row, kernel column) and a column for each
//! map pixel. Its rows are `pitch` apart, so that several samples can stand side by side.

use super::geometry::Geometry;
use crate::ops::real::Real;

/// The map columns `first..end` whose window element `offset` lies inside the image; a window starts at
/// `column * stride - origin`.
fn inside(
    offset: usize,
    extent: usize,
    stride: usize,
    origin: usize,
    count: usize,
) -> (usize, usize) {
    let first = origin.saturating_sub(offset).div_ceil(stride).min(count);
    let end = (extent + origin)
        .saturating_sub(offset)
        .div_ceil(stride)
        .min(count);
    (first, end.max(first))
}

/// Writes the windows of `channels` (whole channels of one image) into `columns`.
pub(super) fn gather<T: Real>(g: &Geometry, channels: &[T], columns: &mut [T], pitch: usize) {
    let ((h, w), (kh, kw), (oh, ow)) = (g.image, g.kernel, g.map);
    let (sh, sw) = g.stride;
    for (channel, plane) in channels.chunks_exact(h * w).enumerate() {
        for i in 0..kh {
            let rows = inside(i, h, sh, g.origin.0, oh);
            for j in 0..kw {
                let cols = inside(j, w, sw, g.origin.1, ow);
                let start = ((channel * kh + i) * kw + j) * pitch;
                let out = &mut columns[start..start + oh * ow];
                for (row, out) in out.chunks_exact_mut(ow).enumerate() {
                    if row < rows.0 || row >= rows.1 || cols.0 == cols.1 {
                        out.fill(T::ZERO);
                        continue;
                    }
                    let y = row * sh + i - g.origin.0;
                    let x = cols.0 * sw + j - g.origin.1;
                    let source = &plane[y * w + x..(y + 1) * w];
                    out[..cols.0].fill(T::ZERO);
                    let middle = &mut out[cols.0..cols.1];
                    copy_strided(source, sw, middle);
                    out[cols.1..].fill(T::ZERO);
                }
            }
        }
    }
}

/// Adds the windows in `columns` to the pixels of `channels` that they were taken from.
pub(super) fn scatter_add<T: Real>(g: &Geometry, columns: &[T], pitch: usize, channels: &mut [T]) {
    let ((h, w), (kh, kw), (oh, ow)) = (g.image, g.kernel, g.map);
    let (sh, sw) = g.stride;
    for (channel, plane) in channels.chunks_exact_mut(h * w).enumerate() {
        for i in 0..kh {
            let rows = inside(i, h, sh, g.origin.0, oh);
            for j in 0..kw {
                let cols = inside(j, w, sw, g.origin.1, ow);
                if cols.0 == cols.1 {
                    continue;
                }
                let start = ((channel * kh + i) * kw + j) * pitch;
                for row in rows.0..rows.1 {
                    let y = row * sh + i - g.origin.0;
                    let x = cols.0 * sw + j - g.origin.1;
                    let from = &columns[start + row * ow + cols.0..start + row * ow + cols.1];
                    let to = &mut plane[y * w + x..(y + 1) * w];
                    add_strided(from, to, sw);
                }
            }
        }
    }
}

fn copy_strided<T: Real>(source: &[T], stride: usize, out: &mut [T]) {
    match stride {
        1 => out.copy_from_slice(&source[..out.len()]),
        // A constant stride lets the compiler shuffle instead of loading one by one.
        2 => out
            .iter_mut()
            .zip(source.chunks(2))
            .for_each(|(o, s)| *o = s[0]),
        _ => out
            .iter_mut()
            .zip(source.iter().step_by(stride))
            .for_each(|(o, &s)| *o = s),
    }
}

fn add_strided<T: Real>(source: &[T], out: &mut [T], stride: usize) {
    match stride {
        1 => out.iter_mut().zip(source).for_each(|(o, &s)| *o += s),
        2 => out.chunks_mut(2).zip(source).for_each(|(o, &s)| o[0] += s),
        _ => out
            .iter_mut()
            .step_by(stride)
            .zip(source)
            .for_each(|(o, &s)| *o += s),
    }
}

/// Puts one group's channels of `count` samples side by side: from (sample, channel, pixel) to
/// (channel, sample, pixel). `stride` is the distance between samples in `source`.
pub(super) fn side_by_side<T: Real>(
    source: &[T],
    stride: usize,
    pixels: usize,
    out: &mut [T],
    count: usize,
) {
    for (channel, row) in out.chunks_exact_mut(count * pixels).enumerate() {
        for (sample, out) in row.chunks_exact_mut(pixels).enumerate() {
            let start = sample * stride + channel * pixels;
            out.copy_from_slice(&source[start..start + pixels]);
        }
    }
}

/// The inverse of [`side_by_side`].
pub(super) fn apart<T: Real>(
    source: &[T],
    stride: usize,
    pixels: usize,
    out: &mut [T],
    count: usize,
) {
    for (channel, row) in source.chunks_exact(count * pixels).enumerate() {
        for (sample, source) in row.chunks_exact(pixels).enumerate() {
            let start = sample * stride + channel * pixels;
            out[start..start + pixels].copy_from_slice(source);
        }
    }
}
