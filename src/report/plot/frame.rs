//! What all charts share: title, legend, the pair of axes.

use super::axes::Axis;
use super::canvas::{Canvas, fit, width};
use super::legend::Legend;
use crate::report::downsample::Point;

/// The width of a chart.
const WIDTH: f64 = 800.0;
/// The height between the axes.
const HEIGHT: f64 = 250.0;
/// Around everything.
const MARGIN: f64 = 14.0;
/// Above the legend.
const TITLE: f64 = 26.0;
/// Sizes of text.
const TEXT: f64 = 13.0;
const HEADING: f64 = 16.0;

/// Words around a chart.
pub struct Words<'a> {
    /// above it
    pub title: &'a str,
    /// for those who cannot see it
    pub about: &'a str,
    /// below the x axis
    pub x: &'a str,
    /// beside the y axis
    pub y: &'a str,
}

/// The area between two axes.
pub struct Frame {
    x: Axis,
    y: Axis,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Frame {
    /// Paper with everything but the data on it. `whole`: nothing stands between whole numbers of x.
    pub fn new(
        words: &Words<'_>,
        (x, y): (Axis, Axis),
        whole: bool,
        legend: &Legend,
        colours: usize,
    ) -> (Self, Canvas) {
        let ticks = y.ticks(6, false);
        let widest = ticks
            .iter()
            .map(|(_, label)| width(label, TEXT))
            .fold(0.0, f64::max);
        let top = MARGIN + TITLE + legend.height() + 8.0;
        let frame = Self {
            left: MARGIN + 20.0 + widest + 8.0,
            top,
            right: WIDTH - MARGIN - 8.0,
            bottom: top + HEIGHT,
            x,
            y,
        };
        let room = WIDTH - 2.0 * MARGIN;
        let mut canvas = Canvas::new(
            WIDTH,
            frame.bottom + 46.0,
            words.title,
            words.about,
            colours,
        );
        canvas.text(
            "title",
            (MARGIN, MARGIN + 14.0),
            "start",
            "",
            &fit(words.title, HEADING, room),
        );
        legend.draw(&mut canvas, MARGIN, MARGIN + TITLE);
        for (value, label) in &ticks {
            let at = frame.at((0.0, *value)).1;
            canvas.line("grid", (frame.left, at), (frame.right, at));
            canvas.text("soft", (frame.left - 8.0, at + 4.5), "end", "", label);
        }
        canvas.line(
            "axis",
            (frame.left, frame.bottom),
            (frame.right, frame.bottom),
        );
        for (value, label) in frame.x.ticks(9, whole) {
            let at = frame.at((value, 0.0)).0;
            canvas.line("axis", (at, frame.bottom), (at, frame.bottom + 5.0));
            canvas.text("soft", (at, frame.bottom + 19.0), "middle", "", &label);
        }
        let middle = f64::midpoint(frame.left, frame.right);
        let below = frame.bottom + 37.0;
        canvas.text(
            "",
            (middle, below),
            "middle",
            "",
            &fit(words.x, TEXT, frame.right - frame.left),
        );
        let (side, middle) = (MARGIN + 10.0, f64::midpoint(frame.top, frame.bottom));
        let turned = format!(
            " transform=\"rotate(-90 {} {})\"",
            super::canvas::number(side),
            super::canvas::number(middle)
        );
        canvas.text(
            "",
            (side, middle),
            "middle",
            &turned,
            &fit(words.y, TEXT, HEIGHT),
        );
        (frame, canvas)
    }

    /// The room for a legend.
    pub const fn room() -> f64 {
        WIDTH - 2.0 * MARGIN
    }

    /// Where a point of data is on the paper.
    pub fn at(&self, (x, y): Point) -> Point {
        (
            self.left + self.x.place(x) * (self.right - self.left),
            self.bottom - self.y.place(y) * (self.bottom - self.top),
        )
    }

    /// The same for many.
    pub fn all(&self, points: &[Point]) -> Vec<Point> {
        points.iter().map(|point| self.at(*point)).collect()
    }

    /// The whole width at the height of `y`.
    pub fn across(&self, y: f64) -> Vec<Point> {
        let at = self.at((0.0, y)).1;
        vec![(self.left, at), (self.right, at)]
    }

    /// The whole height at `x`.
    pub fn upright(&self, x: f64) -> Vec<Point> {
        let at = self.at((x, 0.0)).0;
        vec![(at, self.top), (at, self.bottom)]
    }

    /// The middle.
    pub fn middle(&self) -> Point {
        (
            f64::midpoint(self.left, self.right),
            f64::midpoint(self.top, self.bottom),
        )
    }

    /// Upper left and lower right corner.
    pub fn corners(&self) -> (Point, Point) {
        ((self.left, self.top), (self.right, self.bottom))
    }
}
