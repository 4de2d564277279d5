//! `dropout` (Srivastava et al. 2014): sets numbers to zero at random.

use candle_core::{Tensor, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer};
use crate::model::error::{ModelError, ShapeError};
use crate::model::inputs::{Mode, Run};

/// Sets each number to 0 with probability p and divides the rest by 1 − p.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// probability of being dropped, in [0, 1)
    #[serde(default = "half")]
    pub p: f64,
    /// whether it drops after training too
    #[serde(default)]
    pub always: bool,
}

fn half() -> f64 {
    0.5
}

struct Computation {
    p: f64,
    always: bool,
    path: String,
}

impl Layer for Dropout {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        if !(0.0..1.0).contains(&self.p) {
            return Err(builder.misfit(format_args!("needs p in [0, 1), but has {}", self.p)));
        }
        let path = builder.path().to_owned();
        Ok(Built::new(
            input.to_vec(),
            Computation {
                p: self.p,
                always: self.always,
                path,
            },
        ))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        if self.p == 0.0 || !(self.always || run.mode == Mode::Train) {
            return Ok(x.clone());
        }
        Ok(x.mul(&self.mask(x.tensor(), run)?.into())?)
    }
}

impl Computation {
    fn mask(&self, x: &Tensor, run: &Run<'_>) -> candle_core::Result<Tensor> {
        let samples = x.dim(0)?;
        let each = x.elem_count() / samples.max(1);
        let dropped_below = (self.p * f64::from(u32::MAX)) as u32;
        let kept = (1.0 / (1.0 - self.p)) as f32;
        let mut mask = Vec::with_capacity(x.elem_count());
        for k in 0..samples {
            let Some(mut stream) = run.noise(&self.path, k) else {
                bail!(
                    "dropout needs to be told where its random numbers come from (Inputs::noise)"
                );
            };
            mask.extend((0..each).map(|_| {
                if stream.next_u32() < dropped_below {
                    0.0
                } else {
                    kept
                }
            }));
        }
        Tensor::from_vec(mask, x.shape(), x.device())
    }
}
