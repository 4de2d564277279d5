//! A running mean for noisy lines.

use super::downsample::Point;

/// The window holds this share of a line's points.
const SHARE: usize = 20;

/// Each value as the straight line of least squares through a window around it has it: a twentieth of the points, which
/// at the ends reaches inwards only. Elsewhere that is the window's mean; unlike an exponential mean it does not lag behind, and unlike
/// a mean it is not biased at the ends of a line that rises or falls. It never leaves the range of its window. Lines of
/// fewer than 40 points stay as they are.
pub fn smooth(points: &[Point]) -> Vec<Point> {
    let reach = points.len() / SHARE / 2;
    let most = 2 * reach + 1;
    let window = |at: usize| {
        let start = at.saturating_sub(reach).min(points.len() - most);
        &points[start..start + most]
    };
    let smoothed = points.iter().enumerate();
    smoothed
        .map(|(at, (x, _))| (*x, fitted(window(at), *x)))
        .collect()
}

/// The line through `window` at `x`.
fn fitted(window: &[Point], x: f64) -> f64 {
    // Divided first: the sum of huge values is no number.
    let count = window.len() as f64;
    let mean =
        |pick: fn(&Point) -> f64| window.iter().map(|point| pick(point) / count).sum::<f64>();
    let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
    let (mut with, mut squares) = (0.0, 0.0);
    for (x, y) in window {
        with += (x - middle) * (y - level);
        squares += (x - middle) * (x - middle);
    }
    let value = level + (x - middle) * with / squares;
    let value = if value.is_finite() { value } else { level };
    let ends = window
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, y)| {
            (low.min(*y), high.max(*y))
        });
    value.clamp(ends.0, ends.1)
}
