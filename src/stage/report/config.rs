//! The settings of a report stage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::comparison::Reported;
use crate::report::document::Place;
use crate::report::markdown;
use crate::stage::Fault;
use crate::stage::defaults::is_default;
use crate::worktree::WorkTree;

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
    /// A file with a `MiniJinja` template to use instead of the built-in one (`retake report --eject-template`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Text>,
    /// What others have reported of experiments that the runs repeat: a table sets it beside the runs' figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
    /// Sections of your own, in Markdown that may quote numbers: `{{ metric("scores[loss=bce].fid") }}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<SectionConfig>,
}

/// A section of the user's: Markdown, here (`text`) or in a file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SectionConfig {
    /// Its heading; none if the text brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A file that holds the text, relative to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Text>,
    /// Where in the report it stands: `start`, `findings` (before the runs) or `end`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub place: Place,
}

/// The text of a file: a path in YAML, its content once resolved.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Text {
    /// where the text is
    Path(String),
    /// the text
    Read {
        /// where it was
        path: String,
        /// the content, which alone is in the key
        text: String,
    },
}

impl From<String> for Text {
    fn from(path: String) -> Self {
        Self::Path(path)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        match text {
            Text::Path(path) => path,
            Text::Read { text, .. } => text,
        }
    }
}

impl Text {
    /// Reads the file. `field` is where in the settings it is named.
    fn resolve(&mut self, field: &str, tree: &WorkTree) -> Result<(), Fault> {
        let Self::Path(path) = self else {
            return Ok(());
        };
        let path = path.strip_prefix("file:").unwrap_or(path).to_owned();
        let file = tree.root().join(&path);
        match tree.read(&file) {
            Ok(text) => {
                *self = Self::Read { path, text };
                Ok(())
            }
            Err(error) => {
                let mut fault = Fault::at(field, format!("cannot read `{path}`: {error}"));
                let missing = error.kind() == std::io::ErrorKind::NotFound;
                fault.missing_file = missing.then_some(file);
                Err(fault)
            }
        }
    }

    /// The text as a template; none before it is read.
    pub fn template(&self) -> Option<markdown::Template<'_>> {
        match self {
            Self::Path(_) => None,
            Self::Read { path, text } => Some(markdown::Template { name: path, text }),
        }
    }
}

impl SectionConfig {
    /// What errors call the text that stands in the pipeline itself.
    fn name(&self) -> &str {
        self.title.as_deref().unwrap_or("the text of a section")
    }

    /// The text as a template; none before its file is read.
    pub fn template(&self) -> Option<markdown::Template<'_>> {
        let file = self.file.as_ref().and_then(Text::template);
        file.or_else(|| {
            Some(markdown::Template {
                name: self.name(),
                text: self.text.as_deref()?,
            })
        })
    }

    fn check(&self, field: &str) -> Result<(), Fault> {
        if self.text.is_some() == self.file.is_some() {
            let fault = Fault::at(field, "a section has either a `text` or a `file`");
            return Err(fault.help("write the Markdown as `text:`, or name its file as `file:`"));
        }
        let part = if self.file.is_some() { "file" } else { "text" };
        self.template()
            .map_or(Ok(()), markdown::check)
            .map_err(|error| Fault::at(&format!("{field}.{part}"), error.to_string()))
    }
}

impl ReportConfig {
    /// The title of a report of `pipeline`.
    pub fn title(&self, pipeline: &str) -> String {
        self.title.clone().unwrap_or_else(|| pipeline.to_owned())
    }

    /// Reads the files that are named.
    pub(super) fn read_files(&mut self, tree: &WorkTree) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        if let Some(template) = &mut self.template {
            faults.extend(template.resolve("template", tree).err());
        }
        for (index, section) in self.sections.iter_mut().enumerate() {
            if let Some(file) = &mut section.file {
                let field = format!("sections.{index}.file");
                faults.extend(file.resolve(&field, tree).err());
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    /// What is wrong with the settings.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(template) = self.template.as_ref().and_then(Text::template)
            && let Err(error) = markdown::check(template)
        {
            faults.push(Fault::at("template", error.to_string()));
        }
        if self.out.as_ref().is_some_and(|out| out.trim().is_empty()) {
            faults.push(
                Fault::at("out", "the folder's name is empty")
                    .help("write one, as in `out: reports/shapes`"),
            );
        }
        let sections = self.sections.iter().enumerate();
        faults.extend(
            sections
                .filter_map(|(index, section)| section.check(&format!("sections.{index}")).err()),
        );
        faults
    }
}
