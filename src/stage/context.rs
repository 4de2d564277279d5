//! What a kind sees while it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::Artifact;
use crate::device::Compute;
use crate::hash::Digest;

/// A node's point in the matrix: axis → value, in declared order.
pub type Axes = IndexMap<String, Value>;

/// A node as people write it: `gan[loss=bce,seed=0]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeName {
    /// the stage's name
    pub stage: String,
    /// its point in the matrix; empty without one
    pub axes: Axes,
}

/// Text of an axis value or setting: strings bare, everything else as JSON.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stage)?;
        if self.axes.is_empty() {
            return Ok(());
        }
        let axes: Vec<String> = self
            .axes
            .iter()
            .map(|(k, v)| format!("{k}={}", plain(v)))
            .collect();
        write!(f, "[{}]", axes.join(","))
    }
}

/// One node behind an input (a file or glob input is a node without stage name).
#[derive(Debug, Clone)]
pub struct InputNode {
    /// which node
    pub node: NodeName,
    /// whether it ended well
    pub status: Status,
    /// The outputs that [`super::InputSpec::reads`] asked for; under the selected output's name otherwise.
    pub outputs: BTreeMap<String, Artifact>,
    /// Where each of `outputs` lies, read-only: a file, or a folder for [`super::Format::Folder`].
    pub paths: BTreeMap<String, PathBuf>,
    /// the output that the user selected, or the main one
    pub selected: String,
}

impl InputNode {
    /// The path of the selected output.
    pub fn path(&self) -> &Path {
        &self.paths[&self.selected]
    }

    /// The selected output.
    pub fn artifact(&self) -> &Artifact {
        &self.outputs[&self.selected]
    }
}

/// What stands behind one name under `inputs:`.
#[derive(Debug, Clone)]
pub struct Input {
    /// one node, or for a gathered input any number, in declared order
    pub nodes: Vec<InputNode>,
    /// whether it was written with `[*]`
    pub gathered: bool,
}

/// How a piece of work ended. Divergence is a result like any other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Status {
    /// as asked
    #[default]
    Ok,
    /// a loss became NaN or infinite
    Diverged {
        /// the epoch (from 1) it happened in
        epoch: u64,
        /// the optimiser step (from 1)
        step: u64,
        /// the loss term
        term: String,
        /// the last epoch with a checkpoint before it, if any
        last_good: Option<u64>,
    },
}

/// A finished output: where its bytes are.
#[derive(Debug, Clone)]
pub enum Product {
    /// a file or folder in [`StageCtx::out`], to be taken into the store
    Made(PathBuf),
    /// bytes to be taken into the store (small documents; the way for [`super::Kind::recall`])
    Bytes(Vec<u8>),
    /// already in the store
    Stored(Artifact),
    /// a folder put together from stored files and small documents: relative path → product
    /// (only `Bytes` and `Stored` within)
    Tree(BTreeMap<String, Product>),
}

/// What a stage gives back.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// name → product, exactly the names of [`super::Kind::outputs`] (fewer when diverged)
    pub outputs: BTreeMap<String, Product>,
    /// scalar metrics, for the lock file and `show`
    pub scalars: BTreeMap<String, f64>,
    /// how it ended
    pub status: Status,
    /// whatever depends on clock or machine; never hashed
    pub timings: Map<String, Value>,
}

/// A part of work that outlives its node (a checkpoint, one metric of one checkpoint), as stored.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// small facts
    pub values: Map<String, Value>,
    /// name → object
    pub objects: BTreeMap<String, Artifact>,
}

impl Part {
    /// The name of an object that serves to go on from there and for nothing else: what gc drops first.
    pub const RESUME: &str = "state";
}

/// A part to be stored; products as for outputs.
#[derive(Debug, Clone, Default)]
pub struct NewPart {
    /// small facts
    pub values: Map<String, Value>,
    /// name → (product, format)
    pub objects: BTreeMap<String, (Product, super::Format)>,
}

/// The store as a kind sees it: parts of work by key.
pub trait Memo: Sync {
    /// The part stored under `key`, if its record and all its objects are present and sound.
    /// Objects named in `optional` may be missing; they are then left out of the part.
    fn get(&self, key: &Digest, optional: &[&str]) -> Option<Part>;
    /// Stores a part: objects first, then the record.
    fn put(&self, key: &Digest, part: NewPart) -> Result<Part, StageError>;
    /// A readable path of a stored single-file object, its digest verified.
    fn path(&self, artifact: &Artifact) -> Result<PathBuf, StageError>;
    /// Drops one object of a part (an old resume state).
    fn forget(&self, key: &Digest, object: &str) -> Result<(), StageError>;
}

/// How far a running stage is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// work done, in the stage's own unit (steps, images)
    pub done: u64,
    /// work in all
    pub total: u64,
    /// current epoch, where there is one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// images per second, where it makes sense
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_per_second: Option<f64>,
    /// latest figures by name (`loss_d`, `loss_g`, …)
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<(String, f64)>,
}

/// A node upstream of a report, as the report may print it.
#[derive(Debug, Clone, Serialize)]
pub struct ShownNode {
    /// the stage's name
    pub stage: String,
    /// its point in the matrix
    pub axes: Axes,
    /// its kind and that kind's version
    pub kind: String,
    /// the kind's version
    pub kind_version: u32,
    /// `description:` of the stage
    pub description: Option<String>,
    /// settings after defaults, interpolation and resolution
    pub with: Value,
    /// the seed it uses, if any
    pub seed: Option<u64>,
    /// its key
    pub key: Digest,
    /// the device class in its key, if any
    pub device: Option<String>,
    /// direct inputs: input name → names of the nodes
    pub inputs: BTreeMap<String, Vec<String>>,
    /// output name → artifact
    pub outputs: BTreeMap<String, Artifact>,
    /// scalar metrics
    pub scalars: BTreeMap<String, f64>,
    /// how it ended
    pub status: Status,
}

/// The user asked to stop; the stage ended at a safe point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

/// Everything a kind may use while it works.
pub struct StageCtx<'a> {
    /// which node this is
    pub node: NodeName,
    /// the pipeline's name
    pub pipeline: String,
    /// the seed of the stage
    pub seed: u64,
    /// the device to compute on
    pub compute: &'a Compute,
    /// inputs by name
    pub inputs: BTreeMap<String, Input>,
    /// the node's key
    pub key: Digest,
    /// the key without [`super::Kind::extent`]: the same for runs that differ in length only
    pub trajectory: Digest,
    /// a private, empty directory; outputs are written here and nowhere else
    pub out: PathBuf,
    /// the project's folder, absolute, of which a command may read its inputs only; none outside of a project
    pub project: Option<PathBuf>,
    /// parts of work by key
    pub memo: &'a dyn Memo,
    /// nodes upstream, in plan order, when [`super::Kind::shows_upstream`]
    pub shown: Vec<ShownNode>,
    /// a command line that reproduces this node, in canonical form
    pub command: String,
    /// digest of the resolved pipeline
    pub pipeline_digest: Digest,
    /// where to say how far it is
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// where to write lines for the log
    pub log: &'a (dyn Fn(&str) + Sync),
    /// set when the user asked to stop
    pub cancel: &'a AtomicBool,
}

impl StageCtx<'_> {
    /// An error once the user asked to stop; call it at safe points.
    pub fn check_cancelled(&self) -> Result<(), StageError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(StageError::Cancelled);
        }
        Ok(())
    }

    /// Says that `done` of `total` images are done; whether to go on.
    pub fn go_on(&self, done: u64, total: u64) -> bool {
        (self.progress)(Progress {
            done,
            total,
            ..Progress::default()
        });
        self.check_cancelled().is_ok()
    }

    /// The single node behind a required input.
    pub fn input(&self, name: &str) -> Result<&InputNode, StageError> {
        self.optional(name)
            .ok_or_else(|| StageError::Failed(format!("input `{name}` is missing")))
    }

    /// The single node behind an optional input.
    pub fn optional(&self, name: &str) -> Option<&InputNode> {
        self.inputs.get(name).and_then(|input| input.nodes.first())
    }

    /// All nodes behind a gathered input; empty when absent.
    pub fn gathered(&self, name: &str) -> &[InputNode] {
        self.inputs.get(name).map_or(&[], |input| &input.nodes)
    }
}

/// Why a stage did not finish.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,
    /// An input's bytes are missing or corrupt; the stage that made them has to run again.
    #[error("{0}")]
    Damaged(String),
    /// A program ended badly.
    #[error("the command {0}")]
    Command(String),
    /// It took too long; its limit.
    #[error("ran longer than its limit of {0}")]
    Late(String),
    /// A file could not be read or written.
    #[error("{path}: {source}{}", super::advice(source))]
    Io {
        /// which file
        path: PathBuf,
        /// what the system said
        source: std::io::Error,
    },
    /// Data could not be read, written or used.
    #[error(transparent)]
    Data(crate::data::DataError),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Anything else, said in full.
    #[error("{0}")]
    Failed(String),
}

impl From<crate::data::DataError> for StageError {
    fn from(error: crate::data::DataError) -> Self {
        match error {
            crate::data::DataError::Interrupted => Self::Cancelled,
            error => Self::Data(error),
        }
    }
}

impl StageError {
    /// Whether another attempt may end better: a program, a clock and a disk do not do the same each time. What this
    /// crate makes of data does, and what a stage lacks it goes on to lack.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Command(_) | Self::Late(_) | Self::Io { .. })
    }

    /// An I/O error at `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }
}
