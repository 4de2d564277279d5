//! `kind: report`: a Markdown report of everything upstream.

mod compose;
mod config;
mod display;
mod figures;
mod frames;
mod gather;
mod material;
mod networks;
mod settings;
mod upstream;

use std::collections::BTreeMap;

pub use compose::{Composed, compose};
pub use config::{ReportConfig, SectionConfig, Text};
pub use material::Material;

use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Outcome, OutputSpec, Product,
    StageCtx, StageError,
};
use crate::report::markdown;
use crate::worktree::WorkTree;

/// The outputs that a report reads, of whichever kind of stage.
pub const READS: [&str; 6] = [
    "metrics",
    "history",
    "images",
    "animation",
    "sheet",
    "table",
];

impl Kind for ReportConfig {
    const NAME: &'static str = "report";
    const VERSION: u32 = 3;

    /// A report takes any inputs, and of each what it can show.
    fn inputs(&self) -> Vec<InputSpec> {
        vec![InputSpec {
            gathers: true,
            reads: READS.to_vec(),
            ..InputSpec::optional("*", &[])
        }]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        vec![OutputSpec::new("report", Format::Folder)]
    }

    fn uses_seed(&self) -> bool {
        false
    }

    fn uses_device(&self) -> bool {
        false
    }

    fn resolve(&mut self, tree: &WorkTree) -> Result<(), Vec<Fault>> {
        self.read_files(tree)
    }

    fn check(&self, _inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let faults = self.faults();
        if faults.is_empty() {
            Ok(DataSchema::default())
        } else {
            Err(faults)
        }
    }

    fn shows_upstream(&self) -> bool {
        true
    }

    fn publishes(&self) -> Option<&str> {
        self.out.as_deref()
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        let files = folder(self, &Material::of(ctx))?.into_iter();
        let tree = files.map(|(name, bytes)| (name, Product::Bytes(bytes)));
        Ok(Outcome {
            outputs: BTreeMap::from([("report".to_owned(), Product::Tree(tree.collect()))]),
            ..Outcome::default()
        })
    }
}

/// The name of a report's text in its folder.
pub const TEXT: &str = "report.md";

/// The files of a report: its text ([`TEXT`]) and the figures beside it.
pub fn folder(
    config: &ReportConfig,
    material: &Material<'_>,
) -> Result<BTreeMap<String, Vec<u8>>, StageError> {
    let Composed {
        document,
        mut files,
        quotes,
    } = compose(config, material)?;
    let template = config.template.as_ref().and_then(Text::template);
    let template = template.unwrap_or(markdown::TEMPLATE);
    let text = markdown::render(template, &document, &quotes).map_err(failed)?;
    files.0.insert(TEXT.to_owned(), text.into_bytes());
    Ok(files.0)
}

/// An error of the report layer as a stage's.
fn failed(error: impl std::fmt::Display) -> StageError {
    StageError::Failed(error.to_string())
}
