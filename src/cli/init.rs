//! `retake init`: a folder to begin in

use std::fs;
use std::path::PathBuf;

use super::common::{CliError, Exit, display, say};

/// The files of a new project.
const FILES: [(&str, &str); 3] = [
    (
        "pipelines/quickstart.yaml",
        include_str!("../../pipelines/quickstart.yaml"),
    ),
    // The store's folder makes this the project's root, also inside another project.
    (".retake/.gitignore", "*\n"),
    (".gitignore", "/.retake/\n/reports/*-smoke/\nrun.json\n"),
];

/// Make a folder with the quickstart pipeline to begin with
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; made if it is not there
    dir: PathBuf,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let taken: Vec<String> = FILES
        .iter()
        .map(|(name, _)| args.dir.join(name))
        .filter(|path| path.exists())
        .map(|path| display(&path))
        .collect();
    if !taken.is_empty() {
        return Err(CliError::bad(format!(
            "{} exists already; nothing was written",
            taken.join(", ")
        )));
    }
    for (name, text) in FILES {
        let path = args.dir.join(name);
        let io = |error| CliError::failed(format!("{}: {error}", path.display()));
        fs::create_dir_all(path.parent().unwrap_or(&args.dir)).map_err(io)?;
        fs::write(&path, text).map_err(io)?;
        say(&format!("wrote     {}", display(&path)));
    }
    say(&format!(
        "next:     retake run {}",
        display(&args.dir.join(FILES[0].0))
    ));
    Ok(Exit::Done)
}
