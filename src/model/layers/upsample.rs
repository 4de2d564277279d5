//! `upsample`: more pixels between the pixels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::window::image;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::Run;
use crate::ops;

/// Enlarges images `scale` times in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upsample {
    /// how much larger the output is
    #[serde(default = "twice")]
    pub scale: usize,
    /// where new pixels come from
    #[serde(default)]
    pub mode: UpsampleMode,
}

/// Where the pixels of an enlarged image come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpsampleMode {
    /// each pixel repeated
    #[default]
    Nearest,
    /// a blend of the four pixels around
    Bilinear,
}

pub(super) fn twice() -> usize {
    2
}

struct Computation(Upsample);

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
                Computation(self.clone()),
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
        let Upsample { scale, mode } = self.0;
        Ok(match mode {
            UpsampleMode::Nearest => ops::upsample_nearest2d(x, scale)?,
            UpsampleMode::Bilinear => ops::upsample_bilinear2d(x, scale)?,
        })
    }
}
