//! Line charts as SVG: losses by step, metrics by epoch.
//!
//! Colours are those of Okabe and Ito (2008), told apart with any kind of colour vision; from the eighth line on
//! they repeat in dashes. The background is opaque white, so that text reads on light and dark pages.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::ReportError;
use super::downsample::{Point, reduce};
use super::number::tick;

/// Okabe and Ito's palette without yellow, which is too pale on white.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
const INK: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(225, 225, 225);
const WIDTH: u32 = 800;
const HEIGHT: u32 = 360;
const LEGEND_LINE: i32 = 20;
/// Longer series are drawn as the mean of this many buckets over a band of their extremes.
const BUCKETS: usize = 250;
/// Shorter series get a mark on each point.
const MARKED: usize = 60;

/// One line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// its name in the legend
    pub name: String,
    /// points in order of x; values that are not finite break the line
    pub points: Vec<Point>,
}

/// A chart of lines over one pair of axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// above the chart
    pub title: String,
    /// below the x axis
    pub x_label: String,
    /// beside the y axis
    pub y_label: String,
    /// the lines, in the order of the legend
    pub lines: Vec<Line>,
    /// levels across the whole width, with a name: a ceiling or a floor
    pub levels: Vec<(String, f64)>,
}

impl Chart {
    /// The chart as SVG text.
    pub fn svg(&self) -> Result<String, ReportError> {
        let mut svg = String::new();
        self.draw(&mut svg)
            .map_err(|error| ReportError::Plot(error.to_string()))?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let names: Vec<&str> = (self.lines.iter().map(|line| line.name.as_str()))
            .chain(self.levels.iter().map(|(name, _)| name.as_str()))
            .collect();
        let longest = names.iter().map(|n| n.chars().count()).max().unwrap_or(0) as u32;
        let legend = if names.len() > 1 {
            (longest * 7 + 50).clamp(90, 330)
        } else {
            10
        };
        let height = HEIGHT.max(names.len() as u32 * LEGEND_LINE as u32 + 60);
        let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let (plot, side) = root.split_horizontally(WIDTH - legend);
        self.draw_lines(&plot)?;
        if names.len() > 1 {
            draw_legend(&side, &names, self.lines.len())?;
        }
        root.present()
    }

    fn draw_lines(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let all = || self.lines.iter().flat_map(|line| line.points.iter());
        let levels = self.levels.iter().map(|(_, y)| *y);
        let empty = !all().any(|(x, y)| x.is_finite() && y.is_finite());
        let x = range(all().map(|(x, _)| *x), 0.02);
        let y = range(all().map(|(_, y)| *y).chain(levels), 0.06);
        let text = ("sans-serif", 15).into_font().color(&INK);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(&self.title, ("sans-serif", 19).into_font().color(&INK))
            .x_label_area_size(42)
            .y_label_area_size(66)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        // Steps and epochs are whole numbers: ticks between them would name nothing.
        let whole = |value: &f64| {
            if value.fract() == 0.0 {
                tick(*value)
            } else {
                String::new()
            }
        };
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_labels(9)
            .y_labels(7)
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .x_label_formatter(&whole)
            .y_label_formatter(&|value| tick(*value))
            .label_style(text.clone())
            .axis_desc_style(text)
            .draw()?;
        for (index, (_, level)) in self.levels.iter().enumerate() {
            let ends = [(x.0, *level), (x.1, *level)];
            let style = color(self.lines.len() + index).stroke_width(2);
            chart.draw_series(DashedLineSeries::new(ends, 2, 4, style))?;
        }
        for (index, line) in self.lines.iter().enumerate() {
            let color = color(index);
            let reduced = reduce(&line.points, BUCKETS);
            for stretch in reduced.extremes {
                chart.draw_series(LineSeries::new(stretch, color.mix(0.3).stroke_width(1)))?;
            }
            for stretch in reduced.mean {
                if line.points.len() <= MARKED || stretch.len() == 1 {
                    let marks = stretch.iter().map(|p| Circle::new(*p, 3, color.filled()));
                    chart.draw_series(marks)?;
                }
                let style = color.stroke_width(2);
                if index < PALETTE.len() {
                    chart.draw_series(LineSeries::new(stretch, style))?;
                } else {
                    chart.draw_series(DashedLineSeries::new(stretch, 6, 4, style))?;
                }
            }
        }
        if empty {
            let (width, height) = area.dim_in_pixel();
            let style = ("sans-serif", 17).into_font().color(&INK);
            let at = (width as i32 / 2 - 60, height as i32 / 2);
            area.draw(&Text::new("no finite values", at, style))?;
        }
        Ok(())
    }
}

fn color(index: usize) -> RGBColor {
    PALETTE[index % PALETTE.len()]
}

/// Swatches and names; from number `lines` on they are levels.
fn draw_legend(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    names: &[&str],
    lines: usize,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let text = ("sans-serif", 15).into_font().color(&INK);
    for (index, name) in names.iter().enumerate() {
        let y = 46 + index as i32 * LEGEND_LINE;
        let swatch: &[(i32, i32)] = match (index < lines, index < PALETTE.len()) {
            (true, true) => &[(4, 28)],
            (true, false) => &[(4, 12), (16, 24)],
            (false, _) => &[(4, 7), (12, 15), (20, 23)],
        };
        for (from, to) in swatch {
            let style = color(index).stroke_width(2);
            area.draw(&PathElement::new(vec![(*from, y), (*to, y)], style))?;
        }
        area.draw(&Text::new((*name).to_owned(), (34, y - 6), text.clone()))?;
    }
    Ok(())
}

/// The range of the finite `values` with a margin; never empty.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return (0.0, 1.0);
    }
    // A constant series, or one whose variation is rounding, gets a band around it.
    let least = low.abs().max(high.abs()) * 1e-6;
    let pad = if high - low > least {
        (high - low) * margin
    } else {
        (low.abs() * 0.1).max(0.5)
    };
    (low - pad, high + pad)
}
