//! `pixel-norm` (Karras et al. 2018): every vector brought to one length.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;

/// x / √(mean of x² + eps), the mean over the features, or over the channels of each pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PixelNorm {
    /// added to the mean
    #[serde(default = "small")]
    pub eps: f64,
}

fn small() -> f64 {
    1e-8
}

struct Computation(f64);

impl Layer for PixelNorm {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        if !matches!(input, [_] | [_, _, _]) {
            return Err(builder.misfit(format_args!(
                "needs an input of (features) or (channels, height, width), but gets {}",
                text(input)
            )));
        }
        if !(self.eps >= 0.0 && self.eps.is_finite()) {
            return Err(builder.misfit(format_args!("needs eps ≥ 0, but has {}", self.eps)));
        }
        Ok(Built::new(input.to_vec(), Computation(self.eps)))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        let mut one = x.dims().to_vec();
        let channels = std::mem::replace(&mut one[1], 1);
        let mean = x
            .sqr()?
            .sum_to(one)?
            .affine(1.0 / channels as f64, self.0)?;
        let root = mean.sqrt()?.broadcast_as(x.shape().clone())?;
        Ok(x.div(&root)?)
    }
}
