//! Names of lines, in rows above the chart.

use super::canvas::{Canvas, fit, width};

/// Pixels from one row to the next.
pub const ROW: f64 = 20.0;
/// Size of its text.
const SIZE: f64 = 13.0;
/// The width of a swatch, and of the space behind an entry.
const SWATCH: f64 = 26.0;
const SPACE: f64 = 18.0;
/// One name takes no more than this.
const LONGEST: f64 = 340.0;

/// How an entry is drawn in the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swatch {
    /// line number so many, with marks or without
    Line {
        /// its place among the colours
        index: usize,
        /// whether it has marks
        marked: bool,
    },
    /// bars of that colour
    Bars(usize),
    /// a level
    Level,
    /// one of many others
    Other,
}

/// Entries with their places.
pub struct Legend {
    entries: Vec<(Swatch, String, f64, f64)>,
    rows: usize,
}

impl Legend {
    /// Lays `names` out in rows of at most `room` pixels; long names lose their middle.
    pub fn new(names: Vec<(Swatch, String)>, room: f64) -> Self {
        let mut entries = Vec::new();
        let (mut x, mut row) = (0.0, 0);
        for (swatch, name) in names {
            let name = fit(&name, SIZE, LONGEST.min(room - SWATCH));
            let wide = SWATCH + width(&name, SIZE);
            if x > 0.0 && x + wide > room {
                (x, row) = (0.0, row + 1);
            }
            entries.push((swatch, name, x, f64::from(row) * ROW));
            x += wide + SPACE;
        }
        let rows = if entries.is_empty() {
            0
        } else {
            row as usize + 1
        };
        Self { entries, rows }
    }

    /// Its height in pixels.
    pub fn height(&self) -> f64 {
        self.rows as f64 * ROW
    }

    /// Draws it with its upper left corner at (`left`, `top`).
    pub fn draw(&self, canvas: &mut Canvas, left: f64, top: f64) {
        for (swatch, name, x, y) in &self.entries {
            let (x, y) = (left + x, top + y + ROW / 2.0);
            let (from, to) = ((x, y), (x + SWATCH - 6.0, y));
            let stretch = [vec![from, to]];
            match swatch {
                Swatch::Line { index, marked } => {
                    let colour = *index % super::theme::COLOURS.len();
                    let dash = if *marked {
                        ""
                    } else {
                        super::theme::DASHES[colour]
                    };
                    canvas.path(&format!("line c{colour}"), dash, &stretch);
                    if *marked {
                        canvas.mark(*index, (f64::midpoint(from.0, to.0), y));
                    }
                }
                Swatch::Bars(index) => {
                    let corners = [
                        (from.0, y + 5.0),
                        (from.0, y - 5.0),
                        (to.0, y - 5.0),
                        (to.0, y + 5.0),
                    ];
                    canvas.area(&format!("bars c{index} f{index}"), &[corners.to_vec()]);
                }
                Swatch::Level => canvas.path("level", "", &stretch),
                Swatch::Other => canvas.path("other", "", &stretch),
            }
            canvas.text("", (x + SWATCH, y + 4.5), "start", "", name);
        }
    }
}
