//! Matrix products and the fully connected layer.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::bias::Finish;
use super::dispatch::{by_type, elements, has_kernel};
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

impl Value {
    /// The products of B pairs of matrices: (B, M, K) and (B, K, N) give (B, M, N).
    pub fn batch_matmul(&self, other: &Self) -> Result<Self> {
        let (a, b) = (self.tensor().contiguous()?, other.tensor().contiguous()?);
        let products = if has_kernel(&a) {
            a.apply_op2_no_bwd(&b, &BatchProduct)?
        } else {
            a.matmul(&b)?
        };
        let (a, b) = (self.kept_for(other), other.kept_for(self));
        Ok(Self::record(products, &[self, other], move |back| {
            let for_a = back.with_kept(0, b.as_ref(), |b| {
                back.gradient().batch_matmul(&b.transpose(1, 2)?)
            })?;
            let for_b = back.with_kept(1, a.as_ref(), |a| {
                a.transpose(1, 2)?.batch_matmul(back.gradient())
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

/// `x` (N, I) · `weight`ᵀ (O, I) + bias (O), giving (N, O), and an activation of that.
pub fn linear<'a>(x: &Value, weight: &Value, finish: impl Into<Finish<'a>>) -> Result<Value> {
    let product = x.matmul(&weight.transpose(0, 1)?)?;
    finish.into().apply(&product)
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

struct BatchProduct;

impl CustomOp2 for BatchProduct {
    fn name(&self) -> &'static str {
        "batch-matmul"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, m, k) = a_layout.shape().dims3()?;
        let (others, depth, n) = b_layout.shape().dims3()?;
        if batch != others || k != depth || k == 0 {
            candle_core::bail!(
                "batch-matmul: ({batch}, {m}, {k}) and ({others}, {depth}, {n}) do not fit"
            );
        }
        by_type!(self.name(), a, T => {
            let (a, b): (&[T], &[T]) = (elements(a, a_layout)?, elements(b, b_layout)?);
            let mut products = Vec::with_capacity(batch * m * n);
            for (a, b) in a.chunks_exact(m * k).zip(b.chunks_exact(k * n)) {
                products.extend(product::<T>(Matrix::new(a, m, k), Matrix::new(b, k, n)));
            }
            Ok((T::to_cpu_storage_owned(products), (batch, m, n).into()))
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
