//! The task `vae`: an encoder and a decoder, one descent step a batch (Kingma & Welling 2014).
//!
//! The encoder makes 2·D numbers of an image, in any shape: the means of z first, then the logarithms of its
//! variances. The decoder makes an image of z.

use std::sync::Arc;

use super::error::TrainError;
use super::history::Row;
use super::learner::Learner;
use super::{Step, Task, not_finite};
use crate::autograd::Value;
use crate::data::{Batch, Source};
use crate::loss::{Reconstruction, Reduction, kl_divergence, reparameterise};
use crate::model::{Inputs, Mode, Network};
use crate::rng::Stream;

const ENCODER: &str = "encoder";
const DECODER: &str = "decoder";

const COLUMNS: &[&str] = &["loss", "loss_reconstruction", "loss_kl", "lr", "grad_norm"];
const VALIDATION: &[&str] = &[
    "loss_validation",
    "loss_reconstruction_validation",
    "loss_kl_validation",
];

/// See the module.
#[derive(Debug, Clone)]
pub struct Vae {
    /// how far a reconstruction is from its image
    pub reconstruction: Reconstruction,
    /// of its terms
    pub reconstruction_reduction: Reduction,
    /// of the divergence's terms
    pub kl_reduction: Reduction,
    /// β, the divergence's weight (Higgins et al. 2017)
    pub beta: f64,
    /// seeds the noise of sample k, the stream ("z-train", k), and dropout
    pub seed: u64,
    /// images to measure losses on after every epoch, reconstructed from the means of z
    pub validation: Option<Arc<Source>>,
    /// validation images that pass at once
    pub batch_size: usize,
}

/// The terms of a loss.
struct Terms {
    total: Value,
    reconstruction: Value,
    kl: Value,
}

impl Vae {
    fn terms(
        &self,
        learner: &Learner,
        batch: &Batch,
        (mode, first): (Mode, u64),
    ) -> Result<Terms, TrainError> {
        let (samples, channels, height, width) = batch.shape;
        let image = learner.tensor(&batch.images, &[samples, channels, height, width])?;
        let latent = learner.model.header.dims.latent;
        let labels = &batch.labels;
        let condition = match labels.len() / samples.max(1) {
            0 => None,
            classes => Some(learner.tensor(labels, &[samples, classes])?),
        };
        let pass = |network: &Network, name: &str, value: &Value| {
            let mut inputs = Inputs::new().with(name, value).noise(self.seed, first);
            if network.takes("condition") {
                let condition = condition.as_ref();
                let needed = TrainError::NoLabels("a network takes them as `condition`");
                inputs = inputs.with("condition", condition.ok_or(needed)?);
            }
            Ok::<_, TrainError>(match mode {
                Mode::Train => network.forward(&inputs, mode)?,
                Mode::Eval => network.forward_frozen(&inputs, mode)?,
            })
        };
        let code = pass(learner.network(ENCODER)?, "image", &image)?.flatten_rows()?;
        let (mean, log_variance) = (code.narrow(1, 0, latent)?, code.narrow(1, latent, latent)?);
        let z = match mode {
            Mode::Train => {
                let mut noise = vec![0.0; samples * latent];
                for (row, counter) in noise.chunks_exact_mut(latent.max(1)).zip(first..) {
                    Stream::new(self.seed, "z-train", counter).fill_normal(row);
                }
                let noise = learner.tensor(&noise, &[samples, latent])?;
                reparameterise(&mean, &log_variance, &noise)?
            }
            Mode::Eval => mean.clone(),
        };
        let decoded = pass(learner.network(DECODER)?, "z", &z)?;
        let reduction = self.reconstruction_reduction;
        let reconstruction = self.reconstruction.value(&decoded, &image, reduction)?;
        let kl = kl_divergence(&mean, &log_variance, self.kl_reduction)?;
        Ok(Terms {
            total: reconstruction.add(&kl.affine(self.beta, 0.0)?)?,
            reconstruction,
            kl,
        })
    }
}

impl Terms {
    fn figures(&self) -> Result<[f32; 3], TrainError> {
        let scalar = |value: &Value| value.tensor().to_scalar::<f32>();
        Ok([
            scalar(&self.total)?,
            scalar(&self.reconstruction)?,
            scalar(&self.kl)?,
        ])
    }
}

impl Task for Vae {
    fn columns(&self) -> Vec<&'static str> {
        match self.validation {
            None => COLUMNS.to_vec(),
            Some(_) => [COLUMNS, VALIDATION].concat(),
        }
    }

    fn step(&self, learner: &mut Learner, batch: &Batch) -> Result<Step, TrainError> {
        let terms = self.terms(learner, batch, (Mode::Train, learner.samples))?;
        let [loss, reconstruction, kl] = terms.figures()?;
        let parts = [("loss_reconstruction", reconstruction), ("loss_kl", kl)];
        if let Some(diverged) = not_finite(&parts).or_else(|| not_finite(&[("loss", loss)])) {
            return Ok(diverged);
        }
        let norm = learner.descend(&[ENCODER, DECODER], terms.total)?.norm;
        if let Some(diverged) = not_finite(&[("grad_norm", norm)]) {
            return Ok(diverged);
        }
        let lr = learner.lr(ENCODER) as f32;
        let mut figures = [loss, reconstruction, kl, lr, norm].map(Some).to_vec();
        figures.resize(self.columns().len(), None);
        Ok(Step::Done(figures))
    }

    fn finish_epoch(&self, learner: &Learner, last: &mut Row) -> Result<(), TrainError> {
        let Some(source) = &self.validation else {
            return Ok(());
        };
        let images = source.pack.len();
        let indices: Vec<u32> = (0..images as u32).collect();
        let mut sums = [0.0; 3];
        for chunk in indices.chunks(self.batch_size.max(1)) {
            let batch = Batch::of(&source.pack, chunk)?;
            let terms = self.terms(learner, &batch, (Mode::Eval, u64::from(chunk[0])))?;
            for (sum, figure) in sums.iter_mut().zip(terms.figures()?) {
                *sum += f64::from(figure) * chunk.len() as f64 / images as f64;
            }
        }
        last.figures.truncate(COLUMNS.len());
        last.figures.extend(sums.map(|sum| Some(sum as f32)));
        Ok(())
    }
}
