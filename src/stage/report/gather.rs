//! What the inputs of a report hold, sorted by the run it is about.

use std::collections::BTreeSet;
use std::path::Path;

use indexmap::IndexMap;

use super::display::{cut, display, extra, grid_caption, image};
use super::upstream::{Upstream, name};
use super::{figures, settings};
use crate::metric::best;
use crate::metric::document::Metrics;
use crate::report::comparison::Trained;
use crate::report::document::{Extra, Figure, Files, Measured, Section, Setting};
use crate::report::number::significant;
use crate::report::runs::{Ending, Run};
use crate::stage::{InputNode, ShownNode, StageError};

/// What the inputs hold, sorted by what it is about.
#[derive(Default)]
pub struct Gathered {
    /// evaluation → its run, and the name of the node it is about
    pub runs: IndexMap<String, (Run, String)>,
    /// trained node → its curves
    curves: IndexMap<String, Vec<Figure>>,
    /// trained node → grids drawn by it
    grids: IndexMap<String, Vec<Figure>>,
    /// trained nodes with a history
    pub trained: Vec<Trained>,
    pub extras: Vec<Extra>,
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
        let subject = upstream.subject(shown);
        match shown.kind.as_str() {
            "train" if !self.curves.contains_key(&label) => {
                let mut curves = Vec::new();
                if let Some(history) = figures::history(node)? {
                    curves = figures::curves(&history, &label, files)?;
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
                };
                self.runs.insert(label, (run, name(subject)));
            }
            "sample" => {
                for output in ["images", "animation"] {
                    let Some(path) = node.paths.get(output) else {
                        continue;
                    };
                    let figure = image(read(path)?, grid_caption(shown), files);
                    if std::ptr::eq(subject, shown) {
                        self.extras
                            .push(extra(&label, shown, Vec::new(), Some(figure)));
                        continue;
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

    /// A section for every trained node that an input is about, in plan order, and the settings they share.
    pub fn sections(&self, upstream: &Upstream<'_>) -> (Vec<Setting>, Vec<Section>) {
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
        settings: Vec<Setting>,
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

fn metrics(path: &Path) -> Result<Metrics, StageError> {
    Metrics::from_json(&read(path)?)
        .map_err(|error| StageError::Failed(format!("{}: {error}", path.display())))
}

pub fn read(path: &Path) -> Result<Vec<u8>, StageError> {
    std::fs::read(path).map_err(|error| StageError::io(path, error))
}
