//! map = weight · windows.

use rayon::prelude::*;

use super::epilogue::Epilogue;
use super::planes::{Planes, window_axes, window_offsets};
use super::tasks::{Extent, Task};
use crate::ops::conv::geometry::Geometry;
use crate::ops::gemm::{
    Columns, Destination, Kernels, Offsets, PackedRows, Rows, Run, Sweep, depth_block, pieces,
    sweep,
};
use crate::ops::real::{Real, with_scratch};
use crate::ops::uninit::{Shared, filled};

/// The map (samples, groups · o, oh, ow) of `image` (samples, groups · c, h, w) and `weight`
/// (groups · o, c, kh, kw).
#[expect(
    unsafe_code,
    reason = "tasks write disjoint parts of the map, and together all of it"
)]
pub(in crate::ops::conv) fn run<T: Real>(
    g: &Geometry,
    image: &[T],
    weight: &[T],
    epilogue: Epilogue<'_, T>,
) -> Vec<T> {
    let g = &g.flattened();
    let kernels = T::kernels();
    let taps: Offsets = (0..g.taps()).collect();
    let channels = depth_block(g.c, g.taps());
    let weights: Vec<Rows<'_, T>> = (0..g.groups)
        .map(|group| Rows {
            data: &weight[group * g.o * g.window()..],
            count: g.o,
            pitch: g.window(),
            units: g.c,
            unit_pitch: g.taps(),
            unit: taps.clone(),
        })
        .collect();
    let weights = PackedRows::new(&weights, kernels.rows, channels);
    let extent = Extent {
        groups: g.groups,
        channels: g.o,
        samples: g.samples,
        pixels: g.map,
    };
    let tasks = extent.tasks(kernels.rows);
    unsafe {
        filled(g.samples * g.map_elements(), |map| {
            let map = Shared::new(map);
            tasks.par_iter().with_max_len(1).for_each(|task| {
                let work = Forward {
                    g,
                    kernels,
                    channels,
                    task,
                };
                work.run(image, &weights, &epilogue, &map);
            });
        })
    }
}

struct Forward<'a, T: 'static> {
    g: &'a Geometry,
    kernels: &'static Kernels<T>,
    /// in a block of the depth
    channels: usize,
    task: &'a Task,
}

impl<T: Real> Forward<'_, T> {
    fn run(
        &self,
        image: &[T],
        weight: &PackedRows<T>,
        epilogue: &Epilogue<'_, T>,
        map: &Shared<'_, T>,
    ) {
        let (g, task) = (self.g, self.task);
        let (rows, columns) = window_axes(g, &task.lines);
        let planes = Planes::new(rows, columns, self.channels);
        // In the image itself there is no room for pieces to read too much.
        let in_image = planes
            .in_image(g.groups * g.c)
            .filter(|_| g.map.1 % self.kernels.lanes == 0);
        let planes = in_image.map_or(planes, |(planes, _)| planes);
        let columns = self.columns(&planes);
        let width = columns.width();
        // A pitch that is no power of two keeps the rows of a tile in different sets of the cache.
        let pitch = width + 16;
        let steps: Offsets = window_offsets(g, &planes, self.channels).collect();
        let gathered = if in_image.is_some() {
            0
        } else {
            task.samples.len() * planes.sample
        };
        let panel = columns.panel(steps.len());
        let sums = task.channels.len() * pitch;
        with_scratch(gathered + Columns::SLACK + panel + sums, |scratch| {
            let (gathered, scratch) = scratch.split_at_mut(gathered + Columns::SLACK);
            let (panel, sums) = scratch.split_at_mut(panel);
            for (block, channels) in pieces(g.c, self.channels).enumerate() {
                let first = (task.group * g.c + channels.start) * g.pixels();
                let source = if let Some((_, start)) = in_image {
                    &image[task.samples.start * g.image_elements() + first + start..]
                } else {
                    for (sample, out) in task
                        .samples
                        .clone()
                        .zip(gathered.chunks_exact_mut(planes.sample))
                    {
                        let start = sample * g.image_elements() + first;
                        planes.gather(&image[start..start + channels.len() * g.pixels()], out);
                    }
                    &*gathered
                };
                let shorter: Offsets;
                let steps = if channels.len() == self.channels {
                    &steps
                } else {
                    shorter = steps.iter().take(channels.len() * g.taps()).collect();
                    &shorter
                };
                let work = Sweep {
                    kernels: self.kernels,
                    source,
                    columns: &columns,
                    steps,
                };
                let mut sums = Destination {
                    data: &mut *sums,
                    pitch,
                    add: block > 0,
                };
                sweep(
                    &work,
                    || weight.block(task.group, block, task.channels.clone()),
                    panel,
                    &mut sums,
                );
            }
            self.write(sums, pitch, epilogue, map);
        });
    }

    /// The pixels of the map, in order.
    fn columns(&self, planes: &Planes) -> Columns {
        let mut runs = Vec::new();
        for sample in 0..self.task.samples.len() {
            for line in 0..self.task.lines.len() {
                runs.push(Run {
                    at: sample * planes.sample + line * planes.row,
                    length: self.g.map.1,
                });
            }
        }
        Columns::new(&runs, self.kernels.lanes)
    }

    #[expect(
        unsafe_code,
        reason = "each task has its own channels, samples and lines"
    )]
    fn write(&self, sums: &[T], pitch: usize, epilogue: &Epilogue<'_, T>, map: &Shared<'_, T>) {
        let (g, task) = (self.g, self.task);
        let count = task.lines.len() * g.map.1;
        for (channel, sums) in task.channels.clone().zip(sums.chunks_exact(pitch)) {
            let channel = task.group * g.o + channel;
            let finish = epilogue.of_channel(channel);
            for (sample, sums) in task.samples.clone().zip(sums.chunks_exact(count)) {
                let start = sample * g.map_elements()
                    + channel * g.positions()
                    + task.lines.start * g.map.1;
                let out = unsafe { map.range(start, count) };
                for (out, &sum) in out.iter_mut().zip(sums) {
                    out.write(finish(sum));
                }
            }
        }
    }
}
