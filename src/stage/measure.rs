//! Measuring one set of images with a judge: the work behind `kind: evaluate`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, json};

use super::generate::{BATCH, Generator, Noise, failed};
use super::judge::{Judge, Verdict};
use super::{Format, InputNode, NewPart, Product, Progress, StageCtx, StageError};
use crate::data::batch::Batch;
use crate::data::pack::Pack;
use crate::data::prompts::read_prompts;
use crate::hash::Digest;
use crate::metric::accuracy::TopK;
use crate::metric::diversity::{MOST, effective_rank, mean_distance};
use crate::metric::frechet::frechet_distance;
use crate::metric::stats::Moments;
use crate::metric::{Metric, MetricError};

/// Where images come from.
pub enum Subject<'a> {
    /// a checkpoint, drawn by fixed noise
    Generated {
        /// the model's file
        model: &'a Path,
        /// what they are drawn from
        noise: Noise,
    },
    /// the first images of a pack
    Real(&'a Path),
}

/// A judge, the reference, and how many images to take.
pub struct Measurer<'a> {
    ctx: &'a StageCtx<'a>,
    judge: Judge,
    samples: u64,
    /// whether the moving average of a generator draws, where there is one
    average: bool,
    /// conditions of generated images, one row an image, in place of the reference's labels
    prompts: Option<Vec<Vec<f32>>>,
    reference: Option<(&'a InputNode, Pack)>,
    /// moments of the reference's features, once they are needed
    moments: Option<Moments>,
}

/// What a set of metrics needs besides the moments of features.
#[derive(Debug, Clone, Copy, Default)]
struct Wants {
    labels: bool,
    features: bool,
}

/// What is gathered over the images of one subject.
#[derive(Default)]
struct Tally {
    moments: Option<Moments>,
    accuracy: TopK,
    /// the first features, where they are compared with each other
    features: Vec<f32>,
    count: u64,
}

impl<'a> Measurer<'a> {
    /// Loads judge, reference and prompts of `ctx`.
    pub fn new(ctx: &'a StageCtx<'a>, samples: u64, average: bool) -> Result<Self, StageError> {
        let judge = Judge::load(ctx.input("judge")?, &ctx.compute.device)?;
        let reference = match ctx.optional("reference") {
            Some(node) => Some((node, Pack::open(node.path()).map_err(failed)?)),
            None => None,
        };
        let prompts = ctx.optional("prompts");
        let prompts = prompts.map(|node| read_prompts(node.path(), &judge.class_names));
        Ok(Self {
            ctx,
            judge,
            samples,
            average,
            prompts: prompts.transpose()?,
            reference,
            moments: None,
        })
    }

    /// The values of `metrics` with the number of images each was computed on. `place` is which subject
    /// of how many this is.
    pub fn measure(
        &mut self,
        subject: &Subject<'_>,
        metrics: &[Metric],
        place: (u64, u64),
    ) -> Result<Vec<(f64, u64)>, StageError> {
        let wants = Wants {
            labels: metrics.contains(&Metric::Accuracy),
            features: metrics.contains(&Metric::DiversityJudge),
        };
        let tally = match subject {
            Subject::Generated { model, noise } => self.generated(model, *noise, wants, place)?,
            Subject::Real(path) => {
                let pack = Pack::open(path).map_err(failed)?;
                self.real(&pack, self.samples, wants, place)?
            }
        };
        metrics
            .iter()
            .map(|metric| {
                let too_few = || failed(MetricError::TooFew(0));
                let moments = || tally.moments.as_ref().ok_or_else(too_few);
                Ok(match metric {
                    Metric::Accuracy => (tally.accuracy.value().map_err(failed)?, tally.count),
                    Metric::FidJudge => (self.distance(moments()?)?, tally.count),
                    Metric::RankJudge => (effective_rank(moments()?).map_err(failed)?, tally.count),
                    Metric::DiversityJudge => {
                        let dimensions = moments()?.dimensions();
                        let value = mean_distance(&tally.features, dimensions).map_err(failed)?;
                        (value, tally.count.min(MOST as u64))
                    }
                })
            })
            .collect()
    }

    /// Draws and judges images whose conditions are the prompts, or the labels of the reference in turn.
    fn generated(
        &self,
        model: &Path,
        noise: Noise,
        wants: Wants,
        place: (u64, u64),
    ) -> Result<Tally, StageError> {
        let generator = Generator::load(model, &self.ctx.compute.device, self.average)?;
        let classes = self.classes(&generator)?;
        if wants.labels && !generator.conditional() {
            return Err(StageError::Failed(
                "`accuracy` needs a conditional generator: this one is not told what to draw \
                 (leave `accuracy` out of `metrics`)"
                    .to_owned(),
            ));
        }
        let reference = match &self.prompts {
            Some(_) => None,
            None => Some(&self.reference()?.1),
        };
        let label = |k: u64, row: &mut [f32]| match (&self.prompts, reference) {
            (Some(prompts), _) => {
                row.copy_from_slice(&prompts[(k % prompts.len() as u64) as usize]);
            }
            (None, Some(pack)) => pack.label_vector((k % pack.len() as u64) as usize, row),
            (None, None) => {}
        };
        let prompts = self.prompts.as_ref().map(|prompts| prompts.len() as u64);
        let samples = prompts.unwrap_or(self.samples);
        let mut tally = Tally::default();
        for first in (0..samples).step_by(BATCH) {
            self.ctx.check_cancelled()?;
            let n = BATCH.min((samples - first) as usize);
            let drawn = generator.draw(noise, first, n, &label)?;
            let verdict = self.judge.look(drawn.normalised(), drawn.shape)?;
            let mut labels = Vec::new();
            if wants.labels {
                labels = vec![0.0; n * classes];
                for (k, row) in (first..).zip(labels.chunks_exact_mut(classes)) {
                    label(k, row);
                }
            }
            self.add(&mut tally, &verdict, &labels, wants)?;
            self.progress(place, first + n as u64, samples);
        }
        Ok(tally)
    }

    /// How many classes a condition has; an error where the generator's are not those.
    fn classes(&self, generator: &Generator) -> Result<usize, StageError> {
        if self.prompts.is_none() {
            let classes = self.reference()?.1.schema().classes.len();
            if generator.conditional() && generator.classes() != classes {
                return Err(StageError::Failed(format!(
                    "the generator takes {} classes, the reference has {classes}",
                    generator.classes()
                )));
            }
            return Ok(classes);
        }
        if generator.conditional() && generator.class_names() != self.judge.class_names {
            return Err(StageError::Failed(format!(
                "the generator's classes ({}) are not the judge's ({})",
                generator.class_names().join(", "),
                self.judge.class_names.join(", ")
            )));
        }
        Ok(self.judge.classes)
    }

    /// Judges the first `samples` images of `pack` as they are.
    fn real(
        &self,
        pack: &Pack,
        samples: u64,
        wants: Wants,
        place: (u64, u64),
    ) -> Result<Tally, StageError> {
        let count = (pack.len() as u64).min(samples);
        let mut tally = Tally::default();
        for first in (0..count).step_by(BATCH) {
            self.ctx.check_cancelled()?;
            let last = count.min(first + BATCH as u64);
            let indices: Vec<u32> = (first as u32..last as u32).collect();
            let batch = Batch::of(pack, &indices).map_err(failed)?;
            let (_, channels, height, width) = batch.shape;
            let verdict = self.judge.look(batch.images, (channels, height, width))?;
            let labels = if wants.labels { &batch.labels[..] } else { &[] };
            if wants.labels && labels.is_empty() {
                return Err(failed(MetricError::NoLabels));
            }
            self.add(&mut tally, &verdict, labels, wants)?;
            self.progress(place, last, count);
        }
        Ok(tally)
    }

    fn add(
        &self,
        tally: &mut Tally,
        verdict: &Verdict,
        labels: &[f32],
        wants: Wants,
    ) -> Result<(), StageError> {
        let dimensions = verdict.dimensions;
        let moments = tally
            .moments
            .get_or_insert_with(|| Moments::new(dimensions));
        moments.extend(&verdict.features).map_err(failed)?;
        tally.count = moments.count();
        if wants.features {
            let room = (MOST * dimensions).saturating_sub(tally.features.len());
            let taken = verdict.features.len().min(room);
            tally.features.extend(&verdict.features[..taken]);
        }
        if !labels.is_empty() {
            let classes = self.judge.classes;
            tally
                .accuracy
                .extend(&verdict.scores, labels, classes)
                .map_err(failed)?;
        }
        Ok(())
    }

    fn distance(&mut self, moments: &Moments) -> Result<f64, StageError> {
        if self.moments.is_none() {
            self.moments = Some(self.reference_moments()?);
        }
        match &self.moments {
            Some(reference) => frechet_distance(moments, reference).map_err(failed),
            None => Err(failed(MetricError::TooFew(0))),
        }
    }

    /// Moments of all images of the reference: computed once for every run that shares it and the judge.
    fn reference_moments(&self) -> Result<Moments, StageError> {
        let (node, pack) = self.reference()?;
        let judge = self.ctx.input("judge")?.artifact().digest;
        let key = Digest::of_value(&json!({
            "unit": "moments of judge features",
            "version": 1,
            "data": node.artifact().digest,
            "judge": judge,
            "device": self.ctx.compute.class,
        }));
        let stored = self.ctx.memo.get(&key, &[]);
        if let Some(artifact) = stored.as_ref().and_then(|part| part.objects.get("moments")) {
            let path = self.ctx.memo.path(artifact)?;
            let bytes = std::fs::read(&path).map_err(|error| StageError::io(&path, error))?;
            return Moments::from_bytes(&bytes).map_err(failed);
        }
        let tally = self.real(pack, u64::MAX, Wants::default(), (0, 1))?;
        let moments = tally
            .moments
            .ok_or_else(|| failed(MetricError::TooFew(0)))?;
        let object = (Product::Bytes(moments.to_bytes()), Format::File);
        let part = NewPart {
            values: Map::new(),
            objects: BTreeMap::from([("moments".to_owned(), object)]),
        };
        self.ctx.memo.put(&key, part)?;
        Ok(moments)
    }

    fn reference(&self) -> Result<&(&'a InputNode, Pack), StageError> {
        let reference = self.reference.as_ref().filter(|(_, pack)| !pack.is_empty());
        reference
            .ok_or_else(|| StageError::Failed("the input `reference` holds no images".to_owned()))
    }

    fn progress(&self, (place, of): (u64, u64), done: u64, total: u64) {
        (self.ctx.progress)(Progress {
            done: place * total + done,
            total: of * total,
            ..Progress::default()
        });
    }
}
