//! `elu`, `gelu`, `silu`, `softplus`: smooth functions of each number by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;
use crate::ops;

/// x where x > 0, else alpha·(e^x − 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Elu {
    /// what −elu(x) tends to below 0
    #[serde(default = "default_alpha")]
    pub alpha: f64,
}

fn default_alpha() -> f64 {
    1.0
}

/// x·Φ(x), with Φ the distribution function of N(0, 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gelu {}

/// x / (1 + e^−x), also known as swish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silu {}

/// ln(1 + e^x).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Softplus {}

struct Function<F>(F);

impl<F: Fn(&Value) -> candle_core::Result<Value> + Send + Sync> Forward for Function<F> {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        Ok((self.0)(x)?)
    }
}

impl Layer for Elu {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let alpha = self.alpha;
        let function = Function(move |x: &Value| ops::elu(x, alpha));
        Ok(Built::new(input.to_vec(), function))
    }
}

impl Layer for Gelu {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Function(ops::gelu)))
    }
}

impl Layer for Silu {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Function(ops::silu)))
    }
}

impl Layer for Softplus {
    fn build(&self, input: &[usize], _: &mut Builder<'_>) -> Result<Built, ShapeError> {
        Ok(Built::new(input.to_vec(), Function(ops::softplus)))
    }
}
