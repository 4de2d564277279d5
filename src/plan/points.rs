//! The points of a stage's matrix: its inputs' axes and its own, joined.

use std::collections::{BTreeMap, HashMap, HashSet};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::edges;
use super::expand::Expander;
use super::inputs::{Scope, Unusable};
use super::matrix::{self, Excludes};
use super::relation::{Relation, Row, Unmatched};
use super::settle::interpolate;
use super::stage::Stage;
use super::values::{ValueId, Values};
use crate::spec::place::{Findings, Place};
use crate::spec::template;
use crate::stage::context::plain;
use crate::suggest;

/// What is missing on one side of a join.
pub(super) fn unmatched(unmatched: &Unmatched, values: &Values) -> String {
    let value = |(axis, id): &(String, ValueId)| format!("{axis}={}", plain(values.get(*id)));
    let point: Vec<String> = unmatched.point.iter().map(value).collect();
    let Unmatched { has, lacks, .. } = unmatched;
    format!("{lacks} has no {}, but {has} has it", point.join(","))
}

impl Expander<'_> {
    /// The stage's points: its inputs joined by name, then its own matrix, then the inputs that depend on
    /// axis values.
    pub(super) fn points(&mut self, stage: &mut Stage<'_>) -> Relation {
        let spec = self.spec;
        let excludes = Excludes::of(&stage.matrix.exclude, &mut self.values);
        let mut domain = Domain::default();
        let mut points = Relation::unit();
        let is_var = |name: &String| spec.vars.contains_key(name);
        let (settled, dependent): (Vec<usize>, Vec<usize>) =
            (0..stage.inputs.len()).partition(|index| {
                template::names_in(stage.inputs[*index].1)
                    .iter()
                    .all(is_var)
            });
        for index in settled {
            let Ok(mut relation) = self.input(stage, index, &|name| spec.vars.get(name)) else {
                stage.broken = true;
                continue;
            };
            domain.add(&relation);
            excludes.filter(&mut relation);
            points = self.join(points, &relation, &stage.input(index));
        }
        let place = stage.place.key("matrix");
        let own = matrix::own(
            stage.matrix,
            &place,
            &points.axes,
            &mut self.values,
            &mut self.findings,
        );
        domain.add(&own.relation);
        stage.faulty = own.faulty;
        for (axis, listed) in &stage.matrix.axes {
            let known = domain.values.entry(axis.clone()).or_default();
            known.extend(listed.iter().map(|value| self.values.id(value)));
        }
        points = self.join(points, &own.relation, &place);
        let mut intern = |entry: &Map<String, Value>| {
            let entry = entry.iter();
            entry
                .map(|(name, value)| (name.clone(), self.values.id(value)))
                .collect()
        };
        stage.entries = stage.matrix.include.iter().map(&mut intern).collect();
        self.check_settled(stage, &points);
        for index in dependent {
            points = self.dependent(stage, index, points, &excludes, &mut domain);
        }
        excludes.filter(&mut points);
        if !stage.broken {
            domain.check_excludes(stage, &self.values, &mut self.findings);
            if points.rows.is_empty() && self.findings.is_empty() {
                let message = format!("the matrix leaves `{}` without a node", stage.name);
                self.findings.add(place.at_key(), message);
            }
        }
        points
    }

    /// An inherited axis cannot choose a stage: which stages come first must be known before any axis is.
    fn check_settled(&mut self, stage: &mut Stage<'_>, points: &Relation) {
        for (place, name) in edges::sources(self.spec, stage).unsettled {
            if points.position(&name).is_some() {
                let place = place.piece(format!("${{{name}}}"));
                let message = format!("`${{{name}}}` cannot choose a stage here");
                let help = "a stage is chosen by vars or by an axis of the stage's own matrix";
                self.findings.add_help(place, message, help);
                stage.broken = true;
            }
        }
    }

    fn join(&mut self, left: Relation, right: &Relation, place: &Place) -> Relation {
        let (values, findings) = (&self.values, &mut self.findings);
        left.join(right, |missing| {
            findings.add(place.clone(), unmatched(&missing, values));
        })
    }

    /// The relation behind one input, with names settled by `lookup`.
    fn input(
        &mut self,
        stage: &Stage<'_>,
        index: usize,
        lookup: &template::Lookup<'_>,
    ) -> Result<Relation, Unusable> {
        let place = stage.input(index);
        let written = stage.inputs[index].1;
        let defined = || self.spec.vars.keys().cloned().collect();
        let silent = stage.broken;
        let value = interpolate(
            written,
            lookup,
            &place,
            &defined,
            silent,
            &mut self.findings,
        )
        .ok_or(Unusable)?;
        if value.is_null() {
            // A var without a value leaves the input out: a profile can do without it.
            return Ok(Relation::unit());
        }
        let mut scope = Scope {
            stages: &mut self.stages,
            values: &self.values,
            files: &mut self.files,
            findings: &mut self.findings,
        };
        scope.relation(index, &value, &place)
    }

    /// Joins an input whose text depends on axis values: points that give it one text are joined at once.
    fn dependent(
        &mut self,
        stage: &mut Stage<'_>,
        index: usize,
        points: Relation,
        excludes: &Excludes,
        domain: &mut Domain,
    ) -> Relation {
        let spec = self.spec;
        let names = template::names_in(stage.inputs[index].1);
        let mut groups: IndexMap<Vec<Option<ValueId>>, Vec<Row>> = IndexMap::new();
        for row in points.rows {
            let named = stage.names(spec, &points.axes, &row);
            let key = names.iter().map(|name| named.id(name)).collect();
            groups.entry(key).or_default().push(row);
        }
        let mut joined: Option<Relation> = None;
        for (key, rows) in groups {
            let known: HashMap<&str, Value> = names
                .iter()
                .zip(&key)
                .filter_map(|(name, id)| Some((name.as_str(), self.values.get((*id)?).clone())))
                .collect();
            let lookup = |name: &str| known.get(name).or_else(|| spec.vars.get(name));
            let Ok(mut relation) = self.input(stage, index, &lookup) else {
                stage.broken = true;
                continue;
            };
            domain.add(&relation);
            excludes.filter(&mut relation);
            let axes = points.axes.clone();
            let group = self.join(Relation { axes, rows }, &relation, &stage.input(index));
            match &mut joined {
                None => joined = Some(group),
                Some(joined) if joined.same_axes(&group) => joined.rows.extend(group.rows),
                Some(_) => {
                    let message = "its sources bring different axes at different points";
                    self.findings.add(stage.input(index), message);
                    stage.broken = true;
                }
            }
        }
        joined.unwrap_or(Relation {
            axes: points.axes,
            rows: Vec::new(),
        })
    }
}

/// The values that each axis had before anything was excluded.
#[derive(Default)]
struct Domain {
    values: BTreeMap<String, HashSet<ValueId>>,
}

impl Domain {
    fn add(&mut self, relation: &Relation) {
        for (position, axis) in relation.axes.iter().enumerate() {
            let values = self.values.entry(axis.name.clone()).or_default();
            values.extend(relation.rows.iter().map(|row| row.values[position]));
        }
    }

    /// What `exclude` names must be there to be excluded.
    fn check_excludes(&self, stage: &Stage<'_>, values: &Values, findings: &mut Findings) {
        for (index, entry) in stage.matrix.exclude.iter().enumerate() {
            let place = stage.place.key("matrix").key("exclude").index(index);
            for (axis, value) in entry {
                let place = place.key(axis);
                let Some(known) = self.values.get(axis) else {
                    let help = suggest::help(axis, self.values.keys().map(String::as_str));
                    let message = format!("`{}` has no axis `{axis}`", stage.name);
                    findings.note(place.at_key(), message, help);
                    continue;
                };
                if !known.iter().any(|id| values.get(*id) == value) {
                    let mut texts: Vec<String> =
                        known.iter().map(|id| plain(values.get(*id))).collect();
                    texts.sort();
                    let text = plain(value);
                    let help = suggest::help(&text, texts.iter().map(String::as_str));
                    findings.note(place, format!("axis `{axis}` has no value `{text}`"), help);
                }
            }
        }
    }
}
