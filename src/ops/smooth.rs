//! Smooth activations, and the functions that they are made of.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType};

use super::activation::sigmoid;
use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use crate::autograd::Value;
use crate::kernel::pointwise::map;

/// x where x > 0, else `alpha` · (e^x − 1) (Clevert et al. 2016).
pub fn elu(x: &Value, alpha: f64) -> Result<Value> {
    let above = x.tensor().gt(&x.tensor().zeros_like()?)?;
    let above = Value::constant(above.to_dtype(x.dtype())?);
    let below = above.affine(-1.0, 1.0)?;
    let curve = exp(&x.mul(&below)?)?.affine(alpha, -alpha)?;
    x.mul(&above)?.add(&curve)
}

/// x · Φ(x), with Φ the distribution function of N(0, 1) (Hendrycks & Gimpel 2016).
pub fn gelu(x: &Value) -> Result<Value> {
    x.mul(&normal_distribution(x)?)
}

/// x / (1 + e^−x), also known as swish (Ramachandran et al. 2017).
pub fn silu(x: &Value) -> Result<Value> {
    x.mul(&sigmoid(x)?)
}

/// ln(1 + e^x).
pub fn softplus(x: &Value) -> Result<Value> {
    let kept = x.kept();
    Ok(Value::record(
        Function::Softplus.values(x.tensor())?,
        &[x],
        move |back| {
            let slope = sigmoid(&back.kept(&kept))?;
            Ok(vec![Some(back.gradient().mul(&slope)?)])
        },
    ))
}

/// e^x.
fn exp(x: &Value) -> Result<Value> {
    let y = Function::Exp.values(x.tensor())?;
    Ok(Value::record_with_output(y, &[x], |back| {
        Ok(vec![Some(back.gradient().mul(back.output()?)?)])
    }))
}

/// Φ(x).
fn normal_distribution(x: &Value) -> Result<Value> {
    let kept = x.kept();
    let y = Function::NormalDistribution.values(x.tensor())?;
    Ok(Value::record(y, &[x], move |back| {
        let density = exp(&back.kept(&kept).sqr()?.affine(-0.5, 0.0)?)?;
        let root = (2.0 * std::f64::consts::PI).sqrt();
        Ok(vec![Some(
            back.gradient().mul(&density)?.affine(1.0 / root, 0.0)?,
        )])
    }))
}

#[derive(Clone, Copy)]
enum Function {
    Exp,
    NormalDistribution,
    Softplus,
}

impl Function {
    fn values(self, x: &Tensor) -> Result<Tensor> {
        if has_kernel(x) {
            return x.contiguous()?.apply_op1_no_bwd(&self);
        }
        match self {
            Self::Exp => x.exp(),
            Self::NormalDistribution => {
                let scaled = x.affine(std::f64::consts::FRAC_1_SQRT_2, 0.0)?;
                scaled.erf()?.affine(0.5, 0.5)
            }
            Self::Softplus => {
                let rest = x.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?;
                x.relu()?.add(&rest)
            }
        }
    }
}

impl CustomOp1 for Function {
    fn name(&self) -> &'static str {
        "smooth"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let y = match self {
                Self::Exp => map(x, Real::exp),
                Self::NormalDistribution => map(x, |x| {
                    let scaled = x.to_f64() * std::f64::consts::FRAC_1_SQRT_2;
                    T::from_f64(0.5 * libm::erfc(-scaled))
                }),
                Self::Softplus => map(x, |x| {
                    let rest = (-x.magnitude()).exp().ln_1p();
                    if x > T::ZERO { x + rest } else { rest }
                }),
            };
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }
}
