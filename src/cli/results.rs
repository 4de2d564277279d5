//! What the nodes of a pipeline have measured: the runs behind tables.

use rayon::prelude::*;

use super::common::{CliError, Opened};
use crate::metric::MetricRow;
use crate::metric::document::Metrics;
use crate::plan::{Node, Source};
use crate::report::collapse::mark_collapsed;
use crate::report::comparison::Trained;
use crate::report::history::History;
use crate::report::runs::{Ending, Run};
use crate::run::survey::{Standing, survey};
use crate::stage::{Artifact, Format, Kind, Status, evaluate::EvaluateConfig, train::TrainConfig};

/// The results of some nodes, as far as they are in the store.
pub struct Results {
    /// what evaluations measured
    pub runs: Vec<Run>,
    /// the histories of training
    pub trained: Vec<Trained>,
    /// evaluations without a result yet
    pub absent: Vec<String>,
}

/// What to read of train stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Histories {
    /// nothing
    Skip,
    /// the figures by step
    Read,
}

/// Reads the results of `targets`, in plan order.
pub fn results(
    opened: &Opened,
    targets: &[usize],
    histories: Histories,
) -> Result<Results, CliError> {
    let (standings, _) = survey(&opened.session(), targets).map_err(CliError::failed)?;
    let mut by_id: Vec<Option<&Standing>> = vec![None; opened.plan.nodes.len()];
    for standing in &standings {
        by_id[standing.id] = Some(standing);
    }
    let mut asked = vec![false; opened.plan.nodes.len()];
    for id in targets {
        asked[*id] = true;
    }
    let nodes = standings
        .iter()
        .filter(|standing| asked[standing.id])
        .map(|standing| (&opened.plan.nodes[standing.id], standing));
    let mut absent = Vec::new();
    let (mut evaluated, mut trained) = (Vec::new(), Vec::new());
    for (node, standing) in nodes {
        match (node.config.kind(), &standing.record) {
            (EvaluateConfig::NAME, None) => absent.push(node.name.to_string()),
            (EvaluateConfig::NAME, Some(record)) => {
                let of = |format| record.outputs.values().find(move |a| a.format == format);
                evaluated.push((node, of(Format::Json)));
            }
            (TrainConfig::NAME, Some(record)) if histories == Histories::Read => {
                trained.extend(record.outputs.get("history").map(|a| (node, a)));
            }
            _ => {}
        }
    }
    let runs = evaluated.par_iter().map(|(node, metrics)| {
        let rows = metrics.map_or_else(|| Ok(Vec::new()), |artifact| rows(opened, artifact))?;
        let model = model(opened, node);
        Ok(Run {
            stage: node.name.stage.clone(),
            axes: node.name.axes.clone(),
            ending: model.map_or(Ending::Ok, |model| ending(by_id[model.id])),
            rows,
            settings: model.map(|model| model.settings.clone()),
        })
    });
    let mut runs = runs.collect::<Result<Vec<Run>, CliError>>()?;
    mark_collapsed(&mut runs);
    let trained = trained.par_iter().map(|(node, artifact)| {
        Ok(Trained {
            stage: node.name.stage.clone(),
            axes: node.name.axes.clone(),
            history: History::from_csv(&read(opened, artifact)?).map_err(CliError::failed)?,
        })
    });
    Ok(Results {
        runs,
        trained: trained.collect::<Result<_, CliError>>()?,
        absent,
    })
}

fn read(opened: &Opened, artifact: &Artifact) -> Result<Vec<u8>, CliError> {
    let path = opened.store.path(artifact).map_err(CliError::failed)?;
    std::fs::read(&path).map_err(|error| CliError::failed(format!("{}: {error}", path.display())))
}

fn rows(opened: &Opened, artifact: &Artifact) -> Result<Vec<MetricRow>, CliError> {
    let metrics = Metrics::from_json(&read(opened, artifact)?).map_err(CliError::failed)?;
    Ok(metrics.rows)
}

/// The trained model that `node` measures; none where it measures real images.
fn model<'a>(opened: &'a Opened, node: &Node) -> Option<&'a Node> {
    let Some(Source::Nodes { nodes, .. }) = node.inputs.get("model") else {
        return None;
    };
    let model = &opened.plan.nodes[*nodes.first()?];
    (model.config.kind() == TrainConfig::NAME).then_some(model)
}

/// How a model's training ended: an evaluation itself always ends well.
fn ending(model: Option<&Standing>) -> Ending {
    match model
        .and_then(|model| model.record.as_ref())
        .map(|record| &record.status)
    {
        Some(Status::Diverged { epoch, .. }) => Ending::Diverged { epoch: *epoch },
        _ => Ending::Ok,
    }
}
