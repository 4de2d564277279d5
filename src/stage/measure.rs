//! Measuring one set of images with a judge: the work behind `kind: evaluate`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, json};

use super::generate::{BATCH, Generator, Noise, failed};
use super::judge::{Judge, Verdict};
use super::{Format, InputNode, NewPart, Product, Progress, StageCtx, StageError};
use crate::data::batch::Batch;
use crate::data::pack::Pack;
use crate::hash::Digest;
use crate::metric::accuracy::TopK;
use crate::metric::frechet::frechet_distance;
use crate::metric::stats::Moments;
use crate::metric::{Metric, MetricError};

/// Where images come from.
pub enum Subject<'a> {
    /// a checkpoint, drawn by fixed noise
    Generated {
        /// the model's file
        model: &'a Path,
        /// of the noise
        seed: u64,
    },
    /// the first images of a pack
    Real(&'a Path),
}

/// A judge, the reference, and how many images to take.
pub struct Measurer<'a> {
    ctx: &'a StageCtx<'a>,
    judge: Judge,
    samples: u64,
    reference: Option<(&'a InputNode, Pack)>,
    /// moments of the reference's features, once they are needed
    moments: Option<Moments>,
}

/// What is gathered over the images of one subject.
#[derive(Default)]
struct Tally {
    moments: Option<Moments>,
    accuracy: TopK,
    count: u64,
}

impl<'a> Measurer<'a> {
    /// Loads judge and reference of `ctx`.
    pub fn new(ctx: &'a StageCtx<'a>, samples: u64) -> Result<Self, StageError> {
        let judge = Judge::load(ctx.input("judge")?, &ctx.compute.device)?;
        let reference = match ctx.optional("reference") {
            Some(node) => Some((node, Pack::open(node.path()).map_err(failed)?)),
            None => None,
        };
        Ok(Self {
            ctx,
            judge,
            samples,
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
        let labelled = metrics.contains(&Metric::Accuracy);
        let tally = match subject {
            Subject::Generated { model, seed } => self.generated(model, *seed, labelled, place)?,
            Subject::Real(path) => {
                let pack = Pack::open(path).map_err(failed)?;
                self.real(&pack, self.samples, labelled, place)?
            }
        };
        metrics
            .iter()
            .map(|metric| {
                let value = match metric {
                    Metric::Accuracy => tally.accuracy.value().map_err(failed)?,
                    Metric::FidJudge => self.distance(tally.moments.as_ref())?,
                };
                Ok((value, tally.count))
            })
            .collect()
    }

    /// Draws and judges images whose conditions are the labels of the reference, in turn.
    fn generated(
        &self,
        model: &Path,
        seed: u64,
        labelled: bool,
        place: (u64, u64),
    ) -> Result<Tally, StageError> {
        let generator = Generator::load(model, &self.ctx.compute.device, true)?;
        let (_, reference) = self.reference()?;
        let classes = reference.schema().classes.len();
        if generator.conditional() && generator.classes() != classes {
            return Err(StageError::Failed(format!(
                "the generator takes {} classes, the reference has {classes}",
                generator.classes()
            )));
        }
        if labelled && !generator.conditional() {
            return Err(StageError::Failed(
                "`accuracy` needs a conditional generator: this one is not told what to draw \
                 (leave `accuracy` out of `metrics`)"
                    .to_owned(),
            ));
        }
        let label = |k: u64, row: &mut [f32]| {
            reference.label_vector((k % reference.len() as u64) as usize, row);
        };
        let mut tally = Tally::default();
        for first in (0..self.samples).step_by(BATCH) {
            self.ctx.check_cancelled()?;
            let n = BATCH.min((self.samples - first) as usize);
            let drawn = generator.draw(Noise::first(seed), first, n, &label)?;
            let verdict = self.judge.look(drawn.normalised(), drawn.shape)?;
            let mut labels = Vec::new();
            if labelled {
                labels = vec![0.0; n * classes];
                for (k, row) in (first..).zip(labels.chunks_exact_mut(classes)) {
                    label(k, row);
                }
            }
            self.add(&mut tally, &verdict, &labels)?;
            self.progress(place, first + n as u64, self.samples);
        }
        Ok(tally)
    }

    /// Judges the first `samples` images of `pack` as they are.
    fn real(
        &self,
        pack: &Pack,
        samples: u64,
        labelled: bool,
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
            let labels = if labelled { &batch.labels[..] } else { &[] };
            if labelled && labels.is_empty() {
                return Err(failed(MetricError::NoLabels));
            }
            self.add(&mut tally, &verdict, labels)?;
            self.progress(place, last, count);
        }
        Ok(tally)
    }

    fn add(&self, tally: &mut Tally, verdict: &Verdict, labels: &[f32]) -> Result<(), StageError> {
        let dimensions = verdict.dimensions;
        let moments = tally
            .moments
            .get_or_insert_with(|| Moments::new(dimensions));
        moments.extend(&verdict.features).map_err(failed)?;
        tally.count = moments.count();
        if !labels.is_empty() {
            let classes = self.judge.classes;
            tally
                .accuracy
                .extend(&verdict.scores, labels, classes)
                .map_err(failed)?;
        }
        Ok(())
    }

    fn distance(&mut self, moments: Option<&Moments>) -> Result<f64, StageError> {
        let moments = moments.ok_or_else(|| failed(MetricError::TooFew(0)))?;
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
        let tally = self.real(pack, u64::MAX, false, (0, 1))?;
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
