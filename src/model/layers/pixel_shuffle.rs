//! `pixel-shuffle`: channels become pixels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::upsample::twice;
use super::window::image;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;
use crate::ops;

/// Every `scale`² channels become one whose images are `scale` times larger in both directions: each pixel
/// a block of `scale` × `scale` (Shi et al. 2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PixelShuffle {
    /// how much larger the output is
    #[serde(default = "twice")]
    pub scale: usize,
}

struct Computation(usize);

impl Layer for PixelShuffle {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let [channels, height, width] = image(input, builder)?;
        let block = self
            .scale
            .checked_mul(self.scale)
            .filter(|block| *block > 0);
        let Some(block) = block.filter(|block| channels % block == 0) else {
            return Err(builder.misfit(format_args!(
                "cannot make blocks of {0} × {0} pixels of the channels of {1}",
                self.scale,
                text(input)
            )));
        };
        let shape = vec![channels / block, height * self.scale, width * self.scale];
        Ok(Built::new(shape, Computation(self.scale)))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        Ok(ops::pixel_shuffle(x, self.0)?)
    }
}
