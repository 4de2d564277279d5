//! Convolution: map = weight · windows of the image.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::cpu::{self, Epilogue};
use super::geometry::Geometry;
use super::{data_gradient, weight_gradient};
use crate::ops::dispatch::{by_type, elements, if_tracked};

/// The map of `image` and `weight`, of the shapes in `geometry`.
pub(super) fn apply(image: &Tensor, weight: &Tensor, geometry: Geometry) -> Result<Tensor> {
    image
        .contiguous()?
        .apply_op2(&weight.contiguous()?, Forward(geometry))
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

    fn bwd(
        &self,
        image: &Tensor,
        weight: &Tensor,
        _map: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((
            if_tracked(image, || data_gradient::apply(gradient, weight, self.0))?,
            if_tracked(weight, || weight_gradient::apply(image, gradient, self.0))?,
        ))
    }
}
