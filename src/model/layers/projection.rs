//! `projection`: how a discriminator judges an image given its condition (Miyato & Koyama 2018).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LayerSpec;
use super::weight::{Form, SpectralNorm, Switch, Weight, switch};
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Sequence, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::ops;

/// layers(x) + ⟨V·y, x⟩ for a vector x and a named input y of the network, with V a matrix: (features) → (1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// the name of the input y
    pub input: String,
    /// what x goes through to the one number that does not depend on y
    pub layers: Vec<LayerSpec>,
    /// whether V is divided by its largest singular value
    #[serde(
        default,
        deserialize_with = "switch",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Switch<SpectralNorm>")]
    pub spectral_norm: Option<SpectralNorm>,
}

struct Computation {
    input: String,
    layers: Sequence,
    weight: Weight,
}

impl Layer for Projection {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let condition = builder.input(&self.input)?;
        let (&[features], &[length]) = (input, condition.as_slice()) else {
            return Err(builder.misfit(format_args!(
                "needs vectors, but gets {} and `{}` of {}",
                text(input),
                self.input,
                text(&condition)
            )));
        };
        let role = Role::LinearWeight {
            fan_in: length,
            fan_out: features,
        };
        let form = Form {
            spectral_norm: self.spectral_norm,
            ..Form::default()
        };
        let weight = Weight::declare("weight", &[features, length], role, length, form, builder)?;
        let (layers, output) = builder.nested("layers", &self.layers, input.to_vec())?;
        if output != [1] {
            return Err(builder.misfit(format_args!(
                "adds one number to what its layers give of {}, which must be (1), but is {}",
                text(input),
                text(&output)
            )));
        }
        let computation = Computation {
            input: self.input.clone(),
            layers,
            weight,
        };
        Ok(Built::new(output, computation))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let projected = ops::linear(run.input(&self.input)?, &self.weight.value(run)?, None)?;
        let product = projected.mul(x)?.sum_last()?;
        Ok(self.layers.forward(x, run)?.add(&product)?)
    }
}
