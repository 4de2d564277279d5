//! How a style enters a layer: an affine function of a vector that is an input of the network (Karras et al. 2019).

use super::weight::{Equalised, Form, Weight};
use crate::autograd::Value;
use crate::model::build::{Builder, Slot, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::ops;

/// The length of the input `name`, which must be a vector.
pub(super) fn style(name: &str, builder: &mut Builder<'_>) -> Result<usize, ShapeError> {
    let shape = builder.input(name)?;
    match shape[..] {
        [length] => Ok(length),
        _ => Err(builder.misfit(format_args!(
            "needs a vector as its style, but `{name}` is {}",
            text(&shape)
        ))),
    }
}

/// W·w + b.
pub(super) struct Affine {
    weight: Weight,
    bias: Slot,
}

impl Affine {
    /// Declares `name.weight` (`out`, `length`) and `name.bias` (`out`), which starts as `start`.
    pub fn declare(
        name: &str,
        (length, out): (usize, usize),
        start: Role,
        equalised: Option<Equalised>,
        builder: &mut Builder<'_>,
    ) -> Result<Self, ShapeError> {
        let role = Role::LinearWeight {
            fan_in: length,
            fan_out: out,
        };
        let form = Form {
            equalised,
            ..Form::default()
        };
        let weight = format!("{name}.weight");
        Ok(Self {
            weight: Weight::declare(&weight, &[out, length], role, length, form, builder)?,
            bias: builder.parameter(&format!("{name}.bias"), &[out], start)?,
        })
    }

    /// (N, out) of the style (N, length).
    pub fn value(&self, style: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let bias = run.parameter(self.bias);
        Ok(ops::linear(style, &self.weight.value(run)?, Some(&bias))?)
    }
}
