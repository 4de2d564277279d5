//! What the inputs of a report hold, sorted by the run it is about.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::display::{cut, display, extra, grid_caption, image};
use super::settings::{self, Split};
use super::upstream::{Upstream, name, names};
use super::{figures, frames};
use crate::metric::document::Metrics;
use crate::metric::{Direction, best};
use crate::report::collapse::mark_collapsed;
use crate::report::comparison::Trained;
use crate::report::document::{
    Differences, Extra, Figure, Files, Measured, Section, Series, Setting, Shared,
};
use crate::report::number::significant;
use crate::report::quote::Names;
use crate::report::runs::{Ending, Run};
use crate::report::table::NOTHING;
use crate::stage::{InputNode, ShownNode, StageError};

/// What the inputs hold, sorted by what it is about.
#[derive(Default)]
pub struct Gathered {
    /// evaluation → its run, and the names of the node it is about
    pub runs: IndexMap<String, (Run, Names)>,
    /// trained node → its curves
    curves: IndexMap<String, Vec<Figure>>,
    /// trained node → how its discriminator scores images
    scores: IndexMap<String, Vec<Figure>>,
    /// trained node → grids drawn by it
    grids: IndexMap<String, Vec<Figure>>,
    /// trained node → which checkpoints the frames of its animations are
    series: IndexMap<String, Vec<Series>>,
    /// trained nodes with a history
    pub trained: Vec<Trained>,
    pub extras: Vec<Extra>,
    /// nodes with the outputs that have been seen of them
    taken: BTreeSet<String>,
}

/// What is told of the trained nodes that the inputs are about.
#[derive(Default)]
pub struct Described {
    /// by stage, what its nodes share
    pub settings: Vec<Shared>,
    /// by stage, where they differ
    pub differences: Vec<Differences>,
    /// one a node
    pub sections: Vec<Section>,
}

impl Gathered {
    /// Sorts one node in. A node that comes through several inputs is shown once.
    pub fn take(
        &mut self,
        node: &InputNode,
        upstream: &Upstream<'_>,
        files: &mut Files,
    ) -> Result<(), StageError> {
        let label = node.node.to_string();
        let Some(shown) = upstream.get(&label) else {
            return self.file(node, files);
        };
        let outputs: Vec<&String> = node.paths.keys().collect();
        if !self.taken.insert(format!("{label} {outputs:?}")) {
            return Ok(());
        }
        let subject = upstream.subject(shown);
        match shown.kind.as_str() {
            "train" if !self.curves.contains_key(&label) => {
                let mut curves = Vec::new();
                if let Some(history) = figures::history(node)? {
                    curves = figures::curves(&history, &label, files);
                    self.trained.push(Trained {
                        stage: shown.stage.clone(),
                        axes: shown.axes.clone(),
                        history,
                    });
                }
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
                    settings: (!std::ptr::eq(subject, shown))
                        .then(|| Arc::new(subject.with.clone())),
                };
                if let Some(figure) = figures::scores(&run, &name(subject), files) {
                    self.scores.entry(name(subject)).or_default().push(figure);
                }
                self.runs.insert(label, (run, names(subject)));
            }
            "sample" => {
                let mut still = None;
                for output in ["images", "sheet", "animation"] {
                    let Some(path) = node.paths.get(output) else {
                        continue;
                    };
                    let figure = image(read(path)?, grid_caption(shown, output), files);
                    if std::ptr::eq(subject, shown) {
                        self.extras
                            .push(extra(&label, shown, Vec::new(), Some(figure)));
                        continue;
                    }
                    if output == "images" {
                        still = Some(figure.file.clone());
                    }
                    if output == "animation" {
                        let series = Series {
                            file: figure.file.clone(),
                            epochs: frames::epochs(shown, subject),
                            still: still.take(),
                        };
                        self.series.entry(name(subject)).or_default().push(series);
                    }
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

    /// Says of the runs that collapsed that they did.
    pub fn mark_collapsed(&mut self) {
        let mut runs: Vec<Run> = self.runs.values().map(|(run, _)| run.clone()).collect();
        mark_collapsed(&mut runs);
        for ((run, _), marked) in self.runs.values_mut().zip(runs) {
            run.ending = marked.ending;
        }
    }

    /// A section for every trained node that an input is about, in plan order, and what is told of their settings.
    pub fn described(&self, upstream: &Upstream<'_>) -> Described {
        let mut names: BTreeSet<(usize, &str)> = BTreeSet::new();
        let subjects = self.runs.values().map(|(_, subject)| &subject.node);
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
        // What was measured is what the report is about; a judge comes after.
        let measured = |stage: &str| {
            let mut runs = self.runs.values();
            runs.any(|(_, subject)| subject.parts.first().is_some_and(|own| own == stage))
        };
        by_stage.sort_by_cached_key(|stage, _| !measured(stage));
        let mut described = Described::default();
        for (stage, nodes) in by_stage {
            let Split { shared, own } = settings::split(&nodes);
            described.settings.push(Shared {
                stage: stage.to_owned(),
                settings: shared,
            });
            let differences = settings::differences(&nodes, &own);
            described.differences.extend(differences);
            let sections = nodes.into_iter().zip(own);
            let sections = sections.map(|(node, own)| self.section(node, own, upstream));
            described.sections.extend(sections);
        }
        described
    }

    fn section(
        &self,
        node: &ShownNode,
        settings: Vec<Setting>,
        upstream: &Upstream<'_>,
    ) -> Section {
        let name = name(node);
        let about = self
            .runs
            .values()
            .filter(|(_, subject)| subject.node == name);
        let ended = about.clone().map(|(run, _)| run.ending);
        let outcome = ended
            .chain([upstream.ending(node)])
            .find(|ending| *ending != Ending::Ok)
            .unwrap_or_default();
        Section {
            description: node.description.clone(),
            outcome: outcome.to_string(),
            settings,
            metrics: about.flat_map(|(run, _)| measured(run)).collect(),
            curves: [&self.curves, &self.scores]
                .into_iter()
                .filter_map(|figures| figures.get(&name))
                .flatten()
                .cloned()
                .collect(),
            grids: self.grids.get(&name).cloned().unwrap_or_default(),
            series: self.series.get(&name).cloned().unwrap_or_default(),
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
            let ranked = last.direction != Direction::Neither;
            let best = best(metrics.of(name)).filter(|_| ranked);
            Some(Measured {
                metric: name.to_owned(),
                arrow: last.direction.arrow(),
                last: significant(last.value),
                last_epoch: last.epoch,
                best: best.map_or(NOTHING.to_owned(), |best| significant(best.value)),
                best_epoch: best.and_then(|best| best.epoch),
                samples: last.samples,
            })
        })
        .collect()
}

fn metrics(path: &Path) -> Result<Metrics, StageError> {
    Metrics::from_json(&read(path)?)
        .map_err(|error| StageError::Failed(format!("{}: {error}", path.display())))
}

pub fn read(path: &Path) -> Result<Vec<u8>, StageError> {
    std::fs::read(path).map_err(|error| StageError::io(path, error))
}
