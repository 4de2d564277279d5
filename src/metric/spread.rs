//! Mean and deviation of a metric's values over parts of its images.

/// The mean; NaN without values.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation with the number of values in the denominator, as numpy's.
pub(super) fn deviation(values: &[f64]) -> f64 {
    let center = mean(values);
    let squares = values
        .iter()
        .map(|value| (value - center) * (value - center));
    (squares.sum::<f64>() / values.len() as f64).sqrt()
}
