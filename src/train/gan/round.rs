//! One batch, and what all passes of its step share.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::Gan;
use super::penalty::Material;
use crate::autograd::Value;
use crate::data::Batch;
use crate::loss::slope_penalty;
use crate::model::{Inputs, Mode, Network};
use crate::ops::{Draw as Draws, diff_augment};
use crate::rng::Stream;
use crate::train::error::TrainError;
use crate::train::learner::Learner;

/// Sample indices of different forward passes of one network lie this far apart, so that each pass has
/// dropout masks of its own.
const PASS: u64 = 1 << 48;

/// What a network gives.
pub(super) struct Output {
    pub value: Value,
    pub heads: BTreeMap<String, Value>,
}

/// Whether a pass through a network is to give gradients of its parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    Learn,
    Frozen,
}

/// What random numbers of the passes are named after: training and validation draw their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Train,
    Validate,
}

/// One batch.
pub(super) struct Round<'a> {
    task: &'a Gan,
    purpose: Purpose,
    pub real: Value,
    pub condition: Option<Value>,
    /// the run's index of the batch's first sample
    first: u64,
    samples: usize,
}

impl<'a> Round<'a> {
    pub fn new(
        task: &'a Gan,
        learner: &Learner,
        batch: &Batch,
        (purpose, first): (Purpose, u64),
    ) -> Result<Self, TrainError> {
        let (samples, channels, height, width) = batch.shape;
        let condition = match batch.labels.len() / samples.max(1) {
            0 => None,
            classes => Some(learner.tensor(&batch.labels, &[samples, classes])?),
        };
        Ok(Self {
            task,
            purpose,
            real: learner.tensor(&batch.images, &[samples, channels, height, width])?,
            condition,
            first,
            samples,
        })
    }

    /// Images of the generator, by noise of its own for each `draw`.
    pub fn generate(
        &self,
        learner: &Learner,
        draw: Draw,
        parameters: Parameters,
    ) -> Result<Value, TrainError> {
        let number = match draw {
            Draw::First => 0,
            Draw::Fresh => 4,
        };
        let generator = learner.network(super::GENERATOR)?;
        let z = self.noise(learner, draw)?;
        let mut given = vec![("z", z)];
        if let Some(mapping) = learner.optional(super::MAPPING) {
            let w = self.pass(mapping, &given, number, parameters)?.value;
            given.push(("w", w));
        }
        Ok(self.pass(generator, &given, number, parameters)?.value)
    }

    /// z (N, latent), standard normal.
    fn noise(&self, learner: &Learner, draw: Draw) -> Result<Value, TrainError> {
        let purpose = match (self.purpose, draw) {
            (Purpose::Train, Draw::First) => "z-train",
            (Purpose::Train, Draw::Fresh) => "z-train-fresh",
            (Purpose::Validate, _) => "z-validation",
        };
        let latent = learner.model.header.dims.latent;
        let mut z = vec![0.0; self.samples * latent];
        for (row, counter) in z.chunks_exact_mut(latent.max(1)).zip(self.first..) {
            Stream::new(self.task.seed, purpose, counter).fill_normal(row);
        }
        learner.tensor(&z, &[self.samples, latent])
    }

    /// What the discriminator makes of `image`, augmented as the task says. Passes have numbers.
    pub fn see(
        &self,
        discriminator: &Network,
        image: &Value,
        number: u64,
        parameters: Parameters,
    ) -> Result<Output, TrainError> {
        let image = self.augmented(image, number)?;
        self.pass(discriminator, &[("image", image)], number, parameters)
    }

    /// `image` as the discriminator is shown it in training.
    fn augmented(&self, image: &Value, number: u64) -> Result<Value, TrainError> {
        let policy = &self.task.augment;
        if policy.is_empty() || self.purpose == Purpose::Validate {
            return Ok(image.clone());
        }
        let purpose = format!("diff-augment/{number}");
        let draws: Vec<Draws> = (self.first..)
            .take(self.samples)
            .map(|sample| {
                let mut stream = Stream::new(self.task.seed, &purpose, sample);
                Draws::new(|| stream.unit())
            })
            .collect();
        Ok(diff_augment(image, &draws, policy)?)
    }

    /// The output of `network`, for those of the inputs `given` that it takes, and the condition.
    fn pass(
        &self,
        network: &Network,
        given: &[(&str, Value)],
        number: u64,
        parameters: Parameters,
    ) -> Result<Output, TrainError> {
        let mut inputs = Inputs::new().noise(self.task.seed, self.first + number * PASS);
        for (name, value) in given.iter().filter(|(name, _)| network.takes(name)) {
            inputs = inputs.with(name, value);
        }
        if network.takes("condition") {
            let condition = self.condition.as_ref();
            let condition =
                condition.ok_or(TrainError::NoLabels("a network takes them as `condition`"))?;
            inputs = inputs.with("condition", condition);
        }
        let mode = match self.purpose {
            Purpose::Train => Mode::Train,
            Purpose::Validate => Mode::Eval,
        };
        let (value, heads) = match parameters {
            Parameters::Learn => network.forward_with_heads(&inputs, mode)?,
            Parameters::Frozen => network.forward_frozen_with_heads(&inputs, mode)?,
        };
        Ok(Output { value, heads })
    }

    /// The labels of real images that the discriminator is told, (N); `None` when they are 1.
    pub fn real_labels(&self, learner: &Learner) -> Result<Option<Value>, TrainError> {
        let labels = self.task.labels;
        self.told(
            learner,
            labels.of_real(self.task.seed, self.first, self.samples),
        )
    }

    /// The labels of generated images, likewise.
    pub fn fake_labels(&self, learner: &Learner) -> Result<Option<Value>, TrainError> {
        let labels = self.task.labels;
        self.told(
            learner,
            labels.of_fake(self.task.seed, self.first, self.samples),
        )
    }

    fn told(
        &self,
        learner: &Learner,
        labels: Option<Vec<f32>>,
    ) -> Result<Option<Value>, TrainError> {
        let labels = labels.filter(|_| self.purpose == Purpose::Train);
        let tensor = |labels: Vec<f32>| learner.tensor(&labels, &[self.samples]);
        labels.map(tensor).transpose()
    }

    /// The labels (N, K) that an auxiliary head learns.
    pub fn classes(&self) -> Result<&Tensor, TrainError> {
        let condition = self.condition.as_ref();
        let condition = condition.ok_or(TrainError::NoLabels("`auxiliary` learns them"))?;
        Ok(condition.tensor())
    }

    /// The task's penalties that step `step` (from 0) takes: each with its place in the task's list, its weight, and
    /// its value without that.
    pub fn penalties(
        &self,
        discriminator: &Network,
        fake: &Tensor,
        step: u64,
    ) -> Result<Vec<(usize, f64, Value)>, TrainError> {
        let real = self.real.tensor();
        let noise = || {
            let each = real.elem_count() / self.samples.max(1);
            let mut noise = Vec::with_capacity(real.elem_count());
            for counter in (self.first..).take(self.samples) {
                let mut stream = Stream::new(self.task.seed, "gradient-penalty-noise", counter);
                noise.extend((0..each).map(|_| stream.unit() as f32));
            }
            Tensor::from_vec(noise, real.shape(), real.device())
        };
        let material = Material {
            real,
            fake,
            mix: &|| self.mix(),
            noise: &noise,
        };
        let mut terms = Vec::new();
        // Passes 0 to 2 are those of the losses.
        let mut number = 3;
        for (place, penalty) in self.task.penalties.iter().enumerate() {
            let Some(weight) = penalty.weight_at(step) else {
                continue;
            };
            let points = penalty.points.of(&material)?;
            let share = 1.0 / points.len() as f64;
            let mut sum: Option<Value> = None;
            for points in points {
                let term = slope_penalty(points, penalty.steepness, |image| {
                    let output = self.see(discriminator, image, number, Parameters::Learn)?;
                    Ok::<_, TrainError>(output.value)
                })?;
                number += 1;
                sum = Some(match sum {
                    Some(sum) => sum.add(&term)?.affine(share, 0.0)?,
                    None => term,
                });
            }
            terms.extend(sum.map(|sum| (place, weight, sum)));
        }
        Ok(terms)
    }

    /// Where between a real and a fake image a penalty is taken: one number in [0, 1) a sample.
    fn mix(&self) -> Vec<f32> {
        (self.first..)
            .take(self.samples)
            .map(|counter| Stream::new(self.task.seed, "gradient-penalty", counter).unit() as f32)
            .collect()
    }
}

/// Which noise of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    /// what both networks' steps share
    First,
    /// noise that only the generator's step sees
    Fresh,
}
