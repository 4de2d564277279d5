//! `kind: train`: trains a model on images, one epoch at a time, and never an epoch twice.
//!
//! The settings are in `config`, and where one is a mapping in a file of its own; their checks in `check`. `ledger`
//! is what the store keeps of a trajectory, and `drive` trains what is missing of it.

mod adversarial;
mod auxiliary;
mod brief;
mod check;
mod config;
mod critic;
mod drive;
mod labels;
mod ledger;
mod names;
mod optimiser;
mod outcome;
mod penalty;
mod prepare;
mod range;
mod schedule;
mod so_far;

pub use config::TrainConfig;
pub use names::{LossName, Precision, TaskName};
pub use optimiser::{Constants, OptimiserName};
pub use so_far::SoFar;

use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Memo, Outcome, OutputSpec, Slots,
    StageCtx, StageError,
};
use crate::model::{ModelError, ModelSpec};
use crate::train::TrainError;
use crate::worktree::WorkTree;
use ledger::Ledger;

/// Cores that a training run makes good use of.
const CORES: usize = 4;

impl Kind for TrainConfig {
    const NAME: &'static str = "train";
    const VERSION: u32 = 2;

    fn inputs(&self) -> Vec<InputSpec> {
        vec![
            InputSpec::required("data", &[Format::Data, Format::Recipe]),
            InputSpec::optional("validation", &[Format::Data]),
            InputSpec::optional("init", &[Format::Model, Format::File]),
        ]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        vec![
            OutputSpec::new("model", Format::Model),
            OutputSpec::new("checkpoints", Format::Folder),
            OutputSpec::new("history", Format::Table),
        ]
    }

    fn uses_seed(&self) -> bool {
        true
    }

    fn uses_device(&self) -> bool {
        true
    }

    fn resolve(&mut self, tree: &WorkTree) -> Result<(), Vec<Fault>> {
        self.model.resolve(tree).map_err(|error| {
            let mut fault = Fault::at("model", error.to_string());
            if let ModelError::MissingFile { path } = error {
                let presets = ModelSpec::presets().join(", ");
                fault.help = Some(format!(
                    "`model` names it: write the networks there, or take a preset ({presets})"
                ));
                fault.missing_file = Some(path);
            }
            vec![fault]
        })
    }

    fn check(&self, inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let data = inputs.get("data").cloned().unwrap_or_default();
        let mut faults = check::faults(self, &data);
        if !self.weights.is_empty() && !inputs.contains_key("init") {
            let fault = Fault::at("weights", "there is no input `init` to take weights from");
            faults.push(fault.help(
                "name a file or a train stage, as in `inputs: {init: \"file:weights.pth\"}`",
            ));
        }
        if faults.is_empty() {
            Ok(data)
        } else {
            Err(faults)
        }
    }

    fn warnings(&self) -> Vec<String> {
        check::warnings(self)
    }

    fn slots(&self) -> Slots {
        Slots {
            cpu: CORES,
            ..Slots::default()
        }
    }

    fn extent(&self) -> &'static [&'static str] {
        &["epochs", "checkpoint_every"]
    }

    fn reach(&self) -> u64 {
        self.epochs
    }

    fn recalls(&self) -> bool {
        true
    }

    fn recall(&self, ctx: &StageCtx<'_>, memo: &dyn Memo) -> Result<Option<Outcome>, StageError> {
        outcome::assemble(self, &Ledger::new(memo, ctx.trajectory))
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        let timings = drive::train(self, ctx)?;
        let assembled = outcome::assemble(self, &Ledger::new(ctx.memo, ctx.trajectory))?;
        let outcome = assembled.ok_or_else(|| {
            StageError::Failed(
                "the store lost a part of the training run while it was made".to_owned(),
            )
        })?;
        Ok(Outcome { timings, ..outcome })
    }
}

impl From<TrainError> for StageError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Tensor(error) => Self::Tensor(error),
            other => Self::Failed(other.to_string()),
        }
    }
}
