//! Labels and the schema that a pack's images share.

use serde::{Deserialize, Serialize};

use super::error::DataError;

/// What a label is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelKind {
    /// images carry no label
    None,
    /// exactly one class an image
    Class,
    /// any number of classes an image
    Multi,
}

/// The label of one image; numbers are indices into [`PackSchema::classes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    /// no label
    None,
    /// one class
    Class(u32),
    /// the classes that are on, ascending
    Multi(Vec<u32>),
}

/// What all images of a pack share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackSchema {
    /// colour channels: 1 (grey) or 3 (RGB)
    pub channels: usize,
    /// what a label is
    pub labels: LabelKind,
    /// class names, in the order of label indices; empty without labels
    pub classes: Vec<String>,
}

impl PackSchema {
    /// Checks that the fields fit each other.
    pub fn validate(&self) -> Result<(), DataError> {
        let unfit = |reason: String| Err(DataError::Unfit(reason));
        if !matches!(self.channels, 1 | 3) {
            return unfit(format!(
                "{} colour channels: images have 1 (grey) or 3 (RGB)",
                self.channels
            ));
        }
        match (self.labels, self.classes.is_empty()) {
            (LabelKind::None, false) => {
                return unfit("classes are named but images carry no label".to_owned());
            }
            (LabelKind::Class | LabelKind::Multi, true) => {
                return unfit("images carry labels but no class is named".to_owned());
            }
            _ => {}
        }
        let mut sorted: Vec<&str> = self.classes.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        if let Some((twice, _)) = sorted
            .iter()
            .zip(sorted.iter().skip(1))
            .find(|(a, b)| a == b)
        {
            return unfit(format!("class `{twice}` is named twice"));
        }
        match sorted.iter().find(|name| !is_class_name(name)) {
            Some(name) => unfit(format!(
                "`{}` is no class name: it must not be empty, nor hold `;` or control characters",
                name.escape_debug()
            )),
            None => Ok(()),
        }
    }
}

/// Exported label tables separate classes by `;` and list them one a line.
fn is_class_name(name: &str) -> bool {
    !name.trim().is_empty() && !name.contains(|c: char| c == ';' || c.is_control())
}

/// Says that `name` is no class: the nearest there is, and all there are.
pub(super) fn unknown_class(name: &str, classes: &[String]) -> String {
    let lower = name.to_lowercase();
    let near = classes
        .iter()
        .map(|class| (strsim::jaro_winkler(&lower, &class.to_lowercase()), class))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > 0.8);
    let hint = match near {
        Some((_, class)) => format!(": did you mean `{class}`?"),
        None => String::new(),
    };
    format!(
        "unknown class `{name}`{hint} (classes: {})",
        classes.join(", ")
    )
}
