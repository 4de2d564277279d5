//! `adaptive-avg-pool`, `adaptive-max-pool`: pools to a given size, whatever the input's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::window::image;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;
use crate::model::size::Pair;
use crate::ops;

/// The mean of windows as equal as can be: (channels, height, width) → (channels, this).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AdaptiveAvgPool(pub Pair);

/// The largest number of windows as equal as can be: (channels, height, width) → (channels, this).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AdaptiveMaxPool(pub Pair);

type Operation = fn(&Value, (usize, usize)) -> candle_core::Result<Value>;

struct Computation {
    size: (usize, usize),
    operation: Operation,
}

fn built(
    input: &[usize],
    size: Pair,
    operation: Operation,
    builder: &Builder<'_>,
) -> Result<Built, ShapeError> {
    let [channels, ..] = image(input, builder)?;
    let size = size.tuple();
    let shape = vec![channels, size.0, size.1];
    Ok(Built::new(shape, Computation { size, operation }))
}

impl Layer for AdaptiveAvgPool {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        built(input, self.0, ops::adaptive_avg_pool2d, builder)
    }
}

impl Layer for AdaptiveMaxPool {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        built(input, self.0, ops::adaptive_max_pool2d, builder)
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        Ok((self.operation)(x, self.size)?)
    }
}
