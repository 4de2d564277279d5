//! From a pipeline to nodes with keys.
//!
//! [`expand()`] turns a [`crate::spec::PipelineSpec`] into a [`Plan`]: one [`Node`] for every point of
//! every stage's matrix, decoded, resolved and checked, in an order in which inputs come first. Nothing
//! here runs anything or reads the store.

mod checks;
mod digest;
mod edges;
mod expand;
mod files;
mod graph;
mod inputs;
pub mod key;
mod matrix;
mod nodes;
mod order;
mod points;
mod publish;
mod relation;
mod select;
mod settle;
mod stage;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

pub use expand::{expand, open, open_text};
pub use files::matching;
pub use select::UnknownStage;

use crate::device::DeviceRequest;
use crate::hash::Digest;
use crate::spec::limits::Limits;
use crate::stage::{DataSchema, NodeName, Slots, StageConfig};
use crate::worktree::WorkTree;

/// A pipeline, expanded.
#[derive(Debug, Clone)]
pub struct Plan {
    /// the pipeline's name
    pub name: String,
    /// the pipeline's seed
    pub seed: u64,
    /// the pipeline file, as it was given
    pub file: PathBuf,
    /// the project root, absolute
    pub root: PathBuf,
    /// the project's files, and which of them were read for it
    pub tree: Arc<WorkTree>,
    /// patterns of `glob:` inputs, and what each was found to match
    pub globs: BTreeMap<String, Vec<PathBuf>>,
    /// the profile that was chosen
    pub profile: Option<String>,
    /// `--set` as it was given
    pub sets: Vec<(String, String)>,
    /// All nodes, inputs before what needs them; ties by stage name, then matrix order, so that the
    /// order of keys in the YAML changes nothing. A node's `id` is its index here.
    pub nodes: Vec<Node>,
    /// stages in declared order → their node ids in matrix order
    pub stages: IndexMap<String, Vec<usize>>,
    /// digest of the resolved pipeline: names, settings, inputs and seeds, not its text
    pub digest: Digest,
}

/// A stage at one point of its matrix.
#[derive(Debug, Clone)]
pub struct Node {
    /// index in [`Plan::nodes`]
    pub id: usize,
    /// stage and axes (sorted by axis name)
    pub name: NodeName,
    /// decoded, resolved and checked; shared by nodes with equal settings
    pub config: Arc<StageConfig>,
    /// [`StageConfig::settings`] of `config`
    pub settings: Arc<Value>,
    /// the seed of this node
    pub seed: u64,
    /// inputs by name, sorted by name
    pub inputs: IndexMap<String, Source>,
    /// output → path relative to the project root (`publish:` only, not [`StageConfig::publishes`])
    pub publish: IndexMap<String, String>,
    /// `device:` of the stage
    pub device: Option<DeviceRequest>,
    /// what a run of it occupies
    pub slots: Slots,
    /// how long and how often it may try
    pub limits: Limits,
    /// `description:` of the stage
    pub description: Option<String>,
    /// what is known of its data (of a model: of the data it learns from) before anything runs
    pub data: DataSchema,
    /// files that it needs and that are not there; the node is blocked while there are any
    pub missing: Vec<Missing>,
}

/// A file that a node needs and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// the file, or the pattern that nothing matches
    pub path: PathBuf,
    /// how to get it
    pub help: Option<String>,
}

/// What stands behind one name under `inputs:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// outputs of other nodes
    Nodes {
        /// one node, or when `gathered` any number, in order
        nodes: Vec<usize>,
        /// `STAGE:OUTPUT`; `None` is the main output
        output: Option<String>,
        /// written with `[*]`
        gathered: bool,
        /// written with `as: folder`
        as_folder: bool,
    },
    /// files or folders of the work tree, absolute
    Files {
        /// one path, or when `gathered` any number, sorted
        paths: Vec<PathBuf>,
        /// written with `glob:` or as a list
        gathered: bool,
    },
}
