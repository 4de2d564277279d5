//! What a pipeline file says, includes merged and vars settled; `${}` still unexpanded.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::limits::Limits;
use super::place::{Place, SourceFile};
use crate::device::DeviceRequest;
use crate::stage::Slots;
use crate::worktree::WorkTree;

/// What the command line adds to a pipeline file.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--profile P`
    pub profile: Option<String>,
    /// `--set k=v`, in order
    pub sets: Vec<(String, String)>,
}

/// A pipeline file with everything it includes.
#[derive(Debug, Clone)]
pub struct PipelineSpec {
    /// the pipeline's name; the file's without one
    pub name: String,
    /// the pipeline's seed
    pub seed: u64,
    /// what it is about
    pub description: Option<String>,
    /// the pipeline file, as it was given
    pub file: PathBuf,
    /// the project root, absolute
    pub root: PathBuf,
    /// the project's files, and which of them were read
    pub tree: Arc<WorkTree>,
    /// the profile that was chosen
    pub profile: Option<String>,
    /// `--set` as it was given
    pub sets: Vec<(String, String)>,
    /// vars < profile < `--set`
    pub vars: IndexMap<String, Value>,
    /// stages in declared order, included ones first
    pub stages: IndexMap<String, StageSpec>,
    /// the texts that it was read from
    pub sources: Vec<SourceFile>,
}

/// A stage as it is written.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// index of its file in [`PipelineSpec::sources`]
    pub file: usize,
    /// what it does
    pub kind: String,
    /// what it is about
    pub description: Option<String>,
    /// name → reference, list of references or `{from, as}`
    pub inputs: IndexMap<String, Value>,
    /// settings
    pub with: Value,
    /// its own axes
    pub matrix: Matrix,
    /// a number or `${name}`
    pub seed: Option<Value>,
    /// where it is to run
    pub device: Option<DeviceRequest>,
    /// what a run of it occupies, where it says so
    pub resources: Resources,
    /// how long and how often it may try
    pub limits: Limits,
    /// output → path in the work tree
    pub publish: IndexMap<String, String>,
}

impl StageSpec {
    /// Where it stands; `name` is its own.
    pub fn place(&self, name: &str) -> Place {
        Place::root(self.file).key("stages").key(name)
    }
}

/// `matrix:` of a stage.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    /// axis → values
    pub axes: IndexMap<String, Vec<Value>>,
    /// axis → a text with `${}` that stands for its values, until vars are settled
    pub open: IndexMap<String, String>,
    /// nodes to add, or further values for existing ones
    pub include: Vec<Map<String, Value>>,
    /// nodes to remove
    pub exclude: Vec<Map<String, Value>>,
}

/// `resources:` of a stage: what it says overrides what its kind says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resources {
    /// CPU slots
    pub cpu: Option<usize>,
    /// GPU slots
    pub gpu: Option<usize>,
    /// memory in MiB
    pub memory: Option<usize>,
}

impl Resources {
    /// `slots` with what is said here.
    pub fn over(self, slots: Slots) -> Slots {
        Slots {
            cpu: self.cpu.unwrap_or(slots.cpu),
            gpu: self.gpu.unwrap_or(slots.gpu),
            memory: self.memory.unwrap_or(slots.memory),
        }
    }
}
