//! The gradient of a convolution with respect to its image, which is transposed convolution.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::cpu::{self, Epilogue};
use super::geometry::Geometry;
use super::{forward, weight_gradient};
use crate::ops::dispatch::{by_type, elements, if_tracked};

/// The image of `map` and `weight`, of the shapes in `geometry`.
pub(super) fn apply(map: &Tensor, weight: &Tensor, geometry: Geometry) -> Result<Tensor> {
    map.contiguous()?
        .apply_op2(&weight.contiguous()?, DataGradient(geometry))
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

    fn bwd(
        &self,
        map: &Tensor,
        weight: &Tensor,
        _image: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((
            if_tracked(map, || forward::apply(gradient, weight, self.0))?,
            if_tracked(weight, || weight_gradient::apply(gradient, map, self.0))?,
        ))
    }
}
