//! The settings of a train stage, with defaults that depend on the task.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};

use super::optimiser::{Constants, OptimiserName};
use crate::loss::GanLoss;
use crate::model::{Init, ModelRef};
use crate::train::OptimiserSpec;

/// Settings of a train stage. Defaults are filled in when it is read, so that two spellings of one
/// training run have one key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
pub struct TrainConfig {
    /// what the model is trained for
    pub task: TaskName,
    /// the networks
    pub model: ModelRef,
    /// what they minimise
    pub loss: LossName,
    /// weight of the gradient penalty; of losses that have one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_penalty: Option<f64>,
    /// discriminator steps for every generator step; of losses with a critic
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critic_steps: Option<u64>,
    /// how often every image is seen
    pub epochs: u64,
    /// epochs between two checkpoints
    pub checkpoint_every: u64,
    /// images in a step
    pub batch_size: usize,
    /// whether an epoch's last batch is left out when it is smaller than the others
    pub drop_last: bool,
    /// how parameters are updated
    pub optimiser: OptimiserName,
    /// learning rate by network
    pub lr: BTreeMap<String, f64>,
    /// the optimiser's other constants
    #[serde(flatten)]
    pub constants: Constants,
    /// what parameters start from
    pub init: Init,
    /// length of the noise vector z; of generators only
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latent: Option<usize>,
    /// number format of the computation
    pub precision: Precision,
}

/// What a model is trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskName {
    /// a `generator` and a `discriminator` against each other
    Gan,
    /// a `classifier` of the data's labels
    Classifier,
}

impl TaskName {
    /// The name in YAML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gan => "gan",
            Self::Classifier => "classifier",
        }
    }

    /// The networks it trains.
    pub const fn networks(self) -> &'static [&'static str] {
        match self {
            Self::Gan => &["generator", "discriminator"],
            Self::Classifier => &["classifier"],
        }
    }
}

/// A loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    /// Classifiers: `cross-entropy` when every image has exactly one label, else `bce`.
    ByLabels,
    /// Binary cross-entropy. Of a GAN the non-saturating form; of a classifier each class on its own.
    Bce,
    /// Softmax cross-entropy, for exactly one label an image. Classifiers.
    CrossEntropy,
    /// Wasserstein distance with gradient penalty (Gulrajani et al. 2017). GANs.
    WganGp,
}

impl LossName {
    /// As a GAN's loss, if it is one.
    pub const fn gan(self) -> Option<GanLoss> {
        match self {
            Self::Bce => Some(GanLoss::Bce),
            Self::WganGp => Some(GanLoss::Wasserstein),
            Self::ByLabels | Self::CrossEntropy => None,
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

impl TrainConfig {
    /// The optimiser with its constants.
    pub(super) fn optimiser(&self) -> OptimiserSpec {
        self.constants.spec(self.optimiser)
    }
}

/// Settings of a train stage as users write them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// What the model is trained for.
    task: TaskName,
    /// The networks: a preset's name, `file:PATH`, or the networks themselves.
    model: ModelRef,
    /// What they minimise. Default: `bce` for a GAN, `by-labels` for a classifier.
    loss: Option<LossName>,
    /// Weight of the gradient penalty in the discriminator's loss, greater than 0; of `wgan-gp`. Default 10.
    gradient_penalty: Option<f64>,
    /// Discriminator steps for every generator step, at least 1; of `wgan-gp`. Default 5.
    critic_steps: Option<u64>,
    /// How often every image is seen, at least 1.
    epochs: u64,
    /// Epochs between two checkpoints, at least 1; the last epoch always has one. Default 1.
    checkpoint_every: Option<u64>,
    /// Images in a step, at least 1. Default 64.
    batch_size: Option<usize>,
    /// Leave out an epoch's last batch when it is smaller than the others. Default false.
    #[serde(default)]
    drop_last: bool,
    /// How parameters are updated. Default `adam`.
    #[serde(default)]
    optimiser: OptimiserName,
    /// Learning rate: a number, or one a network (`{generator: 0.0002, discriminator: 0.0001}`). Default
    /// 0.0002 for a GAN (`wgan-gp`: 0.0001), 0.001 for a classifier.
    lr: Option<Rates>,
    /// Decay rates of Adam's two moments, each in [0, 1). Default [0.5, 0.999] for a GAN (`wgan-gp`:
    /// [0, 0.9]), else [0.9, 0.999].
    betas: Option<(f64, f64)>,
    /// Decay rate of `RMSprop`'s averages, in [0, 1). Default 0.99.
    alpha: Option<f64>,
    /// Added to the denominator of Adam, `AdamW` and `RMSprop`. Default 1e-8.
    eps: Option<f64>,
    /// Whether `RMSprop` scales by the gradients' deviation rather than their size. Default false.
    centered: Option<bool>,
    /// Share of the last update in the next, in [0, 1); of `RMSprop` and SGD. Default 0.
    momentum: Option<f64>,
    /// What momentum takes off the gradient, in [0, 1]; of SGD. Default 0.
    dampening: Option<f64>,
    /// Whether SGD's step looks ahead of its momentum (Nesterov). Default false.
    nesterov: Option<bool>,
    /// How strongly weights are drawn towards 0, at least 0: by an L2 penalty, of `AdamW` apart from the
    /// gradient. Default 0, of `AdamW` 0.01.
    weight_decay: Option<f64>,
    /// What parameters start from. Default `dcgan` for a GAN, `kaiming` for a classifier.
    init: Option<Init>,
    /// Length of the noise vector z, at least 1; of GANs only. Default 100.
    latent: Option<usize>,
    /// Number format of the computation. Default `f32`.
    #[serde(default)]
    precision: Precision,
}

/// What the defaults of a task and its loss are.
struct Defaults {
    loss: LossName,
    gradient_penalty: Option<f64>,
    critic_steps: Option<u64>,
    lr: f64,
    betas: (f64, f64),
    init: Init,
    latent: Option<usize>,
}

impl Defaults {
    fn of(task: TaskName, loss: Option<LossName>) -> Self {
        match task {
            // Gulrajani et al. 2017, algorithm 1.
            TaskName::Gan if loss == Some(LossName::WganGp) => Self {
                loss: LossName::WganGp,
                gradient_penalty: Some(10.0),
                critic_steps: Some(5),
                lr: 1e-4,
                betas: (0.0, 0.9),
                init: Init::Dcgan,
                latent: Some(100),
            },
            // Radford et al. 2016, and PyTorch's DCGAN tutorial.
            TaskName::Gan => Self {
                loss: LossName::Bce,
                gradient_penalty: None,
                critic_steps: None,
                lr: 2e-4,
                betas: (0.5, 0.999),
                init: Init::Dcgan,
                latent: Some(100),
            },
            TaskName::Classifier => Self {
                loss: LossName::ByLabels,
                gradient_penalty: None,
                critic_steps: None,
                lr: 1e-3,
                betas: (0.9, 0.999),
                init: Init::Kaiming,
                latent: None,
            },
        }
    }
}

impl From<Written> for TrainConfig {
    fn from(written: Written) -> Self {
        let defaults = Defaults::of(written.task, written.loss);
        let everywhere = |lr: f64| {
            written
                .task
                .networks()
                .iter()
                .map(move |name| ((*name).to_owned(), lr))
        };
        let mut lr: BTreeMap<String, f64> = everywhere(defaults.lr).collect();
        match written.lr {
            None => {}
            Some(Rates::Same(rate)) => lr.extend(everywhere(rate)),
            Some(Rates::Each(rates)) => lr.extend(rates),
        }
        let constants = Constants {
            betas: written.betas,
            alpha: written.alpha,
            eps: written.eps,
            centered: written.centered,
            momentum: written.momentum,
            dampening: written.dampening,
            nesterov: written.nesterov,
            weight_decay: written.weight_decay,
        };
        Self {
            task: written.task,
            model: written.model,
            loss: written.loss.unwrap_or(defaults.loss),
            gradient_penalty: written.gradient_penalty.or(defaults.gradient_penalty),
            critic_steps: written.critic_steps.or(defaults.critic_steps),
            epochs: written.epochs,
            checkpoint_every: written.checkpoint_every.unwrap_or(1),
            batch_size: written.batch_size.unwrap_or(64),
            drop_last: written.drop_last,
            optimiser: written.optimiser,
            lr,
            constants: constants.filled(written.optimiser, defaults.betas),
            init: written.init.unwrap_or(defaults.init),
            latent: written.latent.or(defaults.latent),
            precision: written.precision,
        }
    }
}

/// `lr:` as written.
enum Rates {
    Same(f64),
    Each(BTreeMap<String, f64>),
}

impl<'de> Deserialize<'de> for Rates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RatesVisitor;
        impl<'de> Visitor<'de> for RatesVisitor {
            type Value = Rates;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a learning rate: a number, or a mapping from network to number")
            }
            fn visit_f64<E: de::Error>(self, rate: f64) -> Result<Rates, E> {
                Ok(Rates::Same(rate))
            }
            fn visit_u64<E: de::Error>(self, rate: u64) -> Result<Rates, E> {
                Ok(Rates::Same(rate as f64))
            }
            fn visit_i64<E: de::Error>(self, rate: i64) -> Result<Rates, E> {
                Ok(Rates::Same(rate as f64))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rates, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Rates::Each)
            }
        }
        deserializer.deserialize_any(RatesVisitor)
    }
}

impl JsonSchema for Rates {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LearningRate".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A learning rate: a number, or one a network.",
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}}
            ]
        })
    }
}
