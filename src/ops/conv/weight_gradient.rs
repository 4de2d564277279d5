//! The gradient of a convolution with respect to its weight: the sum over samples of
//! map · windowsᵀ.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape};

use super::geometry::Geometry;
use super::{cpu, data_gradient, forward, has_kernel, reference};
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements};

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
            let weight = cpu::weight_gradient::run::<T>(&self.0, elements(image, image_layout)?, elements(map, map_layout)?);
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
