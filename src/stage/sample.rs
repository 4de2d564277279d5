//! `kind: sample`: a grid of images, drawn by a model or taken from data.

use std::collections::BTreeMap;

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::checkpoint::{self, Checkpoint, Checkpoints, Named};
use super::generate::{BATCH, Generator, failed};
use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Memo, NewPart, Outcome, OutputSpec,
    Product, Progress, StageCtx, StageError,
};
use crate::data::pack::Pack;
use crate::hash::Digest;
use crate::report::grid::{contact_sheet, png, tile};

/// The name of the grid, as output and as part.
const IMAGES: &str = "images";

/// Settings of a sample stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleConfig {
    /// How many images.
    #[serde(default = "default_images")]
    pub images: u64,
    /// How many in a row; the number of classes with `classes: each`, else 8.
    #[serde(default)]
    pub columns: Option<u64>,
    /// Which checkpoint of `model`: `last`, or an epoch.
    #[serde(default)]
    pub checkpoint: Which,
    /// What a conditional generator is told to draw.
    #[serde(default)]
    pub classes: Prompts,
}

fn default_images() -> u64 {
    64
}

/// One checkpoint of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected `last` or an epoch")]
pub enum Which {
    /// by name
    Named(Last),
    /// after this epoch, counted from 1
    Epoch(u64),
}

/// `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Last {
    /// the end of training
    Last,
}

impl Default for Which {
    fn default() -> Self {
        Self::Named(Last::Last)
    }
}

/// Where a conditional generator's conditions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prompts {
    /// the labels of the first images of the input `data`
    #[default]
    Data,
    /// every class in turn: one column a class
    Each,
}

/// What the images come from.
enum Target {
    /// a generator
    Checkpoint(Checkpoint),
    /// the input `data` itself
    Data,
    /// a model that diverged before its first checkpoint
    Nothing,
}

impl Kind for SampleConfig {
    const NAME: &'static str = "sample";
    const VERSION: u32 = 2;

    fn inputs(&self) -> Vec<InputSpec> {
        vec![
            checkpoint::input(&[]),
            InputSpec::optional("data", &[Format::Data]),
        ]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        vec![OutputSpec::new(IMAGES, Format::Image)]
    }

    fn uses_seed(&self) -> bool {
        true
    }

    fn uses_device(&self) -> bool {
        true
    }

    fn check(&self, inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let mut faults = Vec::new();
        if !inputs.contains_key("model") && !inputs.contains_key("data") {
            faults.push(
                Fault::at("", "there is nothing to sample from")
                    .help("give the stage an input `model`, or `data` for a grid of real images"),
            );
        }
        if self.images == 0 {
            faults.push(Fault::at("images", "a grid has at least one image"));
        }
        if self.columns == Some(0) {
            faults.push(Fault::at("columns", "a grid has at least one column"));
        }
        if self.checkpoint == Which::Epoch(0) {
            faults.push(Fault::at("checkpoint", "epochs count from 1"));
        }
        if faults.is_empty() {
            Ok(DataSchema::default())
        } else {
            Err(faults)
        }
    }

    fn recalls(&self) -> bool {
        true
    }

    fn recall(&self, ctx: &StageCtx<'_>, memo: &dyn Memo) -> Result<Option<Outcome>, StageError> {
        let target = self.target(ctx)?;
        if matches!(target, Target::Nothing) {
            return Ok(None);
        }
        let part = memo.get(&self.unit(ctx, &target), &[]);
        let artifact = part.and_then(|mut part| part.objects.remove(IMAGES));
        Ok(artifact.map(|artifact| outcome(Product::Stored(artifact))))
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        let target = self.target(ctx)?;
        let data = match ctx.optional("data") {
            Some(node) => Some(Pack::open(node.path()).map_err(failed)?),
            None => None,
        };
        let (tiles, columns) = match &target {
            Target::Checkpoint(checkpoint) => self.generated(ctx, checkpoint, data.as_ref())?,
            Target::Data => (self.real(data.as_ref())?, self.columns.unwrap_or(8)),
            // There is nothing to draw with, and that is the model's outcome.
            Target::Nothing => {
                return Ok(Outcome {
                    status: ctx.input("model")?.status.clone(),
                    ..Outcome::default()
                });
            }
        };
        let bytes = png(&contact_sheet(&tiles, columns as usize)).map_err(failed)?;
        let objects = BTreeMap::from([(IMAGES.to_owned(), (Product::Bytes(bytes), Format::Image))]);
        let part = NewPart {
            values: Map::new(),
            objects,
        };
        let mut part = ctx.memo.put(&self.unit(ctx, &target), part)?;
        let artifact = part.objects.remove(IMAGES);
        let artifact = artifact.ok_or_else(|| failed("a grid just stored cannot be read back"))?;
        Ok(outcome(Product::Stored(artifact)))
    }
}

impl SampleConfig {
    fn target(&self, ctx: &StageCtx<'_>) -> Result<Target, StageError> {
        let Some(node) = ctx.optional("model") else {
            return Ok(Target::Data);
        };
        let wanted = match self.checkpoint {
            Which::Named(Last::Last) => Checkpoints::Named(Named::Last),
            Which::Epoch(epoch) => Checkpoints::Epochs(vec![epoch]),
        };
        let found = checkpoint::behind(node, &wanted)?.pop();
        Ok(found.map_or(Target::Nothing, Target::Checkpoint))
    }

    fn unit(&self, ctx: &StageCtx<'_>, target: &Target) -> Digest {
        let checkpoint = match target {
            Target::Checkpoint(checkpoint) => Some(checkpoint),
            Target::Data | Target::Nothing => None,
        };
        let data = ctx.optional("data").map(|node| node.artifact().digest);
        Digest::of_value(&json!({
            "unit": "sample",
            "version": Self::VERSION,
            "model": checkpoint.map(|checkpoint| checkpoint.digest),
            "data": data,
            "images": self.images,
            "columns": self.columns,
            "classes": self.classes,
            "seed": checkpoint.map(|_| ctx.seed),
            "device": ctx.compute.class,
        }))
    }

    /// Tiles and columns of generated images.
    fn generated(
        &self,
        ctx: &StageCtx<'_>,
        checkpoint: &Checkpoint,
        data: Option<&Pack>,
    ) -> Result<(Vec<RgbImage>, u64), StageError> {
        let generator = Generator::load(&checkpoint.path, &ctx.compute.device)?;
        let classes = generator.classes() as u64;
        let each = generator.conditional() && self.classes == Prompts::Each;
        let labels =
            data.filter(|data| data.schema().classes.len() as u64 == classes && !data.is_empty());
        if generator.conditional() && !each && labels.is_none() {
            return Err(StageError::Failed(format!(
                "the generator is told what to draw, in {classes} classes: give the stage an input `data` \
                 with labels of these classes, or set `classes: each`"
            )));
        }
        let condition = |k: u64, row: &mut [f32]| match labels {
            Some(data) if !each => data.label_vector((k % data.len() as u64) as usize, row),
            _ => row[(k % classes.max(1)) as usize] = 1.0,
        };
        let mut tiles = Vec::new();
        for first in (0..self.images).step_by(BATCH) {
            ctx.check_cancelled()?;
            let n = BATCH.min((self.images - first) as usize);
            let drawn = generator.draw(ctx.seed, first, n, &condition)?;
            let (channels, ..) = drawn.shape;
            tiles.extend(drawn.tiles().ok_or_else(|| {
                StageError::Failed(format!(
                    "images of {channels} channels cannot be shown: 1 or 3 are needed"
                ))
            })?);
            (ctx.progress)(Progress {
                done: first + n as u64,
                total: self.images,
                ..Progress::default()
            });
        }
        let columns = self.columns.unwrap_or(if each { classes } else { 8 });
        Ok((tiles, columns))
    }

    /// The first images of the data.
    fn real(&self, data: Option<&Pack>) -> Result<Vec<RgbImage>, StageError> {
        let data = data.ok_or_else(|| failed("there is nothing to sample from"))?;
        let count = (data.len() as u64).min(self.images) as usize;
        (0..count)
            .map(|index| {
                let image = data.image(index);
                tile(image.height, image.width, image.channels, image.pixels)
                    .ok_or_else(|| failed(format!("image {} cannot be shown", data.name(index))))
            })
            .collect()
    }
}

fn outcome(images: Product) -> Outcome {
    Outcome {
        outputs: BTreeMap::from([(IMAGES.to_owned(), images)]),
        ..Outcome::default()
    }
}
