//! `conv`: a convolution over images.

use std::sync::Arc;

use candle_core::DType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use super::linear::yes;
use super::weight::{Equalised, Form, SpectralNorm, Switch, Weight, switch};
use super::window::{image, slide};
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Slot};
use crate::model::dims::Dim;
use crate::model::error::{ModelError, ShapeError};
use crate::model::fold::{ChannelMap, Folded, Numbers};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::model::size::{Padding, Pair};
use crate::ops::{self, Activation, Finish};

/// Convolution: (channels, height, width) → (out, …).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// channels of the output
    pub out: Dim,
    /// size of the kernel
    pub kernel: Pair,
    /// distance between two places of the kernel
    #[serde(default = "one")]
    pub stride: Pair,
    /// zeros added around the input
    #[serde(default)]
    pub padding: Padding,
    /// groups of channels that do not see each other
    #[serde(default = "one_group")]
    pub groups: usize,
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

pub(super) fn one() -> Pair {
    Pair::square(1)
}

pub(super) fn one_group() -> usize {
    1
}

/// Fails unless `groups` divides both channel counts.
pub(super) fn check_groups(
    groups: usize,
    channels: usize,
    out: usize,
    builder: &Builder<'_>,
) -> Result<(), ShapeError> {
    if groups > 0 && channels.is_multiple_of(groups) && out.is_multiple_of(groups) {
        return Ok(());
    }
    Err(builder.misfit(format_args!(
        "has {groups} groups, which do not divide its {channels} input and {out} output channels"
    )))
}

struct Computation {
    weight: Weight,
    bias: Option<Slot>,
    activation: Activation,
    conv: ops::Conv,
}

impl Layer for Conv {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let input = image(input, builder)?;
        let [channels, ..] = input;
        let out = builder.size(&self.out)?;
        check_groups(self.groups, channels, out, builder)?;
        let padding = self.padding.around(input, self.kernel, self.stride);
        let (height, width) = slide(input, self.kernel, self.stride, padding, builder)?;
        let area = self.kernel.height * self.kernel.width;
        let shape = [
            out,
            channels / self.groups,
            self.kernel.height,
            self.kernel.width,
        ];
        let fan_in = shape[1] * area;
        let role = Role::ConvWeight {
            fan_in,
            fan_out: out * area,
        };
        let form = Form {
            spectral_norm: self.spectral_norm,
            equalised: self.equalised,
            outputs_second: false,
        };
        let weight = Weight::declare("weight", &shape, role, fan_in, form, builder)?;
        let bias = form.bias(self.bias, out, fan_in, builder)?;
        let conv = ops::Conv {
            stride: self.stride.tuple(),
            padding: padding.into(),
            groups: self.groups,
        };
        Ok(Built::new(
            vec![out, height, width],
            Computation {
                weight,
                bias,
                conv,
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
        Ok(ops::conv2d(
            x,
            &self.weight.value(run)?,
            finish,
            &self.conv,
        )?)
    }

    fn absorb(&mut self, activation: Activation) -> bool {
        absorb(&mut self.activation, activation)
    }

    fn folded_with(&self, next: &ChannelMap, numbers: &Numbers<'_>) -> Folded {
        let (Some(slot), Activation::Identity) = (self.weight.plain(), self.activation) else {
            return Ok(None);
        };
        let per_output = next.scale.reshape(((), 1, 1, 1))?;
        let weight = numbers.parameter(slot)?.broadcast_mul(&per_output)?;
        let bias = match self.bias {
            Some(bias) => (numbers.parameter(bias)?.mul(&next.scale)? + &next.shift)?,
            None => next.shift.clone(),
        };
        Ok(Some(Arc::new(Constant {
            weight: weight.to_dtype(DType::F32)?.into(),
            bias: bias.to_dtype(DType::F32)?.into(),
            activation: next.activation,
            conv: self.conv,
        })))
    }
}

/// A convolution whose numbers are not the network's.
struct Constant {
    weight: Value,
    bias: Value,
    activation: Activation,
    conv: ops::Conv,
}

impl Forward for Constant {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        let finish = Finish {
            bias: Some(&self.bias),
            activation: self.activation,
        };
        Ok(ops::conv2d(x, &self.weight, finish, &self.conv)?)
    }
}
