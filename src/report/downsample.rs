//! Long series for narrow plots: fewer points, no lost extremes.

/// A point (x, y).
pub type Point = (f64, f64);

/// A series cut into buckets of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reduced {
    /// the mean of each bucket, in unbroken stretches
    pub mean: Vec<Vec<Point>>,
    /// the lowest and the highest point of each bucket, in order of x, in unbroken stretches; empty when
    /// every point is its own bucket
    pub extremes: Vec<Vec<Point>>,
}

/// Reduces `points` to at most `buckets` buckets. A bucket without a finite point breaks the line.
pub fn reduce(points: &[Point], buckets: usize) -> Reduced {
    let size = points.len().div_ceil(buckets.max(1)).max(1);
    let mut reduced = Reduced::default();
    let (mut mean, mut extremes) = (Vec::new(), Vec::new());
    for bucket in points.chunks(size) {
        let finite: Vec<Point> = bucket
            .iter()
            .copied()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect();
        if finite.is_empty() {
            push(&mut reduced.mean, &mut mean);
            push(&mut reduced.extremes, &mut extremes);
            continue;
        }
        let n = finite.len() as f64;
        let sum = |pick: fn(&Point) -> f64| finite.iter().map(pick).sum::<f64>();
        mean.push((sum(|p| p.0) / n, sum(|p| p.1) / n));
        if size > 1 {
            extremes.extend(lowest_and_highest(&finite));
        }
    }
    push(&mut reduced.mean, &mut mean);
    push(&mut reduced.extremes, &mut extremes);
    reduced
}

fn push(stretches: &mut Vec<Vec<Point>>, stretch: &mut Vec<Point>) {
    if !stretch.is_empty() {
        stretches.push(std::mem::take(stretch));
    }
}

/// The indices' order is kept; one point when both are the same.
fn lowest_and_highest(points: &[Point]) -> Vec<Point> {
    let (mut low, mut high) = (0, 0);
    for (index, (_, y)) in points.iter().enumerate() {
        if *y < points[low].1 {
            low = index;
        }
        if *y > points[high].1 {
            high = index;
        }
    }
    let mut picked = vec![low, high];
    picked.sort_unstable();
    picked.dedup();
    picked.into_iter().map(|index| points[index]).collect()
}
