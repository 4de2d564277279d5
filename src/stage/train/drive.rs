//! Trains what is missing of a trajectory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::config::TrainConfig;
use super::ledger::{Divergence, Ledger, NewEpoch};
use super::prepare;
use crate::data::{Batches, Source};
use crate::stage::{Progress, StageCtx, StageError};
use crate::train::trajectory::{checkpoints, route};
use crate::train::{EpochEnd, History, Learner, Row, Task, TrainError, run_epoch};

/// Between checkpoints a resume state is saved this often, so that a kill costs no more than that.
const STATE_EVERY: Duration = Duration::from_mins(1);
/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Trains every epoch that the store lacks of the run that `config` asks for, and keeps what it makes as it
/// goes. Gives the timings.
pub(super) fn train(
    config: &TrainConfig,
    ctx: &StageCtx<'_>,
) -> Result<Map<String, Value>, StageError> {
    let ledger = Ledger::new(ctx.memo, ctx.trajectory);
    ledger.request(config.epochs)?;
    let last = match ledger.divergence() {
        Some((divergence, _)) => config.epochs.min(divergence.epoch - 1),
        None => config.epochs,
    };
    let kept = ledger.survey(last);
    let wanted = checkpoints(config.epochs, config.checkpoint_every);
    let segments = route(
        last,
        &wanted,
        &kept
            .iter()
            .map(|(epoch, part)| (*epoch, part.kept()))
            .collect(),
    );
    if segments.is_empty() {
        return Ok(Map::new());
    }

    let source = Arc::new(prepare::open(ctx, "data")?);
    let batches = Batches::new(
        Arc::clone(&source),
        ctx.seed,
        config.batch_size,
        config.drop_last,
    );
    if batches.per_epoch() == 0 {
        let (images, batch_size) = (source.pack.len(), config.batch_size);
        return Err(TrainError::NoBatch { images, batch_size }.into());
    }
    let mut run = Run {
        config,
        ctx,
        ledger: &ledger,
        task: prepare::task(config, ctx, &source.pack)?,
        batches,
        wanted,
        states: kept
            .iter()
            .filter(|(_, part)| part.state().is_some())
            .map(|(epoch, _)| *epoch)
            .collect(),
        saved: Instant::now(),
        meter: Meter::new(),
    };
    for segment in segments {
        let mut learner = run.learner(&source, segment.from)?;
        for epoch in segment.from + 1..=segment.to {
            if !run.epoch(&mut learner, epoch)? {
                return Ok(run.meter.timings());
            }
        }
    }
    Ok(run.meter.timings())
}

/// A training run in progress.
struct Run<'a> {
    config: &'a TrainConfig,
    ctx: &'a StageCtx<'a>,
    ledger: &'a Ledger<'a>,
    task: Box<dyn Task>,
    batches: Batches,
    /// epochs with a checkpoint
    wanted: BTreeSet<u64>,
    /// epochs whose resume state is kept
    states: BTreeSet<u64>,
    /// when the last state was saved
    saved: Instant,
    meter: Meter,
}

impl Run<'_> {
    /// The learner as it was after `epoch`; 0 is the start.
    fn learner(&self, source: &Source, epoch: u64) -> Result<Learner, StageError> {
        let mut learner = prepare::learner(self.config, self.ctx, &source.pack)?;
        if epoch == 0 {
            return Ok(learner);
        }
        let lost = || {
            StageError::Failed(format!(
                "the resume state of epoch {epoch} has gone; run again"
            ))
        };
        let part = self.ledger.epoch(epoch).ok_or_else(lost)?;
        let path = self.ledger.path(part.state().ok_or_else(lost)?)?;
        learner.load_state(&path)?;
        (self.ctx.log)(&format!("continuing from epoch {epoch}"));
        Ok(learner)
    }

    /// Trains one epoch and keeps it; false when the run diverged.
    fn epoch(&mut self, learner: &mut Learner, epoch: u64) -> Result<bool, StageError> {
        let (ctx, columns) = (self.ctx, self.task.columns());
        let (meter, batch_size) = (&mut self.meter, self.config.batch_size as u64);
        let total = self.config.epochs * self.batches.per_epoch() as u64;
        let started = Instant::now();
        let end = run_epoch(&*self.task, learner, &self.batches, epoch, |row| {
            ctx.check_cancelled()?;
            if let Some(images_per_second) = meter.step(batch_size) {
                (ctx.progress)(progress(row, total, images_per_second, &columns));
            }
            Ok::<(), StageError>(())
        })?;
        self.meter.training += started.elapsed();
        match end {
            EpochEnd::Done(history) => {
                self.keep(learner, epoch, &history)?;
                Ok(true)
            }
            EpochEnd::Diverged {
                history,
                step,
                term,
            } => {
                (ctx.log)(&format!(
                    "diverged at epoch {epoch}, step {step}: {term} is not finite"
                ));
                let divergence = Divergence {
                    epoch,
                    step,
                    term: term.to_owned(),
                };
                self.ledger.diverge(&divergence, history.to_csv())?;
                Ok(false)
            }
        }
    }

    fn keep(&mut self, learner: &Learner, epoch: u64, history: &History) -> Result<(), StageError> {
        let means = history.means();
        let figures: Vec<String> = means
            .iter()
            .map(|(name, mean)| format!("{name} {mean:.4}"))
            .collect();
        (self.ctx.log)(&format!("epoch {epoch}: {}", figures.join(", ")));

        let checkpoint = self.wanted.contains(&epoch);
        let mut new = NewEpoch {
            history: history.to_csv(),
            means: means
                .iter()
                .map(|(name, mean)| ((*name).to_owned(), json!(mean)))
                .collect(),
            model: None,
            state: None,
        };
        // A path of its own for each file: the store may hard-link what it takes.
        if checkpoint {
            let path = self.ctx.out.join(format!("model-{epoch}.safetensors"));
            learner.model.save(&path).map_err(TrainError::from)?;
            new.model = Some(path);
        }
        let state = checkpoint || self.saved.elapsed() >= STATE_EVERY;
        if state {
            let path = self.ctx.out.join(format!("state-{epoch}.safetensors"));
            learner.save_state(epoch, &path)?;
            new.state = Some(path);
        }
        self.ledger.keep(epoch, new)?;
        if state {
            self.saved = Instant::now();
            self.states.insert(epoch);
            self.ledger.drop_superseded(&mut self.states, epoch)?;
        }
        Ok(())
    }
}

/// What is told of a step.
fn progress(row: &Row, total: u64, images_per_second: f64, columns: &[&str]) -> Progress {
    let losses = columns
        .iter()
        .zip(&row.figures)
        .filter(|(column, _)| column.starts_with("loss"));
    Progress {
        done: row.step,
        total,
        epoch: Some(row.epoch),
        images_per_second: Some(images_per_second),
        figures: losses
            .filter_map(|(column, figure)| Some(((*column).to_owned(), f64::from((*figure)?))))
            .collect(),
    }
}

/// Counts images and time.
struct Meter {
    started: Instant,
    told: Instant,
    images: u64,
    /// time in epochs, without saving
    training: Duration,
}

impl Meter {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            told: now,
            images: 0,
            training: Duration::ZERO,
        }
    }

    /// Counts a step; images a second so far when it is time to tell.
    fn step(&mut self, images: u64) -> Option<f64> {
        self.images += images;
        if self.told.elapsed() < PROGRESS_EVERY {
            return None;
        }
        self.told = Instant::now();
        Some(self.images as f64 / self.started.elapsed().as_secs_f64())
    }

    fn timings(&self) -> Map<String, Value> {
        let mut timings = Map::new();
        timings.insert(
            "seconds".to_owned(),
            json!(self.started.elapsed().as_secs_f64()),
        );
        let rate = self.images as f64 / self.training.as_secs_f64().max(f64::MIN_POSITIVE);
        timings.insert("images_per_second".to_owned(), json!(rate));
        if let Some(bytes) = peak_memory() {
            timings.insert("peak_memory".to_owned(), json!(bytes));
        }
        timings
    }
}

/// The largest resident size of this process so far in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
