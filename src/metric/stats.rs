//! Mean and covariance of a stream of feature vectors, in f64.
//!
//! Samples are taken in one by one in the order given (Welford 1962; for the covariance Chan, Golub and
//! `LeVeque` 1983), so the result is the same to the last bit however the stream is cut into batches,
//! and whatever the number of threads: these share out rows of the matrix, never samples.

use rayon::prelude::*;

use super::MetricError;

/// Mean and scatter of the samples seen so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    /// Σ (x − mean)(x − mean)ᵀ, (D, D) row-major; only j ≥ i is kept up to date.
    scatter: Vec<f64>,
}

impl Moments {
    /// No samples yet, of `dimensions` features each.
    pub fn new(dimensions: usize) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; dimensions],
            scatter: vec![0.0; dimensions * dimensions],
        }
    }

    /// Takes in `features` (N, D) row-major. On an error nothing has been taken in.
    pub fn extend(&mut self, features: &[f32]) -> Result<(), MetricError> {
        let width = self.dimensions();
        if width == 0 || !features.len().is_multiple_of(width) {
            return Err(MetricError::Ragged {
                values: features.len(),
                width,
            });
        }
        if let Some(bad) = features.iter().position(|value| !value.is_finite()) {
            return Err(MetricError::NotFinite {
                sample: self.count + (bad / width) as u64,
                position: bad % width,
            });
        }
        // Deviations from the mean before each sample, and the weight (n − 1) / n of their product.
        let mut deviations: Vec<f64> = features.iter().copied().map(f64::from).collect();
        let mut weights = Vec::with_capacity(features.len() / width);
        for sample in deviations.chunks_exact_mut(width) {
            self.count += 1;
            let n = self.count as f64;
            for (value, mean) in sample.iter_mut().zip(&mut self.mean) {
                *value -= *mean;
                *mean += *value / n;
            }
            weights.push((n - 1.0) / n);
        }
        self.scatter
            .par_chunks_exact_mut(width)
            .enumerate()
            .for_each(|(i, row)| {
                for (sample, weight) in deviations.chunks_exact(width).zip(&weights) {
                    let scale = sample[i] * weight;
                    for (sum, value) in row[i..].iter_mut().zip(&sample[i..]) {
                        *sum += scale * value;
                    }
                }
            });
        Ok(())
    }

    /// How many samples were taken in.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many features a sample has.
    pub fn dimensions(&self) -> usize {
        self.mean.len()
    }

    /// The mean (D).
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The covariance (D, D) row-major, with N − 1 in the denominator. An error below 2 samples.
    pub fn covariance(&self) -> Result<Vec<f64>, MetricError> {
        if self.count < 2 {
            return Err(MetricError::TooFew(self.count));
        }
        let (width, scale) = (self.dimensions(), (self.count - 1) as f64);
        let mut covariance = vec![0.0; self.scatter.len()];
        for i in 0..width {
            for j in i..width {
                let value = self.scatter[i * width + j] / scale;
                covariance[i * width + j] = value;
                covariance[j * width + i] = value;
            }
        }
        Ok(covariance)
    }

    /// Little-endian bytes: count, D, mean, scatter.
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = [self.count, self.dimensions() as u64];
        let values = self.mean.iter().chain(&self.scatter);
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .chain(values.flat_map(|value| value.to_le_bytes()))
            .collect()
    }

    /// Reads what [`Moments::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MetricError> {
        let (words, rest) = bytes.as_chunks::<8>();
        let [count, width, values @ ..] = words else {
            return Err(MetricError::Damaged);
        };
        let width =
            usize::try_from(u64::from_le_bytes(*width)).map_err(|_| MetricError::Damaged)?;
        let expected = width.checked_mul(width).and_then(|n| n.checked_add(width));
        if !rest.is_empty() || expected != Some(values.len()) {
            return Err(MetricError::Damaged);
        }
        let values: Vec<f64> = values.iter().map(|v| f64::from_le_bytes(*v)).collect();
        let (mean, scatter) = values.split_at(width);
        Ok(Self {
            count: u64::from_le_bytes(*count),
            mean: mean.to_vec(),
            scatter: scatter.to_vec(),
        })
    }
}
