//! `conv-transpose`: a transposed convolution, the usual way up in a generator.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use super::conv::{check_groups, one, one_group};
use super::linear::yes;
use super::weight::{Equalised, Form, SpectralNorm, Switch, Weight, switch};
use super::window::{image, transposed};
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Slot};
use crate::model::dims::Dim;
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::model::size::{Extra, Padding, Pair};
use crate::ops::{self, Activation, Finish};

/// Transposed convolution: (channels, height, width) → (out, …), each side
/// (side − 1)·stride − padding + kernel + `output_padding`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose {
    /// channels of the output
    pub out: Dim,
    /// size of the kernel
    pub kernel: Pair,
    /// distance between two places of the kernel in the output
    #[serde(default = "one")]
    pub stride: Pair,
    /// rows and columns cut from the output at each side
    #[serde(default)]
    pub padding: Padding,
    /// rows added below and columns added to the right, less than the stride
    #[serde(default)]
    pub output_padding: Extra,
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

struct Computation {
    weight: Weight,
    bias: Option<Slot>,
    activation: Activation,
    conv: ops::Conv,
    extra: Extra,
}

impl Layer for ConvTranspose {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let [channels, height, width] = image(input, builder)?;
        let out = builder.size(&self.out)?;
        check_groups(self.groups, channels, out, builder)?;
        let Self {
            kernel,
            stride,
            padding,
            output_padding: extra,
            ..
        } = *self;
        let (padding, extra) = padding.cut(kernel, stride, extra);
        let input = [channels, height, width];
        let (out_height, out_width) = transposed(input, kernel, stride, padding, extra, builder)?;
        let area = kernel.height * kernel.width;
        let shape = [channels, out / self.groups, kernel.height, kernel.width];
        // PyTorch counts fans by the weight's own order of dimensions, which is the other way round here.
        let fan_in = shape[1] * area;
        let role = Role::ConvWeight {
            fan_in,
            fan_out: channels * area,
        };
        let form = Form {
            spectral_norm: self.spectral_norm,
            equalised: self.equalised,
            outputs_second: true,
        };
        // What a run-time scale counts is what one number of the output is a sum of.
        let summed = channels / self.groups * area;
        let weight = Weight::declare("weight", &shape, role, summed, form, builder)?;
        let bias = form.bias(self.bias, out, fan_in, builder)?;
        let conv = ops::Conv {
            stride: stride.tuple(),
            padding: padding.into(),
            groups: self.groups,
        };
        Ok(Built::new(
            vec![out, out_height, out_width],
            Computation {
                weight,
                bias,
                conv,
                extra,
                activation: Activation::Identity,
            },
        ))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let weight = self.weight.value(run)?;
        let bias = self.bias.map(|slot| run.parameter(slot));
        let finish = Finish {
            bias: bias.as_ref(),
            activation: self.activation,
        };
        let extra = (self.extra.height, self.extra.width);
        Ok(ops::conv_transpose2d(
            x, &weight, finish, &self.conv, extra,
        )?)
    }

    fn absorb(&mut self, activation: Activation) -> bool {
        absorb(&mut self.activation, activation)
    }
}
