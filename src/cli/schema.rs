//! `retake schema`: the JSON Schema of the pipeline language

use super::common::{self, CliError, Exit};

/// Print the JSON Schema of the pipeline language, for editors
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_args: &Args) -> Result<Exit, CliError> {
    let schema = crate::spec::schema::document();
    let text = serde_json::to_string_pretty(&schema).map_err(CliError::failed)?;
    common::print(&format!("{text}\n"))?;
    Ok(Exit::Done)
}
