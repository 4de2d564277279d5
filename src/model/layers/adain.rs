//! `adain`: adaptive instance normalisation (Huang & Belongie 2017), as a generator uses it (Karras et al. 2019).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use super::affine::{Affine, style};
use super::batch_norm::default_eps;
use super::sample_norm::more_than_one;
use super::weight::{Equalised, Switch, switch};
use super::window::image;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer};
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::ops::{self, Activation, Scaling};

/// Normalises each channel of a sample over its pixels; an affine function of a named input of the network, the style,
/// gives its factor and its offset, which start around 1 and 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adain {
    /// the name of the style
    pub input: String,
    /// added to the variance
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// whether the weights of the affine function are scaled at run time instead of at the start
    #[serde(
        default,
        deserialize_with = "switch",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Switch<Equalised>")]
    pub equalised: Option<Equalised>,
}

struct Computation {
    input: String,
    eps: f64,
    scale: Affine,
    shift: Affine,
    activation: Activation,
}

impl Layer for Adain {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let [channels, height, width] = image(input, builder)?;
        more_than_one(height * width, input, builder)?;
        if !(self.eps >= 0.0 && self.eps.is_finite()) {
            return Err(builder.misfit(format_args!("needs eps ≥ 0, but has {}", self.eps)));
        }
        let sizes = (style(&self.input, builder)?, channels);
        let computation = Computation {
            input: self.input.clone(),
            eps: self.eps,
            scale: Affine::declare("scale", sizes, Role::One, self.equalised, builder)?,
            shift: Affine::declare("shift", sizes, Role::Zero, self.equalised, builder)?,
            activation: Activation::Identity,
        };
        Ok(Built::new(input.to_vec(), computation))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let style = run.input(&self.input)?;
        let (n, c, h, w) = x.tensor().dims4()?;
        let gamma = self.scale.value(style, run)?.reshape(n * c)?;
        let beta = self.shift.value(style, run)?.reshape(n * c)?;
        let scaling = Scaling {
            gamma: &gamma,
            beta: &beta,
        };
        // Channels of one sample, each then with a factor of its own.
        let channels = x.reshape((1, n * c, h, w))?;
        let styled = ops::instance_norm(&channels, Some(scaling), self.eps, self.activation)?;
        Ok(styled.reshape((n, c, h, w))?)
    }

    fn absorb(&mut self, activation: Activation) -> bool {
        absorb(&mut self.activation, activation)
    }
}
