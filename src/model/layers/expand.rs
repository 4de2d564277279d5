//! `expand`: a vector as constant maps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, text};
use crate::model::dims::Dim;
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;

/// Repeats each number of a vector over a map: (features) → (features, height, width).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Expand(pub [Dim; 2]);

struct Computation([usize; 3]);

impl Layer for Expand {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let &[features] = input else {
            return Err(builder.misfit(format_args!(
                "needs an input of (features), but gets {}",
                text(input)
            )));
        };
        let [height, width] = &self.0;
        let shape = [features, builder.size(height)?, builder.size(width)?];
        Ok(Built::new(shape.to_vec(), Computation(shape)))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        let ([features, height, width], samples) = (self.0, x.tensor().dim(0)?);
        let dots = x.reshape((samples, features, 1, 1))?;
        Ok(dots.broadcast_as((samples, features, height, width))?)
    }
}
