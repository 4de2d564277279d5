//! What settings of a train stage are called: tasks, losses, reductions, number formats.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::loss::{GanLoss, Reconstruction};

/// What a model is trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskName {
    /// a `generator` and a `discriminator` against each other
    Gan,
    /// a `classifier` of the data's labels
    Classifier,
    /// an `encoder` and a `decoder` of images (a variational autoencoder)
    Vae,
}

impl TaskName {
    /// The name in YAML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gan => "gan",
            Self::Classifier => "classifier",
            Self::Vae => "vae",
        }
    }

    /// What is trained, as people say it.
    pub const fn spoken(self) -> &'static str {
        match self {
            Self::Gan => "GAN",
            Self::Classifier => "classifier",
            Self::Vae => "VAE",
        }
    }

    /// The networks it trains.
    pub const fn networks(self) -> &'static [&'static str] {
        match self {
            Self::Gan => &["generator", "discriminator"],
            Self::Classifier => &["classifier"],
            Self::Vae => &["encoder", "decoder"],
        }
    }

    /// Networks that it trains too, if the model has them, and whose settings these take where they have none of
    /// their own.
    pub const fn companions(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Gan => &[("mapping", "generator")],
            Self::Classifier | Self::Vae => &[],
        }
    }

    /// All networks it can train.
    pub fn all_networks(self) -> Vec<&'static str> {
        let companions = self.companions().iter().map(|(name, _)| *name);
        self.networks().iter().copied().chain(companions).collect()
    }

    /// Networks that `ema` keeps averages of.
    pub const fn averaged(self) -> &'static [&'static str] {
        match self {
            Self::Gan => &["generator", "mapping"],
            Self::Classifier | Self::Vae => &[],
        }
    }

    /// Whether it makes images of noise.
    pub const fn has_latent(self) -> bool {
        matches!(self, Self::Gan | Self::Vae)
    }
}

/// How the terms of an image become a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReductionName {
    /// their mean
    Mean,
    /// their sum
    Sum,
}

/// What keeps gradients from being too large.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClipSettings {
    /// `norm: 1`: all of a network's gradients are scaled down until their Euclidean norm is at most this.
    Norm(f64),
    /// `value: 0.1`: each number is cut off at ± this.
    Value(f64),
}

/// A loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    /// Classifiers: `cross-entropy` when every image has exactly one label, else `bce`.
    ByLabels,
    /// Binary cross-entropy. Of a GAN the non-saturating form; of a classifier each class on its own.
    #[serde(alias = "non-saturating")]
    Bce,
    /// Softmax cross-entropy, for exactly one label an image. Classifiers.
    CrossEntropy,
    /// Binary cross-entropy whose generator minimises what the discriminator maximises (Goodfellow et al. 2014). GANs.
    Minimax,
    /// Least squares (Mao et al. 2017). GANs.
    #[serde(rename = "lsgan")]
    LeastSquares,
    /// The hinge loss (Miyato et al. 2018). GANs.
    Hinge,
    /// Wasserstein distance (Arjovsky et al. 2017), for a critic that something keeps from growing steep. GANs.
    Wasserstein,
    /// Wasserstein distance with gradient penalty, and the settings of Gulrajani et al. 2017. GANs.
    WganGp,
    /// Mean squared error of a reconstruction. VAEs.
    Mse,
    /// Mean absolute error of a reconstruction. VAEs.
    L1,
}

impl LossName {
    /// As a GAN's loss, if it is one.
    pub const fn gan(self) -> Option<GanLoss> {
        match self {
            Self::Bce => Some(GanLoss::Bce),
            Self::Minimax => Some(GanLoss::Minimax),
            Self::LeastSquares => Some(GanLoss::LeastSquares),
            Self::Hinge => Some(GanLoss::Hinge),
            Self::Wasserstein | Self::WganGp => Some(GanLoss::Wasserstein),
            Self::ByLabels | Self::CrossEntropy | Self::Mse | Self::L1 => None,
        }
    }

    /// As a VAE's loss, if it is one.
    pub const fn reconstruction(self) -> Option<Reconstruction> {
        match self {
            Self::Mse => Some(Reconstruction::Mse),
            Self::L1 => Some(Reconstruction::L1),
            _ => None,
        }
    }

    /// The losses of a task, by name.
    pub const fn of(task: TaskName) -> &'static str {
        match task {
            TaskName::Gan => "bce, minimax, lsgan, hinge, wasserstein or wgan-gp",
            TaskName::Classifier => "by-labels, bce or cross-entropy",
            TaskName::Vae => "mse or l1",
        }
    }
}

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point
    #[default]
    F32,
}
