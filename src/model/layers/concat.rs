//! `concat`: another input joins, along the channels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LayerSpec;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Sequence, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;

/// Takes a named input of the network through layers of its own and appends the result along the channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// the name of the input
    pub input: String,
    /// what it goes through first
    #[serde(default)]
    pub layers: Vec<LayerSpec>,
}

struct Computation {
    input: String,
    layers: Sequence,
}

impl Layer for Concat {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let joining = builder.input(&self.input)?;
        let (layers, joining) = builder.nested("layers", &self.layers, joining)?;
        let (Some((channels, rest)), Some((more, other))) =
            (input.split_first(), joining.split_first())
        else {
            return Err(builder.misfit("has nothing to join"));
        };
        if rest != other {
            return Err(builder.misfit(format_args!(
                "cannot append `{}` of {} to its input of {}: they must agree in all but the channels",
                self.input, text(&joining), text(input)
            )));
        }
        let mut shape = vec![channels + more];
        shape.extend(rest);
        Ok(Built::new(
            shape,
            Computation {
                input: self.input.clone(),
                layers,
            },
        ))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let joining = self.layers.forward(run.input(&self.input)?, run)?;
        Ok(Value::cat(&[x, &joining], 1)?)
    }
}
