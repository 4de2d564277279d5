//! From inputs and records to the document that a template is given.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::gather::Gathered;
use super::upstream::{Upstream, name};
use super::{failed, figures};
use crate::report::comparison::{Reported, compare};
use crate::report::document::{Document, Files, Origin, Provenance};
use crate::report::findings::findings;
use crate::report::mermaid::{Vertex, flowchart};
use crate::report::runs::{Ending, Run};
use crate::report::summary::summarise;
use crate::stage::{ShownNode, StageCtx, StageError};

/// Everything a report of `ctx` shows, and the figures beside it.
pub fn document(
    ctx: &StageCtx<'_>,
    title: String,
    reported: Option<&Reported>,
) -> Result<(Document, Files), StageError> {
    let upstream = Upstream::new(&ctx.shown);
    let mut files = Files::default();
    let mut gathered = Gathered::default();
    for node in ctx.inputs.values().flat_map(|input| &input.nodes) {
        gathered.take(node, &upstream, &mut files)?;
    }
    let runs: Vec<Run> = gathered.runs.values().map(|(run, _)| run.clone()).collect();
    let summary = (!runs.is_empty())
        .then(|| summarise(&runs))
        .transpose()
        .map_err(failed)?;
    let (shared, sections) = gathered.sections(&upstream);
    let document = Document {
        title,
        pipeline: ctx.pipeline.clone(),
        comparison: reported.map(|reported| compare(reported, summary.as_ref(), &gathered.trained)),
        findings: summary.as_ref().map(findings).unwrap_or_default(),
        summary,
        figures: figures::by_epoch(&runs, &mut files).map_err(failed)?,
        shared,
        sections,
        extras: gathered.extras,
        graph: flowchart(&vertices(ctx)),
        provenance: Provenance {
            pipeline_digest: ctx.pipeline_digest.to_string(),
            command: ctx.command.clone(),
            nodes: ctx
                .shown
                .iter()
                .map(|node| origin(node, &upstream))
                .collect(),
        },
    };
    Ok((document, files))
}

/// One vertex a stage, in plan order, the report last.
fn vertices(ctx: &StageCtx<'_>) -> Vec<Vertex> {
    let stage_of = |name: &String| name.split('[').next().unwrap_or_default().to_owned();
    let mut vertices: IndexMap<&str, Vertex> = IndexMap::new();
    for node in &ctx.shown {
        let vertex = vertices.entry(&node.stage).or_insert_with(|| Vertex {
            stage: node.stage.clone(),
            kind: node.kind.clone(),
            axes: node.axes.keys().cloned().collect(),
            nodes: 0,
            reads: BTreeSet::new(),
        });
        vertex.nodes += 1;
        vertex
            .reads
            .extend(node.inputs.values().flatten().map(stage_of));
    }
    let inputs = ctx.inputs.values().flat_map(|input| &input.nodes);
    let own = Vertex {
        stage: ctx.node.stage.clone(),
        kind: "report".to_owned(),
        axes: Vec::new(),
        nodes: 1,
        reads: inputs.map(|node| node.node.stage.clone()).collect(),
    };
    vertices.into_values().chain([own]).collect()
}

fn origin(node: &ShownNode, upstream: &Upstream<'_>) -> Origin {
    let status = match upstream.get(&name(node)) {
        Some(node) if node.kind == "train" => upstream.ending(node),
        _ => Ending::Ok,
    };
    Origin {
        name: name(node),
        kind: node.kind.clone(),
        version: node.kind_version,
        key: node.key.short(),
        device: node.device.clone(),
        outcome: status.to_string(),
        description: node.description.clone(),
    }
}
