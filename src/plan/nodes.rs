//! Points to nodes.

use std::collections::HashMap;
use std::rc::Rc;

use indexmap::IndexMap;
use serde_json::Value;

use super::expand::{Draft, Expander};
use super::relation::{Relation, Row};
use super::settle::{Origin, Settled, interpolate};
use super::stage::{Names, Stage};
use super::values::{ValueId, Values};
use super::{Node, Source, checks};
use crate::spec::place::{Findings, Place};
use crate::spec::read::describe;
use crate::spec::template;
use crate::stage::{Axes, DataSchema, NodeName};

/// Interpolates what a stage says at one point.
struct Filler<'a> {
    names: Names<'a>,
    values: &'a Values,
    silent: bool,
}

impl Filler<'_> {
    fn fill(&self, value: &Value, place: &Place, findings: &mut Findings) -> Option<Value> {
        let lookup = |name: &str| self.names.get(name, self.values);
        let defined = || self.names.defined();
        interpolate(value, &lookup, place, &defined, self.silent, findings)
    }
}

impl<'a> Expander<'a> {
    /// A node for every point; their ids.
    pub(super) fn make_nodes(&mut self, stage: &Stage<'a>, points: &Relation) -> Vec<usize> {
        let origin = Origin {
            kind: &stage.spec.kind,
            written: &stage.spec.with,
            place: stage.place.key("with"),
            tree: &self.spec.tree,
        };
        let mut used = template::names_in(&stage.spec.with);
        used.retain(|name| !self.spec.vars.contains_key(name));
        let mut settled: HashMap<Vec<Option<ValueId>>, Option<Rc<Settled>>> = HashMap::new();
        let mut claimed = vec![false; stage.entries.len()];
        let mut ids = Vec::with_capacity(points.rows.len());
        for row in &points.rows {
            let filler = Filler {
                names: stage.names(self.spec, &points.axes, row),
                values: &self.values,
                silent: stage.broken,
            };
            for entry in row
                .entries
                .iter()
                .filter(|entry| filler.names.applies(**entry))
            {
                claimed[*entry] = true;
            }
            let key = used.iter().map(|name| filler.names.id(name)).collect();
            let findings = &mut self.findings;
            let settled = settled.entry(key).or_insert_with(|| {
                let with = filler.fill(&stage.spec.with, &origin.place, findings)?;
                origin.settle(with, findings).map(Rc::new)
            });
            let seed = seed(stage, row, points, &filler, self.spec.seed, findings);
            let publish = publish(stage, &filler, settled.as_deref(), findings);
            let mut inputs: IndexMap<String, Source> = IndexMap::new();
            for (index, source) in &row.picks {
                inputs.insert(stage.inputs[*index].0.to_owned(), source.as_ref().clone());
            }
            inputs.sort_keys();
            let (mut schema, mut missing) = (DataSchema::default(), Vec::new());
            if let Some(settled) = &settled {
                missing.clone_from(&settled.missing);
                let mut checker = checks::Checker {
                    stage,
                    settled,
                    drafts: &self.drafts,
                    files: &mut self.files,
                    findings: &mut self.findings,
                };
                let fits = checker.inputs(&inputs, &mut missing);
                if fits && settled.missing.is_empty() && !stage.broken {
                    let schemas = checker.schemas(&inputs);
                    schema = origin.check(settled, schemas, &mut self.findings);
                }
            }
            let id = self.drafts.len();
            if let Some(settled) = &settled {
                let axes = points.axes.iter().zip(&row.values);
                let axes: Axes = axes
                    .map(|(axis, id)| (axis.name.clone(), self.values.get(*id).clone()))
                    .collect();
                self.nodes.push(Node {
                    id,
                    name: NodeName {
                        stage: stage.name.to_owned(),
                        axes,
                    },
                    config: settled.config.clone(),
                    settings: settled.settings.clone(),
                    seed,
                    inputs,
                    publish,
                    device: stage.spec.device,
                    limits: stage.spec.limits,
                    slots: stage.spec.resources.over(settled.config.slots()),
                    description: stage.spec.description.clone(),
                    data: schema.clone(),
                    missing,
                });
            }
            self.drafts.push(Draft {
                stage: stage.name,
                settled: settled.clone(),
                schema,
            });
            ids.push(id);
        }
        if !stage.broken && !points.rows.is_empty() {
            let place = stage.place.key("matrix").key("include");
            for index in (0..claimed.len()).filter(|index| !claimed[*index]) {
                if !stage.faulty.contains(&index) {
                    self.findings
                        .add(place.index(index), "this entry fits no node");
                }
            }
        }
        ids
    }
}

/// `seed:`, else the stage's own axis of that name, else the pipeline's.
fn seed(
    stage: &Stage<'_>,
    row: &Row,
    points: &Relation,
    filler: &Filler<'_>,
    pipeline: u64,
    findings: &mut Findings,
) -> u64 {
    let (value, place) = if let Some(written) = &stage.spec.seed {
        let place = stage.place.key("seed");
        match filler.fill(written, &place, findings) {
            Some(value) => (value, place),
            None => return pipeline,
        }
    } else if let Some(position) = points.position("seed")
        && stage.has_own_axis("seed")
    {
        let place = stage.place.key("matrix").key("seed");
        (filler.values.get(row.values[position]).clone(), place)
    } else {
        return pipeline;
    };
    value.as_u64().unwrap_or_else(|| {
        let message = format!(
            "expected a whole number from 0 as seed, found {}",
            describe(&value)
        );
        findings.add(place, message);
        pipeline
    })
}

/// `publish:` of one node.
fn publish(
    stage: &Stage<'_>,
    filler: &Filler<'_>,
    settled: Option<&Settled>,
    findings: &mut Findings,
) -> IndexMap<String, String> {
    let mut paths = IndexMap::new();
    for (output, path) in &stage.spec.publish {
        let place = stage.place.key("publish").key(output);
        if let Some(settled) = settled {
            checks::output(
                stage.name,
                output,
                &settled.outputs,
                &place.clone().at_key(),
                findings,
            );
        }
        match filler.fill(&Value::String(path.clone()), &place, findings) {
            Some(Value::String(path)) => {
                paths.insert(output.clone(), path);
            }
            Some(other) => {
                findings.add(
                    place,
                    format!("expected a path, found {}", describe(&other)),
                );
            }
            None => {}
        }
    }
    paths.sort_keys();
    paths
}
