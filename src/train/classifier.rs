//! The task `classifier`: one network, one descent step a batch.

use std::sync::Arc;

use super::error::TrainError;
use super::history::Row;
use super::learner::Learner;
use super::{Step, Task, not_finite};
use crate::autograd::Value;
use crate::data::{Batch, Source};
use crate::loss::ClassifierLoss;
use crate::model::{Inputs, Mode};

const NETWORK: &str = "classifier";

const COLUMNS: &[&str] = &["loss", "accuracy", "lr", "grad_norm"];
const VALIDATION: &[&str] = &["loss_validation", "accuracy_validation"];

/// See the module.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// what the network minimises
    pub loss: ClassifierLoss,
    /// seeds dropout
    pub seed: u64,
    /// images to measure loss and accuracy on after every epoch
    pub validation: Option<Arc<Source>>,
    /// validation images that pass at once
    pub batch_size: usize,
}

/// Loss and accuracy over some images.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Score {
    loss: f32,
    accuracy: f32,
}

impl Classifier {
    fn forward(&self, learner: &Learner, batch: &Batch, mode: Mode) -> Result<Value, TrainError> {
        let (samples, channels, height, width) = batch.shape;
        let images = learner.tensor(&batch.images, &[samples, channels, height, width])?;
        let inputs = Inputs::new()
            .with("image", &images)
            .noise(self.seed, learner.samples);
        let network = learner.network(NETWORK)?;
        Ok(match mode {
            Mode::Train => network.forward(&inputs, mode)?,
            Mode::Eval => network.forward_frozen(&inputs, mode)?,
        })
    }

    /// Loss and accuracy on the validation images, each seen once, as they are.
    fn validate(&self, learner: &Learner, source: &Source) -> Result<Score, TrainError> {
        let images = source.pack.len();
        let indices: Vec<u32> = (0..images as u32).collect();
        let (mut loss, mut found) = (0.0, Found::default());
        for chunk in indices.chunks(self.batch_size.max(1)) {
            let batch = Batch::of(&source.pack, chunk)?;
            let logits = self.forward(learner, &batch, Mode::Eval)?;
            let value = self.loss.value(&logits, &batch.labels, &batch.classes)?;
            loss += f64::from(value.tensor().to_scalar::<f32>()?) * chunk.len() as f64;
            found.count(
                &logits.tensor().flatten_all()?.to_vec1()?,
                &batch.labels,
                logits.tensor().dim(1)?,
            );
        }
        Ok(Score {
            loss: (loss / images as f64) as f32,
            accuracy: found.share(),
        })
    }
}

impl Task for Classifier {
    fn columns(&self) -> Vec<&'static str> {
        match self.validation {
            None => COLUMNS.to_vec(),
            Some(_) => [COLUMNS, VALIDATION].concat(),
        }
    }

    fn step(&self, learner: &mut Learner, batch: &Batch) -> Result<Step, TrainError> {
        let logits = self.forward(learner, batch, Mode::Train)?;
        let loss = self.loss.value(&logits, &batch.labels, &batch.classes)?;
        let value = loss.tensor().to_scalar::<f32>()?;
        if let Some(diverged) = not_finite(&[("loss", value)]) {
            return Ok(diverged);
        }
        let norm = learner.descend(&[NETWORK], loss)?.norm;
        if let Some(diverged) = not_finite(&[("grad_norm", norm)]) {
            return Ok(diverged);
        }
        let mut found = Found::default();
        found.count(
            &logits.tensor().flatten_all()?.to_vec1()?,
            &batch.labels,
            logits.tensor().dim(1)?,
        );
        let mut figures = [value, found.share(), learner.lr(NETWORK) as f32, norm]
            .map(Some)
            .to_vec();
        figures.resize(self.columns().len(), None);
        Ok(Step::Done(figures))
    }

    fn finish_epoch(&self, learner: &Learner, last: &mut Row) -> Result<(), TrainError> {
        if let Some(source) = &self.validation {
            let score = self.validate(learner, source)?;
            last.figures.truncate(COLUMNS.len());
            last.figures
                .extend([Some(score.loss), Some(score.accuracy)]);
        }
        Ok(())
    }
}

/// Labels found among as many best guesses as an image has labels; with one label an image this is plain
/// accuracy.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    right: u64,
    asked: u64,
}

impl Found {
    /// Takes in `logits` (N, K) against `labels` (N, K); of equal logits the lower class wins.
    fn count(&mut self, logits: &[f32], labels: &[f32], classes: usize) {
        let mut ranking: Vec<usize> = Vec::with_capacity(classes);
        for (logits, labels) in logits
            .chunks_exact(classes)
            .zip(labels.chunks_exact(classes))
        {
            let asked = labels.iter().filter(|&&label| label > 0.5).count();
            ranking.clear();
            ranking.extend(0..classes);
            ranking.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
            self.right += ranking[..asked]
                .iter()
                .filter(|&&class| labels[class] > 0.5)
                .count() as u64;
            self.asked += asked as u64;
        }
    }

    /// In [0, 1]; 0 when no label was asked for.
    fn share(self) -> f32 {
        self.right as f32 / self.asked.max(1) as f32
    }
}
