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

use super::bias::add_bias;
use super::dispatch;
use crate::autograd::Value;
use geometry::Geometry;

/// Cross-correlation of `x` (N, C, H, W) with `weight` (O, C / groups, kh, kw), plus `bias` (O).
///
/// Returns (N, O, OH, OW) with OH = ⌊(H + top + bottom − kh) / stride⌋ + 1, likewise OW. Fails if the
/// shapes do not fit.
pub fn conv2d(x: &Value, weight: &Value, bias: Option<&Value>, conv: &Conv) -> Result<Value> {
    let geometry = Geometry::of_conv(x.tensor().dims4()?, weight.tensor().dims4()?, conv)?;
    let y = if geometry.is_linear() {
        let product = x
            .flatten_rows()?
            .matmul(&weight.flatten_rows()?.transpose(0, 1)?)?;
        product.reshape(geometry.map_shape())?
    } else {
        forward::apply(x, weight, geometry)?
    };
    add_bias(y, bias)
}

/// Transposed convolution of `x` (N, C, H, W) with `weight` (C, O / groups, kh, kw), plus `bias` (O).
///
/// Returns (N, O, OH, OW) with OH = (H − 1) · stride − top − bottom + kh + `output_padding`, likewise
/// OW. `output_padding` must be smaller than the stride. Fails if the shapes do not fit.
pub fn conv_transpose2d(
    x: &Value,
    weight: &Value,
    bias: Option<&Value>,
    conv: &Conv,
    output_padding: (usize, usize),
) -> Result<Value> {
    let geometry = Geometry::of_conv_transpose(
        x.tensor().dims4()?,
        weight.tensor().dims4()?,
        conv,
        output_padding,
    )?;
    let y = if geometry.is_linear() {
        let product = x.flatten_rows()?.matmul(&weight.flatten_rows()?)?;
        product.reshape(geometry.image_shape())?
    } else {
        data_gradient::apply(x, weight, geometry)?
    };
    add_bias(y, bias)
}

/// Whether the three operations apply to `x`; where they do not, the reference does.
fn has_kernel(x: &Tensor) -> bool {
    let cuda_types = [DType::F32, DType::F64, DType::F16, DType::BF16];
    dispatch::has_kernel(x) || (x.device().is_cuda() && cuda_types.contains(&x.dtype()))
}
