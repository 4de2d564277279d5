//! The gradient of a convolution with respect to its weight: the sum over samples of
//! map · windowsᵀ.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape};
use rayon::prelude::*;

use super::geometry::Geometry;
use super::{data_gradient, forward, has_kernel, reference, windows};
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements};
use crate::ops::gemm::{View, Write, multiply};
use crate::ops::real::{Real, with_scratch};
use crate::ops::transpose::{TILE, add_transpose};

/// The weight gradient of `image` and the gradient `map` of its map, of the shapes in `geometry`.
pub(super) fn apply(image: &Value, map: &Value, geometry: Geometry) -> Result<Value> {
    let weight = if has_kernel(image.tensor()) {
        let (image, map) = (image.tensor().contiguous()?, map.tensor().contiguous()?);
        image.apply_op2_no_bwd(&map, &WeightGradient(geometry))?
    } else {
        reference::weight_gradient(image.tensor(), map.tensor(), &geometry)?
    };
    let (kept_image, kept_map) = (image.kept_for(map), map.kept_for(image));
    Ok(Value::record(weight, &[image, map], move |back| {
        let for_image = back.with_kept(0, kept_map.as_ref(), |map| {
            data_gradient::apply(map, back.gradient(), geometry)
        })?;
        let for_map = back.with_kept(1, kept_image.as_ref(), |image| {
            forward::apply(image, back.gradient(), geometry)
        })?;
        Ok(vec![for_image, for_map])
    }))
}

struct WeightGradient(Geometry);

impl CustomOp2 for WeightGradient {
    fn name(&self) -> &'static str {
        "conv2d-weight-gradient"
    }

    fn cpu_fwd(
        &self,
        image: &CpuStorage,
        image_layout: &Layout,
        map: &CpuStorage,
        map_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), image, T => {
            let weight = run::<T>(&self.0, elements(image, image_layout)?, elements(map, map_layout)?);
            Ok((candle_core::WithDType::to_cpu_storage_owned(weight), self.0.weight_shape().into()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        image: &candle_core::CudaStorage,
        image_layout: &Layout,
        map: &candle_core::CudaStorage,
        map_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::weight_gradient(&self.0, (image, image_layout), (map, map_layout))
    }
}

/// One task's part of the gradient: a block of input channels of one group, over a span of samples.
struct Part {
    group: usize,
    /// channels within the group
    channels: Range<usize>,
    samples: Range<usize>,
}

/// Divides the gradient into parts by its shape alone, those of one block of channels one after the
/// other. Blocks of channels come first, because their results are disjoint; a layer of few channels is
/// also divided by samples, to be added up.
fn parts(g: &Geometry) -> Vec<Part> {
    const TASKS: usize = 8;
    const ROWS: usize = 256;
    let taps = g.kernel.0 * g.kernel.1;
    let blocks = (g.c * taps).div_ceil(ROWS).min(g.c);
    let channels = g.c.div_ceil(blocks);
    let samples = g.samples.div_ceil(TASKS.div_ceil(g.groups * blocks));
    let mut parts = Vec::new();
    for group in 0..g.groups {
        for channel in (0..g.c).step_by(channels) {
            for sample in (0..g.samples).step_by(samples) {
                parts.push(Part {
                    group,
                    channels: channel..(channel + channels).min(g.c),
                    samples: sample..(sample + samples).min(g.samples),
                });
            }
        }
    }
    parts
}

fn run<T: Real>(g: &Geometry, image: &[T], map: &[T]) -> Vec<T> {
    let mut weight = vec![T::ZERO; g.groups * g.o * g.window()];
    if g.samples == 0 || weight.is_empty() {
        return weight;
    }
    let map = channels_last(g, map);
    let parts = parts(g);
    let sums: Vec<Vec<T>> = parts
        .par_iter()
        .map(|part| sum(g, part, image, &map))
        .collect();
    // Each part is (channels · taps, o): transposed into its place, a tile of outputs at a time.
    let blocks = weight.par_chunks_mut(g.o * g.window()).enumerate();
    blocks.for_each(|(group, weight)| {
        let blocks = weight.par_chunks_mut(TILE * g.window()).enumerate();
        blocks.for_each(|(block, rows)| {
            for (part, sum) in parts
                .iter()
                .zip(&sums)
                .filter(|(part, _)| part.group == group)
            {
                let taps = g.kernel.0 * g.kernel.1;
                let shape = (part.channels.len() * taps, rows.len() / g.window());
                let rows = &mut rows[part.channels.start * taps..];
                add_transpose(&sum[block * TILE..], g.o, shape, rows, g.window());
            }
        });
    });
    weight
}

/// The map as (group, sample, position, o), so that the product runs along contiguous rows; along the
/// columns of the map itself `gemm` is up to four times slower.
fn channels_last<T: Real>(g: &Geometry, map: &[T]) -> Vec<T> {
    let positions = g.positions();
    let mut out = vec![T::ZERO; map.len()];
    out.par_chunks_mut(positions * g.o)
        .enumerate()
        .for_each(|(index, out)| {
            let (group, sample) = (index / g.samples, index % g.samples);
            let map = &map[(sample * g.groups + group) * g.o * positions..];
            add_transpose(map, positions, (g.o, positions), out, g.o);
        });
    out
}

/// The gradient of one part, transposed: (channels · taps, o).
fn sum<T: Real>(g: &Geometry, part: &Part, image: &[T], map: &[T]) -> Vec<T> {
    let positions = g.positions();
    let per_product = 256usize.div_ceil(positions);
    let width = part.channels.len() * g.kernel.0 * g.kernel.1;
    let mut total = vec![T::ZERO; width * g.o];
    with_scratch(width * per_product * positions, |columns| {
        for first in part.samples.clone().step_by(per_product) {
            let count = per_product.min(part.samples.end - first);
            let depth = count * positions;
            for sample in 0..count {
                let start = (first + sample) * g.image_elements()
                    + (part.group * g.c + part.channels.start) * g.pixels();
                let channels = &image[start..start + part.channels.len() * g.pixels()];
                windows::gather(g, channels, &mut columns[sample * positions..], depth);
            }
            let map = &map[(part.group * g.samples + first) * positions * g.o..];
            let columns = View::new(columns, width, depth, depth);
            let map = View::new(map, depth, g.o, g.o);
            multiply(&mut total, g.o, Write::Add, columns, map);
        }
    });
    total
}
