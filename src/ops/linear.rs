//! Matrix products and the fully connected layer.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::bias::add_bias;
use super::dispatch::{by_type, elements, has_kernel};
use super::gemm::{self, Matrix};
use super::real::Real;
use crate::autograd::Value;

impl Value {
    /// The product of matrices (M, K) and (K, N).
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let product = product(self.tensor(), other.tensor())?;
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

/// `x` (N, I) · `weight`ᵀ (O, I) + `bias` (O), giving (N, O).
pub fn linear(x: &Value, weight: &Value, bias: Option<&Value>) -> Result<Value> {
    add_bias(x.matmul(&weight.transpose(0, 1)?)?, bias)
}

fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let ((_, depth), (rows, _)) = (a.dims2()?, b.dims2()?);
    if !has_kernel(a) || depth != rows {
        return a.matmul(b);
    }
    dense(a)?.apply_op2_no_bwd(&dense(b)?, &Product)
}

/// A matrix whose elements, or whose transpose's, are row-major.
fn dense(x: &Tensor) -> Result<Tensor> {
    if x.t()?.is_contiguous() {
        return Ok(x.clone());
    }
    x.contiguous()
}

struct Product;

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), a, T => {
            let product = gemm::product::<T>(matrix(a, a_layout)?, matrix(b, b_layout)?);
            let shape = (a_layout.dims()[0], b_layout.dims()[1]);
            Ok((candle_core::WithDType::to_cpu_storage_owned(product), shape.into()))
        })
    }
}

/// A matrix that is row-major, or the transpose of one that is.
fn matrix<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<Matrix<'a, T>> {
    let (rows, columns) = layout.shape().dims2()?;
    if layout.is_contiguous() {
        return Ok(Matrix::new(elements(storage, layout)?, rows, columns));
    }
    let layout = layout.transpose(0, 1)?;
    Ok(Matrix::new(elements(storage, &layout)?, columns, rows).t())
}
