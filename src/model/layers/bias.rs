//! `bias`: a number added to each feature.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Slot};
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::ops::{Activation, Finish};

/// x + b with a learnt number for each feature or channel, which starts as 0: what a layer without bias lacks, where both
/// its results are wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bias {}

struct Computation {
    bias: Slot,
    activation: Activation,
}

impl Layer for Bias {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let Some(&channels) = input.first() else {
            return Err(builder.misfit("has nothing to add to"));
        };
        let computation = Computation {
            bias: builder.parameter("bias", &[channels], Role::Zero)?,
            activation: Activation::Identity,
        };
        Ok(Built::new(input.to_vec(), computation))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let bias = run.parameter(self.bias);
        let finish = Finish {
            bias: Some(&bias),
            activation: self.activation,
        };
        Ok(finish.apply(x)?)
    }

    fn absorb(&mut self, activation: Activation) -> bool {
        absorb(&mut self.activation, activation)
    }
}
