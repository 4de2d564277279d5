//! `residual` (He et al. 2015): layers with a way around them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LayerSpec;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Sequence, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::fold::{Folded, Numbers};
use crate::model::inputs::Run;

/// layers(x) + shortcut(x).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// the way through
    pub layers: Vec<LayerSpec>,
    /// the way around; x itself unless given
    #[serde(default)]
    pub shortcut: Vec<LayerSpec>,
}

struct Computation {
    layers: Sequence,
    shortcut: Sequence,
}

impl Layer for Residual {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let (layers, through) = builder.nested("layers", &self.layers, input.to_vec())?;
        let (shortcut, around) = builder.nested("shortcut", &self.shortcut, input.to_vec())?;
        if through != around {
            return Err(builder.misfit(format_args!(
                "cannot add its layers' {} and its shortcut's {}",
                text(&through),
                text(&around)
            )));
        }
        Ok(Built::new(through, Computation { layers, shortcut }))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let through = self.layers.forward(x, run)?;
        Ok(through.add(&self.shortcut.forward(x, run)?)?)
    }

    fn folded(&self, numbers: &Numbers<'_>) -> Folded {
        Ok(Some(Arc::new(Self {
            layers: self.layers.folded(numbers)?,
            shortcut: self.shortcut.folded(numbers)?,
        })))
    }
}
