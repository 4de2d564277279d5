//! Softmax and its logarithm over the last dimension.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use crate::autograd::Value;

/// e^x / Σ e^x over the last dimension.
pub fn softmax(x: &Value) -> Result<Value> {
    let y = Softmax::Plain.values(x.tensor())?;
    Ok(Value::record_with_output(y, &[x], |back| {
        let y = back.output()?;
        let weighted = y.mul(back.gradient())?;
        let sum = weighted.sum_last()?.broadcast_as(y.shape().clone())?;
        Ok(vec![Some(weighted.sub(&y.mul(&sum)?)?)])
    }))
}

/// x − ln Σ e^x over the last dimension, exact where softmax would vanish.
pub fn log_softmax(x: &Value) -> Result<Value> {
    let y = Softmax::Log.values(x.tensor())?;
    let kept = x.kept();
    Ok(Value::record(y, &[x], move |back| {
        let x = back.kept(&kept);
        let sum = back
            .gradient()
            .sum_last()?
            .broadcast_as(x.shape().clone())?;
        Ok(vec![Some(back.gradient().sub(&softmax(&x)?.mul(&sum)?)?)])
    }))
}

#[derive(Clone, Copy)]
enum Softmax {
    Plain,
    Log,
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = layout.shape().dims().last().copied().unwrap_or(1);
        by_type!(self.name(), x, T => {
            let mut y = elements::<T>(x, layout)?.to_vec();
            if !y.is_empty() {
                y.par_chunks_mut(width).with_min_len(64).for_each(|row| self.row(row));
            }
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }
}

impl Softmax {
    fn values(self, x: &Tensor) -> Result<Tensor> {
        if has_kernel(x) {
            return x.contiguous()?.apply_op1_no_bwd(&self);
        }
        let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?;
        let sum = shifted.exp()?.sum_keepdim(D::Minus1)?;
        match self {
            Self::Plain => shifted.exp()?.broadcast_div(&sum),
            Self::Log => shifted.broadcast_sub(&sum.log()?),
        }
    }

    fn row<T: Real>(self, row: &mut [T]) {
        let largest = row.iter().fold(row[0], |a, &b| if b > a { b } else { a });
        for x in &mut *row {
            *x -= largest;
        }
        let sum: f64 = row.iter().map(|x| x.exp().to_f64()).sum();
        match self {
            Self::Plain => {
                let scale = T::from_f64(1.0 / sum);
                for x in row {
                    *x = x.exp() * scale;
                }
            }
            Self::Log => {
                let log = T::from_f64(libm::log(sum));
                for x in row {
                    *x -= log;
                }
            }
        }
    }
}
