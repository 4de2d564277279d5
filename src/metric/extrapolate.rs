//! The Fréchet distance that infinitely many generated images would have (FID∞; Chong and Forsyth, *Effectively
//! Unbiased FID and Inception Score*, 2020): distances of samples of several sizes n lie on a line in 1/n, and the
//! line is followed to 0. The bias that the reference's own size brings stays.

use rayon::prelude::*;

use super::MetricError;
use super::features::Features;
use super::resample::Resampler;
use super::stats::Moments;
use crate::rng::Streams;

/// Sizes on the line.
pub const SIZES: usize = 15;
/// The smallest size, where there are twice as many images; else half of them.
pub const LEAST: usize = 5000;

/// A line through distances of several sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Extrapolation {
    /// where the line meets 1/n = 0
    pub value: f64,
    /// of the line: the bias at n images is about `slope` / n
    pub slope: f64,
    /// sizes and their distances
    pub points: Vec<(usize, f64)>,
}

impl Extrapolation {
    /// Of `generated` against `reference`. Size k's sample is the start of a permutation of all images, from stream k
    /// of `seed` for the purpose `"fid-infinity"`. The line is one of least squares. Below as many images as features
    /// distances do not lie on a line yet: see [`super::bias`].
    pub fn of(
        generated: &Features<'_>,
        reference: &Moments,
        seed: u64,
    ) -> Result<Self, MetricError> {
        let count = generated.count();
        // No two sizes are equal.
        let least = 2 * (SIZES - 1);
        if count < least {
            return Err(MetricError::Extrapolation {
                sizes: SIZES,
                least,
                samples: count,
            });
        }
        let first = LEAST.min(count / 2);
        let resampler = Resampler::new(generated, reference)?;
        let streams = Streams::new(seed, "fid-infinity");
        let points: Result<Vec<(usize, f64)>, MetricError> = (0..SIZES)
            .into_par_iter()
            .with_max_len(1)
            .map(|k| {
                let size = first + (count - first) * k / (SIZES - 1);
                let mut counts = vec![0; count];
                for &index in &streams.stream(k as u64).permutation(count)[..size] {
                    counts[index as usize] = 1;
                }
                Ok((size, resampler.distance(&counts)?))
            })
            .collect();
        let points = points?;
        let (slope, value) = line(points.iter().map(|&(n, d)| (1.0 / n as f64, d)));
        Ok(Self {
            value,
            slope,
            points,
        })
    }
}

/// Slope and height at 0 of the line of least squares.
fn line(points: impl Iterator<Item = (f64, f64)> + Clone) -> (f64, f64) {
    let count = points.clone().count() as f64;
    let (mut x_mean, mut y_mean) = (0.0, 0.0);
    for (x, y) in points.clone() {
        x_mean += x / count;
        y_mean += y / count;
    }
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in points {
        xx += (x - x_mean) * (x - x_mean);
        xy += (x - x_mean) * (y - y_mean);
    }
    let slope = xy / xx;
    (slope, y_mean - slope * x_mean)
}
