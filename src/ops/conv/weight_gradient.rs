//! The gradient of a convolution with respect to its weight: the sum over samples of
//! map · windowsᵀ.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::geometry::Geometry;
use super::{cpu, data_gradient, forward};
use crate::ops::dispatch::{by_type, elements, if_tracked};

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
            let weight = cpu::weight_gradient::run::<T>(&self.0, elements(image, image_layout)?, elements(map, map_layout)?);
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
