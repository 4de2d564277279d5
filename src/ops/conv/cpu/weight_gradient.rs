//! weight = map · windowsᵀ, summed over samples.
//!
//! Computed as its transpose: rows are window elements, read from where they are one by one; columns are
//! map channels, transposed into panels.

use std::ops::Range;

use rayon::prelude::*;

use super::planes::{Planes, window_axes, window_offsets};
use crate::ops::conv::geometry::Geometry;
use crate::ops::gemm::{DEPTH, Destination, Kernels, Offsets, Packed, Placed, VECTORS, pieces};
use crate::ops::real::{Real, with_scratch};
use crate::ops::transpose::{TILE, transpose};
use crate::ops::uninit::{Shared, filled};
use crate::ops::workspace::Buffer;

/// One task: the sum over some samples, for some channels of a group.
struct Part {
    group: usize,
    /// image channels, in the group
    channels: Range<usize>,
    /// map channels, in the group
    outputs: Range<usize>,
    samples: Range<usize>,
}

/// Divides the gradient by its shape alone, parts next to each other that are to be added up: as many as
/// is returned. Blocks of channels come first, because their results are disjoint; a layer of few channels
/// is also divided by samples.
fn parts(g: &Geometry) -> (Vec<Part>, usize) {
    const TASKS: usize = 16;
    /// window elements of a block: transposing the map is small beside multiplying with them
    const ROWS: usize = 512;
    /// map channels of a block, whose sums the second-level cache holds
    const COLUMNS: usize = 256;
    let channels = g.c.div_ceil(g.window().div_ceil(ROWS));
    let outputs = g.o.div_ceil(g.o.div_ceil(COLUMNS));
    let blocks = g.groups * g.c.div_ceil(channels) * g.o.div_ceil(outputs);
    // A few tasks too few are better than sums to be added up.
    let spans = if blocks > TASKS / 2 {
        1
    } else {
        TASKS.div_ceil(blocks)
    };
    let samples = g.samples.div_ceil(spans.min(g.samples));
    let mut parts = Vec::new();
    for group in 0..g.groups {
        for outputs in pieces(g.o, outputs) {
            for channels in pieces(g.c, channels) {
                for samples in pieces(g.samples, samples) {
                    parts.push(Part {
                        group,
                        channels: channels.clone(),
                        outputs: outputs.clone(),
                        samples,
                    });
                }
            }
        }
    }
    (parts, g.samples.div_ceil(samples))
}

/// The weight gradient (groups · o, c, kh, kw) of `image` (samples, groups · c, h, w) and the gradient
/// `map` (samples, groups · o, oh, ow).
#[expect(
    unsafe_code,
    reason = "tasks write disjoint parts of the weight, and together all of it"
)]
pub(in crate::ops::conv) fn run<T: Real>(g: &Geometry, image: &[T], map: &[T]) -> Vec<T> {
    let g = &g.flattened();
    if g.samples == 0 {
        return vec![T::ZERO; g.groups * g.o * g.window()];
    }
    let kernels = T::kernels();
    let (parts, spans) = parts(g);
    let work = WeightGradient { g, kernels };
    unsafe {
        filled(g.groups * g.o * g.window(), |weight| {
            let weight = Shared::new(weight);
            if spans == 1 {
                parts.par_iter().with_max_len(1).for_each(|part| {
                    let length = work.length(part);
                    with_scratch(length + work.scratch(part), |scratch| {
                        let (sums, scratch) = scratch.split_at_mut(length);
                        work.sum(part, image, map, sums, scratch);
                        work.write(part, &[sums], &part.outputs, &weight);
                    });
                });
                return;
            }
            let length = parts
                .iter()
                .map(|part| work.length(part))
                .max()
                .unwrap_or(0);
            let mut sums = Buffer::take(parts.len() * length);
            let tasks = parts.par_iter().zip(sums.par_chunks_mut(length));
            tasks.with_max_len(1).for_each(|(part, sums)| {
                with_scratch(work.scratch(part), |scratch| {
                    work.sum(part, image, map, sums, scratch);
                });
            });
            let same = parts.par_chunks(spans).zip(sums.par_chunks(spans * length));
            same.flat_map(|(parts, sums)| {
                let tiles = parts[0].outputs.len().div_ceil(TILE);
                (0..tiles)
                    .into_par_iter()
                    .map(move |tile| (&parts[0], sums, tile))
            })
            .for_each(|(part, sums, tile)| {
                let first = part.outputs.start + tile * TILE;
                let outputs = first..(first + TILE).min(part.outputs.end);
                let sums: Vec<&[T]> = sums.chunks(length).collect();
                work.write(part, &sums, &outputs, &weight);
            });
        })
    }
}

#[derive(Clone, Copy)]
struct WeightGradient<'a, T: 'static> {
    g: &'a Geometry,
    kernels: &'static Kernels<T>,
}

impl<T: Real> WeightGradient<'_, T> {
    /// Elements from row to row of a part's sums: no power of two, which keeps the rows of a tile in
    /// different sets of the cache.
    fn pitch(&self, part: &Part) -> usize {
        part.outputs.len().next_multiple_of(self.kernels.lanes) + 16
    }

    /// Elements of a part's sums, (channels · taps, outputs).
    fn length(&self, part: &Part) -> usize {
        part.channels.len() * self.g.taps() * self.pitch(part)
    }

    /// Samples and lines of a block of the depth: whole samples, or a part of one.
    fn block(&self, part: &Part) -> (usize, usize) {
        let (positions, lines) = (self.g.positions(), self.g.map.0);
        let samples = (DEPTH / positions).clamp(1, part.samples.len());
        (
            samples,
            lines.div_ceil(positions.div_ceil(DEPTH).min(lines)),
        )
    }

    /// Elements that [`Self::sum`] needs to work: the image's planes and a panel of the map.
    fn scratch(&self, part: &Part) -> usize {
        let (samples, lines) = self.block(part);
        let (rows, columns) = window_axes(self.g, &(0..lines));
        let planes = Planes::new(rows, columns, part.channels.len());
        let panel = samples * lines * self.g.map.1 * VECTORS * self.kernels.lanes;
        samples * planes.sample + panel
    }

    /// The part's sums.
    fn sum(&self, part: &Part, image: &[T], map: &[T], sums: &mut [T], scratch: &mut [T]) {
        let (samples, lines) = self.block(part);
        let mut add = false;
        for samples in pieces(part.samples.len(), samples) {
            let samples = part.samples.start + samples.start..part.samples.start + samples.end;
            for lines in pieces(self.g.map.0, lines) {
                let block = Block {
                    part,
                    samples: samples.clone(),
                    lines,
                    add,
                };
                self.add_block(&block, image, map, sums, scratch);
                add = true;
            }
        }
    }

    fn add_block(
        &self,
        block: &Block<'_>,
        image: &[T],
        map: &[T],
        sums: &mut [T],
        scratch: &mut [T],
    ) {
        let (g, part, lines) = (self.g, block.part, &block.lines);
        let (rows, columns) = window_axes(g, lines);
        let planes = Planes::new(rows, columns, part.channels.len());
        let in_image = planes.in_image(g.groups * g.c);
        let planes = in_image.map_or(planes, |(planes, _)| planes);
        let steps: Offsets = (0..block.samples.len())
            .flat_map(|sample| {
                (0..lines.len()).flat_map(move |line| {
                    (0..g.map.1).map(move |x| sample * planes.sample + line * planes.row + x)
                })
            })
            .collect();
        let places: Vec<u32> = window_offsets(g, &planes, part.channels.len())
            .map(|offset| offset as u32)
            .collect();
        let gathered = if in_image.is_some() {
            0
        } else {
            block.samples.len() * planes.sample
        };
        let (gathered, panel) = scratch.split_at_mut(gathered);
        let first = (part.group * g.c + part.channels.start) * g.pixels();
        let source = if let Some((_, start)) = in_image {
            &image[block.samples.start * g.image_elements() + first + start..]
        } else {
            let planes_of = gathered.chunks_exact_mut(planes.sample);
            for (sample, out) in block.samples.clone().zip(planes_of) {
                let start = sample * g.image_elements() + first;
                planes.gather(&image[start..start + part.channels.len() * g.pixels()], out);
            }
            &*gathered
        };
        let pitch = self.pitch(part);
        let vectors = part.outputs.len().div_ceil(self.kernels.lanes);
        let strips = vectors.div_ceil(VECTORS);
        for strip in 0..strips {
            let strip = strip * vectors / strips..(strip + 1) * vectors / strips;
            let width = strip.len() * self.kernels.lanes;
            let column = strip.start * self.kernels.lanes;
            let outputs = part.outputs.start + column;
            let outputs = outputs..(outputs + width).min(part.outputs.end);
            let panel = &mut panel[..steps.len() * width];
            self.pack(block, map, &outputs, panel, width);
            let rows = sums.chunks_mut(self.kernels.rows * pitch);
            for (places, sums) in places.chunks(self.kernels.rows).zip(rows) {
                let a = Placed {
                    data: source,
                    steps: &steps,
                    places,
                };
                let b = Packed {
                    data: panel,
                    pitch: width,
                };
                let mut out = Destination {
                    data: &mut sums[column..],
                    pitch,
                    add: block.add,
                };
                self.kernels
                    .packed_columns((places.len(), strip.len()), a, b, &mut out);
            }
        }
    }

    /// Transposes `outputs` of the map into a panel: a row of `width` for each pixel.
    fn pack(
        &self,
        block: &Block<'_>,
        map: &[T],
        outputs: &Range<usize>,
        panel: &mut [T],
        width: usize,
    ) {
        let g = self.g;
        let pixels = block.lines.len() * g.map.1;
        for (sample, panel) in block
            .samples
            .clone()
            .zip(panel.chunks_exact_mut(pixels * width))
        {
            let channel = (sample * g.groups + block.part.group) * g.o + outputs.start;
            let start = channel * g.positions() + block.lines.start * g.map.1;
            transpose(
                &map[start..],
                g.positions(),
                (outputs.len(), pixels),
                panel,
                width,
            );
        }
    }

    /// Adds up the sums of a part over all its spans, and transposes them into place.
    #[expect(
        unsafe_code,
        reason = "each part and range of outputs has its own weights"
    )]
    fn write(&self, part: &Part, sums: &[&[T]], outputs: &Range<usize>, weight: &Shared<'_, T>) {
        let (g, pitch) = (self.g, self.pitch(part));
        let rows = part.channels.len() * g.taps();
        for outputs in pieces(outputs.len(), TILE)
            .map(|piece| outputs.start + piece.start..outputs.start + piece.end)
        {
            let column = outputs.start - part.outputs.start;
            for elements in pieces(rows, TILE) {
                let mut tile = [[T::ZERO; TILE]; TILE];
                for sums in sums {
                    for (element, tile) in elements.clone().zip(&mut tile) {
                        let sums = &sums[element * pitch + column..][..outputs.len()];
                        for (total, &sum) in tile.iter_mut().zip(sums) {
                            *total += sum;
                        }
                    }
                }
                for (index, output) in outputs.clone().enumerate() {
                    let start = (part.group * g.o + output) * g.window()
                        + part.channels.start * g.taps()
                        + elements.start;
                    let out = unsafe { weight.range(start, elements.len()) };
                    for (out, line) in out.iter_mut().zip(&tile) {
                        out.write(line[index]);
                    }
                }
            }
        }
    }
}

/// A block of a part's depth.
struct Block<'a> {
    part: &'a Part,
    samples: Range<usize>,
    /// rows of the map
    lines: Range<usize>,
    /// whether there are sums already
    add: bool,
}
