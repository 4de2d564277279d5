//! One epoch of a task over the data.

use super::error::TrainError;
use super::history::{History, Row};
use super::learner::Learner;
use super::{Step, Task};
use crate::data::{Batch, Batches};

/// How an epoch ended.
#[derive(Debug, Clone, PartialEq)]
pub enum EpochEnd {
    /// every batch was seen
    Done(History),
    /// a figure became NaN or infinite
    Diverged {
        /// the steps of the epoch before that
        history: History,
        /// the step it happened at
        step: u64,
        /// the history's column that did
        term: &'static str,
    },
}

/// One step of `task` on a thread of rayon's pool, where a parallel loop starts without a hand-over from one
/// thread to another.
pub fn run_step(task: &dyn Task, learner: &mut Learner, batch: &Batch) -> Result<Step, TrainError> {
    rayon::scope(|_| task.step(learner, batch))
}

/// Trains for epoch `epoch` (from 1). `each_step` is told of every step, and ends the epoch by an error.
///
/// Not to be called on a thread of rayon's global pool: it waits for batches that the pool assembles.
pub fn run_epoch<E: From<TrainError>>(
    task: &dyn Task,
    learner: &mut Learner,
    batches: &Batches,
    epoch: u64,
    mut each_step: impl FnMut(&Row) -> Result<(), E>,
) -> Result<EpochEnd, E> {
    let columns = task.columns();
    let mut history = History::new(&columns);
    learner.epochs = epoch - 1;
    for batch in batches.prefetch(epoch - 1, 0) {
        let batch = batch.map_err(TrainError::from)?;
        let step = learner.steps + 1;
        let figures = match run_step(task, learner, &batch)? {
            Step::Done(figures) => figures,
            Step::Diverged { term } => {
                return Ok(EpochEnd::Diverged {
                    history,
                    step,
                    term,
                });
            }
        };
        learner.steps = step;
        learner.samples += batch.indices.len() as u64;
        let row = Row {
            step,
            epoch,
            figures,
        };
        each_step(&row)?;
        history.push(row);
    }
    if let Some(mut last) = history.pop() {
        task.finish_epoch(learner, &mut last)?;
        let figures = columns.iter().zip(&last.figures);
        let mut bad =
            figures.filter(|(_, figure)| figure.is_some_and(|figure| !figure.is_finite()));
        if let Some((term, _)) = bad.next() {
            return Ok(EpochEnd::Diverged {
                history,
                step: last.step,
                term,
            });
        }
        history.push(last);
    }
    Ok(EpochEnd::Done(history))
}
