//! Losses of several runs by step.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::groups::{averaged, charts, grouped, remark, titled};
use crate::report::comparison::Trained;
use crate::report::downsample::Point;
use crate::report::names::{Place, distinct};
use crate::report::plot::{Chart, Line};
use crate::report::smooth::smooth;

/// Runs by step are compared at so many places.
const PLACES: usize = 250;

/// Losses that a network minimises as a whole; others are terms of them.
const WHOLE: [&str; 3] = ["loss_g", "loss_d", "loss"];

/// Of each stage that was trained at several points of its matrix: its losses as a whole by step, smoothed, one line a
/// point.
pub fn by_step(trained: &[Trained]) -> Vec<Chart> {
    let mut stages: IndexMap<&str, Vec<&Trained>> = IndexMap::new();
    for node in trained {
        stages.entry(&node.stage).or_default().push(node);
    }
    let mut drawn = Vec::new();
    for (stage, nodes) in stages.into_iter().filter(|(_, nodes)| nodes.len() > 1) {
        for column in WHOLE {
            let measured: Vec<(Place<'_>, Vec<Point>)> = nodes
                .iter()
                .filter_map(|node| {
                    let place = Place {
                        stage,
                        axes: &node.axes,
                    };
                    Some((place, node.history.column(column)?))
                })
                .collect();
            if measured.len() < 2 {
                continue;
            }
            let scale = Scale::over(measured.iter().map(|(_, points)| points));
            let (charts, left_out) = charts(grouped(
                measured.iter().map(|(place, points)| (*place, points)),
            ));
            let last = charts.len() - 1;
            for (at, (shared, groups)) in charts.into_iter().enumerate() {
                let words: Vec<_> = groups.iter().map(|group| group.words.clone()).collect();
                let lines = distinct(&words).into_iter().zip(&groups);
                drawn.push(Chart {
                    title: titled(&format!("{column} of {stage} by step"), &shared),
                    about: format!(
                        "{column} of the runs of {stage}, each smoothed by a running mean over a twentieth of the steps.{}",
                        remark(&groups, if at == last { left_out } else { 0 })
                    ),
                    x_label: "step".to_owned(),
                    y_label: column.to_owned(),
                    lines: lines.map(|(name, group)| scale.line(name, &group.members)).collect(),
                    ..Chart::default()
                });
            }
        }
    }
    drawn
}

/// Places along the steps of several runs, so that they can be compared step by step.
struct Scale {
    first: f64,
    last: f64,
    places: usize,
}

impl Scale {
    fn over<'a>(runs: impl Iterator<Item = &'a Vec<Point>>) -> Self {
        let mut scale = Self {
            first: f64::INFINITY,
            last: f64::NEG_INFINITY,
            places: 1,
        };
        for points in runs {
            scale.places = scale.places.max(points.len().min(PLACES));
            for (x, _) in points {
                scale.first = scale.first.min(*x);
                scale.last = scale.last.max(*x);
            }
        }
        scale
    }

    /// The mean of `runs`, each smoothed by itself.
    fn line(&self, name: String, runs: &[&Vec<Point>]) -> Line {
        let mut places: BTreeMap<usize, (f64, Vec<f64>)> = BTreeMap::new();
        for run in runs {
            for (place, (x, y)) in self.smoothed(run) {
                places.entry(place).or_insert((x, Vec::new())).1.push(y);
            }
        }
        averaged(name, places.into_values(), runs.len())
    }

    /// The means of `run` at the places where it has finite values, smoothed.
    fn smoothed(&self, run: &[Point]) -> Vec<(usize, Point)> {
        let width = (self.last - self.first).max(f64::MIN_POSITIVE);
        let mut sums: BTreeMap<usize, (f64, f64, f64)> = BTreeMap::new();
        for (x, y) in run.iter().filter(|(_, y)| y.is_finite()) {
            let place = libm::round((x - self.first) / width * (self.places - 1) as f64) as usize;
            let (count, steps, values) = sums.entry(place).or_default();
            *count += 1.0;
            *steps += x;
            *values += y;
        }
        let means: Vec<Point> = sums
            .values()
            .map(|(count, steps, values)| (steps / count, values / count))
            .collect();
        sums.into_keys().zip(smooth(&means)).collect()
    }
}
