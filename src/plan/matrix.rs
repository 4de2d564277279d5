//! A stage's own matrix: the product of its axes, less `exclude`, plus `include`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::relation::{Axis, Relation, Row};
use super::values::{ValueId, Values};
use crate::spec::model::Matrix;
use crate::spec::place::{Findings, Place};
use crate::spec::read::is_scalar;
use crate::suggest;

/// What a stage's own matrix makes.
pub struct Own {
    /// its points
    pub relation: Relation,
    /// entries of `include` that a fault has been noted for
    pub faulty: HashSet<usize>,
}

/// The relation that a stage's own matrix makes. `inherited` are the axes that its inputs bring.
///
/// An entry of `include` belongs to every point that has the values it gives for own axes. One that fits
/// no point adds one. A matrix of nothing but `include` is a table: its names are axes, unless one of
/// them is inherited; then its entries give further values to inherited points.
pub fn own(
    matrix: &Matrix,
    place: &Place,
    inherited: &[Axis],
    values: &mut Values,
    findings: &mut Findings,
) -> Own {
    let mut axes: BTreeMap<&str, Vec<ValueId>> = BTreeMap::new();
    for (axis, listed) in &matrix.axes {
        axes.insert(axis, listed.iter().map(|value| values.id(value)).collect());
    }
    let is_inherited = |name: &String| inherited.iter().any(|axis| axis.name == *name);
    if axes.is_empty() && !matrix.include.iter().flat_map(Map::keys).any(is_inherited) {
        for name in matrix.include.iter().flat_map(Map::keys) {
            axes.entry(name).or_default();
        }
    }
    let names: Vec<String> = axes.keys().map(|name| (*name).to_owned()).collect();
    let mut points: Vec<Vec<ValueId>> = if matrix.axes.is_empty() && !axes.is_empty() {
        Vec::new()
    } else {
        product(axes.values())
    };
    let excludes = Excludes::of(&matrix.exclude, values);
    points.retain(|point| !excludes.remove(point, |axis| names.iter().position(|n| n == axis)));

    let mut table = Table::new(points, names.len());
    let mut faulty = HashSet::new();
    for (index, entry) in matrix.include.iter().enumerate() {
        let given: Vec<(usize, ValueId)> = names
            .iter()
            .enumerate()
            .filter_map(|(position, name)| Some((position, values.id(entry.get(name)?))))
            .collect();
        if table.note(index, &given) {
            continue;
        }
        faulty.insert(index);
        let place = place.key("include").index(index);
        let lacking: Vec<&String> = names
            .iter()
            .filter(|name| !entry.contains_key(*name))
            .collect();
        if !lacking.is_empty() {
            let help = "an entry that fits no node adds one, and then needs a value for every axis";
            let message = format!("no value for axis {}", suggest::list(&lacking));
            findings.add_help(place, message, help);
            continue;
        }
        if let Some(name) = names.iter().find(|name| !is_scalar(&entry[name.as_str()])) {
            let message = format!("axis `{name}` takes a text, a number or true/false");
            findings.add(place.key(name), message);
            continue;
        }
        faulty.remove(&index);
        table.push(index, given.into_iter().map(|(_, value)| value).collect());
    }
    let origin: Rc<str> = "its matrix".into();
    let axis = |name| Axis {
        name,
        origin: Rc::clone(&origin),
    };
    Own {
        relation: Relation {
            axes: names.into_iter().map(axis).collect(),
            rows: table.rows(),
        },
        faulty,
    }
}

/// All combinations, the first axis slowest.
fn product<'a>(axes: impl Iterator<Item = &'a Vec<ValueId>>) -> Vec<Vec<ValueId>> {
    let mut points = vec![Vec::new()];
    for axis in axes {
        let longer = |point: &Vec<ValueId>| {
            let point = point.clone();
            axis.iter().map(move |value| {
                let mut longer = point.clone();
                longer.push(*value);
                longer
            })
        };
        points = points.iter().flat_map(longer).collect();
    }
    points
}

/// Points and the entries of `include` that belong to them, indexed by the values that entries give.
struct Table {
    points: Vec<(Vec<ValueId>, Vec<usize>)>,
    axes: usize,
    /// positions of axes → their values → points
    indexes: HashMap<Vec<usize>, HashMap<Vec<ValueId>, Vec<usize>>>,
}

impl Table {
    fn new(points: Vec<Vec<ValueId>>, axes: usize) -> Self {
        Self {
            points: points
                .into_iter()
                .map(|point| (point, Vec::new()))
                .collect(),
            axes,
            indexes: HashMap::new(),
        }
    }

    /// Gives `entry` to the points with the `given` values; whether there is any.
    fn note(&mut self, entry: usize, given: &[(usize, ValueId)]) -> bool {
        let (positions, wanted): (Vec<usize>, Vec<ValueId>) = given.iter().copied().unzip();
        let points = &mut self.points;
        let index = self
            .indexes
            .entry(positions)
            .or_insert_with_key(|positions| {
                let mut index: HashMap<Vec<ValueId>, Vec<usize>> = HashMap::new();
                for (id, (point, _)) in points.iter().enumerate() {
                    let values = positions.iter().map(|position| point[*position]).collect();
                    index.entry(values).or_default().push(id);
                }
                index
            });
        let found = index.get(&wanted).map_or(&[][..], Vec::as_slice);
        for id in found {
            points[*id].1.push(entry);
        }
        !found.is_empty()
    }

    fn push(&mut self, entry: usize, point: Vec<ValueId>) {
        debug_assert_eq!(point.len(), self.axes);
        let id = self.points.len();
        for (positions, index) in &mut self.indexes {
            let values = positions.iter().map(|position| point[*position]).collect();
            index.entry(values).or_default().push(id);
        }
        self.points.push((point, vec![entry]));
    }

    fn rows(self) -> Vec<Row> {
        let row = |(values, entries): (Vec<ValueId>, Vec<usize>)| Row {
            values,
            picks: Vec::new(),
            entries: entries.into(),
        };
        self.points.into_iter().map(row).collect()
    }
}

/// `matrix.exclude`, grouped by the axes that entries name.
pub struct Excludes {
    groups: BTreeMap<Vec<String>, HashSet<Vec<ValueId>>>,
}

impl Excludes {
    /// Reads the entries.
    pub fn of(entries: &[Map<String, Value>], values: &mut Values) -> Self {
        let mut groups: BTreeMap<Vec<String>, HashSet<Vec<ValueId>>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| !entry.is_empty()) {
            let (names, point) = entry
                .iter()
                .map(|(name, value)| (name.clone(), values.id(value)))
                .unzip();
            groups.entry(names).or_default().insert(point);
        }
        Self { groups }
    }

    /// Whether a point is excluded by an entry all of whose axes it has.
    pub fn remove(&self, point: &[ValueId], position: impl Fn(&str) -> Option<usize>) -> bool {
        self.groups.iter().any(|(names, points)| {
            let value = |name: &String| position(name).map(|position| point[position]);
            let values: Option<Vec<ValueId>> = names.iter().map(value).collect();
            values.is_some_and(|values| points.contains(&values))
        })
    }

    /// Drops the excluded rows.
    pub fn filter(&self, relation: &mut Relation) {
        if !self.groups.is_empty() {
            let mut rows = std::mem::take(&mut relation.rows);
            rows.retain(|row| !self.remove(&row.values, |axis| relation.position(axis)));
            relation.rows = rows;
        }
    }
}
