//! What the store holds of a training run that may still be going on. Reads only.

use super::ledger::Ledger;
use crate::hash::Digest;
use crate::stage::{Artifact, Memo};
use crate::train::history;

/// The whole epochs of a trajectory, from the first on.
#[derive(Debug, Clone)]
pub struct SoFar {
    trajectory: Digest,
    /// the history of every epoch, and of the steps before a divergence
    chunks: Vec<String>,
    epochs: u64,
    newest: Option<(u64, Artifact)>,
    diverged: Option<u64>,
}

impl SoFar {
    /// Nothing yet is known of `trajectory`.
    pub fn new(trajectory: Digest) -> Self {
        Self {
            trajectory,
            chunks: Vec::new(),
            epochs: 0,
            newest: None,
            diverged: None,
        }
    }

    /// Reads the epochs that have come since, up to `last`.
    pub fn look(&mut self, memo: &dyn Memo, last: u64) {
        let ledger = Ledger::new(memo, self.trajectory);
        while self.epochs < last && self.diverged.is_none() {
            let next = self.epochs + 1;
            let Some(epoch) = ledger.epoch(next) else {
                break;
            };
            let Ok(chunk) = ledger.history(&epoch) else {
                break;
            };
            self.chunks.push(chunk);
            self.epochs = next;
            if let Some(model) = epoch.model() {
                self.newest = Some((next, model.clone()));
            }
        }
        if self.epochs < last
            && self.diverged.is_none()
            && let Some((divergence, partial)) = ledger.divergence()
            && divergence.epoch == self.epochs + 1
        {
            self.chunks.extend(ledger.text(&partial));
            self.diverged = Some(divergence.epoch);
        }
    }

    /// How many epochs are done.
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// The epoch in which a figure became NaN or infinite.
    pub fn diverged(&self) -> Option<u64> {
        self.diverged
    }

    /// The newest checkpoint: its epoch and its model.
    pub fn newest(&self) -> Option<&(u64, Artifact)> {
        self.newest.as_ref()
    }

    /// The history, CSV with a header; empty before the first epoch is done.
    pub fn history(&self) -> String {
        history::concatenate(self.chunks.iter().map(String::as_str))
    }
}
