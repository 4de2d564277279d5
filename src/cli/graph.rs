//! `retake graph`: the stages and what feeds what

use std::collections::BTreeSet;

use super::common::{self, CliError, Exit, PipelineArgs};
use crate::plan::{Plan, Source};
use crate::report::diagram;
use crate::report::mermaid::{self, Vertex};

/// Print the graph of stages; nodes of a matrix are drawn as one
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: PipelineArgs,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: GraphFormat,
}

/// The form of a printed graph.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum GraphFormat {
    /// a Mermaid flowchart, as Git hosts draw it
    #[default]
    Mermaid,
    /// Graphviz
    Dot,
    /// a drawing
    Svg,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let vertices = vertices(&args.common.plan()?);
    common::print(&match args.format {
        GraphFormat::Mermaid => mermaid::flowchart(&vertices),
        GraphFormat::Dot => diagram::dot(&vertices),
        GraphFormat::Svg => diagram::svg(&vertices),
    })?;
    Ok(Exit::Done)
}

/// One vertex a stage, in declared order.
pub(super) fn vertices(plan: &Plan) -> Vec<Vertex> {
    let vertex = |(stage, ids): (&String, &Vec<usize>)| {
        let nodes: Vec<_> = ids.iter().map(|id| &plan.nodes[*id]).collect();
        let first = nodes.first()?;
        let sources = nodes.iter().flat_map(|node| node.inputs.values());
        let reads: BTreeSet<String> = sources
            .filter_map(|source| match source {
                Source::Nodes { nodes, .. } => Some(nodes),
                Source::Files { .. } => None,
            })
            .flatten()
            .map(|id| plan.nodes[*id].name.stage.clone())
            .collect();
        Some(Vertex {
            stage: stage.clone(),
            kind: first.config.kind().to_owned(),
            axes: first.name.axes.keys().cloned().collect(),
            nodes: nodes.len(),
            reads,
        })
    };
    plan.stages.iter().filter_map(vertex).collect()
}
