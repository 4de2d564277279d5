//! Settings of the runs: what they share, and where they differ.

use indexmap::IndexMap;
use serde_json::Value;

use crate::hash::Digest;
use crate::report::document::Setting;
use crate::stage::ShownNode;
use crate::stage::context::plain;

/// Longer values are shown by their digest.
const LONGEST: usize = 80;

/// The settings of `node`: fields of `with` in their order, and the seed.
pub fn of(node: &ShownNode) -> IndexMap<String, String> {
    let fields = node.with.as_object().into_iter().flatten();
    let mut settings: IndexMap<String, String> = fields
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect();
    if let Some(seed) = node.seed {
        settings.insert("seed".to_owned(), seed.to_string());
    }
    settings
}

fn shown(value: &Value) -> String {
    let text = plain(value);
    if text.chars().count() <= LONGEST {
        return text;
    }
    format!("#{}", Digest::of_value(value).short())
}

/// What all of `nodes` share, and for each of them the rest. Of a single node everything is its own.
pub fn split(nodes: &[&ShownNode]) -> (Vec<Setting>, Vec<Vec<Setting>>) {
    let all: Vec<IndexMap<String, String>> = nodes.iter().map(|node| of(node)).collect();
    let is_shared = |name: &String, value: &String| {
        all.len() > 1 && all.iter().all(|settings| settings.get(name) == Some(value))
    };
    let pick = |settings: &IndexMap<String, String>, shared: bool| {
        let fields = settings.iter().filter(|(n, v)| is_shared(n, v) == shared);
        fields
            .map(|(name, value)| Setting {
                name: name.clone(),
                value: value.clone(),
            })
            .collect()
    };
    let shared = all
        .first()
        .map(|first| pick(first, true))
        .unwrap_or_default();
    (
        shared,
        all.iter().map(|settings| pick(settings, false)).collect(),
    )
}
