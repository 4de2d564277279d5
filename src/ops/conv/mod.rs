//! Two-dimensional convolution and transposed convolution.
//!
//! Three operations, each one's derivative made of the others: [`forward`], [`data_gradient`] (which is
//! transposed convolution) and [`weight_gradient`]. Any order of differentiation works.

mod cpu;
mod data_gradient;
mod forward;
mod geometry;
pub(super) mod reference;
mod weight_gradient;

use candle_core::{Result, Tensor};

pub use geometry::{Conv, Padding};

use super::bias::add_bias;
use super::dispatch::has_kernel;
use geometry::Geometry;

/// Cross-correlation of `x` (N, C, H, W) with `weight` (O, C / groups, kh, kw), plus `bias` (O).
///
/// Returns (N, O, OH, OW) with OH = ⌊(H + top + bottom − kh) / stride⌋ + 1, likewise OW. Fails if the
/// shapes do not fit.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, conv: &Conv) -> Result<Tensor> {
    let geometry = Geometry::of_conv(x.dims4()?, weight.dims4()?, conv)?;
    let y = if geometry.is_linear() {
        let product = x.flatten_from(1)?.matmul(&weight.flatten_from(1)?.t()?)?;
        product.reshape(geometry.map_shape())?
    } else if has_kernel(x) {
        forward::apply(x, weight, geometry)?
    } else {
        reference::conv2d(x, weight, conv)?
    };
    add_bias(y, bias)
}

/// Transposed convolution of `x` (N, C, H, W) with `weight` (C, O / groups, kh, kw), plus `bias` (O).
///
/// Returns (N, O, OH, OW) with OH = (H − 1) · stride − top − bottom + kh + `output_padding`, likewise
/// OW. `output_padding` must be smaller than the stride. Fails if the shapes do not fit.
pub fn conv_transpose2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    conv: &Conv,
    output_padding: (usize, usize),
) -> Result<Tensor> {
    let geometry = Geometry::of_conv_transpose(x.dims4()?, weight.dims4()?, conv, output_padding)?;
    let y = if geometry.is_linear() {
        let product = x.flatten_from(1)?.matmul(&weight.flatten_from(1)?)?;
        product.reshape(geometry.image_shape())?
    } else if has_kernel(x) {
        data_gradient::apply(x, weight, geometry)?
    } else {
        reference::conv_transpose2d(x, weight, conv, output_padding)?
    };
    add_bias(y, bias)
}
