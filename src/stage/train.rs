//! `kind: train` (placeholder, being written).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Outcome, OutputSpec, StageCtx,
    StageError,
};

/// Settings of a train stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {}

impl Kind for TrainConfig {
    const NAME: &'static str = "train";
    const VERSION: u32 = 1;
    fn inputs(&self) -> Vec<InputSpec> {
        Vec::new()
    }
    fn outputs(&self) -> Vec<OutputSpec> {
        vec![OutputSpec::new("model", Format::Model)]
    }
    fn uses_seed(&self) -> bool {
        false
    }
    fn uses_device(&self) -> bool {
        false
    }
    fn check(&self, _inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        Ok(DataSchema::default())
    }
    fn run(&self, _ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        Err(StageError::Failed("being written".to_owned()))
    }
}
