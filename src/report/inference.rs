//! What a few runs say of all runs like them: the interval of a mean and the paired test of Student (1908), *The
//! probable error of a mean*. Both hold for values that scatter about their mean as normal errors do.

use serde::Serialize;
use special::Beta;

use super::number::statistics;

/// The share of intervals that hold the true mean.
pub const CONFIDENCE: f64 = 0.95;

/// Where a normal variable lies with [`CONFIDENCE`], in standard deviations; Student's interval is wider.
const NORMAL: f64 = 1.959_963_984_540_054;

/// A 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// its lower end
    pub low: f64,
    /// its upper end
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies in it, its ends included.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The interval of the mean of which `values` are a sample: mean ± t·sd/√n with n − 1 degrees of freedom. None below two
/// values, or where one is not finite.
pub fn interval(values: &[f64]) -> Option<Interval> {
    if values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let (mean, sd) = statistics(values);
    let sd = sd?;
    let margin = quantile(values.len() as u64 - 1) * sd / (values.len() as f64).sqrt();
    Some(Interval {
        low: mean - margin,
        high: mean + margin,
    })
}

/// What pairs of values, of one seed each, say of a difference between two settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Paired {
    /// how many pairs
    pub n: usize,
    /// the mean of first − second; none without pairs
    pub difference: Option<f64>,
    /// the interval of that mean; none below two pairs
    pub interval: Option<Interval>,
    /// Student's t: the mean of the differences in its standard errors
    pub t: Option<f64>,
    /// how often the mean would be as far from 0 or farther if there were no difference, both ways
    pub p: Option<f64>,
    /// what to hold against it
    pub note: Option<String>,
}

/// The paired t test of (first, second), both measured with the same seed. Pairs with a value that is not finite do not
/// count. There is no t where all differences are equal: a spread of 0 measures nothing.
pub fn paired(pairs: &[(f64, f64)]) -> Paired {
    let finite: Vec<(f64, f64)> = pairs
        .iter()
        .copied()
        .filter(|(a, b)| a.is_finite() && b.is_finite())
        .collect();
    let differences: Vec<f64> = finite.iter().map(|(a, b)| a - b).collect();
    let n = differences.len();
    let (mean, sd) = statistics(&differences);
    let mut paired = Paired {
        n,
        difference: (n > 0).then_some(mean),
        interval: interval(&differences),
        ..Paired::default()
    };
    // Equal differences of rounded numbers come out unequal in their last digits.
    let largest = finite
        .iter()
        .fold(0.0_f64, |most, (a, b)| most.max(a.abs()).max(b.abs()));
    let spread = sd.filter(|sd| *sd > 4.0 * f64::EPSILON * largest);
    if let Some(spread) = spread {
        let t = mean / (spread / (n as f64).sqrt());
        paired.t = Some(t);
        paired.p = Some(two_sided(t, n as u64 - 1));
    }
    paired.note = match n {
        0 => Some("no pair: no seed in common".to_owned()),
        1 => Some("1 pair: no test".to_owned()),
        _ if spread.is_none() => {
            Some("all pairs differ by the same: no spread to test against".to_owned())
        }
        2 => Some("2 pairs only: two seeds that agree by chance look like certainty".to_owned()),
        _ => None,
    };
    paired
}

/// How often |T| ≥ |`t`| for Student's T with `freedom` degrees of freedom: the incomplete beta function
/// `I(ν / (ν + t²); ν/2, ½)`.
pub fn two_sided(t: f64, freedom: u64) -> f64 {
    let freedom = freedom as f64;
    if t.is_nan() || freedom < 1.0 {
        return f64::NAN;
    }
    // Of two forms of it the one whose argument keeps its digits.
    let square = t * t;
    if square < 1.0 {
        let x = square / (freedom + square);
        return 1.0 - x.inc_beta(0.5, freedom / 2.0, ln_beta(freedom));
    }
    let x = freedom / (freedom + square);
    x.inc_beta(freedom / 2.0, 0.5, ln_beta(freedom))
}

/// The t that |T| exceeds in 5 % of cases: 12.7 with one degree of freedom, 1.96 with endlessly many.
///
/// The tail is convex, so Newton's method climbs to it from the normal quantile, which lies below.
pub fn quantile(freedom: u64) -> f64 {
    let nu = freedom as f64;
    let mut t = NORMAL;
    for _ in 0..MOST_STEPS {
        let excess = two_sided(t, freedom) - (1.0 - CONFIDENCE);
        let density = libm::exp(
            -ln_beta(nu) - 0.5 * libm::log(nu) - 0.5 * (nu + 1.0) * libm::log1p(t * t / nu),
        );
        let step = excess / (2.0 * density);
        t += step;
        if step.abs() <= f64::EPSILON * t {
            break;
        }
    }
    t
}

/// It takes nine steps with one degree of freedom, and fewer with more.
const MOST_STEPS: usize = 50;

/// ln B(ν/2, ½).
fn ln_beta(freedom: f64) -> f64 {
    (freedom / 2.0).ln_beta(0.5)
}
