//! `upsample`: each pixel repeated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::window::image;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;
use crate::ops;

/// Repeats each pixel `scale` times in both directions (nearest neighbour).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upsample {
    /// how much larger the output is
    #[serde(default = "twice")]
    pub scale: usize,
}

fn twice() -> usize {
    2
}

struct Computation(usize);

impl Layer for Upsample {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let [channels, height, width] = image(input, builder)?;
        let sides = (
            height.checked_mul(self.scale),
            width.checked_mul(self.scale),
        );
        match sides {
            (Some(height), Some(width)) if self.scale > 0 => Ok(Built::new(
                vec![channels, height, width],
                Computation(self.scale),
            )),
            _ => Err(builder.misfit(format_args!(
                "cannot scale {} by {}",
                text(input),
                self.scale
            ))),
        }
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, _: &Run<'_>) -> Result<Value, ModelError> {
        Ok(ops::upsample_nearest2d(x, self.0)?)
    }
}
