//! `retake cache`: carry results from one store to another

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::amount;
use super::common::{self, CliError, Exit, PipelineArgs, display, say};
use crate::run::survey::survey;
use crate::spec::root;
use crate::store::{Extent, Store, StoreError};

/// Carry results from one store to another in one file
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Export(Export),
    Import(Import),
}

/// Write the results of a pipeline, or of some of its stages and what they need, to one file
///
/// It is a tar file whose bytes depend on the results alone. It is not compressed; `-o -` writes to standard output.
#[derive(Debug, clap::Args)]
struct Export {
    #[command(flatten)]
    common: PipelineArgs,
    /// Stages or nodes (`gan`, `gan[seed=0]`); what they need is taken along [default: all]
    stages: Vec<String>,
    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Take parts of work along (single checkpoints and metrics), so that a longer list of them builds on these
    #[arg(long)]
    parts: bool,
    /// Take resume states along, so that a longer training goes on from where this one ended
    #[arg(long)]
    states: bool,
}

/// Take the results in a file into the store
///
/// Everything in it is checked first: of a file that was truncated or altered nothing gets in. What the store holds
/// already stays as it is.
#[derive(Debug, clap::Args)]
struct Import {
    /// The file that `retake cache export` wrote; `-` is standard input
    file: PathBuf,
    /// The store [default: `.retake` in the root of the project around this folder]
    #[arg(long, env = "RETAKE_STORE", value_name = "DIR")]
    store: Option<PathBuf>,
    /// JSON on standard output
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    match &args.command {
        Command::Export(export) => export.run(),
        Command::Import(import) => import.run(),
    }
}

impl Export {
    fn run(&self) -> Result<Exit, CliError> {
        let opened = self.common.open()?;
        let targets = opened.targets(&self.stages)?;
        // What is to be written stays until it is.
        let _relying = opened.store.rely();
        let (standings, _) = survey(&opened.session(), &targets).map_err(CliError::failed)?;
        let mut keys = BTreeSet::new();
        for standing in &standings {
            let record = standing.record.as_ref();
            match record.filter(|record| opened.store.record(&record.key).is_some()) {
                Some(record) => {
                    opened.store.rely_on(&record.key);
                    keys.insert(record.key);
                }
                None => say(&format!(
                    "left out  {}: it is not in the store; `retake run` it first",
                    opened.plan.nodes[standing.id].name
                )),
            }
        }
        if keys.is_empty() {
            return Err(CliError::failed("nothing to export: no result is there"));
        }
        opened.store.settle_in();
        let extent = Extent {
            parts: self.parts,
            states: self.states,
        };
        let mut exported = None;
        let mut export = |out: &mut dyn Write| -> Result<(), StoreError> {
            exported = Some(opened.store.export_archive(&keys, extent, out)?);
            Ok(())
        };
        if self.output == Path::new("-") {
            export(&mut BufWriter::new(io::stdout().lock())).map_err(CliError::failed)?;
        } else {
            write_whole(&self.output, &mut export)?;
        }
        let exported = exported.unwrap_or_default();
        say(&format!(
            "wrote     {}: {} results, {} parts, {} objects ({})",
            display(&self.output),
            exported.records,
            exported.parts,
            exported.objects,
            amount::show(exported.bytes)
        ));
        Ok(Exit::Done)
    }
}

impl Import {
    fn run(&self) -> Result<Exit, CliError> {
        let folder = self
            .store
            .clone()
            .unwrap_or_else(|| root::of(Path::new("here")).join(".retake"));
        let store = Store::open(&folder).map_err(CliError::failed)?;
        let mut from: Box<dyn Read> = if self.file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(&self.file)
                .map_err(|e| CliError::bad(format!("{}: {e}", self.file.display())))?;
            Box::new(BufReader::new(file))
        };
        let imported = store
            .import_archive(&mut from)
            .map_err(|error| match error {
                StoreError::Unsuitable { problem, .. } => {
                    CliError::failed(format!("{}: {problem}", self.file.display()))
                }
                other => CliError::failed(other),
            })?;
        if self.json {
            common::print_json(&imported)?;
        } else {
            common::print(&format!(
                "imported  {} results, {} parts, {} objects ({}); {} were there already\n",
                imported.records,
                imported.parts,
                imported.objects,
                amount::show(imported.bytes),
                imported.present
            ))?;
        }
        Ok(Exit::Done)
    }
}

/// Makes a file that is whole or absent.
fn write_whole(
    path: &Path,
    fill: &mut dyn FnMut(&mut dyn Write) -> Result<(), StoreError>,
) -> Result<(), CliError> {
    let bad = |error: io::Error| CliError::failed(format!("{}: {error}", path.display()));
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(bad)?;
    let mut out = BufWriter::new(file);
    fill(&mut out).map_err(CliError::failed)?;
    let file = out.into_inner().map_err(|error| bad(error.into_error()))?;
    file.as_file().sync_all().map_err(bad)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(bad)?;
    file.persist(path)
        .map_err(|error| bad(error.error))
        .map(drop)
}
