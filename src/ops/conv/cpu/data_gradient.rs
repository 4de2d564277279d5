//! image = windows of the map · weightᵀ, which is transposed convolution.
//!
//! Pixels are taken apart by their phase, the remainder of their place by the stride. Those of one phase
//! see the same taps of the kernel, one pixel of the map each: for them it is a convolution of stride 1.
//! Nothing is added up in memory, and no zeros are multiplied (Shi et al. 2016, "Is the deconvolution layer
//! the same as a convolutional layer?").

use std::ops::Range;

use rayon::prelude::*;

use super::epilogue::Epilogue;
use super::planes::{Axis, Planes};
use super::tasks::{Extent, Task};
use crate::ops::conv::geometry::Geometry;
use crate::ops::gemm::{
    Columns, Destination, Kernels, Offsets, PackedRows, Rows, Run, Sweep, depth_block, pieces,
    sweep,
};
use crate::ops::real::{Real, with_scratch};
use crate::ops::uninit::{Shared, filled};

/// The pixels of one phase along one axis: `first + index * stride`. Tap `residue + t * stride` of the
/// kernel joins pixel `index` with the map's pixel `source + index - t`.
#[derive(Debug, Clone, Copy)]
struct Phase {
    residue: usize,
    first: usize,
    count: usize,
    taps: usize,
    source: usize,
}

/// The phases of an axis, none of them empty.
fn phases(extent: usize, kernel: usize, stride: usize, origin: usize) -> Vec<Phase> {
    (0..stride.min(extent))
        .map(|first| {
            let residue = (first + origin) % stride;
            Phase {
                residue,
                first,
                count: (extent - first).div_ceil(stride),
                taps: kernel.saturating_sub(residue).div_ceil(stride),
                source: (first + origin) / stride,
            }
        })
        .collect()
}

/// What the pixels `range` of all phases of an axis see of the map: its axis, and how many taps at most.
fn seen(phases: &[Phase], range: &Range<usize>, extent: usize) -> (Axis, usize) {
    let taps = phases
        .iter()
        .map(|phase| phase.taps)
        .max()
        .unwrap_or(0)
        .max(1);
    let (nearest, farthest) = (phases[0].source, phases[phases.len() - 1].source);
    let axis = Axis {
        extent,
        first: (nearest + range.start) as isize - (taps - 1) as isize,
        stride: 1,
        phases: 1,
        count: farthest - nearest + range.len() + taps - 1,
    };
    (axis, taps)
}

/// The image (samples, groups · c, h, w) of `map` (samples, groups · o, oh, ow) and `weight`
/// (groups · o, c, kh, kw).
#[expect(
    unsafe_code,
    reason = "tasks write disjoint parts of the image, and together all of it"
)]
pub(in crate::ops::conv) fn run<T: Real>(
    g: &Geometry,
    map: &[T],
    weight: &[T],
    epilogue: Epilogue<'_, T>,
) -> Vec<T> {
    let g = &g.flattened();
    let kernels = T::kernels();
    let rows = phases(g.image.0, g.kernel.0, g.stride.0, g.origin.0);
    let columns = phases(g.image.1, g.kernel.1, g.stride.1, g.origin.1);
    let most = |phases: &[Phase]| phases.iter().map(|phase| phase.taps).max().unwrap_or(0);
    let outputs = depth_block(g.o, most(&rows) * most(&columns));
    let extent = Extent {
        groups: g.groups,
        channels: g.c,
        samples: g.samples,
        pixels: (g.image.0.div_ceil(g.stride.0), g.image.1 * g.stride.0),
    };
    let work = DataGradient {
        g,
        kernels,
        outputs,
        rows: &rows,
        columns: &columns,
    };
    let weights: Vec<Rows<'_, T>> = (0..g.groups)
        .flat_map(|group| work.phases().map(move |phase| (group, phase)))
        .map(|(group, phase)| work.weights(&weight[group * g.o * g.window()..], phase))
        .collect();
    let weights = PackedRows::new(&weights, kernels.rows, outputs);
    let tasks = extent.tasks(kernels.rows);
    unsafe {
        filled(g.samples * g.image_elements(), |image| {
            let image = Shared::new(image);
            tasks.par_iter().with_max_len(1).for_each(|task| {
                work.run(task, map, &weights, &epilogue, &image);
            });
        })
    }
}

#[derive(Clone, Copy)]
struct DataGradient<'a, T: 'static> {
    g: &'a Geometry,
    kernels: &'static Kernels<T>,
    /// map channels in a block of the depth
    outputs: usize,
    rows: &'a [Phase],
    columns: &'a [Phase],
}

/// The product of one phase, in a task.
struct Product {
    columns: Columns,
    steps: Offsets,
    taps: usize,
    /// lines of the phase in the task
    lines: usize,
    /// elements from row to row of the sums
    pitch: usize,
}

impl<'a, T: Real> DataGradient<'a, T> {
    /// Phases of both axes, row by row.
    fn phases(self) -> impl Iterator<Item = (&'a Phase, &'a Phase)> {
        self.rows
            .iter()
            .flat_map(move |row| self.columns.iter().map(move |column| (row, column)))
    }

    /// The weights of a phase, with image channels as rows.
    fn weights<'w>(&self, weight: &'w [T], (row, column): (&Phase, &Phase)) -> Rows<'w, T> {
        let g = self.g;
        let unit: Offsets = (0..row.taps)
            .flat_map(|t| {
                (0..column.taps).map(move |u| {
                    (row.residue + t * g.stride.0) * g.kernel.1 + column.residue + u * g.stride.1
                })
            })
            .collect();
        Rows {
            data: weight,
            count: g.c,
            pitch: g.taps(),
            units: g.o,
            unit_pitch: g.window(),
            unit,
        }
    }

    fn run(
        &self,
        task: &Task,
        map: &[T],
        weights: &PackedRows<T>,
        epilogue: &Epilogue<'_, T>,
        image: &Shared<'_, T>,
    ) {
        let g = self.g;
        let (row_axis, _) = seen(self.rows, &task.lines, g.map.0);
        let (column_axis, _) = seen(self.columns, &(0..self.columns[0].count), g.map.1);
        let planes = Planes::new(row_axis, column_axis, self.outputs);
        let whole = self
            .columns
            .iter()
            .all(|phase| phase.count % self.kernels.lanes == 0);
        // In the map itself there is no room for pieces to read too much.
        let in_map = planes.in_image(g.groups * g.o).filter(|_| whole);
        let planes = in_map.map_or(planes, |(planes, _)| planes);
        let products: Vec<Product> = self
            .phases()
            .map(|phase| self.product(task, &planes, phase))
            .collect();
        let gathered = if in_map.is_some() {
            0
        } else {
            task.samples.len() * planes.sample
        };
        let panel = |product: &Product| product.columns.panel(product.steps.len());
        let panel = products.iter().map(panel).max().unwrap_or(0);
        let sums =
            products.iter().map(|product| product.pitch).sum::<usize>() * task.channels.len();
        with_scratch(gathered + Columns::SLACK + panel + sums, |scratch| {
            let (gathered, scratch) = scratch.split_at_mut(gathered + Columns::SLACK);
            let (panel, sums) = scratch.split_at_mut(panel);
            for (block, outputs) in pieces(g.o, self.outputs).enumerate() {
                let first = (task.group * g.o + outputs.start) * g.positions();
                let source = if let Some((_, start)) = in_map {
                    &map[task.samples.start * g.map_elements() + first + start..]
                } else {
                    let samples = task.samples.clone();
                    for (sample, out) in samples.zip(gathered.chunks_exact_mut(planes.sample)) {
                        let start = sample * g.map_elements() + first;
                        planes.gather(&map[start..start + outputs.len() * g.positions()], out);
                    }
                    &*gathered
                };
                let mut rest = &mut *sums;
                for (index, product) in products.iter().enumerate() {
                    let weights_index = task.group * products.len() + index;
                    let (sums, others) = rest.split_at_mut(product.pitch * task.channels.len());
                    rest = others;
                    if product.steps.len() == 0 {
                        sums.fill(T::ZERO);
                        continue;
                    }
                    let shorter: Offsets;
                    let steps = if outputs.len() == self.outputs {
                        &product.steps
                    } else {
                        shorter = product
                            .steps
                            .iter()
                            .take(outputs.len() * product.taps)
                            .collect();
                        &shorter
                    };
                    let columns = &product.columns;
                    let work = Sweep {
                        kernels: self.kernels,
                        source,
                        columns,
                        steps,
                    };
                    let panel = &mut panel[..columns.panel(product.steps.len())];
                    let mut sums = Destination {
                        data: sums,
                        pitch: product.pitch,
                        add: block > 0,
                    };
                    sweep(
                        &work,
                        || weights.block(weights_index, block, task.channels.clone()),
                        panel,
                        &mut sums,
                    );
                }
            }
            self.write(task, &products, sums, epilogue, image);
        });
    }

    fn product(&self, task: &Task, planes: &Planes, (row, column): (&Phase, &Phase)) -> Product {
        let lines = row
            .count
            .min(task.lines.end)
            .saturating_sub(task.lines.start);
        // The pixel of the map that the last tap of the task's first pixel sees.
        let first = |axis: &Axis, phase: &Phase, index: usize| {
            ((phase.source + index) as isize + 1 - phase.taps.max(1) as isize - axis.first) as usize
        };
        let (y, x) = (
            first(&planes.rows, row, task.lines.start),
            first(&planes.columns, column, 0),
        );
        let runs: Vec<Run> = (0..task.samples.len())
            .flat_map(|sample| {
                (0..lines).map(move |line| Run {
                    at: sample * planes.sample + (y + line) * planes.row + x,
                    length: column.count,
                })
            })
            .collect();
        let steps = (0..self.outputs)
            .flat_map(|output| {
                (0..row.taps).rev().flat_map(move |t| {
                    (0..column.taps)
                        .rev()
                        .map(move |u| output * planes.channel + t * planes.row + u)
                })
            })
            .collect();
        let columns = Columns::new(&runs, self.kernels.lanes);
        Product {
            // A pitch that is no power of two keeps the rows of a tile in different sets of the cache.
            pitch: columns.width() + 16,
            columns,
            steps,
            taps: row.taps * column.taps,
            lines,
        }
    }

    #[expect(
        unsafe_code,
        reason = "each task has its own channels, samples and lines"
    )]
    fn write(
        &self,
        task: &Task,
        products: &[Product],
        sums: &[T],
        epilogue: &Epilogue<'_, T>,
        image: &Shared<'_, T>,
    ) {
        let g = self.g;
        let mut starts = Vec::with_capacity(products.len());
        let mut start = 0;
        for product in products {
            starts.push(start);
            start += product.pitch * task.channels.len();
        }
        for (index, channel) in task.channels.clone().enumerate() {
            let channel = task.group * g.c + channel;
            let finish = epilogue.of_channel(channel);
            for (sample_index, sample) in task.samples.clone().enumerate() {
                for (row_index, row) in self.rows.iter().enumerate() {
                    let phase = row_index * self.columns.len();
                    let lines = products[phase].lines;
                    for line in 0..lines {
                        let y = row.first + (task.lines.start + line) * g.stride.0;
                        let at = sample * g.image_elements() + channel * g.pixels() + y * g.image.1;
                        let out = unsafe { image.range(at, g.image.1) };
                        let sums = |column: usize| {
                            let (product, count) =
                                (&products[phase + column], self.columns[column].count);
                            let start = starts[phase + column]
                                + index * product.pitch
                                + (sample_index * lines + line) * count;
                            &sums[start..start + count]
                        };
                        match self.columns.len() {
                            1 => out.iter_mut().zip(sums(0)).for_each(|(out, &sum)| {
                                out.write(finish(sum));
                            }),
                            2 => {
                                let (even, odd) = (sums(0), sums(1));
                                let pairs = out.chunks_exact_mut(2).zip(even.iter().zip(odd));
                                for (out, (&even, &odd)) in pairs {
                                    out[0].write(finish(even));
                                    out[1].write(finish(odd));
                                }
                                if let (1, Some(&last), Some(out)) =
                                    (out.len() % 2, even.last(), out.last_mut())
                                {
                                    out.write(finish(last));
                                }
                            }
                            count => {
                                for column in 0..count {
                                    let out = out[column..].iter_mut().step_by(count);
                                    for (out, &sum) in out.zip(sums(column)) {
                                        out.write(finish(sum));
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
