//! Points that are pointed out, with words beside them that cover neither each other nor a line.

use super::canvas::{Canvas, width};
use crate::report::downsample::Point;

const SIZE: f64 = 13.0;

/// Left, top, right, bottom.
type Area = (f64, f64, f64, f64);

/// Rings in the order in which they are to be drawn.
pub struct Rings {
    bounds: Area,
    /// points that words are not to cover
    busy: Vec<Point>,
    taken: Vec<Area>,
    points: Vec<(usize, Point, String)>,
}

impl Rings {
    /// Words stay between the two corners.
    pub fn new(((left, top), (right, bottom)): (Point, Point)) -> Self {
        Self {
            bounds: (left, top, right, bottom),
            busy: Vec::new(),
            taken: Vec::new(),
            points: Vec::new(),
        }
    }

    /// Words are not to cover this line.
    pub fn avoid(&mut self, line: &[Point]) {
        self.busy.extend(line.first());
        for pair in line.windows(2) {
            let [(x1, y1), (x2, y2)] = *pair else {
                continue;
            };
            let parts = (((x2 - x1).abs() + (y2 - y1).abs()) / 4.0).clamp(1.0, 400.0) as usize;
            let at = |part: usize| part as f64 / parts as f64;
            self.busy.extend(
                (1..=parts).map(|part| (x1 + at(part) * (x2 - x1), y1 + at(part) * (y2 - y1))),
            );
        }
    }

    /// A ring of colour `index`.
    pub fn add(&mut self, index: usize, point: Point, text: &str) {
        self.points.push((index, point, text.to_owned()));
    }

    /// Draws all. A word for which there is no room is left out: the ring remains.
    pub fn draw(mut self, canvas: &mut Canvas) {
        let rings = std::mem::take(&mut self.points);
        for (_, (x, y), _) in &rings {
            self.taken.push((x - 7.0, y - 7.0, x + 7.0, y + 7.0));
        }
        for (index, point, text) in &rings {
            canvas.ring(&format!("c{index}"), *point);
            if let Some((x, y)) = self.place(*point, width(text, SIZE)) {
                canvas.text("halo", (x, y), "start", "", text);
            }
        }
    }

    /// The left end of the base line of a word so wide beside `point`.
    fn place(&mut self, (x, y): Point, wide: f64) -> Option<Point> {
        let candidates = [
            (x - wide / 2.0, y - 12.0),
            (x - wide / 2.0, y + 21.0),
            (x + 11.0, y + 4.5),
            (x - 11.0 - wide, y + 4.5),
            (x + 8.0, y - 10.0),
            (x - 8.0 - wide, y - 10.0),
            (x + 8.0, y + 19.0),
            (x - 8.0 - wide, y + 19.0),
        ];
        let (left, top, right, bottom) = self.bounds;
        let area = |(x, y): Point| (x, y - SIZE * 0.8, x + wide, y + 3.0);
        let free = |candidate: &Point| {
            let (x0, y0, x1, y1) = area(*candidate);
            let inside = x0 >= left && x1 <= right && y0 >= top && y1 <= bottom;
            let apart = |(l, t, r, b): &Area| x1 <= *l || *r <= x0 || y1 <= *t || *b <= y0;
            inside && self.taken.iter().all(apart)
        };
        let clear = |candidate: &Point| {
            let (x0, y0, x1, y1) = area(*candidate);
            let within = |(x, y): &Point| (x0..=x1).contains(x) && (y0..=y1).contains(y);
            !self.busy.iter().any(within)
        };
        let chosen = candidates
            .into_iter()
            .filter(free)
            .find(|candidate| clear(candidate))?;
        self.taken.push(area(chosen));
        Some(chosen)
    }
}
