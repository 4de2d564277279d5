//! `kind: evaluate`: metrics of a model's images, or of real ones.
//!
//! Work is done in units of (checkpoint, metric), each remembered by what it depends on: a longer run or
//! another metric computes what is new and nothing else. The images of one checkpoint are drawn once for all
//! metrics that are missing.

mod rows;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::checkpoint::{self, Checkpoint, Checkpoints, Named};
use super::defaults::{is_one, is_yes, one, yes};
use super::generate::Noise;
use super::measure::{Measurer, Subject};
use super::{
    DataSchema, Fault, Format, InputNode, InputSchemas, InputSpec, Kind, Memo, NewPart, Outcome,
    OutputSpec, StageCtx, StageError,
};
use crate::hash::Digest;
use crate::metric::Metric;
use crate::metric::document::Metrics;
use rows::{About, outcome};

/// Settings of an evaluate stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateConfig {
    /// What to compute.
    pub metrics: Vec<Metric>,
    /// Which checkpoints of `model`: `last`, `all`, or a list of epochs.
    #[serde(default)]
    pub checkpoints: Checkpoints,
    /// How many images to generate, with an input `prompts` one a prompt instead; of an input `data`, how many of its
    /// first images to take.
    #[serde(default = "default_samples")]
    pub samples: u64,
    /// How many times to generate the images, each time from other noise: the mean is the metric's value, and its
    /// standard deviation and the best are given beside it as `NAME-sd` and `NAME-top`.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub draws: u64,
    /// Whether to draw with the moving average of the generator, where the model has one.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub average: bool,
}

/// More draws than this are a slip.
const MOST_DRAWS: u64 = 1000;

fn default_samples() -> u64 {
    1000
}

/// What is measured: a checkpoint's images, or a data artifact's.
enum Target<'a> {
    Checkpoint(Checkpoint),
    Data(&'a InputNode),
}

impl Target<'_> {
    fn epoch(&self) -> Option<u64> {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.epoch,
            Self::Data(_) => None,
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.digest,
            Self::Data(node) => node.artifact().digest,
        }
    }

    fn subject(&self, noise: Noise) -> Subject<'_> {
        match self {
            Self::Checkpoint(checkpoint) => Subject::Generated {
                model: &checkpoint.path,
                noise,
            },
            Self::Data(node) => Subject::Real(node.path()),
        }
    }
}

impl Kind for EvaluateConfig {
    const NAME: &'static str = "evaluate";
    const VERSION: u32 = 2;

    fn inputs(&self) -> Vec<InputSpec> {
        vec![
            InputSpec::required("judge", &[Format::Model, Format::File]),
            checkpoint::input(&[Format::Data]),
            InputSpec::optional("data", &[Format::Data]),
            InputSpec::optional("reference", &[Format::Data]),
            InputSpec::optional("prompts", &[Format::File, Format::Json]),
        ]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        vec![
            OutputSpec::new("metrics", Format::Json),
            OutputSpec::new("table", Format::Table),
        ]
    }

    fn uses_seed(&self) -> bool {
        true
    }

    fn uses_device(&self) -> bool {
        true
    }

    fn check(&self, inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let mut faults = self.check_values();
        let has = |name: &str| inputs.contains_key(name);
        if has("model") == has("data") {
            faults.push(
                Fault::at(
                    "",
                    "an evaluate stage measures either a model's images or real ones",
                )
                .help("give it one of the inputs `model` and `data`"),
            );
        }
        let told = has("model") && !has("prompts");
        if !has("reference") && (told || self.metrics.contains(&Metric::FidJudge)) {
            faults.push(
                Fault::at("metrics", "there is no input `reference` to compare with")
                    .help("name the data that the model was trained on, as in `inputs: {reference: scaled}`"),
            );
        }
        if let Some(judge) = inputs.get("judge") {
            let by_labels = self.metrics.contains(&Metric::Accuracy);
            for (name, other) in inputs.iter().filter(|(name, _)| *name != "judge") {
                faults.extend(misfit(name, other, judge, by_labels));
            }
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
        let targets = self.targets(ctx)?;
        self.assemble(ctx, &targets, memo)
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        let targets = self.targets(ctx)?;
        let mut measurer = None;
        let drawn = |target| (0..self.draws_of(target)).map(move |draw| (target, draw));
        let units: Vec<(&Target<'_>, u64)> = targets.iter().flat_map(drawn).collect();
        for (place, (target, draw)) in units.iter().copied().enumerate() {
            let missing: Vec<Metric> = self
                .metrics
                .iter()
                .copied()
                .filter(|metric| {
                    let unit = self.unit(ctx, target, *metric, draw);
                    ctx.memo.get(&unit, &[]).is_none()
                })
                .collect();
            if missing.is_empty() {
                continue;
            }
            let measurer = match &mut measurer {
                Some(measurer) => measurer,
                none => none.insert(Measurer::new(ctx, self.samples, self.average)?),
            };
            let done = (place as u64, units.len() as u64);
            let seed = ctx.seed;
            let subject = target.subject(Noise { seed, draw });
            let values = measurer.measure(&subject, &missing, done)?;
            for (metric, (value, samples)) in missing.iter().zip(values) {
                // As text: it reads back to the same bits, which JSON numbers need not.
                let values = Map::from_iter([
                    ("value".to_owned(), Value::from(value.to_string())),
                    ("samples".to_owned(), Value::from(samples)),
                ]);
                let part = NewPart {
                    values,
                    objects: BTreeMap::new(),
                };
                ctx.memo.put(&self.unit(ctx, target, *metric, draw), part)?;
                let epoch = target
                    .epoch()
                    .map_or_else(String::new, |e| format!(" of epoch {e}"));
                let draw = match draw {
                    0 => String::new(),
                    draw => format!(", draw {draw}"),
                };
                (ctx.log)(&format!("{}{epoch}{draw}: {value}", metric.name()));
            }
        }
        self.assemble(ctx, &targets, ctx.memo)?.ok_or_else(|| {
            StageError::Failed("a metric just stored cannot be read back".to_owned())
        })
    }
}

impl EvaluateConfig {
    fn check_values(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.metrics.is_empty() {
            let names = Metric::ALL.map(Metric::name).join(", ");
            faults.push(
                Fault::at("metrics", "nothing to compute").help(format!("name one of {names}")),
            );
        }
        for (index, metric) in self.metrics.iter().enumerate() {
            if self.metrics[..index].contains(metric) {
                let path = format!("metrics.{index}");
                faults.push(Fault::at(
                    &path,
                    format!("`{}` is named twice", metric.name()),
                ));
            }
        }
        let least = self
            .metrics
            .iter()
            .map(|metric| metric.least())
            .max()
            .unwrap_or(1);
        if self.samples < least {
            faults.push(Fault::at(
                "samples",
                format!(
                    "{} samples are too few: at least {least} are needed",
                    self.samples
                ),
            ));
        }
        if !(1..=MOST_DRAWS).contains(&self.draws) {
            let message = format!("{} draws: the range is 1 to {MOST_DRAWS}", self.draws);
            faults.push(Fault::at("draws", message));
        }
        faults.extend(self.checkpoints.faults());
        faults
    }

    /// What to measure, in order of epochs. Of a model that diverged the checkpoints before that.
    fn targets<'a>(&self, ctx: &'a StageCtx<'_>) -> Result<Vec<Target<'a>>, StageError> {
        let real = |node: &&InputNode| format(node) == Some(Format::Data);
        let data = ctx.optional("data").or(ctx.optional("model").filter(real));
        if let Some(node) = data {
            return Ok(vec![Target::Data(node)]);
        }
        let found = checkpoint::behind(ctx.input("model")?, &self.checkpoints)?;
        Ok(found.into_iter().map(Target::Checkpoint).collect())
    }

    /// How often a target's images are made; real images are what they are.
    fn draws_of(&self, target: &Target<'_>) -> u64 {
        match target {
            Target::Checkpoint(_) => self.draws,
            Target::Data(_) => 1,
        }
    }

    /// Names one unit of work by everything its value depends on.
    fn unit(&self, ctx: &StageCtx<'_>, target: &Target<'_>, metric: Metric, draw: u64) -> Digest {
        let seed = match target {
            Target::Checkpoint(_) => Some(ctx.seed),
            Target::Data(_) => None,
        };
        let mut facts = json!({
            "unit": "evaluate",
            "version": Self::VERSION,
            "protocol": metric.protocol(),
            "metric": metric.name(),
            "of": target.digest(),
            "judge": digest(ctx, "judge"),
            "reference": digest(ctx, "reference"),
            "samples": self.samples,
            "seed": seed,
            "device": ctx.compute.class,
        });
        // What is not always there is named only where it is: units without it keep their names.
        if draw > 0 {
            facts["draw"] = json!(draw);
        }
        if !self.average {
            facts["average"] = json!(false);
        }
        if let Some(prompts) = digest(ctx, "prompts") {
            facts["prompts"] = json!(prompts);
        }
        Digest::of_value(&facts)
    }

    /// The outputs, if every unit is stored.
    fn assemble(
        &self,
        ctx: &StageCtx<'_>,
        targets: &[Target<'_>],
        memo: &dyn Memo,
    ) -> Result<Option<Outcome>, StageError> {
        let mut metrics = Metrics::default();
        for metric in self.metrics.iter().copied() {
            for target in targets {
                let draws = 0..self.draws_of(target);
                let stored = draws.map(|draw| {
                    let part = memo.get(&self.unit(ctx, target, metric, draw), &[])?;
                    let value = part.values.get("value").and_then(Value::as_str)?;
                    let samples = part.values.get("samples").and_then(Value::as_u64)?;
                    Some((value.parse().ok()?, samples))
                });
                let Some(stored) = stored.collect::<Option<Vec<(f64, u64)>>>() else {
                    return Ok(None);
                };
                let reference = match (metric, target) {
                    (Metric::Accuracy, Target::Data(_)) => Some(target.digest()),
                    (_, Target::Checkpoint(_)) if metric != Metric::FidJudge => {
                        // What the images were told to show.
                        digest(ctx, "prompts").or(digest(ctx, "reference"))
                    }
                    _ => digest(ctx, "reference"),
                };
                let about = About {
                    metric,
                    epoch: target.epoch(),
                    samples: stored.first().map_or(0, |(_, samples)| *samples),
                    extractor: digest(ctx, "judge"),
                    reference,
                    protocol: protocol(metric, target),
                };
                let values: Vec<f64> = stored.into_iter().map(|(value, _)| value).collect();
                metrics.rows.extend(about.rows(&values));
            }
        }
        // Rows of one metric stand together, whatever the number of draws.
        metrics.group();
        outcome(
            &metrics,
            self.checkpoints != Checkpoints::Named(Named::Last),
        )
        .map(Some)
    }
}

/// Real images are marked: they are a ceiling to compare with, not a rival of the models.
fn protocol(metric: Metric, target: &Target<'_>) -> String {
    match target {
        Target::Checkpoint(_) => metric.protocol().to_owned(),
        Target::Data(_) => format!("{}; real images", metric.protocol()),
    }
}

fn digest(ctx: &StageCtx<'_>, input: &str) -> Option<Digest> {
    let node = ctx.optional(input)?;
    node.outputs
        .get(&node.selected)
        .map(|artifact| artifact.digest)
}

fn format(node: &InputNode) -> Option<Format> {
    node.outputs
        .get(&node.selected)
        .map(|artifact| artifact.format)
}

/// What is known to differ between the judge's training data and another input.
fn misfit(name: &str, other: &DataSchema, judge: &DataSchema, by_labels: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut differ = |what: &str, other: Option<String>, judge: Option<String>| {
        if let (Some(other), Some(judge)) = (other, judge)
            && other != judge
        {
            faults.push(
                Fault::at(
                    "",
                    format!("`{name}` has {other} {what}, but the judge was trained on {judge}"),
                )
                .help("train the judge on data of the same form"),
            );
        }
    };
    let text = |n: usize| n.to_string();
    differ(
        "channels",
        other.channels.map(text),
        judge.channels.map(text),
    );
    let size = |(height, width)| format!("{height}×{width}");
    differ("pixels", other.size.map(size), judge.size.map(size));
    // Distances need no labels.
    if by_labels {
        differ(
            "classes",
            other.classes.filter(|n| *n > 0).map(text),
            judge.classes.map(text),
        );
    }
    faults
}
