//! From a planned node to its key and its record: what `plan`, `status`, `explain` and `run` share.
//!
//! A node's key needs the digests of its inputs, so nodes are resolved in plan order, each from the
//! [`Settled`] nodes before it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::devices::Devices;
use crate::device::{DeviceClass, DeviceError};
use crate::hash::Digest;
use crate::plan::key::{Parts, Recipe, RecipeInput, Shown};
use crate::plan::{Node, Plan, Source};
use crate::stage::{Artifact, Format, Input, InputNode, InputSpec, NodeName, ShownNode};
use crate::store::{LockFile, Record, Store, StoreError};

/// What resolving needs beside the plan.
pub struct Session<'a> {
    /// the nodes
    pub plan: &'a Plan,
    /// the records
    pub store: &'a Store,
    /// the lock file as it was when the command began
    pub lock: &'a LockFile,
    /// the devices in use
    pub devices: &'a Devices,
    /// whether records of any device class will do
    pub any_device: bool,
}

/// A node whose key is known.
#[derive(Debug, Clone)]
pub struct Keyed {
    /// what the key was hashed from
    pub recipe: Recipe,
    /// the node's key
    pub key: Digest,
    /// the key without how far the work goes
    pub trajectory: Digest,
    /// its inputs; paths are filled in when it runs
    pub inputs: BTreeMap<String, Input>,
    /// nodes upstream, when its kind prints them
    pub shown: Vec<ShownNode>,
}

/// A node whose result is known.
#[derive(Debug, Clone)]
pub struct Settled {
    /// what it is
    pub keyed: Keyed,
    /// what came of it
    pub record: Record,
}

/// Why a node cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A node that an input needs gave nothing to go on with.
    #[error("input `{input}`: {node} has no output `{output}` ({reason})")]
    NoOutput {
        /// the input's name
        input: String,
        /// the node it comes from
        node: String,
        /// the output it lacks
        output: String,
        /// why
        reason: String,
    },
}

/// Where a record was found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// the record
    pub record: Record,
    /// the other device class it comes from, if it does
    pub borrowed: Option<String>,
}

impl Session<'_> {
    /// The key of node `id`, from the settled nodes it takes inputs from.
    pub fn key(&self, id: usize, settled: &[Option<Settled>]) -> Result<Keyed, ResolveError> {
        let node = &self.plan.nodes[id];
        let specs = node.config.inputs();
        let mut inputs = BTreeMap::new();
        let mut in_recipe = BTreeMap::new();
        for (name, source) in &node.inputs {
            let spec = specs
                .iter()
                .find(|spec| spec.name == *name || spec.name == "*");
            let input = self.input(name, source, spec, settled)?;
            in_recipe.insert(name.clone(), recipe_input(source, &input));
            inputs.insert(name.clone(), input);
        }
        let class = if node.config.uses_device() {
            Some(self.devices.get(node.device)?.class.clone())
        } else {
            None
        };
        let shown = if node.config.shows_upstream() {
            self.shown(id, settled)
        } else {
            Vec::new()
        };
        let command = super::text::command(self.plan);
        let recipe = Recipe::new(&Parts {
            kind: node.config.kind(),
            version: node.config.version(),
            with: &node.settings,
            seed: node.config.uses_seed().then_some(node.seed),
            device: class.as_ref(),
            inputs: &in_recipe,
            shown: node.config.shows_upstream().then_some(Shown {
                nodes: &shown,
                command: &command,
                pipeline: &self.plan.name,
                stage: &node.name.stage,
                files: &file_names(node),
            }),
        });
        Ok(Keyed {
            key: recipe.key(),
            trajectory: recipe.trajectory(node.config.extent()),
            recipe,
            inputs,
            shown,
        })
    }

    /// The record of a keyed node: of its own device class, else one that may stand in for it.
    pub fn look_up(&self, id: usize, keyed: &Keyed) -> Option<Hit> {
        if let Some(record) = self.store.record(&keyed.key) {
            return Some(Hit {
                record,
                borrowed: None,
            });
        }
        let own = keyed.recipe.device()?;
        let name = self.plan.nodes[id].name.to_string();
        let locked = self
            .lock
            .elsewhere(self.plan.profile.as_deref(), own, &name);
        let mut candidates: Vec<(String, Option<Digest>)> = locked
            .map(|(class, block)| (class.to_owned(), Some(block.key)))
            .collect();
        if self.any_device {
            candidates.extend(
                self.store
                    .device_classes()
                    .into_iter()
                    .map(|class| (class, None)),
            );
        }
        candidates.into_iter().find_map(|(class, locked)| {
            let key = keyed.recipe.on_device(&DeviceClass(class.clone()))?.key();
            let record = self
                .store
                .record(&key)
                .filter(|_| locked.is_none_or(|locked| locked == key))?;
            Some(Hit {
                record,
                borrowed: Some(class),
            })
        })
    }

    /// Puts the inputs of a node together: artifacts now, paths when it runs.
    fn input(
        &self,
        name: &str,
        source: &Source,
        spec: Option<&InputSpec>,
        settled: &[Option<Settled>],
    ) -> Result<Input, ResolveError> {
        match source {
            Source::Files { paths, gathered } => {
                let nodes = paths
                    .iter()
                    .map(|path| self.file(path))
                    .collect::<Result<_, _>>()?;
                Ok(Input {
                    nodes,
                    gathered: *gathered,
                })
            }
            Source::Nodes {
                nodes,
                output,
                gathered,
                ..
            } => {
                let reads = spec.map_or(&[][..], |spec| &spec.reads);
                let nodes = nodes
                    .iter()
                    .filter_map(|id| Some((&self.plan.nodes[*id], settled[*id].as_ref()?)))
                    .map(|(node, settled)| behind(name, node, settled, output.as_deref(), reads));
                Ok(Input {
                    nodes: nodes.collect::<Result<_, _>>()?,
                    gathered: *gathered,
                })
            }
        }
    }

    /// A file or folder of the user's, digested in place.
    fn file(&self, path: &Path) -> Result<InputNode, StoreError> {
        let (digest, bytes, folder) = self.store.digest_input(path)?;
        let format = if folder { Format::Folder } else { Format::File };
        let artifact = Artifact {
            digest,
            bytes,
            format,
        };
        Ok(InputNode {
            node: NodeName::default(),
            status: crate::stage::Status::Ok,
            outputs: BTreeMap::from([("file".to_owned(), artifact)]),
            paths: BTreeMap::from([("file".to_owned(), path.to_path_buf())]),
            selected: "file".to_owned(),
        })
    }

    /// Everything upstream of `id`, in plan order, as a report may print it.
    fn shown(&self, id: usize, settled: &[Option<Settled>]) -> Vec<ShownNode> {
        let upstream = self.plan.upstream(&[id]);
        let known = upstream.into_iter().filter(|other| *other != id);
        known
            .filter_map(|other| Some(show(self.plan, other, settled[other].as_ref()?)))
            .collect()
    }
}

/// Says of each input that has no path yet where its bytes are.
pub fn fill_in_paths(
    store: &Store,
    inputs: &mut BTreeMap<String, Input>,
) -> Result<(), StoreError> {
    for node in inputs.values_mut().flat_map(|input| &mut input.nodes) {
        for (output, artifact) in &node.outputs {
            if !node.paths.contains_key(output) {
                node.paths.insert(output.clone(), store.path(artifact)?);
            }
        }
    }
    Ok(())
}

/// The names of the user's files that a node reads, by input.
fn file_names(node: &Node) -> BTreeMap<String, Vec<String>> {
    let name = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let named = node
        .inputs
        .iter()
        .filter_map(|(input, source)| match source {
            Source::Files { paths, .. } => Some((input.clone(), paths.iter().map(name).collect())),
            Source::Nodes { .. } => None,
        });
    named.collect()
}

/// The digest of what a report prints: of the nodes upstream, not of the pipeline's text.
pub fn shown_digest(shown: &[ShownNode]) -> Digest {
    Digest::of_value(&json!(shown))
}

fn recipe_input(source: &Source, input: &Input) -> RecipeInput {
    let digests = |node: &InputNode| -> BTreeMap<String, Digest> {
        node.outputs
            .iter()
            .map(|(name, artifact)| (name.clone(), artifact.digest))
            .collect()
    };
    let content = if input.gathered {
        let nodes = input.nodes.iter();
        RecipeInput::Gathered(
            nodes
                .map(|node| (node.node.axes.clone(), digests(node)))
                .collect(),
        )
    } else {
        RecipeInput::One(input.nodes.first().map(digests).unwrap_or_default())
    };
    match source {
        Source::Nodes {
            as_folder: true, ..
        } => RecipeInput::Folder {
            as_folder: Box::new(content),
        },
        _ => content,
    }
}

/// One node behind an input, with the outputs that the taker reads.
fn behind(
    input: &str,
    node: &Node,
    settled: &Settled,
    output: Option<&str>,
    reads: &[&'static str],
) -> Result<InputNode, ResolveError> {
    let main = node
        .config
        .outputs()
        .into_iter()
        .next()
        .map(|spec| spec.name)
        .unwrap_or_default();
    let selected = output.map_or(main, str::to_owned);
    let record = &settled.record;
    let wanted: Vec<&str> = match reads {
        [] => vec![&selected],
        reads => reads.to_vec(),
    };
    let find = |names: &[&str]| -> BTreeMap<String, Artifact> {
        let found = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), record.outputs.get(*name)?.clone())));
        found.collect()
    };
    let mut outputs = find(&wanted);
    if outputs.is_empty() {
        // The source is of another kind than the reader had in mind: it gets what the user selected.
        outputs = find(&[&selected]);
    }
    if reads.is_empty() && outputs.is_empty() {
        return Err(ResolveError::NoOutput {
            input: input.to_owned(),
            node: node.name.to_string(),
            output: selected,
            reason: super::text::status(&record.status),
        });
    }
    Ok(InputNode {
        node: node.name.clone(),
        status: record.status.clone(),
        outputs,
        paths: BTreeMap::new(),
        selected,
    })
}

/// A settled node as a report may print it.
pub fn show(plan: &Plan, id: usize, settled: &Settled) -> ShownNode {
    let node = &plan.nodes[id];
    let names = |source: &Source| match source {
        Source::Nodes { nodes, .. } => nodes
            .iter()
            .map(|id| plan.nodes[*id].name.to_string())
            .collect(),
        Source::Files { .. } => vec!["file".to_owned()],
    };
    ShownNode {
        stage: node.name.stage.clone(),
        axes: node.name.axes.clone(),
        kind: node.config.kind().to_owned(),
        kind_version: node.config.version(),
        description: node.description.clone(),
        with: (*node.settings).clone(),
        seed: node.config.uses_seed().then_some(node.seed),
        key: settled.record.key,
        device: settled.keyed.recipe.device().map(str::to_owned),
        inputs: node
            .inputs
            .iter()
            .map(|(name, source)| (name.clone(), names(source)))
            .collect(),
        outputs: settled.record.outputs.clone(),
        scalars: settled.record.scalars.clone(),
        status: settled.record.status.clone(),
    }
}
