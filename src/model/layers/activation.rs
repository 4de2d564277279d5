//! `relu`, `relu6`, `leaky-relu`, `tanh`, `sigmoid`: functions of each number by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;
use crate::ops::Activation;

/// max(x, 0).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

/// min(max(x, 0), 6) (Sandler et al. 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relu6 {}

/// x where x > 0, else slope·x.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakyRelu {
    /// the factor below 0
    #[serde(default = "default_slope")]
    pub slope: f64,
}

fn default_slope() -> f64 {
    0.01
}

/// The hyperbolic tangent, into (−1, 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tanh {}

/// 1 / (1 + e^−x), into (0, 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {}

/// A layer's activation.
struct Elementwise(Activation);

impl Forward for Elementwise {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        Ok(self.0.apply(x)?)
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.0)
    }
}

/// [`Forward::absorb`] for a layer that applies `own` to its result.
pub(super) fn absorb(own: &mut Activation, next: Activation) -> bool {
    let free = *own == Activation::Identity;
    if free {
        *own = next;
    }
    free
}

impl Layer for Relu {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Elementwise(Activation::Relu)))
    }
}

impl Layer for Relu6 {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Elementwise(Activation::Relu6)))
    }
}

impl Layer for LeakyRelu {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let activation = Activation::LeakyRelu(self.slope);
        Ok(Built::new(input.to_vec(), Elementwise(activation)))
    }
}

impl Layer for Tanh {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Elementwise(Activation::Tanh)))
    }
}

impl Layer for Sigmoid {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Elementwise(Activation::Sigmoid)))
    }
}
