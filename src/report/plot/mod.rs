//! Charts as SVG: losses by step, metrics by epoch, histograms of scores.
//!
//! A chart is readable on light and on dark pages and by any kind of colour vision: see [`theme`]. Lines are told apart by
//! their dashes as well, short ones by their marks. What is drawn depends on the data alone: no clock, no font, no
//! function of the platform's.

pub mod canvas;
pub mod theme;

mod axes;
mod frame;
mod histogram;
mod legend;
mod lines;
mod rings;

use super::downsample::Point;
pub use histogram::{Bars, HistogramChart};

/// A chart has this many lines in colours of their own; more are grey.
pub const MOST_LINES: usize = theme::COLOURS.len();

/// One line of a chart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    /// its name in the legend
    pub name: String,
    /// points in order of x; values that are not finite break the line
    pub points: Vec<Point>,
    /// x, lower and upper edge of an area behind the line: the spread of what it is the mean of
    pub band: Vec<(f64, f64, f64)>,
    /// a point to point out, with what to write beside it
    pub ring: Option<(Point, String)>,
}

impl Line {
    /// A line without band and ring.
    pub fn new(name: impl Into<String>, points: Vec<Point>) -> Self {
        Self {
            name: name.into(),
            points,
            ..Self::default()
        }
    }
}

/// A chart of lines over one pair of axes.
///
/// The y axis is logarithmic where everything on it is above 0 and the bold lines span two decades or more, unless
/// `linear` says no; the axis says so.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// above the chart
    pub title: String,
    /// what there is to see, in a sentence: for captions and for those who cannot see it
    pub about: String,
    /// below the x axis
    pub x_label: String,
    /// beside the y axis
    pub y_label: String,
    /// the lines, in the order of the legend; from number [`MOST_LINES`] on they are grey
    pub lines: Vec<Line>,
    /// levels across the whole width, with a name: a ceiling or a floor
    pub levels: Vec<(String, f64)>,
    /// whether lines are noisy: a bold one follows their running mean (see [`super::smooth`]), what they are made of
    /// stands behind it, thin or as a band of extremes
    pub noisy: bool,
    /// whether the y axis is linear whatever the values
    pub linear: bool,
}

impl Chart {
    /// The chart as SVG text.
    pub fn svg(&self) -> String {
        lines::draw(self)
    }
}
