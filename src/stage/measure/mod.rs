//! Measuring one set of images: the work behind `kind: evaluate`.
//!
//! [`images`] are real ones, `generate` draws others; an [`eye`] sees features and scores in them, a [`tally`] gathers
//! what a set of metrics needs, [`reference`] the same of the images that they are compared with, and [`value`] makes
//! numbers of both.

mod discriminator;
pub mod eye;
mod images;
mod reference;
mod tally;
mod value;

use std::path::Path;

use super::generate::{BATCH, Generator, Noise, failed};
use super::{InputNode, Progress, StageCtx, StageError};
use crate::data::image::Image;
use crate::data::prompts::read_prompts;
use crate::extract::{ExtractorSpec, Protocol};
use crate::metric::{Metric, MetricError, Needs, Request};
use discriminator::Discriminator;
pub use eye::Eye;
pub use images::Images;
pub use reference::Reference;
use tally::Tally;
use value::Values;
pub use value::{Choices, Measured};

/// Where images come from.
pub enum Subject<'a> {
    /// a checkpoint, drawn by fixed noise
    Generated {
        /// the model's file
        model: &'a Path,
        /// what they are drawn from
        noise: Noise,
    },
    /// the first images of a pack or folder
    Real(&'a InputNode),
}

/// What measures, as a stage has it.
pub struct Setting<'a> {
    /// how many images to take
    pub samples: u64,
    /// how many images of the reference at most
    pub reference_samples: Option<u64>,
    /// whether the moving average of a generator draws, where there is one
    pub average: bool,
    /// the extractor, where there is one besides the judge
    pub extractor: Option<(&'a ExtractorSpec, Protocol)>,
    /// what metrics can be told
    pub choices: Choices,
}

/// Eyes, the reference, and how many images to take.
pub struct Measurer<'a> {
    ctx: &'a StageCtx<'a>,
    setting: Setting<'a>,
    /// the extractor and the judge, once they are needed
    eyes: [Option<Eye>; 2],
    /// conditions of generated images, one row an image, in place of the reference's labels
    prompts: Option<Vec<Vec<f32>>>,
    reference: Option<Images>,
    references: [Reference; 2],
}

impl<'a> Measurer<'a> {
    /// Opens what images come from in `ctx`.
    pub fn new(ctx: &'a StageCtx<'a>, setting: Setting<'a>) -> Result<Self, StageError> {
        let mut measurer = Self {
            ctx,
            setting,
            eyes: [None, None],
            prompts: None,
            reference: ctx.optional("reference").map(Images::open).transpose()?,
            references: <[Reference; 2]>::default(),
        };
        if let Some(node) = ctx.optional("prompts") {
            // Prompts name the judge's classes.
            measurer.open_eye(1)?;
            let judge = measurer.eyes[1].as_ref();
            let names = judge
                .map(|judge| &judge.class_names[..])
                .unwrap_or_default();
            measurer.prompts = Some(read_prompts(node.path(), names)?);
        }
        Ok(measurer)
    }

    /// Loads the extractor (0) or the judge (1).
    fn open_eye(&mut self, side: usize) -> Result<(), StageError> {
        if self.eyes[side].is_some() {
            return Ok(());
        }
        let device = &self.ctx.compute.device;
        let eye = match self.setting.extractor {
            Some((spec, protocol)) if side == 0 => {
                Eye::extractor(spec, protocol, self.ctx.input("weights")?, device)
            }
            _ => Eye::judge(self.ctx.input("judge")?, device),
        };
        self.eyes[side] = Some(eye?);
        Ok(())
    }

    /// The values of `requests`, each by itself. `place` is which subject of how many this is.
    pub fn measure(
        &mut self,
        subject: &Subject<'_>,
        requests: &[Request],
        place: (u64, u64),
    ) -> Result<Vec<Result<Measured, StageError>>, StageError> {
        let real = match subject {
            Subject::Generated { .. } => None,
            Subject::Real(node) => Some(Images::open(node)?),
        };
        let count = match (&real, &self.prompts) {
            (Some(images), _) => images.len().min(self.setting.samples),
            (None, Some(prompts)) => prompts.len() as u64,
            (None, None) => self.setting.samples,
        };
        // What has too few images is told before anything looks at them, and costs the others nothing.
        let refusals: Vec<Option<StageError>> = requests
            .iter()
            .map(|request| self.refusal(*request, count))
            .collect();
        let mut needs = [None, None];
        for (request, _) in requests
            .iter()
            .zip(&refusals)
            .filter(|(_, no)| no.is_none())
        {
            let more = self.setting.choices.needs(request.metric);
            let known = &mut needs[usize::from(side_of(*request))];
            *known = Some(known.map_or(more, |known: Needs| known.with(more)));
        }
        for (side, needs) in needs.iter().enumerate() {
            if needs.is_some_and(Needs::looks) {
                self.open_eye(side)?;
            }
        }
        let tallies = match (subject, &real) {
            _ if needs == [None, None] => <[Tally; 2]>::default(),
            (Subject::Generated { model, noise }, _) => {
                self.generated(model, *noise, needs, place)?
            }
            (Subject::Real(_), Some(images)) => self.real(images, count, needs, place)?,
            (Subject::Real(_), None) => return Err(failed("internal: nothing to look at")),
        };
        for (side, needs) in needs.iter().enumerate() {
            let features = |needs: &Needs| needs.reference_moments || needs.reference_rows;
            if let Some(needs) = needs.filter(features) {
                self.prepare_reference(side, needs)?;
            }
        }
        let [ours, judges] = &tallies;
        let choices = &self.setting.choices;
        let mut sides = [
            Values::new(ours, &self.references[0], choices),
            Values::new(judges, &self.references[1], choices),
        ];
        let values = requests.iter().zip(refusals).map(|(request, refusal)| {
            let value = match refusal {
                Some(refusal) => Err(refusal),
                None => sides[usize::from(side_of(*request))]
                    .of(request.metric)
                    .map_err(failed),
            };
            value.map_err(|error| failed(format!("{}: {error}", String::from(*request))))
        });
        Ok(values.collect())
    }

    /// Why `request` cannot be computed on so many images, if it cannot.
    fn refusal(&self, request: Request, count: u64) -> Option<StageError> {
        let (metric, needs) = (request.metric, request.metric.needs());
        let least = metric.least();
        if count < least {
            let message =
                format!("{count} image(s) to measure are too few: at least {least} are needed");
            return Some(failed(message));
        }
        if !needs.reference() {
            return None;
        }
        let Some(reference) = &self.reference else {
            return Some(no_reference());
        };
        let most = self.setting.reference_samples.unwrap_or(u64::MAX);
        let others = reference.len().min(most);
        let size = self.setting.choices.subset_size;
        if others < least {
            let message = format!(
                "{others} image(s) of the reference are too few: at least {least} are needed"
            );
            return Some(failed(message));
        }
        (metric == Metric::Kid && count.min(others) < size).then(|| {
            failed(MetricError::SubsetSize {
                size: size as usize,
                generated: count as usize,
                reference: others as usize,
            })
        })
    }

    /// Sees to it that what `needs` names is known of the reference.
    fn prepare_reference(&mut self, side: usize, needs: Needs) -> Result<(), StageError> {
        let images = self.reference.as_ref().filter(|images| images.len() > 0);
        let images = images.ok_or_else(no_reference)?;
        let eye = self.eyes[side].as_ref();
        let eye = eye.ok_or_else(|| failed("internal: nothing looks at the reference"))?;
        let data = self.ctx.input("reference")?.artifact().digest;
        let most = self.setting.reference_samples;
        self.references[side].complete(self.ctx, (data, images, most), eye, needs)
    }

    /// Draws images whose conditions are the prompts, or the labels of the reference in turn, and looks at them.
    fn generated(
        &self,
        model: &Path,
        noise: Noise,
        needs: [Option<Needs>; 2],
        place: (u64, u64),
    ) -> Result<[Tally; 2], StageError> {
        let generator = Generator::load(model, &self.ctx.compute.device, self.setting.average)?;
        let labelled = needs.iter().flatten().any(|needs| needs.labels);
        let classes = self.classes(&generator)?;
        if labelled && !generator.conditional() {
            return Err(StageError::Failed(format!(
                "{} need(s) a conditional generator: this one is not told what to draw \
                 (leave out what goes by labels)",
                [Metric::Accuracy, Metric::LabelDiversity]
                    .map(|metric| format!("`{}`", metric.name()))
                    .join(" and ")
            )));
        }
        let by_reference = self.prompts.is_none() && generator.conditional();
        let reference = by_reference.then(|| self.reference()).transpose()?;
        let label = |k: u64, row: &mut [f32]| match (&self.prompts, reference) {
            (Some(prompts), _) => {
                row.copy_from_slice(&prompts[(k % prompts.len() as u64) as usize]);
            }
            (None, Some(images)) => images.label(k % images.len(), row),
            (None, None) => {}
        };
        let prompts = self.prompts.as_ref().map(|prompts| prompts.len() as u64);
        let samples = prompts.unwrap_or(self.setting.samples);
        let mut tallies = <[Tally; 2]>::default();
        let tells = needs.iter().flatten().any(|needs| needs.discriminator);
        let discriminator = || Discriminator::load(model, &self.ctx.compute.device);
        let mut discriminator = tells.then(discriminator).transpose()?;
        for first in (0..samples).step_by(BATCH) {
            self.ctx.check_cancelled()?;
            let n = BATCH.min((samples - first) as usize);
            let drawn = generator.draw(noise, first, n, &label)?.images()?;
            let mut labels = vec![0.0; n * classes];
            if classes > 0 {
                for (k, row) in (first..).zip(labels.chunks_exact_mut(classes)) {
                    label(k, row);
                }
            }
            if let Some(discriminator) = &mut discriminator {
                discriminator.look(&drawn, &labels, false)?;
                self.show_real(discriminator, first..first + n as u64)?;
            }
            let labels = if labelled { &labels[..] } else { &[] };
            self.look(&drawn, labels, &mut tallies, needs)?;
            self.progress(place, first + n as u64, samples);
        }
        // It is asked for beside the extractor's metrics.
        tallies[0].discriminator = discriminator.map(Discriminator::judged);
        Ok(tallies)
    }

    /// Shows `discriminator` the images `range` of the reference, over again where it has fewer, with their own labels.
    fn show_real(
        &self,
        discriminator: &mut Discriminator,
        range: std::ops::Range<u64>,
    ) -> Result<(), StageError> {
        let reference = self.reference()?;
        let (count, classes) = (reference.len(), reference.classes());
        discriminator.check_classes(classes)?;
        let mut images = Vec::new();
        let mut labels = vec![0.0; (range.end - range.start) as usize * classes];
        for (at, k) in range.enumerate() {
            let k = k % count;
            images.extend(reference.read(k..k + 1)?);
            reference.label(k, &mut labels[at * classes..(at + 1) * classes]);
        }
        discriminator.look(&images, &labels, true)
    }

    /// How many classes a condition has; an error where the generator's are not those.
    fn classes(&self, generator: &Generator) -> Result<usize, StageError> {
        let judge = match (&self.prompts, &self.eyes[1]) {
            (Some(_), Some(judge)) => judge,
            _ if !generator.conditional() => return Ok(0),
            _ => {
                let classes = self.reference()?.classes();
                if generator.classes() != classes {
                    return Err(StageError::Failed(format!(
                        "the generator takes {} classes, the reference has {classes}",
                        generator.classes()
                    )));
                }
                return Ok(classes);
            }
        };
        if generator.conditional() && generator.class_names() != judge.class_names {
            return Err(StageError::Failed(format!(
                "the generator's classes ({}) are not the judge's ({})",
                generator.class_names().join(", "),
                judge.class_names.join(", ")
            )));
        }
        Ok(judge.class_names.len())
    }

    /// Looks at the first `count` of `images` as they are.
    fn real(
        &self,
        images: &Images,
        count: u64,
        needs: [Option<Needs>; 2],
        place: (u64, u64),
    ) -> Result<[Tally; 2], StageError> {
        let labelled = needs.iter().flatten().any(|needs| needs.labels);
        let classes = images.classes();
        if labelled && classes == 0 {
            return Err(failed(MetricError::NoLabels));
        }
        let mut tallies = <[Tally; 2]>::default();
        for first in (0..count).step_by(BATCH) {
            self.ctx.check_cancelled()?;
            let last = count.min(first + BATCH as u64);
            let mut labels = Vec::new();
            if labelled {
                labels = vec![0.0; (last - first) as usize * classes];
                for (k, row) in (first..).zip(labels.chunks_exact_mut(classes)) {
                    images.label(k, row);
                }
            }
            self.look(&images.read(first..last)?, &labels, &mut tallies, needs)?;
            self.progress(place, last, count);
        }
        Ok(tallies)
    }

    fn look(
        &self,
        images: &[Image],
        labels: &[f32],
        tallies: &mut [Tally; 2],
        needs: [Option<Needs>; 2],
    ) -> Result<(), StageError> {
        let views: Vec<_> = images.iter().map(Image::view).collect();
        for ((eye, tally), needs) in self.eyes.iter().zip(tallies).zip(needs) {
            if let (Some(eye), Some(needs)) = (eye, needs.filter(|needs| needs.looks())) {
                let seen = eye.extractor.look(&views).map_err(failed)?;
                tally.take_in(&seen, labels, needs).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn reference(&self) -> Result<&Images, StageError> {
        let reference = self.reference.as_ref().filter(|images| images.len() > 0);
        reference.ok_or_else(no_reference)
    }

    fn progress(&self, (place, of): (u64, u64), done: u64, total: u64) {
        (self.ctx.progress)(Progress {
            done: place * total + done,
            total: of * total,
            ..Progress::default()
        });
    }
}

fn no_reference() -> StageError {
    StageError::Failed("the input `reference` holds no images".to_owned())
}

/// Whether the judge is asked.
fn side_of(request: Request) -> bool {
    request.judge || request.metric == Metric::Accuracy
}
