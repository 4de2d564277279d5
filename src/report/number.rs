//! Numbers as people read them.

use super::inference::Interval;

/// How many digits count in a table.
const DIGITS: i32 = 4;

/// Decimals that show `value` with four significant digits.
pub fn decimals(value: f64) -> usize {
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    let magnitude = libm::floor(libm::log10(value.abs())) as i32;
    (DIGITS - 1 - magnitude).clamp(0, 12) as usize
}

/// `value` with four significant digits; integers as they are.
///
/// ```
/// # use retake::report::number::significant;
/// assert_eq!(significant(0.559_524), "0.5595");
/// assert_eq!(significant(89.276), "89.28");
/// assert_eq!(significant(1000.0), "1000");
/// assert_eq!(significant(f64::NAN), "NaN");
/// ```
pub fn significant(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        return format!("{value:.0}");
    }
    if value.is_finite() && (value.abs() >= 1e9 || value.abs() < 1e-6) {
        return format!("{value:.3e}");
    }
    let decimals = decimals(value);
    format!("{value:.decimals$}")
}

/// A mean and its standard deviation with the same decimals; the mean alone without one.
///
/// ```
/// # use retake::report::number::mean_sd;
/// assert_eq!(mean_sd(12.3456, Some(0.5)), "12.35 ± 0.50");
/// assert_eq!(mean_sd(12.3456, None), "12.35");
/// ```
pub fn mean_sd(mean: f64, sd: Option<f64>) -> String {
    match sd {
        Some(sd) => {
            let decimals = decimals(if mean == 0.0 { sd } else { mean });
            format!("{mean:.decimals$} ± {sd:.decimals$}")
        }
        None => significant(mean),
    }
}

/// An interval around `mean`, with one decimal less than the mean has.
///
/// ```
/// # use retake::report::inference::Interval;
/// # use retake::report::number::range;
/// assert_eq!(range(Interval { low: 11.1234, high: 13.5678 }, 12.3456), "[11.1, 13.6]");
/// ```
pub fn range(interval: Interval, mean: f64) -> String {
    let Interval { low, high } = interval;
    if mean.abs() >= 1e9 || (mean != 0.0 && mean.abs() < 1e-6) {
        return format!("[{low:.2e}, {high:.2e}]");
    }
    let size = if mean == 0.0 { high } else { mean };
    // Two digits of its width at least: a narrow interval must not come out as a point.
    let least = if low < high {
        decimals(high - low).saturating_sub(2)
    } else {
        decimals(size)
    };
    let decimals = decimals(size).saturating_sub(1).max(least);
    format!("[{low:.decimals$}, {high:.decimals$}]")
}

/// Mean and standard deviation (N − 1; `None` below two values) of `values`, summed in order.
pub fn statistics(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let sd = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
    (mean, sd)
}
