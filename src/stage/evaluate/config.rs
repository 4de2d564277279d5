//! The settings of an evaluate stage, and what can be wrong with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extract::{ExtractorRef, ExtractorSpec, Protocol};
use crate::metric::{Metric, Request};
use crate::stage::checkpoint::Checkpoints;
use crate::stage::defaults::{is_one, is_yes, one, yes};
use crate::stage::measure::{Choices, Setting};
use crate::stage::{DataSchema, Fault, InputSchemas};

/// Settings of an evaluate stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateConfig {
    /// What to compute, on features of `extractor`, or where there is none of the input `judge`; `NAME-judge` takes the
    /// judge's in any case.
    pub metrics: Vec<Request>,
    /// The network whose features are compared, with its weights as input `weights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extractor: Option<ExtractorRef>,
    /// How images are prepared for the extractor; `torch-fidelity` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Which features of the extractor are compared: the name of a tap, in place of its usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<String>,
    /// The digest that the file of weights must have, in place of the extractor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_sha256: Option<String>,
    /// Which checkpoints of `model`: `last`, `all`, or a list of epochs.
    #[serde(default)]
    pub checkpoints: Checkpoints,
    /// How many images to generate, with an input `prompts` one a prompt instead; of an input `data`, how many of its
    /// first images to take.
    #[serde(default = "default_samples")]
    pub samples: u64,
    /// How many of the reference's first images to compare with; all if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_samples: Option<u64>,
    /// How many times to generate the images, each time from other noise: the mean is the metric's value, and its
    /// standard deviation and the best are given beside it as `NAME-sd` and `NAME-top`.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub draws: u64,
    /// Whether to draw with the moving average of the generator, where the model has one.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub average: bool,
    /// `kid`: images in each of its 100 random subsets; 1000 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset_size: Option<u64>,
    /// `fid`: how many times to draw the images anew, with replacement, for an interval of 95 %, given as `fid-low` and
    /// `fid-high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<u64>,
    /// `d-accuracy`: bars of the histogram of the discriminator's scores, 2 to 200; 40 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_bins: Option<u64>,
}

/// More draws than this are a slip.
const MOST_DRAWS: u64 = 1000;

/// Images in a subset of `kid`, as in torch-fidelity.
const SUBSET_SIZE: u64 = 1000;

/// Bars of a histogram of scores.
const SCORE_BINS: u64 = 40;
const MOST_BINS: std::ops::RangeInclusive<u64> = 2..=200;

/// How often images may be drawn anew for an interval.
const RESAMPLES: std::ops::RangeInclusive<u64> = 10..=1000;

fn default_samples() -> u64 {
    1000
}

impl EvaluateConfig {
    /// The extractor, once resolved, and how images are prepared for it.
    pub fn extractor(&self) -> Option<(&ExtractorSpec, Protocol)> {
        let spec = self.extractor.as_ref()?.spec()?;
        Some((spec, self.protocol.unwrap_or_default()))
    }

    /// What whoever measures wants to know.
    pub(in crate::stage) fn setting(&self) -> Setting<'_> {
        Setting {
            samples: self.samples,
            reference_samples: self.reference_samples,
            average: self.average,
            extractor: self.extractor(),
            choices: self.choices(),
        }
    }

    /// Images in a subset of `kid`.
    pub(in crate::stage) fn subset_size(&self) -> u64 {
        self.subset_size.unwrap_or(SUBSET_SIZE)
    }

    fn choices(&self) -> Choices {
        Choices {
            subset_size: self.subset_size(),
            bootstrap: self.bootstrap,
            score_bins: self.score_bins(),
        }
    }

    /// Bars of a histogram of scores.
    pub(in crate::stage) fn score_bins(&self) -> u64 {
        self.score_bins.unwrap_or(SCORE_BINS)
    }

    /// Whether `metric` is among the wanted.
    pub(in crate::stage) fn asks(&self, metric: Metric) -> bool {
        self.metrics.iter().any(|request| request.metric == metric)
    }

    /// Whether any metric is the judge's.
    fn asks_judge(&self) -> bool {
        let judged = |request: &Request| request.judge || request.metric == Metric::Accuracy;
        self.metrics.iter().any(judged)
    }

    /// What is wrong with it.
    pub fn faults(&self, inputs: &InputSchemas) -> Vec<Fault> {
        let mut faults = self.check_values();
        faults.extend(self.check_inputs(inputs));
        if let Some(judge) = inputs.get("judge").filter(|_| self.asks_judge()) {
            let by_labels = self.asks(Metric::Accuracy);
            for (name, other) in inputs.iter().filter(|(name, _)| *name != "judge") {
                faults.extend(misfit(name, other, judge, by_labels));
            }
        }
        faults
    }

    fn check_values(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.metrics.is_empty() {
            let names = Metric::ALL.map(Metric::name).join(", ");
            faults.push(
                Fault::at("metrics", "nothing to compute").help(format!("name one of {names}")),
            );
        }
        for (index, request) in self.metrics.iter().enumerate() {
            if self.metrics[..index].contains(request) {
                let message = format!("`{}` is named twice", String::from(*request));
                faults.push(Fault::at(&format!("metrics.{index}"), message));
            }
        }
        let least = self.metrics.iter().map(|request| request.metric.least());
        let least = least.max().unwrap_or(1);
        if self.samples < least {
            let message = format!(
                "{} samples are too few: at least {least} are needed",
                self.samples
            );
            faults.push(Fault::at("samples", message));
        }
        if self
            .reference_samples
            .is_some_and(|samples| samples < least)
        {
            let message = format!("too few: at least {least} are needed");
            faults.push(Fault::at("reference_samples", message));
        }
        if !(1..=MOST_DRAWS).contains(&self.draws) {
            let message = format!("{} draws: the range is 1 to {MOST_DRAWS}", self.draws);
            faults.push(Fault::at("draws", message));
        }
        faults.extend(self.check_choices());
        faults.extend(self.checkpoints.faults());
        faults
    }

    /// Settings that only some metrics have.
    fn check_choices(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let size = self.subset_size();
        if self.asks(Metric::Kid) {
            let fewest = self.reference_samples.unwrap_or(u64::MAX).min(self.samples);
            if size < 2 {
                faults.push(Fault::at("subset_size", "a subset has at least 2 images"));
            } else if fewest < size {
                let message =
                    format!("`kid` takes subsets of {size}, and there are {fewest} images");
                let help = format!("take more samples, or say `subset_size: {fewest}`");
                faults.push(Fault::at("samples", message).help(help));
            }
        } else if self.subset_size.is_some() {
            faults.push(Fault::at("subset_size", "only `kid` has subsets"));
        }
        if self.score_bins.is_some() && !self.asks(Metric::DiscriminatorAccuracy) {
            faults.push(Fault::at(
                "score_bins",
                "only `d-accuracy` has a histogram of scores",
            ));
        } else if !MOST_BINS.contains(&self.score_bins()) {
            let message = format!("{} bars: the range is 2 to 200", self.score_bins());
            faults.push(Fault::at("score_bins", message));
        }
        if self.bootstrap.is_some() && self.draws > 1 {
            let message = "an interval is of one draw, and there are several";
            faults.push(Fault::at("bootstrap", message).help("leave out `bootstrap` or `draws`"));
        }
        match self.bootstrap {
            Some(_) if !self.asks(Metric::Fid) => {
                faults.push(Fault::at("bootstrap", "only `fid` has an interval"));
            }
            Some(times) if !RESAMPLES.contains(&times) => {
                let message = format!(
                    "{times} times: the range is {} to {}",
                    RESAMPLES.start(),
                    RESAMPLES.end()
                );
                faults.push(Fault::at("bootstrap", message));
            }
            _ => {}
        }
        if let Some((spec, _)) = self.extractor() {
            let scored =
                |request: &Request| request.metric == Metric::InceptionScore && !request.judge;
            if spec.scores.is_none() && self.metrics.iter().any(scored) {
                let message = format!("`is` needs scores, and {} gives features alone", spec.name);
                let help = "take `inception-v3`, or `is-judge` for the judge's";
                faults.push(Fault::at("metrics", message).help(help));
            }
            return faults;
        }
        let given = [
            ("protocol", self.protocol.is_some()),
            ("features", self.features.is_some()),
            ("weights_sha256", self.weights_sha256.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given) {
            let message =
                "there is no `extractor` that it is about: a judge sees images as it was trained";
            faults.push(Fault::at(name, message));
        }
        faults
    }

    fn check_inputs(&self, inputs: &InputSchemas) -> Vec<Fault> {
        let mut faults = Vec::new();
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
        let compared = |request: &Request| request.metric.needs().reference();
        if !has("reference") && (told || self.metrics.iter().any(compared)) {
            faults.push(
                Fault::at("metrics", "there is no input `reference` to compare with")
                    .help("name the data that the model was trained on, as in `inputs: {reference: scaled}`"),
            );
        }
        if has("data") && self.asks(Metric::DiscriminatorAccuracy) {
            let message = "`d-accuracy` is of a model's discriminator, and there is no model";
            faults.push(Fault::at("metrics", message).help("give the stage an input `model`"));
        }
        if !has("judge") && self.asks_judge() {
            let message = "there is no input `judge` whose features and scores these metrics take";
            let help = "train one with `task: classifier`, or name an `extractor` (inception-v3, vgg16, efficientnet-lite0)";
            faults.push(Fault::at("metrics", message).help(help));
        }
        match (self.extractor(), has("weights")) {
            (Some((spec, _)), false) => {
                let message = format!("{} needs its weights as input `weights`", spec.name);
                let help = format!(
                    "`inputs: {{weights: \"file:PATH\"}}`; {}",
                    spec.how_to_get()
                );
                faults.push(Fault::at("extractor", message).help(help));
            }
            (None, true) => {
                let message = "there is no `extractor` that these weights are for";
                faults.push(Fault::at("", message).help("`extractor: inception-v3`, for one"));
            }
            _ => {}
        }
        faults
    }
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
