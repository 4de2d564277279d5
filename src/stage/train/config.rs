//! The settings of a train stage, with defaults that depend on the task.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::adversarial::{AdversarialWeight, AverageSettings, DiffAugment};
use super::auxiliary::AuxiliarySettings;
use super::brief::{Brief, Main};
use super::critic::{CriticStepsSettings, WeightClipSettings};
use super::labels::LabelSettings;
use super::names::{ClipSettings, LossName, Precision, ReductionName, TaskName};
use super::optimiser::{Constants, OptimiserName, OtherOptimiser};
use super::penalty::{Divergence, GradientPenalty, ZeroPenalty};
use super::schedule::Schedules;
use crate::model::weights::NameMap;
use crate::model::{Init, ModelRef};
use crate::train::{GradientClip, Schedule, Training};

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
    /// what a slope of the discriminator other than 1 costs
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_penalty: Option<Brief<GradientPenalty>>,
    /// what a slope costs at real images
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r1: Option<Brief<ZeroPenalty>>,
    /// what a slope costs at generated images
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<Brief<ZeroPenalty>>,
    /// what a slope costs by its power
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
    /// discriminator steps for every generator step
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critic_steps: Option<Brief<CriticStepsSettings>>,
    /// limits of the discriminator's weights
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_clip: Option<Brief<WeightClipSettings>>,
    /// what the discriminator is told
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSettings>,
    /// what the discriminator learns of labels
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auxiliary: Option<AuxiliarySettings>,
    /// weights of the adversarial terms
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adversarial_weight: Option<Brief<AdversarialWeight>>,
    /// how all images that the discriminator is shown are augmented
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff_augment: Vec<DiffAugment>,
    /// whether the generator's step makes images of its own
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fresh_noise: bool,
    /// a moving average of the generator
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<Brief<AverageSettings>>,
    /// weight of a VAE's divergence
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// how a VAE's reconstruction error becomes a number
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconstruction_reduction: Option<ReductionName>,
    /// how a VAE's divergence becomes a number
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl_reduction: Option<ReductionName>,
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
    /// other optimisers, by network
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub optimisers: BTreeMap<String, OtherOptimiser>,
    /// how learning rates change
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedules>,
    /// what keeps gradients from being too large
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_clip: Option<ClipSettings>,
    /// what parameters start from
    pub init: Init,
    /// how the tensors of the input `init` and of networks belong together, by network; all networks by equal
    /// names if none is named
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, NameMap>,
    /// length of the noise vector z; of generators only
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latent: Option<usize>,
    /// number format of the computation
    pub precision: Precision,
}

impl TrainConfig {
    /// How the network `name` is trained.
    pub(super) fn training(&self, name: &str) -> Training {
        let companions = self.task.companions().iter();
        let leader = companions
            .filter(|(companion, _)| *companion == name)
            .map(|(_, leader)| *leader)
            .next();
        let names = || [Some(name), leader].into_iter().flatten();
        let own = names().find_map(|name| self.optimisers.get(name));
        Training {
            optimiser: match own {
                Some(other) => other.constants.spec(other.optimiser),
                None => self.constants.spec(self.optimiser),
            },
            lr: names()
                .find_map(|name| self.lr.get(name).copied())
                .unwrap_or_default(),
            schedule: match &self.schedule {
                None => Schedule::default(),
                Some(schedules) => schedules.of(name, leader),
            },
            clip: self.gradient_clip.map(|clip| match clip {
                ClipSettings::Norm(limit) => GradientClip::Norm(limit),
                ClipSettings::Value(limit) => GradientClip::Value(limit),
            }),
        }
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
    /// Weight λ of the gradient penalty λ·E(‖∇D‖ − 1)² in a discriminator's loss, greater than 0; or all of it.
    /// Default: none, of `wgan-gp` 10.
    gradient_penalty: Option<Brief<GradientPenalty>>,
    /// Weight γ of the penalty γ/2 · E‖∇D‖² at real images, greater than 0; or all of it. Default: none.
    r1: Option<Brief<ZeroPenalty>>,
    /// The same at generated images.
    r2: Option<Brief<ZeroPenalty>>,
    /// The term k·E‖∇D‖ᵖ of WGAN-div. Default: none; `{}` is k = 2, p = 6.
    divergence: Option<Divergence>,
    /// Discriminator steps for every generator step, at least 1; or with a warm-up. Default 1, of `wgan-gp` 5.
    critic_steps: Option<Brief<CriticStepsSettings>>,
    /// Limit of the discriminator's weights, greater than 0; or all of it. Default: none.
    weight_clip: Option<Brief<WeightClipSettings>>,
    /// What the discriminator is told of real and generated images: soft, noisy or flipped labels; of `bce`,
    /// `minimax`, `lsgan`. Default 1 and 0.
    labels: Option<LabelSettings>,
    /// What the discriminator's head `auxiliary` learns of labels, and the generator from it. Default: nothing.
    auxiliary: Option<AuxiliarySettings>,
    /// Weights of the adversarial terms in the losses of a GAN: a number, or one a network. Default 1.
    adversarial_weight: Option<Brief<AdversarialWeight>>,
    /// How all images that a GAN's discriminator is shown are augmented, real and generated ones, in ways that the
    /// generator can learn through (Zhao et al. 2020). Default: not at all.
    #[serde(default)]
    diff_augment: Vec<DiffAugment>,
    /// Whether a GAN's generator makes images of its own for its step, rather than learn from those that the
    /// discriminator has just seen. Default false.
    #[serde(default)]
    fresh_noise: bool,
    /// Share that stays of a moving average of the generator's weights, in [0, 1); samples and metrics use the
    /// average. Default: none.
    ema: Option<Brief<AverageSettings>>,
    /// Weight β of a VAE's Kullback-Leibler divergence, at least 0. Default 1.
    beta: Option<f64>,
    /// How a VAE's reconstruction error over the pixels of an image becomes a number. Default `sum`.
    reconstruction_reduction: Option<ReductionName>,
    /// How a VAE's divergence over the dimensions of z becomes a number. Default `sum`.
    kl_reduction: Option<ReductionName>,
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
    /// 0.0002 for a GAN (`wgan-gp`: 0.0001), 0.001 for a classifier or VAE.
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
    /// Other optimisers than that, by network: `{discriminator: {optimiser: sgd, momentum: 0.9}}`.
    #[serde(default)]
    optimisers: BTreeMap<String, OtherOptimiser>,
    /// How learning rates change: one schedule, or one a network. Default: they do not.
    schedule: Option<Schedules>,
    /// What keeps gradients from being too large: `{norm: 1}` or `{value: 0.1}`. Default: nothing.
    gradient_clip: Option<ClipSettings>,
    /// What parameters start from. Default `dcgan` for a GAN, `pytorch` for a VAE, `kaiming` for a classifier.
    init: Option<Init>,
    /// Networks that start from the input `init`, and how its tensors belong to theirs: `{generator: exact}`, `order`,
    /// or a mapping from its names to the network's. Default: all networks, by equal names.
    #[serde(default)]
    weights: BTreeMap<String, NameMap>,
    /// Length of the noise vector z, at least 1; of GANs and VAEs. Default 100.
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
    /// of a VAE: β, and the reduction of both terms
    vae: Option<(f64, ReductionName)>,
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
                vae: None,
            },
            // Radford et al. 2016, and PyTorch's DCGAN tutorial.
            TaskName::Gan => Self {
                loss: loss.unwrap_or(LossName::Bce),
                gradient_penalty: None,
                critic_steps: None,
                lr: 2e-4,
                betas: (0.5, 0.999),
                init: Init::Dcgan,
                latent: Some(100),
                vae: None,
            },
            TaskName::Classifier => Self {
                loss: LossName::ByLabels,
                gradient_penalty: None,
                critic_steps: None,
                lr: 1e-3,
                betas: (0.9, 0.999),
                init: Init::Kaiming,
                latent: None,
                vae: None,
            },
            // The evidence lower bound, Kingma & Welling 2014.
            TaskName::Vae => Self {
                loss: LossName::Mse,
                gradient_penalty: None,
                critic_steps: None,
                lr: 1e-3,
                betas: (0.9, 0.999),
                init: Init::Pytorch,
                latent: Some(100),
                vae: Some((1.0, ReductionName::Sum)),
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
        let number = |value: Option<f64>| value.and_then(Number::from_f64);
        let gradient_penalty = written.gradient_penalty.or_else(|| {
            let weight = number(defaults.gradient_penalty)?;
            GradientPenalty::of(weight).ok().map(Brief)
        });
        let default_steps = defaults.critic_steps.unwrap_or(1);
        let critic_steps = written.critic_steps.unwrap_or(Brief(CriticStepsSettings {
            steps: default_steps,
            warm_up: None,
        }));
        // One step each goes without saying where it is the default.
        let critic = matches!(defaults.loss, LossName::WganGp | LossName::Wasserstein);
        let critic_steps =
            (critic || *critic_steps != CriticStepsSettings::ONE).then_some(critic_steps);
        let optimisers = written.optimisers.into_iter();
        let constants = Constants {
            betas: written.betas,
            alpha: written.alpha,
            eps: written.eps,
            centered: written.centered,
            momentum: written.momentum,
            dampening: written.dampening,
            nesterov: written.nesterov,
            weight_decay: written.weight_decay,
        }
        .filled(written.optimiser, defaults.betas);
        Self {
            task: written.task,
            model: written.model,
            loss: match written.loss.unwrap_or(defaults.loss) {
                // The other way to write it.
                LossName::Wasserstein if gradient_penalty.is_some() => LossName::WganGp,
                loss => loss,
            },
            gradient_penalty,
            r1: written.r1,
            r2: written.r2,
            divergence: written.divergence,
            critic_steps,
            weight_clip: written.weight_clip,
            labels: written
                .labels
                .filter(|labels| *labels != LabelSettings::default()),
            auxiliary: written.auxiliary,
            adversarial_weight: written
                .adversarial_weight
                .filter(|weight| **weight != AdversarialWeight::default()),
            diff_augment: written.diff_augment,
            fresh_noise: written.fresh_noise,
            ema: written.ema,
            beta: written.beta.or(defaults.vae.map(|(beta, _)| beta)),
            reconstruction_reduction: written
                .reconstruction_reduction
                .or(defaults.vae.map(|(_, reduction)| reduction)),
            kl_reduction: written
                .kl_reduction
                .or(defaults.vae.map(|(_, reduction)| reduction)),
            epochs: written.epochs,
            checkpoint_every: written.checkpoint_every.unwrap_or(1),
            batch_size: written.batch_size.unwrap_or(64),
            drop_last: written.drop_last,
            optimiser: written.optimiser,
            lr,
            optimisers: optimisers
                .map(|(network, other)| (network, other.filled(defaults.betas)))
                // A companion without an optimiser of its own has that of its leader.
                .filter(|(network, other)| {
                    let leads = written.task.networks().contains(&network.as_str());
                    !leads || (other.optimiser, &other.constants) != (written.optimiser, &constants)
                })
                .collect(),
            constants,
            schedule: written
                .schedule
                .and_then(|schedule| schedule.filled(written.epochs)),
            gradient_clip: written.gradient_clip,
            init: written.init.unwrap_or(defaults.init),
            weights: written.weights,
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
