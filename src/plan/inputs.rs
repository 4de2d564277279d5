//! One entry of `inputs:` to a relation.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use indexmap::IndexMap;
use serde_json::Value;

use super::Source;
use super::files::Files;
use super::relation::{Axis, Relation, Row};
use super::values::{ValueId, Values};
use crate::spec::place::{Findings, Place};
use crate::spec::read::describe;
use crate::spec::reference::{Reference, Selection};
use crate::stage::context::plain;
use crate::suggest;

/// The nodes of an expanded stage.
#[derive(Debug, Default)]
pub struct Expanded {
    /// its axes, sorted by name
    pub axes: Vec<String>,
    /// point and node id, in matrix order
    pub rows: Vec<(Vec<ValueId>, usize)>,
    /// False when a fault left its axes unknown: whoever needs it is then silent about its own.
    pub known: bool,
    /// names of fixed axes → their values as text → rows
    selected: HashMap<Vec<String>, HashMap<Vec<String>, Vec<usize>>>,
}

/// An input could not be made sense of; what is wrong has been noted, here or further up.
#[derive(Debug)]
pub struct Unusable;

/// What inputs are looked up in.
pub struct Scope<'a> {
    /// declared order; those expanded so far are filled in
    pub stages: &'a mut IndexMap<String, Option<Expanded>>,
    /// interned values
    pub values: &'a Values,
    /// the work tree
    pub files: &'a mut Files,
    /// where faults go
    pub findings: &'a mut Findings,
}

/// An input as written, taken apart.
struct Written<'a> {
    references: Vec<(&'a str, Place)>,
    list: bool,
    as_folder: bool,
}

impl Scope<'_> {
    /// The relation behind the input number `index`, whose `value` is interpolated.
    pub fn relation(
        &mut self,
        index: usize,
        value: &Value,
        place: &Place,
    ) -> Result<Relation, Unusable> {
        let written = self.take_apart(value, place)?;
        let mut parts = Vec::new();
        for (text, place) in &written.references {
            parts.push(self.reference(text, written.as_folder, place));
        }
        let parts: Vec<Relation> = parts.into_iter().collect::<Result<_, _>>()?;
        let mut joined = Relation::unit();
        for (part, (_, place)) in parts.iter().zip(&written.references) {
            let values = self.values;
            let findings = &mut *self.findings;
            joined = joined.join(part, |unmatched| {
                findings.add(place.clone(), super::points::unmatched(&unmatched, values));
            });
        }
        for row in &mut joined.rows {
            let picks = std::mem::take(&mut row.picks);
            let source = if written.list {
                fold(picks.iter().map(|(_, source)| source.as_ref())).ok_or_else(|| {
                    let message = "a list holds outputs of one name, or files, but not both";
                    self.findings.add(place.clone(), message);
                    Unusable
                })?
            } else {
                let (_, source) = picks.into_iter().next().ok_or(Unusable)?;
                Rc::unwrap_or_clone(source)
            };
            row.picks = vec![(index, Rc::new(source))];
        }
        Ok(joined)
    }

    fn take_apart<'v>(&mut self, value: &'v Value, place: &Place) -> Result<Written<'v>, Unusable> {
        let mut written = Written {
            references: Vec::new(),
            list: false,
            as_folder: false,
        };
        let mut from = (value, place.clone());
        if let Value::Object(map) = value {
            for key in map
                .keys()
                .filter(|key| !["from", "as"].contains(&key.as_str()))
            {
                let help = suggest::help(key, ["from", "as"]);
                self.findings.note(
                    place.key(key).at_key(),
                    format!("unknown key `{key}`"),
                    help,
                );
            }
            match map.get("as").map(|form| (form, form.as_str())) {
                None => {}
                Some((_, Some("folder"))) => written.as_folder = true,
                Some((form, _)) => {
                    let message = format!("expected `folder`, found {}", describe(form));
                    self.findings.add(place.key("as"), message);
                }
            }
            let Some(inner) = map.get("from") else {
                let message = "an input written as a mapping needs `from:`";
                self.findings.add(place.clone(), message);
                return Err(Unusable);
            };
            from = (inner, place.key("from"));
        }
        let (value, place) = from;
        let mut push = |value: &'v Value, place: Place| {
            if let Value::String(text) = value {
                written.references.push((text, place));
                return true;
            }
            let message = format!(
                "expected a stage, `file:` or `glob:`, found {}",
                describe(value)
            );
            self.findings.add(place, message);
            false
        };
        let whole = match value {
            Value::Array(items) => {
                written.list = true;
                let mut whole = true;
                for (index, item) in items.iter().enumerate() {
                    whole &= push(item, place.index(index));
                }
                whole
            }
            other => push(other, place.clone()),
        };
        if whole { Ok(written) } else { Err(Unusable) }
    }

    fn reference(
        &mut self,
        text: &str,
        as_folder: bool,
        place: &Place,
    ) -> Result<Relation, Unusable> {
        match Reference::parse(text) {
            Ok(Reference::Stage(selection)) => self.stage(&selection, as_folder, text, place),
            Ok(Reference::File(path)) => {
                let paths = vec![self.files.absolute(&path)];
                Ok(single(Source::Files {
                    paths,
                    gathered: false,
                }))
            }
            Ok(Reference::Glob(pattern)) => match self.files.matching(&pattern) {
                Ok(paths) if paths.is_empty() => {
                    // The pattern itself stands for what is missing.
                    let paths = vec![self.files.absolute(&pattern)];
                    Ok(single(Source::Files {
                        paths,
                        gathered: true,
                    }))
                }
                Ok(paths) => Ok(single(Source::Files {
                    paths,
                    gathered: true,
                })),
                Err(why) => {
                    self.findings
                        .add(place.clone(), format!("not a file pattern: {why}"));
                    Err(Unusable)
                }
            },
            Err(error) => {
                self.findings.add(place.clone(), error.to_string());
                Err(Unusable)
            }
        }
    }

    fn stage(
        &mut self,
        selection: &Selection,
        as_folder: bool,
        text: &str,
        place: &Place,
    ) -> Result<Relation, Unusable> {
        let name = &selection.stage;
        let Some(stage) = self.stages.get(name) else {
            let help = suggest::help(name, self.stages.keys().map(String::as_str));
            let place = place.clone().piece(name);
            self.findings
                .note(place, format!("unknown stage `{name}`"), help);
            return Err(Unusable);
        };
        let known = stage.as_ref().filter(|stage| stage.known);
        let axes = known.ok_or(Unusable)?.axes.clone();
        for (axis, _) in &selection.fixed {
            if !axes.contains(axis) {
                let help = suggest::help(axis, axes.iter().map(String::as_str));
                let help =
                    help.or_else(|| axes.is_empty().then(|| format!("`{name}` has no axes")));
                let place = place.clone().piece(axis);
                self.findings
                    .note(place, format!("`{name}` has no axis `{axis}`"), help);
                return Err(Unusable);
            }
        }
        let stage = self
            .stages
            .get_mut(name)
            .and_then(Option::as_mut)
            .ok_or(Unusable)?;
        let rows = stage.select(&selection.fixed, self.values);
        if rows.is_empty() {
            let (message, help) = stage.nothing(selection, self.values);
            self.findings.note(place.clone(), message, help);
            return Err(Unusable);
        }
        let source = |nodes: Vec<usize>| Source::Nodes {
            nodes,
            output: selection.output.clone(),
            gathered: selection.gather,
            as_folder,
        };
        if selection.gather {
            return Ok(single(source(
                rows.iter().map(|row| stage.rows[*row].1).collect(),
            )));
        }
        let free: Vec<usize> = (0..axes.len())
            .filter(|index| {
                !selection
                    .fixed
                    .iter()
                    .any(|(axis, _)| *axis == axes[*index])
            })
            .collect();
        let origin: Rc<str> = format!("`{text}`").into();
        let axis = |index: &usize| Axis {
            name: axes[*index].clone(),
            origin: Rc::clone(&origin),
        };
        let row = |index: &usize| {
            let (point, node) = &stage.rows[*index];
            Row {
                values: free.iter().map(|axis| point[*axis]).collect(),
                picks: vec![(0, Rc::new(source(vec![*node])))],
                ..Row::default()
            }
        };
        Ok(Relation {
            axes: free.iter().map(axis).collect(),
            rows: rows.iter().map(row).collect(),
        })
    }
}

impl Expanded {
    /// A stage and its nodes.
    pub fn new(axes: Vec<String>, rows: Vec<(Vec<ValueId>, usize)>, known: bool) -> Self {
        Self {
            axes,
            rows,
            known,
            selected: HashMap::new(),
        }
    }

    /// The rows with these axis values, in order.
    fn select(&mut self, fixed: &[(String, String)], values: &Values) -> Vec<usize> {
        let (names, wanted): (Vec<String>, Vec<String>) = fixed.iter().cloned().unzip();
        let (axes, rows) = (&self.axes, &self.rows);
        let index = self.selected.entry(names).or_insert_with_key(|names| {
            let position = |name: &String| axes.iter().position(|axis| axis == name);
            let positions: Vec<usize> = names.iter().filter_map(position).collect();
            let mut index: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
            for (row, (point, _)) in rows.iter().enumerate() {
                let text = |position: &usize| plain(values.get(point[*position]));
                index
                    .entry(positions.iter().map(text).collect())
                    .or_default()
                    .push(row);
            }
            index
        });
        index.get(&wanted).cloned().unwrap_or_default()
    }

    /// Says that no node fits, and which value was perhaps meant.
    fn nothing(&self, selection: &Selection, values: &Values) -> (String, Option<String>) {
        let name = &selection.stage;
        for (axis, wanted) in &selection.fixed {
            let Some(position) = self.axes.iter().position(|known| known == axis) else {
                continue;
            };
            let mut known: Vec<String> = Vec::new();
            for (point, _) in &self.rows {
                let value = plain(values.get(point[position]));
                if !known.contains(&value) && known.len() < 100 {
                    known.push(value);
                }
            }
            if !known.contains(wanted) {
                let help = suggest::help(wanted, known.iter().map(String::as_str));
                return (format!("`{name}` has no node with {axis}={wanted}"), help);
            }
        }
        (format!("`{name}` has no such node"), None)
    }
}

/// One row without axes.
fn single(source: Source) -> Relation {
    let mut relation = Relation::unit();
    relation.rows[0].picks.push((0, Rc::new(source)));
    relation
}

/// The members of a list, one after another; `None` when they do not go together.
fn fold<'a>(sources: impl Iterator<Item = &'a Source>) -> Option<Source> {
    let mut ids = Vec::new();
    let mut files: Vec<PathBuf> = Vec::new();
    let mut form: Option<(Option<String>, bool)> = None;
    for source in sources {
        match source {
            Source::Nodes {
                nodes,
                output,
                as_folder,
                ..
            } => {
                ids.extend_from_slice(nodes);
                let this = (output.clone(), *as_folder);
                if form.get_or_insert_with(|| this.clone()) != &this {
                    return None;
                }
            }
            Source::Files { paths, .. } => files.extend_from_slice(paths),
        }
    }
    let gathered = true;
    match form {
        None => Some(Source::Files {
            paths: files,
            gathered,
        }),
        Some((output, as_folder)) => files.is_empty().then_some(Source::Nodes {
            nodes: ids,
            output,
            gathered,
            as_folder,
        }),
    }
}
