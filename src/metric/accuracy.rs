//! How often a classifier's best guesses are the labels asked for.
//!
//! The rule is that of the i-CLEVR course evaluator: for an image with k labels on, take the k highest
//! scores; accuracy = Σ |guessed ∩ asked| / Σ k over all images (micro recall at k). With one label per
//! image this is plain accuracy. The order of the scores is all that counts, so logits will do.

use super::MetricError;

/// Counts of right and asked-for labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopK {
    /// labels found among the top k
    pub right: u64,
    /// labels asked for
    pub asked: u64,
    /// images seen
    pub samples: u64,
}

impl TopK {
    /// Takes in `scores` (N, K) against `labels` (N, K), where a label is on when above ½. Of equal scores
    /// the lower class wins. On an error nothing has been taken in.
    pub fn extend(
        &mut self,
        scores: &[f32],
        labels: &[f32],
        classes: usize,
    ) -> Result<(), MetricError> {
        if classes == 0 || !scores.len().is_multiple_of(classes) {
            return Err(MetricError::Ragged {
                values: scores.len(),
                width: classes,
            });
        }
        if scores.len() != labels.len() {
            return Err(MetricError::Dimensions {
                left: scores.len(),
                right: labels.len(),
            });
        }
        if let Some(bad) = scores.iter().position(|score| !score.is_finite()) {
            return Err(MetricError::NotFinite {
                sample: self.samples + (bad / classes) as u64,
                position: bad % classes,
            });
        }
        let rows = scores.chunks_exact(classes);
        for (scores, labels) in rows.zip(labels.chunks_exact(classes)) {
            let on = |class: usize| labels[class] > 0.5;
            let asked = (0..classes).filter(|&class| on(class)).count();
            let mut ranking: Vec<usize> = (0..classes).collect();
            ranking.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            let right = ranking[..asked].iter().filter(|&&class| on(class)).count();
            self.right += right as u64;
            self.asked += asked as u64;
            self.samples += 1;
        }
        Ok(())
    }

    /// The share of asked-for labels that were found, in [0, 1]. An error when none was asked for.
    pub fn value(self) -> Result<f64, MetricError> {
        if self.asked == 0 {
            return Err(MetricError::NoLabels);
        }
        Ok(self.right as f64 / self.asked as f64)
    }
}
