//! In what a model differs from another, in a few words: a table of differences has no room for layers.

use std::collections::BTreeMap;

use serde_json::Value;

/// More differences than this are counted, not named.
const NAMED: usize = 4;

/// What `other` has that `base` has not, and the other way round: `discriminator: 4 × spectral_norm true more`. Layers
/// are told by their settings and not by their places, since one layer more moves all that follow.
pub fn describe(base: &Value, other: &Value) -> String {
    let (base, other) = (settings(base), settings(other));
    let names: std::collections::BTreeSet<_> = base.keys().chain(other.keys()).collect();
    let count = |of: &Settings, name: &(String, String)| of.get(name).copied().unwrap_or(0);
    let mut networks: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for name in names {
        let (had, has) = (count(&base, name), count(&other, name));
        let (network, setting) = name;
        let words = match had.abs_diff(has) {
            0 => continue,
            1 => setting.clone(),
            n => format!("{n} × {setting}"),
        };
        let sign = if has > had { '+' } else { '−' };
        let said = networks.entry(network).or_default();
        said.push(format!("{sign}{words}"));
    }
    let said = networks.into_iter().map(|(network, mut words)| {
        let more = words.len().saturating_sub(NAMED);
        words.truncate(NAMED);
        if more > 0 {
            words.push(format!("{more} more"));
        }
        format!("{network}: {}", words.join(", "))
    });
    said.collect::<Vec<_>>().join("; ")
}

/// (network, setting) → how often it is there.
type Settings = BTreeMap<(String, String), usize>;

fn settings(model: &Value) -> Settings {
    let mut found = Settings::new();
    let networks = model.get("networks").and_then(Value::as_object);
    for (network, layers) in networks.into_iter().flatten() {
        walk(network, "", layers, &mut found);
    }
    found
}

/// Counts the leaves below `value`, each under the names that lead to it from the nearest list.
fn walk(network: &str, path: &str, value: &Value, found: &mut Settings) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path} {name}"),
                };
                walk(network, &path, value, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                walk(network, "", item, found);
            }
        }
        leaf => {
            let text = crate::stage::context::plain(leaf);
            let setting = format!("{path} {text}").trim().to_owned();
            *found.entry((network.to_owned(), setting)).or_default() += 1;
        }
    }
}
