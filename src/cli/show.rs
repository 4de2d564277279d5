//! `retake show`: the metrics of a pipeline as a table

use std::fs;

use super::common::{CliError, Exit, PipelineArgs, print_bytes, say};
use crate::metric::MetricRow;
use crate::plan::{Node, Source};
use crate::report::runs::{Ending, Run};
use crate::report::summary::ways;
use crate::report::table::{self, TableFormat};
use crate::report::{frame, select};
use crate::run::survey::{Standing, survey};
use crate::stage::{Format, Kind, Status, evaluate::EvaluateConfig};

/// Print the metrics of a pipeline: a row for each node, metric and checkpoint
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: PipelineArgs,
    /// Stages or nodes (`scores`, `scores[seed=0]`) [default: all of kind `evaluate`]
    stages: Vec<String>,
    /// table, csv, json, md or parquet
    #[arg(long, default_value = "table", value_parser = str::parse::<TableFormat>)]
    format: TableFormat,
    /// Only rows that meet a condition (`=`, `!=`, `<`, `<=`, `>`, `>=`; may be repeated) (`--where metric=accuracy --where 'value>0.5'`)
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Order by a column; `-COLUMN` puts the largest first
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    sort: Vec<String>,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let opened = args.common.open()?;
    let targets = opened.targets(&args.stages)?;
    let (standings, _) = survey(&opened.session(), &targets).map_err(CliError::failed)?;
    let mut runs = Vec::new();
    let mut absent = Vec::new();
    for standing in standings
        .iter()
        .filter(|standing| targets.contains(&standing.id))
    {
        let node = &opened.plan.nodes[standing.id];
        if node.config.kind() != EvaluateConfig::NAME {
            continue;
        }
        let Some(record) = &standing.record else {
            absent.push(node.name.to_string());
            continue;
        };
        let metrics = record
            .outputs
            .values()
            .find(|artifact| artifact.format == Format::Json);
        let rows: Vec<MetricRow> = match metrics {
            Some(artifact) => {
                let path = opened.store.path(artifact).map_err(CliError::failed)?;
                let text = fs::read(&path).map_err(CliError::failed)?;
                serde_json::from_slice(&text).map_err(CliError::failed)?
            }
            None => Vec::new(),
        };
        runs.push(Run {
            stage: node.name.stage.clone(),
            axes: node.name.axes.clone(),
            ending: ending(node, &standings),
            rows,
        });
    }
    if runs.is_empty() && absent.is_empty() {
        return Err(CliError::bad(
            "nothing to show: none of these stages evaluates anything",
        ));
    }
    if !absent.is_empty() {
        say(&format!("not in the store yet: {}", absent.join(", ")));
    }
    for way in ways(&runs) {
        say(&format!(
            "note      {} was measured in several ways, which do not compare: protocol {} is {}",
            way.metric, way.protocol, way.said
        ));
    }
    let long = frame::long(&runs).map_err(CliError::failed)?;
    let chosen = select::filter(long, &args.conditions).map_err(CliError::bad)?;
    let sorted = select::sort(&chosen, &args.sort).map_err(CliError::bad)?;
    print_bytes(&table::render(&sorted, args.format).map_err(CliError::failed)?)?;
    Ok(Exit::Done)
}

/// How the model that `node` measures ended: an evaluation itself always ends well.
fn ending(node: &Node, standings: &[Standing]) -> Ending {
    let Some(Source::Nodes { nodes, .. }) = node.inputs.get("model") else {
        return Ending::Ok;
    };
    let model = standings.iter().find(|other| nodes.contains(&other.id));
    match model
        .and_then(|model| model.record.as_ref())
        .map(|record| &record.status)
    {
        Some(Status::Diverged { epoch, .. }) => Ending::Diverged { epoch: *epoch },
        _ => Ending::Ok,
    }
}
