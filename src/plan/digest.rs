//! The digest of a resolved pipeline: what it says, not how it is written.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{Node, Source};
use crate::hash::Digest;
use crate::spec::PipelineSpec;

/// Names, settings, inputs and seeds of all nodes, in an order that does not depend on the text.
pub(super) fn of(spec: &PipelineSpec, nodes: &[Node]) -> Digest {
    let mut settings: BTreeMap<*const Value, Digest> = BTreeMap::new();
    let names: Vec<String> = nodes.iter().map(|node| node.name.to_string()).collect();
    let nodes: BTreeMap<&str, Value> = nodes
        .iter()
        .map(|node| {
            let settings = settings
                .entry(std::sync::Arc::as_ptr(&node.settings))
                .or_insert_with(|| Digest::of_value(&node.settings));
            let inputs: BTreeMap<&str, Value> = node
                .inputs
                .iter()
                .map(|(name, source)| (name.as_str(), input(source, &names, &spec.root)))
                .collect();
            let value = json!({
                "kind": node.config.kind(),
                "settings": settings,
                "seed": node.seed,
                "inputs": inputs,
            });
            (names[node.id].as_str(), value)
        })
        .collect();
    Digest::of_value(&json!({"name": spec.name, "seed": spec.seed, "nodes": nodes}))
}

fn input(source: &Source, names: &[String], root: &Path) -> Value {
    match source {
        Source::Nodes {
            nodes,
            output,
            gathered,
            as_folder,
        } => {
            let nodes: Vec<&str> = nodes.iter().map(|node| names[*node].as_str()).collect();
            json!({"nodes": nodes, "output": output, "gathered": gathered, "folder": as_folder})
        }
        Source::Files { paths, gathered } => {
            let relative = |path: &std::path::PathBuf| {
                let path = path.strip_prefix(root).unwrap_or(path);
                path.to_string_lossy().into_owned()
            };
            let paths: Vec<String> = paths.iter().map(relative).collect();
            json!({"files": paths, "gathered": gathered})
        }
    }
}
