//! `kind: evaluate`: metrics of a model's images, or of real ones.
//!
//! Work is done in units of (checkpoint, metric), each remembered by what it depends on: a longer run or
//! another metric computes what is new and nothing else. The images of one checkpoint are drawn once for all
//! metrics that are missing.

mod config;
mod rows;

use std::collections::BTreeMap;

use serde_json::json;

use super::checkpoint::{self, Checkpoint, Checkpoints, Named};
use super::generate::Noise;
use super::measure::eye::extractor_digest;
use super::measure::{Measured, Measurer, Subject};
use super::{
    DataSchema, Fault, Format, InputNode, InputSchemas, InputSpec, Kind, Memo, NewPart, Outcome,
    OutputSpec, StageCtx, StageError,
};
use crate::extract::spec::check_digest;
use crate::extract::{ExtractorSpec, FEATURES_VERSION, Protocol};
use crate::hash::Digest;
use crate::metric::document::Metrics;
use crate::metric::{Metric, Request};
use crate::worktree::WorkTree;
pub use config::EvaluateConfig;
use rows::{About, outcome};

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
            Self::Data(node) => Subject::Real(node),
        }
    }
}

impl Kind for EvaluateConfig {
    const NAME: &'static str = "evaluate";
    const VERSION: u32 = 3;

    fn inputs(&self) -> Vec<InputSpec> {
        let images = [Format::Data, Format::Folder, Format::File];
        vec![
            checkpoint::input(&[Format::Data]),
            InputSpec::optional("data", &images),
            InputSpec::optional("reference", &images),
            InputSpec::optional("judge", &[Format::Model, Format::File]),
            InputSpec::optional("weights", &[Format::File, Format::Model]),
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

    fn resolve(&mut self, tree: &WorkTree) -> Result<(), Vec<Fault>> {
        if self.asks(Metric::Kid) {
            self.subset_size = Some(self.subset_size());
        }
        if self.asks(Metric::DiscriminatorAccuracy) {
            self.score_bins = Some(self.score_bins());
        }
        let Some(extractor) = &mut self.extractor else {
            for request in &mut self.metrics {
                request.judge = request.metric.takes_sides();
            }
            return Ok(());
        };
        let spec = extractor
            .resolve(tree)
            .map_err(|error| vec![Fault::at("extractor", error.to_string())])?;
        if let Some(features) = self.features.take() {
            spec.take_features(features)
                .map_err(|error| vec![Fault::at("features", error.to_string())])?;
        }
        if let Some(digest) = self.weights_sha256.take() {
            check_digest(&digest)
                .map_err(|error| vec![Fault::at("weights_sha256", error.to_string())])?;
            spec.weights.sha256 = Some(digest.to_lowercase());
        }
        self.protocol.get_or_insert_default();
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

    fn warnings(&self) -> Vec<String> {
        let Some((spec, _)) = self.extractor() else {
            return Vec::new();
        };
        let features = spec.dimensions().unwrap_or(0) as u64;
        let asks = |request: &Request| request.metric == Metric::Fid && !request.judge;
        let few = self.samples <= features && self.metrics.iter().any(asks);
        let warning = format!(
            "{} images for {features} features: their Fréchet distance is far too large, and compares with that of as many \
             images only",
            self.samples
        );
        few.then_some(warning).into_iter().collect()
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
        let extractor = self.extractor_digest(ctx)?;
        let mut measurer = None;
        let drawn = |target| (0..self.draws_of(target)).map(move |draw| (target, draw));
        let units: Vec<(&Target<'_>, u64)> = targets.iter().flat_map(drawn).collect();
        for (place, (target, draw)) in units.iter().copied().enumerate() {
            let mut missing: Vec<(Request, Digest)> = Vec::new();
            for request in &self.metrics {
                let unit = self.unit(ctx, extractor, target, (*request, draw));
                if ctx.memo.get(&unit, &[]).is_none() {
                    missing.push((*request, unit));
                }
            }
            if missing.is_empty() {
                continue;
            }
            let measurer = match &mut measurer {
                Some(measurer) => measurer,
                none => none.insert(Measurer::new(ctx, self.setting())?),
            };
            let done = (place as u64, units.len() as u64);
            let seed = ctx.seed;
            let subject = target.subject(Noise { seed, draw });
            let requests: Vec<Request> = missing.iter().map(|(request, _)| *request).collect();
            let values = measurer.measure(&subject, &requests, done)?;
            let mut refused = None;
            for ((request, unit), measured) in missing.into_iter().zip(values) {
                let measured = match measured {
                    Ok(measured) => measured,
                    Err(error) => {
                        refused.get_or_insert(error);
                        continue;
                    }
                };
                let part = NewPart {
                    values: measured.to_values(),
                    objects: BTreeMap::new(),
                };
                ctx.memo.put(&unit, part)?;
                self.tell(ctx, target, request, draw, &measured);
            }
            // What could be computed is kept all the same.
            if let Some(error) = refused {
                return Err(error);
            }
        }
        self.assemble(ctx, &targets, ctx.memo)?.ok_or_else(|| {
            StageError::Failed("a metric just stored cannot be read back".to_owned())
        })
    }
}

impl EvaluateConfig {
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
    fn unit(
        &self,
        ctx: &StageCtx<'_>,
        extractor: Option<Digest>,
        target: &Target<'_>,
        (request, draw): (Request, u64),
    ) -> Digest {
        let seed = match target {
            Target::Checkpoint(_) => Some(ctx.seed),
            Target::Data(_) => None,
        };
        let mut facts = json!({
            "unit": "evaluate",
            "version": Self::VERSION,
            "protocol": self.protocol_of(request),
            "metric": String::from(request),
            "of": target.digest(),
            "extractor": self.eye(ctx, extractor, request),
            "reference": digest(ctx, "reference"),
            "samples": self.samples,
            "seed": seed,
            "device": ctx.compute.class,
            "features": FEATURES_VERSION,
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
        // It changes no value, but a file that is not the one expected must be found out.
        if let Some((spec, _)) = self.extractor_of(request) {
            facts["weights_sha256"] = json!(spec.weights.sha256);
        }
        if let Some(most) = self.reference_samples {
            facts["reference_samples"] = json!(most);
        }
        if request.metric == Metric::Kid {
            facts["subset_size"] = json!(self.subset_size());
        }
        if request.metric == Metric::DiscriminatorAccuracy {
            facts["score_bins"] = json!(self.score_bins());
        }
        if let (Metric::Fid, Some(times)) = (request.metric, self.bootstrap) {
            facts["bootstrap"] = json!(times);
        }
        Digest::of_value(&facts)
    }

    /// Digest of the extractor with its weights, where there is one: it has many layers, and is named once for all units.
    fn extractor_digest(&self, ctx: &StageCtx<'_>) -> Result<Option<Digest>, StageError> {
        let named = self.extractor().map(|(spec, _)| {
            let weights = ctx.input("weights")?.artifact().digest;
            extractor_digest(spec, weights)
        });
        named.transpose()
    }

    /// Digest of what looks at the images; `extractor` is that of the extractor.
    fn eye(
        &self,
        ctx: &StageCtx<'_>,
        extractor: Option<Digest>,
        request: Request,
    ) -> Option<Digest> {
        match request.metric {
            Metric::DiscriminatorAccuracy => None,
            _ if self.extractor_of(request).is_some() => extractor,
            _ => digest(ctx, "judge"),
        }
    }

    /// The extractor that `request` is computed on; none: the judge.
    fn extractor_of(&self, request: Request) -> Option<(&ExtractorSpec, Protocol)> {
        self.extractor()
            .filter(|_| request.metric.takes_sides() && !request.judge)
    }

    /// The metric's name in results: `fid` is that of Inception's usual features and no other.
    fn name_of(&self, request: Request) -> String {
        let name = String::from(request);
        match self.extractor_of(request) {
            Some((spec, _)) => spec.metric_name(&name),
            None => name,
        }
    }

    /// How a value of `request` is computed.
    fn protocol_of(&self, request: Request) -> String {
        let how = request.metric.protocol();
        let needs = request.metric.needs();
        let scores = needs.scores || needs.guesses;
        match self.extractor_of(request) {
            Some((spec, protocol)) => {
                let tap = match &spec.scores {
                    Some(tap) if scores => tap,
                    _ => &spec.features,
                };
                format!("{how}, {} {tap}, {protocol}", spec.name)
            }
            None if request.metric == Metric::DiscriminatorAccuracy => how.to_owned(),
            None if scores => format!("{how}, uint8 images, judge logits/1"),
            None => format!("{how}, uint8 images, judge features/1"),
        }
    }

    /// Says in the log what was found, and what to think of it.
    fn tell(
        &self,
        ctx: &StageCtx<'_>,
        target: &Target<'_>,
        request: Request,
        draw: u64,
        measured: &Measured,
    ) {
        let name = self.name_of(request);
        let epoch = target
            .epoch()
            .map_or_else(String::new, |epoch| format!(" of epoch {epoch}"));
        let draw = match draw {
            0 => String::new(),
            draw => format!(", draw {draw}"),
        };
        (ctx.log)(&format!("{name}{epoch}{draw}: {}", measured.value));
        if let Some(small) = measured.small {
            (ctx.log)(&format!(
                "{name}{epoch}{draw}: {}",
                small.said(measured.value)
            ));
        }
    }

    /// The outputs, if every unit is stored.
    fn assemble(
        &self,
        ctx: &StageCtx<'_>,
        targets: &[Target<'_>],
        memo: &dyn Memo,
    ) -> Result<Option<Outcome>, StageError> {
        let extractor = self.extractor_digest(ctx)?;
        let mut metrics = Metrics::default();
        for request in self.metrics.iter().copied() {
            for target in targets {
                let mut stored = Vec::new();
                for draw in 0..self.draws_of(target) {
                    let part = memo.get(&self.unit(ctx, extractor, target, (request, draw)), &[]);
                    let measured = part.and_then(|part| Measured::from_values(&part.values));
                    let Some(measured) = measured else {
                        return Ok(None);
                    };
                    stored.push(measured);
                }
                let metric = request.metric;
                let reference = match target {
                    _ if metric.needs().reference() => digest(ctx, "reference"),
                    Target::Data(_) if metric.needs().labels => Some(target.digest()),
                    // What the images were told to show.
                    Target::Checkpoint(_) => digest(ctx, "prompts").or(digest(ctx, "reference")),
                    Target::Data(_) => digest(ctx, "reference"),
                };
                let about = About {
                    name: self.name_of(request),
                    metric,
                    epoch: target.epoch(),
                    extractor: self.eye(ctx, extractor, request),
                    reference,
                    protocol: self.marked(request, target),
                };
                metrics.rows.extend(about.rows(&stored));
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

    /// Real images are marked: they are a ceiling to compare with, not a rival of the models.
    fn marked(&self, request: Request, target: &Target<'_>) -> String {
        let mut protocol = self.protocol_of(request);
        let needs = request.metric.needs();
        let by_features = needs.reference_moments || needs.reference_rows;
        if let (Some(most), true) = (self.reference_samples, by_features) {
            protocol += &format!("; first {most} of the reference");
        }
        if request.metric == Metric::Kid {
            let size = self.subset_size();
            protocol += &format!("; subsets of {size}");
        }
        match target {
            Target::Checkpoint(_) => protocol,
            Target::Data(_) => protocol + "; real images",
        }
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
