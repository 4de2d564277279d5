//! Arithmetic on values, element by element. Both sides have one shape; see [`Value::broadcast_as`].

use candle_core::{Result, bail};

use crate::autograd::{self, Value};
use crate::kernel::arithmetic;

impl Value {
    /// a + b.
    pub fn add(&self, other: &Self) -> Result<Self> {
        same_shape("add", self, other)?;
        autograd::add(self, other)
    }

    /// a − b.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        same_shape("sub", self, other)?;
        let difference = arithmetic::sub(self.tensor(), other.tensor())?;
        Ok(Self::record(difference, &[self, other], |back| {
            Ok(vec![
                back.when_wanted(0, || Ok(back.gradient().clone()))?,
                back.when_wanted(1, || back.gradient().neg())?,
            ])
        }))
    }

    /// a · b.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        same_shape("mul", self, other)?;
        let product = arithmetic::mul(self.tensor(), other.tensor())?;
        let (a, b) = (self.kept_for(other), other.kept_for(self));
        Ok(Self::record(product, &[self, other], move |back| {
            let times = |factor: &Self| back.gradient().mul(factor);
            Ok(vec![
                back.with_kept(0, b.as_ref(), times)?,
                back.with_kept(1, a.as_ref(), times)?,
            ])
        }))
    }

    /// a / b.
    pub fn div(&self, other: &Self) -> Result<Self> {
        same_shape("div", self, other)?;
        let quotient = arithmetic::div(self.tensor(), other.tensor())?;
        let divisor = other.kept();
        Ok(Self::record_with_output(
            quotient,
            &[self, other],
            move |back| {
                let share = back.gradient().div(&back.kept(&divisor))?;
                let for_divisor = back.when_wanted(1, || share.mul(back.output()?)?.neg())?;
                Ok(vec![back.wants(0).then_some(share), for_divisor])
            },
        ))
    }

    /// x / `divisor`, a scalar.
    pub fn div_by(&self, divisor: &Self) -> Result<Self> {
        let quotient = arithmetic::div_by(self.tensor(), divisor.tensor())?;
        let kept = divisor.kept();
        Ok(Self::record_with_output(
            quotient,
            &[self, divisor],
            move |back| {
                let divisor = back.kept(&kept);
                let for_x = back.when_wanted(0, || back.gradient().div_by(&divisor))?;
                let for_divisor = back.when_wanted(1, || {
                    let sum = back.gradient().mul(back.output()?)?.sum_all()?;
                    sum.div(&divisor)?.neg()
                })?;
                Ok(vec![for_x, for_divisor])
            },
        ))
    }

    /// `scale` · x + `offset`.
    pub fn affine(&self, scale: f64, offset: f64) -> Result<Self> {
        let tensor = arithmetic::affine(self.tensor(), scale, offset)?;
        Ok(Self::record(tensor, &[self], move |back| {
            Ok(vec![Some(back.gradient().affine(scale, 0.0)?)])
        }))
    }

    /// −x.
    pub fn neg(&self) -> Result<Self> {
        self.affine(-1.0, 0.0)
    }

    /// x².
    pub fn sqr(&self) -> Result<Self> {
        self.mul(self)
    }

    /// √x; its slope at 0 is infinite.
    pub fn sqrt(&self) -> Result<Self> {
        let root = arithmetic::sqrt(self.tensor())?;
        Ok(Self::record_with_output(root, &[self], |back| {
            let share = back.gradient().div(back.output()?)?;
            Ok(vec![Some(share.affine(0.5, 0.0)?)])
        }))
    }

    /// |x|, with slope 0 at 0.
    pub fn abs(&self) -> Result<Self> {
        let x = self.tensor();
        let zero = x.zeros_like()?;
        let sign = x.gt(&zero)?.to_dtype(x.dtype())?;
        let sign = Self::constant(sign.sub(&x.lt(&zero)?.to_dtype(x.dtype())?)?);
        self.mul(&sign)
    }
}

fn same_shape(operation: &str, a: &Value, b: &Value) -> Result<()> {
    if a.shape() != b.shape() {
        bail!(
            "{operation}: shapes {:?} and {:?} differ",
            a.shape(),
            b.shape()
        );
    }
    Ok(())
}
