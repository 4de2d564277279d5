//! `branches` (Szegedy et al. 2015): several ways, whose results lie side by side.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LayerSpec;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Sequence, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::fold::{Folded, Numbers};
use crate::model::inputs::Run;

/// Lists of layers that all take the same input; their results are joined along the channels, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Branches(pub Vec<Vec<LayerSpec>>);

struct Computation(Vec<Sequence>);

impl Layer for Branches {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let mut branches = Vec::with_capacity(self.0.len());
        let mut shapes: Vec<Vec<usize>> = Vec::with_capacity(self.0.len());
        for (index, layers) in self.0.iter().enumerate() {
            let (branch, shape) = builder.nested(&index.to_string(), layers, input.to_vec())?;
            branches.push(branch);
            shapes.push(shape);
        }
        let Some([_, rest @ ..]) = shapes.first().map(Vec::as_slice) else {
            return Err(builder.misfit("needs at least one list of layers"));
        };
        let fits = |shape: &Vec<usize>| shape.get(1..) == Some(rest);
        if let Some(other) = shapes.iter().find(|shape| !fits(shape)) {
            return Err(builder.misfit(format_args!(
                "cannot join {} and {}: they must agree in all but the channels",
                text(&shapes[0]),
                text(other)
            )));
        }
        let mut shape = shapes[0].clone();
        shape[0] = shapes.iter().map(|shape| shape[0]).sum();
        Ok(Built::new(shape, Computation(branches)))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let results = self.0.iter().map(|branch| branch.forward(x, run));
        let results = results.collect::<Result<Vec<_>, _>>()?;
        Ok(Value::cat(&results.iter().collect::<Vec<_>>(), 1)?)
    }

    fn folded(&self, numbers: &Numbers<'_>) -> Folded {
        let branches = self.0.iter().map(|branch| branch.folded(numbers));
        Ok(Some(Arc::new(Self(branches.collect::<Result<_, _>>()?))))
    }
}
