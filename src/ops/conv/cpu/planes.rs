//! Images laid out so that every window element is one distance away.
//!
//! A block of channels is copied with its padding, and along each axis taken apart into *phases*: with
//! stride 2, even and odd pixels. The windows' elements of one kernel tap then lie side by side, whatever
//! the stride, and no tap needs to know about padding. Each pixel is copied once, not once per tap.

use std::ops::Range;

use crate::ops::conv::geometry::Geometry;
use crate::ops::real::Real;

/// One axis of a block: the pixel `index` of `phase` is the image's pixel
/// `first + phase + index * stride`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    /// pixels of the image
    pub extent: usize,
    /// of phase 0; negative in the padding
    pub first: isize,
    pub stride: usize,
    pub phases: usize,
    /// pixels of a phase
    pub count: usize,
}

impl Axis {
    /// The image's pixel.
    fn pixel(&self, phase: usize, index: usize) -> Option<usize> {
        let pixel = usize::try_from(self.first + (phase + index * self.stride) as isize).ok()?;
        (pixel < self.extent).then_some(pixel)
    }

    /// The pixels of a phase that lie inside the image.
    fn inside(&self, phase: usize) -> Range<usize> {
        let first = self.first + phase as isize;
        let bound = |pixel: isize| {
            let index = (pixel - first).max(0) as usize;
            index.div_ceil(self.stride).min(self.count)
        };
        bound(0)..bound(self.extent as isize)
    }
}

/// A block of images: (sample, channel, row phase, column phase, row, column).
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub rows: Axis,
    pub columns: Axis,
    /// elements from sample to sample
    pub sample: usize,
    /// elements from channel to channel
    pub channel: usize,
    /// elements from row to row
    pub row: usize,
}

impl Planes {
    pub(super) fn new(rows: Axis, columns: Axis, channels: usize) -> Self {
        let channel = rows.phases * columns.phases * rows.count * columns.count;
        Self {
            rows,
            columns,
            sample: channels * channel,
            channel,
            row: columns.count,
        }
    }

    /// The same block where it stands in the image, of `channels` channels to a sample, if it needs
    /// nothing but whole rows of it; with the distance from the image's start.
    pub(super) fn in_image(&self, channels: usize) -> Option<(Self, usize)> {
        let plain = |axis: &Axis| axis.phases == 1 && axis.stride == 1;
        let first = usize::try_from(self.rows.first).ok()?;
        let whole = self.columns.first == 0 && self.columns.count == self.columns.extent;
        let inside = first + self.rows.count <= self.rows.extent;
        if !(plain(&self.rows) && plain(&self.columns) && whole && inside) {
            return None;
        }
        let channel = self.rows.extent * self.columns.extent;
        let planes = Self {
            sample: channels * channel,
            channel,
            ..*self
        };
        Some((planes, first * self.row))
    }

    /// Where pixel (`row`, `column`) of a channel lies, counted in pixels of the unphased block.
    pub(super) fn tap(&self, row: usize, column: usize) -> usize {
        let (row_phase, row) = (row % self.rows.stride, row / self.rows.stride);
        let (column_phase, column) = (column % self.columns.stride, column / self.columns.stride);
        ((row_phase * self.columns.phases + column_phase) * self.rows.count + row) * self.row
            + column
    }

    /// Copies the block's `channels` of one sample, whole channels of the image, into `out`.
    pub(super) fn gather<T: Real>(&self, channels: &[T], out: &mut [T]) {
        let pixels = self.rows.extent * self.columns.extent;
        let planes = out.chunks_exact_mut(self.channel);
        for (image, planes) in channels.chunks_exact(pixels).zip(planes) {
            let mut planes = planes.chunks_exact_mut(self.rows.count * self.columns.count);
            for row_phase in 0..self.rows.phases {
                for column_phase in 0..self.columns.phases {
                    let Some(plane) = planes.next() else { return };
                    self.gather_phase(image, (row_phase, column_phase), plane);
                }
            }
        }
    }

    fn gather_phase<T: Real>(&self, image: &[T], phase: (usize, usize), plane: &mut [T]) {
        let inside = self.columns.inside(phase.1);
        let first = self.columns.pixel(phase.1, inside.start);
        for (index, out) in plane.chunks_exact_mut(self.columns.count).enumerate() {
            let (Some(row), Some(first)) = (self.rows.pixel(phase.0, index), first) else {
                out.fill(T::ZERO);
                continue;
            };
            out[..inside.start].fill(T::ZERO);
            out[inside.end..].fill(T::ZERO);
            let start = row * self.columns.extent;
            let row = &image[start + first..start + self.columns.extent];
            copy_strided(row, self.columns.stride, &mut out[inside.clone()]);
        }
    }
}

/// The axes of the planes that the windows at `lines` of the map look at.
pub(super) fn window_axes(g: &Geometry, lines: &Range<usize>) -> (Axis, Axis) {
    let rows = Axis {
        extent: g.image.0,
        first: (lines.start * g.stride.0) as isize - g.origin.0 as isize,
        stride: g.stride.0,
        phases: g.stride.0.min(g.kernel.0),
        count: lines.len() + (g.kernel.0 - 1) / g.stride.0,
    };
    let columns = Axis {
        extent: g.image.1,
        first: -(g.origin.1 as isize),
        stride: g.stride.1,
        phases: g.stride.1.min(g.kernel.1),
        count: g.map.1 + (g.kernel.1 - 1) / g.stride.1,
    };
    (rows, columns)
}

/// How far the elements of a window, (channel, row, column), lie from its start in the planes.
pub(super) fn window_offsets(
    g: &Geometry,
    planes: &Planes,
    channels: usize,
) -> impl Iterator<Item = usize> {
    (0..channels).flat_map(move |channel| {
        (0..g.kernel.0).flat_map(move |i| {
            (0..g.kernel.1).map(move |j| channel * planes.channel + planes.tap(i, j))
        })
    })
}

fn copy_strided<T: Real>(source: &[T], stride: usize, out: &mut [T]) {
    match stride {
        1 => out.copy_from_slice(&source[..out.len()]),
        2 => {
            // Pairs of a constant size let the compiler shuffle instead of loading one by one.
            let last = 2 * out.len().saturating_sub(1);
            if let (Some(out), Some(&value)) = (out.last_mut(), source.get(last)) {
                *out = value;
            }
            let (pairs, _) = source.as_chunks::<2>();
            out.iter_mut().zip(pairs).for_each(|(o, s)| *o = s[0]);
        }
        _ => out
            .iter_mut()
            .zip(source.iter().step_by(stride))
            .for_each(|(o, &s)| *o = s),
    }
}
