//! How names in a file and in a network belong together.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How tensors of a file and of a network belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected `exact`, `order` or a mapping from names in the file to names in the network"
)]
pub enum NameMap {
    /// by a rule
    Rule(Rule),
    /// By name in the file → name in the network, each a tensor's (`0.weight: layers.0.weight`), a layer's
    /// (`0: layers.0`), or many tensors' with one `*` for what both sides share (`"encoder/*/kernel": "*.weight"`); a
    /// name that is not listed stands for itself.
    Names(BTreeMap<String, String>),
}

/// A rule without names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// equal names
    Exact,
    /// The first with the first and so on: parameters and, by themselves, running statistics. For `PyTorch` files,
    /// which keep the order in which layers were made.
    Order,
}

impl Default for NameMap {
    fn default() -> Self {
        Self::Rule(Rule::Exact)
    }
}

impl NameMap {
    /// The network's name for a tensor of the file.
    pub(super) fn inward(&self, theirs: &str) -> String {
        let Self::Names(names) = self else {
            return theirs.to_owned();
        };
        let pairs = names.iter().map(|(from, to)| (from.as_str(), to.as_str()));
        rename(theirs, pairs)
    }

    /// The file's name for a tensor of the network.
    pub(super) fn outward(&self, ours: &str) -> String {
        let Self::Names(names) = self else {
            return ours.to_owned();
        };
        let pairs = names.iter().map(|(to, from)| (from.as_str(), to.as_str()));
        rename(ours, pairs)
    }
}

/// `name` with the longest of the names it is or lies below replaced.
fn rename<'a>(name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let renamed = pairs.filter_map(|(from, to)| Some((from.len(), one(name, from, to)?)));
    let longest = renamed.max_by_key(|(length, _)| *length);
    longest.map_or_else(|| name.to_owned(), |(_, renamed)| renamed)
}

/// `name` with `from` replaced by `to`, if it is that, lies below it, or fits it as a pattern.
fn one(name: &str, from: &str, to: &str) -> Option<String> {
    if let Some((before, after)) = from.split_once('*') {
        let shared = name.strip_prefix(before)?.strip_suffix(after)?;
        return (!shared.is_empty()).then(|| to.replacen('*', shared, 1));
    }
    let rest = name.strip_prefix(from)?;
    (rest.is_empty() || rest.starts_with('.')).then(|| format!("{to}{rest}"))
}
