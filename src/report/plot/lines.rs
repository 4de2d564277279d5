//! Charts of lines.

use super::axes::{Axis, Spread, spread_of};
use super::canvas::Canvas;
use super::frame::{Frame, Words};
use super::legend::{Legend, Swatch};
use super::rings::Rings;
use super::theme::{COLOURS, DASHES};
use super::{Chart, Line, MOST_LINES};
use crate::report::downsample::{Envelope, Point, reduce};
use crate::report::number::significant;
use crate::report::smooth::smooth;

/// Longer series are drawn as the mean of this many buckets over a band of their extremes.
const BUCKETS: usize = 250;
/// Lines get a mark on each point where none has more of them: those are not smoothed either.
const MARKED: usize = 39;

/// A line as it is drawn.
struct Drawn {
    bold: Vec<Vec<Point>>,
    /// every value, where there are not too many
    thin: Vec<Vec<Point>>,
    /// the outlines of areas
    bands: Vec<Vec<Point>>,
}

/// `chart` as SVG.
pub fn draw(chart: &Chart) -> String {
    let drawn: Vec<Drawn> = chart
        .lines
        .iter()
        .map(|line| prepare(line, chart.noisy))
        .collect();
    let (x, y) = axes(chart, &drawn);
    let marked = chart.lines.iter().all(|line| line.points.len() <= MARKED);
    let legend = Legend::new(names(chart, marked), Frame::room());
    let y_label = match y.1 {
        Spread::Linear => chart.y_label.clone(),
        Spread::Log => format!("{} (log scale)", chart.y_label),
    };
    let words = Words {
        title: &chart.title,
        about: &chart.about,
        x: &chart.x_label,
        y: &y_label,
    };
    let colours = chart.lines.len().min(MOST_LINES);
    let (frame, mut canvas) = Frame::new(&words, (x, y.0), true, &legend, colours);
    let all = |stretches: &[Vec<Point>]| -> Vec<Vec<Point>> {
        stretches.iter().map(|stretch| frame.all(stretch)).collect()
    };
    for line in drawn.iter().skip(MOST_LINES) {
        canvas.path("other", "", &all(&line.bold));
    }
    for (index, line) in drawn.iter().enumerate().take(MOST_LINES) {
        canvas.area(&format!("band f{index}"), &all(&line.bands));
        canvas.path(&format!("raw c{index}"), "", &all(&line.thin));
    }
    for (_, level) in &chart.levels {
        if level.is_finite() {
            canvas.path("level", "", &[frame.across(*level)]);
        }
    }
    // The first line lies on top.
    for (index, line) in drawn.iter().enumerate().take(MOST_LINES).rev() {
        let dash = if marked { "" } else { DASHES[index] };
        canvas.path(&format!("line c{index}"), dash, &all(&line.bold));
        for stretch in &line.bold {
            if marked || stretch.len() == 1 {
                for point in stretch {
                    canvas.mark(index, frame.at(*point));
                }
            }
        }
    }
    point_out(chart, &drawn, &frame, &mut canvas);
    if drawn.iter().all(|line| line.bold.is_empty()) {
        canvas.text("", frame.middle(), "middle", "", "no finite values");
    }
    canvas.finish()
}

fn prepare(line: &Line, noisy: bool) -> Drawn {
    let reduced = reduce(&line.points, BUCKETS);
    let outline = |upper: Vec<Point>, lower: Vec<Point>| -> Vec<Point> {
        upper.into_iter().chain(lower.into_iter().rev()).collect()
    };
    let mut bands = Vec::new();
    let mut thin = Vec::new();
    for Envelope { lowest, highest } in reduced.envelopes {
        match (lowest.as_slice(), highest.as_slice()) {
            // An area without width is not seen.
            ([low], [high]) => thin.push(vec![*low, *high]),
            _ => bands.push(outline(highest, lowest)),
        }
    }
    let known =
        |(x, low, high): &&(f64, f64, f64)| x.is_finite() && low.is_finite() && high.is_finite();
    for band in line
        .band
        .split(|edge| !known(&edge))
        .filter(|band| !band.is_empty())
    {
        let upper = band.iter().map(|(x, _, high)| (*x, *high)).collect();
        let lower = band.iter().map(|(x, low, _)| (*x, *low)).collect();
        bands.push(outline(upper, lower));
    }
    if !noisy {
        return Drawn {
            bold: reduced.mean,
            thin,
            bands,
        };
    }
    let bold = reduced.mean.iter().map(|stretch| smooth(stretch)).collect();
    if bands.is_empty() && thin.is_empty() {
        thin = reduced.mean;
    }
    Drawn { bold, thin, bands }
}

/// The x axis, and the y axis with its spread.
fn axes(chart: &Chart, drawn: &[Drawn]) -> (Axis, (Axis, Spread)) {
    let bold = || drawn.iter().flat_map(|line| line.bold.iter().flatten());
    let rest = || {
        drawn
            .iter()
            .flat_map(|line| line.thin.iter().chain(&line.bands).flatten())
    };
    let levels = || chart.levels.iter().map(|(_, level)| *level);
    let y = || bold().chain(rest()).map(|(_, y)| *y).chain(levels());
    let spread = if chart.linear {
        Spread::Linear
    } else {
        spread_of(
            y().filter(|y| y.is_finite()),
            drawn.iter().map(|line| &line.bold[..]),
        )
    };
    (
        Axis::around(bold().chain(rest()).map(|(x, _)| *x), 0.015, Spread::Linear),
        (Axis::around(y(), 0.05, spread), spread),
    )
}

/// A legend for more than one thing.
fn names(chart: &Chart, marked: bool) -> Vec<(Swatch, String)> {
    if chart.lines.len() + chart.levels.len() < 2 {
        return Vec::new();
    }
    let lines = chart.lines.iter().take(MOST_LINES).enumerate();
    let mut names: Vec<(Swatch, String)> = lines
        .map(|(index, line)| (Swatch::Line { index, marked }, line.name.clone()))
        .collect();
    if let Some(others @ 1..) = chart.lines.len().checked_sub(MOST_LINES) {
        names.push((Swatch::Other, format!("{others} more")));
    }
    let levels = chart.levels.iter();
    names.extend(
        levels.map(|(name, level)| (Swatch::Level, format!("{name} ({})", significant(*level)))),
    );
    names
}

/// Rings, and words beside them where there is room.
fn point_out(chart: &Chart, drawn: &[Drawn], frame: &Frame, canvas: &mut Canvas) {
    let mut rings = Rings::new(frame.corners());
    for line in drawn {
        line.bold
            .iter()
            .for_each(|stretch| rings.avoid(&frame.all(stretch)));
    }
    for (index, line) in chart.lines.iter().enumerate().take(COLOURS.len()) {
        if let Some(((x, y), text)) = &line.ring
            && x.is_finite()
            && y.is_finite()
        {
            rings.add(index, frame.at((*x, *y)), text);
        }
    }
    rings.draw(canvas);
}
