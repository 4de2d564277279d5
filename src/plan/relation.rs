//! Relations over axes: a row is a point, and what stands behind each input there.
//!
//! An input gives one relation, the stage's own matrix another, and the stage's nodes are their natural
//! join: axes of one name must agree, different names give the product. Axes are sorted by name and
//! inputs are joined by name, so that the order of keys in the YAML changes nothing.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::Source;
use super::values::ValueId;

/// Rows over axes.
#[derive(Debug, Clone, Default)]
pub struct Relation {
    /// sorted by name
    pub axes: Vec<Axis>,
    /// in order
    pub rows: Vec<Row>,
}

/// An axis and who brought it, for messages.
#[derive(Debug, Clone)]
pub struct Axis {
    /// its name
    pub name: String,
    /// an input, or the stage's matrix
    pub origin: Rc<str>,
}

/// One point.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// one for each axis
    pub values: Vec<ValueId>,
    /// index of the input → what stands behind it
    pub picks: Vec<(usize, Rc<Source>)>,
    /// the entries of `matrix.include` that may belong to it
    pub entries: Rc<[usize]>,
}

/// A point that one side of a join has and the other has not.
#[derive(Debug)]
pub struct Unmatched {
    /// values of the shared axes
    pub point: Vec<(String, ValueId)>,
    /// who has it
    pub has: Rc<str>,
    /// who has not
    pub lacks: Rc<str>,
}

impl Relation {
    /// One row without axes: what everything can be joined to.
    pub fn unit() -> Self {
        Self {
            axes: Vec::new(),
            rows: vec![Row::default()],
        }
    }

    /// The position of an axis.
    pub fn position(&self, axis: &str) -> Option<usize> {
        self.axes
            .binary_search_by(|known| known.name.as_str().cmp(axis))
            .ok()
    }

    /// Whether both have the same axes.
    pub fn same_axes(&self, other: &Self) -> bool {
        let names = |relation: &Self| {
            relation
                .axes
                .iter()
                .map(|axis| axis.name.clone())
                .collect::<Vec<_>>()
        };
        names(self) == names(other)
    }

    /// The natural join of two relations; what one of them lacks on shared axes is handed to `unmatched`.
    #[must_use]
    pub fn join(self, right: &Self, mut unmatched: impl FnMut(Unmatched)) -> Self {
        let shared: Vec<(usize, usize)> = self
            .axes
            .iter()
            .enumerate()
            .filter_map(|(left, axis)| Some((left, right.position(&axis.name)?)))
            .collect();
        let mut names: Vec<(&Axis, Result<usize, usize>)> = Vec::new();
        names.extend(
            self.axes
                .iter()
                .enumerate()
                .map(|(index, axis)| (axis, Ok(index))),
        );
        let is_new = |(index, _): &(usize, &Axis)| !shared.iter().any(|(_, known)| known == index);
        let new = right.axes.iter().enumerate().filter(is_new);
        names.extend(new.map(|(index, axis)| (axis, Err(index))));
        names.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));

        let project = |row: &Row, pick: fn(&(usize, usize)) -> usize| -> Vec<ValueId> {
            shared.iter().map(|pair| row.values[pick(pair)]).collect()
        };
        let mut matches: HashMap<Vec<ValueId>, Vec<usize>> = HashMap::new();
        for (index, row) in right.rows.iter().enumerate() {
            matches
                .entry(project(row, |pair| pair.1))
                .or_default()
                .push(index);
        }
        let mut report = |point: &[ValueId], left_has: bool| {
            let axes: Vec<&Axis> = shared.iter().map(|(left, _)| &self.axes[*left]).collect();
            let Some((_, in_right)) = shared.first() else {
                return;
            };
            let left = Rc::clone(&axes[0].origin);
            let right = Rc::clone(&right.axes[*in_right].origin);
            let (has, lacks) = if left_has {
                (left, right)
            } else {
                (right, left)
            };
            let names = axes.iter().map(|axis| axis.name.clone());
            let point = names.zip(point.iter().copied()).collect();
            unmatched(Unmatched { point, has, lacks });
        };
        let mut met: HashSet<Vec<ValueId>> = HashSet::new();
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let point = project(row, |pair| pair.0);
            let Some(found) = matches.get(&point) else {
                if met.insert(point.clone()) {
                    report(&point, true);
                }
                continue;
            };
            for other in found.iter().map(|index| &right.rows[*index]) {
                let value = |(_, from): &(&Axis, Result<usize, usize>)| match from {
                    Ok(left) => row.values[*left],
                    Err(right) => other.values[*right],
                };
                let entries = if other.entries.is_empty() {
                    &row.entries
                } else {
                    &other.entries
                };
                rows.push(Row {
                    values: names.iter().map(value).collect(),
                    picks: row.picks.iter().chain(&other.picks).cloned().collect(),
                    entries: Rc::clone(entries),
                });
            }
            met.insert(point);
        }
        for row in &right.rows {
            let point = project(row, |pair| pair.1);
            if met.insert(point.clone()) {
                report(&point, false);
            }
        }
        let axes = names.into_iter().map(|(axis, _)| axis.clone()).collect();
        Self { axes, rows }
    }
}
