//! How a discriminator scores real and generated images, as two histograms over one range.

use serde::{Deserialize, Serialize};

/// Counts of scores in equal parts of a range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// the least score of all
    pub low: f64,
    /// the greatest score of all
    pub high: f64,
    /// how many scores of real images lie in each part
    pub real: Vec<u64>,
    /// how many scores of generated images do
    pub generated: Vec<u64>,
}

impl Scores {
    /// Counts what is finite of both sets in `parts` parts, each with its lower edge, the last with both; `None` where
    /// nothing is finite. Where all scores are one they are in the middle.
    pub fn of(real: &[f32], generated: &[f32], parts: usize) -> Option<Self> {
        let finite = |scores: &'_ [f32]| -> Vec<f64> {
            let finite = scores.iter().filter(|score| score.is_finite());
            finite.map(|score| f64::from(*score)).collect()
        };
        let sets = [finite(real), finite(generated)];
        let all = || sets.iter().flatten();
        let low = all().copied().reduce(f64::min)?;
        let high = all().copied().fold(low, f64::max);
        let part = |score: f64| {
            if high > low {
                (((score - low) / (high - low) * parts as f64) as usize).min(parts - 1)
            } else {
                parts / 2
            }
        };
        let [real, generated] = sets.map(|scores| {
            let mut counts = vec![0; parts];
            for score in scores {
                counts[part(score)] += 1;
            }
            counts
        });
        Some(Self {
            low,
            high,
            real,
            generated,
        })
    }
}
