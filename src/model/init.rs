//! The values parameters start from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::orthogonal::orthonormal;
use crate::rng::Stream;

/// A rule for initial values. Fans are counted as `PyTorch` does, by the weight's own order of dimensions: of a
/// transposed convolution, fan-in is output channels × kernel area.
///
/// From `xavier` on a rule is for the weights of convolutions and linear layers; biases are 0 then, and the
/// factors of normalisations 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
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
    /// Glorot & Bengio 2010: uniform in ±√(6/(fan-in + fan-out)). Keras's default.
    Xavier,
    /// Glorot & Bengio 2010 with normal numbers: N(0, √(2/(fan-in + fan-out))).
    XavierNormal,
    /// Normal numbers of this standard deviation, whatever the shape: `normal: 0.02`.
    Normal(f64),
    /// He et al. 2015, for ReLU: N(0, √(2/fan-in)).
    He,
    /// He et al. 2015 with uniform numbers: in ±√(6/fan-in).
    HeUniform,
    /// Saxe et al. 2014: a random matrix (first dimension × the others) with orthonormal rows or columns,
    /// whichever are fewer.
    Orthogonal,
}

/// What a tensor does in its layer; initial values depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// kernel of a convolution or transposed convolution
    ConvWeight { fan_in: usize, fan_out: usize },
    /// matrix of a linear layer
    LinearWeight { fan_in: usize, fan_out: usize },
    /// bias of a linear layer or convolution
    Bias { fan_in: usize },
    /// a normalisation's factor
    Scale,
    /// a normalisation's running variance
    RunningVariance,
    /// a normalisation's offset or running mean
    Zero,
    /// numbers N(0, 1) whatever the rule: the layer scales them itself
    Unit,
    /// a vector of length 1 in a random direction, whatever the rule
    Direction,
    /// 1 whatever the rule
    One,
}

impl Init {
    /// Initial values for a tensor of `shape` that plays `role`.
    pub(super) fn values(self, role: Role, shape: &[usize], stream: &mut Stream) -> Vec<f32> {
        let count = shape.iter().product();
        match role {
            Role::Scale if self == Self::Dcgan => normal(1.0, 0.02, count, stream),
            Role::Scale | Role::RunningVariance | Role::One => vec![1.0; count],
            Role::Zero => vec![0.0; count],
            Role::Unit => normal(0.0, 1.0, count, stream),
            Role::Direction => direction(count, stream),
            Role::Bias { fan_in } => match self {
                Self::Dcgan | Self::Pytorch | Self::Kaiming => {
                    uniform(1.0 / (fan_in as f64).sqrt(), count, stream)
                }
                _ => vec![0.0; count],
            },
            Role::ConvWeight { fan_in, fan_out } => match self {
                Self::Dcgan => normal(0.0, 0.02, count, stream),
                Self::Kaiming => normal(0.0, (2.0 / fan_out as f64).sqrt(), count, stream),
                _ => self.weight(fan_in, fan_out, shape, stream),
            },
            Role::LinearWeight { fan_in, fan_out } => self.weight(fan_in, fan_out, shape, stream),
        }
    }

    /// A weight without a rule for its kind of layer.
    fn weight(
        self,
        fan_in: usize,
        fan_out: usize,
        shape: &[usize],
        stream: &mut Stream,
    ) -> Vec<f32> {
        let count = shape.iter().product();
        let (both, fan_in) = ((fan_in + fan_out) as f64, fan_in as f64);
        match self {
            Self::Dcgan | Self::Pytorch | Self::Kaiming => {
                uniform(1.0 / fan_in.sqrt(), count, stream)
            }
            Self::Xavier => uniform((6.0 / both).sqrt(), count, stream),
            Self::XavierNormal => normal(0.0, (2.0 / both).sqrt(), count, stream),
            Self::Normal(deviation) => normal(0.0, deviation, count, stream),
            Self::He => normal(0.0, (2.0 / fan_in).sqrt(), count, stream),
            Self::HeUniform => uniform((6.0 / fan_in).sqrt(), count, stream),
            Self::Orthogonal => {
                let rows = shape.first().copied().unwrap_or(1);
                orthonormal(rows, count / rows, stream)
            }
        }
    }
}

fn normal(mean: f64, deviation: f64, count: usize, stream: &mut Stream) -> Vec<f32> {
    (0..count)
        .map(|_| (mean + deviation * stream.normal()) as f32)
        .collect()
}

/// Normal numbers divided by the root of the sum of their squares.
fn direction(count: usize, stream: &mut Stream) -> Vec<f32> {
    let numbers: Vec<f64> = (0..count).map(|_| stream.normal()).collect();
    let length = numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
    numbers.iter().map(|x| (x / length) as f32).collect()
}

/// Uniform in ±`bound`.
fn uniform(bound: f64, count: usize, stream: &mut Stream) -> Vec<f32> {
    (0..count)
        .map(|_| stream.uniform(-bound, bound) as f32)
        .collect()
}
