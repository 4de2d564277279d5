//! From values to pixels: ranges, ticks and their labels.

use crate::report::downsample::Point;

/// How values are spread along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// evenly
    Linear,
    /// by their logarithms
    Log,
}

/// An axis from `low` to `high`, both finite, `low` < `high`; both above 0 where it is logarithmic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    spread: Spread,
}

/// Smaller numbers have no decade of their own.
const LEAST: f64 = 1e-290;
/// Larger numbers are drawn at the edge: beyond them a range has no width that a number can hold.
const LARGEST: f64 = 1e300;

impl Axis {
    /// The range of the finite `values`, widened on both sides by `margin` of its width; never empty.
    pub fn around(values: impl Iterator<Item = f64>, margin: f64, spread: Spread) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (mut low, mut high) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                let value = value.clamp(-LARGEST, LARGEST);
                (low.min(value), high.max(value))
            });
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if spread == Spread::Log {
            let (from, to) = (libm::log10(low), libm::log10(high));
            let pad = (to - from) * margin;
            let power = |exponent| libm::pow(10.0, exponent);
            return Self {
                low: power(from - pad),
                high: power(to + pad),
                spread,
            };
        }
        // A constant series, or one whose variation is rounding, stands in the middle of a band around it.
        let least = low.abs().max(high.abs()) * 1e-6;
        let pad = if high - low > least {
            (high - low) * margin
        } else if low == 0.0 {
            1.0
        } else {
            low.abs() * 0.1
        };
        Self {
            low: low - pad,
            high: high + pad,
            spread,
        }
    }

    /// Exactly from `low` to `high`.
    pub fn exact(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            spread: Spread::Linear,
        }
    }

    /// Where `value` lies between the ends, 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        let place = match self.spread {
            Spread::Linear => {
                let value = value.clamp(-LARGEST, LARGEST);
                (value - self.low) / (self.high - self.low)
            }
            Spread::Log => {
                let low = libm::log10(self.low);
                (libm::log10(value) - low) / (libm::log10(self.high) - low)
            }
        };
        place.clamp(0.0, 1.0)
    }

    /// Values to mark, about `count` of them, and their labels; `whole` for numbers between which there is nothing.
    pub fn ticks(&self, count: usize, whole: bool) -> Vec<(f64, String)> {
        match self.spread {
            Spread::Linear => self.even_ticks(count, whole),
            Spread::Log => self.decades(count),
        }
    }

    fn even_ticks(&self, count: usize, whole: bool) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / count.max(1) as f64;
        let mut step = nice(rough);
        if whole {
            step = step.max(1.0);
        }
        let (first, last) = (libm::ceil(self.low / step), libm::floor(self.high / step));
        // Counted in steps, so that no rounding adds up.
        let steps = (last - first).clamp(0.0, 50.0) as usize;
        let largest = self.low.abs().max(self.high.abs());
        (0..=steps)
            .map(|k| (first + k as f64) * step)
            .filter(|value| (self.low..=self.high).contains(value))
            .map(|value| (value, label(value, step, largest)))
            .collect()
    }

    fn decades(&self, count: usize) -> Vec<(f64, String)> {
        let first = libm::ceil(libm::log10(self.low) - 1e-9) as i32;
        let last = libm::floor(libm::log10(self.high) + 1e-9) as i32;
        let every = ((last - first) as usize / count.max(1) + 1) as i32;
        let mut ticks = Vec::new();
        for exponent in (first..=last).filter(|exponent| exponent.rem_euclid(every) == 0) {
            let text = match exponent {
                -3..=0 => format!(
                    "{:.*}",
                    exponent.unsigned_abs() as usize,
                    10_f64.powi(exponent)
                ),
                1..=4 => format!("{:.0}", 10_f64.powi(exponent)),
                _ => format!("1e{exponent}").replace('-', "−"),
            };
            ticks.push((libm::pow(10.0, f64::from(exponent)), text));
        }
        ticks
    }
}

/// Logarithmic where all values are above 0 and one of the `bold` lines by itself spans two decades or more.
pub fn spread_of<'a>(
    mut all: impl Iterator<Item = f64>,
    mut bold: impl Iterator<Item = &'a [Vec<Point>]>,
) -> Spread {
    let spans = |line: &[Vec<Point>]| {
        let values = line.iter().flatten().map(|(_, y)| *y);
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        high > low && high / low >= 100.0
    };
    if all.all(|value| value > LEAST) && bold.any(spans) {
        Spread::Log
    } else {
        Spread::Linear
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn nice(rough: f64) -> f64 {
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let factor = rough / power;
    // A little slack: 2.0000000001 is 2.
    let round = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|round| factor <= round * 1.000_001);
    round.unwrap_or(10.0) * power
}

/// `value` with the digits that tell it from its neighbours, `step` away; numbers as large as `largest` beside it have
/// the same form.
fn label(value: f64, step: f64, largest: f64) -> String {
    let magnitude = |value: f64| libm::floor(libm::log10(value) + 1e-9) as i32;
    let (fine, coarse) = (magnitude(step), magnitude(largest));
    let value = if value.abs() < step * 1e-6 {
        0.0
    } else {
        value
    };
    let text = if value == 0.0 {
        "0".to_owned()
    } else if !(-3..7).contains(&coarse) {
        let digits = (magnitude(value.abs()) - fine).clamp(0, 12) as usize;
        format!("{value:.digits$e}")
    } else {
        let decimals = (-fine).clamp(0, 12) as usize;
        format!("{value:.decimals$}")
    };
    text.replace('-', "−")
}
