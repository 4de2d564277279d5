//! `kind: preprocess` (placeholder, being written).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Outcome, OutputSpec, StageCtx,
    StageError,
};

/// Settings of a preprocess stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreprocessConfig {}

impl Kind for PreprocessConfig {
    const NAME: &'static str = "preprocess";
    const VERSION: u32 = 1;
    fn inputs(&self) -> Vec<InputSpec> {
        Vec::new()
    }
    fn outputs(&self) -> Vec<OutputSpec> {
        vec![OutputSpec::new("data", Format::Data)]
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
