//! Fréchet distances of many samples drawn from one set of generated images, against the same reference.
//!
//! The features are multiplied with the reference's factor once (see [`super::frechet`]); a sample's distance then
//! needs a few of the products' rows.

use faer::{Mat, MatRef};

use super::MetricError;
use super::features::Features;
use super::frechet::{Frechet, project};
use super::products::Workers;
use super::stats::{Moments, contrasts};

/// Generated features prepared for sampling. In f64 it holds N × D and N × min(D, N of the reference) numbers.
pub struct Resampler {
    /// (N, D), without their mean
    centred: Vec<f64>,
    /// |x|² of each row of those
    norms: Vec<f64>,
    /// their mean less the reference's
    shift: Vec<f64>,
    /// (N, Q) row-major
    projected: Vec<f64>,
    rank: usize,
    /// of the reference
    trace: f64,
}

impl Resampler {
    /// Prepares `generated` for distances to `reference`.
    pub fn new(generated: &Features<'_>, reference: &Moments) -> Result<Self, MetricError> {
        if generated.dimensions() != reference.dimensions() {
            return Err(MetricError::Dimensions {
                left: generated.dimensions(),
                right: reference.dimensions(),
            });
        }
        let (count, width) = (generated.count(), generated.dimensions());
        let mut mean = vec![0.0; width];
        for row in generated.rows() {
            for (sum, &value) in mean.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        }
        for sum in &mut mean {
            *sum /= count as f64;
        }
        let mut centred = generated.wide(0..count);
        for row in centred.chunks_exact_mut(width) {
            for (value, mean) in row.iter_mut().zip(&mean) {
                *value -= mean;
            }
        }
        let rows = MatRef::from_row_major_slice(&centred, count, width);
        let products = project(rows, reference)?;
        let rank = products.ncols();
        let square = |row: &[f64]| row.iter().map(|value| value * value).sum();
        let trace = reference.variances()?.iter().sum();
        Ok(Self {
            norms: centred.chunks_exact(width).map(square).collect(),
            shift: mean
                .iter()
                .zip(reference.mean())
                .map(|(a, b)| a - b)
                .collect(),
            projected: (0..count)
                .flat_map(|i| products.row(i).iter().copied())
                .collect(),
            centred,
            rank,
            trace,
        })
    }

    /// The distance of the sample in which image i is `counts[i]` times; 2 different images at least. By the
    /// calling thread alone.
    pub fn distance(&self, counts: &[u32]) -> Result<f64, MetricError> {
        let width = self.shift.len();
        let drawn = || (0..counts.len()).filter(|&i| counts[i] > 0);
        let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
        if drawn().nth(1).is_none() {
            return Err(MetricError::TooFew(total as u64));
        }
        let mut mean = vec![0.0; width];
        let mut squares = 0.0;
        for i in drawn() {
            let count = f64::from(counts[i]);
            let row = &self.centred[i * width..][..width];
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += count * value;
            }
            squares += count * self.norms[i];
        }
        for sum in &mut mean {
            *sum /= total;
        }
        let norm: f64 = mean.iter().map(|value| value * value).sum();
        let trace = (squares - total * norm) / (total - 1.0);
        let shift = mean.iter().zip(&self.shift).map(|(a, b)| (a + b) * (a + b));
        let rows = drawn().map(|i| {
            let row = &self.projected[i * self.rank..][..self.rank];
            (f64::from(counts[i]), row.iter().copied())
        });
        let cross: Mat<f64> = contrasts(rows, self.rank);
        Ok(Frechet::of_cross(shift.sum(), (trace, self.trace), &cross, Workers::One)?.value())
    }
}
