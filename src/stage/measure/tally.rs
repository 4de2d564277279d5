//! What is gathered over a set of images.

use super::discriminator::Judged;
use crate::extract::Seen;
use crate::metric::accuracy::TopK;
use crate::metric::stats::Moments;
use crate::metric::{MetricError, Needs};

/// Features, scores and labels of a set of images, as far as metrics need them.
#[derive(Default)]
pub struct Tally {
    /// how many images
    pub count: u64,
    /// D
    pub dimensions: usize,
    /// K
    pub classes: usize,
    /// of all features
    pub moments: Option<Moments>,
    /// the features (N, D)
    pub rows: Vec<f32>,
    /// logits (N, K)
    pub scores: Vec<f32>,
    /// 0 and 1 (N, L)
    pub labels: Vec<f32>,
    /// what the model's own discriminator thinks of them, and of real images
    pub discriminator: Option<Judged>,
    /// how often the scores' best are the labels
    pub accuracy: TopK,
}

impl Tally {
    /// Takes in what was seen of the next images, and their labels (0 and 1, one row an image; empty where none are
    /// needed).
    pub fn take_in(
        &mut self,
        seen: &Seen,
        labels: &[f32],
        needs: Needs,
    ) -> Result<(), MetricError> {
        let n = seen.features.len() / seen.dimensions.max(1);
        (self.dimensions, self.classes) = (seen.dimensions, seen.classes);
        let bad = |values: &[f32]| values.iter().position(|value| !value.is_finite());
        if let Some(bad) = bad(&seen.features) {
            return Err(MetricError::NotFinite {
                sample: self.count + (bad / seen.dimensions) as u64,
                position: bad % seen.dimensions,
            });
        }
        if needs.moments {
            let moments = self
                .moments
                .get_or_insert_with(|| Moments::new(seen.dimensions));
            moments.extend(&seen.features)?;
        }
        if needs.rows {
            self.rows.extend(&seen.features);
        }
        if needs.guesses {
            self.accuracy.extend(&seen.scores, labels, seen.classes)?;
        }
        if needs.scores {
            self.scores.extend(&seen.scores);
        }
        if needs.labels {
            self.labels.extend(labels);
        }
        self.count += n as u64;
        Ok(())
    }
}
