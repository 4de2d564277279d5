//! `head`: a second result of a network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LayerSpec;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Sequence};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;

/// Takes its input through layers of its own, to a named result of the network, and passes it on unchanged: what tells
/// classes beside real and fake (Odena et al. 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// the name of the result, as in `auxiliary`
    pub name: String,
    /// what leads to it
    pub layers: Vec<LayerSpec>,
}

struct Computation {
    name: String,
    layers: Sequence,
}

impl Layer for Head {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let (layers, shape) = builder.nested("layers", &self.layers, input.to_vec())?;
        builder.head(&self.name, &shape)?;
        let name = self.name.clone();
        Ok(Built::new(input.to_vec(), Computation { name, layers }))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let result = self.layers.forward(x, run)?;
        run.heads.borrow_mut().insert(self.name.clone(), result);
        Ok(x.clone())
    }
}
