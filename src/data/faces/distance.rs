//! Signed distances to figures in the plane: negative inside. Positive values may be too small, the zero line
//! and the slope across it are right, and that is all that smooth edges need.

/// A place: right, down.
pub type Point = [f32; 2];

pub fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// A disc.
pub fn disc(p: Point, centre: Point, radius: f32) -> f32 {
    length(p[0] - centre[0], p[1] - centre[1]) - radius
}

/// An ellipse of half-axes `radii`.
pub fn ellipse(p: Point, centre: Point, radii: Point) -> f32 {
    let (x, y) = (p[0] - centre[0], p[1] - centre[1]);
    let near = length(x / radii[0], y / radii[1]);
    let slope = length(x / (radii[0] * radii[0]), y / (radii[1] * radii[1]));
    if slope < 1e-6 {
        return -radii[0].min(radii[1]);
    }
    near * (near - 1.0) / slope
}

/// An upright box of half-sides `half` whose corners have `radius`.
pub fn rounded(p: Point, centre: Point, half: Point, radius: f32) -> f32 {
    let x = (p[0] - centre[0]).abs() - half[0] + radius;
    let y = (p[1] - centre[1]).abs() - half[1] + radius;
    length(x.max(0.0), y.max(0.0)) + x.max(y).min(0.0) - radius
}

/// A stroke from `a` to `b` with round ends, of half-width `radius`.
pub fn stroke(p: Point, a: Point, b: Point, radius: f32) -> f32 {
    let (px, py) = (p[0] - a[0], p[1] - a[1]);
    let (bx, by) = (b[0] - a[0], b[1] - a[1]);
    let along = ((px * bx + py * by) / (bx * bx + by * by).max(1e-9)).clamp(0.0, 1.0);
    length(px - bx * along, py - by * along) - radius
}

/// A bow of half-width `radius` from `a` to `b` that sags by `sag` in the middle (down is positive).
pub fn bow(p: Point, a: Point, b: Point, sag: f32, radius: f32) -> f32 {
    const PIECES: usize = 8;
    let at = |piece: usize| {
        let t = piece as f32 / PIECES as f32;
        let drop = 4.0 * sag * t * (1.0 - t);
        [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t + drop]
    };
    union((0..PIECES).map(|piece| stroke(p, at(piece), at(piece + 1), radius)))
}

/// A triangle, its corners in either direction.
pub fn triangle(p: Point, corners: [Point; 3]) -> f32 {
    let [a, b, c] = corners;
    let turn = ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).signum();
    let edge = |a: Point, b: Point| {
        let (x, y) = (b[0] - a[0], b[1] - a[1]);
        let beside = (p[1] - a[1]) * x - (p[0] - a[0]) * y;
        -turn * beside / length(x, y).max(1e-6)
    };
    edge(a, b).max(edge(b, c)).max(edge(c, a))
}

/// What lies in any of the figures with these distances.
///
/// Written out: one build of `fold(f32::MAX, f32::min)` over a closure lost the first figures of a list.
pub fn union(distances: impl IntoIterator<Item = f32>) -> f32 {
    let mut nearest = f32::MAX;
    for distance in distances {
        if distance < nearest {
            nearest = distance;
        }
    }
    nearest
}

/// What lies in `a` and not in `b`.
pub fn without(a: f32, b: f32) -> f32 {
    a.max(-b)
}
