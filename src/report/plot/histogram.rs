//! Histograms that overlap: how a discriminator scores real and generated images.

use super::axes::Axis;
use super::frame::{Frame, Words};
use super::legend::{Legend, Swatch};
use super::theme::COLOURS;
use crate::report::downsample::Point;

/// The counts of one set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bars {
    /// its name in the legend
    pub name: String,
    /// how many values lie in each of the equal parts of the range
    pub counts: Vec<u64>,
}

/// Histograms of several sets over one range, each as shares of its own set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramChart {
    /// above the chart
    pub title: String,
    /// what there is to see, in a sentence
    pub about: String,
    /// below the x axis
    pub x_label: String,
    /// the range of all sets
    pub range: (f64, f64),
    /// the sets, at most as many as there are colours
    pub bars: Vec<Bars>,
    /// a value that parts the range, with a name
    pub threshold: Option<(String, f64)>,
}

impl HistogramChart {
    /// The chart as SVG text.
    pub fn svg(&self) -> String {
        let (low, high) = self.range;
        let usable =
            low.is_finite() && high.is_finite() && self.bars.iter().any(|bars| bars.total() > 0);
        let (low, high) = match usable {
            // All values are one: bars of some width around it.
            true if low >= high => (low - 0.5, low + 0.5),
            true => (low, high),
            false => (0.0, 1.0),
        };
        let shares = || self.bars.iter().flat_map(Bars::shares);
        let top = shares().fold(0.0, f64::max).max(1e-9);
        let threshold = self.threshold.as_ref().filter(|(_, x)| x.is_finite());
        let shown = threshold.map(|(_, x)| *x);
        // A threshold outside of the range is worth showing where that leaves the range half of the width.
        let near = shown.filter(|x| (low - (high - low)..=high + (high - low)).contains(x));
        let axis = Axis::around(
            [low, high].into_iter().chain(near),
            0.02,
            super::axes::Spread::Linear,
        );
        let drawn = self.bars.iter().take(COLOURS.len()).enumerate();
        let mut names: Vec<(Swatch, String)> = drawn
            .clone()
            .map(|(index, bars)| (Swatch::Bars(index), bars.name.clone()))
            .collect();
        names.extend(
            threshold
                .filter(|_| near.is_some())
                .map(|(name, _)| (Swatch::Level, name.clone())),
        );
        let words = Words {
            title: &self.title,
            about: &self.about,
            x: &self.x_label,
            y: "share of images",
        };
        let legend = Legend::new(names, Frame::room());
        let axes = (axis, Axis::exact(0.0, top * 1.05));
        let (frame, mut canvas) = Frame::new(
            &words,
            axes,
            false,
            &legend,
            self.bars.len().min(COLOURS.len()),
        );
        for (index, bars) in drawn.filter(|(_, bars)| bars.total() > 0) {
            let outline = frame.all(&bars.outline(low, high));
            canvas.area(&format!("bars c{index} f{index}"), &[outline]);
        }
        if let Some(x) = near {
            canvas.path("level", "", &[frame.upright(x)]);
        }
        if !usable {
            canvas.text("", frame.middle(), "middle", "", "no finite values");
        }
        canvas.finish()
    }
}

impl Bars {
    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn shares(&self) -> impl Iterator<Item = f64> + '_ {
        let total = self.total().max(1) as f64;
        self.counts.iter().map(move |count| *count as f64 / total)
    }

    /// Steps from the axis up and down again.
    fn outline(&self, low: f64, high: f64) -> Vec<Point> {
        let parts = self.counts.len().max(1) as f64;
        let edge = |index: usize| low + (high - low) * (index as f64 / parts);
        let mut points = vec![(low, 0.0)];
        let mut level = 0.0;
        for (index, share) in self.shares().enumerate() {
            if share.to_bits() != f64::to_bits(level) {
                points.push((edge(index), level));
                points.push((edge(index), share));
                level = share;
            }
        }
        points.push((high, level));
        points.push((high, 0.0));
        points
    }
}
