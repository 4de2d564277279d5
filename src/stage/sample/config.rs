//! The settings of a sample stage, and what can be wrong with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extract::{ExtractorRef, ExtractorSpec, Protocol};
use crate::report::animation::RATES;
use crate::stage::checkpoint::{Checkpoints, Named};
use crate::stage::defaults::{is_default, is_yes, yes};
use crate::stage::{Fault, InputSchemas};

/// Settings of a sample stage. Which of them apply depends on `mode`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleConfig {
    /// What is drawn.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: Mode,
    /// How many images; with an input `prompts` one a prompt instead.
    #[serde(default = "default_images")]
    pub images: u64,
    /// How many in a row; the number of classes with `classes: each`, 10 in a strip of interpolations, else 8.
    #[serde(default)]
    pub columns: Option<u64>,
    /// Which checkpoint of `model`: `last`, an epoch, or `best: METRIC` by the input `scores`.
    #[serde(default)]
    pub checkpoint: Which,
    /// What a conditional generator is told to draw.
    #[serde(default)]
    pub classes: Prompts,
    /// The names of the classes that every image shows, in place of `classes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Vec<String>>,
    /// `checkpoints`, `reconstruct`: the checkpoints whose images follow each other in an animation: `all`, or a
    /// list of epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Checkpoints>,
    /// `interpolate`: the space to move in; `z` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    /// `interpolate`: the way from one endpoint to the next; `lerp` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Way>,
    /// `interpolate`: frames of the animation, both ends included; 60 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// `interpolate`: the samples to pass through, by their numbers, or how many of the first; 2 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// Frames a second of an animation, 1 to 50; 20 for `interpolate`, else 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<u32>,
    /// `neighbours`: how many of the nearest images of `data` stand beside each; 5 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<u64>,
    /// `neighbours`: the network whose features say what is near, with its weights as input `weights`; the input `judge`
    /// if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extractor: Option<ExtractorRef>,
    /// `neighbours`: how images are prepared for the extractor; `torch-fidelity` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// `best-worst`: how many of each; 8 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<u64>,
    /// Whether it is written below images what they were to show, where classes have names, and how near or how good
    /// they are.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub labels: bool,
    /// Whether to draw with the moving average of the networks, where the model has one.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub average: bool,
}

fn default_images() -> u64 {
    64
}

/// What a sample stage draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// images side by side
    #[default]
    Grid,
    /// the way from one sample to another: a strip, and an animation
    Interpolate,
    /// the same grid at every checkpoint: the last, an animation, and a sheet with a row a checkpoint
    Checkpoints,
    /// images of `data` above what a VAE makes of them; with `checkpoints` also an animation
    Reconstruct,
    /// each image beside the images of `data` that are nearest to it: what a model has learnt by heart shows
    Neighbours,
    /// of many images those that the judge is surest of, and those that it finds the least of what they were to show in
    BestWorst,
}

/// A space that images are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// the noise
    #[default]
    Z,
    /// what the network `mapping` makes of it
    W,
}

/// A way between two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// the straight line
    #[default]
    Lerp,
    /// the great circle (Shoemake 1985)
    Slerp,
}

/// The samples that an interpolation passes through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a number of samples or a list of their numbers"
)]
pub enum Endpoints {
    /// the first so many
    Count(u64),
    /// these, counted from 0
    Samples(Vec<u64>),
}

impl Endpoints {
    fn count(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Samples(samples) => samples.len() as u64,
        }
    }

    /// The samples' numbers.
    pub fn samples(&self) -> Vec<u64> {
        match self {
            Self::Count(count) => (0..*count).collect(),
            Self::Samples(samples) => samples.clone(),
        }
    }
}

/// One checkpoint of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected `last`, an epoch or `best: METRIC`, as in `checkpoint: {best: fid}`"
)]
pub enum Which {
    /// by name
    Named(Last),
    /// after this epoch, counted from 1
    Epoch(u64),
    /// where a metric is at its best
    Best(Best),
}

/// The checkpoint with the best value of a metric; the earliest of equals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// the metric's name in the input `scores`
    pub best: String,
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
    /// the input `prompts`, else the labels of the first images of the input `data`
    #[default]
    Data,
    /// every class in turn: one column a class
    Each,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Interpolate => "interpolate",
            Self::Checkpoints => "checkpoints",
            Self::Reconstruct => "reconstruct",
            Self::Neighbours => "neighbours",
            Self::BestWorst => "best-worst",
        }
    }

    /// Settings that apply to it and not to every mode.
    const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Grid => &["condition", "labels"],
            Self::Interpolate => &["condition", "space", "path", "frames", "endpoints", "fps"],
            Self::Checkpoints => &["condition", "checkpoints", "fps", "labels"],
            Self::Reconstruct => &["checkpoints", "fps"],
            Self::Neighbours => &["condition", "neighbours", "extractor", "protocol", "labels"],
            Self::BestWorst => &["condition", "show", "labels"],
        }
    }
}

/// More neighbours than this cannot be seen beside an image.
const MOST_NEIGHBOURS: u64 = 50;

/// More of the best and worst are no choice of them.
const MOST_SHOWN: u64 = 100;

/// The most frames of an animation; all are held in memory at once.
const MOST_FRAMES: u64 = 2000;

impl SampleConfig {
    /// Whether there is an animation.
    pub fn animated(&self) -> bool {
        match self.mode {
            Mode::Grid | Mode::Neighbours | Mode::BestWorst => false,
            Mode::Interpolate | Mode::Checkpoints => true,
            Mode::Reconstruct => self.checkpoints.is_some(),
        }
    }

    /// Fills in defaults, so that leaving a setting out and writing its default give one key.
    pub fn fill_in(&mut self) {
        match self.mode {
            Mode::Grid | Mode::Reconstruct => {}
            Mode::BestWorst => self.show = Some(self.show()),
            Mode::Neighbours => {
                self.neighbours = Some(self.neighbours());
                if self.extractor.is_some() {
                    self.protocol.get_or_insert_default();
                }
            }
            Mode::Interpolate => {
                self.space.get_or_insert_default();
                self.path.get_or_insert_default();
                self.frames = Some(self.frames());
                self.endpoints = Some(self.endpoints());
            }
            Mode::Checkpoints => {
                self.checkpoints
                    .get_or_insert(Checkpoints::Named(Named::All));
            }
        }
        if self.animated() {
            self.fps = Some(self.rate());
        }
    }

    /// The resolved extractor, and how images are prepared for it.
    pub fn extractor(&self) -> Option<(&ExtractorSpec, Protocol)> {
        let spec = self.extractor.as_ref()?.spec()?;
        Some((spec, self.protocol.unwrap_or_default()))
    }

    /// Images of `data` beside each.
    pub fn neighbours(&self) -> u64 {
        self.neighbours.unwrap_or(5)
    }

    /// Images among the best, and among the worst.
    pub fn show(&self) -> u64 {
        self.show.unwrap_or(8)
    }

    /// The metric whose best checkpoint draws.
    pub fn best_by(&self) -> Option<&str> {
        match (&self.checkpoints, self.mode, &self.checkpoint) {
            (Some(_), ..) | (None, Mode::Checkpoints, _) => None,
            (None, _, Which::Best(Best { best })) => Some(best),
            _ => None,
        }
    }

    /// Frames of an interpolation.
    pub fn frames(&self) -> u64 {
        self.frames.unwrap_or(60)
    }

    /// The samples that an interpolation passes through.
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints.clone().unwrap_or(Endpoints::Count(2))
    }

    /// Frames a second of the animation.
    pub fn rate(&self) -> u32 {
        let usual = if self.mode == Mode::Interpolate {
            20
        } else {
            2
        };
        self.fps.unwrap_or(usual)
    }

    /// The checkpoints to draw with; by [`SampleConfig::best_by`] where that names a metric.
    pub fn checkpoints(&self) -> Checkpoints {
        match (&self.checkpoints, self.mode, &self.checkpoint) {
            (Some(checkpoints), ..) => checkpoints.clone(),
            (None, Mode::Checkpoints, _) => Checkpoints::Named(Named::All),
            (None, _, Which::Named(_) | Which::Best(_)) => Checkpoints::Named(Named::Last),
            (None, _, Which::Epoch(epoch)) => Checkpoints::Epochs(vec![*epoch]),
        }
    }

    /// What is wrong with it.
    pub fn faults(&self, inputs: &InputSchemas) -> Vec<Fault> {
        let mut faults = self.misplaced();
        let has = |name: &str| inputs.contains_key(name);
        match self.mode {
            Mode::Grid if !has("model") && !has("data") => faults.push(
                Fault::at("", "there is nothing to sample from")
                    .help("give the stage an input `model`, or `data` for a grid of real images"),
            ),
            Mode::Grid => {}
            mode if !has("model") => faults.push(
                Fault::at("mode", format!("`{}` needs a model", mode.name()))
                    .help("give the stage an input `model`"),
            ),
            Mode::Neighbours if !has("data") => faults.push(
                Fault::at(
                    "mode",
                    "`neighbours` needs images to look for neighbours in",
                )
                .help("give the stage the training images as input `data`"),
            ),
            Mode::Neighbours => faults.extend(self.eye_faults(inputs)),
            Mode::BestWorst if !has("judge") => faults.push(
                Fault::at("mode", "`best-worst` needs a judge of what is good").help(
                    "give the stage an input `judge`: a model trained with `task: classifier`",
                ),
            ),
            Mode::BestWorst if !(1..=MOST_SHOWN).contains(&self.show()) => {
                let message = format!("the range is 1 to {MOST_SHOWN}");
                faults.push(Fault::at("show", message));
            }
            Mode::Reconstruct if !has("data") => faults.push(
                Fault::at("mode", "`reconstruct` needs images to reconstruct")
                    .help("give the stage an input `data`"),
            ),
            _ => {}
        }
        if self.images == 0 {
            faults.push(Fault::at("images", "a grid has at least one image"));
        }
        match (self.columns, self.mode) {
            (Some(0), _) => faults.push(Fault::at("columns", "a grid has at least one column")),
            (Some(1), Mode::Interpolate) => {
                faults.push(Fault::at("columns", "a strip has at least two columns"));
            }
            _ => {}
        }
        if self.checkpoint == Which::Epoch(0) {
            faults.push(Fault::at("checkpoint", "epochs count from 1"));
        }
        match (self.best_by(), has("scores")) {
            (Some(metric), false) => {
                let message =
                    format!("there is no input `scores` that says where `{metric}` is best");
                let help = "name the evaluation of the model, as in `inputs: {scores: scores}`";
                faults.push(Fault::at("checkpoint", message).help(help));
            }
            (None, true) => {
                let message = "no checkpoint is chosen by the input `scores`";
                faults.push(Fault::at("", message).help("`checkpoint: {best: fid}`, for one"));
            }
            _ => {}
        }
        if self.condition.as_ref().is_some_and(Vec::is_empty) {
            faults.push(Fault::at("condition", "no class is named"));
        }
        if let Some(checkpoints) = &self.checkpoints {
            faults.extend(checkpoints.faults());
        }
        let frames = self.frames();
        if !(2..=MOST_FRAMES).contains(&frames) {
            let message = format!("{frames} frames: the range is 2 to {MOST_FRAMES}");
            faults.push(Fault::at("frames", message));
        }
        let ends = self.endpoints().count();
        if !(2..=MOST_FRAMES).contains(&ends) {
            let message = format!("{ends} endpoints: at least 2 are needed, {MOST_FRAMES} at most");
            faults.push(Fault::at("endpoints", message));
        }
        if !RATES.contains(&self.rate()) {
            let message = format!("{} frames a second: the range is 1 to 50", self.rate());
            faults.push(Fault::at("fps", message));
        }
        faults
    }

    /// What is wrong with whoever says what is near.
    fn eye_faults(&self, inputs: &InputSchemas) -> Option<Fault> {
        let has = |name: &str| inputs.contains_key(name);
        if !(1..=MOST_NEIGHBOURS).contains(&self.neighbours()) {
            let message = format!("the range is 1 to {MOST_NEIGHBOURS}");
            return Some(Fault::at("neighbours", message));
        }
        match self.extractor() {
            Some((spec, _)) if !has("weights") => {
                let message = format!("{} needs its weights as input `weights`", spec.name);
                Some(Fault::at("extractor", message).help(spec.how_to_get()))
            }
            None if !has("judge") => {
                let message = "`neighbours` needs a network whose features say what is near";
                let help = "give the stage an input `judge`, or an `extractor` with its `weights`";
                Some(Fault::at("mode", message).help(help))
            }
            _ => None,
        }
    }

    /// Settings that do not apply to the mode.
    fn misplaced(&self) -> Vec<Fault> {
        let given = [
            ("condition", self.condition.is_some()),
            ("checkpoints", self.checkpoints.is_some()),
            ("space", self.space.is_some()),
            ("path", self.path.is_some()),
            ("frames", self.frames.is_some()),
            ("endpoints", self.endpoints.is_some()),
            (
                "columns",
                self.columns.is_some() && self.mode == Mode::Neighbours,
            ),
            ("neighbours", self.neighbours.is_some()),
            ("extractor", self.extractor.is_some()),
            ("protocol", self.protocol.is_some()),
            ("show", self.show.is_some()),
            ("labels", !self.labels),
            ("fps", self.fps.is_some() && !self.animated()),
        ];
        let apply = self.mode.settings();
        let wrong = |(setting, given): &(&str, bool)| match *setting {
            // It applies to an animation, which there need not be.
            "fps" => *given,
            setting => *given && !apply.contains(&setting),
        };
        let mode = self.mode.name();
        given
            .into_iter()
            .filter(wrong)
            .map(|(setting, _)| {
                let message = format!("`{setting}` does not apply to `mode: {mode}`");
                Fault::at(setting, message)
            })
            .collect()
    }
}
