//! How different images are from each other, in numbers: what mode collapse takes away.

use std::collections::BTreeMap;

use super::MetricError;
use super::distances::by_row;
use super::features::{Features, check_finite};
use super::stats::Moments;

/// Pairs grow with the square: no more than the first so many samples are compared.
pub const MOST: usize = 2048;

/// The mean Euclidean distance over all pairs of the first [`MOST`] rows of `features` (N, D); 0 when all are equal.
/// An error below 2 samples. Each row's distances are summed by one thread, and the rows' sums in their order.
pub fn mean_distance(features: &[f32], dimensions: usize) -> Result<f64, MetricError> {
    let features = Features::new(features, dimensions)?.first(MOST);
    let sums = by_row(&features, &features, |i, squares| {
        squares[i + 1..]
            .iter()
            .map(|square| square.sqrt())
            .sum::<f64>()
    });
    let count = features.count();
    Ok(sums.iter().sum::<f64>() / (count * (count - 1) / 2) as f64)
}

/// The mean of [`mean_distance`] over labels, each with its own images: how different images of one label are. A
/// generator that makes one image for each label has none, however different the labels.
///
/// `labels` (N, K) are those asked for, on above ½. Images have the same label when all K agree, so that two labels
/// at once are a label of their own. Labels with one image do not count; an error when that leaves none.
pub fn label_diversity(
    features: &[f32],
    dimensions: usize,
    labels: &[f32],
    classes: usize,
) -> Result<f64, MetricError> {
    let features = Features::new(features, dimensions)?;
    check_finite(labels, classes, 0)?;
    if labels.len() / classes != features.count() {
        return Err(MetricError::Dimensions {
            left: features.count(),
            right: labels.len() / classes,
        });
    }
    let mut groups: BTreeMap<Vec<bool>, Vec<f32>> = BTreeMap::new();
    for (row, label) in features.rows().zip(labels.chunks_exact(classes)) {
        let label = label.iter().map(|&on| on > 0.5).collect();
        groups.entry(label).or_default().extend_from_slice(row);
    }
    let pairs = groups.values().filter(|group| group.len() > dimensions);
    let distances: Result<Vec<f64>, MetricError> = pairs
        .map(|group| mean_distance(group, dimensions))
        .collect();
    let distances = distances?;
    if distances.is_empty() {
        return Err(MetricError::NoPairs);
    }
    Ok(distances.iter().sum::<f64>() / distances.len() as f64)
}

/// The effective rank of the features' covariance (Roy and Vetterli, "The effective rank: a measure of effective
/// dimensionality", 2007): exp(−Σ pᵢ ln pᵢ) with p the eigenvalues divided by their sum. From 1, when all samples lie
/// on one line or are equal, to the number of features, when they spread alike in all directions.
pub fn effective_rank(moments: &Moments) -> Result<f64, MetricError> {
    let values = moments.spectrum()?;
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
