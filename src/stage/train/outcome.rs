//! A node's outputs, put together from what the store keeps of its trajectory.

use std::collections::BTreeMap;

use super::config::TrainConfig;
use super::ledger::Ledger;
use crate::stage::{Outcome, Product, StageError, Status};
use crate::train::history;
use crate::train::trajectory::checkpoints;

/// The outputs of a run of `config`; `None` while something of it is missing.
pub(super) fn assemble(
    config: &TrainConfig,
    ledger: &Ledger<'_>,
) -> Result<Option<Outcome>, StageError> {
    let diverged = ledger
        .divergence()
        .filter(|(divergence, _)| divergence.epoch <= config.epochs);
    let epochs = diverged
        .as_ref()
        .map_or(config.epochs, |(divergence, _)| divergence.epoch - 1);
    let wanted = checkpoints(config.epochs, config.checkpoint_every);

    let mut outcome = Outcome::default();
    let mut files = BTreeMap::new();
    let mut chunks = Vec::new();
    let mut model = None;
    for epoch in 1..=epochs {
        let Some(kept) = ledger.epoch(epoch) else {
            return Ok(None);
        };
        chunks.push(ledger.history(&kept)?);
        if wanted.contains(&epoch) {
            let Some(artifact) = kept.model() else {
                return Ok(None);
            };
            files.insert(
                format!("epoch-{epoch:04}.safetensors"),
                Product::Stored(artifact.clone()),
            );
            model = Some((epoch, artifact.clone()));
        }
        if epoch == epochs {
            let means = kept.means().filter(|(name, _)| !name.starts_with("lr"));
            outcome.scalars = means.map(|(name, mean)| (name.clone(), mean)).collect();
        }
    }
    if let Some((divergence, partial)) = diverged {
        chunks.push(ledger.text(&partial)?);
        outcome.status = Status::Diverged {
            epoch: divergence.epoch,
            step: divergence.step,
            term: divergence.term,
            last_good: model.as_ref().map(|(epoch, _)| *epoch),
        };
    }
    let history = history::concatenate(chunks.iter().map(String::as_str));
    outcome
        .outputs
        .insert("history".to_owned(), Product::Bytes(history.into_bytes()));
    if let Some((_, artifact)) = model {
        outcome
            .outputs
            .insert("model".to_owned(), Product::Stored(artifact));
        outcome
            .outputs
            .insert("checkpoints".to_owned(), Product::Tree(files));
    }
    Ok(Some(outcome))
}
