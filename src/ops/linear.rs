//! Matrix products and the fully connected layer.

use candle_core::{Result, Tensor};

use super::bias::add_bias;
use crate::autograd::Value;

impl Value {
    /// The product of matrices (M, K) and (K, N).
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let product = without_gaps(self.tensor())?.matmul(&without_gaps(other.tensor())?)?;
        let (a, b) = (self.kept_for(other), other.kept_for(self));
        Ok(Self::record(product, &[self, other], move |back| {
            let for_a = back.with_kept(0, b.as_ref(), |b| {
                back.gradient().matmul(&b.transpose(0, 1)?)
            })?;
            let for_b = back.with_kept(1, a.as_ref(), |a| {
                a.transpose(0, 1)?.matmul(back.gradient())
            })?;
            Ok(vec![for_a, for_b])
        }))
    }
}

/// `matrix` with its rows or its columns one after the other in memory, which cuBLAS asks for. (A sum's
/// gradient, one number repeated, is neither.)
fn without_gaps(matrix: &Tensor) -> Result<Tensor> {
    if matrix.layout().is_fortran_contiguous() {
        return Ok(matrix.clone());
    }
    matrix.contiguous()
}

/// `x` (N, I) · `weight`ᵀ (O, I) + `bias` (O), giving (N, O).
pub fn linear(x: &Value, weight: &Value, bias: Option<&Value>) -> Result<Value> {
    add_bias(x.matmul(&weight.transpose(0, 1)?)?, bias)
}
