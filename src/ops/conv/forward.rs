//! Convolution: map = weight · windows of the image.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::cpu::{self, Epilogue};
use super::geometry::Geometry;
use super::{data_gradient, has_kernel, reference, weight_gradient};
use crate::autograd::Value;
use crate::ops::bias::{Finish, channel_sum};
use crate::ops::dispatch::{by_type, elements, with_elements};

/// The map of `image` and `weight`, of the shapes in `geometry`, finished.
pub(super) fn apply(
    image: &Value,
    weight: &Value,
    geometry: Geometry,
    finish: Finish<'_>,
) -> Result<Value> {
    finish.check(geometry.map_shape().1)?;
    // What the kernel can do on the way, and what is left for afterwards.
    let (finish, rest, factor_below_zero) = match finish.on_the_way(image.tensor()) {
        Some(factor) => (finish, Finish::NONE, factor),
        None => (Finish::NONE, finish, 1.0),
    };
    let map = if has_kernel(image.tensor()) {
        let bias = finish.bias.map(|bias| bias.tensor().contiguous());
        let op = Forward {
            geometry,
            bias: bias.transpose()?,
            factor_below_zero,
        };
        let (image, weight) = (image.tensor().contiguous()?, weight.tensor().contiguous()?);
        image.apply_op2_no_bwd(&weight, &op)?
    } else {
        reference::forward(image.tensor(), weight.tensor(), &geometry)?
    };
    rest.apply(&record(map, image, weight, geometry, finish))
}

fn record(
    map: Tensor,
    image: &Value,
    weight: &Value,
    geometry: Geometry,
    Finish { bias, activation }: Finish<'_>,
) -> Value {
    let (kept_image, kept_weight) = (image.kept_for(weight), weight.kept_for(image));
    let arguments: Vec<&Value> = [image, weight].into_iter().chain(bias).collect();
    let has_bias = bias.is_some();
    activation.record(map, &arguments, move |back, gradient| {
        let for_image = back.with_kept(0, kept_weight.as_ref(), |weight| {
            data_gradient::apply(gradient, weight, geometry, Finish::NONE)
        })?;
        let for_weight = back.with_kept(1, kept_image.as_ref(), |image| {
            weight_gradient::apply(image, gradient, geometry)
        })?;
        let mut gradients = vec![for_image, for_weight];
        if has_bias {
            gradients.push(back.when_wanted(2, || channel_sum(gradient))?);
        }
        Ok(gradients)
    })
}

struct Forward {
    geometry: Geometry,
    bias: Option<Tensor>,
    factor_below_zero: f64,
}

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
            let (image, weight) = (elements(image, image_layout)?, elements(weight, weight_layout)?);
            let run = |bias: Option<&[T]>| {
                let slope = T::from_f64(self.factor_below_zero);
                cpu::forward::run::<T>(&self.geometry, image, weight, Epilogue { bias, slope })
            };
            let map = match &self.bias {
                Some(bias) => with_elements([bias], |[bias]| run(Some(bias)))?,
                None => run(None),
            };
            Ok((T::to_cpu_storage_owned(map), self.geometry.map_shape().into()))
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
        super::cuda::forward(
            &self.geometry,
            (image, image_layout),
            (weight, weight_layout),
        )
    }
}
