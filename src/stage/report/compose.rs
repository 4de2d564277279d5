//! From inputs and records to the document that a template is given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use indexmap::IndexMap;

use super::settings;
use super::upstream::{Upstream, name};
use crate::metric::best;
use crate::metric::document::Metrics;
use crate::report::document::{
    Document, Extra, Figure, Files, Measured, Origin, Provenance, Section,
};
use crate::report::findings::findings;
use crate::report::history::History;
use crate::report::mermaid::{Vertex, flowchart};
use crate::report::number::significant;
use crate::report::plot::{Chart, Line};
use crate::report::runs::{Ending, Run};
use crate::report::summary::summarise;
use crate::report::{ReportError, table};
use crate::stage::context::plain;
use crate::stage::{InputNode, ShownNode, StageCtx, StageError};

/// Rows of a stage's table that a report shows.
const TABLE_ROWS: usize = 30;

/// Everything a report of `ctx` shows, and the figures beside it.
pub fn document(ctx: &StageCtx<'_>, title: String) -> Result<(Document, Files), StageError> {
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
        findings: summary.as_ref().map(findings).unwrap_or_default(),
        summary,
        figures: by_epoch(&runs, &mut files).map_err(failed)?,
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

fn failed(error: ReportError) -> StageError {
    StageError::Failed(error.to_string())
}

/// What the inputs hold, sorted by what it is about.
#[derive(Default)]
struct Gathered {
    /// evaluation → its run, and the name of the node it is about
    runs: IndexMap<String, (Run, String)>,
    /// trained node → its curves
    curves: IndexMap<String, Vec<Figure>>,
    /// trained node → grids drawn by it
    grids: IndexMap<String, Vec<Figure>>,
    extras: Vec<Extra>,
}

impl Gathered {
    /// Sorts one node in. A node that comes through several inputs is shown once.
    fn take(
        &mut self,
        node: &InputNode,
        upstream: &Upstream<'_>,
        files: &mut Files,
    ) -> Result<(), StageError> {
        let label = node.node.to_string();
        let Some(shown) = upstream.get(&label) else {
            return self.file(node, files);
        };
        let subject = upstream.subject(shown);
        match shown.kind.as_str() {
            "train" if !self.curves.contains_key(&label) => {
                let curves = curves(node, &label, files)?;
                self.curves.insert(label, curves);
            }
            "evaluate" => {
                let rows = match node.paths.get("metrics") {
                    Some(path) => metrics(path)?.rows,
                    None => Vec::new(),
                };
                let run = Run {
                    stage: shown.stage.clone(),
                    axes: shown.axes.clone(),
                    ending: upstream.ending(shown),
                    rows,
                };
                self.runs.insert(label, (run, name(subject)));
            }
            "sample" => {
                let Some(path) = node.paths.get("images") else {
                    return Ok(());
                };
                let figure = files.add(read(path)?, "png", grid_caption(shown));
                if std::ptr::eq(subject, shown) {
                    self.extras
                        .push(extra(&label, shown, Vec::new(), Some(figure)));
                } else {
                    let grids = self.grids.entry(name(subject)).or_default();
                    if !grids.contains(&figure) {
                        grids.push(figure);
                    }
                }
            }
            "train" => {}
            _ => self.other(node, &label, shown, files)?,
        }
        Ok(())
    }

    /// A table or image of any other kind of stage.
    fn other(
        &mut self,
        node: &InputNode,
        label: &str,
        shown: &ShownNode,
        files: &mut Files,
    ) -> Result<(), StageError> {
        for (output, path) in &node.paths {
            let title = if node.paths.len() > 1 {
                format!("{label}:{output}")
            } else {
                label.to_owned()
            };
            self.extras.extend(
                display(path, node, output, files)?
                    .map(|(table, figure)| extra(&title, shown, table, figure)),
            );
        }
        Ok(())
    }

    /// A file of the user's among the inputs: shown when it is a table or an image.
    fn file(&mut self, node: &InputNode, files: &mut Files) -> Result<(), StageError> {
        for (output, path) in &node.paths {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let shown = display(path, node, output, files)?;
            self.extras.extend(shown.map(|(table, figure)| {
                let (table, omitted) = cut(table);
                Extra {
                    name: name.unwrap_or_else(|| output.clone()),
                    description: None,
                    table,
                    omitted,
                    figure,
                }
            }));
        }
        Ok(())
    }

    /// A section for every trained node that an input is about, in plan order, and the settings they share.
    fn sections(
        &self,
        upstream: &Upstream<'_>,
    ) -> (Vec<crate::report::document::Setting>, Vec<Section>) {
        let mut names: BTreeSet<(usize, &str)> = BTreeSet::new();
        let subjects = self.runs.values().map(|(_, subject)| subject);
        for name in subjects.chain(self.curves.keys()).chain(self.grids.keys()) {
            let trained = upstream.get(name).is_some_and(|node| node.kind == "train");
            names.extend(
                upstream
                    .position(name)
                    .filter(|_| trained)
                    .map(|at| (at, name.as_str())),
            );
        }
        let nodes: Vec<&ShownNode> = names
            .iter()
            .filter_map(|(_, name)| upstream.get(name))
            .collect();
        let mut by_stage: IndexMap<&str, Vec<&ShownNode>> = IndexMap::new();
        for node in nodes {
            by_stage.entry(&node.stage).or_default().push(node);
        }
        let several = by_stage.len() > 1;
        let (mut shared, mut sections) = (Vec::new(), Vec::new());
        for (stage, nodes) in by_stage {
            let (common, own) = settings::split(&nodes);
            shared.extend(common.into_iter().map(|mut setting| {
                if several {
                    setting.name = format!("{stage}: {}", setting.name);
                }
                setting
            }));
            let described = nodes.into_iter().zip(own);
            sections.extend(described.map(|(node, own)| self.section(node, own, upstream)));
        }
        (shared, sections)
    }

    fn section(
        &self,
        node: &ShownNode,
        settings: Vec<crate::report::document::Setting>,
        upstream: &Upstream<'_>,
    ) -> Section {
        let name = name(node);
        let about = self.runs.values().filter(|(_, subject)| *subject == name);
        let outcome = upstream
            .get(&name)
            .map_or(Ending::Ok, |node| upstream.ending(node));
        Section {
            description: node.description.clone(),
            outcome: outcome.to_string(),
            settings,
            metrics: about.flat_map(|(run, _)| measured(run)).collect(),
            curves: self.curves.get(&name).cloned().unwrap_or_default(),
            grids: self.grids.get(&name).cloned().unwrap_or_default(),
            name,
        }
    }
}

/// Last and best value of every metric of one evaluation.
fn measured(run: &Run) -> Vec<Measured> {
    let metrics = Metrics {
        rows: run.rows.clone(),
    };
    let mut names: Vec<&str> = Vec::new();
    for row in &metrics.rows {
        if !names.contains(&row.metric.as_str()) {
            names.push(&row.metric);
        }
    }
    names
        .into_iter()
        .filter_map(|name| {
            let last = metrics.of(name).max_by_key(|row| row.epoch)?;
            let best = best(metrics.of(name))?;
            Some(Measured {
                metric: name.to_owned(),
                arrow: last.direction.arrow(),
                last: significant(last.value),
                last_epoch: last.epoch,
                best: significant(best.value),
                best_epoch: best.epoch,
                samples: last.samples,
            })
        })
        .collect()
}

/// Plots of losses and accuracies by step.
fn curves(node: &InputNode, label: &str, files: &mut Files) -> Result<Vec<Figure>, StageError> {
    let Some(path) = node.paths.get("history") else {
        return Ok(Vec::new());
    };
    let history = History::from_csv(&read(path)?).map_err(failed)?;
    let mut figures = Vec::new();
    for what in ["loss", "accuracy"] {
        let lines = history.lines(what);
        if lines.is_empty() {
            continue;
        }
        let chart = Chart {
            title: format!("{what} of {label}"),
            x_label: "step".to_owned(),
            y_label: match lines.as_slice() {
                [line] => line.name.clone(),
                _ => what.to_owned(),
            },
            lines,
            levels: Vec::new(),
        };
        figures.push(files.chart(&chart).map_err(failed)?);
    }
    Ok(figures)
}

/// One plot a metric and protocol, where any run has several checkpoints. Values that do not belong to an
/// epoch (of real images) are levels.
fn by_epoch(runs: &[Run], files: &mut Files) -> Result<Vec<Figure>, ReportError> {
    let mut charts: IndexMap<(String, String), Chart> = IndexMap::new();
    let mut levels: Vec<(String, String, f64)> = Vec::new();
    for run in runs {
        let mut lines: BTreeMap<(String, String), Line> = BTreeMap::new();
        for row in &run.rows {
            let Some(epoch) = row.epoch else {
                levels.push((row.metric.clone(), run.name(), row.value));
                continue;
            };
            let key = (row.metric.clone(), row.protocol_digest().short());
            charts.entry(key.clone()).or_insert_with(|| Chart {
                title: format!("{} by epoch", row.metric),
                x_label: "epoch".to_owned(),
                y_label: format!("{} {}", row.metric, row.direction.arrow()),
                ..Chart::default()
            });
            let line = lines.entry(key).or_insert_with(|| Line {
                name: run.name(),
                points: Vec::new(),
            });
            line.points.push((epoch as f64, row.value));
        }
        for (key, line) in lines {
            charts.entry(key).and_modify(|chart| chart.lines.push(line));
        }
    }
    let mut figures = Vec::new();
    for ((metric, _), mut chart) in charts {
        if chart.lines.iter().all(|line| line.points.len() < 2) {
            continue;
        }
        let of_metric = levels.iter().filter(|(name, ..)| *name == metric);
        chart.levels = of_metric
            .map(|(_, name, value)| (name.clone(), *value))
            .collect();
        figures.push(files.chart(&chart)?);
    }
    Ok(figures)
}

/// A table or an image by the form of its bytes; `None` for anything else.
type Display = Option<(Vec<Vec<String>>, Option<Figure>)>;

fn display(
    path: &Path,
    node: &InputNode,
    output: &str,
    files: &mut Files,
) -> Result<Display, StageError> {
    use crate::stage::Format;
    let format = node.outputs.get(output).map(|artifact| artifact.format);
    let extension = path.extension().and_then(|extension| extension.to_str());
    Ok(match (format, extension) {
        (Some(Format::Table), _) | (_, Some("csv")) => {
            Some((table::records(&read(path)?).map_err(failed)?, None))
        }
        (Some(Format::Image), _) | (_, Some("png")) => {
            let figure = files.add(read(path)?, "png", output.to_owned());
            Some((Vec::new(), Some(figure)))
        }
        _ => None,
    })
}

fn extra(label: &str, shown: &ShownNode, table: Vec<Vec<String>>, figure: Option<Figure>) -> Extra {
    let (table, omitted) = cut(table);
    Extra {
        name: label.to_owned(),
        description: shown.description.clone(),
        table,
        omitted,
        figure,
    }
}

/// The header and the first rows, and how many were left out.
fn cut(mut table: Vec<Vec<String>>) -> (Vec<Vec<String>>, usize) {
    let omitted = table.len().saturating_sub(TABLE_ROWS + 1);
    table.truncate(TABLE_ROWS + 1);
    (table, omitted)
}

/// "grids[loss=bce]: 64 samples, checkpoint last, seed 7".
fn grid_caption(node: &ShownNode) -> String {
    let mut parts: Vec<String> = Vec::new();
    let field = |field: &str| node.with.get(field).filter(|value| !value.is_null());
    parts.extend(field("images").map(|images| format!("{} images", plain(images))));
    if node.inputs.contains_key("model") {
        parts.extend(field("checkpoint").map(|which| format!("checkpoint {}", plain(which))));
        parts.extend(node.seed.map(|seed| format!("seed {seed}")));
    }
    format!("{}: {}", name(node), parts.join(", "))
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

fn metrics(path: &Path) -> Result<Metrics, StageError> {
    Metrics::from_json(&read(path)?)
        .map_err(|error| StageError::Failed(format!("{}: {error}", path.display())))
}

fn read(path: &Path) -> Result<Vec<u8>, StageError> {
    std::fs::read(path).map_err(|error| StageError::io(path, error))
}
