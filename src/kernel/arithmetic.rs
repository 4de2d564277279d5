//! Arithmetic on tensors of one shape.
//!
//! Contiguous `f32` and `f64` on the CPU run in parallel; everything else is candle's.

use candle_core::{DType, Result, Tensor, WithDType};

use super::elements::elements;
use super::pointwise::{map, zip};

/// a + b.
pub(crate) fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    binary(a, b, |a, b| a + b, |a, b| a + b, Tensor::add)
}

/// a − b.
pub(crate) fn sub(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    binary(a, b, |a, b| a - b, |a, b| a - b, Tensor::sub)
}

/// a · b.
pub(crate) fn mul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    binary(a, b, |a, b| a * b, |a, b| a * b, Tensor::mul)
}

/// a / b.
pub(crate) fn div(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    binary(a, b, |a, b| a / b, |a, b| a / b, Tensor::div)
}

/// x divided by the scalar `divisor`.
pub(crate) fn div_by(x: &Tensor, divisor: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return x.broadcast_div(divisor);
    }
    let number = divisor.to_dtype(DType::F64)?.to_scalar::<f64>()?;
    let number_single = number as f32;
    let otherwise = |x: &Tensor| x.broadcast_div(divisor);
    unary(
        x,
        move |x| x / number_single,
        move |x| x / number,
        otherwise,
    )
}

/// `scale` · x + `offset`.
pub(crate) fn affine(x: &Tensor, scale: f64, offset: f64) -> Result<Tensor> {
    let (scale_single, offset_single) = (scale as f32, offset as f32);
    unary(
        x,
        move |x| x * scale_single + offset_single,
        move |x| x * scale + offset,
        |x| x.affine(scale, offset),
    )
}

/// √x.
pub(crate) fn sqrt(x: &Tensor) -> Result<Tensor> {
    unary(x, f32::sqrt, f64::sqrt, Tensor::sqrt)
}

fn unary(
    x: &Tensor,
    single: impl Fn(f32) -> f32 + Copy + Send + Sync,
    double: impl Fn(f64) -> f64 + Copy + Send + Sync,
    otherwise: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    fn run<T: WithDType>(
        x: &Tensor,
        f: impl Fn(T) -> T + Copy + Send + Sync,
    ) -> Option<Result<Tensor>> {
        let (storage, layout) = x.storage_and_layout();
        let result = map(elements(&storage, layout)?, f);
        Some(Tensor::from_vec(result, x.shape(), x.device()))
    }
    run(x, single)
        .or_else(|| run(x, double))
        .unwrap_or_else(|| otherwise(x))
}

fn binary(
    a: &Tensor,
    b: &Tensor,
    single: impl Fn(f32, f32) -> f32 + Copy + Send + Sync,
    double: impl Fn(f64, f64) -> f64 + Copy + Send + Sync,
    otherwise: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    fn run<T: WithDType>(
        a: &Tensor,
        b: &Tensor,
        f: impl Fn(T, T) -> T + Copy + Send + Sync,
    ) -> Option<Result<Tensor>> {
        let (a_storage, a_layout) = a.storage_and_layout();
        let (b_storage, b_layout) = b.storage_and_layout();
        let (x, y) = (
            elements(&a_storage, a_layout)?,
            elements(&b_storage, b_layout)?,
        );
        (a.dims() == b.dims()).then(|| Tensor::from_vec(zip(x, y, f), a.shape(), a.device()))
    }
    run(a, b, single)
        .or_else(|| run(a, b, double))
        .unwrap_or_else(|| otherwise(a, b))
}
