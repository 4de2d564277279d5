//! The gradient of a convolution with respect to its image, which is transposed convolution.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape};

use super::cpu::{self, Epilogue};
use super::geometry::Geometry;
use super::{forward, has_kernel, reference, weight_gradient};
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements};

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
            let image = cpu::data_gradient::run::<T>(&self.0, elements(map, map_layout)?, elements(weight, weight_layout)?, Epilogue::NONE);
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
