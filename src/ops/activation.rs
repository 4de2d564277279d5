//! Elementwise activations. Derivatives at 0 are PyTorch's: 0 for ReLU, the slope for leaky ReLU.

use std::hint::select_unpredictable as select;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

use super::dispatch::{by_type, elements, has_kernel, if_tracked};
use super::real::Real;
use super::reduce::CHUNK;

/// max(x, 0); NaN stays NaN.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    apply(x, Activation::Relu)
}

/// x where x > 0, else `slope` · x (Maas et al. 2013).
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    apply(x, Activation::LeakyRelu(slope))
}

/// The hyperbolic tangent.
pub fn tanh(x: &Tensor) -> Result<Tensor> {
    apply(x, Activation::Tanh)
}

/// 1 / (1 + e^−x).
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    apply(x, Activation::Sigmoid)
}

fn apply(x: &Tensor, activation: Activation) -> Result<Tensor> {
    if has_kernel(x) {
        return x.contiguous()?.apply_op1(activation);
    }
    match activation {
        Activation::Relu => reference::relu(x),
        Activation::LeakyRelu(slope) => reference::leaky_relu(x, slope),
        Activation::Tanh => reference::tanh(x),
        Activation::Sigmoid => reference::sigmoid(x),
    }
}

#[derive(Debug, Clone, Copy)]
enum Activation {
    Relu,
    LeakyRelu(f64),
    Tanh,
    Sigmoid,
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let y = match *self {
                Self::Relu => map(x, |x| select(x <= T::ZERO, T::ZERO, x)),
                Self::LeakyRelu(slope) => {
                    let slope = T::from_f64(slope);
                    map(x, |x| select(x > T::ZERO, x, x * slope))
                }
                Self::Tanh => map(x, Real::tanh),
                Self::Sigmoid => map(x, Real::sigmoid),
            };
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let point = match self {
            Self::Relu | Self::LeakyRelu(_) => x,
            Self::Tanh | Self::Sigmoid => y,
        };
        let slope = Slope(*self);
        point
            .contiguous()?
            .apply_op2(&gradient.contiguous()?, slope)
            .map(Some)
    }
}

/// `gradient` times the activation's derivative at `point`, which is the argument of the piecewise
/// linear activations and the result of the smooth ones.
struct Slope(Activation);

impl CustomOp2 for Slope {
    fn name(&self) -> &'static str {
        "activation-gradient"
    }

    fn cpu_fwd(
        &self,
        point: &CpuStorage,
        point_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), point, T => {
            let (p, g): (&[T], &[T]) = (elements(point, point_layout)?, elements(gradient, gradient_layout)?);
            let out = match self.0 {
                Activation::Relu => zip(p, g, |x, g| select(x <= T::ZERO, T::ZERO, g)),
                Activation::LeakyRelu(slope) => {
                    let slope = T::from_f64(slope);
                    zip(p, g, |x, g| select(x > T::ZERO, g, g * slope))
                }
                Activation::Tanh => zip(p, g, |y, g| g * (T::ONE - y * y)),
                Activation::Sigmoid => zip(p, g, |y, g| g * (y * (T::ONE - y))),
            };
            Ok((T::to_cpu_storage_owned(out), point_layout.shape().clone()))
        })
    }

    fn bwd(
        &self,
        point: &Tensor,
        gradient: &Tensor,
        _out: &Tensor,
        upstream: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let for_point = if_tracked(point, || match self.0 {
            Activation::Relu | Activation::LeakyRelu(_) => point.zeros_like(),
            Activation::Tanh => upstream.mul(gradient)?.mul(&point.affine(-2.0, 0.0)?),
            Activation::Sigmoid => upstream.mul(gradient)?.mul(&point.affine(-2.0, 1.0)?),
        })?;
        let for_gradient = if_tracked(gradient, || {
            point
                .contiguous()?
                .apply_op2(&upstream.contiguous()?, Self(self.0))
        })?;
        Ok((for_point, for_gradient))
    }
}

fn map<T: Real>(x: &[T], f: impl Fn(T) -> T + Sync) -> Vec<T> {
    let mut y = vec![T::ZERO; x.len()];
    y.par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .for_each(|(y, x)| {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = f(x));
        });
    y
}

fn zip<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    let mut y = vec![T::ZERO; a.len()];
    y.par_chunks_mut(CHUNK)
        .zip(a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK)))
        .for_each(|(y, (a, b))| {
            y.iter_mut()
                .zip(a.iter().zip(b))
                .for_each(|(y, (&a, &b))| *y = f(a, b));
        });
    y
}

pub(super) mod reference {
    use candle_core::{Result, Tensor};

    /// [`relu`](crate::ops::relu).
    pub fn relu(x: &Tensor) -> Result<Tensor> {
        leaky_relu(x, 0.0)
    }

    /// [`leaky_relu`](crate::ops::leaky_relu): candle's own has another derivative at 0.
    pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
        let positive = x.gt(&x.zeros_like()?)?;
        positive.where_cond(x, &(x * slope)?)
    }

    /// [`tanh`](crate::ops::tanh), with the device's own function.
    pub fn tanh(x: &Tensor) -> Result<Tensor> {
        x.tanh()
    }

    /// [`sigmoid`](crate::ops::sigmoid), from the device's tanh.
    pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
        (x * 0.5)?.tanh()?.affine(0.5, 0.5)
    }
}
