//! What a pipeline file says.

use std::path::PathBuf;

/// What the command line adds to a pipeline file.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--profile P`
    pub profile: Option<String>,
    /// `--set k=v`, in order
    pub sets: Vec<(String, String)>,
}

/// A pipeline file with everything it includes.
#[derive(Debug, Clone)]
pub struct PipelineSpec {
    /// the pipeline's name
    pub name: String,
    /// the pipeline's seed
    pub seed: u64,
    /// the pipeline file, as it was given
    pub file: PathBuf,
    /// the project root, absolute
    pub root: PathBuf,
    /// the profile that was chosen
    pub profile: Option<String>,
    /// `--set` as it was given
    pub sets: Vec<(String, String)>,
}
