//! The weight of a linear layer or convolution, as it is or in another form: divided by its largest singular value
//! (`spectral_norm`, Miyato et al. 2018), or scaled at run time (`equalised`, Karras et al. 2018).

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::autograd::Value;
use crate::model::build::{BufferSlot, Builder, Slot};
use crate::model::error::{ModelError, ShapeError};
use crate::model::init::Role;
use crate::model::inputs::{Mode, Run};
use crate::ops::{Singular, spectral_norm};

/// Spectral normalisation as in `PyTorch`: a forward pass in training first improves the singular vectors, which are
/// buffers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpectralNorm {
    /// rounds of the power method before each forward pass in training
    pub iterations: usize,
    /// the least length that a vector is divided by
    pub eps: f64,
}

impl Default for SpectralNorm {
    fn default() -> Self {
        Self {
            iterations: 1,
            eps: 1e-12,
        }
    }
}

/// Weights that start from N(0, 1), whatever `init` says, and are multiplied by gain/√fan-in when they are used; biases
/// start from 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Equalised {
    /// √2 keeps the variance through a ReLU
    pub gain: f64,
}

impl Default for Equalised {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

/// `true`, `false`, or settings, which mean `true`.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum Switch<T> {
    /// with the usual settings, or not at all
    Plain(bool),
    /// with settings
    With(T),
}

/// Reads a [`Switch`].
pub(super) fn switch<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    struct SwitchVisitor<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for SwitchVisitor<T> {
        type Value = Option<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true, false, or settings")
        }
        fn visit_bool<E: de::Error>(self, on: bool) -> Result<Option<T>, E> {
            Ok(on.then(T::default))
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    deserializer.deserialize_any(SwitchVisitor(PhantomData))
}

/// What form a weight has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Form {
    pub spectral_norm: Option<SpectralNorm>,
    pub equalised: Option<Equalised>,
    /// whether output channels are the second dimension instead of the first
    pub outputs_second: bool,
}

impl Form {
    /// Declares the bias beside such a weight, if there is one.
    pub fn bias(
        &self,
        wanted: bool,
        out: usize,
        fan_in: usize,
        builder: &mut Builder<'_>,
    ) -> Result<Option<Slot>, ShapeError> {
        let role = match self.equalised {
            Some(_) => Role::Zero,
            None => Role::Bias { fan_in },
        };
        wanted
            .then(|| builder.parameter("bias", &[out], role))
            .transpose()
    }
}

/// A weight as its layer uses it.
pub(super) struct Weight {
    slot: Slot,
    scale: Option<f64>,
    spectral: Option<Spectral>,
}

struct Spectral {
    u: BufferSlot,
    v: BufferSlot,
    settings: SpectralNorm,
    outputs_second: bool,
}

impl Weight {
    /// Declares the tensor `name` of the layer being built, of which `summed` numbers meet in one of the output.
    pub fn declare(
        name: &str,
        shape: &[usize],
        role: Role,
        summed: usize,
        form: Form,
        builder: &mut Builder<'_>,
    ) -> Result<Self, ShapeError> {
        let (role, scale) = match form.equalised {
            Some(Equalised { gain }) if !(gain.is_finite() && gain > 0.0) => {
                return Err(builder.misfit(format_args!("needs a gain above 0, but has {gain}")));
            }
            Some(Equalised { gain }) => (Role::Unit, Some(gain / (summed as f64).sqrt())),
            None => (role, None),
        };
        let slot = builder.parameter(name, shape, role)?;
        let spectral = match form.spectral_norm {
            Some(SpectralNorm { iterations, eps })
                if iterations == 0 || !(eps.is_finite() && eps >= 0.0) =>
            {
                return Err(builder.misfit(format_args!(
                    "needs at least 1 iteration and eps ≥ 0 for its spectral norm, but has {iterations} and {eps}"
                )));
            }
            Some(settings) => {
                let rows = shape[usize::from(form.outputs_second)];
                let columns = shape.iter().product::<usize>() / rows;
                Some(Spectral {
                    u: builder.buffer(&format!("{name}_u"), &[rows], Role::Direction)?,
                    v: builder.buffer(&format!("{name}_v"), &[columns], Role::Direction)?,
                    settings,
                    outputs_second: form.outputs_second,
                })
            }
            None => None,
        };
        Ok(Self {
            slot,
            scale,
            spectral,
        })
    }

    /// The tensor that it is, if it is used as it is.
    pub fn plain(&self) -> Option<Slot> {
        (self.scale.is_none() && self.spectral.is_none()).then_some(self.slot)
    }

    /// The weight for one forward pass.
    pub fn value(&self, run: &Run<'_>) -> Result<Value, ModelError> {
        let weight = run.parameter(self.slot);
        let weight = match self.scale {
            Some(scale) => weight.affine(scale, 0.0)?,
            None => weight,
        };
        match &self.spectral {
            Some(spectral) => Ok(spectral.divided(&weight, run)?),
            None => Ok(weight),
        }
    }
}

impl Spectral {
    fn divided(&self, weight: &Value, run: &Run<'_>) -> candle_core::Result<Value> {
        let matrix = if self.outputs_second {
            weight.transpose(0, 1)?.flatten_rows()?
        } else {
            weight.flatten_rows()?
        };
        let (u, v) = (run.buffer(self.u), run.buffer(self.v));
        let kept = Singular {
            u: u.clone(),
            v: v.clone(),
        };
        let SpectralNorm { iterations, eps } = self.settings;
        let vectors = match run.mode {
            Mode::Train => {
                let improved = kept.improved(matrix.tensor(), iterations, eps)?;
                u.slice_set(&improved.u, 0, 0)?;
                v.slice_set(&improved.v, 0, 0)?;
                improved
            }
            // Copies: a later pass in training must not change what this one's way back refers to.
            Mode::Eval => kept.improved(matrix.tensor(), 0, eps)?,
        };
        spectral_norm(weight, &matrix, &vectors)
    }
}
