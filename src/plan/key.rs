//! Keys: what identifies a node's work, and the explanation of a change of it.
//!
//! A [`Recipe`] is everything that enters a key, as one JSON value. It is hashed to make the key and
//! walked leaf by leaf to explain a difference, so that the two cannot disagree; records keep it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::device::DeviceClass;
use crate::hash::Digest;
use crate::stage::{Axes, ShownNode};

/// Bumped when the shape of a recipe changes; every key then changes.
pub const KEY_FORMAT: u32 = 1;

/// Everything that identifies a node's work, and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recipe(Value);

/// What a recipe is made of.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// the kind's name
    pub kind: &'a str,
    /// the kind's version
    pub version: u32,
    /// settings after defaults, interpolation and resolution
    pub with: &'a Value,
    /// the seed, where the kind uses one
    pub seed: Option<u64>,
    /// the device class, where the kind's bytes depend on it
    pub device: Option<&'a DeviceClass>,
    /// inputs by name
    pub inputs: &'a BTreeMap<String, RecipeInput>,
    /// what a report prints besides its inputs
    pub shown: Option<Shown<'a>>,
}

/// What a report prints besides its inputs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Shown<'a> {
    /// the nodes upstream
    pub nodes: &'a [ShownNode],
    /// the command that reproduces them
    pub command: &'a str,
    /// the pipeline's name
    pub pipeline: &'a str,
    /// the report's own stage
    pub stage: &'a str,
    /// the names of the user's files among its inputs, which it prints and which say how to show them
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: &'a BTreeMap<String, Vec<String>>,
}

/// One input of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RecipeInput {
    /// one node: the digests of the outputs that are read
    One(BTreeMap<String, Digest>),
    /// data shown as folders of images
    Folder {
        /// what lies in them: `One` or `Gathered`
        as_folder: Box<RecipeInput>,
    },
    /// gathered nodes in declared order: axis values and digests
    Gathered(Vec<(Axes, BTreeMap<String, Digest>)>),
}

/// One leaf that differs between two recipes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// dotted path: `with.lr`, `inputs.data.data`
    pub field: String,
    /// value before; `None` when the field is new
    pub before: Option<Value>,
    /// value today; `None` when the field is gone
    pub after: Option<Value>,
}

impl Recipe {
    /// Puts a recipe together.
    pub fn new(parts: &Parts<'_>) -> Self {
        let mut recipe = json!({
            "format": KEY_FORMAT,
            "kind": parts.kind,
            "version": parts.version,
            "with": parts.with,
            "inputs": parts.inputs,
        });
        if let Some(map) = recipe.as_object_mut() {
            if let Some(seed) = parts.seed {
                map.insert("seed".to_owned(), json!(seed));
            }
            if let Some(device) = parts.device {
                map.insert("device".to_owned(), json!(device));
            }
            if let Some(shown) = parts.shown {
                map.insert("shown".to_owned(), json!(shown));
            }
        }
        Self(recipe)
    }

    /// A recipe as a record keeps it.
    pub fn from_value(value: Value) -> Self {
        Self(value)
    }

    /// The form that a record keeps.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The key: the digest of the whole recipe.
    pub fn key(&self) -> Digest {
        Digest::of_value(&self.0)
    }

    /// The trajectory key: the key without the settings in `extent` (top-level fields of `with`).
    pub fn trajectory(&self, extent: &[&str]) -> Digest {
        let mut recipe = self.0.clone();
        if let Some(with) = recipe.get_mut("with").and_then(Value::as_object_mut) {
            with.retain(|field, _| !extent.contains(&field.as_str()));
        }
        Digest::of_value(&recipe)
    }

    /// The same recipe on another device class; `None` where the class is not part of it.
    pub fn on_device(&self, class: &DeviceClass) -> Option<Self> {
        let mut recipe = self.0.clone();
        let device = recipe.get_mut("device")?;
        *device = json!(class);
        Some(Self(recipe))
    }

    /// The device class in it, where there is one.
    pub fn device(&self) -> Option<&str> {
        self.0.get("device")?.as_str()
    }

    /// Every leaf with its dotted path, in order.
    pub fn leaves(&self) -> Vec<(String, &Value)> {
        let mut leaves = Vec::new();
        walk(String::new(), &self.0, &mut leaves);
        leaves
    }

    /// The leaves that differ from `previous`, in order of their paths.
    pub fn changes_since(&self, previous: &Self) -> Vec<Change> {
        let before: BTreeMap<_, _> = previous.leaves().into_iter().collect();
        let after: BTreeMap<_, _> = self.leaves().into_iter().collect();
        let fields: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
        fields
            .into_iter()
            .filter(|field| before.get(*field) != after.get(*field))
            .map(|field| Change {
                field: field.clone(),
                before: before.get(field).map(|value| (*value).clone()),
                after: after.get(field).map(|value| (*value).clone()),
            })
            .collect()
    }
}

/// Collects the leaves below `value`; empty maps and sequences count as leaves.
fn walk<'a>(path: String, value: &'a Value, leaves: &mut Vec<(String, &'a Value)>) {
    let join = |name: &str| match path.as_str() {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, item) in map {
                walk(join(name), item, leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                walk(join(&index.to_string()), item, leaves);
            }
        }
        _ => leaves.push((path, value)),
    }
}
