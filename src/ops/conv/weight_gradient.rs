//! The gradient of a convolution with respect to its weight: the sum over samples of
//! map · windowsᵀ.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::geometry::Geometry;
use super::{data_gradient, forward, windows};
use crate::ops::dispatch::{by_type, elements, if_tracked};
use crate::ops::gemm::{View, Write, multiply};
use crate::ops::real::{Real, with_scratch};

/// The weight gradient of `image` and the gradient `map` of its map, of the shapes in `geometry`.
pub(super) fn apply(image: &Tensor, map: &Tensor, geometry: Geometry) -> Result<Tensor> {
    image
        .contiguous()?
        .apply_op2(&map.contiguous()?, WeightGradient(geometry))
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

    fn bwd(
        &self,
        image: &Tensor,
        map: &Tensor,
        _weight: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((
            if_tracked(image, || data_gradient::apply(map, gradient, self.0))?,
            if_tracked(map, || forward::apply(image, gradient, self.0))?,
        ))
    }
}

/// One task's part of the gradient: a block of input channels of one group, over a span of samples.
struct Part {
    group: usize,
    /// channels within the group
    channels: std::ops::Range<usize>,
    samples: std::ops::Range<usize>,
}

/// Divides the gradient into parts by its shape alone. Blocks of channels come first, because their
/// results are disjoint; a layer with too few channels is also divided by samples, to be added up.
fn parts(g: &Geometry) -> Vec<Part> {
    const TASKS: usize = 8;
    let taps = g.kernel.0 * g.kernel.1;
    let channels = 256usize.div_ceil(taps).min(g.c);
    let blocks = g.groups * g.c.div_ceil(channels);
    let samples = g.samples.div_ceil(TASKS.div_ceil(blocks));
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
    let taps = g.kernel.0 * g.kernel.1;
    let mut weight = vec![T::ZERO; g.groups * g.o * g.window()];
    if g.samples == 0 || weight.is_empty() {
        return weight;
    }
    let parts = parts(g);
    let sums: Vec<Vec<T>> = parts
        .par_iter()
        .map(|part| sum(g, part, image, map))
        .collect();
    for (part, sum) in parts.iter().zip(&sums) {
        let width = part.channels.len() * taps;
        for (o, row) in sum.chunks_exact(width).enumerate() {
            let start = (part.group * g.o + o) * g.window() + part.channels.start * taps;
            for (total, &value) in weight[start..start + width].iter_mut().zip(row) {
                *total += value;
            }
        }
    }
    weight
}

/// The gradient of one part: (o, channels · taps).
fn sum<T: Real>(g: &Geometry, part: &Part, image: &[T], map: &[T]) -> Vec<T> {
    let positions = g.positions();
    let per_product = 256usize.div_ceil(positions);
    let width = part.channels.len() * g.kernel.0 * g.kernel.1;
    let mut total = vec![T::ZERO; g.o * width];
    with_scratch((width + g.o) * per_product * positions, |scratch| {
        for first in part.samples.clone().step_by(per_product) {
            let count = per_product.min(part.samples.end - first);
            let pitch = count * positions;
            let (columns, beside) = scratch.split_at_mut(width * pitch);
            for sample in 0..count {
                let start = (first + sample) * g.image_elements()
                    + (part.group * g.c + part.channels.start) * g.pixels();
                let channels = &image[start..start + part.channels.len() * g.pixels()];
                windows::gather(g, channels, &mut columns[sample * positions..], pitch);
            }
            let map = &map[first * g.map_elements() + part.group * g.o * positions..];
            let map = if count == 1 {
                map
            } else {
                let beside = &mut beside[..g.o * pitch];
                windows::side_by_side(map, g.map_elements(), positions, beside, count);
                beside
            };
            let map = View::new(map, g.o, pitch, pitch);
            let columns = View::new(columns, width, pitch, pitch);
            multiply(&mut total, width, Write::Add, map, columns.t());
        }
    });
    total
}
