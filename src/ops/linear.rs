//! The fully connected layer.

use candle_core::{Result, Tensor};

use super::bias::add_bias;

/// `x` (N, I) · `weight`ᵀ (O, I) + `bias` (O), giving (N, O).
///
/// candle's matrix product is the `gemm` crate's, right to any order; it needs no kernel of ours.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    add_bias(x.matmul(&weight.t()?)?, bias)
}
