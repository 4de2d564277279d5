//! Convolution: map = weight · windows of the image.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape};

use super::cpu::{self, Epilogue};
use super::geometry::Geometry;
use super::{data_gradient, has_kernel, reference, weight_gradient};
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements};

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
            let map = cpu::forward::run::<T>(&self.0, elements(image, image_layout)?, elements(weight, weight_layout)?, Epilogue::NONE);
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
