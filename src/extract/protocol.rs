//! How images become what an extractor reads: the part in which implementations of FID differ.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resample::Resample;

/// A way to prepare images. Values under different protocols do not compare.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// As torch-fidelity 0.4 and the original `TensorFlow` code: 8-bit images, `TensorFlow` 1's bilinear resize.
    #[default]
    TorchFidelity,
    /// As pytorch-fid 0.3: bilinear resize with pixel centres (`align_corners=False`), no antialiasing.
    PytorchFid,
    /// As clean-fid (Parmar et al. 2022): Pillow's bicubic resize of each channel in floats, antialiased, clipped to
    /// 0 … 255.
    CleanFid,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TorchFidelity, Self::PytorchFid, Self::CleanFid];

    /// Its name in YAML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TorchFidelity => "torch-fidelity",
            Self::PytorchFid => "pytorch-fid",
            Self::CleanFid => "clean-fid",
        }
    }

    /// How it resamples.
    pub const fn resample(self) -> Resample {
        match self {
            Self::TorchFidelity => Resample::TensorFlowBilinear,
            Self::PytorchFid => Resample::TorchBilinear,
            Self::CleanFid => Resample::PillowBicubic,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Protocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name);
        found.ok_or_else(|| format!("expected one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}
