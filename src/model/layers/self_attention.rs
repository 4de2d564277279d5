//! `self-attention`: every pixel looks at every other (Zhang et al. 2019, SAGAN).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::weight::{Form, SpectralNorm, Switch, Weight, switch};
use super::window::image;
use crate::autograd::Value;
use crate::model::build::{Builder, Built, Forward, Layer, Slot, text};
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::Run;
use crate::ops::{self, Conv};

/// x + γ · v(Σᵢ βⱼᵢ h(xᵢ)), where βⱼᵢ is the softmax over i of f(xᵢ)·g(xⱼ). As in the paper, f, g and h are 1×1 convolutions
/// to channels/reduction channels and v one back, without biases, and γ starts as 0. (The authors' code has channels/2
/// for h, and looks at pooled pixels.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelfAttention {
    /// how many times fewer channels attention is computed in
    #[serde(default = "eight")]
    pub reduction: usize,
    /// whether the weights are divided by their largest singular values
    #[serde(
        default,
        deserialize_with = "switch",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Switch<SpectralNorm>")]
    pub spectral_norm: Option<SpectralNorm>,
}

fn eight() -> usize {
    8
}

struct Computation {
    f: Weight,
    g: Weight,
    h: Weight,
    v: Weight,
    gamma: Slot,
}

impl Layer for SelfAttention {
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
        let [channels, ..] = image(input, builder)?;
        if self.reduction == 0 || !channels.is_multiple_of(self.reduction) {
            return Err(builder.misfit(format_args!(
                "cannot reduce the {channels} channels of {} {} times",
                text(input),
                self.reduction
            )));
        }
        let inner = channels / self.reduction;
        let form = Form {
            spectral_norm: self.spectral_norm,
            ..Form::default()
        };
        let mut weight = |name: &str, from: usize, to: usize| {
            let role = Role::ConvWeight {
                fan_in: from,
                fan_out: to,
            };
            Weight::declare(name, &[to, from, 1, 1], role, from, form, builder)
        };
        let computation = Computation {
            f: weight("f.weight", channels, inner)?,
            g: weight("g.weight", channels, inner)?,
            h: weight("h.weight", channels, inner)?,
            v: weight("v.weight", inner, channels)?,
            gamma: builder.parameter("gamma", &[1], Role::Zero)?,
        };
        Ok(Built::new(input.to_vec(), computation))
    }
}

impl Forward for Computation {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        let (n, c, h, w) = x.tensor().dims4()?;
        let maps = |x: &Value, weight: &Weight| -> Result<Value, ModelError> {
            Ok(ops::conv2d(x, &weight.value(run)?, None, &Conv::default())?)
        };
        let flat = |x: Value| -> candle_core::Result<Value> {
            let channels = x.tensor().dim(1)?;
            x.reshape((n, channels, h * w))
        };
        let keys = flat(maps(x, &self.f)?)?;
        let queries = flat(maps(x, &self.g)?)?.transpose(1, 2)?;
        let values = flat(maps(x, &self.h)?)?;
        // (N, pixels j, pixels i)
        let attention = ops::softmax(&queries.batch_matmul(&keys)?)?;
        let seen = values.batch_matmul(&attention.transpose(1, 2)?)?;
        let inner = seen.tensor().dim(1)?;
        let seen = maps(&seen.reshape((n, inner, h, w))?, &self.v)?;
        let gamma = run.parameter(self.gamma).broadcast_as((n, c))?;
        Ok(x.add(&ops::scale_channels(&seen, &gamma)?)?)
    }
}
