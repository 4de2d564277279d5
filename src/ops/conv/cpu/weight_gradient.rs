//! weight = map · windowsᵀ, summed over samples.
//!
//! Computed as its transpose: rows are window elements, read from where they are one by one; columns are
//! map channels, transposed into panels.

use std::ops::Range;

use rayon::prelude::*;

use super::planes::{Planes, window_axes, window_offsets};
use super::tasks::pieces;
use crate::ops::conv::geometry::Geometry;
use crate::ops::gemm::{DEPTH, Destination, Kernels, Offsets, Packed, Placed, VECTORS};
use crate::ops::real::{Real, with_scratch};
use crate::ops::transpose::{TILE, transpose};
use crate::ops::uninit::{Shared, filled};

/// One task: the sum over a span of samples, for some input channels of a group.
struct Part {
    group: usize,
    /// image channels, in the group
    channels: Range<usize>,
    /// map channels, in the group
    outputs: Range<usize>,
    samples: Range<usize>,
}

/// Divides the gradient by its shape alone, those parts next to each other that are to be added up.
/// Blocks of channels come first, because their results are disjoint; a layer of few channels is also
/// divided by samples.
fn parts(g: &Geometry) -> Vec<Part> {
    const TASKS: usize = 16;
    /// window elements of a block: transposing the map is small beside multiplying with them
    const ROWS: usize = 512;
    let blocks = g.window().div_ceil(ROWS).min(g.c);
    let spans = TASKS.div_ceil(g.groups * blocks).min(g.samples);
    let mut parts = Vec::new();
    for group in 0..g.groups {
        for channels in pieces(g.c, g.c.div_ceil(blocks)) {
            for samples in pieces(g.samples, g.samples.div_ceil(spans)) {
                parts.push(Part {
                    group,
                    channels: channels.clone(),
                    outputs: 0..g.o,
                    samples,
                });
            }
        }
    }
    parts
}

/// The weight gradient (groups · o, c, kh, kw) of `image` (samples, groups · c, h, w) and the gradient
/// `map` (samples, groups · o, oh, ow).
pub(in crate::ops::conv) fn run<T: Real>(g: &Geometry, image: &[T], map: &[T]) -> Vec<T> {
    let g = &g.flattened();
    if g.samples == 0 {
        return vec![T::ZERO; g.groups * g.o * g.window()];
    }
    let kernels = T::kernels();
    let pitch = g.o.next_multiple_of(kernels.lanes) + 16;
    let parts = parts(g);
    let sums: Vec<Vec<T>> = parts
        .par_iter()
        .with_max_len(1)
        .map(|part| {
            WeightGradient {
                g,
                kernels,
                part,
                pitch,
            }
            .run(image, map)
        })
        .collect();
    gather(g, &parts, &sums, pitch)
}

/// Adds up the parts, (window elements, o), and transposes them into place.
#[expect(
    unsafe_code,
    reason = "tasks write disjoint tiles of the weight, and together all of it"
)]
fn gather<T: Real>(g: &Geometry, parts: &[Part], sums: &[Vec<T>], pitch: usize) -> Vec<T> {
    let mut tiles = Vec::new();
    let mut first = 0;
    for same in parts.chunk_by(|a, b| (a.group, &a.channels) == (b.group, &b.channels)) {
        for outputs in pieces(g.o, TILE) {
            tiles.push((&same[0], &sums[first..first + same.len()], outputs));
        }
        first += same.len();
    }
    unsafe {
        filled(g.groups * g.o * g.window(), |weight| {
            let weight = Shared::new(weight);
            tiles.into_par_iter().for_each(|(part, sums, outputs)| {
                let rows = part.channels.len() * g.taps();
                for elements in pieces(rows, TILE) {
                    let mut tile = [[T::ZERO; TILE]; TILE];
                    for sums in sums {
                        for (element, tile) in elements.clone().zip(&mut tile) {
                            let sums = &sums[element * pitch + outputs.start..][..outputs.len()];
                            for (total, &sum) in tile.iter_mut().zip(sums) {
                                *total += sum;
                            }
                        }
                    }
                    for (index, output) in outputs.clone().enumerate() {
                        let start = (part.group * g.o + output) * g.window()
                            + part.channels.start * g.taps()
                            + elements.start;
                        let out = weight.range(start, elements.len());
                        for (out, line) in out.iter_mut().zip(&tile) {
                            out.write(line[index]);
                        }
                    }
                }
            });
        })
    }
}

struct WeightGradient<'a, T: 'static> {
    g: &'a Geometry,
    kernels: &'static Kernels<T>,
    part: &'a Part,
    /// elements from row to row of the sums
    pitch: usize,
}

impl<T: Real> WeightGradient<'_, T> {
    /// The part's sum, (channels · taps, o).
    fn run(&self, image: &[T], map: &[T]) -> Vec<T> {
        let (g, part) = (self.g, self.part);
        let mut sums = vec![T::ZERO; part.channels.len() * g.taps() * self.pitch];
        // Whole samples, or a part of one.
        let samples = (DEPTH / g.positions()).clamp(1, part.samples.len());
        let lines = g.map.0.div_ceil(g.positions().div_ceil(DEPTH));
        let mut add = false;
        for samples in pieces(part.samples.len(), samples) {
            let samples = part.samples.start + samples.start..part.samples.start + samples.end;
            for lines in pieces(g.map.0, lines) {
                self.add_block(image, map, &samples, &lines, &mut sums, add);
                add = true;
            }
        }
        sums
    }

    fn add_block(
        &self,
        image: &[T],
        map: &[T],
        samples: &Range<usize>,
        lines: &Range<usize>,
        sums: &mut [T],
        add: bool,
    ) {
        let (g, channels) = (self.g, &self.part.channels);
        let (rows, columns) = window_axes(g, lines);
        let planes = Planes::new(rows, columns, channels.len());
        let in_image = planes.in_image(g.groups * g.c);
        let planes = in_image.map_or(planes, |(planes, _)| planes);
        let steps: Offsets = samples
            .clone()
            .enumerate()
            .flat_map(|(sample, _)| {
                (0..lines.len()).flat_map(move |line| {
                    (0..g.map.1).map(move |x| sample * planes.sample + line * planes.row + x)
                })
            })
            .collect();
        let depth = steps.len();
        let places: Vec<u32> = window_offsets(g, &planes, channels.len())
            .map(|offset| offset as u32)
            .collect();
        let width = VECTORS * self.kernels.lanes;
        let gathered = if in_image.is_some() {
            0
        } else {
            samples.len() * planes.sample
        };
        with_scratch(gathered + depth * width, |scratch| {
            let (gathered, panel) = scratch.split_at_mut(gathered);
            let first = (self.part.group * g.c + channels.start) * g.pixels();
            let source = if let Some((_, start)) = in_image {
                &image[samples.start * g.image_elements() + first + start..]
            } else {
                for (sample, out) in samples
                    .clone()
                    .zip(gathered.chunks_exact_mut(planes.sample))
                {
                    let start = sample * g.image_elements() + first;
                    planes.gather(&image[start..start + channels.len() * g.pixels()], out);
                }
                &*gathered
            };
            let vectors = g.o.div_ceil(self.kernels.lanes);
            let strips = vectors.div_ceil(VECTORS);
            for strip in 0..strips {
                let strip = strip * vectors / strips..(strip + 1) * vectors / strips;
                let first = strip.start * self.kernels.lanes;
                let outputs = first..(strip.end * self.kernels.lanes).min(g.o);
                let width = strip.len() * self.kernels.lanes;
                let panel = &mut panel[..depth * width];
                self.pack(map, samples, lines, &outputs, panel, width);
                for (index, places) in places.chunks(self.kernels.rows).enumerate() {
                    let a = Placed {
                        data: source,
                        steps: &steps,
                        places,
                    };
                    let b = Packed {
                        data: panel,
                        pitch: width,
                    };
                    let out = Destination {
                        data: &mut sums[index * self.kernels.rows * self.pitch + first..],
                        pitch: self.pitch,
                        add,
                    };
                    self.kernels
                        .packed_columns((places.len(), strip.len()), a, b, out);
                }
            }
        });
    }

    /// Transposes `outputs` of the map into a panel: a row of `width` for each pixel.
    fn pack(
        &self,
        map: &[T],
        samples: &Range<usize>,
        lines: &Range<usize>,
        outputs: &Range<usize>,
        panel: &mut [T],
        width: usize,
    ) {
        let g = self.g;
        let pixels = lines.len() * g.map.1;
        for (sample, panel) in samples.clone().zip(panel.chunks_exact_mut(pixels * width)) {
            let channel = sample * g.groups * g.o + self.part.group * g.o + outputs.start;
            let start = channel * g.positions() + lines.start * g.map.1;
            transpose(
                &map[start..],
                g.positions(),
                (outputs.len(), pixels),
                panel,
                width,
            );
        }
    }
}
