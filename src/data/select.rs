//! Choosing images by label.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::DataError;
use super::label::{Label, LabelKind, PackSchema, unknown_class};

/// Which images stay, by class name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Images stay that show none but these classes.
    Keep(Vec<String>),
    /// Images go that show any of these classes.
    Drop(Vec<String>),
}

impl Filter {
    /// The class names as written.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Keep(names) | Self::Drop(names) => names,
        }
    }
}

/// Several filters, resolved against the classes of a pack. Classes that are gone leave the list of
/// classes; the others keep their order and are renumbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// of each class before, its index after; `None` when its images go
    renumbered: Vec<Option<u32>>,
    /// the classes that stay
    classes: Vec<String>,
}

impl Selection {
    /// Errors on a name that is no class of `schema`, and when no class stays.
    pub fn new<'a>(
        filters: impl Iterator<Item = &'a Filter>,
        schema: &PackSchema,
    ) -> Result<Self, DataError> {
        let mut stays = vec![true; schema.classes.len()];
        for filter in filters {
            if schema.labels == LabelKind::None {
                return Err(DataError::Unfit(
                    "filter: the images carry no labels".to_owned(),
                ));
            }
            let mut named = vec![false; stays.len()];
            for name in filter.names() {
                named[class_index(name, &schema.classes)?] = true;
            }
            let keep = matches!(filter, Filter::Keep(_));
            for (stays, named) in stays.iter_mut().zip(named) {
                *stays &= named == keep;
            }
        }
        let mut next = 0u32..;
        let renumbered = stays
            .iter()
            .map(|stays| stays.then(|| next.next()).flatten());
        let renumbered: Vec<_> = renumbered.collect();
        let kept = schema
            .classes
            .iter()
            .zip(&stays)
            .filter(|(_, stays)| **stays);
        let classes: Vec<String> = kept.map(|(name, _)| name.clone()).collect();
        if classes.is_empty() && !schema.classes.is_empty() {
            return Err(DataError::Unfit("filter: no class is left".to_owned()));
        }
        Ok(Self {
            renumbered,
            classes,
        })
    }

    /// The classes that stay.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The label after renumbering; `None` when the image goes.
    pub fn label(&self, label: &Label) -> Option<Label> {
        let after = |class: &u32| self.renumbered.get(*class as usize).copied().flatten();
        match label {
            Label::None => Some(Label::None),
            Label::Class(class) => after(class).map(Label::Class),
            Label::Multi(on) => on
                .iter()
                .map(after)
                .collect::<Option<_>>()
                .map(Label::Multi),
        }
    }
}

/// The index of class `name`, or an error that lists the classes there are.
fn class_index(name: &str, classes: &[String]) -> Result<usize, DataError> {
    if let Some(index) = classes.iter().position(|class| class == name) {
        return Ok(index);
    }
    let reason = format!("filter: {}", unknown_class(name, classes));
    Err(DataError::Unfit(reason))
}
