//! `retake model`: what a network is made of

use super::common::{CliError, Exit};

/// Print networks as tables: layers, shapes, parameters
#[derive(Debug, clap::Args)]
pub struct Args {
    target: String,
}

pub fn run(_args: &Args) -> Result<Exit, CliError> {
    Ok(Exit::Done)
}
