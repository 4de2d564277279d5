//! Fréchet distance between two normal distributions (Fréchet 1957; as an image metric: Heusel et al.,
//! *GANs Trained by a Two Time-Scale Update Rule*, 2017).
//!
//! d² = |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½). The product of two covariances is not symmetric; its square
//! root has the same trace as that of Σ₁^½ Σ₂ Σ₁^½, which is, so symmetric eigenvalues do and nothing
//! complex ever appears.

use faer::{Mat, Side};

use super::MetricError;
use super::stats::Moments;

/// The squared Fréchet distance of two sets of features. Zero for equal sets, |v|² for a shift by v.
///
/// An error below 2 samples on either side, or when the numbers of features differ.
pub fn frechet_distance(a: &Moments, b: &Moments) -> Result<f64, MetricError> {
    if a.dimensions() != b.dimensions() {
        return Err(MetricError::Dimensions {
            left: a.dimensions(),
            right: b.dimensions(),
        });
    }
    let shift: f64 = a
        .mean()
        .iter()
        .zip(b.mean())
        .map(|(x, y)| (x - y) * (x - y))
        .sum();
    let (sigma_a, sigma_b) = (matrix(a)?, matrix(b)?);
    let trace = |m: &Mat<f64>| (0..m.nrows()).map(|i| m[(i, i)]).sum::<f64>();
    let cross = trace_of_root(&sigma_a, &sigma_b)?;
    // Rounding may leave a tiny negative number where the distance is zero.
    Ok((shift + trace(&sigma_a) + trace(&sigma_b) - 2.0 * cross).max(0.0))
}

fn matrix(moments: &Moments) -> Result<Mat<f64>, MetricError> {
    let (width, covariance) = (moments.dimensions(), moments.covariance()?);
    Ok(Mat::from_fn(width, width, |i, j| covariance[i * width + j]))
}

/// tr((A B)^½) of two positive semi-definite matrices.
fn trace_of_root(a: &Mat<f64>, b: &Mat<f64>) -> Result<f64, MetricError> {
    let eigen = a
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| MetricError::Eigen)?;
    let mut values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
    roots(&mut values);
    let vectors = eigen.U();
    // In A's own basis A^½ is diagonal, and the trace does not depend on the basis.
    let rotated = vectors.transpose() * b * vectors;
    let inner = Mat::from_fn(a.nrows(), a.nrows(), |i, j| {
        values[i] * 0.5 * (rotated[(i, j)] + rotated[(j, i)]) * values[j]
    });
    let mut values = inner
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|_| MetricError::Eigen)?;
    roots(&mut values);
    Ok(values.iter().sum())
}

/// Square roots of eigenvalues. Those within rounding of zero are zero: with fewer samples than features
/// a covariance has many of them, and √(1e−16) would not be small.
fn roots(values: &mut [f64]) {
    let largest = values.iter().copied().fold(0.0, f64::max);
    let noise = largest * values.len() as f64 * f64::EPSILON;
    for value in values {
        *value = if *value > noise { value.sqrt() } else { 0.0 };
    }
}
