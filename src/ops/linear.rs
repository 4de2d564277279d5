//! Matrix products and the fully connected layer.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::bias::add_bias;
use super::dispatch::{by_type, has_kernel};
use super::gemm::{Matrix, product};
use super::real::Real;
use crate::autograd::Value;

impl Value {
    /// The product of matrices (M, K) and (K, N).
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let (a, b) = (without_gaps(self.tensor())?, without_gaps(other.tensor())?);
        let product = if has_kernel(&a) {
            a.apply_op2_no_bwd(&b, &MatrixProduct)?
        } else {
            a.matmul(&b)?
        };
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

/// `matrix` with its rows or its columns one after the other in memory, as kernels and cuBLAS want it. (A
/// sum's gradient, one number repeated, is neither.)
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

struct MatrixProduct;

impl CustomOp2 for MatrixProduct {
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
        let ((m, k), (depth, n)) = (a_layout.shape().dims2()?, b_layout.shape().dims2()?);
        if k != depth {
            candle_core::bail!("matmul: ({m}, {k}) and ({depth}, {n}) do not fit");
        }
        by_type!(self.name(), a, T => {
            let product = product::<T>(matrix(a, a_layout)?, matrix(b, b_layout)?);
            Ok((T::to_cpu_storage_owned(product), (m, n).into()))
        })
    }
}

/// A matrix that [`without_gaps`] has let through.
fn matrix<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<Matrix<'a, T>> {
    let (rows, columns) = layout.shape().dims2()?;
    let start = layout.start_offset();
    let elements = &T::cpu_storage_as_slice(storage)?[start..start + rows * columns];
    Ok(if layout.is_contiguous() {
        Matrix::new(elements, rows, columns)
    } else {
        Matrix::new(elements, columns, rows).t()
    })
}
