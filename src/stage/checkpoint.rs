//! The checkpoints behind a `model` input.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fault, Format, InputNode, InputSpec, StageError, Status};
use crate::hash::Digest;

/// Outputs of a train stage that [`behind`] reads.
const MODEL: &str = "model";
const CHECKPOINTS: &str = "checkpoints";

/// `last` or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// the model at the end of training
    Last,
    /// every checkpoint
    All,
}

/// Which checkpoints to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected `last`, `all` or a list of epochs")]
pub enum Checkpoints {
    /// by name
    Named(Named),
    /// these epochs, counted from 1
    Epochs(Vec<u64>),
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self::Named(Named::Last)
    }
}

impl Checkpoints {
    /// What is wrong with it as the setting `checkpoints`.
    pub fn faults(&self) -> Vec<Fault> {
        let Self::Epochs(epochs) = self else {
            return Vec::new();
        };
        if epochs.is_empty() {
            return vec![Fault::at("checkpoints", "no epoch is named")];
        }
        let wrong =
            |(index, epoch): &(usize, &u64)| **epoch == 0 || epochs[..*index].contains(epoch);
        let named = epochs.iter().enumerate();
        named
            .filter(wrong)
            .map(|(index, epoch)| {
                Fault::at(
                    &format!("checkpoints.{index}"),
                    format!("epoch {epoch}: epochs count from 1, each is named once"),
                )
            })
            .collect()
    }
}

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// after which epoch; unknown for a model that is a file of the user's
    pub epoch: Option<u64>,
    /// digest of the file
    pub digest: Digest,
    /// where it lies
    pub path: PathBuf,
}

/// The optional input `model`: a train stage or a file, or one of the other `formats`.
pub fn input(formats: &[Format]) -> InputSpec {
    InputSpec {
        reads: vec![MODEL, CHECKPOINTS],
        ..InputSpec::optional(MODEL, &[&[Format::Model, Format::File], formats].concat())
    }
}

/// The checkpoints that `wanted` names, in order of epochs. Of a run that diverged those that exist, which
/// may be none.
pub fn behind(node: &InputNode, wanted: &Checkpoints) -> Result<Vec<Checkpoint>, StageError> {
    let files = files(node)?;
    let diverged = matches!(node.status, Status::Diverged { .. });
    match wanted {
        Checkpoints::Named(Named::Last) => {
            last(node, &files).map(|last| last.into_iter().collect())
        }
        Checkpoints::Named(Named::All) if files.is_empty() => {
            last(node, &files).map(|last| last.into_iter().collect())
        }
        Checkpoints::Named(Named::All) => files.iter().map(read).collect(),
        Checkpoints::Epochs(epochs) => {
            let mut epochs = epochs.clone();
            epochs.sort_unstable();
            let found = |epoch: &u64| files.iter().find(|(there, _)| there == epoch);
            if let Some(missing) = epochs
                .iter()
                .find(|epoch| found(epoch).is_none() && !diverged)
            {
                return Err(StageError::Failed(no_such(node, *missing, &files)));
            }
            epochs.iter().filter_map(found).map(read).collect()
        }
    }
}

/// The end of training; of a run that diverged its last checkpoint.
fn last(node: &InputNode, files: &[(u64, PathBuf)]) -> Result<Option<Checkpoint>, StageError> {
    let output = |name: &str| Some((node.outputs.get(name)?, node.paths.get(name)?));
    // A file of the user's stands under a name of its own.
    let file = || output(&node.selected).filter(|_| node.selected != CHECKPOINTS);
    match (output(MODEL).or_else(file), files.last()) {
        (Some((artifact, path)), newest) => Ok(Some(Checkpoint {
            epoch: newest.map(|(epoch, _)| *epoch),
            digest: artifact.digest,
            path: path.clone(),
        })),
        (None, Some(newest)) => read(newest).map(Some),
        (None, None) => Ok(None),
    }
}

fn read((epoch, path): &(u64, PathBuf)) -> Result<Checkpoint, StageError> {
    Ok(Checkpoint {
        epoch: Some(*epoch),
        digest: Digest::of_file(path).map_err(|error| StageError::io(path, error))?,
        path: path.clone(),
    })
}

/// `epoch-0001.safetensors` … in the folder of checkpoints, by epoch; none where there is no such folder.
fn files(node: &InputNode) -> Result<Vec<(u64, PathBuf)>, StageError> {
    let Some(folder) = node.paths.get(CHECKPOINTS) else {
        return Ok(Vec::new());
    };
    let io = |error| StageError::io(folder, error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let epoch = stem.and_then(|stem| stem.strip_prefix("epoch-")?.parse().ok());
        files.extend(epoch.map(|epoch: u64| (epoch, path)));
    }
    files.sort();
    Ok(files)
}

fn no_such(node: &InputNode, missing: u64, files: &[(u64, PathBuf)]) -> String {
    let there: Vec<String> = files.iter().map(|(epoch, _)| epoch.to_string()).collect();
    let there = match there.as_slice() {
        [] => "it has no checkpoints".to_owned(),
        there => format!("it has those of epochs {}", there.join(", ")),
    };
    format!(
        "{} has no checkpoint of epoch {missing}: {there} (see its `checkpoint_every`)",
        node.node
    )
}
