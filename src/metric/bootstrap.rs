//! A bootstrap interval for a Fréchet distance (Efron 1979): how much it would vary if other images had been
//! generated. The reference is held fixed.
//!
//! Drawing again from a sample adds the bias of a sample once more (see [`super::bias`]), so that all resamples may
//! lie above the distance itself. Their distances are therefore shifted by what they are above it on average before
//! percentiles are taken.
//!
//! A resample costs the eigenvalues of a matrix as large as the smallest of the reference's images, the features, and
//! the different images drawn (63 % of all). With 2048 features, on one core: 0.03 s for 1000 images, 0.6 s for 5000.

use rayon::prelude::*;

use super::MetricError;
use super::features::Features;
use super::resample::Resampler;
use super::stats::Moments;
use crate::rng::Streams;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// how many resamples, 2 at least
    pub resamples: usize,
    /// share of them inside the interval, in (0, 1)
    pub confidence: f64,
    /// resample k is drawn with stream k of the seed for the purpose `"fid-bootstrap"`
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 200,
            confidence: 0.95,
            seed: 0,
        }
    }
}

/// An interval around a distance.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// the distance of all images
    pub value: f64,
    /// lower end
    pub low: f64,
    /// upper end
    pub high: f64,
    /// the resamples' mean less the value: an estimate of the bias
    pub bias: f64,
}

impl Bootstrap {
    /// The interval of `generated` against `reference`.
    pub fn interval(
        &self,
        generated: &Features<'_>,
        reference: &Moments,
    ) -> Result<Interval, MetricError> {
        if self.resamples < 2 || !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(MetricError::Resamples);
        }
        let count = generated.count();
        let resampler = Resampler::new(generated, reference)?;
        let value = resampler.distance(&vec![1; count])?;
        let streams = Streams::new(self.seed, "fid-bootstrap");
        let distances: Result<Vec<f64>, MetricError> = (0..self.resamples)
            .into_par_iter()
            .with_max_len(1)
            .map(|k| {
                let mut stream = streams.stream(k as u64);
                let mut counts = vec![0; count];
                // With 2 images one may be drawn twice, which has no covariance: drawn again.
                while counts.iter().filter(|&&n| n > 0).count() < 2 {
                    counts.fill(0);
                    for _ in 0..count {
                        counts[stream.below(count as u64) as usize] += 1;
                    }
                }
                resampler.distance(&counts)
            })
            .collect();
        let mut distances = distances?;
        distances.sort_by(f64::total_cmp);
        let bias = distances.iter().sum::<f64>() / self.resamples as f64 - value;
        let tail = (1.0 - self.confidence) / 2.0;
        Ok(Interval {
            value,
            low: quantile(&distances, tail) - bias,
            high: quantile(&distances, 1.0 - tail) - bias,
            bias,
        })
    }
}

/// Between the two nearest of `sorted`, as numpy's `quantile` is.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}
