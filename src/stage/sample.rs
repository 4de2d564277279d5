//! `kind: sample`: images drawn by a model or taken from data, side by side or one after the other.
//!
//! The settings are in `config`; `draw` makes a grid, `interpolate` the way between samples, `reconstruct` what a VAE
//! makes of images, `neighbours` sets each beside the nearest real ones, `best_worst` picks by a judge, `series` puts the
//! grids of several checkpoints together. Work is done in units of one checkpoint, each remembered by what it depends on:
//! an animation over the checkpoints of a longer run draws the new ones and nothing else.

mod best_epoch;
mod best_worst;
mod conditions;
mod config;
mod draw;
mod interpolate;
mod neighbours;
mod reconstruct;
mod series;

use std::collections::BTreeMap;

use image::RgbImage;
use serde_json::{Map, Value, json};

pub use config::{Best, Endpoints, Last, Mode, Prompts, SampleConfig, Space, Way, Which};

use super::checkpoint::{self, Checkpoint, Checkpoints};
use super::generate::failed;
use super::{
    Artifact, DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Memo, NewPart, Outcome,
    OutputSpec, Product, Progress, StageCtx, StageError,
};
use crate::data::pack::Pack;
use crate::hash::Digest;
use crate::report::animation::gif;
use crate::report::grid::{Sheet as Grid, png};
use crate::worktree::WorkTree;
use series::Drawn;

/// The name of the grid, as output and as part.
const IMAGES: &str = "images";
/// The name of the GIF, as output and as part.
const ANIMATION: &str = "animation";
/// The name of the sheet with a row a checkpoint, as output and as part.
const SHEET: &str = "sheet";

/// What the images come from.
enum Target {
    /// a generator
    Checkpoint(Checkpoint),
    /// the input `data` itself
    Data,
}

impl Target {
    fn epoch(&self) -> Option<u64> {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.epoch,
            Self::Data => None,
        }
    }
}

/// What one unit of work gives.
struct Sheet {
    images: RgbImage,
    /// where the first row of a grid ends without words, and with them
    first_row: Option<(u32, u32)>,
    /// frames of an animation of its own
    frames: Vec<RgbImage>,
}

impl From<RgbImage> for Sheet {
    fn from(images: RgbImage) -> Self {
        Self {
            images,
            first_row: None,
            frames: Vec::new(),
        }
    }
}

impl From<Grid> for Sheet {
    fn from(grid: Grid) -> Self {
        Self {
            first_row: Some(grid.first_row),
            ..Self::from(grid.image)
        }
    }
}

impl Kind for SampleConfig {
    const NAME: &'static str = "sample";
    const VERSION: u32 = 3;

    fn inputs(&self) -> Vec<InputSpec> {
        vec![
            checkpoint::input(&[]),
            InputSpec::optional("data", &[Format::Data]),
            InputSpec::optional("prompts", &[Format::File, Format::Json]),
            InputSpec::optional("judge", &[Format::Model, Format::File]),
            InputSpec::optional("weights", &[Format::File, Format::Model]),
            InputSpec::optional("scores", &[Format::Json, Format::File]),
        ]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let mut outputs = vec![OutputSpec::new(IMAGES, Format::Image)];
        if self.animated() {
            outputs.push(OutputSpec::new(ANIMATION, Format::Image));
        }
        if self.mode == Mode::Checkpoints {
            outputs.push(OutputSpec::new(SHEET, Format::Image));
        }
        outputs
    }

    fn uses_seed(&self) -> bool {
        true
    }

    fn uses_device(&self) -> bool {
        true
    }

    fn resolve(&mut self, tree: &WorkTree) -> Result<(), Vec<Fault>> {
        self.fill_in();
        if let Some(extractor) = &mut self.extractor {
            let resolved = extractor.resolve(tree);
            resolved.map_err(|error| vec![Fault::at("extractor", error.to_string())])?;
        }
        Ok(())
    }

    fn check(&self, inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let faults = self.faults(inputs);
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
        let targets = self.targets(ctx)?;
        Ok(self.assemble(ctx, &targets, memo))
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        let targets = self.targets(ctx)?;
        if targets.is_empty() {
            // There is nothing to draw with, and that is the model's outcome.
            return Ok(Outcome {
                status: ctx.input("model")?.status.clone(),
                ..Outcome::default()
            });
        }
        let data = match ctx.optional("data") {
            Some(node) => Some(Pack::open(node.path()).map_err(failed)?),
            None => None,
        };
        for (place, target) in targets.iter().enumerate() {
            let unit = self.unit(ctx, target);
            if ctx.memo.get(&unit, &[]).is_none() {
                let progress = |done, total| {
                    (ctx.progress)(Progress {
                        done: place as u64 * total + done,
                        total: targets.len() as u64 * total,
                        ..Progress::default()
                    });
                };
                let sheet = self.sheet(ctx, target, data.as_ref(), &progress)?;
                ctx.memo.put(&unit, self.part(&sheet)?)?;
            }
        }
        let grids = self.grids(ctx, &targets, ctx.memo).ok_or_else(lost)?;
        if self.films() {
            series::film(ctx, &grids, self.rate())?;
        }
        if self.mode == Mode::Checkpoints {
            series::stack(ctx, &grids)?;
        }
        self.assemble(ctx, &targets, ctx.memo).ok_or_else(lost)
    }
}

impl SampleConfig {
    /// Whether the images of all targets follow each other in one animation.
    fn films(&self) -> bool {
        self.animated() && self.mode != Mode::Interpolate
    }

    /// What to draw with, in order of epochs; nothing where a model diverged before its first checkpoint.
    fn targets(&self, ctx: &StageCtx<'_>) -> Result<Vec<Target>, StageError> {
        let Some(node) = ctx.optional("model") else {
            return Ok(vec![Target::Data]);
        };
        let wanted = match self.best_by() {
            Some(metric) => match best_epoch::best_epoch(ctx, metric)? {
                Some(epoch) => Checkpoints::Epochs(vec![epoch]),
                // Nothing was measured of a model that diverged before its first checkpoint.
                None => return Ok(Vec::new()),
            },
            None => self.checkpoints(),
        };
        let found = checkpoint::behind(node, &wanted)?;
        Ok(found.into_iter().map(Target::Checkpoint).collect())
    }

    /// Names one unit of work by everything its images depend on.
    fn unit(&self, ctx: &StageCtx<'_>, target: &Target) -> Digest {
        let checkpoint = match target {
            Target::Checkpoint(checkpoint) => Some(checkpoint),
            Target::Data => None,
        };
        let digest = |input: &str| ctx.optional(input).map(|node| node.artifact().digest);
        let mut facts = Map::new();
        let mut say = |name: &str, value: Value| facts.insert(name.to_owned(), value);
        say("unit", json!("sample"));
        say("version", json!(Self::VERSION));
        say(
            "model",
            json!(checkpoint.map(|checkpoint| checkpoint.digest)),
        );
        say("data", json!(digest("data")));
        say("images", json!(self.images));
        say("columns", json!(self.columns));
        say("classes", json!(self.classes));
        say("seed", json!(checkpoint.map(|_| ctx.seed)));
        say("device", json!(ctx.compute.class));
        // What is not always there is named only where it is: units without it keep their names.
        if let Some(prompts) = digest("prompts") {
            say("prompts", json!(prompts));
        }
        if let Some(condition) = &self.condition {
            say("condition", json!(condition));
        }
        if !self.average {
            say("average", json!(false));
        }
        if !self.labels {
            say("labels", json!(false));
        }
        match self.mode {
            // A frame of an animation is the grid of that checkpoint, whichever is drawn first.
            Mode::Grid | Mode::Checkpoints => {}
            Mode::Reconstruct => {
                say("mode", json!(self.mode));
            }
            Mode::Neighbours => {
                say("mode", json!(self.mode));
                say("neighbours", json!(self.neighbours()));
                say("judge", json!(digest("judge")));
                say("weights", json!(digest("weights")));
                say("extractor", json!(self.extractor));
                say("protocol", json!(self.protocol));
            }
            Mode::BestWorst => {
                say("mode", json!(self.mode));
                say("show", json!(self.show()));
                say("judge", json!(digest("judge")));
            }
            Mode::Interpolate => {
                say("mode", json!(self.mode));
                say("space", json!(self.space.unwrap_or_default()));
                say("path", json!(self.path.unwrap_or_default()));
                say("frames", json!(self.frames()));
                say("endpoints", json!(self.endpoints()));
                say("fps", json!(self.rate()));
            }
        }
        Digest::of_value(&Value::Object(facts))
    }

    fn sheet(
        &self,
        ctx: &StageCtx<'_>,
        target: &Target,
        data: Option<&Pack>,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Sheet, StageError> {
        let Target::Checkpoint(checkpoint) = target else {
            return draw::real(self, data).map(Sheet::from);
        };
        match self.mode {
            Mode::Grid | Mode::Checkpoints => {
                draw::grid(self, ctx, checkpoint, data, progress).map(Sheet::from)
            }
            Mode::Reconstruct => {
                reconstruct::sheet(self, ctx, checkpoint, data, progress).map(Sheet::from)
            }
            Mode::Neighbours => {
                neighbours::sheet(self, ctx, checkpoint, data, progress).map(Sheet::from)
            }
            Mode::BestWorst => {
                best_worst::sheet(self, ctx, checkpoint, data, progress).map(Sheet::from)
            }
            Mode::Interpolate => interpolate::sheet(self, ctx, checkpoint, data, progress),
        }
    }

    fn part(&self, sheet: &Sheet) -> Result<NewPart, StageError> {
        let image = |bytes| (Product::Bytes(bytes), Format::Image);
        let bytes = png(&sheet.images).map_err(failed)?;
        let mut objects = BTreeMap::from([(IMAGES.to_owned(), image(bytes))]);
        if !sheet.frames.is_empty() {
            let bytes = gif(&sheet.frames, self.rate()).map_err(failed)?;
            objects.insert(ANIMATION.to_owned(), image(bytes));
        }
        let row = sheet.first_row;
        let row = row.map(|(tiles, words)| ("first_row".to_owned(), json!([tiles, words])));
        Ok(NewPart {
            values: row.into_iter().collect(),
            objects,
        })
    }

    /// The object `name` of every target, if all are stored.
    fn drawn(
        &self,
        ctx: &StageCtx<'_>,
        targets: &[Target],
        memo: &dyn Memo,
        name: &str,
    ) -> Option<Vec<Artifact>> {
        let one = |target| memo.get(&self.unit(ctx, target), &[])?.objects.remove(name);
        targets.iter().map(one).collect()
    }

    /// The grid of every target, if all are stored.
    fn grids(&self, ctx: &StageCtx<'_>, targets: &[Target], memo: &dyn Memo) -> Option<Vec<Drawn>> {
        let one = |target: &Target| {
            let mut part = memo.get(&self.unit(ctx, target), &[])?;
            let rows = part.values.get("first_row").and_then(Value::as_array);
            let pixels = |at: usize| rows?.get(at)?.as_u64().map(|pixels| pixels as u32);
            Some(Drawn {
                first_row: pixels(0).zip(pixels(1)),
                artifact: part.objects.remove(IMAGES)?,
                epoch: target.epoch(),
            })
        };
        targets.iter().map(one).collect()
    }

    /// The outputs, if everything they are made of is stored.
    fn assemble(&self, ctx: &StageCtx<'_>, targets: &[Target], memo: &dyn Memo) -> Option<Outcome> {
        let images = self.grids(ctx, targets, memo)?;
        let mut outputs = BTreeMap::new();
        let mut give = |name: &str, artifact| {
            outputs.insert(name.to_owned(), Product::Stored(artifact));
        };
        if self.films() {
            let film = memo.get(&series::film_unit(&images, self.rate()), &[])?;
            give(ANIMATION, film.objects.get(ANIMATION)?.clone());
        } else if self.animated() {
            let mut animations = self.drawn(ctx, targets, memo, ANIMATION)?;
            give(ANIMATION, animations.pop()?);
        }
        if self.mode == Mode::Checkpoints {
            let sheet = memo.get(&series::stack_unit(&images), &[])?;
            give(SHEET, sheet.objects.get(SHEET)?.clone());
        }
        give(IMAGES, images.into_iter().next_back()?.artifact);
        Some(Outcome {
            outputs,
            ..Outcome::default()
        })
    }
}

fn lost() -> StageError {
    failed("images just stored cannot be read back")
}
