//! `relu`, `leaky-relu`, `tanh`, `sigmoid`: functions of each number by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;
use crate::ops;

/// max(x, 0).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

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

/// A function that keeps the shape.
struct Elementwise<F>(F);

impl<F> Forward for Elementwise<F>
where
    F: Fn(&Value) -> candle_core::Result<Value> + Send + Sync,
{
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        Ok(self.0(x)?)
    }
}

impl Layer for Relu {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Elementwise(ops::relu)))
    }
}

impl Layer for LeakyRelu {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let slope = self.slope;
        Ok(Built::new(
            input.to_vec(),
            Elementwise(move |x: &Value| ops::leaky_relu(x, slope)),
        ))
    }
}

impl Layer for Tanh {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Elementwise(ops::tanh)))
    }
}

impl Layer for Sigmoid {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Elementwise(ops::sigmoid)))
    }
}
