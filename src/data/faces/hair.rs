//! Hair styles as figures: what lies behind the head and what lies on it.

use super::distance::{Point, disc, ellipse, rounded, stroke, triangle, union, without};
use super::face::{Look, Style};

/// Signed distance to the hair behind head and shoulders; positive everywhere for styles without any.
pub fn behind(p: Point, look: &Look) -> f32 {
    let (width, height) = (look.width, look.height);
    let x = p[0] * look.side;
    match look.style {
        Style::Short | Style::Spiky => f32::MAX,
        Style::Bob => {
            let dome = ellipse(p, [0.0, -0.08], [width + 0.13, height + 0.07]);
            let sides = rounded(p, [0.0, 0.22], [width + 0.14, 0.36], 0.16);
            dome.min(sides)
        }
        Style::Long => {
            let dome = ellipse(p, [0.0, -0.08], [width + 0.12, height + 0.07]);
            let sides = rounded(p, [0.0, 0.42], [width + 0.13, 0.56], 0.22);
            dome.min(sides)
        }
        Style::Curly => curls(p, width + 0.06, height + 0.02, 0.17),
        Style::Bun => {
            let bun = disc([x, p[1]], [0.06, -height - 0.13], 0.19);
            let nape = ellipse(p, [0.0, -0.05], [width + 0.04, height + 0.05]);
            bun.min(nape.max(p[1] - 0.12))
        }
    }
}

/// Signed distance to the hair in front.
pub fn before(p: Point, look: &Look) -> f32 {
    let (width, height) = (look.width, look.height);
    let x = p[0] * look.side;
    let q = [x, p[1]];
    let cap = ellipse(p, [0.0, -0.05], [width + 0.055, height + 0.075]);
    match look.style {
        Style::Short => {
            let opening = ellipse(q, [-0.1, 0.22], [width * 1.02, height * 0.86]);
            let quiff = ellipse(q, [0.12, -height + 0.05], [width * 0.78, 0.18]);
            without(cap, opening).max(p[1] - 0.06).min(quiff)
        }
        Style::Bob => {
            let opening = rounded(p, [0.0, 0.42], [width * 0.83, 0.68], 0.16);
            without(cap, opening).max(p[1] - 0.4)
        }
        Style::Long => {
            let left = ellipse(p, [-width * 0.42, 0.3], [width * 0.56, height * 1.04]);
            let right = ellipse(p, [width * 0.42, 0.3], [width * 0.56, height * 1.04]);
            without(cap, left.min(right)).max(p[1] - 0.5)
        }
        Style::Curly => {
            let row = union((0..7).map(|curl| {
                let t = (curl as f32 - 3.0) / 3.0;
                let sink = 0.3 * t * t;
                disc(p, [t * width, -height * 0.72 + sink], 0.15)
            }));
            let top = cap.max(p[1] + height * 0.62);
            row.min(top)
        }
        Style::Spiky => {
            let spikes = union((0..7).map(|spike| {
                let t = (spike as f32 - 3.0) / 3.0;
                let root = [t * width * 0.95, -height * 0.62 + 0.22 * t * t];
                let tip = [t * width * 1.45 + 0.04, -height - 0.2 + 0.34 * t * t];
                let corners = [[root[0] - 0.15, root[1]], tip, [root[0] + 0.15, root[1]]];
                triangle(q, corners)
            }));
            let fringe = union((0..5).map(|lock| {
                let left = -width * 0.95 + lock as f32 * width * 0.38;
                let right = left + width * 0.46;
                let tip = [left + width * 0.12, -height * 0.36];
                triangle(q, [[left, -height * 0.72], [right, -height * 0.72], tip])
            }));
            let top = cap.max(p[1] + height * 0.62);
            let sides = without(cap, ellipse(p, [0.0, 0.2], [width * 0.95, height * 1.1]));
            spikes.min(fringe).min(top).min(sides.max(p[1] + 0.05))
        }
        Style::Bun => {
            let opening = ellipse(p, [0.0, 0.2], [width * 0.94, height * 0.93]);
            let lock = stroke(q, [width * 0.9, -0.22], [width * 0.98, 0.2], 0.035);
            without(cap, opening).max(p[1] + 0.02).min(lock)
        }
    }
}

/// Discs around the upper two thirds of an ellipse.
fn curls(p: Point, width: f32, height: f32, radius: f32) -> f32 {
    /// (cos, sin) of 150°, 174°, … 390°: from one jaw over the top to the other.
    const AROUND: [Point; 11] = [
        [-0.866, 0.5],
        [-0.9945, 0.1045],
        [-0.9511, -0.309],
        [-0.7431, -0.6691],
        [-0.4067, -0.9135],
        [0.0, -1.0],
        [0.4067, -0.9135],
        [0.7431, -0.6691],
        [0.9511, -0.309],
        [0.9945, 0.1045],
        [0.866, 0.5],
    ];
    let inner = ellipse(p, [0.0, -0.05], [width, height]).max(p[1] - 0.3);
    let around = AROUND
        .iter()
        .map(|[cos, sin]| disc(p, [cos * width, -0.05 + sin * height], radius));
    union(around.chain([inner]))
}
