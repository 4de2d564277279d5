//! A stage on its way to nodes, and the names that its templates may use.

use std::collections::HashSet;

use serde_json::Value;

use super::relation::{Axis, Row};
use super::values::{ValueId, Values};
use crate::spec::PipelineSpec;
use crate::spec::model::{Matrix, StageSpec};
use crate::spec::place::Place;

/// A stage while its points are put together.
pub(super) struct Stage<'a> {
    pub name: &'a str,
    pub spec: &'a StageSpec,
    pub matrix: &'a Matrix,
    pub place: Place,
    /// its inputs sorted by name
    pub inputs: Vec<(&'a str, &'a Value)>,
    /// the entries of `matrix.include`, interned
    pub entries: Vec<Vec<(String, ValueId)>>,
    /// those among them that a fault has been noted for
    pub faulty: HashSet<usize>,
    /// some input could not be made sense of, so its axes are not all known
    pub broken: bool,
}

impl<'a> Stage<'a> {
    /// A stage as it is written.
    pub fn new(name: &'a str, spec: &'a StageSpec) -> Self {
        let inputs = spec
            .inputs
            .iter()
            .map(|(name, value)| (name.as_str(), value));
        let mut inputs: Vec<(&str, &Value)> = inputs.collect();
        inputs.sort_by_key(|(name, _)| *name);
        Self {
            name,
            spec,
            matrix: &spec.matrix,
            place: spec.place(name),
            inputs,
            entries: Vec::new(),
            faulty: HashSet::new(),
            broken: false,
        }
    }

    /// Whether its own matrix has this axis.
    pub fn has_own_axis(&self, axis: &str) -> bool {
        let table = self.matrix.axes.is_empty();
        let mut entries = self.matrix.include.iter();
        self.matrix.axes.contains_key(axis) || (table && entries.any(|e| e.contains_key(axis)))
    }

    /// Where an input stands.
    pub fn input(&self, index: usize) -> Place {
        self.place.key("inputs").key(self.inputs[index].0)
    }

    /// The names at a point.
    pub fn names<'n>(
        &'n self,
        spec: &'n PipelineSpec,
        axes: &'n [Axis],
        row: &'n Row,
    ) -> Names<'n> {
        Names {
            spec,
            entries: &self.entries,
            axes,
            row,
        }
    }
}

/// What `${name}` means at one point: an axis, a further value of `matrix.include`, or a var.
pub(super) struct Names<'a> {
    spec: &'a PipelineSpec,
    entries: &'a [Vec<(String, ValueId)>],
    axes: &'a [Axis],
    row: &'a Row,
}

impl<'a> Names<'a> {
    fn axis(&self, name: &str) -> Option<ValueId> {
        let found = self
            .axes
            .binary_search_by(|axis| axis.name.as_str().cmp(name));
        found.ok().map(|position| self.row.values[position])
    }

    /// Whether an entry of `matrix.include` belongs here: all it says of axes holds.
    pub fn applies(&self, entry: usize) -> bool {
        self.entries[entry]
            .iter()
            .all(|(name, id)| self.axis(name).is_none_or(|value| value == *id))
    }

    /// The interned value of an axis or further value.
    pub fn id(&self, name: &str) -> Option<ValueId> {
        self.axis(name).or_else(|| {
            let applying = self
                .row
                .entries
                .iter()
                .rev()
                .filter(|entry| self.applies(**entry));
            let mut given = applying.flat_map(|entry| &self.entries[*entry]);
            given.find(|(known, _)| known == name).map(|(_, id)| *id)
        })
    }

    /// The value of any name.
    pub fn get(&self, name: &str, values: &'a Values) -> Option<&'a Value> {
        let own = self.id(name).map(|id| values.get(id));
        own.or_else(|| self.spec.vars.get(name))
    }

    /// All names, for suggestions.
    pub fn defined(&self) -> Vec<String> {
        let axes = self.axes.iter().map(|axis| axis.name.clone());
        let entries = self
            .row
            .entries
            .iter()
            .flat_map(|entry| &self.entries[*entry]);
        let further = entries.map(|(name, _)| name.clone());
        let mut names: Vec<String> = axes
            .chain(further)
            .chain(self.spec.vars.keys().cloned())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}
