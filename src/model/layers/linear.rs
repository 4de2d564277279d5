//! `linear`: a matrix and a bias.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use super::weight::{Equalised, Form, SpectralNorm, Switch, Weight, switch};
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Slot, text};
use crate::model::dims::Dim;
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::ops::{self, Activation, Finish};

/// y = W·x + b over vectors: (in) → (out).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// length of the output
    pub out: Dim,
    /// whether a bias is added
    #[serde(default = "yes")]
    pub bias: bool,
    /// whether the weight is divided by its largest singular value
    #[serde(
        default,
        deserialize_with = "switch",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Switch<SpectralNorm>")]
    pub spectral_norm: Option<SpectralNorm>,
    /// whether the weight is scaled at run time instead of at the start
    #[serde(
        default,
        deserialize_with = "switch",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Switch<Equalised>")]
    pub equalised: Option<Equalised>,
}

pub(super) fn yes() -> bool {
    true
}

struct Computation {
    weight: Weight,
    bias: Option<Slot>,
    activation: Activation,
}

impl Layer for Linear {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let &[features] = input else {
            return Err(builder.misfit(format_args!(
                "needs an input of (features), but gets {} (a `flatten` before it would do)",
                text(input)
            )));
        };
        let out = builder.size(&self.out)?;
        let role = Role::LinearWeight {
            fan_in: features,
            fan_out: out,
        };
        let form = Form {
            spectral_norm: self.spectral_norm,
            equalised: self.equalised,
            outputs_second: false,
        };
        let weight = Weight::declare("weight", &[out, features], role, features, form, builder)?;
        let bias = form.bias(self.bias, out, features, builder)?;
        Ok(Built::new(
            vec![out],
            Computation {
                weight,
                bias,
                activation: Activation::Identity,
            },
        ))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let bias = self.bias.map(|slot| run.parameter(slot));
        let finish = Finish {
            bias: bias.as_ref(),
            activation: self.activation,
        };
        Ok(ops::linear(x, &self.weight.value(run)?, finish)?)
    }

    fn absorb(&mut self, activation: Activation) -> bool {
        absorb(&mut self.activation, activation)
    }
}
