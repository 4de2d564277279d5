//! Training: tasks, optimisers, history, resume states, and the rule of trajectories.
//!
//! A [`Task`] makes optimiser steps on a [`Learner`], which holds everything that a step changes: networks,
//! optimisers, counters. A learner saved after an epoch and restored goes on with the same bytes as
//! one that never stopped, because randomness comes from streams indexed by its counters.

mod average;
mod classifier;
mod critic;
mod epoch;
mod error;
mod gan;
mod gradients;
pub mod history;
mod in_place;
mod learner;
mod optimiser;
mod schedule;
mod state;
pub mod trajectory;
mod vae;

pub use average::{AVERAGE, Average};
pub use classifier::Classifier;
pub use critic::{CriticSteps, WarmUp};
pub use epoch::{EpochEnd, run_epoch, run_step};
pub use error::TrainError;
pub use gan::{Auxiliary, ClipScope, Gan, LabelNoise, Penalty, Points, WeightClip};
pub use gradients::Gradients;
pub use history::{History, Row};
pub use learner::{Descent, GradientClip, Learner, Training};
pub use optimiser::{Adam, Optimiser, OptimiserSpec, RmsProp, Sgd, WeightDecay};
pub use schedule::{Decay, Schedule, Unit};
pub use vae::Vae;

use crate::data::Batch;

/// What a model is trained for: how a batch becomes optimiser steps, and what is measured on the way.
pub trait Task: Sync {
    /// The history's columns after `step` and `epoch`.
    fn columns(&self) -> Vec<&'static str>;

    /// One step of every network on `batch`.
    fn step(&self, learner: &mut Learner, batch: &Batch) -> Result<Step, TrainError>;

    /// Completes the figures of an epoch's last step with what is measured once an epoch.
    fn finish_epoch(&self, learner: &Learner, last: &mut Row) -> Result<(), TrainError> {
        let _ = (learner, last);
        Ok(())
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// One figure a column of the task.
    Done(Vec<Option<f32>>),
    /// A loss or gradient became NaN or infinite.
    Diverged {
        /// the column that did
        term: &'static str,
    },
}

/// The step has diverged in the first of `terms` that is not finite, if one is.
fn not_finite(terms: &[(&'static str, f32)]) -> Option<Step> {
    let bad = terms.iter().find(|(_, value)| !value.is_finite());
    bad.map(|(term, _)| Step::Diverged { term })
}
