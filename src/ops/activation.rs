//! Elementwise activations. Derivatives at 0 are PyTorch's: 0 for ReLU, the slope for leaky ReLU.

use std::hint::select_unpredictable as select;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use crate::autograd::{Backward, Value};
use crate::kernel::pointwise::{map, zip};

/// max(x, 0); NaN stays NaN.
pub fn relu(x: &Value) -> Result<Value> {
    Activation::Relu.apply(x)
}

/// x where x > 0, else `slope` · x (Maas et al. 2013).
pub fn leaky_relu(x: &Value, slope: f64) -> Result<Value> {
    Activation::LeakyRelu(slope).apply(x)
}

/// The hyperbolic tangent.
pub fn tanh(x: &Value) -> Result<Value> {
    Activation::Tanh.apply(x)
}

/// 1 / (1 + e^−x).
pub fn sigmoid(x: &Value) -> Result<Value> {
    Activation::Sigmoid.apply(x)
}

/// x above zero, `factor` · x below, where a factor of 0 gives 0 even of −∞. NaN stays NaN.
#[inline]
pub(super) fn piecewise<T: Real>(factor: T) -> impl Fn(T) -> T + Copy + Send + Sync {
    let closed = factor == T::ZERO;
    move |x| {
        let below = select(closed, T::ZERO, x * factor);
        // The comparison that NaN fails picks the side that keeps it.
        select(x > T::ZERO, x, select(x <= T::ZERO, below, x))
    }
}

/// A function of each number by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// x
    Identity,
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6); its derivative at 0 and 6 is 0
    Relu6,
    /// x where x > 0, else this · x
    LeakyRelu(f64),
    /// the hyperbolic tangent
    Tanh,
    /// 1 / (1 + e^−x)
    Sigmoid,
}

impl Activation {
    /// The function of every element of `x`.
    pub fn apply(self, x: &Value) -> Result<Value> {
        if self == Self::Identity {
            return Ok(x.clone());
        }
        let y = if has_kernel(x.tensor()) {
            x.tensor().contiguous()?.apply_op1_no_bwd(&self)?
        } else {
            reference::activation(self, x.tensor())?
        };
        if self.is_known_by_result() {
            return Ok(self.record(y, &[x], |_, gradient| Ok(vec![Some(gradient.clone())])));
        }
        let point = x.detach().kept();
        Ok(Value::record(y, &[x], move |back| {
            Ok(vec![Some(self.slope(&back.kept(&point), back.gradient())?)])
        }))
    }

    /// Whether the derivative follows from the result, so that the argument need not be kept.
    fn is_known_by_result(self) -> bool {
        !matches!(self, Self::LeakyRelu(slope) if slope < 0.0)
    }

    /// The factor below zero, if the function is linear on either side of it and known by its result: what
    /// kernels of other operations can apply on the way.
    pub(super) fn factor_below_zero(self) -> Option<f64> {
        match self {
            Self::Identity => Some(1.0),
            Self::Relu => Some(0.0),
            Self::LeakyRelu(slope) => self.is_known_by_result().then_some(slope),
            Self::Relu6 | Self::Tanh | Self::Sigmoid => None,
        }
    }

    /// Records `y`, in which this is the last step, with a way `back` for what comes before: it gets the gradient
    /// behind this. For activations that are [known by their result](Self::is_known_by_result).
    pub(super) fn record(
        self,
        y: Tensor,
        arguments: &[&Value],
        back: impl Fn(&Backward<'_>, &Value) -> Result<Vec<Option<Value>>> + Send + Sync + 'static,
    ) -> Value {
        if self == Self::Identity {
            return Value::record(y, arguments, move |given| back(given, given.gradient()));
        }
        Value::record_with_output(y, arguments, move |given| {
            back(given, &self.slope(given.output()?, given.gradient())?)
        })
    }

    /// `gradient` times the activation's derivative at `point`, which is the result, or the argument where the
    /// derivative [does not follow](Self::is_known_by_result) from that.
    pub(super) fn slope(self, point: &Value, gradient: &Value) -> Result<Value> {
        if self == Self::Identity {
            return Ok(gradient.clone());
        }
        let product = if has_kernel(point.tensor()) {
            let (point, gradient) = (
                point.tensor().contiguous()?,
                gradient.tensor().contiguous()?,
            );
            point.apply_op2_no_bwd(&gradient, &Slope(self))?
        } else {
            reference::slope(self, point.tensor(), gradient.tensor())?
        };
        let (kept_point, kept_gradient) = (point.kept(), gradient.kept_for(point));
        Ok(Value::record(product, &[point, gradient], move |back| {
            let point = back.kept(&kept_point);
            // The derivative's own derivative, expressed by the activation's result y.
            let curvature = match self {
                Self::Identity | Self::Relu | Self::Relu6 | Self::LeakyRelu(_) => None,
                Self::Tanh => Some(point.affine(-2.0, 0.0)?),
                Self::Sigmoid => Some(point.affine(-2.0, 1.0)?),
            };
            let for_point = match &curvature {
                None => None,
                Some(curvature) => back.with_kept(0, kept_gradient.as_ref(), |gradient| {
                    back.gradient().mul(gradient)?.mul(curvature)
                })?,
            };
            let for_gradient = back.when_wanted(1, || self.slope(&point, back.gradient()))?;
            Ok(vec![for_point, for_gradient])
        }))
    }
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let y = match *self {
                Self::Identity => x.to_vec(),
                Self::Relu => map(x, |x| select(x <= T::ZERO, T::ZERO, x)),
                Self::Relu6 => {
                    let six = T::from_f64(6.0);
                    map(x, move |x| select(x <= T::ZERO, T::ZERO, select(x >= six, six, x)))
                }
                Self::LeakyRelu(slope) => {
                    let slope = T::from_f64(slope);
                    map(x, move |x| select(x > T::ZERO, x, x * slope))
                }
                Self::Tanh => map(x, Real::tanh),
                Self::Sigmoid => map(x, Real::sigmoid),
            };
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }
}

/// The kernel of [`Activation::slope`].
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
                Activation::Identity => g.to_vec(),
                Activation::Relu => zip(p, g, |x, g| select(x <= T::ZERO, T::ZERO, g)),
                Activation::Relu6 => {
                    let six = T::from_f64(6.0);
                    zip(p, g, move |y, g| select(y <= T::ZERO, T::ZERO, select(y >= six, T::ZERO, g)))
                }
                Activation::LeakyRelu(slope) => {
                    let slope = T::from_f64(slope);
                    zip(p, g, move |x, g| select(x > T::ZERO, g, g * slope))
                }
                Activation::Tanh => zip(p, g, |y, g| g * (T::ONE - y * y)),
                Activation::Sigmoid => zip(p, g, |y, g| g * (y * (T::ONE - y))),
            };
            Ok((T::to_cpu_storage_owned(out), point_layout.shape().clone()))
        })
    }
}

mod reference {
    use candle_core::{Result, Tensor};

    use super::Activation;

    pub(super) fn activation(activation: Activation, x: &Tensor) -> Result<Tensor> {
        match activation {
            Activation::Identity => Ok(x.clone()),
            Activation::Relu => leaky_relu(x, 0.0),
            Activation::Relu6 => x.clamp(0.0, 6.0),
            Activation::LeakyRelu(slope) => leaky_relu(x, slope),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => (x * 0.5)?.tanh()?.affine(0.5, 0.5),
        }
    }

    fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
        let positive = x.gt(&x.zeros_like()?)?;
        positive.where_cond(x, &(x * slope)?)
    }

    pub(super) fn slope(
        activation: Activation,
        point: &Tensor,
        gradient: &Tensor,
    ) -> Result<Tensor> {
        let derivative = match activation {
            Activation::Identity => point.ones_like()?,
            Activation::Relu => point.gt(&point.zeros_like()?)?.to_dtype(point.dtype())?,
            Activation::Relu6 => {
                let inside = point.gt(0.0)?.mul(&point.lt(6.0)?)?;
                inside.to_dtype(point.dtype())?
            }
            Activation::LeakyRelu(slope) => {
                let positive = point.gt(&point.zeros_like()?)?;
                let ones = point.ones_like()?;
                positive.where_cond(&ones, &(&ones * slope)?)?
            }
            Activation::Tanh => point.sqr()?.affine(-1.0, 1.0)?,
            Activation::Sigmoid => (point - point.sqr()?)?,
        };
        derivative.mul(gradient)
    }
}
