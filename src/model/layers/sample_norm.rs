//! `instance-norm`, `group-norm`, `layer-norm`: normalisations within a sample, which no other sample of the batch
//! touches: what a critic with a gradient penalty needs (Gulrajani et al. 2017).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use super::batch_norm::default_eps;
use super::linear::yes;
use super::window::image;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Slot, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::ops::{self, Activation, Scaling};

/// Normalises each channel of a sample over its pixels (Ulyanov et al. 2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceNorm {
    /// added to the variance
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// whether a factor and an offset are learned for each channel
    #[serde(default)]
    pub affine: bool,
}

/// Normalises groups of channels of a sample over channels and pixels (Wu and He 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupNorm {
    /// how many groups the channels form
    pub groups: usize,
    /// added to the variance
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// whether a factor and an offset are learned for each channel
    #[serde(default = "yes")]
    pub affine: bool,
}

/// Normalises a sample over everything in it (Ba et al. 2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    /// added to the variance
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// whether a factor and an offset are learned for each number
    #[serde(default = "yes")]
    pub affine: bool,
}

/// What is normalised together.
enum Together {
    Channel,
    Groups(usize),
    Sample(Vec<usize>),
}

struct Computation {
    together: Together,
    eps: f64,
    affine: Option<(Slot, Slot)>,
    activation: Activation,
}

impl Layer for InstanceNorm {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let [_, height, width] = image(input, builder)?;
        more_than_one(height * width, input, builder)?;
        let affine = self.affine.then_some(&input[..1]);
        built(input, Together::Channel, self.eps, affine, builder)
    }
}

impl Layer for GroupNorm {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let (&[channels] | &[channels, _, _]) = input else {
            return Err(builder.misfit(format_args!(
                "needs an input of (features) or (channels, height, width), but gets {}",
                text(input)
            )));
        };
        if self.groups == 0 || !channels.is_multiple_of(self.groups) {
            return Err(builder.misfit(format_args!(
                "cannot cut {channels} channels into {} groups",
                self.groups
            )));
        }
        more_than_one(
            input.iter().product::<usize>() / self.groups,
            input,
            builder,
        )?;
        let affine = self.affine.then_some(&input[..1]);
        let together = Together::Groups(self.groups);
        built(input, together, self.eps, affine, builder)
    }
}

impl Layer for LayerNorm {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        more_than_one(input.iter().product(), input, builder)?;
        let together = Together::Sample(input.to_vec());
        let affine = self.affine.then_some(input);
        built(input, together, self.eps, affine, builder)
    }
}

/// A number normalised by itself is 0, whatever it was.
pub(super) fn more_than_one(
    together: usize,
    input: &[usize],
    builder: &Builder<'_>,
) -> Result<(), ShapeError> {
    if together > 1 {
        return Ok(());
    }
    Err(builder.misfit(format_args!(
        "needs more than one number to normalise together, but gets {}",
        text(input)
    )))
}

/// The layer, with a factor and an offset of shape `affine` if there are any.
fn built(
    input: &[usize],
    together: Together,
    eps: f64,
    affine: Option<&[usize]>,
    builder: &mut Builder<'_>,
) -> Result<Built, ShapeError> {
    if eps < 0.0 || eps.is_nan() {
        return Err(builder.misfit(format_args!("needs eps ≥ 0, but has {eps}")));
    }
    let affine = match affine {
        Some(shape) => Some((
            builder.parameter("weight", shape, Role::Scale)?,
            builder.parameter("bias", shape, Role::Zero)?,
        )),
        None => None,
    };
    let computation = Computation {
        together,
        eps,
        affine,
        activation: Activation::Identity,
    };
    Ok(Built::new(input.to_vec(), computation))
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let affine = self
            .affine
            .map(|(weight, bias)| (run.parameter(weight), run.parameter(bias)));
        let scaling = affine.as_ref().map(|(gamma, beta)| Scaling { gamma, beta });
        let (eps, activation) = (self.eps, self.activation);
        Ok(match &self.together {
            Together::Channel => ops::instance_norm(x, scaling, eps, activation)?,
            Together::Groups(groups) => ops::group_norm(x, *groups, scaling, eps, activation)?,
            Together::Sample(shape) => {
                ops::layer_norm(x, shape.as_slice(), scaling, eps, activation)?
            }
        })
    }

    fn absorb(&mut self, activation: Activation) -> bool {
        absorb(&mut self.activation, activation)
    }
}
