//! How different images are from each other, in numbers: what mode collapse takes away.

use faer::{Mat, Side};
use rayon::prelude::*;

use super::MetricError;
use super::stats::Moments;

/// Pairs grow with the square: no more than the first so many samples are compared.
pub const MOST: usize = 2048;

/// The mean Euclidean distance over all pairs of the first [`MOST`] rows of `features` (N, D); 0 when all are equal.
/// An error below 2 samples. Each row's distances are summed by one thread, and the rows' sums in their order.
pub fn mean_distance(features: &[f32], dimensions: usize) -> Result<f64, MetricError> {
    if dimensions == 0 || !features.len().is_multiple_of(dimensions) {
        return Err(MetricError::Ragged {
            values: features.len(),
            width: dimensions,
        });
    }
    let rows: Vec<&[f32]> = features.chunks_exact(dimensions).take(MOST).collect();
    let count = rows.len();
    if count < 2 {
        return Err(MetricError::TooFew(count as u64));
    }
    let sums: Vec<f64> = (0..count)
        .into_par_iter()
        .map(|i| rows[i + 1..].iter().map(|row| distance(rows[i], row)).sum())
        .collect();
    Ok(sums.iter().sum::<f64>() / (count * (count - 1) / 2) as f64)
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| {
        let difference = f64::from(*a) - f64::from(*b);
        difference * difference
    });
    squares.sum::<f64>().sqrt()
}

/// The effective rank of the features' covariance (Roy and Vetterli, "The effective rank: a measure of effective
/// dimensionality", 2007): exp(−Σ pᵢ ln pᵢ) with p the eigenvalues divided by their sum. From 1, when all samples lie
/// on one line or are equal, to the number of features, when they spread alike in all directions.
pub fn effective_rank(moments: &Moments) -> Result<f64, MetricError> {
    let (width, covariance) = (moments.dimensions(), moments.covariance()?);
    let matrix = Mat::from_fn(width, width, |i, j| covariance[i * width + j]);
    let values = matrix
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|_| MetricError::Eigen)?;
    // Rounding makes zeros negative.
    let total: f64 = values.iter().map(|value| value.max(0.0)).sum();
    if total <= 0.0 {
        return Ok(1.0);
    }
    let terms = values
        .iter()
        .map(|value| value / total)
        .filter(|share| *share > 0.0)
        .map(|share| -share * libm::log(share));
    Ok(libm::exp(terms.sum()))
}
