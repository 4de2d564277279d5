//! The gradient of a convolution with respect to its image, which is transposed convolution: the
//! windows of the image are weightᵀ · map, and are added up where they overlap.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape};
use rayon::prelude::*;

use super::geometry::Geometry;
use super::{forward, has_kernel, reference, weight_gradient, windows};
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements};
use crate::ops::gemm::{View, Write, multiply};
use crate::ops::real::{Real, with_scratch};

/// The image of `map` and `weight`, of the shapes in `geometry`.
pub(super) fn apply(map: &Value, weight: &Value, geometry: Geometry) -> Result<Value> {
    let image = if has_kernel(map.tensor()) {
        let (map, weight) = (map.tensor().contiguous()?, weight.tensor().contiguous()?);
        map.apply_op2_no_bwd(&weight, &DataGradient(geometry))?
    } else {
        reference::data_gradient(map.tensor(), weight.tensor(), &geometry)?
    };
    let (kept_map, kept_weight) = (map.kept_for(weight), weight.kept_for(map));
    Ok(Value::record(image, &[map, weight], move |back| {
        let for_map = back.with_kept(0, kept_weight.as_ref(), |weight| {
            forward::apply(back.gradient(), weight, geometry)
        })?;
        let for_weight = back.with_kept(1, kept_map.as_ref(), |map| {
            weight_gradient::apply(back.gradient(), map, geometry)
        })?;
        Ok(vec![for_map, for_weight])
    }))
}

struct DataGradient(Geometry);

impl CustomOp2 for DataGradient {
    fn name(&self) -> &'static str {
        "conv2d-data-gradient"
    }

    fn cpu_fwd(
        &self,
        map: &CpuStorage,
        map_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), map, T => {
            let image = run::<T>(&self.0, elements(map, map_layout)?, elements(weight, weight_layout)?);
            Ok((candle_core::WithDType::to_cpu_storage_owned(image), self.0.image_shape().into()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        map: &candle_core::CudaStorage,
        map_layout: &Layout,
        weight: &candle_core::CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::data_gradient(&self.0, (map, map_layout), (weight, weight_layout))
    }
}

fn run<T: Real>(g: &Geometry, map: &[T], weight: &[T]) -> Vec<T> {
    let (window, positions) = (g.window(), g.positions());
    let per_task = g.samples_per_task();
    let mut image = vec![T::ZERO; g.samples * g.image_elements()];
    if image.is_empty() {
        return image;
    }
    image
        .par_chunks_mut(per_task * g.image_elements())
        .zip(map.par_chunks(per_task * g.map_elements()))
        .for_each(|(image, map)| {
            let count = map.len() / g.map_elements();
            let pitch = count * positions;
            with_scratch(window * pitch + g.o * pitch, |scratch| {
                let (columns, beside) = scratch.split_at_mut(window * pitch);
                for group in 0..g.groups {
                    let map = &map[group * g.o * positions..];
                    let map = if count == 1 {
                        map
                    } else {
                        windows::side_by_side(map, g.map_elements(), positions, beside, count);
                        &*beside
                    };
                    let weight = View::new(&weight[group * g.o * window..], g.o, window, window);
                    let map = View::new(map, g.o, pitch, pitch);
                    multiply(columns, pitch, Write::Replace, weight.t(), map);
                    for sample in 0..count {
                        let start = sample * g.image_elements() + group * g.c * g.pixels();
                        let channels = &mut image[start..start + g.c * g.pixels()];
                        windows::scatter_add(g, &columns[sample * positions..], pitch, channels);
                    }
                }
            });
        });
    image
}
