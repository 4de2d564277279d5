//! The values parameters start from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rng::Stream;

/// A rule for initial values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// `PyTorch`'s DCGAN tutorial: convolutions N(0, 0.02), batch norm scale N(1, 0.02), the rest as `pytorch`.
    Dcgan,
    /// `PyTorch`'s defaults: weights and biases uniform in ±1/√fan-in, batch norm 1 and 0.
    #[default]
    Pytorch,
    /// He et al. 2015 as torchvision's residual networks use it: convolutions N(0, √(2/fan-out)), the rest as
    /// `pytorch`.
    Kaiming,
}

/// What a tensor does in its layer; initial values depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// kernel of a convolution or transposed convolution
    ConvWeight { fan_in: usize, fan_out: usize },
    /// matrix of a linear layer
    LinearWeight { fan_in: usize },
    /// bias of a linear layer or convolution
    Bias { fan_in: usize },
    /// a normalisation's factor
    Scale,
    /// a normalisation's running variance
    RunningVariance,
    /// a normalisation's offset or running mean
    Zero,
}

impl Init {
    /// `count` initial values for a tensor that plays `role`.
    pub(super) fn values(self, role: Role, count: usize, stream: &mut Stream) -> Vec<f32> {
        let mut normal = |mean: f64, deviation: f64| -> Vec<f32> {
            (0..count)
                .map(|_| (mean + deviation * stream.normal()) as f32)
                .collect()
        };
        match (self, role) {
            (Self::Dcgan, Role::ConvWeight { .. }) => normal(0.0, 0.02),
            (Self::Dcgan, Role::Scale) => normal(1.0, 0.02),
            (Self::Kaiming, Role::ConvWeight { fan_out, .. }) => {
                normal(0.0, (2.0 / fan_out as f64).sqrt())
            }
            (
                _,
                Role::ConvWeight { fan_in, .. }
                | Role::LinearWeight { fan_in }
                | Role::Bias { fan_in },
            ) => {
                let bound = 1.0 / (fan_in as f64).sqrt();
                (0..count)
                    .map(|_| stream.uniform(-bound, bound) as f32)
                    .collect()
            }
            (_, Role::Scale | Role::RunningVariance) => vec![1.0; count],
            (_, Role::Zero) => vec![0.0; count],
        }
    }
}
