//! The task `gan`: one discriminator and one generator step a batch.
//!
//! As in `PyTorch`'s DCGAN tutorial: the generator makes one batch of fakes; the discriminator descends on
//! real images and those fakes (each with batch statistics of its own), then the generator on what the
//! updated discriminator says of the same fakes. Networks that take a `condition` get the real
//! images' labels, for real and fake images alike (Mirza & Osindero 2014).

use super::error::TrainError;
use super::learner::Learner;
use super::{Step, Task, not_finite};
use crate::autograd::Value;
use crate::data::Batch;
use crate::loss::GanLoss;
use crate::model::{Inputs, Mode, Network};
use crate::rng::Stream;

const GENERATOR: &str = "generator";
const DISCRIMINATOR: &str = "discriminator";

/// Sample indices of different forward passes of one network lie this far apart, so that each pass has
/// dropout masks of its own.
const PASS: u64 = 1 << 48;

/// See the module.
#[derive(Debug, Clone)]
pub struct Gan {
    /// what both networks minimise
    pub loss: GanLoss,
    /// seeds the noise z: sample k of the run is the stream ("z-train", k)
    pub seed: u64,
}

impl Gan {
    /// z (N, latent), standard normal.
    fn noise(&self, learner: &Learner, samples: usize) -> Result<Value, TrainError> {
        let latent = learner.model.header.dims.latent;
        let mut z = vec![0.0; samples * latent];
        for (row, counter) in z.chunks_exact_mut(latent.max(1)).zip(learner.samples..) {
            Stream::new(self.seed, "z-train", counter).fill_normal(row);
        }
        learner.tensor(&z, &[samples, latent])
    }
}

impl Task for Gan {
    fn columns(&self) -> &'static [&'static str] {
        &[
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
        ]
    }

    fn step(&self, learner: &mut Learner, batch: &Batch) -> Result<Step, TrainError> {
        let (samples, channels, height, width) = batch.shape;
        let real = learner.tensor(&batch.images, &[samples, channels, height, width])?;
        let condition = match batch.labels.len() / samples.max(1) {
            0 => None,
            classes => Some(learner.tensor(&batch.labels, &[samples, classes])?),
        };
        let first_sample = learner.samples;
        let inputs = |network: &Network, name: &str, value: &Value, pass: u64| {
            let inputs = Inputs::new()
                .with(name, value)
                .noise(self.seed, first_sample + pass * PASS);
            match &condition {
                Some(condition) if network.takes("condition") => {
                    Ok(inputs.with("condition", condition))
                }
                None if network.takes("condition") => {
                    Err(TrainError::NoLabels("a network takes them as `condition`"))
                }
                _ => Ok(inputs),
            }
        };

        let generator = learner.network(GENERATOR)?;
        let z = self.noise(learner, samples)?;
        let fake = generator.forward(&inputs(generator, "z", &z, 0)?, Mode::Train)?;

        let discriminator = learner.network(DISCRIMINATOR)?;
        let real_logits =
            discriminator.forward(&inputs(discriminator, "image", &real, 0)?, Mode::Train)?;
        let seen = fake.detach();
        let fake_logits =
            discriminator.forward(&inputs(discriminator, "image", &seen, 1)?, Mode::Train)?;
        let loss_real = self.loss.real(&real_logits)?;
        let loss_fake = self.loss.fake(&fake_logits)?;
        let loss_d = loss_real.add(&loss_fake)?;
        let (d_real, d_fake, d) = (scalar(&loss_real)?, scalar(&loss_fake)?, scalar(&loss_d)?);
        if let Some(diverged) = not_finite(&[
            ("loss_d_real", d_real),
            ("loss_d_fake", d_fake),
            ("loss_d", d),
        ]) {
            return Ok(diverged);
        }
        let accuracy_real = share(&real_logits, |logit| logit > 0.0)?;
        let accuracy_fake = share(&fake_logits, |logit| logit < 0.0)?;
        let norm_d = learner.descend(DISCRIMINATOR, loss_d)?.norm;
        if let Some(diverged) = not_finite(&[("grad_norm_discriminator", norm_d)]) {
            return Ok(diverged);
        }

        let discriminator = learner.network(DISCRIMINATOR)?;
        let logits = discriminator
            .forward_frozen(&inputs(discriminator, "image", &fake, 2)?, Mode::Train)?;
        let loss_g = self.loss.generator(&logits)?;
        let g = scalar(&loss_g)?;
        if let Some(diverged) = not_finite(&[("loss_g", g)]) {
            return Ok(diverged);
        }
        let norm_g = learner.descend(GENERATOR, loss_g)?.norm;
        if let Some(diverged) = not_finite(&[("grad_norm_generator", norm_g)]) {
            return Ok(diverged);
        }

        let figures = [
            d,
            g,
            d_real,
            d_fake,
            accuracy_real,
            accuracy_fake,
            learner.lr(GENERATOR) as f32,
            learner.lr(DISCRIMINATOR) as f32,
            norm_g,
            norm_d,
        ];
        Ok(Step::Done(figures.map(Some).to_vec()))
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
