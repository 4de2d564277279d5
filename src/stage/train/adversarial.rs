//! Settings of GANs beyond the loss's name: penalties, labels, auxiliary head, critic steps, clipping, averages.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

use super::brief::{Brief, Main, count, float};
use super::config::TrainConfig;
use crate::loss::{AuxiliaryLoss, Steepness};
use crate::ops::Policy;
use crate::stage::Fault;
use crate::train::{
    Auxiliary, Average, ClipScope, CriticSteps, LabelNoise, Penalty, Points, WarmUp, WeightClip,
};

/// `gradient_penalty:`, λ·E(‖∇D‖ − 1)².
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GradientPenalty {
    /// λ, greater than 0
    #[serde(default = "ten")]
    pub weight: f64,
    /// slopes that are held against the discriminator
    #[serde(default, skip_serializing_if = "is_default")]
    pub sides: Sides,
    /// where slopes are taken
    #[serde(default, skip_serializing_if = "is_default")]
    pub points: PenaltyPoints,
    /// in every so many steps only, at so many times the weight; 1 if not given
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub every: u64,
}

/// Slopes that are held against the discriminator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sides {
    /// those that are not 1 (Gulrajani et al. 2017)
    #[default]
    Two,
    /// those above 1 (Petzka et al. 2018)
    One,
}

/// Where slopes are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PenaltyPoints {
    /// between a real and a generated image: αx + (1 − α)x̂
    #[default]
    Between,
    /// at αx + (1 − αx̂), a misprint that is kept for the sake of who printed it
    AsPrinted,
    /// around real images (DRAGAN, Kodali et al. 2017)
    Dragan,
}

/// `r1:` and `r2:`, γ/2 · E‖∇D‖² at real and at generated images (Mescheder et al. 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZeroPenalty {
    /// γ, greater than 0
    pub weight: f64,
    /// in every so many steps only, at so many times the weight; 1 if not given
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub every: u64,
}

/// `divergence:`, the term k·E‖∇D‖ᵖ of WGAN-div (Wu et al. 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Divergence {
    /// k, greater than 0
    pub k: f64,
    /// p, a whole number of at least 1
    pub p: u32,
    /// where slopes are taken
    pub points: DivergencePoints,
}

/// Where WGAN-div takes slopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DivergencePoints {
    /// between a real and a generated image, as in the paper
    #[default]
    Between,
    /// at real and at generated images, the mean of both
    RealAndFake,
}

/// `critic_steps:`, discriminator steps for every generator step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CriticStepsSettings {
    /// as a rule, at least 1
    pub steps: u64,
    /// and where the discriminator is to come near its optimum
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUpSettings>,
}

/// Generator steps that the discriminator prepares for more thoroughly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WarmUpSettings {
    /// discriminator steps before such a generator step; 100 if not given
    pub steps: u64,
    /// the first so many generator steps are such; 25 if not given
    pub first: u64,
    /// and every so-many-th; 500 if not given, 0 for none
    pub every: u64,
}

/// `weight_clip:`, limits of the discriminator's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightClipSettings {
    /// weights stay within ± this, greater than 0
    pub limit: f64,
    /// which weights
    #[serde(default, skip_serializing_if = "is_default")]
    pub scope: ClipScopeName,
}

/// Which weights are clipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClipScopeName {
    /// every parameter, those of normalisations and biases among them
    #[default]
    All,
    /// kernels and matrices only
    Weights,
}

/// `labels:`, what the discriminator is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabelSettings {
    /// of real images: a number, or [low, high] to draw from; 1 if not given
    pub real: Span,
    /// of generated images; 0 if not given
    pub fake: Span,
    /// probability that an image is told the other kind's label, in [0, 1); 0 if not given
    #[serde(skip_serializing_if = "is_zero")]
    pub flip: f64,
}

/// A number, or a range to draw numbers from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    low: f64,
    high: f64,
}

/// `auxiliary:`, what the discriminator's head `auxiliary` learns of labels, and the generator from it (ACGAN, Odena
/// et al. 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuxiliarySettings {
    /// its weight in both losses, greater than 0; 1 if not given
    #[serde(default = "one_weight")]
    pub weight: f64,
    /// how its logits are held against labels
    #[serde(default)]
    pub loss: AuxiliaryLossName,
    /// images whose labels the discriminator learns
    #[serde(default)]
    pub on: AuxiliaryOn,
    /// `cross-entropy`: lengths of the groups of labels, of which an image has one each; one group of all labels if
    /// not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<usize>>,
}

/// How label logits are held against labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuxiliaryLossName {
    /// binary cross-entropy of each label
    #[default]
    Bce,
    /// softmax cross-entropy of each group of labels
    CrossEntropy,
}

/// Images whose labels the discriminator learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum AuxiliaryOn {
    /// those of the data
    #[default]
    #[serde(rename = "real")]
    Real,
    /// and generated ones
    #[serde(rename = "real+fake")]
    RealAndFake,
}

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

fn ten() -> f64 {
    10.0
}

fn one() -> u64 {
    1
}

fn one_weight() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_one(number: &u64) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Main for GradientPenalty {
    fn of(number: Number) -> Result<Self, String> {
        Ok(Self {
            weight: float(&number),
            sides: Sides::default(),
            points: PenaltyPoints::default(),
            every: 1,
        })
    }

    fn alone(&self) -> Option<Number> {
        let plain = is_default(&self.sides) && is_default(&self.points) && self.every == 1;
        Number::from_f64(self.weight).filter(|_| plain)
    }
}

impl Main for ZeroPenalty {
    fn of(number: Number) -> Result<Self, String> {
        Ok(Self {
            weight: float(&number),
            every: 1,
        })
    }

    fn alone(&self) -> Option<Number> {
        Number::from_f64(self.weight).filter(|_| self.every == 1)
    }
}

impl Main for CriticStepsSettings {
    fn of(number: Number) -> Result<Self, String> {
        Ok(Self {
            steps: count(&number)?,
            warm_up: None,
        })
    }

    fn alone(&self) -> Option<Number> {
        self.warm_up.is_none().then(|| self.steps.into())
    }
}

impl Main for WeightClipSettings {
    fn of(number: Number) -> Result<Self, String> {
        Ok(Self {
            limit: float(&number),
            scope: ClipScopeName::default(),
        })
    }

    fn alone(&self) -> Option<Number> {
        Number::from_f64(self.limit).filter(|_| is_default(&self.scope))
    }
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

impl Default for Divergence {
    fn default() -> Self {
        Self {
            k: 2.0,
            p: 6,
            points: DivergencePoints::default(),
        }
    }
}

impl Default for WarmUpSettings {
    fn default() -> Self {
        Self {
            steps: 100,
            first: 25,
            every: 500,
        }
    }
}

impl Default for LabelSettings {
    fn default() -> Self {
        Self {
            real: Span::only(1.0),
            fake: Span::only(0.0),
            flip: 0.0,
        }
    }
}

impl Span {
    const fn only(number: f64) -> Self {
        Self {
            low: number,
            high: number,
        }
    }

    fn sound(self) -> bool {
        self.low.is_finite() && self.high.is_finite() && self.low <= self.high
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::float_cmp, reason = "equal as written")]
        if self.low == self.high {
            return self.low.serialize(serializer);
        }
        [self.low, self.high].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number or [low, high]")]
        enum Written {
            Only(f64),
            Both([f64; 2]),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Only(number) => Self::only(number),
            Written::Both([low, high]) => Self { low, high },
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or [low, high] to draw numbers from.",
            "anyOf": [
                {"type": "number"},
                {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
            ]
        })
    }
}

impl GradientPenalty {
    pub(super) fn penalty(&self) -> Penalty {
        Penalty {
            steepness: match self.sides {
                Sides::Two => Steepness::TwoSided,
                Sides::One => Steepness::OneSided,
            },
            points: match self.points {
                PenaltyPoints::Between => Points::Between,
                PenaltyPoints::AsPrinted => Points::AsPrinted,
                PenaltyPoints::Dragan => Points::AroundReal,
            },
            weight: self.weight,
            every: self.every,
            column: "gradient_penalty",
        }
    }
}

impl ZeroPenalty {
    pub(super) fn penalty(&self, points: Points, column: &'static str) -> Penalty {
        Penalty {
            steepness: Steepness::Power(2),
            points,
            weight: self.weight / 2.0,
            every: self.every,
            column,
        }
    }
}

impl Divergence {
    pub(super) fn penalty(&self) -> Penalty {
        Penalty {
            steepness: Steepness::Power(self.p),
            points: match self.points {
                DivergencePoints::Between => Points::Between,
                DivergencePoints::RealAndFake => Points::RealAndFake,
            },
            weight: self.k,
            every: 1,
            column: "divergence",
        }
    }
}

impl CriticStepsSettings {
    /// One step each.
    pub(super) const ONE: Self = Self {
        steps: 1,
        warm_up: None,
    };

    pub(super) fn critic_steps(&self) -> CriticSteps {
        CriticSteps {
            steps: self.steps,
            warm_up: self.warm_up.as_ref().map(|warm_up| WarmUp {
                steps: warm_up.steps,
                first: warm_up.first,
                every: warm_up.every,
            }),
        }
    }
}

impl WeightClipSettings {
    pub(super) fn weight_clip(&self) -> WeightClip {
        WeightClip {
            limit: self.limit,
            scope: match self.scope {
                ClipScopeName::All => ClipScope::All,
                ClipScopeName::Weights => ClipScope::Weights,
            },
        }
    }
}

impl LabelSettings {
    pub(super) fn noise(&self) -> LabelNoise {
        LabelNoise {
            real: (self.real.low, self.real.high),
            fake: (self.fake.low, self.fake.high),
            flip: self.flip,
        }
    }
}

impl AuxiliarySettings {
    /// Of data with `classes` labels.
    pub(super) fn auxiliary(&self, classes: usize) -> Auxiliary {
        let groups = || self.groups.clone().unwrap_or_else(|| vec![classes]);
        Auxiliary {
            loss: match self.loss {
                AuxiliaryLossName::Bce => AuxiliaryLoss::Bce,
                AuxiliaryLossName::CrossEntropy => AuxiliaryLoss::CrossEntropy { groups: groups() },
            },
            weight: self.weight,
            on_fake: self.on == AuxiliaryOn::RealAndFake,
        }
    }

    /// What is wrong with it for data with `classes` labels, if that is known.
    pub(super) fn faults(&self, classes: Option<usize>) -> Vec<Fault> {
        let mut faults = Vec::new();
        positive(
            &mut faults,
            "auxiliary.weight",
            "the weight of the auxiliary loss",
            self.weight,
        );
        if let Some(groups) = &self.groups {
            let together: usize = groups.iter().sum();
            let at = |message: String| Fault::at("auxiliary.groups", message);
            if self.loss == AuxiliaryLossName::Bce {
                faults.push(
                    at("binary cross-entropy has no groups".to_owned())
                        .help("set `loss: cross-entropy`"),
                );
            } else if groups.contains(&0) || classes.is_some_and(|classes| classes != together) {
                let classes =
                    classes.map_or("the data's".to_owned(), |classes| classes.to_string());
                faults.push(at(format!(
                    "groups of {groups:?} labels do not make up {classes} labels"
                )));
            }
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
}

/// What is wrong with the settings of a GAN's losses.
pub(super) fn faults(config: &TrainConfig) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(penalty) = &config.gradient_penalty {
        let (weight, every) = in_brief("gradient_penalty", penalty);
        positive(
            &mut faults,
            &weight,
            "the weight of the gradient penalty",
            penalty.weight,
        );
        interval(&mut faults, &every, penalty.every);
    }
    for (name, penalty) in [("r1", &config.r1), ("r2", &config.r2)] {
        if let Some(penalty) = penalty {
            let (weight, every) = in_brief(name, penalty);
            positive(
                &mut faults,
                &weight,
                "the weight of a penalty",
                penalty.weight,
            );
            interval(&mut faults, &every, penalty.every);
        }
    }
    if let Some(Divergence { k, p, .. }) = config.divergence {
        positive(
            &mut faults,
            "divergence.k",
            "the weight of the divergence",
            k,
        );
        interval(&mut faults, "divergence.p", p.into());
    }
    if let Some(steps) = &config.critic_steps {
        if steps.steps == 0 {
            faults.push(Fault::at(
                "critic_steps",
                "the number of discriminator steps must be at least 1",
            ));
        }
        if let Some(warm_up) = &steps.warm_up {
            interval(&mut faults, "critic_steps.warm_up.steps", warm_up.steps);
        }
    }
    if let Some(clip) = &config.weight_clip {
        positive(
            &mut faults,
            "weight_clip",
            "the limit of weights",
            clip.limit,
        );
    }
    if let Some(settings) = &config.labels {
        labels(&mut faults, settings);
        if config.loss.gan().is_some_and(|loss| !loss.has_labels()) {
            let message = "this loss has no labels: they belong to bce, minimax and lsgan";
            faults.push(Fault::at("labels", message));
        }
    }
    if let Some(weight) = &config.adversarial_weight {
        for number in [weight.generator, weight.discriminator] {
            positive(&mut faults, "adversarial_weight", "a weight", number);
        }
    }
    if let Some(average) = &config.ema
        && !(0.0..1.0).contains(&average.decay)
    {
        let message = format!(
            "a decay must be at least 0 and less than 1, not {}",
            average.decay
        );
        faults.push(Fault::at("ema", message));
    }
    faults
}

/// Where weight and interval of a penalty stand: the weight may stand alone.
fn in_brief<T: Main>(name: &str, settings: &Brief<T>) -> (String, String) {
    let weight = match settings.0.alone() {
        Some(_) => name.to_owned(),
        None => format!("{name}.weight"),
    };
    (weight, format!("{name}.every"))
}

/// Adds a fault unless `value` is positive.
pub(super) fn positive(faults: &mut Vec<Fault>, path: &str, what: &str, value: f64) {
    if !(value.is_finite() && value > 0.0) {
        faults.push(Fault::at(
            path,
            format!("{what} must be greater than 0, not {value}"),
        ));
    }
}

/// Adds a fault when `every` is 0.
fn interval(faults: &mut Vec<Fault>, path: &str, every: u64) {
    if every == 0 {
        faults.push(Fault::at(path, "must be at least 1"));
    }
}

/// Adds faults of the labels.
fn labels(faults: &mut Vec<Fault>, labels: &LabelSettings) {
    for (path, span) in [("labels.real", labels.real), ("labels.fake", labels.fake)] {
        if !span.sound() {
            faults.push(Fault::at(path, "is no range: write [low, high]"));
        }
    }
    if !(0.0..1.0).contains(&labels.flip) {
        let message = format!(
            "a probability must be at least 0 and less than 1, not {}",
            labels.flip
        );
        faults.push(Fault::at("labels.flip", message));
    }
}
