//! `minibatch-stddev` (Karras et al. 2018): tells a discriminator how much the images of a batch differ.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;

/// Appends constant channels: the standard deviation over a group of samples of each number, averaged over pixels and
/// channels. Samples of a group lie as far apart in the batch as can be, as in `StyleGAN2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MinibatchStddev {
    /// samples of a group, at most: the largest number up to this that divides the batch
    #[serde(default = "four")]
    pub group: usize,
    /// how many channels are appended, each for an equal share of the input's channels
    #[serde(default = "single")]
    pub features: usize,
}

fn four() -> usize {
    4
}

fn single() -> usize {
    1
}

/// Added to the variance.
const EPS: f64 = 1e-8;

struct Computation(MinibatchStddev);

impl Layer for MinibatchStddev {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let (&[channels] | &[channels, _, _]) = input else {
            return Err(builder.misfit(format_args!(
                "needs an input of (features) or (channels, height, width), but gets {}",
                text(input)
            )));
        };
        if self.group == 0 {
            return Err(builder.misfit("needs a group of at least 1"));
        }
        if self.features == 0 || !channels.is_multiple_of(self.features) {
            return Err(builder.misfit(format_args!(
                "cannot make {} features of the {channels} channels of {}",
                self.features,
                text(input)
            )));
        }
        let mut shape = input.to_vec();
        shape[0] += self.features;
        Ok(Built::new(shape, Computation(self.clone())))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        let (samples, features) = (x.tensor().dim(0)?, self.0.features);
        let divides = |group: &usize| samples.is_multiple_of(*group);
        let group = (1..=self.0.group).rev().find(divides).unwrap_or(1);
        let groups = samples / group;
        let numbers = x.elem_count() / group;
        let apart = x.reshape((group, numbers))?;
        let mean = apart
            .sum_to((1, numbers))?
            .affine(1.0 / group as f64, 0.0)?;
        let variance = apart
            .sub(&mean.broadcast_as((group, numbers))?)?
            .sqr()?
            .sum_to((1, numbers))?
            .affine(1.0 / group as f64, EPS)?;
        let averaged = numbers / (groups * features);
        let deviation = variance
            .sqrt()?
            .reshape((groups * features, averaged))?
            .sum_last()?
            .affine(1.0 / averaged as f64, 0.0)?;
        let pixels: usize = x.dims()[2..].iter().product();
        let mut shape = x.dims().to_vec();
        shape[1] = features;
        let maps = deviation
            .reshape((1, groups * features, 1))?
            .broadcast_as((group, groups * features, pixels))?
            .reshape(shape)?;
        Ok(Value::cat(&[x, &maps], 1)?)
    }
}
