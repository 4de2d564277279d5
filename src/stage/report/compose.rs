//! From inputs and records to the document that a template is given.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::gather::{Described, Gathered};
use super::material::Material;
use super::upstream::{Upstream, name, names};
use super::{ReportConfig, failed, figures, settings};
use crate::report::comparison::compare;
use crate::report::document::{Document, Files, Origin, Prose, Provenance, Setting};
use crate::report::findings::findings;
use crate::report::markdown;
use crate::report::mermaid::{Vertex, flowchart};
use crate::report::quote::Quotes;
use crate::report::runs::{Ending, Run};
use crate::report::summary::summarise;
use crate::stage::{ShownNode, StageError};

/// A report before it is text.
#[derive(Debug, Clone, Default)]
pub struct Composed {
    /// everything it shows
    pub document: Document,
    /// the figures beside it
    pub files: Files,
    /// what its text may quote
    pub quotes: Quotes,
}

/// Everything a report of `material` shows.
pub fn compose(config: &ReportConfig, material: &Material<'_>) -> Result<Composed, StageError> {
    let upstream = Upstream::new(material.shown);
    let mut files = Files::default();
    let mut gathered = Gathered::default();
    for node in &material.inputs {
        gathered.take(node, &upstream, &mut files)?;
    }
    gathered.mark_collapsed();
    let runs: Vec<Run> = gathered.runs.values().map(|(run, _)| run.clone()).collect();
    let summary = (!runs.is_empty())
        .then(|| summarise(&runs))
        .transpose()
        .map_err(failed)?;
    let Described {
        settings,
        differences,
        sections,
    } = gathered.described(&upstream);
    let measured: Vec<_> = gathered.runs.into_values().collect();
    let mut quotes = match &summary {
        Some(summary) => Quotes::of_runs(&measured, summary),
        None => Quotes::default(),
    };
    for node in material.shown {
        let settings = settings::of(node).into_iter();
        let settings = settings.map(|(name, value)| Setting { name, value });
        quotes.add_settings(names(node), settings.collect());
    }
    let vertices = vertices(material);
    let reported = config.reported.as_ref();
    let mut document = Document {
        title: config.title(material.pipeline),
        pipeline: material.pipeline.to_owned(),
        comparison: reported.map(|reported| compare(reported, summary.as_ref(), &gathered.trained)),
        findings: summary.as_ref().map(findings).unwrap_or_default(),
        summary,
        figures: figures::overlays(&runs, &gathered.trained, &mut files),
        settings,
        differences,
        sections,
        extras: gathered.extras,
        graph: flowchart(&vertices),
        vertices,
        provenance: Provenance {
            pipeline_digest: material.pipeline_digest.to_string(),
            command: material.command.to_owned(),
            nodes: (material.shown.iter())
                .map(|node| origin(node, &upstream))
                .collect(),
        },
        ..Document::default()
    };
    if let Some(comparison) = &document.comparison {
        let has_runs = comparison.rows.iter().any(|row| row.runs > 0);
        if !has_runs {
            document.findings.push(format!(
                "No run stands for any of the reported experiments: none has an axis `{}` with their names.",
                comparison.axis
            ));
        }
        quotes.add_reported(&comparison.figures);
    }
    quotes.add_figures(document.all_figures());
    document.prose = prose(config, &document, &quotes)?;
    Ok(Composed {
        document,
        files,
        quotes,
    })
}

/// The user's sections, their numbers filled in.
fn prose(
    config: &ReportConfig,
    document: &Document,
    quotes: &Quotes,
) -> Result<Vec<Prose>, StageError> {
    let sections = config.sections.iter().filter_map(|section| {
        let template = section.template()?;
        let text = markdown::render(template, document, quotes).map_err(failed);
        Some(text.map(|text| Prose {
            title: section.title.clone(),
            text: text.trim_end().to_owned(),
            place: section.place,
        }))
    });
    sections.collect()
}

/// One vertex a stage, in plan order, the report last.
fn vertices(material: &Material<'_>) -> Vec<Vertex> {
    let stage_of = |name: &String| name.split('[').next().unwrap_or_default().to_owned();
    let mut vertices: IndexMap<&str, Vertex> = IndexMap::new();
    for node in material.shown {
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
    let own = Vertex {
        stage: material.node.stage.clone(),
        kind: "report".to_owned(),
        axes: Vec::new(),
        nodes: 1,
        reads: (material.inputs.iter())
            .map(|node| node.node.stage.clone())
            .collect(),
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
