//! `linear`: a matrix and a bias.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Slot, text};
use crate::model::dims::Dim;
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::ops::{self, Activation, Finish};

/// y = W·x + b over vectors: (in) → (out).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// length of the output
    pub out: Dim,
    /// whether a bias is added
    #[serde(default = "yes")]
    pub bias: bool,
}

pub(super) fn yes() -> bool {
    true
}

struct Computation {
    weight: Slot,
    bias: Option<Slot>,
    activation: Activation,
}

impl Layer for Linear {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let &[features] = input else {
            return Err(builder.misfit(format_args!(
                "needs an input of (features), but gets {} (a `flatten` before it would do)",
                text(input)
            )));
        };
        let out = builder.size(&self.out)?;
        let weight = builder.parameter(
            "weight",
            &[out, features],
            Role::LinearWeight {
                fan_in: features,
                fan_out: out,
            },
        )?;
        let bias = Role::Bias { fan_in: features };
        let bias = self
            .bias
            .then(|| builder.parameter("bias", &[out], bias))
            .transpose()?;
        Ok(Built::new(
            vec![out],
            Computation {
                weight,
                bias,
                activation: Activation::Identity,
            },
        ))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let bias = self.bias.map(|slot| run.parameter(slot));
        let finish = Finish {
            bias: bias.as_ref(),
            activation: self.activation,
        };
        Ok(ops::linear(x, &run.parameter(self.weight), finish)?)
    }

    fn absorb(&mut self, activation: Activation) -> bool {
        absorb(&mut self.activation, activation)
    }
}
