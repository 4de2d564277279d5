//! Metrics of several runs by epoch.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::groups::{averaged, charts, grouped, remark, titled};
use crate::hash::Digest;
use crate::metric::{Direction, MetricRow};
use crate::report::names::{Place, distinct};
use crate::report::number::significant;
use crate::report::plot::{Chart, Line};
use crate::report::runs::Run;

/// What is measured beside a metric, by the end of its name: it is drawn with the metric or not at all.
const BESIDE: [&str; 4] = ["-low", "-high", "-sd", "-top"];

/// A metric of one run at its checkpoints.
struct Curve {
    /// epoch and value
    points: Vec<(u64, f64)>,
    /// epoch, lower and upper end of the value's interval, where there is one
    intervals: Vec<(f64, f64, f64)>,
}

impl Curve {
    fn of(run: &Run, metric: &str, protocol: &str) -> Option<Self> {
        let named =
            |row: &&MetricRow| row.metric == metric && row.protocol_digest().short() == protocol;
        let rows = || run.rows.iter().filter(named);
        let points: Vec<(u64, f64)> = rows()
            .filter_map(|row| Some((row.epoch?, row.value)))
            .collect();
        let beside = |epoch: u64, end: &str| {
            let name = format!("{metric}{end}");
            let mut rows = run.rows.iter();
            rows.find(|row| row.metric == name && row.epoch == Some(epoch))
                .map(|row| row.value)
        };
        let interval = |(epoch, value): &(u64, f64)| {
            let by_deviation = || beside(*epoch, "-sd").map(|sd| (value - sd, value + sd));
            let by_ends = beside(*epoch, "-low").zip(beside(*epoch, "-high"));
            let (low, high) = by_ends.or_else(by_deviation)?;
            Some((*epoch as f64, low, high))
        };
        (!points.is_empty()).then(|| Self {
            intervals: points.iter().filter_map(interval).collect(),
            points,
        })
    }
}

/// What two values must share to stand over one axis: metric, extractor, number of images, and the protocol without what
/// it says after a semicolon of whose images they are (`; real images`).
type Scale<'a> = (&'a str, Option<Digest>, u64, &'a str);

fn scale(row: &MetricRow) -> Scale<'_> {
    let protocol = row.protocol.split(';').next().unwrap_or_default();
    (&row.metric, row.extractor, row.samples, protocol)
}

/// One chart, or several, for each metric and protocol, where any run has several checkpoints. The best checkpoint of a
/// line is ringed. A single run stands in the band of its intervals or standard deviations, where it has such. Values that
/// do not belong to an epoch (of real images) are levels.
pub fn by_epoch(runs: &[Run]) -> Vec<Chart> {
    let rows = || {
        runs.iter()
            .flat_map(|run| run.rows.iter().map(move |row| (run, row)))
    };
    let mut metrics: IndexMap<(&str, String), (Direction, Scale<'_>)> = IndexMap::new();
    let mut levels: Vec<(Scale<'_>, String, f64)> = Vec::new();
    let is_beside = |metric: &str| {
        let mut bases = BESIDE.iter().filter_map(|end| metric.strip_suffix(end));
        bases.any(|base| rows().any(|(_, row)| row.metric == base))
    };
    for (run, row) in rows().filter(|(_, row)| !is_beside(&row.metric)) {
        if row.epoch.is_some() {
            let key = (row.metric.as_str(), row.protocol_digest().short());
            metrics.insert(key, (row.direction, scale(row)));
        } else {
            levels.push((scale(row), run.name(), row.value));
        }
    }
    let mut drawn = Vec::new();
    let several = |metric: &str| metrics.keys().filter(|(name, _)| *name == metric).count() > 1;
    for ((metric, protocol), (direction, scale)) in &metrics {
        let (metric, direction) = (*metric, *direction);
        let name = if several(metric) {
            format!("{metric} by epoch, protocol {protocol}")
        } else {
            format!("{metric} by epoch")
        };
        let curves = runs.iter().filter_map(|run| {
            let place = Place {
                stage: &run.stage,
                axes: &run.axes,
            };
            Some((place, Curve::of(run, metric, protocol)?))
        });
        let curves: Vec<(Place<'_>, Curve)> = curves.collect();
        if curves.iter().all(|(_, curve)| curve.points.len() < 2) {
            continue;
        }
        let (charts, left_out) =
            charts(grouped(curves.iter().map(|(place, curve)| (*place, curve))));
        let last = charts.len() - 1;
        for (at, (shared, groups)) in charts.into_iter().enumerate() {
            let words: Vec<_> = groups.iter().map(|group| group.words.clone()).collect();
            let lines = distinct(&words).into_iter().zip(&groups);
            let alike = levels.iter().filter(|(other, ..)| other == scale);
            let mut about = format!("{metric} at every checkpoint that was measured.");
            if direction != Direction::Neither {
                about += " The best checkpoint of each line is ringed.";
            }
            let single =
                |curves: &[&Curve]| matches!(curves, [curve] if !curve.intervals.is_empty());
            if groups.iter().any(|group| single(&group.members)) {
                about += " A single run stands in a band of one standard deviation, or of its interval of 95 %.";
            }
            drawn.push(Chart {
                title: titled(&name, &shared),
                about: about + &remark(&groups, if at == last { left_out } else { 0 }),
                x_label: "epoch".to_owned(),
                y_label: format!("{metric} {}", direction.arrow())
                    .trim_end()
                    .to_owned(),
                lines: lines
                    .map(|(name, group)| line(name, &group.members, direction))
                    .collect(),
                levels: alike
                    .map(|(_, name, value)| (name.clone(), *value))
                    .collect(),
                linear: direction != Direction::Lower,
                noisy: false,
            });
        }
    }
    drawn
}

/// The mean of `curves` at every epoch.
fn line(name: String, curves: &[&Curve], direction: Direction) -> Line {
    let mut epochs: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (epoch, value) in curves.iter().flat_map(|curve| &curve.points) {
        epochs.entry(*epoch).or_default().push(*value);
    }
    let means = epochs
        .into_iter()
        .map(|(epoch, values)| (epoch as f64, values));
    let mut line = averaged(name, means, curves.len());
    if let [curve] = curves {
        line.band.clone_from(&curve.intervals);
    }
    let finite = line
        .points
        .iter()
        .filter(|(_, value)| value.is_finite())
        .copied();
    let best = finite.reduce(|best, point| {
        if direction.better(point.1, best.1) {
            point
        } else {
            best
        }
    });
    line.ring = best
        .filter(|_| direction != Direction::Neither)
        .map(|point| (point, significant(point.1)));
    line
}
