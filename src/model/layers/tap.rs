//! `tap`: marks a place to read from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;

/// The name under which what flows here can be read: `tap: features` marks what metrics compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Tap(pub String);

struct Computation(String);

impl Layer for Tap {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        builder.tap(&self.0, input)?;
        Ok(Built::new(input.to_vec(), Computation(self.0.clone())))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        run.taps.borrow_mut().insert(self.0.clone(), x.clone());
        Ok(x.clone())
    }
}
