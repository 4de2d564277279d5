//! Which checkpoints the frames of an animation are.

use serde::Deserialize;
use serde_json::Value;

use crate::stage::checkpoint::{Checkpoints, Named};
use crate::stage::{ShownNode, Status};
use crate::train::trajectory::checkpoints;

/// The epochs that `sample`'s animation shows of `model`, a frame each; empty where its frames are something else.
pub fn epochs(sample: &ShownNode, model: &ShownNode) -> Vec<u64> {
    let setting = |node: &ShownNode, name: &str| node.with.get(name).and_then(Value::as_u64);
    let wanted = match sample.with.get("checkpoints") {
        Some(wanted) if !wanted.is_null() => Checkpoints::deserialize(wanted).ok(),
        _ => Some(Checkpoints::Named(Named::All)),
    };
    let frames_are_checkpoints = sample
        .with
        .get("mode")
        .is_some_and(|mode| mode == "checkpoints");
    let (true, Some(wanted), Some(epochs), Some(every)) = (
        frames_are_checkpoints,
        wanted,
        setting(model, "epochs"),
        setting(model, "checkpoint_every"),
    ) else {
        return Vec::new();
    };
    let reached = match model.status {
        Status::Ok => epochs,
        Status::Diverged { last_good, .. } => last_good.unwrap_or(0),
    };
    let there = checkpoints(epochs, every);
    let mut there = there.into_iter().filter(|epoch| *epoch <= reached);
    match wanted {
        Checkpoints::Named(Named::All) => there.collect(),
        Checkpoints::Named(Named::Last) => there.next_back().into_iter().collect(),
        Checkpoints::Epochs(wanted) => there.filter(|epoch| wanted.contains(epoch)).collect(),
    }
}
