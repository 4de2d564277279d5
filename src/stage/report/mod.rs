//! `kind: report`: a Markdown report of everything upstream.

mod compose;
mod display;
mod figures;
mod gather;
mod settings;
mod upstream;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Outcome, OutputSpec, Product,
    StageCtx, StageError,
};
use crate::report::comparison::Reported;
use crate::report::markdown;

/// Settings of a report stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportConfig {
    /// The report's title; the pipeline's name without one.
    #[serde(default)]
    pub title: Option<String>,
    /// Folder in the project, where the report is published as `report.md` with its figures.
    #[serde(default, skip_serializing)]
    pub out: Option<String>,
    /// A file with a `MiniJinja` template to use instead of the built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// What others have reported of experiments that the runs repeat: a table sets it beside the runs' figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
}

/// A template: a path in YAML, its text once resolved.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Template {
    /// where the text is
    Path(String),
    /// the text
    Text(String),
}

impl From<String> for Template {
    fn from(path: String) -> Self {
        Self::Path(path)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        match template {
            Template::Path(text) | Template::Text(text) => text,
        }
    }
}

impl Kind for ReportConfig {
    const NAME: &'static str = "report";
    const VERSION: u32 = 2;

    /// A report takes any inputs, and of each what it can show.
    fn inputs(&self) -> Vec<InputSpec> {
        vec![InputSpec {
            gathers: true,
            reads: vec!["metrics", "history", "images", "animation", "table"],
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

    fn resolve(&mut self, root: &Path) -> Result<(), Vec<Fault>> {
        let Some(Template::Path(path)) = &self.template else {
            return Ok(());
        };
        let file = root.join(path.strip_prefix("file:").unwrap_or(path));
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                self.template = Some(Template::Text(text));
                Ok(())
            }
            Err(error) => {
                let mut fault = Fault::at("template", format!("cannot read `{path}`: {error}"));
                let missing = error.kind() == std::io::ErrorKind::NotFound;
                fault.missing_file = missing.then_some(file);
                Err(vec![fault])
            }
        }
    }

    fn check(&self, _inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let mut faults = Vec::new();
        if let Some(Template::Text(text)) = &self.template
            && let Err(error) = markdown::check(text)
        {
            faults.push(Fault::at("template", error.to_string()));
        }
        if self.out.as_ref().is_some_and(|out| out.trim().is_empty()) {
            faults.push(
                Fault::at("out", "the folder's name is empty")
                    .help("write one, as in `out: reports/shapes`"),
            );
        }
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
        let title = self.title.clone().unwrap_or_else(|| ctx.pipeline.clone());
        let (document, files) = compose::document(ctx, title, self.reported.as_ref())?;
        let template = self.template.clone().map(String::from);
        let text = markdown::render(template.as_deref(), &document).map_err(failed)?;
        let mut tree: BTreeMap<String, Product> = files
            .0
            .into_iter()
            .map(|(name, bytes)| (name, Product::Bytes(bytes)))
            .collect();
        tree.insert("report.md".to_owned(), Product::Bytes(text.into_bytes()));
        Ok(Outcome {
            outputs: BTreeMap::from([("report".to_owned(), Product::Tree(tree))]),
            ..Outcome::default()
        })
    }
}

/// An error of the report layer as a stage's.
fn failed(error: impl std::fmt::Display) -> StageError {
    StageError::Failed(error.to_string())
}
