//! What the store keeps of a trajectory: one part an epoch, one for each requested length, and one for
//! a divergence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::hash::Digest;
use crate::stage::{Artifact, Format, Memo, NewPart, Part, Product, StageError};
use crate::train::trajectory::{Kept, superseded};

const HISTORY: &str = "history";
const MODEL: &str = "model";
const STATE: &str = Part::RESUME;

/// The parts of one trajectory.
pub(super) struct Ledger<'a> {
    memo: &'a dyn Memo,
    trajectory: Digest,
}

/// Where a trajectory ends because a figure became NaN or infinite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Divergence {
    /// the epoch it happened in
    pub epoch: u64,
    /// the step
    pub step: u64,
    /// the history's column
    pub term: String,
}

/// What is to be kept of an epoch.
pub(super) struct NewEpoch {
    /// its history, CSV with header
    pub history: String,
    /// the means of its history's columns
    pub means: Map<String, Value>,
    /// the model's file, at a checkpoint
    pub model: Option<PathBuf>,
    /// the resume state's file, where one is wanted
    pub state: Option<PathBuf>,
}

/// What is kept of an epoch.
pub(super) struct Epoch(Part);

impl Epoch {
    /// The means of its history's columns.
    pub fn means(&self) -> impl Iterator<Item = (&String, f64)> {
        self.0
            .values
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_f64()?)))
    }

    /// The model after it, at a checkpoint.
    pub fn model(&self) -> Option<&Artifact> {
        self.0.objects.get(MODEL)
    }

    /// The resume state after it, where it is still kept.
    pub fn state(&self) -> Option<&Artifact> {
        self.0.objects.get(STATE)
    }

    /// As the trajectory's rule sees it.
    pub fn kept(&self) -> Kept {
        Kept {
            model: self.model().is_some(),
            state: self.state().is_some(),
        }
    }
}

impl<'a> Ledger<'a> {
    pub fn new(memo: &'a dyn Memo, trajectory: Digest) -> Self {
        Self { memo, trajectory }
    }

    fn key(&self, part: &str, value: impl Serialize) -> Digest {
        Digest::of_value(&json!({"trajectory": self.trajectory, part: value}))
    }

    /// What is kept of `epoch`.
    pub fn epoch(&self, epoch: u64) -> Option<Epoch> {
        self.memo
            .get(&self.key("epoch", epoch), &[MODEL, STATE])
            .map(Epoch)
    }

    /// What is kept of epochs 1 … `epochs`.
    pub fn survey(&self, epochs: u64) -> BTreeMap<u64, Epoch> {
        (1..=epochs)
            .filter_map(|epoch| Some((epoch, self.epoch(epoch)?)))
            .collect()
    }

    /// Keeps an epoch; what is kept of it already and not made anew stays.
    pub fn keep(&self, epoch: u64, new: NewEpoch) -> Result<(), StageError> {
        let mut part = NewPart {
            values: new.means,
            ..NewPart::default()
        };
        if let Some(before) = self.epoch(epoch) {
            for (name, artifact) in before.0.objects {
                let format = artifact.format;
                part.objects
                    .insert(name, (Product::Stored(artifact), format));
            }
        }
        let history = Product::Bytes(new.history.into_bytes());
        part.objects
            .insert(HISTORY.to_owned(), (history, Format::Table));
        let files = [
            (MODEL, new.model, Format::Model),
            (STATE, new.state, Format::File),
        ];
        let mut made = Vec::new();
        for (name, path, format) in files {
            if let Some(path) = path {
                made.push(path.clone());
                part.objects
                    .insert(name.to_owned(), (Product::Made(path), format));
            }
        }
        self.memo.put(&self.key("epoch", epoch), part)?;
        for path in made {
            // The store may have moved it; a copy that stays only takes room until the attempt ends.
            let _ = std::fs::remove_file(path);
        }
        Ok(())
    }

    /// Drops the resume states that one of epoch `now` makes superfluous.
    pub fn drop_superseded(&self, states: &mut BTreeSet<u64>, now: u64) -> Result<(), StageError> {
        let requested = |epoch: &&u64| self.memo.get(&self.key("length", *epoch), &[]).is_some();
        let lengths = states.iter().filter(requested).copied().collect();
        for epoch in superseded(states, now, &lengths) {
            self.memo.forget(&self.key("epoch", epoch), STATE)?;
            states.remove(&epoch);
        }
        Ok(())
    }

    /// Remembers that a run of `epochs` epochs was asked for: the state at its end is worth keeping.
    pub fn request(&self, epochs: u64) -> Result<(), StageError> {
        self.memo
            .put(&self.key("length", epochs), NewPart::default())
            .map(|_| ())
    }

    /// Where the trajectory ends, if it is known to end, and the history of the epoch's steps before that.
    pub fn divergence(&self) -> Option<(Divergence, Artifact)> {
        let part = self.memo.get(&self.key("diverged", true), &[])?;
        let divergence = serde_json::from_value(Value::Object(part.values)).ok()?;
        Some((divergence, part.objects.get(HISTORY)?.clone()))
    }

    /// Remembers where the trajectory ends.
    pub fn diverge(&self, divergence: &Divergence, history: String) -> Result<(), StageError> {
        let values =
            json!({"epoch": divergence.epoch, "step": divergence.step, "term": divergence.term});
        let history = (Product::Bytes(history.into_bytes()), Format::Table);
        let part = NewPart {
            values: values.as_object().cloned().unwrap_or_default(),
            objects: BTreeMap::from([(HISTORY.to_owned(), history)]),
        };
        self.memo.put(&self.key("diverged", true), part).map(|_| ())
    }

    /// The text of an epoch's history.
    pub fn history(&self, epoch: &Epoch) -> Result<String, StageError> {
        match epoch.0.objects.get(HISTORY) {
            Some(artifact) => self.text(artifact),
            None => Err(StageError::Failed(
                "an epoch was kept without its history".to_owned(),
            )),
        }
    }

    /// The text of a stored table.
    pub fn text(&self, artifact: &Artifact) -> Result<String, StageError> {
        let path = self.memo.path(artifact)?;
        std::fs::read_to_string(&path).map_err(|error| StageError::io(path, error))
    }

    /// Where a stored file lies.
    pub fn path(&self, artifact: &Artifact) -> Result<PathBuf, StageError> {
        self.memo.path(artifact)
    }
}
