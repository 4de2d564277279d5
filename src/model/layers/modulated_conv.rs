//! `modulated-conv`: a convolution whose weights depend on a style (Karras et al. 2020, `StyleGAN2`).

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::absorb;
use super::affine::{Affine, style};
use super::linear::yes;
use super::weight::{Equalised, Form, Switch, Weight, switch};
use super::window::{image, slide, transposed};
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Slot};
use crate::model::dims::Dim;
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::model::size::{Extra, Padding, Pair};
use crate::ops::{self, Activation, Finish};

/// Convolution with the weights w'' = w' / √(Σ w'² + 1e-8), a sum over all that leads to one channel of the output, of
/// w' = s·w: s, a factor for each channel of the input, is an affine function of a named input of the network, the
/// style, and starts around 1.
///
/// Computed by factors on the channels before and after a convolution with w, which is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModulatedConv {
    /// the name of the style
    pub input: String,
    /// channels of the output
    pub out: Dim,
    /// size of the kernel
    pub kernel: Pair,
    /// zeros added around the input; with `up`, rows and columns cut from the output
    #[serde(default)]
    pub padding: Padding,
    /// how much larger the output is: above 1, the convolution is a transposed one of this stride
    #[serde(default = "once")]
    pub up: usize,
    /// whether w'' is taken, or w' as it is
    #[serde(default = "yes")]
    pub demodulate: bool,
    /// whether a bias is added
    #[serde(default = "yes")]
    pub bias: bool,
    /// whether weights are scaled at run time instead of at the start
    #[serde(
        default,
        deserialize_with = "switch",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Switch<Equalised>")]
    pub equalised: Option<Equalised>,
}

fn once() -> usize {
    1
}

/// Added to the sum of squares.
const EPS: f64 = 1e-8;

struct Computation {
    input: String,
    affine: Affine,
    weight: Weight,
    bias: Option<Slot>,
    demodulate: bool,
    /// the rows and columns added by a transposed convolution, if it is one
    transposed: Option<(usize, usize)>,
    conv: ops::Conv,
    activation: Activation,
}

impl Layer for ModulatedConv {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let input = image(input, builder)?;
        let [channels, ..] = input;
        let out = builder.size(&self.out)?;
        if self.up == 0 {
            return Err(builder.misfit("cannot enlarge by 0"));
        }
        let (kernel, stride) = (self.kernel, Pair::square(self.up));
        let (padding, transposed, (height, width)) = if self.up == 1 {
            let padding = self.padding.around(input, kernel, stride);
            (
                padding,
                None,
                slide(input, kernel, stride, padding, builder)?,
            )
        } else {
            let (padding, extra) = self.padding.cut(kernel, stride, Extra::default());
            let sides = transposed(input, kernel, stride, padding, extra, builder)?;
            (padding, Some((extra.height, extra.width)), sides)
        };
        let affine = Affine::declare(
            "affine",
            (style(&self.input, builder)?, channels),
            Role::One,
            self.equalised,
            builder,
        )?;
        let area = kernel.height * kernel.width;
        let (fan_in, shape) = match transposed {
            None => (
                channels * area,
                [out, channels, kernel.height, kernel.width],
            ),
            Some(_) => (out * area, [channels, out, kernel.height, kernel.width]),
        };
        let role = Role::ConvWeight {
            fan_in,
            fan_out: (channels + out) * area - fan_in,
        };
        let form = Form {
            equalised: self.equalised,
            ..Form::default()
        };
        let summed = channels * area;
        let computation = Computation {
            input: self.input.clone(),
            affine,
            weight: Weight::declare("weight", &shape, role, summed, form, builder)?,
            bias: form.bias(self.bias, out, fan_in, builder)?,
            demodulate: self.demodulate,
            transposed,
            conv: ops::Conv {
                stride: if transposed.is_some() {
                    stride.tuple()
                } else {
                    (1, 1)
                },
                padding: padding.into(),
                groups: 1,
            },
            activation: Activation::Identity,
        };
        Ok(Built::new(vec![out, height, width], computation))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let factors = self.affine.value(run.input(&self.input)?, run)?;
        let weight = self.weight.value(run)?;
        let bias = self.bias.map(|slot| run.parameter(slot));
        let finish = Finish {
            bias: bias.as_ref(),
            activation: self.activation,
        };
        let x = ops::scale_channels(x, &factors)?;
        if !self.demodulate {
            return Ok(self.convolve(&x, &weight, finish)?);
        }
        let sums = self.convolve(&x, &weight, None.into())?;
        let sums = ops::scale_channels(&sums, &self.demodulation(&weight, &factors)?)?;
        Ok(finish.apply(&sums)?)
    }

    fn absorb(&mut self, activation: Activation) -> bool {
        absorb(&mut self.activation, activation)
    }
}

impl Computation {
    fn convolve(
        &self,
        x: &Value,
        weight: &Value,
        finish: Finish<'_>,
    ) -> candle_core::Result<Value> {
        match self.transposed {
            None => ops::conv2d(x, weight, finish, &self.conv),
            Some(extra) => ops::conv_transpose2d(x, weight, finish, &self.conv, extra),
        }
    }

    /// 1 / √(Σ (s·w)² + eps), (N, out).
    fn demodulation(&self, weight: &Value, factors: &Value) -> candle_core::Result<Value> {
        let (first, second, height, width) = weight.tensor().dims4()?;
        let squares = weight
            .reshape((first * second, height * width))?
            .sqr()?
            .sum_last()?
            .reshape((first, second))?;
        let squares = match self.transposed {
            None => squares.transpose(0, 1)?,
            Some(_) => squares,
        };
        let root = factors.sqr()?.matmul(&squares)?.affine(1.0, EPS)?.sqrt()?;
        let ones = Tensor::ones(root.shape(), root.dtype(), root.device())?;
        Value::constant(ones).div(&root)
    }
}
