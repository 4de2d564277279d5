//! What both networks are worth on images that they do not learn from.

use super::round::{Draw, Parameters, Purpose, Round};
use super::{DISCRIMINATOR, Gan, scalar};
use crate::data::{Batch, Source};
use crate::train::error::TrainError;
use crate::train::learner::Learner;

/// The history's columns of a validation.
pub(super) const COLUMNS: &[&str] = &[
    "loss_d_validation",
    "loss_g_validation",
    "accuracy_validation",
];

impl Gan {
    /// The figures of [`COLUMNS`]: on each image of `source` once, as it is, and on as many generated ones, both
    /// networks as they are after training.
    ///
    /// Losses are the adversarial terms alone, against hard labels; accuracy is the mean of the shares of real and
    /// of generated images that the discriminator takes for what they are. Sample k has the noise of the stream
    /// ("z-validation", k) in every epoch.
    pub(super) fn validate(
        &self,
        learner: &Learner,
        source: &Source,
    ) -> Result<[Option<f32>; 3], TrainError> {
        let images = source.pack.len();
        let discriminator = learner.network(DISCRIMINATOR)?;
        let indices: Vec<u32> = (0..images as u32).collect();
        let (mut loss_d, mut loss_g, mut accuracy) = (0.0, 0.0, None);
        for chunk in indices.chunks(self.batch_size.max(1)) {
            let batch = Batch::of(&source.pack, chunk)?;
            let first = u64::from(chunk[0]);
            let round = Round::new(self, learner, &batch, (Purpose::Validate, first))?;
            let fake = round.generate(learner, Draw::First, Parameters::Frozen)?;
            let of_real = round.see(discriminator, &round.real, 0, Parameters::Frozen)?;
            let of_fake = round.see(discriminator, &fake, 1, Parameters::Frozen)?;
            let share = chunk.len() as f64 / images as f64;
            let real = self.loss.real(&of_real.value, None)?;
            let fake = self.loss.fake(&of_fake.value, None)?;
            let generated = self.loss.generator(&of_fake.value)?;
            let both = f64::from(scalar(&real)?) + f64::from(scalar(&fake)?);
            loss_d += share * self.discriminator_weight * both;
            loss_g += share * self.generator_weight * f64::from(scalar(&generated)?);
            let right_real = self.share(&of_real.value, |logit, threshold| logit > threshold)?;
            let right_fake = self.share(&of_fake.value, |logit, threshold| logit <= threshold)?;
            if let (Some(real), Some(fake)) = (right_real, right_fake) {
                let mean = f64::midpoint(f64::from(real), f64::from(fake));
                *accuracy.get_or_insert(0.0) += share * mean;
            }
        }
        Ok([Some(loss_d), Some(loss_g), accuracy].map(|figure| figure.map(|value| value as f32)))
    }
}
