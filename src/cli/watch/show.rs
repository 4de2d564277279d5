//! The report of what there is so far, as a page.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::super::common::CliError;
use super::super::graph;
use super::look::{Look, Training, Watcher};
use super::strip::strip;
use crate::hash::Digest;
use crate::plan::{Node, Source};
use crate::report::document::{Document, Files, Section};
use crate::report::page;
use crate::run::resolve::{Settled, show, shown_digest};
use crate::run::text;
use crate::stage::report::{Composed, Material, READS, ReportConfig, compose};
use crate::stage::{Artifact, Format, InputNode, NodeName, ShownNode, StageConfig};
use crate::store::Record;

/// The page as `look` has it.
pub fn page(
    watcher: &Watcher<'_>,
    look: &Look,
    refresh: Option<Duration>,
) -> Result<String, CliError> {
    let mut notes = Vec::new();
    let composed = composed(watcher, look, &mut notes)?;
    let (mut document, mut files) = (composed.document, composed.files);
    document.vertices = graph::vertices(&watcher.opened.plan);
    latest(watcher, look, &mut document, &mut files);
    let strip = strip(look, notes, refresh);
    page::render_live(&document, &files, &strip).map_err(CliError::failed)
}

/// The pipeline's report, as far as there is something to report; without such a stage, of every node that can be
/// shown.
fn composed(
    watcher: &Watcher<'_>,
    look: &Look,
    notes: &mut Vec<String>,
) -> Result<Composed, CliError> {
    let plan = &watcher.opened.plan;
    let mut reports = look.nodes.iter().filter_map(|seen| {
        let node = &plan.nodes[seen.id];
        match &*node.config {
            StageConfig::Report(config) => Some((node, &**config)),
            _ => None,
        }
    });
    let (name, mut config, ids, files) = match reports.next_back() {
        Some((node, config)) => {
            let (ids, files) = behind(node);
            (node.name.clone(), config.clone(), ids, files)
        }
        None => (
            NodeName::default(),
            serde_json::from_str::<ReportConfig>("{}").map_err(CliError::failed)?,
            look.nodes.iter().map(|seen| seen.id).collect(),
            Vec::new(),
        ),
    };

    let scratch = tempfile::tempdir().map_err(CliError::failed)?;
    let mut inputs = Vec::new();
    for id in ids {
        if let Some(settled) = &look.settled[id] {
            inputs.push(finished(watcher, &plan.nodes[id], settled));
        } else if let Some(training) = look.trainings.get(&id) {
            let path = scratch.path().join(format!("{id}.csv"));
            std::fs::write(&path, &training.history).map_err(CliError::failed)?;
            let history = (!training.history.is_empty()).then_some(path);
            inputs.push(unfinished(&plan.nodes[id], training, history));
        }
    }
    inputs.extend(files.into_iter().map(file));
    let shown: Vec<ShownNode> = (look.nodes.iter())
        .filter_map(
            |seen| match (&look.settled[seen.id], look.trainings.get(&seen.id)) {
                (Some(settled), _) => Some(show(plan, seen.id, settled)),
                (None, Some(training)) => Some(show(plan, seen.id, &partial(training))),
                (None, None) => None,
            },
        )
        .collect();
    let command = text::command(plan);
    let material = Material {
        node: &name,
        pipeline: &plan.name,
        inputs: inputs.iter().collect(),
        shown: &shown,
        command: &command,
        pipeline_digest: shown_digest(&shown),
    };
    if let Ok(composed) = compose(&config, &material) {
        return Ok(composed);
    }
    // Prose quotes numbers that may not be there yet.
    config.sections.clear();
    Ok(compose(&config, &material).unwrap_or_else(|error| {
        notes.push(format!("The report cannot be put together yet: {error}"));
        Composed::default()
    }))
}

/// Nodes and files that a report takes, in its order.
fn behind(report: &Node) -> (Vec<usize>, Vec<PathBuf>) {
    let mut sources: Vec<(&String, &Source)> = report.inputs.iter().collect();
    sources.sort_by_key(|(name, _)| *name);
    let (mut ids, mut files) = (Vec::new(), Vec::new());
    for (_, source) in sources {
        match source {
            Source::Nodes { nodes, .. } => ids.extend(nodes),
            Source::Files { paths, .. } => files.extend(paths.clone()),
        }
    }
    (ids, files)
}

/// A node with a result, and of that what can be shown.
fn finished(watcher: &Watcher<'_>, node: &Node, settled: &Settled) -> InputNode {
    let can_be_shown = |(_, artifact): &(&String, &Artifact)| {
        matches!(
            artifact.format,
            Format::Table | Format::Image | Format::Json
        )
    };
    let there: Vec<(&String, &Artifact)> =
        settled.record.outputs.iter().filter(can_be_shown).collect();
    let is_read = |(name, _): &&(&String, &Artifact)| READS.contains(&name.as_str());
    let mut taken: Vec<&(&String, &Artifact)> = there.iter().filter(is_read).collect();
    if taken.is_empty() {
        taken.extend(there.first());
    }
    let outputs: BTreeMap<String, Artifact> = (taken.into_iter())
        .map(|(name, artifact)| ((*name).clone(), (*artifact).clone()))
        .collect();
    let paths = outputs.iter().filter_map(|(name, artifact)| {
        let path = watcher.opened.store.path(artifact).ok()?;
        Some((name.clone(), path))
    });
    InputNode {
        node: node.name.clone(),
        status: settled.record.status.clone(),
        paths: paths.collect(),
        selected: outputs.keys().next().cloned().unwrap_or_default(),
        outputs,
    }
}

/// A training run without a result.
fn unfinished(node: &Node, training: &Training, history: Option<PathBuf>) -> InputNode {
    let history = history.map(|path| ("history".to_owned(), path));
    InputNode {
        node: node.name.clone(),
        status: training.status.clone(),
        outputs: BTreeMap::new(),
        paths: history.into_iter().collect(),
        selected: "history".to_owned(),
    }
}

/// A file of the user's.
fn file(path: PathBuf) -> InputNode {
    let format = if path.is_dir() {
        Format::Folder
    } else {
        Format::File
    };
    let artifact = Artifact {
        digest: Digest::of_bytes(&[]),
        bytes: 0,
        format,
    };
    InputNode {
        node: NodeName::default(),
        status: crate::stage::Status::Ok,
        outputs: BTreeMap::from([("file".to_owned(), artifact)]),
        paths: BTreeMap::from([("file".to_owned(), path)]),
        selected: "file".to_owned(),
    }
}

/// A training run as if it had a result, without outputs.
fn partial(training: &Training) -> Settled {
    Settled {
        record: Record {
            key: training.keyed.key,
            kind: String::new(),
            kind_version: 0,
            recipe: serde_json::Value::Null,
            status: training.status.clone(),
            outputs: BTreeMap::new(),
            scalars: BTreeMap::new(),
        },
        keyed: training.keyed.clone(),
    }
}

/// Puts what every generator drew last before its other images.
fn latest(watcher: &Watcher<'_>, look: &Look, document: &mut Document, files: &mut Files) {
    let plan = &watcher.opened.plan;
    for (id, (_, drawn)) in &watcher.drawn {
        let Ok(drawn) = drawn else {
            continue;
        };
        let name = plan.nodes[*id].name.to_string();
        let mut sections = document.sections.iter();
        // Once its sample stages have drawn, theirs are the images.
        if look.settled[*id].is_some()
            && sections.any(|section| section.name == name && !section.grids.is_empty())
        {
            continue;
        }
        let caption = format!("drawn after epoch {}, seed {}", drawn.epoch, plan.seed);
        let Ok(figure) = files.image(&drawn.image, caption) else {
            continue;
        };
        match document
            .sections
            .iter_mut()
            .find(|section| section.name == name)
        {
            Some(section) => section.grids.insert(0, figure),
            None => document.sections.push(Section {
                name,
                outcome: "ok".to_owned(),
                grids: vec![figure],
                ..Section::default()
            }),
        }
    }
}
