//! Settings of the runs of a stage: what they share, and where they differ.

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use super::networks;
use super::upstream::seedless;
use crate::hash::Digest;
use crate::report::document::{Differences, Differing, Setting};
use crate::report::summary::SEED;
use crate::report::table::NOTHING;
use crate::stage::ShownNode;
use crate::stage::context::plain;

/// Longer values are shown by their digest.
const LONGEST: usize = 80;
/// Networks are never taken apart: a report is no place for their layers.
const WHOLE: &str = "model";

/// The settings of `node`: fields of `with` in their order, mappings by their dotted leaves, and the seed.
pub fn of(node: &ShownNode) -> IndexMap<String, String> {
    let mut settings = IndexMap::new();
    for (name, value) in node.with.as_object().into_iter().flatten() {
        leaves(name.clone(), value, &mut settings);
    }
    if let Some(seed) = node.seed {
        settings.insert(SEED.to_owned(), seed.to_string());
    }
    settings
}

fn leaves(name: String, value: &Value, settings: &mut IndexMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() && name != WHOLE => {
            for (field, value) in fields {
                leaves(format!("{name}.{field}"), value, settings);
            }
        }
        value => {
            settings.insert(name, shown(value));
        }
    }
}

fn shown(value: &Value) -> String {
    let text = plain(value);
    if text.chars().count() <= LONGEST {
        return text;
    }
    format!("#{}", Digest::of_value(value).short())
}

/// The settings of the runs of one stage.
#[derive(Debug, Default)]
pub struct Split {
    /// those that all share
    pub shared: Vec<Setting>,
    /// for each run, the others
    pub own: Vec<Vec<Setting>>,
}

/// What all of `nodes` share, and for each of them the rest.
pub fn split(nodes: &[&ShownNode]) -> Split {
    let all: Vec<IndexMap<String, String>> = nodes.iter().map(|node| of(node)).collect();
    let is_shared = |name: &String, value: &String| {
        let mut others = all.iter();
        others.all(|settings| settings.get(name) == Some(value))
    };
    let pick = |settings: &IndexMap<String, String>, shared: bool| -> Vec<Setting> {
        let fields = settings.iter().filter(|(n, v)| is_shared(n, v) == shared);
        let fields = fields.map(|(name, value)| Setting {
            name: name.clone(),
            value: value.clone(),
        });
        fields.collect()
    };
    Split {
        shared: all
            .first()
            .map(|first| pick(first, true))
            .unwrap_or_default(),
        own: all.iter().map(|settings| pick(settings, false)).collect(),
    }
}

/// Where the runs of a stage differ by more than their seed, as a table; `own` are the settings that they do not share.
pub fn differences(nodes: &[&ShownNode], own: &[Vec<Setting>]) -> Option<Differences> {
    let mut names: IndexSet<&str> = IndexSet::new();
    let mut groups: IndexMap<String, Vec<&[Setting]>> = IndexMap::new();
    for (node, own) in nodes.iter().zip(own) {
        names.extend(own.iter().map(|setting| setting.name.as_str()));
        groups.entry(seedless(node)).or_default().push(own);
    }
    names.shift_remove(SEED);
    if names.is_empty() {
        return None;
    }
    let value = |members: &[&[Setting]], name: &str| {
        let of = |own: &&[Setting]| {
            let found = own.iter().find(|setting| setting.name == name);
            found.map_or(NOTHING.to_owned(), |setting| setting.value.clone())
        };
        let values: IndexSet<String> = members.iter().map(of).collect();
        Vec::from_iter(values).join(" / ")
    };
    let models = models(nodes);
    let rows = groups.iter().map(|(group, members)| Differing {
        name: group.clone(),
        values: (names.iter())
            .map(|name| match models.get(group).filter(|_| *name == WHOLE) {
                Some(model) => model.clone(),
                None => value(members, name),
            })
            .collect(),
    });
    let mut table = Differences {
        stage: nodes.first()?.stage.clone(),
        rows: rows.collect(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    merge(&mut table);
    Some(table)
}

/// Makes one column of neighbours that are parts of one setting and equal in every row: `lr` of `lr.generator` and
/// `lr.discriminator`.
fn merge(table: &mut Differences) {
    let parent = |name: &str| name.rsplit_once('.').map(|(parent, _)| parent.to_owned());
    let mut column = 1;
    while column < table.names.len() {
        let (before, this) = (&table.names[column - 1], &table.names[column]);
        let of = parent(this).filter(|of| parent(before).as_ref() == Some(of) || before == of);
        let equal = |row: &Differing| row.values[column - 1] == row.values[column];
        match of.filter(|_| table.rows.iter().all(equal)) {
            Some(of) => {
                table.names.remove(column);
                table.names[column - 1] = of;
                for row in &mut table.rows {
                    row.values.remove(column);
                }
            }
            None => column += 1,
        }
    }
}

/// The model of each group: of the first its digest, of others in what they differ from the first that has another.
fn models(nodes: &[&ShownNode]) -> IndexMap<String, String> {
    let mut said: IndexMap<String, String> = IndexMap::new();
    let mut first: Option<(&Value, String)> = None;
    for node in nodes {
        let Some(model) = node.with.get(WHOLE) else {
            continue;
        };
        let group = seedless(node);
        let (base, base_name) = first.get_or_insert_with(|| (model, group.clone()));
        let words = match networks::describe(base, model) {
            _ if *base == model => shown(model),
            words if words.is_empty() => shown(model),
            words => format!("{} ({words}, beside {base_name})", shown(model)),
        };
        said.entry(group).or_insert(words);
    }
    said
}
