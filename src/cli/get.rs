//! `retake get`: copy an artifact out of the store

use std::path::{Path, PathBuf};

use super::common::{CliError, Exit, Opened, PipelineArgs, display, say};
use crate::data::export::export_folder;
use crate::data::pack::Pack;
use crate::device::cpu;
use crate::model::SavedModel;
use crate::model::weights::{NameMap, export};
use crate::run::survey::survey;
use crate::stage::{Artifact, Format};

/// Copy an artifact out of the store
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: PipelineArgs,
    /// A node's output: `STAGE` (its first), `STAGE:OUTPUT` or `STAGE[axis=value]:OUTPUT`
    artifact: String,
    /// Where to copy it; must not exist yet
    dest: PathBuf,
    /// The form to copy it in
    #[arg(long = "as", value_name = "FORM")]
    form: Option<Form>,
    /// Of a model: the tensors of this network alone, as plain safetensors that PyTorch users can load
    #[arg(long, value_name = "NAME", conflicts_with = "form")]
    network: Option<String>,
    /// A JSON object with names in the file for names in the network, as in `{"0": "layers.0"}`
    #[arg(long, value_name = "FILE", requires = "network")]
    names: Option<PathBuf>,
}

/// Another form for an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// data as a folder of PNGs with `labels.csv`
    Folder,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let opened = args.common.open()?;
    let (selector, output) = split(&args.artifact);
    if args.dest.exists() {
        return Err(CliError::bad(format!(
            "{} exists already",
            args.dest.display()
        )));
    }
    let (name, artifact) = find(&opened, selector, output)?;
    let artifact = &artifact;
    if let Some(network) = &args.network {
        let path = opened.store.path(artifact).map_err(CliError::failed)?;
        export_network(args, network, &path)?;
    } else if args.form == Some(Form::Folder) && artifact.format == Format::Data {
        let path = opened.store.path(artifact).map_err(CliError::failed)?;
        let pack = Pack::open(&path).map_err(CliError::failed)?;
        export_folder(&pack, &args.dest).map_err(CliError::failed)?;
    } else if args.form == Some(Form::Folder) && artifact.format != Format::Folder {
        return Err(CliError::bad(format!(
            "{name} is not data and not a folder"
        )));
    } else {
        opened
            .store
            .export(artifact, &args.dest)
            .map_err(CliError::failed)?;
    }
    say(&format!("wrote     {}", display(&args.dest)));
    Ok(Exit::Done)
}

/// The artifact of an output (the first, where none is named) of the one node that `selector` names, and how people
/// call it. An error where it is not in the store.
pub(super) fn find(
    opened: &Opened,
    selector: &str,
    output: Option<&str>,
) -> Result<(String, Artifact), CliError> {
    let ids = opened.plan.find(selector).map_err(CliError::bad)?;
    let [id] = ids[..] else {
        let names: Vec<String> = ids
            .iter()
            .map(|id| opened.plan.nodes[*id].name.to_string())
            .collect();
        return Err(CliError::bad(format!(
            "`{selector}` is {} nodes; name one of them: {}",
            ids.len(),
            names.join(" ")
        )));
    };
    let node = &opened.plan.nodes[id];
    let outputs = node.config.outputs();
    let names: Vec<&str> = outputs.iter().map(|spec| spec.name.as_str()).collect();
    let output = output.or(names.first().copied()).unwrap_or_default();
    if !names.contains(&output) {
        return Err(CliError::bad(format!(
            "{} has no output `{output}`: it has {}",
            node.name,
            names.join(", ")
        )));
    }
    let (_, settled) = survey(&opened.session(), &[id]).map_err(CliError::failed)?;
    let record = settled[id].as_ref().map(|settled| &settled.record);
    let artifact = record.and_then(|record| record.outputs.get(output));
    let artifact = artifact.ok_or_else(|| {
        CliError::failed(format!(
            "{} is not in the store: `retake run` it first",
            node.name
        ))
    })?;
    Ok((format!("`{output}` of {}", node.name), artifact.clone()))
}

/// Writes one network of the model at `path`.
fn export_network(args: &Args, network: &str, path: &Path) -> Result<(), CliError> {
    let names = match &args.names {
        Some(file) => {
            let bad = |error: &dyn std::fmt::Display| {
                CliError::bad(format!("{}: {error}", file.display()))
            };
            let text = std::fs::read(file).map_err(|error| bad(&error))?;
            serde_json::from_slice(&text).map_err(|error| bad(&error))?
        }
        None => NameMap::default(),
    };
    let model = SavedModel::load(path, &cpu().device).map_err(CliError::failed)?;
    let known: Vec<&str> = model.networks.keys().map(String::as_str).collect();
    let found = model.networks.get(network).ok_or_else(|| {
        CliError::bad(format!(
            "the model has no network `{network}`: it has {}",
            known.join(", ")
        ))
    })?;
    export(found, &args.dest, &names).map_err(CliError::failed)
}

/// Splits `gan[loss=bce]:history`; a colon within brackets is part of an axis value.
pub(super) fn split(artifact: &str) -> (&str, Option<&str>) {
    let tail = artifact.rfind(']').map_or(0, |end| end + 1);
    match artifact[tail..].split_once(':') {
        Some((rest, output)) => (&artifact[..tail + rest.len()], Some(output)),
        None => (artifact, None),
    }
}
