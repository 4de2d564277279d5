//! Which runs are one line, and which lines one chart.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::MOST_CHARTS;
use crate::report::names::{Place, Words};
use crate::report::plot::{Line, MOST_LINES};
use crate::report::runs::STAGE;

/// Runs that differ in nothing but their seed.
pub struct Group<T> {
    /// its stage and axes
    pub words: Words,
    /// the runs
    pub members: Vec<T>,
}

/// Items by their place, seeds together, in order of first appearance.
pub fn grouped<'a, T: Copy>(items: impl Iterator<Item = (Place<'a>, T)>) -> Vec<Group<T>> {
    let mut groups: Vec<Group<T>> = Vec::new();
    for (place, item) in items {
        let words = place.words();
        match groups.iter_mut().find(|group| group.words == words) {
            Some(group) => group.members.push(item),
            None => groups.push(Group {
                words,
                members: vec![item],
            }),
        }
    }
    groups
}

/// What the lines of a chart share, and the lines.
pub type Together<T> = (String, Vec<Group<T>>);

/// Groups of one chart each, with what they share and others lack (`loss=bce`; empty for a single chart), and how many
/// charts were left out.
pub fn charts<T>(groups: Vec<Group<T>>) -> (Vec<Together<T>>, usize) {
    if groups.len() <= MOST_LINES {
        return (vec![(String::new(), groups)], 0);
    }
    let mut charts: IndexMap<String, Vec<Group<T>>> = IndexMap::new();
    let axis = parting(&groups);
    let count = groups.len();
    for (index, group) in groups.into_iter().enumerate() {
        let name = match &axis {
            Some(axis) => named(&group.words, axis),
            None => format!(
                "{} of {}",
                index / MOST_LINES + 1,
                count.div_ceil(MOST_LINES)
            ),
        };
        charts.entry(name).or_default().push(group);
    }
    let left_out = charts.len().saturating_sub(MOST_CHARTS);
    charts.truncate(MOST_CHARTS);
    (charts.into_iter().collect(), left_out)
}

/// The axes whose values part `groups` into the fewest charts that hold few enough lines: one, or else two.
fn parting<T>(groups: &[Group<T>]) -> Option<Vec<String>> {
    let mut axes: Vec<String> = Vec::new();
    for (axis, _) in groups.iter().flat_map(|group| &group.words) {
        if !axes.contains(axis) {
            axes.push(axis.clone());
        }
    }
    let pairs = axes.iter().enumerate().flat_map(|(at, first)| {
        axes[at + 1..]
            .iter()
            .map(|second| vec![first.clone(), second.clone()])
    });
    let fewest = |choices: &mut dyn Iterator<Item = Vec<String>>| {
        let counted = choices.filter_map(|axes| {
            let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
            for group in groups {
                *sizes.entry(named(&group.words, &axes)).or_default() += 1;
            }
            let fits = sizes.values().all(|size| *size <= MOST_LINES);
            // A line to a chart compares nothing.
            (fits && sizes.len() < groups.len()).then_some((sizes.len(), axes))
        });
        counted
            .min_by_key(|(count, _)| *count)
            .map(|(_, axes)| axes)
    };
    fewest(&mut axes.iter().map(|axis| vec![axis.clone()])).or_else(|| fewest(&mut { pairs }))
}

fn named(words: &[(String, String)], axes: &[String]) -> String {
    let wanted = words.iter().filter(|(axis, _)| axes.contains(axis));
    let word = |(axis, value): &(String, String)| match axis.as_str() {
        STAGE => value.clone(),
        axis => format!("{axis}={value}"),
    };
    wanted.map(word).collect::<Vec<_>>().join(", ")
}

/// The end of a chart's sentence.
pub fn remark<T>(groups: &[Group<T>], left_out: usize) -> String {
    let mut remark = String::new();
    if groups.iter().any(|group| group.members.len() > 1) {
        remark += " Runs that differ in their seed only are one line, their mean, in a band from the least to the greatest.";
    }
    if left_out > 0 {
        remark += &format!(" {left_out} more charts like this one are not drawn.");
    }
    remark
}

/// A chart's title with what its lines share.
pub fn titled(title: &str, shared: &str) -> String {
    match shared {
        "" => title.to_owned(),
        shared => format!("{title}: {shared}"),
    }
}

/// A line through the means of what is finite at every place, in a band where `runs` are several.
pub fn averaged(name: String, places: impl Iterator<Item = (f64, Vec<f64>)>, runs: usize) -> Line {
    let mut line = Line::new(name, Vec::new());
    for (x, values) in places {
        let finite: Vec<f64> = values
            .into_iter()
            .filter(|value| value.is_finite())
            .collect();
        let count = finite.len() as f64;
        if finite.is_empty() {
            line.points.push((x, f64::NAN));
            line.band.push((x, f64::NAN, f64::NAN));
            continue;
        }
        line.points
            .push((x, finite.iter().map(|value| value / count).sum()));
        let ends = finite
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(*value), high.max(*value))
            });
        line.band.push((x, ends.0, ends.1));
    }
    if runs < 2 {
        line.band.clear();
    }
    line
}
