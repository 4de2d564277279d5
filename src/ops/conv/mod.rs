//! Two-dimensional convolution and transposed convolution.
//!
//! Three operations, each one's derivative made of the others: [`forward`], [`data_gradient`] (which is
//! transposed convolution) and [`weight_gradient`]. Any order of differentiation works.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod data_gradient;
mod forward;
mod geometry;
pub(super) mod reference;
mod weight_gradient;

use candle_core::{DType, Result, Tensor};

pub use geometry::{Conv, Padding};

use super::bias::Finish;
use super::dispatch;
use crate::autograd::Value;
use geometry::Geometry;

/// Cross-correlation of `x` (N, C, H, W) with `weight` (O, C / groups, kh, kw), plus a bias (O),
/// and an activation of that.
///
/// Returns (N, O, OH, OW) with OH = ⌊(H + top + bottom − kh) / stride⌋ + 1, likewise OW. Fails if the
/// shapes do not fit.
pub fn conv2d<'a>(
    x: &Value,
    weight: &Value,
    finish: impl Into<Finish<'a>>,
    conv: &Conv,
) -> Result<Value> {
    let finish = finish.into();
    let geometry = Geometry::of_conv(x.tensor().dims4()?, weight.tensor().dims4()?, conv)?;
    if geometry.is_linear() {
        let product = x
            .flatten_rows()?
            .matmul(&weight.flatten_rows()?.transpose(0, 1)?)?;
        return finish.apply(&product.reshape(geometry.map_shape())?);
    }
    forward::apply(x, weight, geometry, finish)
}

/// Transposed convolution of `x` (N, C, H, W) with `weight` (C, O / groups, kh, kw), plus a bias (O),
/// and an activation of that.
///
/// Returns (N, O, OH, OW) with OH = (H − 1) · stride − top − bottom + kh + `output_padding`, likewise
/// OW. `output_padding` must be smaller than the stride. Fails if the shapes do not fit.
pub fn conv_transpose2d<'a>(
    x: &Value,
    weight: &Value,
    finish: impl Into<Finish<'a>>,
    conv: &Conv,
    output_padding: (usize, usize),
) -> Result<Value> {
    let geometry = Geometry::of_conv_transpose(
        x.tensor().dims4()?,
        weight.tensor().dims4()?,
        conv,
        output_padding,
    )?;
    let finish = finish.into();
    if geometry.is_linear() {
        let product = x.flatten_rows()?.matmul(&weight.flatten_rows()?)?;
        return finish.apply(&product.reshape(geometry.image_shape())?);
    }
    data_gradient::apply(x, weight, geometry, finish)
}

/// Whether the three operations apply to `x`; where they do not, the reference does.
fn has_kernel(x: &Tensor) -> bool {
    let cuda_types = [DType::F32, DType::F64, DType::F16, DType::BF16];
    dispatch::has_kernel(x) || (x.device().is_cuda() && cuda_types.contains(&x.dtype()))
}
