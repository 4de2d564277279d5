//! What each image of a conditional generator is to show.

use super::config::{Prompts, SampleConfig};
use crate::data::pack::Pack;
use crate::data::prompts::{multi_hot, read_prompts};
use crate::stage::generate::{Generator, failed};
use crate::stage::{StageCtx, StageError};

/// The condition of every sample.
pub enum Conditions<'a> {
    /// the generator is not told what to draw
    None,
    /// those of the images of a pack, in turn
    Labels(&'a Pack),
    /// one class after the other, of so many
    Each(u64),
    /// one row an image
    Prompts(Vec<Vec<f32>>),
    /// this row for all
    Same(Vec<f32>),
}

impl<'a> Conditions<'a> {
    /// Those that settings and inputs ask for.
    pub fn of(
        config: &SampleConfig,
        ctx: &StageCtx<'_>,
        generator: &Generator,
        data: Option<&'a Pack>,
    ) -> Result<Self, StageError> {
        let prompts = ctx.optional("prompts");
        if !generator.conditional() {
            if prompts.is_some() || config.condition.is_some() {
                return Err(StageError::Failed(
                    "the generator is not told what to draw: leave out `prompts` and `condition`"
                        .to_owned(),
                ));
            }
            return Ok(Self::None);
        }
        let names = generator.class_names();
        if let Some(condition) = &config.condition {
            return multi_hot(condition, names).map(Self::Same).map_err(failed);
        }
        if let Some(prompts) = prompts {
            return Ok(Self::Prompts(read_prompts(prompts.path(), names)?));
        }
        let classes = generator.classes();
        if config.classes == Prompts::Each {
            return Ok(Self::Each(classes as u64));
        }
        let labels = data.filter(|data| data.schema().classes.len() == classes && !data.is_empty());
        labels.map(Self::Labels).ok_or_else(|| {
            StageError::Failed(format!(
                "the generator is told what to draw, in {classes} classes: give the stage an input `data` \
                 with labels of these classes or an input `prompts`, or set `classes: each`"
            ))
        })
    }

    /// Writes the condition of sample `k` into `row`, which is all zeros.
    pub fn write(&self, k: u64, row: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Labels(data) => data.label_vector((k % data.len() as u64) as usize, row),
            Self::Each(classes) => row[(k % (*classes).max(1)) as usize] = 1.0,
            Self::Prompts(rows) => row.copy_from_slice(&rows[(k % rows.len() as u64) as usize]),
            Self::Same(same) => row.copy_from_slice(same),
        }
    }

    /// The names of the classes that sample `k` is to show, of those called `names`.
    pub fn label(&self, k: u64, names: &[String]) -> String {
        if matches!(self, Self::None) {
            return String::new();
        }
        let mut row = vec![0.0; names.len()];
        self.write(k, &mut row);
        named(&row, names)
    }

    /// How many images a grid of them has, where they say so: one a prompt.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Prompts(rows) => Some(rows.len() as u64),
            _ => None,
        }
    }

    /// How many columns a grid of them has, where they say so.
    pub fn columns(&self) -> Option<u64> {
        match self {
            Self::Each(classes) => Some(*classes),
            _ => None,
        }
    }
}

/// The names of the classes that are on in `row`.
pub fn named(row: &[f32], names: &[String]) -> String {
    let on = names.iter().zip(row).filter(|(_, value)| **value > 0.5);
    let on: Vec<&str> = on.map(|(name, _)| name.as_str()).collect();
    on.join(", ")
}
