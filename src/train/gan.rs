//! The task `gan`: discriminator and generator steps on every batch.
//!
//! As in `PyTorch`'s DCGAN tutorial: the generator makes one batch of fakes; the discriminator descends on
//! real images and those fakes (each with batch statistics of its own), then the generator on what the
//! updated discriminator says of the same fakes. With a gradient penalty the discriminator is a critic, which may
//! make several steps, each on a batch of its own, for every step of the generator (Gulrajani et al. 2017).
//! Networks that take a `condition` get the real images' labels, for real and fake images alike (Mirza &
//! Osindero 2014).

use candle_core::Tensor;

use super::error::TrainError;
use super::learner::Learner;
use super::{Step, Task, not_finite};
use crate::autograd::Value;
use crate::data::Batch;
use crate::loss::{GanLoss, gradient_penalty};
use crate::model::{Inputs, Mode, Network};
use crate::rng::Stream;

const GENERATOR: &str = "generator";
const DISCRIMINATOR: &str = "discriminator";

/// Sample indices of different forward passes of one network lie this far apart, so that each pass has
/// dropout masks of its own.
const PASS: u64 = 1 << 48;

/// The history's columns; the last is left out without a penalty.
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
    "gradient_penalty",
];

/// See the module.
#[derive(Debug, Clone)]
pub struct Gan {
    /// what both networks minimise
    pub loss: GanLoss,
    /// the weight λ of the gradient penalty in the discriminator's loss, if it has one
    pub gradient_penalty: Option<f64>,
    /// discriminator steps for every generator step, at least 1
    pub critic_steps: u64,
    /// seeds the noise z, sample k of the run being the stream ("z-train", k), and where between real and
    /// fake images the penalty is taken ("gradient-penalty", k)
    pub seed: u64,
}

impl Task for Gan {
    fn columns(&self) -> &'static [&'static str] {
        match self.gradient_penalty {
            Some(_) => COLUMNS,
            None => &COLUMNS[..COLUMNS.len() - 1],
        }
    }

    fn step(&self, learner: &mut Learner, batch: &Batch) -> Result<Step, TrainError> {
        let round = Round::new(self, learner, batch)?;
        let with_generator = (learner.steps + 1).is_multiple_of(self.critic_steps.max(1));
        let generator = learner.network(GENERATOR)?;
        let z = round.noise(learner)?;
        let parameters = if with_generator {
            Parameters::Learn
        } else {
            Parameters::Frozen
        };
        let fake = round.pass(generator, ("z", &z), 0, parameters)?;

        let discriminator = learner.network(DISCRIMINATOR)?;
        let (loss_d, judged) = match round.judge(discriminator, fake.tensor())? {
            Ok(judged) => judged,
            Err(diverged) => return Ok(diverged),
        };
        let norm_d = learner.descend(DISCRIMINATOR, loss_d)?.norm;
        if let Some(diverged) = not_finite(&[("grad_norm_discriminator", norm_d)]) {
            return Ok(diverged);
        }

        let (mut loss_g, mut norm_g) = (None, None);
        if with_generator {
            let discriminator = learner.network(DISCRIMINATOR)?;
            let logits = round.pass(discriminator, ("image", &fake), 2, Parameters::Frozen)?;
            drop(fake);
            let loss = self.loss.generator(&logits)?;
            let value = scalar(&loss)?;
            if let Some(diverged) = not_finite(&[("loss_g", value)]) {
                return Ok(diverged);
            }
            let norm = learner.descend(GENERATOR, loss)?.norm;
            if let Some(diverged) = not_finite(&[("grad_norm_generator", norm)]) {
                return Ok(diverged);
            }
            (loss_g, norm_g) = (Some(value), Some(norm));
        }

        let mut figures = vec![
            Some(judged.loss),
            loss_g,
            Some(judged.real),
            Some(judged.fake),
            judged.accuracy_real,
            judged.accuracy_fake,
            Some(learner.lr(GENERATOR) as f32),
            Some(learner.lr(DISCRIMINATOR) as f32),
            norm_g,
            Some(norm_d),
        ];
        figures.extend(self.gradient_penalty.map(|_| judged.penalty));
        Ok(Step::Done(figures))
    }
}

/// Whether a pass through a network is to give gradients of its parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parameters {
    Learn,
    Frozen,
}

/// One batch, and what all passes of its step share.
struct Round<'a> {
    task: &'a Gan,
    real: Value,
    condition: Option<Value>,
    /// the run's index of the batch's first sample
    first: u64,
    samples: usize,
}

/// What the discriminator made of a batch.
struct Judged {
    loss: f32,
    real: f32,
    fake: f32,
    penalty: Option<f32>,
    accuracy_real: Option<f32>,
    accuracy_fake: Option<f32>,
}

impl<'a> Round<'a> {
    fn new(task: &'a Gan, learner: &Learner, batch: &Batch) -> Result<Self, TrainError> {
        let (samples, channels, height, width) = batch.shape;
        let condition = match batch.labels.len() / samples.max(1) {
            0 => None,
            classes => Some(learner.tensor(&batch.labels, &[samples, classes])?),
        };
        Ok(Self {
            task,
            real: learner.tensor(&batch.images, &[samples, channels, height, width])?,
            condition,
            first: learner.samples,
            samples,
        })
    }

    /// z (N, latent), standard normal.
    fn noise(&self, learner: &Learner) -> Result<Value, TrainError> {
        let latent = learner.model.header.dims.latent;
        let mut z = vec![0.0; self.samples * latent];
        for (row, counter) in z.chunks_exact_mut(latent.max(1)).zip(self.first..) {
            Stream::new(self.task.seed, "z-train", counter).fill_normal(row);
        }
        learner.tensor(&z, &[self.samples, latent])
    }

    /// Where between a real and a fake image the penalty is taken: one number in [0, 1) a sample.
    fn mix(&self) -> Vec<f32> {
        (self.first..)
            .take(self.samples)
            .map(|counter| Stream::new(self.task.seed, "gradient-penalty", counter).unit() as f32)
            .collect()
    }

    /// The output of `network` in training for an input by its name. Passes through one network have numbers.
    fn pass(
        &self,
        network: &Network,
        (name, value): (&str, &Value),
        number: u64,
        parameters: Parameters,
    ) -> Result<Value, TrainError> {
        let mut inputs = Inputs::new()
            .with(name, value)
            .noise(self.task.seed, self.first + number * PASS);
        if network.takes("condition") {
            let condition = self.condition.as_ref();
            let condition =
                condition.ok_or(TrainError::NoLabels("a network takes them as `condition`"))?;
            inputs = inputs.with("condition", condition);
        }
        Ok(match parameters {
            Parameters::Learn => network.forward(&inputs, Mode::Train)?,
            Parameters::Frozen => network.forward_frozen(&inputs, Mode::Train)?,
        })
    }

    /// The discriminator's loss on this batch and on `fake` images, or the figure in which it diverged.
    fn judge(
        &self,
        discriminator: &Network,
        fake: &Tensor,
    ) -> Result<std::result::Result<(Value, Judged), Step>, TrainError> {
        let task = self.task;
        let see = |image: &Value, number| {
            self.pass(discriminator, ("image", image), number, Parameters::Learn)
        };
        let real_logits = see(&self.real, 0)?;
        let fake_logits = see(&fake.into(), 1)?;
        let (real, fake_loss) = (task.loss.real(&real_logits)?, task.loss.fake(&fake_logits)?);
        let mut loss = real.add(&fake_loss)?;
        let mut penalty = None;
        if let Some(weight) = task.gradient_penalty {
            let term =
                gradient_penalty(self.real.tensor(), fake, &self.mix(), |image| see(image, 3))?;
            loss = loss.add(&term.affine(weight, 0.0)?)?;
            penalty = Some(scalar(&term)?);
        }
        let share = |logits: &Value, right: fn(f32) -> bool| match task.loss {
            GanLoss::Bce => share(logits, right).map(Some),
            // A critic's numbers have no sign to be right about.
            GanLoss::Wasserstein => Ok(None),
        };
        let judged = Judged {
            loss: scalar(&loss)?,
            real: scalar(&real)?,
            fake: scalar(&fake_loss)?,
            penalty,
            accuracy_real: share(&real_logits, |logit| logit > 0.0)?,
            accuracy_fake: share(&fake_logits, |logit| logit < 0.0)?,
        };
        let diverged = not_finite(&[
            ("loss_d_real", judged.real),
            ("loss_d_fake", judged.fake),
            ("gradient_penalty", penalty.unwrap_or_default()),
            ("loss_d", judged.loss),
        ]);
        Ok(match diverged {
            Some(diverged) => Err(diverged),
            None => Ok((loss, judged)),
        })
    }
}

fn scalar(loss: &Value) -> Result<f32, TrainError> {
    Ok(loss.tensor().to_scalar::<f32>()?)
}

/// The share of `logits` that are `right`, in [0, 1].
fn share(logits: &Value, right: impl Fn(f32) -> bool) -> Result<f32, TrainError> {
    let logits = logits.tensor().flatten_all()?.to_vec1::<f32>()?;
    let count = logits.iter().filter(|&&logit| right(logit)).count();
    Ok(count as f32 / logits.len() as f32)
}
