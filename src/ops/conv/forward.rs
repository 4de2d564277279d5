//! Convolution: map = weight · windows of the image.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape};
use rayon::prelude::*;

use super::geometry::Geometry;
use super::{data_gradient, has_kernel, reference, weight_gradient, windows};
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements};
use crate::ops::gemm::{View, Write, multiply};
use crate::ops::real::{Real, with_scratch};

/// The map of `image` and `weight`, of the shapes in `geometry`.
pub(super) fn apply(image: &Value, weight: &Value, geometry: Geometry) -> Result<Value> {
    let map = if has_kernel(image.tensor()) {
        let (image, weight) = (image.tensor().contiguous()?, weight.tensor().contiguous()?);
        image.apply_op2_no_bwd(&weight, &Forward(geometry))?
    } else {
        reference::forward(image.tensor(), weight.tensor(), &geometry)?
    };
    let (kept_image, kept_weight) = (image.kept_for(weight), weight.kept_for(image));
    Ok(Value::record(map, &[image, weight], move |back| {
        let for_image = back.with_kept(0, kept_weight.as_ref(), |weight| {
            data_gradient::apply(back.gradient(), weight, geometry)
        })?;
        let for_weight = back.with_kept(1, kept_image.as_ref(), |image| {
            weight_gradient::apply(image, back.gradient(), geometry)
        })?;
        Ok(vec![for_image, for_weight])
    }))
}

struct Forward(Geometry);

impl CustomOp2 for Forward {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        image: &CpuStorage,
        image_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), image, T => {
            let map = run::<T>(&self.0, elements(image, image_layout)?, elements(weight, weight_layout)?);
            Ok((candle_core::WithDType::to_cpu_storage_owned(map), self.0.map_shape().into()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        image: &candle_core::CudaStorage,
        image_layout: &Layout,
        weight: &candle_core::CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::forward(&self.0, (image, image_layout), (weight, weight_layout))
    }
}

fn run<T: Real>(g: &Geometry, image: &[T], weight: &[T]) -> Vec<T> {
    let (window, positions) = (g.window(), g.positions());
    let per_task = g.samples_per_task();
    let mut map = vec![T::ZERO; g.samples * g.map_elements()];
    if map.is_empty() {
        return map;
    }
    map.par_chunks_mut(per_task * g.map_elements())
        .zip(image.par_chunks(per_task * g.image_elements()))
        .for_each(|(map, image)| {
            let count = map.len() / g.map_elements();
            let pitch = count * positions;
            with_scratch(window * pitch + g.o * pitch, |scratch| {
                let (columns, product) = scratch.split_at_mut(window * pitch);
                for group in 0..g.groups {
                    for sample in 0..count {
                        let start = sample * g.image_elements() + group * g.c * g.pixels();
                        let channels = &image[start..start + g.c * g.pixels()];
                        windows::gather(g, channels, &mut columns[sample * positions..], pitch);
                    }
                    let weight = View::new(&weight[group * g.o * window..], g.o, window, window);
                    let columns = View::new(columns, window, pitch, pitch);
                    let map = &mut map[group * g.o * positions..];
                    if count == 1 {
                        multiply(map, positions, Write::Replace, weight, columns);
                    } else {
                        multiply(product, pitch, Write::Replace, weight, columns);
                        windows::apart(product, g.map_elements(), positions, map, count);
                    }
                }
            });
        });
    map
}
