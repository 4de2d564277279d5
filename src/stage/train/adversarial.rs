//! Settings of a GAN beyond the loss's name: weights, averages, and what can be wrong with all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::brief::{Main, float};
use super::config::TrainConfig;
use super::labels::LabelSettings;
use super::penalty::Divergence;
use super::range::{below_one, positive};
use crate::ops::Policy;
use crate::stage::Fault;
use crate::stage::defaults::is_default;
use crate::train::Average;

/// An entry of `diff_augment:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiffAugment {
    /// brightness, saturation and contrast
    Color,
    /// moved by up to an eighth of each side
    Translation,
    /// a square of half of each side blanked out
    Cutout,
}

impl DiffAugment {
    pub(super) const fn policy(self) -> Policy {
        match self {
            Self::Color => Policy::Color,
            Self::Translation => Policy::Translation,
            Self::Cutout => Policy::Cutout,
        }
    }
}

/// `adversarial_weight:`, weights of the adversarial terms in the losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdversarialWeight {
    /// in the generator's
    pub generator: f64,
    /// in the discriminator's
    pub discriminator: f64,
}

/// `ema:`, a moving average of the generator's weights, which samples and metrics then use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AverageSettings {
    /// share of the average that stays at each generator step, in [0, 1)
    pub decay: f64,
    /// generator steps for which the average simply follows; 0 if not given
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: u64,
}

impl Main for AdversarialWeight {
    fn of(number: Number) -> Result<Self, String> {
        let weight = float(&number);
        Ok(Self {
            generator: weight,
            discriminator: weight,
        })
    }

    fn alone(&self) -> Option<Number> {
        #[expect(clippy::float_cmp, reason = "equal as written")]
        let same = self.generator == self.discriminator;
        Number::from_f64(self.generator).filter(|_| same)
    }
}

impl Main for AverageSettings {
    fn of(number: Number) -> Result<Self, String> {
        Ok(Self {
            decay: float(&number),
            start: 0,
        })
    }

    fn alone(&self) -> Option<Number> {
        Number::from_f64(self.decay).filter(|_| self.start == 0)
    }
}

impl Default for AdversarialWeight {
    fn default() -> Self {
        Self {
            generator: 1.0,
            discriminator: 1.0,
        }
    }
}

impl AdversarialWeight {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.alone().is_some() {
            positive(&mut faults, "", "a weight", self.generator);
        } else {
            positive(&mut faults, "generator", "a weight", self.generator);
            positive(&mut faults, "discriminator", "a weight", self.discriminator);
        }
        faults
    }
}

impl AverageSettings {
    pub(super) fn average(&self) -> Average {
        Average {
            decay: self.decay,
            start: self.start,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        below_one(&mut faults, "decay", "a decay", self.decay);
        faults
    }
}

/// What is wrong with the settings of a GAN, for data with `classes` labels, if that is known.
pub(super) fn faults(config: &TrainConfig, classes: Option<usize>) -> Vec<Fault> {
    let each = [
        (
            "gradient_penalty",
            config.gradient_penalty.as_ref().map(|p| p.faults()),
        ),
        ("r1", config.r1.as_ref().map(|penalty| penalty.faults())),
        ("r2", config.r2.as_ref().map(|penalty| penalty.faults())),
        (
            "divergence",
            config.divergence.as_ref().map(Divergence::faults),
        ),
        (
            "critic_steps",
            config.critic_steps.as_ref().map(|steps| steps.faults()),
        ),
        (
            "weight_clip",
            config.weight_clip.as_ref().map(|clip| clip.faults()),
        ),
        ("labels", config.labels.as_ref().map(LabelSettings::faults)),
        (
            "auxiliary",
            config.auxiliary.as_ref().map(|a| a.faults(classes)),
        ),
        (
            "adversarial_weight",
            config.adversarial_weight.as_ref().map(|w| w.faults()),
        ),
        ("ema", config.ema.as_ref().map(|average| average.faults())),
    ];
    let below = |(setting, faults): (&str, Option<Vec<Fault>>)| {
        let faults = faults.unwrap_or_default().into_iter();
        faults.map(|fault| fault.below(setting)).collect::<Vec<_>>()
    };
    let mut faults: Vec<Fault> = each.into_iter().flat_map(below).collect();
    if config.labels.is_some() && config.loss.gan().is_some_and(|loss| !loss.has_labels()) {
        let message = "this loss has no labels: they belong to bce, minimax and lsgan";
        faults.push(Fault::at("labels", message));
    }
    faults
}
