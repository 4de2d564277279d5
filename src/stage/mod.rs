//! The kinds of stage: THE list, and the contract between a kind and whatever runs it.
//!
//! A kind is a configuration (`with:` in YAML, one file here) that implements [`Kind`]. It says what it
//! takes and gives, checks itself before anything runs, and works inside a [`StageCtx`]: inputs as
//! read-only paths, a private directory to write to, and a [`Memo`] for parts of work that outlive
//! the node (checkpoints, single metrics). A kind knows neither YAML nor the store nor the scheduler.

pub mod context;
pub mod kind;

pub use advice::advice;
pub use context::{
    Axes, Cancelled, Input, InputNode, Memo, NewPart, NodeName, Outcome, Part, Product, Progress,
    ShownNode, StageCtx, StageError, Status,
};
pub use kind::{
    Artifact, DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, OutputSpec, PathItem, Slots,
};

mod advice;
mod checkpoint;
mod defaults;
mod generate;
mod measure;

pub mod augment;
pub mod command;
pub mod dataset;
pub mod download;
pub mod evaluate;
pub mod preprocess;
pub mod preview;
pub mod report;
pub mod sample;
pub mod train;

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use crate::worktree::WorkTree;

/// Makes [`StageConfig`] from the list of kinds: an enum, its YAML names, its decoder, and the calls of
/// [`Kind`] passed on to whichever kind it holds.
macro_rules! kinds {
    ($($variant:ident($config:ty)),+ $(,)?) => {
        /// The configuration of a stage, of whichever kind.
        #[derive(Debug, Clone)]
        pub enum StageConfig {
            $(#[doc = concat!("`", stringify!($variant), "`")] $variant(Box<$config>)),+
        }

        impl StageConfig {
            /// The names of all kinds, in declared order.
            pub const KINDS: &'static [&'static str] = &[$(<$config as Kind>::NAME),+];

            /// Decodes the `with:` of a stage of `kind`; `None` when there is no such kind.
            pub fn decode(kind: &str, with: Value) -> Option<Result<Self, DecodeError>> {
                $(if kind == <$config as Kind>::NAME {
                    return Some(decode::<$config>(with).map(|config| Self::$variant(Box::new(config))));
                })+
                None
            }

            /// The JSON Schema of every kind's `with:`, in declared order.
            pub fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$((<$config as Kind>::NAME, generator.subschema_for::<$config>())),+]
            }

            /// The kind's name.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => <$config as Kind>::NAME),+ }
            }

            /// The kind's version.
            pub fn version(&self) -> u32 {
                match self { $(Self::$variant(_) => <$config as Kind>::VERSION),+ }
            }

            /// The settings as they enter the key.
            pub fn settings(&self) -> Value {
                match self { $(Self::$variant(config) => serde_json::to_value(config).unwrap_or_default()),+ }
            }

            /// See [`Kind::inputs`].
            pub fn inputs(&self) -> Vec<InputSpec> { match self { $(Self::$variant(c) => c.inputs()),+ } }
            /// See [`Kind::outputs`].
            pub fn outputs(&self) -> Vec<OutputSpec> { match self { $(Self::$variant(c) => c.outputs()),+ } }
            /// See [`Kind::uses_seed`].
            pub fn uses_seed(&self) -> bool { match self { $(Self::$variant(c) => c.uses_seed()),+ } }
            /// See [`Kind::uses_device`].
            pub fn uses_device(&self) -> bool { match self { $(Self::$variant(c) => c.uses_device()),+ } }
            /// See [`Kind::resolve`].
            pub fn resolve(&mut self, tree: &WorkTree) -> Result<(), Vec<Fault>> {
                match self { $(Self::$variant(c) => c.resolve(tree)),+ }
            }
            /// See [`Kind::check`].
            pub fn check(&self, inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
                match self { $(Self::$variant(c) => c.check(inputs)),+ }
            }
            /// See [`Kind::warnings`].
            pub fn warnings(&self) -> Vec<String> { match self { $(Self::$variant(c) => c.warnings()),+ } }
            /// See [`Kind::slots`].
            pub fn slots(&self) -> Slots { match self { $(Self::$variant(c) => c.slots()),+ } }
            /// See [`Kind::extent`].
            pub fn extent(&self) -> &'static [&'static str] { match self { $(Self::$variant(c) => c.extent()),+ } }
            /// See [`Kind::reach`].
            pub fn reach(&self) -> u64 { match self { $(Self::$variant(c) => c.reach()),+ } }
            /// See [`Kind::shows_upstream`].
            pub fn shows_upstream(&self) -> bool { match self { $(Self::$variant(c) => c.shows_upstream()),+ } }
            /// See [`Kind::publishes`].
            pub fn publishes(&self) -> Option<&str> { match self { $(Self::$variant(c) => c.publishes()),+ } }
            /// See [`Kind::recalls`].
            pub fn recalls(&self) -> bool { match self { $(Self::$variant(c) => c.recalls()),+ } }
            /// See [`Kind::recall`].
            pub fn recall(&self, ctx: &StageCtx<'_>, memo: &dyn Memo) -> Result<Option<Outcome>, StageError> {
                match self { $(Self::$variant(c) => c.recall(ctx, memo)),+ }
            }
            /// See [`Kind::run`].
            pub fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
                match self { $(Self::$variant(c) => c.run(ctx)),+ }
            }
        }
    };
}

kinds! {
    Dataset(dataset::DatasetConfig),
    Preprocess(preprocess::PreprocessConfig),
    Augment(augment::AugmentConfig),
    Train(train::TrainConfig),
    Sample(sample::SampleConfig),
    Evaluate(evaluate::EvaluateConfig),
    Report(report::ReportConfig),
    Command(command::CommandConfig),
    Download(download::DownloadConfig),
}

/// A `with:` that does not fit its kind.
#[derive(Debug, Clone)]
pub struct DecodeError {
    /// From `with` down to the deepest value that was reached.
    pub path: Vec<PathItem>,
    /// What serde says.
    pub message: String,
}

fn decode<C: Kind>(with: Value) -> Result<C, DecodeError> {
    use serde_path_to_error::Segment;
    serde_path_to_error::deserialize(with).map_err(|error| {
        let path = error.path().iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(PathItem::Index(*index)),
            Segment::Map { key } => Some(PathItem::Key(key.clone())),
            Segment::Enum { variant } => Some(PathItem::Key(variant.clone())),
            Segment::Unknown => None,
        });
        DecodeError {
            path: path.collect(),
            message: error.inner().to_string(),
        }
    })
}
