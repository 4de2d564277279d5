//! What a kind declares about itself before it runs.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::context::{Memo, Outcome, StageCtx, StageError};
use crate::hash::Digest;
use crate::worktree::WorkTree;

/// The form of an artifact's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Images with labels in one packed file ([`crate::data::pack`]).
    Data,
    /// Data that carry a recipe of online augmentation ([`crate::data::Pack::recipe`]).
    Recipe,
    /// Networks in safetensors with a JSON header ([`crate::model`]).
    Model,
    /// A table in CSV.
    Table,
    /// A JSON document.
    Json,
    /// A PNG image, or a GIF.
    Image,
    /// Any other single file.
    File,
    /// A folder: the object is a manifest (JSON) that names one object per file.
    Folder,
}

/// One named output of a node: bytes in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// What the bytes are; of a folder, the digest of its manifest.
    pub digest: Digest,
    /// Size; of a folder, the sum over its files.
    pub bytes: u64,
    /// How to read them.
    pub format: Format,
}

/// An input that a configuration takes.
#[derive(Debug, Clone)]
pub struct InputSpec {
    /// The name under `inputs:`.
    pub name: String,
    /// Whether the stage cannot do without it.
    pub required: bool,
    /// Formats accepted; empty accepts any.
    pub formats: Vec<Format>,
    /// Outputs of the source that enter the key and are at hand when the stage runs.
    /// Empty: the one the user selected (`STAGE:OUTPUT`), else the source's main output.
    pub reads: Vec<&'static str>,
    /// Whether `STAGE[*]` (many nodes) is accepted.
    pub gathers: bool,
}

impl InputSpec {
    /// A required input, one node, its main or selected output, of one of `formats`.
    pub fn required(name: impl Into<String>, formats: &[Format]) -> Self {
        Self {
            name: name.into(),
            required: true,
            formats: formats.to_vec(),
            reads: Vec::new(),
            gathers: false,
        }
    }

    /// The same, optional.
    pub fn optional(name: impl Into<String>, formats: &[Format]) -> Self {
        Self {
            required: false,
            ..Self::required(name, formats)
        }
    }
}

/// An output that a configuration gives; the first of a kind's list is its main output.
#[derive(Debug, Clone)]
pub struct OutputSpec {
    /// The name after the colon in `STAGE:OUTPUT`.
    pub name: String,
    /// The form of its bytes.
    pub format: Format,
}

impl OutputSpec {
    /// An output called `name`.
    pub fn new(name: impl Into<String>, format: Format) -> Self {
        Self {
            name: name.into(),
            format,
        }
    }
}

/// What can be known of a data artifact before any stage runs; `None` is "not until the files are read".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataSchema {
    /// colour channels (1 or 3)
    pub channels: Option<usize>,
    /// (height, width) when all images share it
    pub size: Option<(usize, usize)>,
    /// number of label classes; 0 without labels
    pub classes: Option<usize>,
}

/// What is known of each input: of data inputs the schema, of model inputs the data they were trained on.
pub type InputSchemas = BTreeMap<String, DataSchema>;

/// One step from a configuration's root to a value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathItem {
    /// a mapping key
    Key(String),
    /// a sequence index
    Index(usize),
}

/// Something wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// From `with` down to the value at fault.
    pub path: Vec<PathItem>,
    /// A lower-case fragment: what is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The file that is missing, when that is the fault: it concerns only the nodes that need it.
    pub missing_file: Option<std::path::PathBuf>,
}

impl Fault {
    /// A fault at the dotted `path` (`"epochs"`, `"steps.0.resize"`).
    pub fn at(path: &str, message: impl Into<String>) -> Self {
        let item = |part: &str| match part.parse() {
            Ok(index) => PathItem::Index(index),
            Err(_) => PathItem::Key(part.to_owned()),
        };
        Self {
            path: path
                .split('.')
                .filter(|part| !part.is_empty())
                .map(item)
                .collect(),
            message: message.into(),
            help: None,
            missing_file: None,
        }
    }

    /// The same fault of a value that stands at the dotted `path`.
    #[must_use]
    pub fn below(mut self, path: &str) -> Self {
        let mut items = Self::at(path, "").path;
        items.append(&mut self.path);
        self.path = items;
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What a running node occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Slots {
    /// CPU slots; a number beyond the machine's takes them all
    pub cpu: usize,
    /// GPU slots
    pub gpu: usize,
    /// memory in MiB
    pub memory: usize,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            cpu: 1,
            gpu: 0,
            memory: 0,
        }
    }
}

/// A kind of stage: a configuration that can say what it needs and do its work.
///
/// Its JSON form after [`Kind::resolve`] is what enters the key, so every field that changes the result
/// must be in it and nothing else (settings that only steer where results are shown are
/// `#[serde(skip_serializing)]`).
pub trait Kind: Serialize + DeserializeOwned + schemars::JsonSchema + Clone + Send + Sync {
    /// The name in YAML.
    const NAME: &'static str;
    /// Bumped whenever the same configuration and inputs give other bytes.
    const VERSION: u32;

    /// The inputs it takes, required ones first.
    fn inputs(&self) -> Vec<InputSpec>;

    /// The outputs it gives, the main one first.
    fn outputs(&self) -> Vec<OutputSpec>;

    /// Whether the seed changes the result (only then is it in the key).
    fn uses_seed(&self) -> bool;

    /// Whether the device class changes the result's bytes (only then is it in the key).
    fn uses_device(&self) -> bool;

    /// Replaces presets and named files by their content; paths are relative to the root of `tree`.
    fn resolve(&mut self, tree: &WorkTree) -> Result<(), Vec<Fault>> {
        let _ = tree;
        Ok(())
    }

    /// Checks values, and shapes against what is known of the inputs; gives what is known of its main
    /// data output (of a model: of the data it was trained on). Runs after [`Kind::resolve`].
    fn check(&self, inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>>;

    /// What is sound, but seldom meant: one line each, told when a node starts. Runs after [`Kind::resolve`].
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// What a run of it occupies.
    fn slots(&self) -> Slots {
        Slots::default()
    }

    /// Settings that are left out of the *trajectory key* ([`StageCtx::trajectory`]): the names of
    /// top-level fields that only say how far the work goes.
    fn extent(&self) -> &'static [&'static str] {
        &[]
    }

    /// How far the work goes, where [`Kind::extent`] is not empty: of nodes of one trajectory the
    /// farthest runs first. (Epochs.)
    fn reach(&self) -> u64 {
        0
    }

    /// Whether it prints what stands upstream of it ([`StageCtx::shown`]); then its key holds that too.
    fn shows_upstream(&self) -> bool {
        false
    }

    /// Where the main output is to be published besides `publish:` (a report's `out`).
    fn publishes(&self) -> Option<&str> {
        None
    }

    /// Whether [`Kind::recall`] can ever succeed: only then are a missing node's inputs read for it.
    fn recalls(&self) -> bool {
        false
    }

    /// Puts the node's outputs together from parts that the memo already holds, without computing.
    /// `None`: something is missing and [`Kind::run`] is needed. Used by `plan` as well as by `run`.
    fn recall(&self, ctx: &StageCtx<'_>, memo: &dyn Memo) -> Result<Option<Outcome>, StageError> {
        let _ = (ctx, memo);
        Ok(None)
    }

    /// Does the work.
    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError>;
}
