//! The task `gan`: discriminator and generator steps on every batch.
//!
//! As in `PyTorch`'s DCGAN tutorial: the generator makes one batch of fakes; the discriminator descends on
//! real images and those fakes (each with batch statistics of its own), then the generator on what the
//! updated discriminator says of the same fakes (or of fresh ones, if asked for). A critic may make several steps,
//! each on a batch of its own, for every step of the generator (Gulrajani et al. 2017). Networks that take a
//! `condition` get the real images' labels, for real and fake images alike (Mirza & Osindero 2014). A model may hold
//! a `mapping` network, which is trained with the generator and makes its input `w` of z (Karras et al. 2019).

mod labels;
mod penalty;
mod round;
mod validate;

use std::sync::Arc;

pub use labels::LabelNoise;
pub use penalty::{Penalty, Points};

use super::average::Average;
use super::critic::CriticSteps;
use super::error::TrainError;
use super::history::Row;
use super::learner::Learner;
use super::{Step, Task, not_finite};
use crate::autograd::Value;
use crate::data::{Batch, Source};
use crate::loss::{AuxiliaryLoss, GanLoss};
use crate::model::{Network, Parameter};
use crate::ops::Policy;
use round::{Draw, Output, Parameters, Purpose, Round};

const GENERATOR: &str = "generator";
const MAPPING: &str = "mapping";
const DISCRIMINATOR: &str = "discriminator";
/// The head of a discriminator that learns labels.
const AUXILIARY: &str = "auxiliary";

/// The history's columns of every run.
const COLUMNS: &[&str] = &[
    "loss_d",
    "loss_g",
    "loss_d_real",
    "loss_d_fake",
    "accuracy_real",
    "accuracy_fake",
    "lr_generator",
    "lr_discriminator",
    "grad_norm_generator",
    "grad_norm_discriminator",
];
/// Those of an auxiliary head.
const AUXILIARY_COLUMNS: &[&str] = &["loss_g_adversarial", "loss_d_auxiliary", "loss_g_auxiliary"];

/// See the module.
#[derive(Debug, Clone)]
pub struct Gan {
    /// what both networks minimise
    pub loss: GanLoss,
    /// the adversarial term's weight in the generator's loss
    pub generator_weight: f64,
    /// the adversarial terms' weight in the discriminator's loss
    pub discriminator_weight: f64,
    /// penalties in the discriminator's loss; at most one a column
    pub penalties: Vec<Penalty>,
    /// discriminator steps for every generator step
    pub critic_steps: CriticSteps,
    /// what the discriminator is told of its images, of losses that have labels
    pub labels: LabelNoise,
    /// what a head `auxiliary` of the discriminator learns
    pub auxiliary: Option<Auxiliary>,
    /// limits of the discriminator's weights
    pub weight_clip: Option<WeightClip>,
    /// how the averages of generator and mapping follow, where the model holds such
    pub average: Option<Average>,
    /// how all images that the discriminator is shown are augmented, in ways that can be differentiated
    pub augment: Vec<Policy>,
    /// whether the generator's step makes images of its own rather than those that the discriminator has seen
    pub fresh_noise: bool,
    /// seeds the noise z, sample k of the run being the stream ("z-train", k), where between real and
    /// fake images a penalty is taken ("gradient-penalty", k), and noisy labels
    pub seed: u64,
    /// images to measure losses and accuracy on after every epoch
    pub validation: Option<Arc<Source>>,
    /// validation images that pass at once
    pub batch_size: usize,
}

/// An auxiliary classifier's part in the losses of both networks.
#[derive(Debug, Clone, PartialEq)]
pub struct Auxiliary {
    /// how its logits are held against labels
    pub loss: AuxiliaryLoss,
    /// its weight
    pub weight: f64,
    /// whether the discriminator learns labels of generated images too
    pub on_fake: bool,
}

/// Weights of the discriminator that are cut off after each of its steps (Arjovsky et al. 2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightClip {
    /// they stay within ± this
    pub limit: f64,
    /// which ones
    pub scope: ClipScope,
}

/// Which weights are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipScope {
    /// every parameter, factors and offsets of normalisations and biases among them
    All,
    /// kernels and matrices only
    Weights,
}

impl ClipScope {
    fn holds(self, parameter: &Parameter) -> bool {
        match self {
            Self::All => true,
            Self::Weights => parameter.value.rank() > 1,
        }
    }
}

impl Gan {
    /// The task without any extras.
    pub fn new(loss: GanLoss, seed: u64) -> Self {
        Self {
            loss,
            generator_weight: 1.0,
            discriminator_weight: 1.0,
            penalties: Vec::new(),
            critic_steps: CriticSteps::ONE,
            labels: LabelNoise::NONE,
            auxiliary: None,
            weight_clip: None,
            average: None,
            augment: Vec::new(),
            fresh_noise: false,
            seed,
            validation: None,
            batch_size: 64,
        }
    }
}

impl Task for Gan {
    fn columns(&self) -> Vec<&'static str> {
        let mut columns = COLUMNS.to_vec();
        columns.extend(self.penalties.iter().map(|penalty| penalty.column));
        if self.auxiliary.is_some() {
            columns.extend(AUXILIARY_COLUMNS);
        }
        if self.validation.is_some() {
            columns.extend(validate::COLUMNS);
        }
        columns
    }

    fn step(&self, learner: &mut Learner, batch: &Batch) -> Result<Step, TrainError> {
        let first = learner.samples;
        let round = Round::new(self, learner, batch, (Purpose::Train, first))?;
        let generator_steps = learner.steps_of(GENERATOR);
        let with_generator = self.critic_steps.due(learner.steps + 1, generator_steps);
        let parameters = if with_generator && !self.fresh_noise {
            Parameters::Learn
        } else {
            Parameters::Frozen
        };
        let fake = round.generate(learner, Draw::First, parameters)?;

        let judged = match self.judge(&round, learner, &fake)? {
            Ok(judged) => judged,
            Err(diverged) => return Ok(diverged),
        };
        let norm_d = learner.descend(&[DISCRIMINATOR], judged.total)?.norm;
        if let Some(diverged) = not_finite(&[("grad_norm_discriminator", norm_d)]) {
            return Ok(diverged);
        }
        if let Some(WeightClip { limit, scope }) = self.weight_clip {
            learner.clip_weights(DISCRIMINATOR, limit, |parameter| scope.holds(parameter))?;
        }

        let mut made = Made::default();
        if with_generator {
            let fake = if self.fresh_noise {
                round.generate(learner, Draw::Fresh, Parameters::Learn)?
            } else {
                fake
            };
            made = match self.deceive(&round, learner, fake)? {
                Ok(made) => made,
                Err(diverged) => return Ok(diverged),
            };
        }

        let mut figures = vec![
            Some(judged.loss),
            made.loss,
            Some(judged.real),
            Some(judged.fake),
            judged.accuracy_real,
            judged.accuracy_fake,
            Some(learner.lr(GENERATOR) as f32),
            Some(learner.lr(DISCRIMINATOR) as f32),
            made.norm,
            Some(norm_d),
        ];
        figures.extend(judged.penalties);
        if self.auxiliary.is_some() {
            figures.extend([made.adversarial, judged.auxiliary, made.auxiliary]);
        }
        if self.validation.is_some() {
            figures.extend(validate::COLUMNS.iter().map(|_| None));
        }
        Ok(Step::Done(figures))
    }

    fn finish_epoch(&self, learner: &Learner, last: &mut Row) -> Result<(), TrainError> {
        if let Some(source) = &self.validation {
            let measured = last.figures.len() - validate::COLUMNS.len();
            last.figures.truncate(measured);
            last.figures.extend(self.validate(learner, source)?);
        }
        Ok(())
    }
}

/// What the discriminator made of a batch.
struct Judged {
    /// its loss, to descend on
    total: Value,
    loss: f32,
    real: f32,
    fake: f32,
    /// in the task's order
    penalties: Vec<Option<f32>>,
    auxiliary: Option<f32>,
    accuracy_real: Option<f32>,
    accuracy_fake: Option<f32>,
}

/// What came of the generator's step.
#[derive(Default)]
struct Made {
    loss: Option<f32>,
    adversarial: Option<f32>,
    auxiliary: Option<f32>,
    norm: Option<f32>,
}

impl Gan {
    /// The discriminator's loss on this batch and on `fake` images, or the figure in which it diverged.
    fn judge(
        &self,
        round: &Round<'_>,
        learner: &Learner,
        fake: &Value,
    ) -> Result<Result<Judged, Step>, TrainError> {
        let discriminator = learner.network(DISCRIMINATOR)?;
        let see =
            |image: &Value, number| round.see(discriminator, image, number, Parameters::Learn);
        let (real_labels, fake_labels) = (round.real_labels(learner)?, round.fake_labels(learner)?);
        let of_real = see(&round.real, 0)?;
        let of_fake = see(&fake.detach(), 1)?;
        let real = self.loss.real(&of_real.value, real_labels.as_ref())?;
        let fake_loss = self.loss.fake(&of_fake.value, fake_labels.as_ref())?;
        let mut total = weighted(&real.add(&fake_loss)?, self.discriminator_weight)?;

        let mut auxiliary = None;
        if let Some(Auxiliary {
            loss,
            weight,
            on_fake,
        }) = &self.auxiliary
        {
            let labels = round.classes()?;
            let mut term = loss.value(head(discriminator, &of_real)?, labels)?;
            if *on_fake {
                term = term.add(&loss.value(head(discriminator, &of_fake)?, labels)?)?;
            }
            total = total.add(&weighted(&term, *weight)?)?;
            auxiliary = Some(scalar(&term)?);
        }
        let mut penalties = vec![None; self.penalties.len()];
        for (place, weight, term) in round.penalties(discriminator, fake.tensor(), learner.steps)? {
            total = total.add(&term.affine(weight, 0.0)?)?;
            penalties[place] = Some(scalar(&term)?);
        }
        let judged = Judged {
            loss: scalar(&total)?,
            total,
            real: scalar(&real)?,
            fake: scalar(&fake_loss)?,
            penalties,
            auxiliary,
            accuracy_real: self.share(&of_real.value, |logit, threshold| logit > threshold)?,
            accuracy_fake: self.share(&of_fake.value, |logit, threshold| logit < threshold)?,
        };
        let penalties = self.penalties.iter().zip(&judged.penalties);
        let mut terms = vec![("loss_d_real", judged.real), ("loss_d_fake", judged.fake)];
        terms.extend(penalties.map(|(penalty, term)| (penalty.column, term.unwrap_or_default())));
        terms.push(("loss_d_auxiliary", auxiliary.unwrap_or_default()));
        terms.push(("loss_d", judged.loss));
        Ok(match not_finite(&terms) {
            Some(diverged) => Err(diverged),
            None => Ok(judged),
        })
    }

    /// A step of the generator, and of its mapping, towards images that the discriminator takes for real.
    fn deceive(
        &self,
        round: &Round<'_>,
        learner: &mut Learner,
        fake: Value,
    ) -> Result<Result<Made, Step>, TrainError> {
        let discriminator = learner.network(DISCRIMINATOR)?;
        let seen = round.see(discriminator, &fake, 2, Parameters::Frozen)?;
        drop(fake);
        let mut loss = self.loss.generator(&seen.value)?;
        let mut made = Made {
            adversarial: Some(scalar(&loss)?),
            ..Made::default()
        };
        loss = weighted(&loss, self.generator_weight)?;
        if let Some(auxiliary) = &self.auxiliary {
            let logits = head(discriminator, &seen)?;
            let term = auxiliary.loss.value(logits, round.classes()?)?;
            made.auxiliary = Some(scalar(&term)?);
            loss = loss.add(&weighted(&term, auxiliary.weight)?)?;
        }
        drop(seen);
        let value = scalar(&loss)?;
        if let Some(diverged) = not_finite(&[("loss_g", value)]) {
            return Ok(Err(diverged));
        }
        let norm = learner.descend(&[GENERATOR, MAPPING], loss)?.norm;
        if let Some(diverged) = not_finite(&[("grad_norm_generator", norm)]) {
            return Ok(Err(diverged));
        }
        if let Some(average) = self.average {
            learner.move_averages(&[GENERATOR, MAPPING], average)?;
        }
        (made.loss, made.norm) = (Some(value), Some(norm));
        Ok(Ok(made))
    }

    /// The share of `logits` on their side of the loss's threshold, in [0, 1].
    fn share(
        &self,
        logits: &Value,
        right: impl Fn(f32, f32) -> bool,
    ) -> Result<Option<f32>, TrainError> {
        let Some(threshold) = self.loss.threshold() else {
            return Ok(None);
        };
        let logits = logits.tensor().flatten_all()?.to_vec1::<f32>()?;
        let count = logits
            .iter()
            .filter(|&&logit| right(logit, threshold))
            .count();
        Ok(Some(count as f32 / logits.len() as f32))
    }
}

/// The label logits of an output.
fn head<'a>(discriminator: &Network, output: &'a Output) -> Result<&'a Value, TrainError> {
    output
        .heads
        .get(AUXILIARY)
        .ok_or_else(|| TrainError::NoHead {
            network: discriminator.name().to_owned(),
            head: AUXILIARY,
        })
}

/// `term` times `weight`, which is mostly 1.
fn weighted(term: &Value, weight: f64) -> Result<Value, TrainError> {
    #[expect(clippy::float_cmp, reason = "equal as written")]
    if weight == 1.0 {
        return Ok(term.clone());
    }
    Ok(term.affine(weight, 0.0)?)
}

fn scalar(loss: &Value) -> Result<f32, TrainError> {
    Ok(loss.tensor().to_scalar::<f32>()?)
}
