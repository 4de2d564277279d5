//! Long series for narrow plots: fewer points, no lost extremes.

/// A point (x, y).
pub type Point = (f64, f64);

/// A series cut into buckets of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reduced {
    /// the mean of each bucket, in unbroken stretches
    pub mean: Vec<Vec<Point>>,
    /// the extremes of each bucket of the same stretches; none when every point is its own bucket
    pub envelopes: Vec<Envelope>,
}

/// The edges of what a stretch of a series varies between.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Envelope {
    /// the lowest point of each bucket
    pub lowest: Vec<Point>,
    /// the highest point of each bucket
    pub highest: Vec<Point>,
}

/// Reduces `points` to at most `buckets` buckets. A bucket without a finite point breaks the line.
pub fn reduce(points: &[Point], buckets: usize) -> Reduced {
    let size = points.len().div_ceil(buckets.max(1)).max(1);
    let mut reduced = Reduced::default();
    let (mut mean, mut envelope) = (Vec::new(), Envelope::default());
    let mut finish = |mean: &mut Vec<Point>, envelope: &mut Envelope| {
        if !mean.is_empty() {
            reduced.mean.push(std::mem::take(mean));
            if size > 1 {
                reduced.envelopes.push(std::mem::take(envelope));
            }
        }
    };
    for bucket in points.chunks(size) {
        let finite = || {
            bucket
                .iter()
                .copied()
                .filter(|(x, y)| x.is_finite() && y.is_finite())
        };
        let n = finite().count() as f64;
        let Some(first) = finite().next() else {
            finish(&mut mean, &mut envelope);
            continue;
        };
        // Divided first: the sum of huge values is no number.
        mean.push((
            finite().map(|(x, _)| x / n).sum(),
            finite().map(|(_, y)| y / n).sum(),
        ));
        if size > 1 {
            let lower = |a: Point, b: Point| if b.1 < a.1 { b } else { a };
            let higher = |a: Point, b: Point| if b.1 > a.1 { b } else { a };
            envelope.lowest.push(finite().fold(first, lower));
            envelope.highest.push(finite().fold(first, higher));
        }
    }
    finish(&mut mean, &mut envelope);
    reduced
}
