//! What differs between two states of a pipeline, or between two pipelines: settings, bytes and results, node by node.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::resolve::{Session, Settled};
use super::text;
use crate::hash::Digest;
use crate::plan::Source;
use crate::plan::key::Recipe;
use crate::store::{LockBlock, LockFile, Store};

/// One side of a comparison: what each node came to.
pub type Side = BTreeMap<String, State>;

/// What a node came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// its key, where it is known
    pub key: Option<Digest>,
    /// everything that identifies its work, where it is known
    pub recipe: Option<Recipe>,
    /// output → digest; empty for a node that has no result
    pub outputs: BTreeMap<String, Digest>,
    /// scalar metrics
    pub scalars: BTreeMap<String, f64>,
}

/// How a node stands in two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// only in the second
    New,
    /// only in the first
    Gone,
    /// something differs
    Changed,
    /// as it was
    Same,
}

/// One node in two states.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeDifference {
    /// `stage[axis=value,…]`
    pub node: String,
    /// how it stands
    pub fate: Fate,
    /// settings and inputs that differ, in words: `with.lr: 0.0002 → 0.0001`
    pub settings: Vec<String>,
    /// outputs whose bytes differ
    pub outputs: Vec<String>,
    /// scalar metrics that differ
    pub scalars: Vec<ScalarDifference>,
    /// a remark: other bytes from the same work, or the same bytes from other work
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// A scalar metric in two states.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScalarDifference {
    /// its name
    pub name: String,
    /// in the first
    pub before: Option<f64>,
    /// in the second
    pub after: Option<f64>,
}

/// What two lock files say of a profile's nodes. A node that either knows on several device classes stands for each of
/// them, the class behind its name. Recipes come from `store`, where it still has the records.
pub fn of_lock_files(
    before: &LockFile,
    after: &LockFile,
    profile: Option<&str>,
    store: &Store,
) -> (Side, Side) {
    let several: BTreeSet<&str> = [before, after]
        .into_iter()
        .flat_map(|lock| {
            let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
            for (_, _, node, _) in blocks(lock, profile) {
                *classes.entry(node).or_default() += 1;
            }
            classes.into_iter().filter(|(_, count)| *count > 1)
        })
        .map(|(node, _)| node)
        .collect();
    let side = |lock| {
        let states = blocks(lock, profile).map(|(_, class, node, block)| {
            let name = if several.contains(node) {
                format!("{node} on {class}")
            } else {
                node.to_owned()
            };
            let record = store.record(&block.key);
            let state = State {
                key: Some(block.key),
                recipe: record.map(|record| Recipe::from_value(record.recipe)),
                outputs: block.outputs.clone(),
                scalars: block.scalars.clone(),
            };
            (name, state)
        });
        states.collect()
    };
    (side(before), side(after))
}

/// (profile, device class, node, block) of one profile.
fn blocks<'a>(
    lock: &'a LockFile,
    profile: Option<&'a str>,
) -> impl Iterator<Item = (&'a str, &'a str, &'a str, &'a LockBlock)> {
    let profile = profile.unwrap_or("default");
    lock.iter().filter(move |(own, ..)| *own == profile)
}

/// What the nodes of a plan come to: their settings, and the results that the store has.
pub fn of_plan(session: &Session<'_>, settled: &[Option<Settled>]) -> Side {
    let plan = session.plan;
    let states = plan.nodes.iter().zip(settled).map(|(node, settled)| {
        let record = settled.as_ref().map(|settled| &settled.record);
        let digests = record.iter().flat_map(|record| &record.outputs);
        let state = State {
            key: record.map(|record| record.key),
            recipe: Some(written(session, node.id)),
            outputs: digests
                .map(|(name, artifact)| (name.clone(), artifact.digest))
                .collect(),
            scalars: record
                .map(|record| record.scalars.clone())
                .unwrap_or_default(),
        };
        (node.name.to_string(), state)
    });
    states.collect()
}

/// What a pipeline says of a node, whether its inputs are known or not: kind, settings, seed, and inputs by name.
fn written(session: &Session<'_>, id: usize) -> Recipe {
    let plan = session.plan;
    let node = &plan.nodes[id];
    let names = |source: &Source| -> Vec<String> {
        match source {
            Source::Nodes { nodes, output, .. } => nodes
                .iter()
                .map(|id| match output {
                    Some(output) => format!("{}:{output}", plan.nodes[*id].name),
                    None => plan.nodes[*id].name.to_string(),
                })
                .collect(),
            Source::Files { paths, .. } => paths
                .iter()
                .map(|path| {
                    format!(
                        "file:{}",
                        path.strip_prefix(&plan.root).unwrap_or(path).display()
                    )
                })
                .collect(),
        }
    };
    let from: BTreeMap<&String, String> = (node.inputs.iter())
        .map(|(name, source)| (name, names(source).join(", ")))
        .collect();
    let seed = node.config.uses_seed().then_some(node.seed);
    Recipe::from_value(serde_json::json!({
        "kind": node.config.kind(),
        "with": *node.settings,
        "seed": seed,
        "from": from,
    }))
}

/// Every node of either side, in order of their names.
pub fn compare(before: &Side, after: &Side) -> Vec<NodeDifference> {
    let nodes: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let nothing = State::default();
    let differences = nodes.into_iter().map(|node| {
        let (old, new) = (before.get(node), after.get(node));
        let difference = between(node, old.unwrap_or(&nothing), new.unwrap_or(&nothing));
        match (old, new) {
            (None, _) => NodeDifference {
                fate: Fate::New,
                settings: Vec::new(),
                ..difference
            },
            (_, None) => NodeDifference {
                fate: Fate::Gone,
                settings: Vec::new(),
                ..difference
            },
            _ => difference,
        }
    });
    differences.collect()
}

fn between(node: &str, before: &State, after: &State) -> NodeDifference {
    let settings = match (&before.recipe, &after.recipe) {
        (Some(old), Some(new)) => {
            let mut words: Vec<String> =
                (new.changes_since(old).iter()).map(text::change).collect();
            words.dedup();
            words
        }
        _ => Vec::new(),
    };
    let names = |a: &BTreeMap<String, Digest>, b: &BTreeMap<String, Digest>| -> Vec<String> {
        let all: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let differ = all.into_iter().filter(|name| a.get(*name) != b.get(*name));
        differ.cloned().collect()
    };
    let outputs = names(&before.outputs, &after.outputs);
    let scalars: BTreeSet<&String> = before.scalars.keys().chain(after.scalars.keys()).collect();
    let bits = |value: Option<&f64>| value.map(|value| value.to_bits());
    let scalars: Vec<ScalarDifference> = scalars
        .into_iter()
        .filter(|name| bits(before.scalars.get(*name)) != bits(after.scalars.get(*name)))
        .map(|name| ScalarDifference {
            name: name.clone(),
            before: before.scalars.get(name).copied(),
            after: after.scalars.get(name).copied(),
        })
        .collect();
    let same_key = before.key == after.key;
    let both = !before.outputs.is_empty() && !after.outputs.is_empty();
    let note = match (same_key, outputs.is_empty()) {
        (true, false) if both && before.key.is_some() => Some("the same work gave other bytes"),
        (false, true) if both => Some("other work gave the same bytes"),
        _ => None,
    };
    let same = same_key && settings.is_empty() && outputs.is_empty() && scalars.is_empty();
    NodeDifference {
        node: node.to_owned(),
        fate: if same { Fate::Same } else { Fate::Changed },
        settings,
        outputs,
        scalars,
        note,
    }
}
