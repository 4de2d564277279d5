//! The gradient of a convolution with respect to its image, which is transposed convolution.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::cpu::{self, Epilogue};
use super::geometry::Geometry;
use super::{forward, has_kernel, reference, weight_gradient};
use crate::autograd::Value;
use crate::ops::bias::{Finish, channel_sum};
use crate::ops::dispatch::{by_type, elements, with_elements};

/// The image of `map` and `weight`, of the shapes in `geometry`, finished.
pub(super) fn apply(
    map: &Value,
    weight: &Value,
    geometry: Geometry,
    finish: Finish<'_>,
) -> Result<Value> {
    finish.check(geometry.image_shape().1)?;
    // What the kernel can do on the way, and what is left for afterwards.
    let (finish, rest, factor_below_zero) = match finish.on_the_way(map.tensor()) {
        Some(factor) => (finish, Finish::NONE, factor),
        None => (Finish::NONE, finish, 1.0),
    };
    let image = if has_kernel(map.tensor()) {
        let bias = finish.bias.map(|bias| bias.tensor().contiguous());
        let op = DataGradient {
            geometry,
            bias: bias.transpose()?,
            factor_below_zero,
        };
        let (map, weight) = (map.tensor().contiguous()?, weight.tensor().contiguous()?);
        map.apply_op2_no_bwd(&weight, &op)?
    } else {
        reference::data_gradient(map.tensor(), weight.tensor(), &geometry)?
    };
    rest.apply(&record(image, map, weight, geometry, finish))
}

fn record(
    image: Tensor,
    map: &Value,
    weight: &Value,
    geometry: Geometry,
    Finish { bias, activation }: Finish<'_>,
) -> Value {
    let (kept_map, kept_weight) = (map.kept_for(weight), weight.kept_for(map));
    let arguments: Vec<&Value> = [map, weight].into_iter().chain(bias).collect();
    let has_bias = bias.is_some();
    activation.record(image, &arguments, move |back, gradient| {
        let for_map = back.with_kept(0, kept_weight.as_ref(), |weight| {
            forward::apply(gradient, weight, geometry, Finish::NONE)
        })?;
        let for_weight = back.with_kept(1, kept_map.as_ref(), |map| {
            weight_gradient::apply(gradient, map, geometry)
        })?;
        let mut gradients = vec![for_map, for_weight];
        if has_bias {
            gradients.push(back.when_wanted(2, || channel_sum(gradient))?);
        }
        Ok(gradients)
    })
}

struct DataGradient {
    geometry: Geometry,
    bias: Option<Tensor>,
    factor_below_zero: f64,
}

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
            let (map, weight) = (elements(map, map_layout)?, elements(weight, weight_layout)?);
            let run = |bias: Option<&[T]>| {
                let slope = T::from_f64(self.factor_below_zero);
                cpu::data_gradient::run::<T>(&self.geometry, map, weight, Epilogue { bias, slope })
            };
            let image = match &self.bias {
                Some(bias) => with_elements([bias], |[bias]| run(Some(bias)))?,
                None => run(None),
            };
            Ok((T::to_cpu_storage_owned(image), self.geometry.image_shape().into()))
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
        super::cuda::data_gradient(&self.geometry, (map, map_layout), (weight, weight_layout))
    }
}
