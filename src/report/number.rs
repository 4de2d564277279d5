//! Numbers as people read them.

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

/// Mean and standard deviation (N − 1; `None` below two values) of `values`, summed in order.
pub fn statistics(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let sd = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
    (mean, sd)
}

/// The label of an axis tick: no more digits than the step between ticks needs.
pub fn tick(value: f64) -> String {
    let value = if value.abs() < 1e-12 { 0.0 } else { value };
    if value != 0.0 && (value.abs() >= 1e5 || value.abs() < 1e-4) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
