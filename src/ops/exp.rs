//! The exponential function, element by element.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, WithDType};

use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use crate::autograd::Value;
use crate::kernel::pointwise::map;

/// e to the x.
pub fn exp(x: &Value) -> Result<Value> {
    let y = if has_kernel(x.tensor()) {
        x.tensor().contiguous()?.apply_op1_no_bwd(&Exp)?
    } else {
        x.tensor().exp()?
    };
    Ok(Value::record_with_output(y, &[x], |back| {
        Ok(vec![Some(back.gradient().mul(back.output()?)?)])
    }))
}

struct Exp;

impl CustomOp1 for Exp {
    fn name(&self) -> &'static str {
        "exp"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let y = map(x, Real::exp);
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }
}
