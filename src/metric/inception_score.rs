//! Inception score (Salimans et al., *Improved Techniques for Training GANs*, 2016): the exponential of the mean
//! divergence between the classes seen in an image and those seen in all images of its part of the set.
//!
//! Equal to torch-fidelity 0.4 with its defaults, shuffle included.

use rayon::prelude::*;

use super::MetricError;
use super::features::Features;
use super::random_state::RandomState;
use super::spread::{deviation, mean};

/// How images are divided. The default is torch-fidelity's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splits {
    /// parts of which each has a score
    pub count: usize,
    /// of the shuffle; `None` keeps the order
    pub shuffle: Option<u32>,
}

impl Default for Splits {
    fn default() -> Self {
        Self {
            count: 10,
            shuffle: Some(2020),
        }
    }
}

/// Scores of parts of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct InceptionScore {
    /// one a part, in [1, number of classes]
    pub values: Vec<f64>,
}

impl InceptionScore {
    /// Of `logits` (N, K). An error when there are more parts than images.
    pub fn of(logits: &Features<'_>, splits: &Splits) -> Result<Self, MetricError> {
        let count = logits.count();
        if splits.count == 0 || splits.count > count {
            return Err(MetricError::Splits {
                splits: splits.count,
                samples: count,
            });
        }
        let order = match splits.shuffle {
            Some(seed) => RandomState::new(seed).permutation(count as u32),
            None => (0..count as u32).collect(),
        };
        let part = |i: usize| &order[i * count / splits.count..(i + 1) * count / splits.count];
        let parts = (0..splits.count).into_par_iter().with_max_len(1);
        Ok(Self {
            values: parts.map(|i| score(logits, part(i))).collect(),
        })
    }

    /// The mean over parts.
    pub fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// The standard deviation over parts, with their number in the denominator.
    pub fn sd(&self) -> f64 {
        deviation(&self.values)
    }
}

/// The score of one part.
fn score(logits: &Features<'_>, part: &[u32]) -> f64 {
    let rows = || part.iter().map(|&index| logits.row(index as usize));
    let count = part.len() as f64;
    let mut marginal = vec![0.0; logits.dimensions()];
    for row in rows() {
        let normaliser = log_sum_exp(row);
        for (sum, &logit) in marginal.iter_mut().zip(row) {
            *sum += libm::exp(f64::from(logit) - normaliser);
        }
    }
    let log_marginal: Vec<f64> = marginal.iter().map(|sum| libm::log(sum / count)).collect();
    let divergences = rows().map(|row| {
        let normaliser = log_sum_exp(row);
        let terms = row.iter().zip(&log_marginal).map(|(&logit, marginal)| {
            let log = f64::from(logit) - normaliser;
            let p = libm::exp(log);
            // A class that is nowhere seen has p = 0 and a marginal of ln 0.
            if p > 0.0 { p * (log - marginal) } else { 0.0 }
        });
        terms.sum::<f64>()
    });
    libm::exp(divergences.sum::<f64>() / count)
}

fn log_sum_exp(row: &[f32]) -> f64 {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = row.iter().map(|&x| libm::exp(f64::from(x) - largest)).sum();
    largest + libm::log(sum)
}
